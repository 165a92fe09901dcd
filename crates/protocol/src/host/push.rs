//! PUSH: bags to store. Request: signed timestamp, bags to the end. Answer: head, one item for each bag.

use super::auth::SignedTimestamp;
use super::bag::{Bag, BagSeq};
use super::bytes::{Reader, put_varint};
use super::status::Status;

/// What became of one bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushItem {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its number, that of an earlier duplicate included; or why it was not stored.
    pub result: Result<BagSeq, Status>,
}

impl PushItem {
    /// Reads one from the front. A status byte without meaning is `InvalidResponse`.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let index = reader.varint()?;
        let status = Status::from_code(reader.byte()?).ok_or(Status::InvalidResponse)?;
        let result = if status == Status::Success { Ok(BagSeq(reader.varint()?)) } else { Err(status) };
        Ok(Self { index, result })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.index)?;
        match self.result {
            Ok(seq) => {
                out.push(Status::Success.code());
                put_varint(out, seq.0)
            }
            Err(status) => {
                out.push(status.code());
                Ok(())
            }
        }
    }

    /// Reads items to the end.
    pub fn read_all(reader: &mut Reader) -> Result<Vec<Self>, Status> {
        reader.list(Self::read)
    }
}

/// Reads the bags of a request, behind its timestamp.
pub fn read_bags(reader: &mut Reader) -> Result<Vec<Bag>, Status> {
    reader.list(Bag::read)
}

/// A whole request.
pub fn request(auth: &SignedTimestamp, bags: &[Bag]) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    auth.write(&mut out)?;
    for bag in bags {
        bag.write(&mut out)?;
    }
    Ok(out)
}
