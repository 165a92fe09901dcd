//! PEEK: the heads behind a number. Request: signed timestamp, number. Answer: head, one item for each bag,
//! ascending. PEEK-PAGE is the same, so many at a time: its request goes on with the most items that are
//! wanted, its answer has a [`PageHead`] before the items.

use super::auth::SignedTimestamp;
use super::bag::{BagSeq, SealedHead};
use super::bytes::{Reader, put_varint};
use super::record::EpochId;
use super::status::Status;

/// One bag's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekItem {
    /// The head.
    pub sealed: SealedHead,
    /// The bag's number.
    pub seq: BagSeq,
}

impl PeekItem {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        // The head is looked into last: what is cut short fails as upstream has it.
        let (head, seq) = (reader.var_bytes()?, BagSeq(reader.varint()?));
        Ok(Self { sealed: SealedHead::decode(head)?, seq })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.sealed.encoded_length() as u64)?;
        self.sealed.write(out)?;
        put_varint(out, self.seq.0)
    }

    /// Reads items to the end.
    pub fn read_all(reader: &mut Reader) -> Result<Vec<Self>, Status> {
        reader.list(Self::read)
    }
}

/// What a page's answer says before its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHead {
    /// The account's open epoch.
    pub epoch: EpochId,
    /// The account's last number.
    pub last: BagSeq,
    /// The page has every bag behind the number that was asked and up to this one: ask on from here. When it is
    /// [`PageHead::last`], there is nothing more.
    pub through: BagSeq,
}

impl PageHead {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self {
            epoch: EpochId(reader.array()?),
            last: BagSeq(reader.varint()?),
            through: BagSeq(reader.varint()?),
        })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.epoch.0);
        put_varint(out, self.last.0)?;
        put_varint(out, self.through.0)
    }
}

/// A whole PEEK.
pub fn request(auth: &SignedTimestamp, after: BagSeq) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    auth.write(&mut out)?;
    put_varint(&mut out, after.0)?;
    Ok(out)
}

/// A whole PEEK-PAGE; `items_max` 0 leaves it to the host.
pub fn page_request(auth: &SignedTimestamp, after: BagSeq, items_max: u64) -> Result<Vec<u8>, Status> {
    let mut out = request(auth, after)?;
    put_varint(&mut out, items_max)?;
    Ok(out)
}
