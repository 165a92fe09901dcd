//! A message's value: any JSON or CBOR value but null, opaque to every rule. It is kept in the encoding in
//! which it came, checked and minified once, and turned into the other only for a connection that needs it.

use bytes::Bytes;
use ciborium::value::Value as Tree;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

use super::fields::shorten;
use crate::error::Refusal;

/// How a message is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Text frames, HTTP bodies, SSE.
    Json,
    /// Binary frames, RFC 8949.
    Cbor,
}

/// A checked value. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    encoding: Encoding,
    bytes: Bytes,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}, {} bytes)", self.encoding, self.bytes.len())
    }
}

/// Deepest nesting of a value that comes as JSON (upstream's bound).
pub const JSON_DEPTH_MAX: usize = 127;
/// Deepest nesting of a value that comes as CBOR (upstream reads 200 and refuses 300), and so of any value that a
/// server sends on.
pub const CBOR_DEPTH_MAX: usize = 250;

impl Value {
    /// Checks and minifies one JSON value. Refuses null, bad syntax, numbers that overflow, lone surrogates,
    /// nesting beyond [`JSON_DEPTH_MAX`].
    pub fn from_json(text: &str) -> Result<Self, Refusal> {
        Self::from_json_within(text, JSON_DEPTH_MAX)
    }

    /// The same with another bound on nesting, at most [`CBOR_DEPTH_MAX`].
    pub(super) fn from_json_within(text: &str, depth_max: usize) -> Result<Self, Refusal> {
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.disable_recursion_limit();
        let check = Check { depth_left: depth_max.min(CBOR_DEPTH_MAX) };
        let kind = check.deserialize(&mut reader).and_then(|kind| reader.end().map(|()| kind));
        match kind {
            Err(error) => {
                Err(Refusal::bad_message(format!("the value is not JSON: {}", shorten(&error.to_string()))))
            }
            Ok(Kind::Null) => Err(null_refused()),
            Ok(Kind::Other) => Ok(Self { encoding: Encoding::Json, bytes: minify(text) }),
        }
    }

    /// Checks a decoded CBOR value and writes it in the shortest form. Refuses null and undefined, NaN and infinities
    /// (JSON has them as null), all of these tagged too, and nesting beyond [`CBOR_DEPTH_MAX`].
    pub fn from_cbor_tree(tree: &Tree) -> Result<Self, Refusal> {
        let mut bare = tree;
        while let Tree::Tag(_, inner) = bare {
            bare = inner;
        }
        if bare.is_null() || bare.as_float().is_some_and(|number| !number.is_finite()) {
            return Err(null_refused());
        }
        if !nests_within(tree, CBOR_DEPTH_MAX) {
            return Err(Refusal::bad_message("the value nests too deep"));
        }
        let mut bytes = Vec::new();
        ciborium::into_writer(tree, &mut bytes)
            .map_err(|error| Refusal::bad_message(format!("the value cannot be written as CBOR: {error}")))?;
        Ok(Self { encoding: Encoding::Cbor, bytes: bytes.into() })
    }

    /// Takes bytes that an earlier [`Value`] was stored as, unchecked.
    pub fn from_stored(encoding: Encoding, bytes: Bytes) -> Self {
        Self { encoding, bytes }
    }

    /// How the bytes are encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The bytes as stored.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes as stored: what limits and sizes count.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes, which no checked value has.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the value as JSON. From CBOR: byte strings become arrays of numbers, NaN and infinities null,
    /// tags vanish, map keys that are not text become text.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Json => out.extend_from_slice(&self.bytes),
            Encoding::Cbor => write_tree(&self.tree(), out),
        }
    }

    /// Writes the value as CBOR. From JSON: integers beyond 64 bits become floats; key order and repeated keys
    /// are kept.
    pub fn write_cbor(&self, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Cbor => out.extend_from_slice(&self.bytes),
            Encoding::Json => {
                // Writing to a Vec cannot fail, and a tree that was read can be written.
                let _ = ciborium::into_writer(&self.tree(), out);
            }
        }
    }

    fn tree(&self) -> Tree {
        let read = match self.encoding {
            Encoding::Cbor => ciborium::from_reader(self.bytes.as_ref()).ok(),
            Encoding::Json => {
                let mut reader = serde_json::Deserializer::from_slice(&self.bytes);
                reader.disable_recursion_limit();
                Tree::deserialize(&mut reader).ok()
            }
        };
        // Only a damaged disk gets here, and its checksums come first. An empty text beats taking the room down.
        read.unwrap_or_else(|| Tree::Text(String::new()))
    }
}

fn nests_within(tree: &Tree, depth_left: usize) -> bool {
    let inner = |tree: &Tree| depth_left > 0 && nests_within(tree, depth_left - 1);
    match tree {
        Tree::Tag(_, tagged) => inner(tagged),
        Tree::Array(items) => depth_left > 0 && items.iter().all(inner),
        Tree::Map(pairs) => depth_left > 0 && pairs.iter().all(|(key, value)| inner(key) && inner(value)),
        _ => true,
    }
}

fn null_refused() -> Refusal {
    Refusal::bad_message("the value must not be null")
}

/// Drops white space between tokens, so that stored text never holds a raw newline. The text was checked.
fn minify(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for &byte in text.as_bytes() {
        if in_string {
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            in_string = byte == b'"';
            out.push(byte);
        }
    }
    out.into()
}

