//! One source of settings: the command line, the environment, or a file. Each holds checked text; later layers
//! fill only what earlier ones leave open.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use seabag_protocol::limits::Limits;

use super::table::{self, SETTINGS};
use crate::exit::usage;

/// What one source says, and what to call that source in an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    source: String,
    values: BTreeMap<&'static str, String>,
}

impl Layer {
    /// A source that says nothing yet.
    pub(crate) fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), values: BTreeMap::new() }
    }

    /// Takes checked text.
    pub(crate) fn insert(&mut self, name: &'static str, text: String) {
        self.values.insert(name, text);
    }

    /// What this source says of a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// What to call this source.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Reads the variables. An empty one counts as absent, since compose files cannot leave one out.
    pub(crate) fn from_variables(read: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut layer = Self::new("the environment");
        let names = SETTINGS.iter().map(|info| info.name).chain(Limits::TABLE.iter().map(|info| info.name));
        for name in names {
            let variable = table::variable(name);
            let Some(text) = read(&variable).filter(|text| !text.is_empty()) else { continue };
            table::kind(name).check(&text).map_err(|error| usage(format!("{variable}: {error}")))?;
            layer.insert(name, text);
        }
        Ok(layer)
    }

    /// Reads a configuration file.
    pub(crate) fn from_file(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    fn from_toml(text: &str, source: &str) -> anyhow::Result<Self> {
        let table: toml::Table =
            text.parse().map_err(|error| usage(format!("{source} is not TOML: {error}")))?;
        let mut layer = Self::new(source);
        for (key, value) in &table {
            if key == "limits" {
                let limits = value.as_table().ok_or_else(|| usage(format!("{source}: limits is a table")))?;
                for (key, value) in limits {
                    let name =
                        table::find_limit(key).ok_or_else(|| unknown(source, &format!("limits.{key}")))?;
                    layer.take(name, value)?;
                }
                continue;
            }
            let name = table::find(key).ok_or_else(|| unknown(source, key))?;
            if table::find_limit(key).is_some() {
                return Err(usage(format!("{source}: {key} is a limit, it belongs under [limits]")));
            }
            layer.take(name, value)?;
        }
        Ok(layer)
    }

    fn take(&mut self, name: &'static str, value: &toml::Value) -> anyhow::Result<()> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            other => {
                let found = other.type_str();
                return Err(usage(format!(
                    "{}: {name} is a text, a number or a flag, not a {found}",
                    self.source
                )));
            }
        };
        table::kind(name).check(&text).map_err(|error| usage(format!("{}: {name}: {error}", self.source)))?;
        self.insert(name, text);
        Ok(())
    }
}

/// The first layer that says anything of a setting decides.
pub(crate) fn first<'a>(layers: &'a [Layer], name: &str) -> Option<&'a str> {
    layers.iter().find_map(|layer| layer.get(name))
}

fn unknown(source: &str, key: &str) -> anyhow::Error {
    usage(format!("{source}: there is no setting {key}; `seabag serve --print-config` lists them"))
}

/// Reads a secret from a file: its first line, since editors end files with a newline.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token in {}", path.display()))
        .map_err(|error| usage(format!("{error:#}")))?;
    let secret = text.lines().next().unwrap_or_default().trim();
    if secret.is_empty() {
        return Err(usage(format!("{} holds no token", path.display())));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Layer::from_toml(text, "f.toml").unwrap_err())
    }

    #[test]
    fn a_file_holds_settings_and_limits() {
        let text =
            "listen = \"0.0.0.0:80\"\nmemory = true\n[limits]\nmessage_bytes_max = \"2MiB\"\nrooms_max = 5\n";
        let layer = Layer::from_toml(text, "f.toml").unwrap();
        assert_eq!(layer.get("listen"), Some("0.0.0.0:80"));
        assert_eq!(layer.get("memory"), Some("true"));
        assert_eq!(layer.get("message_bytes_max"), Some("2MiB"));
        assert_eq!(layer.get("rooms_max"), Some("5"));
        assert_eq!(layer.get("data"), None);
    }

    #[test]
    fn what_a_file_cannot_mean_is_refused_by_name() {
        assert!(error("lissten = 1").contains("no setting lissten"));
        assert!(error("[limits]\nnonsense = 1").contains("no setting limits.nonsense"));
        assert!(error("[limits]\nlisten = \"127.0.0.1:1\"").contains("limits.listen"));
        assert!(error("rooms_max = 1").contains("belongs under [limits]"));
        assert!(error("listen = [1]").contains("listen"));
        assert!(error("listen = \"nowhere\"").contains("is no address"));
        assert!(error("creation_token = \"secret\"").contains("creation_token"));
        assert!(error("= 1").contains("not TOML"));
    }

    #[test]
    fn variables_are_checked_and_empty_ones_count_as_absent() {
        let read = |name: &str| match name {
            "SEABAG_LISTEN" => Some(String::new()),
            "SEABAG_RING_BYTES_MAX" => Some("32MiB".to_owned()),
            _ => None,
        };
        let layer = Layer::from_variables(read).unwrap();
        assert_eq!((layer.get("listen"), layer.get("ring_bytes_max")), (None, Some("32MiB")));
        let wrong = Layer::from_variables(|name| (name == "SEABAG_DURABILITY").then(|| "quick".to_owned()));
        assert!(format!("{:#}", wrong.unwrap_err()).contains("SEABAG_DURABILITY"));
    }
}
