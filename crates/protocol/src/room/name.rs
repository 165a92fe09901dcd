//! The names of things in a room: ids, keys, numbers. Each is parsed once at the border and trusted after.
//!
//! A room id is a bearer token, so [`RoomId`] and [`ReadOnlyId`] print as `…` and only their hash,
//! [`RoomHash`], is ever stored.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Refusal};

/// Fewest characters of a room id: 22 of base64url carry the 128 bits that make it unguessable (native.md).
pub const ROOM_ID_CHARACTERS_MIN: usize = 22;
/// Most characters of a room id, chosen by the caller of `PUT /room/{id}`.
pub const ROOM_ID_CHARACTERS_MAX: usize = 64;
/// Every read-only id starts with this. The dot cannot occur in a room id, so the two are never confused.
pub const READ_ONLY_PREFIX: &str = "ro.";

const READ_ONLY_CONTEXT: &str = "seabag 2026-11 room read-only id v1";
const ROOM_HASH_CONTEXT: &str = "seabag 2026-11 room hash v1";

fn is_token_character(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

/// The id that lets its holder read and write a room: 22 to 64 characters of `A-Za-z0-9_-`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Makes an id from 128 random bits: 22 characters of base64url.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(BASE64URL_NOPAD.encode(&bits).into())
    }

    /// Reads an id. `None` when the length or a character is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (ROOM_ID_CHARACTERS_MIN..=ROOM_ID_CHARACTERS_MAX).contains(&text.len());
        (fits && text.bytes().all(is_token_character)).then(|| Self(text.into()))
    }

    /// The id itself: a secret. Show it to nobody but its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The id that lets its holder read this room but not write. It cannot be turned back.
    pub fn read_only(&self) -> ReadOnlyId {
        let derived = blake3::derive_key(READ_ONLY_CONTEXT, self.0.as_bytes());
        let half: [u8; 16] = std::array::from_fn(|i| derived.get(i).copied().unwrap_or_default());
        ReadOnlyId(format!("{READ_ONLY_PREFIX}{}", BASE64URL_NOPAD.encode(&half)).into())
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomId(…)")
    }
}

/// The id that lets its holder read a room and not write it: `ro.` and 22 characters of base64url.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReadOnlyId(Arc<str>);

impl ReadOnlyId {
    /// Reads an id. `None` when the prefix, the length or a character is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(READ_ONLY_PREFIX)?;
        (rest.len() == 22 && rest.bytes().all(is_token_character)).then(|| Self(text.into()))
    }

    /// The id itself: a secret. Show it to nobody but its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store knows the room by.
    pub fn hash(&self) -> RoomHash {
        let derived = blake3::derive_key(ROOM_HASH_CONTEXT, self.0.as_bytes());
        RoomHash(std::array::from_fn(|i| derived.get(i).copied().unwrap_or_default()))
    }
}

impl fmt::Debug for ReadOnlyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadOnlyId(…)")
    }
}

/// Whoever presents an id may do one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Holder of the room id.
    Write,
    /// Holder of the read-only id.
    ReadOnly,
}

/// An id as it stands in a URL: which room, and what its holder may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomAddress {
    /// The read-only id, which both kinds of holder can know.
    pub read_only: ReadOnlyId,
    /// The room id, when it was presented.
    pub write: Option<RoomId>,
}

impl RoomAddress {
    /// Reads either kind of id. A text that is neither names no room: `unknown_room`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if let Some(read_only) = ReadOnlyId::parse(text) {
            return Ok(Self { read_only, write: None });
        }
        let write = RoomId::parse(text).ok_or_else(Refusal::unknown_room)?;
        Ok(Self::from(write))
    }

    /// What the holder may do.
    pub fn access(&self) -> Access {
        if self.write.is_some() { Access::Write } else { Access::ReadOnly }
    }

    /// What the store knows the room by. Both ids of a room give the same.
    pub fn hash(&self) -> RoomHash {
        self.read_only.hash()
    }

    /// The id as presented.
    pub fn reveal(&self) -> &str {
        self.write.as_ref().map_or_else(|| self.read_only.reveal(), RoomId::reveal)
    }
}

impl From<RoomId> for RoomAddress {
    fn from(write: RoomId) -> Self {
        Self { read_only: write.read_only(), write: Some(write) }
    }
}

/// What the server's files know a room by: 128 bits of a hash of its id. Reading the disk gives no room away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomHash(pub [u8; 16]);

