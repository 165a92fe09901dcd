//! PRUNE: bags that the host may let go of, each with the bag that supersedes it. Request: signed call, pairs
//! to the end. Answer: head, one item for each pair.

use super::bag::BagSeq;
use super::bytes::{Reader, put_varint};
use super::status::Status;

/// One bag to let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrunePair {
    /// The bag.
    pub bag: BagSeq,
    /// Why it may go.
    pub reason: PruneReason,
}

/// Why a bag may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PruneReason {
    /// Another bag, which the host must hold and keep, has a later message of the same entity.
    SupersededBy(BagSeq),
    /// It cannot be opened, and the device that says so holds its message. On the wire: 0.
    Damaged,
}

/// What became of one pair, the first of these that holds: `InvalidParam` (the superseding bag is one that the same
/// request names to be pruned, itself included), `Success` (the host does not hold the bag any more),
/// `InvalidRequest` (deletes are kept), `NotFound` (the superseding bag is not held).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneItem {
    /// The pair's place in the request, from 0.
    pub index: u64,
    /// What became of it.
    pub status: Status,
}

impl PrunePair {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let bag = BagSeq(reader.varint()?);
        let reason = match reader.varint()? {
            0 => PruneReason::Damaged,
            superseding => PruneReason::SupersededBy(BagSeq(superseding)),
        };
        Ok(Self { bag, reason })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.bag.0)?;
        match self.reason {
            PruneReason::Damaged => put_varint(out, 0),
            PruneReason::SupersededBy(superseding) => put_varint(out, superseding.0),
        }
    }

    /// Reads pairs to the end.
    pub fn read_all(reader: &mut Reader) -> Result<Vec<Self>, Status> {
        reader.list(Self::read)
    }
}

impl PruneItem {
    /// Reads one from the front. A status byte without meaning is `InvalidResponse`.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let index = reader.varint()?;
        Ok(Self { index, status: Status::from_code(reader.byte()?).ok_or(Status::InvalidResponse)? })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.index)?;
        out.push(self.status.code());
        Ok(())
    }

    /// Reads items to the end.
    pub fn read_all(reader: &mut Reader) -> Result<Vec<Self>, Status> {
        reader.list(Self::read)
    }
}
