//! A message as a flat object of known fields, whatever it was written in. The two encodings differ only in how
//! a field is read; what the fields mean is said once, in `client_message.rs` and `server_message.rs`.

use super::name::{Epoch, PushId, RoomSeq, StreamKey};
use super::value::Value;
use crate::error::Refusal;

/// Every field that some message knows. Others are ignored, so that newer peers may say more.
const KNOWN: [&str; 29] = [
    "type",
    "key",
    "value",
    "action",
    "seq",
    "id",
    "epoch",
    "limit",
    "after",
    "nonce",
    "data",
    "next",
    "size",
    "stale",
    "repeat",
    "reason",
    "last_id",
    "read_only",
    "closed",
    "limits",
    "code",
    "message",
    "retry_ms",
    "message_bytes",
    "key_bytes",
    "pushes_per_second",
    "bytes",
    "first",
    "last",
];

/// One field's content, not yet read.
pub(super) trait Field: Sized {
    fn is_null(&self) -> bool;
    fn as_text(&self) -> Option<String>;
    fn as_u64(&self) -> Option<u64>;
    fn as_bool(&self) -> Option<bool>;
    /// The value, whose nesting is bounded.
    fn to_value(&self, depth_max: usize) -> Result<Value, Refusal>;
    /// The fields of a nested object, with this bound on their values' nesting.
    fn nested(&self, depth_max: usize) -> Result<Fields<Self>, Refusal>;
    fn to_items(&self) -> Option<Vec<Self>>;
}

/// The known fields of one object.
pub(super) struct Fields<F> {
    found: Vec<(&'static str, F)>,
    /// How deep values may nest.
    depth_max: usize,
}

impl<F: Field> Fields<F> {
    pub(super) fn new(depth_max: usize) -> Self {
        Self { found: Vec::with_capacity(4), depth_max }
    }

    /// Keeps a field that some message knows. A field given twice is refused: which one would count?
    pub(super) fn keep(&mut self, name: &str, field: F) -> Result<(), String> {
        if let Some(known) = KNOWN.iter().find(|known| **known == name) {
            if self.get(known).is_some() {
                return Err(format!("the field {known} is given twice"));
            }
            self.found.push((known, field));
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&F> {
        self.found.iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    fn required(&self, name: &str) -> Result<&F, Refusal> {
        self.get(name).ok_or_else(|| Refusal::bad_message(format!("the field {name} is missing")))
    }

    /// The field unless it is absent or null.
    fn given(&self, name: &str) -> Option<&F> {
        self.get(name).filter(|field| !field.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Refusal> {
        self.required(name)?.as_text().ok_or_else(|| wrong(name, "a string"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.given(name).map(|field| field.as_text().ok_or_else(|| wrong(name, "a string"))).transpose()
    }

    pub(super) fn key(&self) -> Result<StreamKey, Refusal> {
        self.text("key").map(StreamKey::from)
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.required(name)?.as_u64().ok_or_else(|| wrong(name, "a whole number from 0"))
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.given(name)
            .map(|field| field.as_u64().ok_or_else(|| wrong(name, "a whole number from 0")))
            .transpose()
    }

    pub(super) fn seq(&self) -> Result<RoomSeq, Refusal> {
        self.number("seq").map(RoomSeq)
    }

    pub(super) fn push_id(&self) -> Result<Option<PushId>, Refusal> {
        match self.optional_number("id")? {
            Some(0) => Err(wrong("id", "a whole number from 1")),
            id => Ok(id.map(PushId)),
        }
    }

    pub(super) fn epoch(&self) -> Result<Option<Epoch>, Refusal> {
        let parse =
            |text: String| Epoch::parse(&text).ok_or_else(|| wrong("epoch", "1 to 32 of A-Z a-z 0-9 _ -"));
        self.optional_text("epoch")?.map(parse).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.given(name)
            .map_or(Ok(false), |field| field.as_bool().ok_or_else(|| wrong(name, "true or false")))
    }

    pub(super) fn value(&self) -> Result<Value, Refusal> {
        self.required("value")?.to_value(self.depth_max)
    }

    /// The fields of an object that one of these holds.
    pub(super) fn inside(&self, object: &F) -> Result<Fields<F>, Refusal> {
        object.nested(self.depth_max)
    }

    pub(super) fn depth_max(&self) -> usize {
        self.depth_max
    }

    pub(super) fn items(&self, name: &str) -> Result<Vec<F>, Refusal> {
        self.required(name)?.to_items().ok_or_else(|| wrong(name, "a list"))
    }
}

pub(super) fn wrong(name: &str, expected: &str) -> Refusal {
    Refusal::bad_message(format!("the field {name} must be {expected}"))
}

/// Most characters that a refusal quotes.
const QUOTE_CHARACTERS_MAX: usize = 120;

/// Refusals quote at most a little of what was sent.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(QUOTE_CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