impl RoomHash {
    /// 32 hex digits, as the admin address names rooms.
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads 32 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for RoomHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomHash(…)")
    }
}

/// Names one stream of a room. Any string, the empty one included (seed document, "Keys").
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StreamKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for StreamKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for StreamKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A message's place in its room's order. The first message has 1; 0 stands for "before all" (seed document).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoomSeq(pub u64);

impl RoomSeq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The next number.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number `count` further on.
    pub fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for RoomSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stream's number within its room, so that rows on disk are short. Never given to a second key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyNumber(pub u32);

/// One stretch of a room's history under one owner, opaque to clients: 1 to 32 of `A-Za-z0-9_-` (native.md).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Most characters.
    pub const CHARACTERS_MAX: usize = 32;

    /// Reads an epoch. `None` when the length or a character is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::CHARACTERS_MAX).contains(&text.len());
        (fits && text.bytes().all(is_token_character)).then(|| Self(text.into()))
    }

    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a reader stands: everything up to `seq` of the history that `epoch` belongs to. `0` is the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch in which the reader met `seq`; `None` stands before all history.
    pub epoch: Option<Epoch>,
    /// The last number that the reader has processed.
    pub seq: RoomSeq,
}

impl Cursor {
    /// Before all history.
    pub const START: Self = Self { epoch: None, seq: RoomSeq::ZERO };

    /// Reads `{epoch}.{seq}` or `0`. Anything else is `bad_parameter`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bad = || Refusal::new(Code::BadParameter, "since must be 0 or {epoch}.{seq}");
        if text == "0" {
            return Ok(Self::START);
        }
        let (epoch, seq) = text.split_once('.').ok_or_else(bad)?;
        let digits = !seq.is_empty() && seq.bytes().all(|c| c.is_ascii_digit());
        let seq = if digits { seq.parse().ok() } else { None }.ok_or_else(bad)?;
        Ok(Self { epoch: Some(Epoch::parse(epoch).ok_or_else(bad)?), seq: RoomSeq(seq) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.epoch {
            Some(epoch) => write!(f, "{epoch}.{}", self.seq),
            None => f.write_str("0"),
        }
    }
}

/// Names one outbox that writes to a room, for exactly-once pushes: 16 to 64 of `A-Za-z0-9_-` (native.md).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Reads a client id. Wrong length or characters are `bad_parameter`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let good = (16..=64).contains(&text.len()) && text.bytes().all(is_token_character);
        let bad = || Refusal::new(Code::BadParameter, "client must be 16 to 64 of A-Z a-z 0-9 _ -");
        good.then(|| Self(text.into())).ok_or_else(bad)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientId(…)")
    }
}

/// The number that an outbox gives a push: rises from 1, gaps allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PushId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ids_of_a_room_name_the_same_room() {
        let id = RoomId::from_random([7; 16]);
        let holder = RoomAddress::parse(id.reveal()).unwrap();
        let reader = RoomAddress::parse(id.read_only().reveal()).unwrap();
        assert_eq!(holder.hash(), reader.hash());
        assert_eq!((holder.access(), reader.access()), (Access::Write, Access::ReadOnly));
        assert!(reader.write.is_none());
    }

    #[test]
    fn ids_that_name_no_room_are_refused() {
        for text in ["", "short", "ro.short", "has space has space has space", "ключключключключключключ"]
        {
            assert_eq!(RoomAddress::parse(text).unwrap_err().code, Code::UnknownRoom, "{text}");
        }
        assert!(RoomId::parse(&"a".repeat(64)).is_some());
        assert!(RoomId::parse(&"a".repeat(65)).is_none());
        assert!(RoomId::parse("3f2504e0-4f89-11d3-9a0c-0305e82c3301").is_some(), "upstream's UUIDs are ids");
    }

    #[test]
    fn secrets_do_not_print() {
        let id = RoomId::from_random([7; 16]);
        assert_eq!(
            format!("{id:?} {:?} {:?}", id.read_only(), id.read_only().hash()),
            "RoomId(…) ReadOnlyId(…) RoomHash(…)"
        );
    }

    #[test]
    fn cursors_round_trip_and_bad_ones_are_refused() {
        for text in ["0", "abc.0", "A-b_9.18446744073709551615"] {
            assert_eq!(Cursor::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1", ".1", "a.", "a.-1", "a.+1", "a.1.2", "a.1x", "a b.1", "a.18446744073709551616"]
        {
            assert_eq!(Cursor::parse(text).unwrap_err().code, Code::BadParameter, "{text}");
        }
    }
}
