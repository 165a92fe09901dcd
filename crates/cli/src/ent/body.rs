//! Bodies of entities as JSON. A body is one msgpack value, which can hold more than JSON can; what JSON lacks is
//! written as an object with one key that begins with `$`, and read back as what it was.

use std::collections::HashSet;
use std::fmt;

use data_encoding::BASE64;
use rmpv::Value;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Bytes that are no text, in base64.
const BYTES: &str = "$bytes";
/// A time, milliseconds since 1970.
const TIME: &str = "$time";
/// A number that JSON does not have: `nan`, `inf` or `-inf`.
const FLOAT: &str = "$float";
/// An extension of msgpack: its number, and its bytes in base64.
const EXTENSION: &str = "$ext";
/// A map with other keys than texts, or with a key that has a meaning here: a list of pairs.
const MAP: &str = "$map";
/// Bytes that are not msgpack, in base64. Never read.
const RAW: &str = "$raw";
/// The extension of msgpack that is a time.
const TIME_EXTENSION: i8 = -1;

/// A body to be written as JSON.
pub(crate) struct Json<'a>(pub(crate) &'a [u8]);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rest = self.0;
        match rmpv::decode::read_value(&mut rest) {
            Ok(value) if rest.is_empty() => Node(&value).serialize(serializer),
            _ => single(serializer, RAW, &BASE64.encode(self.0)),
        }
    }
}

impl fmt::Display for Json<'_> {
    /// In one line; with `{:#}` in several.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if formatter.alternate() {
            serde_json::to_string_pretty(self)
        } else {
            serde_json::to_string(self)
        };
        formatter.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

struct Node<'a>(&'a Value);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => match (value.as_u64(), value.as_i64()) {
                (Some(value), _) => serializer.serialize_u64(value),
                (None, value) => serializer.serialize_i64(value.unwrap_or_default()),
            },
            Value::F32(value) => float(serializer, f64::from(*value)),
            Value::F64(value) => float(serializer, *value),
            Value::String(value) => serializer.serialize_str(&String::from_utf8_lossy(value.as_bytes())),
            Value::Binary(bytes) => single(serializer, BYTES, &BASE64.encode(bytes)),
            Value::Ext(TIME_EXTENSION, bytes) if milliseconds(bytes).is_some() => {
                single(serializer, TIME, &milliseconds(bytes))
            }
            Value::Ext(kind, bytes) => single(serializer, EXTENSION, &(kind, BASE64.encode(bytes))),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(&Node(item)))?;
                list.end()
            }
            Value::Map(pairs) if is_plain(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key.as_str().unwrap_or_default(), &Node(value))?;
                }
                map.end()
            }
            Value::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| (Node(key), Node(value))).collect();
                single(serializer, MAP, &pairs)
            }
        }
    }
}

fn single<S: Serializer>(serializer: S, name: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

fn float<S: Serializer>(serializer: S, value: f64) -> Result<S::Ok, S::Error> {
    match value {
        value if value.is_finite() => serializer.serialize_f64(value),
        value if value.is_nan() => single(serializer, FLOAT, &"nan"),
        value if value > 0.0 => single(serializer, FLOAT, &"inf"),
        _ => single(serializer, FLOAT, &"-inf"),
    }
}

/// Whether a JSON object says all of a map: every key is text, none is there twice, and it does not look like one of
/// the objects that stand for something else.
fn is_plain(pairs: &[(Value, Value)]) -> bool {
    let mut seen = HashSet::new();
    let keys_are_plain = pairs.iter().all(|(key, _)| key.as_str().is_some_and(|key| seen.insert(key)));
    let special = [BYTES, TIME, FLOAT, EXTENSION, MAP, RAW];
    let is_special = pairs.len() == 1 && special.iter().any(|name| seen.contains(name));
    keys_are_plain && !is_special
}

/// A time in whole milliseconds; `None` for what is finer or before 1970.
fn milliseconds(bytes: &[u8]) -> Option<u64> {
    let (seconds, nanoseconds) = match *bytes {
        [a, b, c, d] => (u64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (both & 0x3_ffff_ffff, both >> 34)
        }
        _ => return None,
    };
    (nanoseconds % 1_000_000 == 0).then_some(seconds * 1_000 + nanoseconds / 1_000_000)
}

/// The shortest form of a time; `None` past the year 2514, which it does not reach.
fn time_value(milliseconds: u64) -> Option<Value> {
    let (seconds, nanoseconds) = (milliseconds / 1_000, milliseconds % 1_000 * 1_000_000);
    match u32::try_from(seconds) {
        Ok(seconds) if nanoseconds == 0 => Some(Value::Ext(TIME_EXTENSION, seconds.to_be_bytes().to_vec())),
        _ if seconds < 1 << 34 => {
            Some(Value::Ext(TIME_EXTENSION, (nanoseconds << 34 | seconds).to_be_bytes().to_vec()))
        }
        _ => None,
    }
}

/// The body that a JSON text stands for. The error tells the place, and nothing of the text.
pub(crate) fn from_json(text: &str) -> Result<Vec<u8>, String> {
    let Parsed(value) = serde_json::from_str(text).map_err(|error| error.to_string())?;
    encode(&value)
}

/// The body that is this text.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, String> {
    encode(&Value::from(text))
}

