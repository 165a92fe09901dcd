//! Bodies of entities as text: JSON in, JSON out. What JSON has no form for is in `seabag_entdb::body`.

use std::fmt;

use seabag_entdb::body;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

/// A body to be written as JSON: in one line, or with `{:#}` in several.
pub(crate) struct Json<'a>(pub(crate) &'a [u8]);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        body::to_json(self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match body::to_json(self.0) {
            Ok(value) if formatter.alternate() => write!(formatter, "{value:#}"),
            Ok(value) => write!(formatter, "{value}"),
            // The database holds none of these.
            Err(error) => write!(formatter, "({error})"),
        }
    }
}

/// The body that a JSON text stands for. The error tells the place, and nothing of the text.
pub(crate) fn from_json(text: &str) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    body::from_json(&value).map(|body| body.to_vec()).map_err(|error| error.to_string())
}

/// The body that is this text.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, String> {
    body::from_json(&Value::from(text)).map(|body| body.to_vec()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_as_it_was_given() {
        for text in ["{\"a\":[-1,300,1.5,null,true,\"x\"]}", "\"say \\\"hi\\\"\"", "{\"$bytes\":\"AAE=\"}"] {
            assert_eq!(Json(&from_json(text).unwrap()).to_string(), text);
        }
        assert_eq!(Json(&from_text("1").unwrap()).to_string(), "\"1\"");
    }

    #[test]
    fn what_is_no_json_is_refused_and_not_repeated() {
        for text in ["", "secret", "{\"$bytes\":1}", "{\"$secret\":1}", "1 2", "[1"] {
            assert!(!from_json(text).unwrap_err().contains("secret"), "{text}");
        }
        assert!(from_json(&"[".repeat(100_000)).is_err(), "depth is bounded");
    }
}
