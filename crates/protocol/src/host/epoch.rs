//! EPOCH: which history the host has of an account, and whether a cursor belongs to it. Request: signed
//! timestamp, then nothing or a cursor (epoch, number). Answer: head, [`EpochAnswer`].

use super::auth::SignedTimestamp;
use super::bag::BagSeq;
use super::bytes::{Reader, put_varint};
use super::record::EpochId;
use super::status::Status;

/// How far a client has read a host's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch in which it read.
    pub epoch: EpochId,
    /// The last number that it has dealt with.
    pub seq: BagSeq,
}

impl Cursor {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self { epoch: EpochId(reader.array()?), seq: BagSeq(reader.varint()?) })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.epoch.0);
        put_varint(out, self.seq.0)
    }
}

/// What the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochAnswer {
    /// The account's open epoch.
    pub epoch: EpochId,
    /// The account's last number.
    pub last: BagSeq,
    /// Whether the cursor that was sent belongs to this history; without one, `true`. If it does not, the
    /// client reads all of it again and fills what the host lacks.
    pub valid: bool,
}

impl EpochAnswer {
    /// Reads one from the front. A flag that is neither 0 nor 1 is `InvalidResponse`.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let (epoch, last) = (EpochId(reader.array()?), BagSeq(reader.varint()?));
        match reader.byte()? {
            flag @ (0 | 1) => Ok(Self { epoch, last, valid: flag == 1 }),
            _ => Err(Status::InvalidResponse),
        }
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.epoch.0);
        put_varint(out, self.last.0)?;
        out.push(u8::from(self.valid));
        Ok(())
    }
}

/// A whole request.
pub fn request(auth: &SignedTimestamp, cursor: Option<&Cursor>) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    auth.write(&mut out)?;
    if let Some(cursor) = cursor {
        cursor.write(&mut out)?;
    }
    Ok(out)
}
