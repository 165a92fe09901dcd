//! Values: any JSON or CBOR, from one encoding to the other and back.

use ciborium::value::Value as Tree;
use seabag_protocol::room::value::{CBOR_DEPTH_MAX, Value};

/// Deepest nesting that serde_json reads. A CBOR value may be deeper; its JSON is good JSON all the same.
const JSON_DEPTH_MAX: usize = 127;

/// JSON in: minified, to CBOR and back.
pub fn value_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = Value::from_json(text) else { return };
    let kept = json(&value);
    assert!(!kept.contains('\n') && !kept.contains('\r'), "a raw line break stayed: {kept:?}");
    assert_eq!(Value::from_json(&kept).as_ref(), Ok(&value), "minified text is read as the same");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    assert_eq!(parse(text), parse(&kept), "minifying changed the value");
    stable_from(&kept);
}

/// CBOR in: shortest form, to JSON and back.
pub fn value_cbor(bytes: &[u8]) {
    let Some(tree) = read_tree(bytes) else { return };
    let Ok(value) = Value::from_cbor_tree(&tree) else { return };
    let kept = cbor(&value);
    let again = read_tree(&kept).expect("stored CBOR can be read");
    assert_eq!(Value::from_cbor_tree(&again).as_ref(), Ok(&value), "stored CBOR is read as the same");
    let text = json(&value);
    // The longest forms: a flag as a key, a NUL in a key that is not text, the smallest floats.
    let bound = 16 * kept.len() + 64;
    assert!(text.len() <= bound, "{} bytes of CBOR became {} of JSON", kept.len(), text.len());
    assert!(is_json(&text), "written JSON is not JSON: {text:?}");
    if has_json_form(&text) {
        stable_from(&text);
    }
}

/// JSON, CBOR, JSON, CBOR: the second trip changes nothing.
fn stable_from(text: &str) {
    let from = |text: &str| Value::from_json(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let first = cbor(&from(text));
    let tree = read_tree(&first).expect("written CBOR can be read");
    let back = json(&Value::from_cbor_tree(&tree).expect("a JSON value has a CBOR form"));
    assert_eq!(cbor(&from(&back)), first, "the second trip of {text:?} differs: {back:?}");
    let again = read_tree(&cbor(&from(&back))).and_then(|tree| Value::from_cbor_tree(&tree).ok());
    assert_eq!(again.map(|value| json(&value)), Some(back));
}

/// Whether text that was written from CBOR can be read as a JSON value: not null (a bare NaN becomes null) and
/// not too deep.
pub(crate) fn has_json_form(text: &str) -> bool {
    text != "null" && json_depth(text) <= JSON_DEPTH_MAX
}

/// Whether the text is JSON, however deep.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// How deep JSON nests.
pub(crate) fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn read_tree(mut bytes: &[u8]) -> Option<Tree> {
    let tree = ciborium::de::from_reader_with_recursion_limit(&mut bytes, CBOR_DEPTH_MAX).ok()?;
    bytes.is_empty().then_some(tree)
}

pub(crate) fn json(value: &Value) -> String {
    let mut out = Vec::new();
    value.write_json(&mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.write_cbor(&mut out);
    out
}
