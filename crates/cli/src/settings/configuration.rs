//! The effective configuration: flag before variable before file before default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use seabag_protocol::limits::Limits;

use super::layer::{self, Layer};
use super::table::{self, DurabilityChoice, RegistrationChoice, SETTINGS};
use crate::exit::usage;

/// What the server is to do, all sources considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// Where metrics and admin commands are served.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Where everything is kept; `None`: in memory.
    pub(crate) data: Option<PathBuf>,
    /// When a push counts as done.
    pub(crate) durability: DurabilityChoice,
    /// Open data that lacks acknowledged commits.
    pub(crate) accept_loss: bool,
    /// Memory for recently read blocks.
    pub(crate) cache_bytes: u64,
    /// What clients are told to connect to.
    pub(crate) public_url: Option<String>,
    /// Certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// What creating a room asks for.
    pub(crate) creation_token: Token,
    /// Who may register an account.
    pub(crate) registration: RegistrationChoice,
    /// What registering asks for; there if and only if `registration` is `Token`.
    pub(crate) registration_token: Token,
    /// What the admin address asks for.
    pub(crate) admin_token: Token,
    /// How long an unused room is kept.
    pub(crate) room_ttl_ms: Option<u64>,
    /// Whether the pages are served.
    pub(crate) pages: bool,
    /// What is logged.
    pub(crate) log: String,
    /// Whether it is logged as JSON.
    pub(crate) log_json: bool,
    /// Every bound.
    pub(crate) limits: Limits,
}

/// Where a secret is. It is read when the server starts, not before, so that `--print-config` needs no right to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// None is asked for.
    Absent,
    /// In this variable.
    Variable(&'static str),
    /// In this file.
    File(PathBuf),
}

impl Token {
    /// Reads the secret.
    pub(crate) fn read(&self, read: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<String>> {
        match self {
            Self::Absent => Ok(None),
            Self::Variable(name) => Ok(read(name)),
            Self::File(path) => layer::read_secret(path).map(Some),
        }
    }
}

impl Configuration {
    /// Puts the sources together.
    pub(crate) fn resolve(
        flags: Layer,
        file: Option<&Path>,
        read: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let mut layers = vec![flags, Layer::from_variables(&read)?];
        if let Some(path) = file {
            layers.push(Layer::from_file(path)?);
        }
        let data = choose_data(&layers)?;
        let defaults = default_layer();
        layers.push(defaults);
        let mut limits = Limits::default();
        for info in Limits::TABLE {
            if let Some(text) = layer::first(&layers, info.name) {
                limits.set(info.name, table::kind(info.name).number(text).map_err(usage)?);
            }
        }
        let parsed = |name: &str| layer::first(&layers, name).ok_or_else(|| anyhow!("{name} has no default"));
        let path = |name: &str| layer::first(&layers, name).map(PathBuf::from);
        let registration = table::parse_registration(parsed("registration")?).map_err(usage)?;
        let registration_token =
            choose_token(&layers, "registration_token_file", "SEABAG_REGISTRATION_TOKEN", &read)?;
        if (registration == RegistrationChoice::Token) != (registration_token != Token::Absent) {
            return Err(usage(
                "registration = token and a registration token are set together or not at all",
            ));
        }
        Ok(Self {
            listen: table::parse_address(parsed("listen")?).map_err(usage)?,
            admin_listen: layer::first(&layers, "admin_listen")
                .map(table::parse_address)
                .transpose()
                .map_err(usage)?,
            data,
            durability: table::parse_durability(parsed("durability")?).map_err(usage)?,
            accept_loss: table::parse_flag(parsed("accept_loss")?).map_err(usage)?,
            cache_bytes: super::units::parse_bytes(parsed("cache_bytes")?).map_err(usage)?,
            public_url: layer::first(&layers, "public_url")
                .map(table::parse_url)
                .transpose()
                .map_err(usage)?,
            tls: match (path("tls_certificate"), path("tls_key")) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                _ => return Err(usage("tls_certificate and tls_key are set together or not at all")),
            },
            creation_token: choose_token(&layers, "creation_token_file", "SEABAG_CREATION_TOKEN", &read)?,
            registration,
            registration_token,
            admin_token: choose_token(&layers, "admin_token_file", "SEABAG_ADMIN_TOKEN", &read)?,
            room_ttl_ms: table::parse_lifetime(parsed("room_ttl")?).map_err(usage)?,
            pages: table::parse_flag(parsed("pages")?).map_err(usage)?,
            log: parsed("log")?.to_owned(),
            log_json: parsed("log_format")? == "json",
            limits,
        })
    }
}

fn default_layer() -> Layer {
    let mut layer = Layer::new("the defaults");
    for info in SETTINGS {
        if let Some(default) = info.default {
            layer.insert(info.name, default.to_owned());
        }
    }
    layer
}

