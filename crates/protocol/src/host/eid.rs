//! The id of an entity: bytes of its own and the time of its creation.

use std::fmt;

use bytes::Bytes;

use super::bytes::{Reader, put_var_bytes, put_varint};
use super::status::Status;

/// The greatest time that is accepted, milliseconds since 1970: the last one that a JavaScript date can hold.
pub const TIME_MS_MAX: u64 = 8_640_000_000_000_000;

/// An entity's id, as its encoded bytes: those are its identity, so that an unusual encoding of the same parts
/// is another entity, as it is upstream.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Eid(Bytes);

impl Eid {
    /// Of these bytes and this time. `VarLimitExceeded` when the time cannot be encoded.
    pub fn new(id: &[u8], created_ms: u64) -> Result<Self, Status> {
        let mut out = Vec::with_capacity(id.len() + 8);
        put_var_bytes(&mut out, id)?;
        put_varint(&mut out, created_ms)?;
        Ok(Self(out.into()))
    }

    /// The id of the one entity of a type that has just one: it is found without being looked for.
    pub fn singleton(kind: &str) -> Self {
        let mut id = Vec::new();
        let mut out = Vec::new();
        // A string in memory is never as long as a varint can say.
        let encoded = put_var_bytes(&mut id, kind.as_bytes()).and_then(|()| put_var_bytes(&mut out, &id));
        debug_assert!(encoded.is_ok());
        out.push(0);
        Self(out.into())
    }

    /// Reads an encoded id. Bytes after its end are kept, and make it another id.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, Status> {
        let bytes = bytes.into();
        parts(&bytes)?;
        Ok(Self(bytes))
    }

    /// The encoded id.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes that are its own.
    pub fn id(&self) -> Bytes {
        parts(&self.0).map(|(id, _)| id).unwrap_or_default()
    }

    /// When the entity was created, milliseconds since 1970. May be beyond [`TIME_MS_MAX`] in what others sent.
    pub fn created_ms(&self) -> u64 {
        parts(&self.0).map(|(_, created_ms)| created_ms).unwrap_or_default()
    }
}

impl fmt::Debug for Eid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Eid({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

fn parts(bytes: &Bytes) -> Result<(Bytes, u64), Status> {
    let mut reader = Reader::new(bytes.clone());
    Ok((reader.var_bytes()?, reader.varint()?))
}