fn write_tree(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Integer(number) => out.extend_from_slice(i128::from(*number).to_string().as_bytes()),
        Tree::Bytes(bytes) => {
            write_list(bytes.iter(), out, |byte, out| out.extend_from_slice(byte.to_string().as_bytes()))
        }
        Tree::Float(number) => write_serialized(number, out),
        Tree::Text(text) => write_serialized(text, out),
        Tree::Bool(flag) => write_serialized(flag, out),
        Tree::Tag(_, inner) => write_tree(inner, out),
        Tree::Array(items) => write_list(items.iter(), out, write_tree),
        Tree::Map(pairs) => {
            out.push(b'{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_map_key(key, out);
                out.push(b':');
                write_tree(value, out);
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, write: impl Fn(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// JSON has only text keys. Simple ones become their own JSON as text, lists and maps the hex digits of their
/// CBOR: JSON inside JSON would double its escapes at every level. So one odd value can neither take a room's
/// JSON clients down (upstream's defect 4) nor grow without bound.
fn write_map_key(key: &Tree, out: &mut Vec<u8>) {
    match key {
        Tree::Text(text) => write_serialized(text, out),
        Tree::Tag(_, inner) => write_map_key(inner, out),
        Tree::Array(_) | Tree::Map(_) => {
            let mut bytes = Vec::new();
            let _ = ciborium::into_writer(key, &mut bytes);
            write_serialized(&format!("cbor:{}", data_encoding::HEXLOWER.encode(&bytes)), out);
        }
        simple => {
            let mut text = Vec::new();
            write_tree(simple, &mut text);
            write_serialized(&String::from_utf8_lossy(&text), out);
        }
    }
}

fn write_serialized<T: serde::Serialize + ?Sized>(item: &T, out: &mut Vec<u8>) {
    // Text, booleans and floats always serialize into memory; serde_json writes NaN and infinities as null.
    let _ = serde_json::to_writer(out, item);
}

enum Kind {
    Null,
    Other,
}

/// Walks a JSON value without keeping it, so that everything is checked that a later reader would trip over.
#[derive(Clone, Copy)]
struct Check {
    depth_left: usize,
}

impl Check {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("it nests too deep"))?;
        Ok(Self { depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = Kind;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = Kind;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(Kind::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Kind, A::Error> {
        let inner = self.deeper()?;
        while pairs.next_key_seed(inner)?.is_some() {
            pairs.next_value_seed(inner)?;
        }
        Ok(Kind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_json(value: &Value) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn through_cbor(text: &str) -> String {
        let mut cbor = Vec::new();
        Value::from_json(text).unwrap().write_cbor(&mut cbor);
        let tree: Tree = ciborium::from_reader(cbor.as_slice()).unwrap();
        as_json(&Value::from_cbor_tree(&tree).unwrap())
    }

    #[test]
    fn json_is_minified_and_otherwise_kept_to_the_letter() {
        let text = " { \"b\" : [ 1.0 , -0.0 , 1e5 , 18446744073709551615 ] ,\n\t\"a b\\\" \\u00e9\" : \" x \\\\\" , \"b\":null }";
        let value = Value::from_json(text).unwrap();
        assert_eq!(
            as_json(&value),
            "{\"b\":[1.0,-0.0,1e5,18446744073709551615],\"a b\\\" \\u00e9\":\" x \\\\\",\"b\":null}"
        );
    }

    #[test]
    fn json_survives_the_way_through_cbor() {
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "1.0",
            "-0.0",
            "0.1",
            "\"é\\u0000\"",
            "{\"b\":1,\"a\":2,\"b\":3}",
            "[[],{},true,null]",
        ] {
            assert_eq!(through_cbor(text).replace("\\u0000", "\u{0}"), text.replace("\\u0000", "\u{0}"));
        }
        assert_eq!(through_cbor("18446744073709551616"), "1.8446744073709552e+19", "beyond 64 bits: a float");
    }

    #[test]
    fn what_is_not_a_value_is_refused() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            "null",
            " null ",
            "nul",
            "1 2",
            "[1,]",
            "{\"a\"}",
            "1e999",
            "\"\\ud800\"",
            "\"\n\"",
            "NaN",
            "01",
            &deep,
        ] {
            assert!(Value::from_json(text).is_err(), "{text}");
        }
        for tree in [Tree::Null, Tree::Tag(1, Box::new(Tree::Null)), Tree::Float(f64::NAN)] {
            assert!(Value::from_cbor_tree(&tree).is_err());
        }
    }

    #[test]
    fn cbor_without_a_json_form_becomes_the_nearest() {
        let cases = [
            (Tree::Bytes(vec![1, 255]), "[1,255]"),
            (Tree::Tag(64, Box::new(Tree::Bytes(vec![7]))), "[7]"),
            (Tree::Array(vec![Tree::Float(f64::NAN), Tree::Float(f64::INFINITY)]), "[null,null]"),
            (Tree::Float(1.0), "1.0"),
            (Tree::Map(vec![(Tree::Integer(5.into()), Tree::Bool(true))]), "{\"5\":true}"),
            (
                Tree::Map(vec![(Tree::Array(vec![Tree::Integer(1.into())]), Tree::Null)]),
                "{\"cbor:8101\":null}",
            ),
        ];
        for (tree, expected) in cases {
            assert_eq!(as_json(&Value::from_cbor_tree(&tree).unwrap()), expected);
        }
    }
}
