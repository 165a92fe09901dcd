//! A message: the whole new state of one entity, or its end. Its head says which entity, when, and which body.

use bytes::Bytes;

use super::bytes::{Reader, put_var_bytes, put_varint};
use super::eid::{Eid, TIME_MS_MAX};
use super::status::Status;

/// BLAKE3 of an encoded head: the identity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageHash(pub [u8; 32]);

/// What a message says besides its body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageHead {
    /// Which entity.
    pub eid: Eid,
    /// Milliseconds from the entity's creation to this message.
    pub offset_ms: u64,
    /// How many messages of the entity its writer knew before this one.
    pub counter: u64,
    /// Bytes of the body; 0: the entity is deleted.
    pub length: u64,
    /// BLAKE3 of the body, if there is one.
    pub body_hash: Option<[u8; 32]>,
}

/// The place of a message in the total order of its entity's messages: the greatest is the entity's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rank {
    /// When it was written, milliseconds since 1970.
    pub time_ms: u64,
    /// Its counter.
    pub counter: u64,
    /// The hash of its canonical head.
    pub hash: MessageHash,
}

impl MessageHead {
    /// The head of a message with this body. An empty body is none: nobody could open it.
    pub fn new(eid: Eid, offset_ms: u64, counter: u64, body: Option<&[u8]>) -> Self {
        let body = body.filter(|body| !body.is_empty());
        Self {
            eid,
            offset_ms,
            counter,
            length: body.map_or(0, |body| body.len() as u64),
            body_hash: body.map(|body| blake3::hash(body).into()),
        }
    }

    /// The encoded head: its canonical form.
    pub fn encode(&self) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(64);
        put_var_bytes(&mut out, self.eid.as_bytes())?;
        put_varint(&mut out, self.offset_ms)?;
        put_varint(&mut out, self.counter)?;
        put_varint(&mut out, self.length)?;
        out.extend_from_slice(self.body_hash.as_ref().map_or(&[][..], |hash| hash));
        Ok(out)
    }

    /// Reads an encoded head; bytes after its end are ignored.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, Status> {
        let mut reader = Reader::new(bytes);
        Self::read(&mut reader)
    }

    /// Reads a head from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let eid = Eid::decode(reader.var_bytes()?)?;
        let (offset_ms, counter, length) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let body_hash = if length > 0 { Some(reader.array()?) } else { None };
        Ok(Self { eid, offset_ms, counter, length, body_hash })
    }

    /// When it was written, milliseconds since 1970. `None` past [`TIME_MS_MAX`]: such a message is refused.
    pub fn time_ms(&self) -> Option<u64> {
        let time = self.eid.created_ms().checked_add(self.offset_ms)?;
        (time <= TIME_MS_MAX).then_some(time)
    }

    /// Whether the message ends its entity.
    pub fn is_delete(&self) -> bool {
        self.length == 0
    }

    /// The message's identity; an error for a head that cannot be encoded.
    pub fn hash(&self) -> Result<MessageHash, Status> {
        Ok(MessageHash(blake3::hash(&self.encode()?).into()))
    }

    /// Its place in the order; `InvalidParam` for a time past the range.
    pub fn rank(&self) -> Result<Rank, Status> {
        let time_ms = self.time_ms().ok_or(Status::InvalidParam)?;
        Ok(Rank { time_ms, counter: self.counter, hash: self.hash()? })
    }

    /// Whether this is the body that the head names: `HashMismatch` if not. Upstream compares the hash alone;
    /// the length is compared here too.
    pub fn check_body(&self, body: Option<&[u8]>) -> Result<(), Status> {
        let body = body.filter(|body| !body.is_empty());
        let hash = body.map(|body| <[u8; 32]>::from(blake3::hash(body)));
        let length = body.map_or(0, |body| body.len() as u64);
        if hash == self.body_hash && length == self.length { Ok(()) } else { Err(Status::HashMismatch) }
    }
}
