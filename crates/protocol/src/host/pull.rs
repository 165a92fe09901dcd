//! PULL: bodies. Request: signed timestamp, numbers to the end. Answer: head, one item for each number that the
//! host has, in the order asked.

use bytes::Bytes;

use super::auth::SignedTimestamp;
use super::bag::BagSeq;
use super::bytes::{Reader, put_var_bytes, put_varint};
use super::status::Status;

/// One bag's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullItem {
    /// The bag's number.
    pub seq: BagSeq,
    /// Its sealed body; no bytes for a delete.
    pub body: Bytes,
}

impl PullItem {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self { seq: BagSeq(reader.varint()?), body: reader.var_bytes()? })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.seq.0)?;
        put_var_bytes(out, &self.body)
    }

    /// Reads items to the end.
    pub fn read_all(reader: &mut Reader) -> Result<Vec<Self>, Status> {
        reader.list(Self::read)
    }
}

/// Reads the numbers of a request, behind its timestamp.
pub fn read_numbers(reader: &mut Reader) -> Result<Vec<BagSeq>, Status> {
    reader.list(|reader| reader.varint().map(BagSeq))
}

/// A whole request.
pub fn request(auth: &SignedTimestamp, numbers: &[BagSeq]) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    auth.write(&mut out)?;
    for number in numbers {
        put_varint(&mut out, number.0)?;
    }
    Ok(out)
}