fn encode(value: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, value).map_err(|error| error.to_string())?;
    Ok(out)
}

struct Parsed(Value);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Parsed)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Parsed(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut pairs, mut seen) = (Vec::new(), HashSet::new());
        while let Some((key, Parsed(value))) = map.next_entry::<String, Parsed>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom("a key is there twice"));
            }
            pairs.push((Value::from(key), value));
        }
        special(&pairs).unwrap_or(Some(Value::Map(pairs))).ok_or_else(|| {
            A::Error::custom("an object with one key that begins with $ does not stand for anything")
        })
    }
}

/// What an object with one special key stands for. `None`: it is none. `Some(None)`: it is one, but a broken one.
fn special(pairs: &[(Value, Value)]) -> Option<Option<Value>> {
    let [(key, value)] = pairs else { return None };
    let base64 = |value: &Value| BASE64.decode(value.as_str()?.as_bytes()).ok();
    match key.as_str()? {
        BYTES => Some(base64(value).map(Value::Binary)),
        TIME => Some(value.as_u64().and_then(time_value)),
        FLOAT => Some(match value.as_str() {
            Some("nan") => Some(Value::F64(f64::NAN)),
            Some("inf") => Some(Value::F64(f64::INFINITY)),
            Some("-inf") => Some(Value::F64(f64::NEG_INFINITY)),
            _ => None,
        }),
        EXTENSION => Some(match value.as_array().map(Vec::as_slice) {
            Some([kind, bytes]) => {
                let kind = kind.as_i64().and_then(|kind| i8::try_from(kind).ok());
                kind.zip(base64(bytes)).map(|(kind, bytes)| Value::Ext(kind, bytes))
            }
            _ => None,
        }),
        MAP => Some(value.as_array().and_then(|pairs| {
            let pair = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
                Some([key, value]) => Some((key.clone(), value.clone())),
                _ => None,
            };
            pairs.iter().map(pair).collect::<Option<Vec<_>>>().map(Value::Map)
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(value: &Value) -> Value {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        let again = from_json(&Json(&bytes).to_string()).unwrap();
        rmpv::decode::read_value(&mut again.as_slice()).unwrap()
    }

    #[test]
    fn json_keeps_its_order_and_takes_the_shortest_numbers() {
        let body = from_json("{\"z\":1,\"a\":[-1,300,1.5,null,true,\"x\"]}").unwrap();
        assert_eq!(body[..4], [0x82, 0xa1, b'z', 0x01]);
        assert_eq!(Json(&body).to_string(), "{\"z\":1,\"a\":[-1,300,1.5,null,true,\"x\"]}");
        assert_eq!(from_json("18446744073709551615").unwrap().len(), 9);
    }

    #[test]
    fn what_json_lacks_comes_back_as_it_was() {
        let text = |text: &str| Value::from(text);
        for value in [
            Value::Binary(vec![0, 255]),
            Value::Ext(5, vec![1, 2, 3]),
            Value::Ext(-1, 1_700_000_000_u32.to_be_bytes().to_vec()),
            Value::Ext(-1, (500_000_000_u64 << 34 | 1_700_000_000).to_be_bytes().to_vec()),
            Value::Ext(-1, (1_u64 << 34 | 1_700_000_000).to_be_bytes().to_vec()),
            Value::F64(f64::INFINITY),
            Value::F64(f64::NEG_INFINITY),
            Value::Map(vec![(Value::from(1), text("one"))]),
            Value::Map(vec![(text("$bytes"), Value::from(1))]),
            Value::Map(vec![(text("$map"), Value::Array(vec![]))]),
            Value::Map(vec![(text("a"), Value::from(1)), (text("a"), Value::from(2))]),
            Value::Array(vec![Value::Binary(vec![]), Value::Nil]),
        ] {
            assert_eq!(there_and_back(&value), value);
        }
        assert_eq!(Json(&[0xd6, 0xff, 0, 0, 0, 1]).to_string(), "{\"$time\":1000}");
    }

    #[test]
    fn what_is_no_json_is_refused_and_not_repeated() {
        for text in
            ["", "secret", "{\"a\":1,\"a\":2}", "{\"$bytes\":1}", "{\"$ext\":[300,\"\"]}", "1 2", "[1"]
        {
            let error = from_json(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(from_json(&"[".repeat(100_000)).is_err(), "depth is bounded");
    }

    #[test]
    fn what_is_no_msgpack_is_shown_as_bytes() {
        assert_eq!(Json(&[0xa5]).to_string(), "{\"$raw\":\"pQ==\"}");
        assert_eq!(Json(&[1, 1]).to_string(), "{\"$raw\":\"AQE=\"}");
    }
}
