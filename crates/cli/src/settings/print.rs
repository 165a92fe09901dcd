//! `--print-config`: the effective configuration as a file that can be fed back. Never holds a secret.

use std::fmt::Write;
use std::path::Path;

use seabag_protocol::limits::Limits;

use super::configuration::{Configuration, Token};
use super::table::{self, DurabilityChoice, Kind, RegistrationChoice, SETTINGS};
use super::units;

/// Writes the configuration as TOML.
pub(crate) fn print(configuration: &Configuration) -> String {
    let mut text =
        String::from("# The configuration in force. `seabag serve --config FILE` reads it back.\n");
    for info in SETTINGS {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# {}\n", info.about);
        match value(configuration, info.name) {
            Ok(value) => {
                let _ = writeln!(text, "{} = {value}", info.name);
            }
            Err(remark) => {
                let _ = writeln!(text, "# {} {remark}", info.name);
            }
        }
    }
    text.push_str(
        "\n# Sizes may be written as 64KiB, 1MiB, 1GiB; durations as 500ms, 20s, 5m, 24h, 7d.\n[limits]\n",
    );
    for info in Limits::TABLE {
        let kind = table::kind(info.name);
        let number = configuration.limits.get(info.name).unwrap_or(info.default);
        let default = kind.write_number(info.default).replace('"', "");
        let remark = if number == info.default { String::new() } else { format!(" Default: {default}.") };
        let _ = write!(
            text,
            "\n# {}{remark}\n{} = {}\n",
            info.about.trim(),
            info.name,
            kind.write_number(number)
        );
    }
    text
}

/// The value as TOML, or why there is none to show.
fn value(configuration: &Configuration, name: &str) -> Result<String, &'static str> {
    const UNSET: &str = "is not set.";
    let path = |path: Option<&Path>| path.map(|path| quote(&path.to_string_lossy())).ok_or(UNSET);
    match name {
        "listen" => Ok(quote(&configuration.listen.to_string())),
        "data" => path(configuration.data.as_deref()),
        "memory" => Ok(configuration.data.is_none().to_string()),
        "durability" => Ok(quote(&durability(configuration.durability))),
        "accept_loss" => Ok(configuration.accept_loss.to_string()),
        "cache_bytes" => Ok(Kind::Bytes.write_number(configuration.cache_bytes)),
        "public_url" => configuration.public_url.as_deref().map(quote).ok_or(UNSET),
        "tls_certificate" => path(configuration.tls.as_ref().map(|(certificate, _)| certificate.as_path())),
        "tls_key" => path(configuration.tls.as_ref().map(|(_, key)| key.as_path())),
        "admin_listen" => configuration.admin_listen.map(|address| quote(&address.to_string())).ok_or(UNSET),
        "admin_token_file" => token(&configuration.admin_token),
        "creation_token_file" => token(&configuration.creation_token),
        "registration" => Ok(quote(match configuration.registration {
            RegistrationChoice::Open => "open",
            RegistrationChoice::Token => "token",
            RegistrationChoice::Closed => "closed",
        })),
        "registration_token_file" => token(&configuration.registration_token),
        "room_ttl" => {
            Ok(quote(&configuration.room_ttl_ms.map_or("never".to_owned(), units::format_milliseconds)))
        }
        "pages" => Ok(configuration.pages.to_string()),
        "log" => Ok(quote(&configuration.log)),
        "log_format" => Ok(quote(if configuration.log_json { "json" } else { "text" })),
        _ => Err(UNSET),
    }
}

fn token(token: &Token) -> Result<String, &'static str> {
    match token {
        Token::Absent => Err("is not set."),
        Token::Variable(_) => Err("is not set: the token comes from a variable, which is not shown."),
        Token::File(path) => Ok(quote(&path.to_string_lossy())),
    }
}

/// The text that reads back as the same mode.
pub(crate) fn durability(choice: DurabilityChoice) -> String {
    match choice {
        DurabilityChoice::Sync => "sync".into(),
        DurabilityChoice::None => "none".into(),
        DurabilityChoice::Interval(interval) => format!("interval:{}ms", interval.as_millis()),
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::layer::Layer;
    use std::io::Write as _;

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let mut flags = Layer::new("the command line");
        for (name, text) in [
            ("listen", "0.0.0.0:80"),
            ("data", "/data \"quoted\"\\"),
            ("room_ttl", "36h"),
            ("registration", "closed"),
            ("durability", "interval:50ms"),
            ("pages", "false"),
            ("public_url", "https://example.org/"),
            ("message_bytes_max", "123456"),
            ("ping_interval_ms", "1500"),
        ] {
            flags.insert(name, text.to_owned());
        }
        for memory in [false, true] {
            if memory {
                flags = Layer::new("the command line");
                flags.insert("memory", "true".to_owned());
            }
            let before = Configuration::resolve(flags.clone(), None, |_| None).unwrap();
            let text = print(&before);
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let after = Configuration::resolve(Layer::new(""), Some(file.path()), |_| None).unwrap();
            assert_eq!(before, after, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let read = |name: &str| (name == "SEABAG_CREATION_TOKEN").then(|| "hunter2".to_owned());
        let text = print(&Configuration::resolve(Layer::new(""), None, read).unwrap());
        assert!(!text.contains("hunter2"));
    }
}
