//! Every setting of `seabag serve` but the limits, in one table: from it come the flags, the variables, the
//! keys of the file, and `--print-config`. Limits have their own table, `Limits::TABLE`.

use std::net::SocketAddr;
use std::time::Duration;

use seabag_protocol::limits::Limits;

use super::units;

/// What a setting's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `127.0.0.1:8080`.
    Address,
    /// A path in the file system.
    Path,
    /// `https://example.org`.
    Url,
    /// True or false.
    Flag,
    /// `sync`, `interval:50ms`, `none`.
    Durability,
    /// `open`, `token` or `closed`.
    Registration,
    /// A duration, or `never`.
    Lifetime,
    /// A size.
    Bytes,
    /// A duration.
    Milliseconds,
    /// A number of things.
    Count,
    /// `text` or `json`.
    LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter by module.
    LogFilter,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingInfo {
    /// Its key in the file, its flag (with dashes) and its variable (`SEABAG_`, capitals).
    pub(crate) name: &'static str,
    /// What the help calls its value.
    pub(crate) placeholder: &'static str,
    /// What it does: the first line is the short help.
    pub(crate) about: &'static str,
    /// What it is unless it is set.
    pub(crate) default: Option<&'static str>,
    /// What its text must look like.
    pub(crate) kind: Kind,
}

const fn setting(
    name: &'static str,
    placeholder: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> SettingInfo {
    SettingInfo { name, placeholder, about, default, kind }
}

/// Every setting but the limits.
pub(crate) const SETTINGS: &[SettingInfo] = &[
    setting(
        "listen",
        "ADDRESS",
        Kind::Address,
        Some("127.0.0.1:8080"),
        "Where clients connect. Port 0 takes a free one.",
    ),
    setting(
        "data",
        "DIRECTORY",
        Kind::Path,
        Some("./seabag-data"),
        "Where everything is kept. One process at a time, on a local disk.",
    ),
    setting(
        "memory",
        "BOOL",
        Kind::Flag,
        None,
        "Keep everything in memory: it is gone when the server ends.",
    ),
    setting(
        "durability",
        "MODE",
        Kind::Durability,
        Some("sync"),
        "When a push counts as done: sync, interval:50ms or none. Only sync lets no crash take back what a client has seen.",
    ),
    setting(
        "accept_loss",
        "BOOL",
        Kind::Flag,
        Some("false"),
        "Open data that lacks commits which were acknowledged. Clients get a reset. Leave it out again afterwards.",
    ),
    setting(
        "cache_bytes",
        "SIZE",
        Kind::Bytes,
        Some("2MiB"),
        "Memory for recently read blocks of the data. The operating system caches files as well.",
    ),
    setting(
        "public_url",
        "URL",
        Kind::Url,
        None,
        "What clients are told to connect to. Without it the request's own Host decides.",
    ),
    setting(
        "tls_certificate",
        "FILE",
        Kind::Path,
        None,
        "PEM file with the certificate and its chain, to serve TLS without a proxy. Needs the key.",
    ),
    setting("tls_key", "FILE", Kind::Path, None, "PEM file with the certificate's private key."),
    setting(
        "admin_listen",
        "ADDRESS",
        Kind::Address,
        None,
        "Where metrics, backup and the admin commands are served. Never expose it.",
    ),
    setting(
        "admin_token_file",
        "FILE",
        Kind::Path,
        None,
        "File with the token that the admin address asks for. Or the variable SEABAG_ADMIN_TOKEN.",
    ),
    setting(
        "creation_token_file",
        "FILE",
        Kind::Path,
        None,
        "File with the token that creating a room asks for. Or the variable SEABAG_CREATION_TOKEN. Without: anybody may create rooms.",
    ),
    setting(
        "registration",
        "WHO",
        Kind::Registration,
        Some("open"),
        "Who may register an account for sealed entities: open, token or closed. Accounts that exist stay.",
    ),
    setting(
        "registration_token_file",
        "FILE",
        Kind::Path,
        None,
        "File with the token that registering asks for. Or the variable SEABAG_REGISTRATION_TOKEN. Only with registration = token.",
    ),
    setting(
        "room_ttl",
        "DURATION",
        Kind::Lifetime,
        Some("never"),
        "How long a room that nobody uses is kept, such as 720h; or never.",
    ),
    setting(
        "pages",
        "BOOL",
        Kind::Flag,
        Some("true"),
        "Serve the pages for people: a start page, whiteboard, notes, inspector. --pages=false: only the protocols.",
    ),
    setting(
        "log",
        "FILTER",
        Kind::LogFilter,
        Some("info"),
        "What is logged to standard error: error, warn, info, debug or trace, or a filter by module.",
    ),
    setting(
        "log_format",
        "FORMAT",
        Kind::LogFormat,
        Some("text"),
        "How it is logged: text, or json with one object a line.",
    ),
];

/// The setting or limit of this name.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    let setting = SETTINGS.iter().map(|info| info.name).find(|known| *known == name);
    setting.or_else(|| find_limit(name))
}

