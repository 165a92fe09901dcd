//! Entities' contents as JSON and back: for people, scripts and the command line. What JSON has no form for is
//! an object of one key that begins with `$`: `$bytes` and `$text` (base64), `$date` (milliseconds since 1970),
//! `$float`, `$ext`, `$map`. Reading what was written gives the same value; the shortest form of a number, and a
//! float of 32 bits, may become another form of the same number.

use bytes::Bytes;
use data_encoding::BASE64;
use rmpv::{Utf8StringRef, ValueRef};
use serde_json::{Map, Number, Value, json};

use crate::msgpack::{self, DEPTH_MAX};

/// Why a content could not be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(&'static str);

type Result<T> = std::result::Result<T, BodyError>;

/// The msgpack extension of a time.
const EXTENSION_TIME: i8 = -1;
const NANOSECONDS_A_MILLISECOND: u32 = 1_000_000;
/// The seconds that the form of eight bytes holds: 34 bits.
const SECONDS_MAX: u64 = (1 << 34) - 1;

/// The content of an entity from JSON.
pub fn from_json(value: &Value) -> Result<Bytes> {
    let mut out = Vec::new();
    write(&mut out, value, 0)?;
    Ok(out.into())
}

/// The content of an entity as JSON.
pub fn to_json(body: &[u8]) -> Result<Value> {
    msgpack::check_one(body).map_err(BodyError)?;
    let mut rest = body;
    let value = rmpv::decode::read_value_ref(&mut rest).map_err(|_| BodyError("it is not msgpack"))?;
    Ok(read(&value))
}

fn write(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<()> {
    const MEMORY: &str = "memory takes all that is written";
    if depth > DEPTH_MAX {
        return Err(BodyError("it is nested too deeply"));
    }
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => rmp::encode::write_str(out, text).expect(MEMORY),
        Value::Array(items) => {
            let length = u32::try_from(items.len()).map_err(|_| BodyError("an array is too long"))?;
            rmp::encode::write_array_len(out, length).expect(MEMORY);
            items.iter().try_for_each(|item| write(out, item, depth + 1))?;
        }
        Value::Object(entries) => match marked(entries) {
            Some((mark, held)) => write_marked(out, mark, held, depth)?,
            None => {
                let length = u32::try_from(entries.len()).map_err(|_| BodyError("a map is too long"))?;
                rmp::encode::write_map_len(out, length).expect(MEMORY);
                for (key, item) in entries {
                    rmp::encode::write_str(out, key).expect(MEMORY);
                    write(out, item, depth + 1)?;
                }
            }
        },
    }
    Ok(())
}

fn write_number(out: &mut Vec<u8>, number: &Number) {
    const MEMORY: &str = "memory takes all that is written";
    if let Some(unsigned) = number.as_u64() {
        rmp::encode::write_uint(out, unsigned).expect(MEMORY);
    } else if let Some(signed) = number.as_i64() {
        rmp::encode::write_sint(out, signed).expect(MEMORY);
    } else {
        rmp::encode::write_f64(out, number.as_f64().unwrap_or(f64::NAN)).expect(MEMORY);
    }
}

/// The mark of an object that stands for something else.
fn marked(entries: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (mark, held) = entries.iter().next()?;
    (entries.len() == 1 && mark.starts_with('$')).then_some((mark.as_str(), held))
}

fn write_marked(out: &mut Vec<u8>, mark: &str, held: &Value, depth: usize) -> Result<()> {
    const MEMORY: &str = "memory takes all that is written";
    match mark {
        "$bytes" => rmp::encode::write_bin(out, &base64(held)?).expect(MEMORY),
        "$text" => {
            let bytes = base64(held)?;
            let length = u32::try_from(bytes.len()).map_err(|_| BodyError("a text is too long"))?;
            rmp::encode::write_str_len(out, length).expect(MEMORY);
            out.extend_from_slice(&bytes);
        }
        "$date" => write_date(out, held.as_i64().ok_or(BodyError("$date is a number of milliseconds"))?),
        "$float" => {
            let float = match held.as_str() {
                Some("NaN") => f64::NAN,
                Some("Infinity") => f64::INFINITY,
                Some("-Infinity") => f64::NEG_INFINITY,
                _ => return Err(BodyError("$float is NaN, Infinity or -Infinity")),
            };
            rmp::encode::write_f64(out, float).expect(MEMORY);
        }
        "$ext" => {
            let Some([kind, data]) = held.as_array().map(Vec::as_slice) else {
                return Err(BodyError("$ext is a pair of a number and base64"));
            };
            let kind = kind.as_i64().and_then(|kind| i8::try_from(kind).ok());
            write_extension(out, kind.ok_or(BodyError("$ext's number is from -128 to 127"))?, &base64(data)?);
        }
        "$map" => {
            let entries = held.as_array().ok_or(BodyError("$map is an array of pairs"))?;
            let length = u32::try_from(entries.len()).map_err(|_| BodyError("a map is too long"))?;
            rmp::encode::write_map_len(out, length).expect(MEMORY);
            for entry in entries {
                let Some([key, item]) = entry.as_array().map(Vec::as_slice) else {
                    return Err(BodyError("$map is an array of pairs"));
                };
                write(out, key, depth + 1)?;
                write(out, item, depth + 1)?;
            }
        }
        _ => {
            return Err(BodyError(
                "an object of one key that begins with $ is $bytes, $text, $date, $float, $ext or $map",
            ));
        }
    }
    Ok(())
}

