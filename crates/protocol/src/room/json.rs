//! Reads messages from JSON: text frames, HTTP bodies, SSE data.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Field, Fields, shorten};
use super::value::Value;
use crate::error::Refusal;

/// Reads one object. Total: any text gives fields or a refusal.
pub(super) fn read(text: &str, depth_max: usize) -> Result<Fields<&RawValue>, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Object { depth_max }).and_then(|fields| reader.end().map(|()| fields)).map_err(
        |error| {
            Refusal::bad_message(format!(
                "the message is not a JSON object as expected: {}",
                shorten(&error.to_string())
            ))
        },
    )
}

/// Reads a list of objects (HTTP: several pushes at once).
pub(super) fn read_list(text: &str) -> Result<Vec<&RawValue>, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        Refusal::bad_message(format!("the list is not JSON as expected: {}", shorten(&error.to_string())))
    })
}

struct Object {
    depth_max: usize,
}

impl<'de> Visitor<'de> for Object {
    type Value = Fields<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::new(self.depth_max);
        while let Some(name) = pairs.next_key::<Name<'de>>()? {
            fields.keep(&name.0, pairs.next_value::<&'de RawValue>()?).map_err(A::Error::custom)?;
        }
        Ok(fields)
    }
}

/// A field's name, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Field for &RawValue {
    fn is_null(&self) -> bool {
        self.get() == "null"
    }

    fn as_text(&self) -> Option<String> {
        serde_json::from_str(self.get()).ok()
    }

    /// Digits only: `1.0`, `1e3`, `-1` and `"1"` are not numbers of this protocol.
    fn as_u64(&self) -> Option<u64> {
        self.get().parse().ok()
    }

    fn as_bool(&self) -> Option<bool> {
        self.get().parse().ok()
    }

    fn to_value(&self, depth_max: usize) -> Result<Value, Refusal> {
        Value::from_json_within(self.get(), depth_max)
    }

    fn nested(&self, depth_max: usize) -> Result<Fields<Self>, Refusal> {
        read(self.get(), depth_max)
    }

    fn to_items(&self) -> Option<Vec<Self>> {
        serde_json::from_str(self.get()).ok()
    }
}