/// The limit of this name.
pub(crate) fn find_limit(name: &str) -> Option<&'static str> {
    Limits::TABLE.iter().map(|info| info.name).find(|known| *known == name)
}

/// What the text of this setting or limit must look like. A limit's unit is a word of its name.
pub(crate) fn kind(name: &str) -> Kind {
    if let Some(info) = SETTINGS.iter().find(|info| info.name == name) {
        return info.kind;
    }
    let mut words = name.split('_');
    if words.clone().any(|word| word == "bytes") {
        Kind::Bytes
    } else if words.any(|word| word == "ms") {
        Kind::Milliseconds
    } else {
        Kind::Count
    }
}

/// The variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("SEABAG_{}", name.to_ascii_uppercase())
}

/// The flag of a setting, without the leading dashes.
pub(crate) fn flag(name: &str) -> String {
    name.replace('_', "-")
}

impl Kind {
    /// What the help calls the value of a limit of this kind.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::Bytes => "SIZE",
            Self::Milliseconds => "DURATION",
            _ => "NUMBER",
        }
    }

    /// Whether the text can be meant. What the text means is read where the setting is used.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Address => parse_address(text).map(drop),
            Self::Path if text.is_empty() => Err("a path must not be empty".into()),
            Self::Path => Ok(()),
            Self::Url => parse_url(text).map(drop),
            Self::Flag => parse_flag(text).map(drop),
            Self::Durability => parse_durability(text).map(drop),
            Self::Registration => parse_registration(text).map(drop),
            Self::Lifetime => parse_lifetime(text).map(drop),
            Self::Bytes => units::parse_bytes(text).map(drop),
            Self::Milliseconds => units::parse_milliseconds(text).map(drop),
            Self::Count => units::parse_count(text).map(drop),
            Self::LogFormat => match text {
                "text" | "json" => Ok(()),
                _ => Err(format!("{text:?} is no log format: write text or json")),
            },
            Self::LogFilter => text
                .parse::<tracing_subscriber::EnvFilter>()
                .map(drop)
                .map_err(|error| format!("{text:?} is no log filter: {error}")),
        }
    }

    /// Reads a number of this kind.
    pub(crate) fn number(self, text: &str) -> Result<u64, String> {
        match self {
            Self::Bytes => units::parse_bytes(text),
            Self::Milliseconds => units::parse_milliseconds(text),
            _ => units::parse_count(text),
        }
    }

    /// Writes a number of this kind as TOML.
    pub(crate) fn write_number(self, number: u64) -> String {
        match self {
            Self::Bytes if number >= 1024 => quote_unless_number(units::format_bytes(number)),
            Self::Milliseconds if number > 0 => quote_unless_number(units::format_milliseconds(number)),
            _ => number.to_string(),
        }
    }
}

fn quote_unless_number(text: String) -> String {
    if text.bytes().all(|c| c.is_ascii_digit()) { text } else { format!("\"{text}\"") }
}

