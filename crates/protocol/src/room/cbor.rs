//! Reads messages from CBOR: binary frames. Accepts what the published clients write: tags, long heads, floats
//! of every width, indefinite lengths.

use ciborium::value::Value as Tree;

use super::fields::{Field, Fields, shorten};
use super::value::{CBOR_DEPTH_MAX, Value};
use crate::error::Refusal;

/// Levels around the values of the deepest message, a list of objects in an object, with room to spare: the
/// reader counts some levels twice.
const LEVELS_AROUND_A_VALUE: usize = 16;

/// Reads one object. Total: any bytes give fields or a refusal.
pub(super) fn read(bytes: &[u8]) -> Result<Fields<Tree>, Refusal> {
    to_fields(read_tree(bytes)?)
}

/// Reads a list of objects (HTTP: several pushes at once).
pub(super) fn read_list(bytes: &[u8]) -> Result<Vec<Tree>, Refusal> {
    match read_tree(bytes)? {
        Tree::Array(items) => Ok(items),
        _ => Err(Refusal::bad_message("the body is not a CBOR list")),
    }
}

/// Whether the bytes begin a CBOR array.
pub(super) fn is_list(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|head| head >> 5 == 4)
}

/// Whether the bytes are one CBOR item.
pub(super) fn is_well_formed(bytes: &[u8]) -> bool {
    read_tree(bytes).is_ok()
}

fn read_tree(mut bytes: &[u8]) -> Result<Tree, Refusal> {
    let levels = CBOR_DEPTH_MAX + LEVELS_AROUND_A_VALUE;
    let tree = ciborium::de::from_reader_with_recursion_limit(&mut bytes, levels).map_err(|error| {
        Refusal::bad_message(format!("the message is not CBOR as expected: {}", describe(&error)))
    })?;
    if !bytes.is_empty() {
        return Err(Refusal::bad_message("bytes follow the CBOR message"));
    }
    Ok(tree)
}

fn describe(error: &ciborium::de::Error<std::io::Error>) -> String {
    match error {
        ciborium::de::Error::Io(_) => "it ends too early".into(),
        ciborium::de::Error::Syntax(at) => format!("syntax error at byte {at}"),
        ciborium::de::Error::Semantic(_, message) => shorten(message),
        ciborium::de::Error::RecursionLimitExceeded => "it nests too deep".into(),
    }
}

fn to_fields(tree: Tree) -> Result<Fields<Tree>, Refusal> {
    let Tree::Map(pairs) = tree else {
        return Err(Refusal::bad_message("the message is not a CBOR map"));
    };
    let mut fields = Fields::new(CBOR_DEPTH_MAX);
    for (name, field) in pairs {
        if let Tree::Text(name) = name {
            fields.keep(&name, field).map_err(Refusal::bad_message)?;
        }
    }
    Ok(fields)
}

impl Field for Tree {
    fn is_null(&self) -> bool {
        Tree::is_null(self)
    }

    fn as_text(&self) -> Option<String> {
        Tree::as_text(self).map(str::to_owned)
    }

    fn as_u64(&self) -> Option<u64> {
        self.as_integer().and_then(|number| u64::try_from(number).ok())
    }

    fn as_bool(&self) -> Option<bool> {
        Tree::as_bool(self)
    }

    fn to_value(&self, _depth_max: usize) -> Result<Value, Refusal> {
        Value::from_cbor_tree(self)
    }

    fn nested(&self, _depth_max: usize) -> Result<Fields<Self>, Refusal> {
        to_fields(self.clone())
    }

    fn to_items(&self) -> Option<Vec<Self>> {
        self.as_array().cloned()
    }
}
