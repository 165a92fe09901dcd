//! What a host keeps of an account, and what changes it.

use super::bag::{Bag, BagIdentity, BagSeq};

/// Names one history of an account. A host that was wiped, or went back to a backup, has another.
/// The first half is drawn when the account is registered, the second belongs to the process that opened the
/// epoch: so it can tell its own ones without a list, and no account learns what it could link to another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EpochId(pub [u8; 16]);

/// A run of the host program: bytes that it draws when it starts and tells nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(pub [u8; 16]);

impl EpochId {
    /// The epoch that a process opens in what began with this registration.
    pub fn of(process: &ProcessId, registration: [u8; 8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"seabag account epoch").update(&process.0).update(&registration);
        let mut id = [0; 16];
        let (first, second) = id.split_at_mut(8);
        first.copy_from_slice(&registration);
        hasher.finalize_xof().fill(second);
        Self(id)
    }

    /// What was drawn when the account was registered.
    pub fn registration(&self) -> [u8; 8] {
        self.0.first_chunk().copied().unwrap_or_default()
    }
}

/// An epoch and where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: EpochId,
    /// The last number of the epoch, once a later one has begun; the open one ends at the account's last.
    pub end: Option<BagSeq>,
}

/// What a host keeps of an account beside its bags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// When it was registered, milliseconds since 1970.
    pub registered_ms: u64,
    /// When it last stored or pruned something, milliseconds since 1970.
    pub changed_ms: u64,
    /// The last number given out.
    pub last: BagSeq,
    /// Bags kept.
    pub bags: u64,
    /// Bytes of them, as [`Bag::stored_bytes`] counts.
    pub bytes: u64,
    /// Its epochs, oldest first; the last one is open. Never empty, and bounded.
    pub lineage: Vec<EpochRecord>,
}

/// What a prune may need to know of a bag that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBag {
    /// Its identity.
    pub identity: BagIdentity,
    /// What it counts against the quota.
    pub stored_bytes: u64,
}

/// What the machine wants written, all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// The record from now on.
    pub record: Option<AccountRecord>,
    /// Kept bags to let go. Before the others are inserted: one of those may have the same identity.
    pub remove: Vec<(BagSeq, BagIdentity)>,
    /// Bags to keep, ascending.
    pub insert: Vec<(BagSeq, Bag)>,
}

impl AccountChanges {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.record.is_none() && self.insert.is_empty() && self.remove.is_empty()
    }
}