/// Reads an address. A bare `:8080` is refused, for it hides the decision whether strangers may connect.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let hint = "write 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080 or [::]:8080 for everybody";
    text.parse().map_err(|_| format!("{text:?} is no address: {hint}"))
}

/// Reads true or false.
pub(crate) fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads the public URL; drops a slash at its end, since paths are appended.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let web = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match web {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#']) => Ok(text.trim_end_matches('/').into()),
        _ => Err(format!("{text:?} is no URL of a server: write https://seabag.example.org")),
    }
}

/// When a push counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurabilityChoice {
    /// When it is on disk.
    Sync,
    /// At once; on disk within this time.
    Interval(Duration),
    /// At once; on disk when the system pleases.
    None,
}

/// Reads the durability mode.
pub(crate) fn parse_durability(text: &str) -> Result<DurabilityChoice, String> {
    let bad = || format!("{text:?} is no durability: write sync, interval:50ms or none");
    match text {
        "sync" => Ok(DurabilityChoice::Sync),
        "none" => Ok(DurabilityChoice::None),
        _ => {
            let interval = text.strip_prefix("interval:").ok_or_else(bad)?;
            let milliseconds = units::parse_milliseconds(interval).map_err(|_| bad())?;
            if milliseconds == 0 {
                return Err(bad());
            }
            Ok(DurabilityChoice::Interval(Duration::from_millis(milliseconds)))
        }
    }
}

/// Who may register an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistrationChoice {
    /// Anybody.
    Open,
    /// Who has the token.
    Token,
    /// Nobody.
    Closed,
}

/// Reads who may register.
pub(crate) fn parse_registration(text: &str) -> Result<RegistrationChoice, String> {
    match text {
        "open" => Ok(RegistrationChoice::Open),
        "token" => Ok(RegistrationChoice::Token),
        "closed" => Ok(RegistrationChoice::Closed),
        _ => Err(format!("{text:?} says nobody: write open, token or closed")),
    }
}

/// Reads a duration or `never`.
pub(crate) fn parse_lifetime(text: &str) -> Result<Option<u64>, String> {
    match text {
        "never" => Ok(None),
        _ => match units::parse_milliseconds(text) {
            Ok(0) | Err(_) => Err(format!("{text:?} is no lifetime: write 24h, 30d or never")),
            Ok(milliseconds) => Ok(Some(milliseconds)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid_and_no_name_occurs_twice() {
        let mut names: Vec<_> = SETTINGS.iter().map(|info| info.name).collect();
        names.extend(Limits::TABLE.iter().map(|info| info.name));
        for info in SETTINGS {
            if let Some(default) = info.default {
                assert_eq!(info.kind.check(default), Ok(()), "{}", info.name);
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_limits_name_says_its_unit() {
        assert_eq!(kind("message_bytes_max"), Kind::Bytes);
        assert_eq!(kind("long_poll_ms_max"), Kind::Milliseconds);
        assert_eq!(kind("rooms_max"), Kind::Count);
    }

    #[test]
    fn texts_that_cannot_be_meant_are_refused() {
        for (kind, text) in [
            (Kind::Address, ":8080"),
            (Kind::Address, "localhost"),
            (Kind::Path, ""),
            (Kind::Url, "example.org"),
            (Kind::Url, "https://"),
            (Kind::Flag, "maybe"),
            (Kind::Durability, "interval:0ms"),
            (Kind::Durability, "fast"),
            (Kind::Registration, "everybody"),
            (Kind::Lifetime, "0s"),
            (Kind::LogFormat, "xml"),
        ] {
            assert!(kind.check(text).is_err(), "{kind:?} {text}");
        }
    }

    #[test]
    fn durabilities_and_lifetimes_are_read() {
        let interval = DurabilityChoice::Interval(Duration::from_millis(50));
        assert_eq!(parse_durability("interval:50ms"), Ok(interval));
        assert_eq!(parse_lifetime("24h"), Ok(Some(86_400_000)));
        assert_eq!(parse_lifetime("never"), Ok(None));
    }
}
