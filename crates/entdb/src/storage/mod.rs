//! What the database needs of a storage: rows in, rows out, in transactions. Every rule is above it.

mod memory;
mod rows;
mod sqlite;

use std::fmt;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHash;

pub(crate) use memory::MemoryStorage;
pub(crate) use rows::{
    Aside, BagRow, BagState, EntRow, LinkRow, LogKey, LogRow, OutboxRow, TombstoneRow, Which, Winner,
};
pub(crate) use sqlite::SqliteStorage;

use crate::{History, LinkId, LinkSettings, Query, Result, Selection};

/// What a commit promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It outlasts a power cut when it returns: for what exists nowhere else.
    Synced,
    /// It outlasts the process; a power cut may take the last ones back, in order: for what a host can tell again.
    Written,
}

/// Rows of one database. Writes come between [`begin`](Self::begin) and [`commit`](Self::commit).
pub(crate) trait Storage: fmt::Debug + Send {
    /// Begins a transaction that no other process writes beside.
    fn begin(&mut self, durability: Durability) -> Result<()>;
    /// Ends it; all of it is there.
    fn commit(&mut self) -> Result<()>;
    /// Ends it; nothing of it is there.
    fn rollback(&mut self);
    /// A number that changes when others commit to the same database.
    fn version_elsewhere(&self) -> Result<i64>;

    /// The version of the reader that last tried what is set aside.
    fn reader(&self) -> Result<u32>;
    /// Sets it.
    fn set_reader(&mut self, version: u32) -> Result<()>;

    /// Whose the database is, if it is anybody's.
    fn owner(&self) -> Result<Option<String>>;
    /// Sets it, once.
    fn set_owner(&mut self, owner: &str) -> Result<()>;

    /// An entity's state or end.
    fn winner(&self, eid: &Eid) -> Result<Option<Winner>>;
    /// Sets an entity's state or end, in the place of what was there.
    fn put_winner(&mut self, winner: &Winner) -> Result<()>;
    /// Rows of a selection, in its order.
    fn ents(&self, query: &Query) -> Result<Vec<EntRow>>;
    /// How many rows a selection has.
    fn count(&self, selection: &Selection) -> Result<u64>;
    /// Ends of entities, in the order of ids, after this one.
    fn tombstones(&self, after: Option<&Eid>, limit: usize) -> Result<Vec<TombstoneRow>>;
    /// How many ends there are.
    fn tombstone_count(&self) -> Result<u64>;

    /// Every type that was ever seen, in the order of names.
    fn kinds(&self) -> Result<Vec<String>>;
    /// What a type keeps.
    fn history(&self, kind: &str) -> Result<History>;
    /// Sets it.
    fn set_history(&mut self, kind: &str, history: History) -> Result<()>;

    /// An entity's message of the log with this hash.
    fn logged(&self, eid: &Eid, hash: Hash) -> Result<Option<LogRow>>;
    /// An entity's messages that are set aside, least first.
    fn aside_of(&self, eid: &Eid) -> Result<Vec<LogRow>>;
    /// An entity's messages that are kept of its past, greatest first.
    fn past_of(&self, eid: &Eid, limit: usize) -> Result<Vec<LogRow>>;
    /// All such messages, by entity, after this one.
    fn log(&self, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>>;
    /// Those that readers below this version set aside, after this one.
    fn aside(&self, below: u32, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>>;
    /// How many are kept, and how many are set aside.
    fn log_counts(&self) -> Result<(u64, u64)>;
    /// Adds one, or replaces it.
    fn put_log(&mut self, row: &LogRow) -> Result<()>;
    /// Removes one.
    fn remove_log(&mut self, key: &LogKey) -> Result<()>;

    /// The links, in the order of their ids.
    fn links(&self) -> Result<Vec<LinkRow>>;
    /// Adds one, under an id that was never given.
    fn add_link(&mut self, settings: &LinkSettings) -> Result<LinkId>;
    /// Replaces one.
    fn put_link(&mut self, row: &LinkRow) -> Result<()>;
    /// Removes one, its bags and its outbox.
    fn remove_link(&mut self, link: LinkId) -> Result<()>;

    /// What a number holds.
    fn bag(&self, link: LinkId, seq: BagSeq) -> Result<Option<BagRow>>;
    /// The numbers that hold a message of an entity, ascending.
    fn holders(&self, link: LinkId, eid: &Eid, which: Which) -> Result<Vec<BagSeq>>;
    /// Numbers above this one that are superseded or damaged, ascending.
    fn removable(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<(BagSeq, BagRow)>>;
    /// Numbers above this one that hold messages, ascending.
    fn held(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<BagSeq>>;
    /// Numbers whose bags could not be read, ascending.
    fn unreadable(&self, link: LinkId, limit: usize) -> Result<Vec<(BagSeq, BagRow)>>;
    /// How many those are.
    fn unreadable_count(&self, link: LinkId) -> Result<u64>;
    /// Sets what a number holds.
    fn put_bag(&mut self, link: LinkId, seq: BagSeq, row: &BagRow) -> Result<()>;
    /// Forgets a number.
    fn remove_bag(&mut self, link: LinkId, seq: BagSeq) -> Result<()>;
    /// Forgets all numbers of a link.
    fn clear_bags(&mut self, link: LinkId) -> Result<()>;

    /// What waits, oldest first, after this place.
    fn outbox(&self, link: LinkId, after: u64, limit: usize) -> Result<Vec<OutboxRow>>;
    /// How many wait.
    fn waiting(&self, link: LinkId) -> Result<u64>;
    /// Whether a message waits.
    fn is_queued(&self, link: LinkId, eid: &Eid, which: Which) -> Result<bool>;
    /// Lets a message wait behind all others, unless it waits already.
    fn queue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()>;
    /// It does not wait any more.
    fn unqueue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()>;
}

/// A message's hash, as rows have it.
pub(crate) type Hash = MessageHash;
