//! The shared vectors of `vectors/host`, which other implementations read as well.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails, and no test uses all of it"
)]

use data_encoding::HEXLOWER_PERMISSIVE;
use seabag_protocol::host::status::Status;
use serde_json::Value as Json;

/// One group of the vectors.
pub(crate) fn vectors(group: &str) -> Json {
    let path = format!("{}/../../vectors/host/{group}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The list under this name.
pub(crate) fn cases(group: &Json, list: &str) -> Vec<Json> {
    let cases = group[list].as_array().unwrap_or_else(|| panic!("no list {list}")).clone();
    assert!(!cases.is_empty(), "{list} is empty");
    cases
}

/// A field that is text.
pub(crate) fn text<'a>(case: &'a Json, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {case}"))
}

/// A field that is a number.
pub(crate) fn number(case: &Json, field: &str) -> u64 {
    case[field].as_u64().unwrap_or_else(|| panic!("{field} is missing in {case}"))
}

/// A field that is bytes in hex.
pub(crate) fn bytes(case: &Json, field: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text(case, field).as_bytes()).unwrap()
}

/// A field that is an array of bytes in hex.
pub(crate) fn array<const N: usize>(case: &Json, field: &str) -> [u8; N] {
    bytes(case, field).try_into().unwrap()
}

/// A field that is a status.
pub(crate) fn status(value: &Json) -> Status {
    Status::from_code(u8::try_from(number(value, "code")).unwrap()).unwrap()
}