/// `data` and `memory` answer one question, so the first source that says either decides: `--data` on the
/// command line beats `memory = true` in the file.
fn choose_data(layers: &[Layer]) -> anyhow::Result<Option<PathBuf>> {
    for layer in layers {
        let memory = layer.get("memory").map(table::parse_flag).transpose().map_err(usage)?;
        match (memory, layer.get("data")) {
            (Some(true), Some(_)) => {
                let source = layer.source();
                return Err(usage(format!("{source} sets both data and memory: which one is meant?")));
            }
            (Some(true), None) => return Ok(None),
            (_, Some(path)) => return Ok(Some(PathBuf::from(path))),
            (_, None) => {}
        }
    }
    let default = SETTINGS.iter().find(|info| info.name == "data").and_then(|info| info.default);
    Ok(default.map(PathBuf::from))
}

/// A token stands in a file or in a variable, never in a flag: arguments can be read by every user.
fn choose_token(
    layers: &[Layer],
    name: &'static str,
    variable: &'static str,
    read: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Token> {
    let in_variable = read(variable).is_some_and(|text| !text.is_empty());
    for (place, layer) in layers.iter().enumerate() {
        // The second layer is the environment.
        let here = place == 1 && in_variable;
        match (layer.get(name), here) {
            (Some(_), true) => {
                let other = table::variable(name);
                return Err(usage(format!("{variable} and {other} are both set: which one is meant?")));
            }
            (Some(path), false) => return Ok(Token::File(PathBuf::from(path))),
            (None, true) => return Ok(Token::Variable(variable)),
            (None, false) => {}
        }
    }
    Ok(Token::Absent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn flags(values: &[(&'static str, &str)]) -> Layer {
        let mut layer = Layer::new("the command line");
        for (name, text) in values {
            layer.insert(name, (*text).to_owned());
        }
        layer
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file =
            file("listen = \"127.0.0.1:3\"\nroom_ttl = \"3h\"\nlog = \"debug\"\n[limits]\nrooms_max = 3\n");
        let read = |name: &str| match name {
            "SEABAG_LISTEN" => Some("127.0.0.1:2".to_owned()),
            "SEABAG_ROOM_TTL" => Some("2h".to_owned()),
            _ => None,
        };
        let found =
            Configuration::resolve(flags(&[("listen", "127.0.0.1:1")]), Some(file.path()), read).unwrap();
        assert_eq!(found.listen.port(), 1);
        assert_eq!(found.room_ttl_ms, Some(7_200_000));
        assert_eq!(found.log, "debug");
        assert_eq!(found.limits.rooms_max, 3);
        assert_eq!(found.limits.key_bytes_max, Limits::default().key_bytes_max);
        assert_eq!(found.durability, DurabilityChoice::Sync);
    }

    #[test]
    fn the_first_source_that_names_a_storage_decides() {
        let data = |flags: Layer, text: &str| {
            Configuration::resolve(flags, Some(file(text).path()), |_| None).map(|found| found.data)
        };
        assert_eq!(data(flags(&[("data", "/d")]), "memory = true").unwrap(), Some("/d".into()));
        assert_eq!(data(flags(&[("memory", "true")]), "data = \"/d\"").unwrap(), None);
        assert_eq!(data(flags(&[("memory", "false")]), "data = \"/d\"").unwrap(), Some("/d".into()));
        assert_eq!(data(flags(&[]), "").unwrap(), Some("./seabag-data".into()));
        assert!(data(flags(&[]), "memory = true\ndata = \"/d\"").is_err());
    }

    #[test]
    fn a_token_comes_from_a_file_or_a_variable() {
        let variable = |name: &str| (name == "SEABAG_ADMIN_TOKEN").then(|| "secret".to_owned());
        let found = Configuration::resolve(flags(&[]), None, variable).unwrap();
        assert_eq!(found.admin_token, Token::Variable("SEABAG_ADMIN_TOKEN"));
        assert_eq!(found.admin_token.read(variable).unwrap().as_deref(), Some("secret"));
        let found = Configuration::resolve(flags(&[("admin_token_file", "/t")]), None, variable).unwrap();
        assert_eq!(found.admin_token, Token::File("/t".into()));
        let both = |name: &str| name.starts_with("SEABAG_ADMIN_TOKEN").then(|| "x".to_owned());
        assert!(Configuration::resolve(flags(&[]), None, both).is_err());
    }

    #[test]
    fn guarded_registration_and_its_token_come_together() {
        let resolve = |values| Configuration::resolve(flags(values), None, |_| None);
        let found = resolve(&[("registration", "token"), ("registration_token_file", "/t")]).unwrap();
        assert_eq!(found.registration_token, Token::File("/t".into()));
        assert!(resolve(&[("registration", "token")]).is_err());
        assert!(resolve(&[("registration_token_file", "/t")]).is_err());
        assert_eq!(resolve(&[("registration", "closed")]).unwrap().registration, RegistrationChoice::Closed);
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(Configuration::resolve(flags(&[("tls_certificate", "/c")]), None, |_| None).is_err());
    }
}