fn base64(held: &Value) -> Result<Vec<u8>> {
    let text = held.as_str().ok_or(BodyError("bytes are a text in base64"))?;
    BASE64.decode(text.as_bytes()).map_err(|_| BodyError("bytes are a text in base64"))
}

fn write_extension(out: &mut Vec<u8>, kind: i8, data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    rmp::encode::write_ext_meta(out, length, kind).expect("memory takes all that is written");
    out.extend_from_slice(data);
}

/// The shortest of the three forms of a time, as the other implementations choose it.
fn write_date(out: &mut Vec<u8>, milliseconds: i64) {
    let seconds = milliseconds.div_euclid(1_000);
    let nanoseconds = milliseconds.rem_euclid(1_000) as u32 * NANOSECONDS_A_MILLISECOND;
    match (u64::try_from(seconds), u32::try_from(seconds), nanoseconds) {
        (_, Ok(seconds), 0) => write_extension(out, EXTENSION_TIME, &seconds.to_be_bytes()),
        (Ok(seconds), _, _) if seconds <= SECONDS_MAX => {
            let both = u64::from(nanoseconds) << 34 | seconds;
            write_extension(out, EXTENSION_TIME, &both.to_be_bytes());
        }
        _ => {
            let both = [&nanoseconds.to_be_bytes()[..], &seconds.to_be_bytes()].concat();
            write_extension(out, EXTENSION_TIME, &both);
        }
    }
}

/// The milliseconds of a time; `None` where they would not say all of it.
fn read_date(data: &[u8]) -> Option<i64> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(data.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(data.try_into().ok()?);
            (i64::try_from(both & SECONDS_MAX).ok()?, u32::try_from(both >> 34).ok()?)
        }
        12 => {
            let (nanoseconds, seconds) = data.split_first_chunk::<4>()?;
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanoseconds))
        }
        _ => return None,
    };
    let whole =
        nanoseconds % NANOSECONDS_A_MILLISECOND == 0 && nanoseconds < 1_000 * NANOSECONDS_A_MILLISECOND;
    let milliseconds =
        seconds.checked_mul(1_000)?.checked_add(i64::from(nanoseconds / NANOSECONDS_A_MILLISECOND));
    milliseconds.filter(|_| whole)
}

fn read(value: &ValueRef<'_>) -> Value {
    match value {
        ValueRef::Nil => Value::Null,
        ValueRef::Boolean(truth) => Value::Bool(*truth),
        ValueRef::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(unsigned), _) => unsigned.into(),
            (None, signed) => signed.into(),
        },
        ValueRef::F32(float) => read_float(f64::from(*float)),
        ValueRef::F64(float) => read_float(*float),
        ValueRef::String(text) => read_text(text),
        ValueRef::Binary(bytes) => json!({ "$bytes": BASE64.encode(bytes) }),
        ValueRef::Array(items) => items.iter().map(read).collect(),
        ValueRef::Map(entries) => read_map(entries),
        ValueRef::Ext(EXTENSION_TIME, data) if shortest_date(data).is_some() => {
            json!({ "$date": shortest_date(data) })
        }
        ValueRef::Ext(kind, data) => json!({ "$ext": [kind, BASE64.encode(data)] }),
    }
}

/// The milliseconds of a time that is written in its shortest form: others are shown as they are.
fn shortest_date(data: &[u8]) -> Option<i64> {
    let milliseconds = read_date(data)?;
    let mut again = Vec::new();
    write_date(&mut again, milliseconds);
    again.ends_with(data).then_some(milliseconds)
}

fn read_float(float: f64) -> Value {
    match Number::from_f64(float) {
        Some(number) => Value::Number(number),
        None if float.is_nan() => json!({ "$float": "NaN" }),
        None => json!({ "$float": if float > 0.0 { "Infinity" } else { "-Infinity" } }),
    }
}

fn read_text(text: &Utf8StringRef<'_>) -> Value {
    match text.as_str() {
        Some(text) => text.into(),
        None => json!({ "$text": BASE64.encode(text.as_bytes()) }),
    }
}

fn read_map(entries: &[(ValueRef<'_>, ValueRef<'_>)]) -> Value {
    let mut object = Map::new();
    let mut plain = true;
    for (key, held) in entries {
        let text = if let ValueRef::String(text) = key { text.as_str() } else { None };
        match text {
            Some(key) => plain &= object.insert(key.to_owned(), read(held)).is_none(),
            None => plain = false,
        }
    }
    if plain && marked(&object).is_none() {
        return Value::Object(object);
    }
    let pairs: Vec<Value> = entries.iter().map(|(key, held)| json!([read(key), read(held)])).collect();
    json!({ "$map": pairs })
}
