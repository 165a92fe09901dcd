//! The database: every public call, each one transaction.

#![allow(unused_variables, clippy::unimplemented, reason = "signatures first")]

use std::path::Path;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::prune::PrunePair;
use seabag_protocol::host::record::EpochId;

use crate::*;

/// A database of entities. Several, in several processes, may be open on one file.
#[derive(Debug)]
pub struct Database {}

impl Database {
    /// Opens the database in this file, or creates it, for its owner alone (mode 0600).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        unimplemented!()
    }

    /// A database that ends with the process.
    pub fn in_memory() -> Self {
        unimplemented!()
    }

    // Local writes: the entity, its message and its place in every link's outbox are one transaction, on disk
    // when the call returns.

    /// Creates an entity; `id`: eight random bytes.
    pub fn put_new(&mut self, id: [u8; 8], now_ms: u64, draft: Draft) -> Result<MessageHead> {
        unimplemented!()
    }

    /// Writes an entity, old or new.
    pub fn put(&mut self, eid: &Eid, now_ms: u64, draft: Draft, skew: Skew) -> Result<MessageHead> {
        unimplemented!()
    }

    /// Ends an entity; `None`: there was none.
    pub fn delete(&mut self, eid: &Eid, now_ms: u64, skew: Skew) -> Result<Option<MessageHead>> {
        unimplemented!()
    }

    /// Writes an entity as it was before its last message.
    pub fn undo(&mut self, eid: &Eid, now_ms: u64, skew: Skew) -> Result<MessageHead> {
        unimplemented!()
    }

    // Reads.

    /// An entity.
    pub fn get(&self, eid: &Eid) -> Result<Option<Ent>> {
        unimplemented!()
    }

    /// A page of a selection.
    pub fn page(&self, query: &Query) -> Result<Page> {
        unimplemented!()
    }

    /// How many entities a selection has.
    pub fn count(&self, selection: &Selection) -> Result<u64> {
        unimplemented!()
    }

    /// An entity's children, their children, and so on, `max` at most. Cycles are walked once.
    pub fn descendants(&self, eid: &Eid, max: usize) -> Result<Descendants> {
        unimplemented!()
    }

    /// The types that have entities, in the order of their names.
    pub fn kinds(&self) -> Result<Vec<KindCount>> {
        unimplemented!()
    }

    /// Tells of every change to a selection that this `Database` commits from now on.
    pub fn watch(&self, selection: Selection) -> Watch {
        unimplemented!()
    }

    /// Whether another connection or process has committed since the last call.
    pub fn changed_elsewhere(&mut self) -> Result<bool> {
        unimplemented!()
    }

    // The past.

    /// An entity's messages that are here, the latest first; those set aside are not among them.
    pub fn history(&self, eid: &Eid) -> Result<Vec<Version>> {
        unimplemented!()
    }

    /// What a type keeps.
    pub fn history_of(&self, kind: &str) -> Result<History> {
        unimplemented!()
    }

    /// Sets what a type keeps from now on. With [`History::Latest`] its past is dropped here.
    pub fn set_history(&mut self, kind: &str, history: History) -> Result<()> {
        unimplemented!()
    }

    /// The messages that this version cannot read.
    pub fn set_aside(&self) -> Result<Vec<SetAside>> {
        unimplemented!()
    }

    /// All messages, page by page: entities' states and ends, what is kept of the past, what is set aside.
    pub fn messages(&self, after: Option<&MessageCursor>, limit: usize) -> Result<MessagePage> {
        unimplemented!()
    }

    // Links.

    /// The links, oldest first.
    pub fn links(&self) -> Result<Vec<Link>> {
        unimplemented!()
    }

    /// One link.
    pub fn link(&self, link: LinkId) -> Result<Link> {
        unimplemented!()
    }

    /// Links a host. It begins with [`Fill::Replay`].
    pub fn add_link(&mut self, settings: LinkSettings) -> Result<LinkId> {
        unimplemented!()
    }

    /// Forgets a link and what waits for it. Entities stay.
    pub fn remove_link(&mut self, link: LinkId) -> Result<()> {
        unimplemented!()
    }

    /// How far a link has come.
    pub fn stage(&self, link: LinkId) -> Result<Fill> {
        unimplemented!()
    }

    /// Sets how far a link has come. [`Fill::Upload`] makes [`fill`](Self::fill) begin anew.
    pub fn set_stage(&mut self, link: LinkId, stage: Fill) -> Result<()> {
        unimplemented!()
    }

    /// Says why a link is stuck, or that it is not.
    pub fn set_trouble(&mut self, link: LinkId, trouble: Option<Trouble>) -> Result<()> {
        unimplemented!()
    }

    /// The host's history is another one: what its numbers held is forgotten, the cursor is before its first
    /// bag, and the link begins with [`Fill::Replay`]. What waits goes on waiting.
    pub fn reset(&mut self, link: LinkId, epoch: EpochId) -> Result<()> {
        unimplemented!()
    }

    // Down.

    /// What to do about bags whose heads are known, in their order.
    pub fn judge(&self, heads: &[MessageHead]) -> Result<Vec<Judgement>> {
        unimplemented!()
    }

    /// Merges what a link brought, notes which number holds what, and moves the cursor: one transaction.
    pub fn receive(&mut self, link: LinkId, arrivals: Arrivals) -> Result<Received> {
        unimplemented!()
    }

    /// Merges messages from a file, one transaction. What is new waits for every link.
    pub fn merge(&mut self, messages: &[Message]) -> Result<Vec<Outcome>> {
        unimplemented!()
    }

    // Up.

    /// What waits for a link, oldest first: `max_items` messages at most, and `max_bytes` of bodies unless the
    /// first is larger by itself.
    pub fn outbox(&self, link: LinkId, max_items: usize, max_bytes: usize) -> Result<Vec<Message>> {
        unimplemented!()
    }

    /// How many messages wait for a link.
    pub fn waiting(&self, link: LinkId) -> Result<u64> {
        unimplemented!()
    }

    /// The host has stored these messages under these numbers.
    pub fn pushed(&mut self, link: LinkId, stored: &[(MessageHead, BagSeq)]) -> Result<()> {
        unimplemented!()
    }

    /// Looks at the next `max` messages here and lets those wait that no number at this link holds, ends of
    /// entities too. Whether there are more to look at.
    pub fn fill(&mut self, link: LinkId, max: usize) -> Result<bool> {
        unimplemented!()
    }

    /// Bags that a link's host may let go of.
    pub fn prunable(&self, link: LinkId, max: usize) -> Result<Vec<PrunePair>> {
        unimplemented!()
    }

    /// These pairs' bags are settled: the host let them go, or says that it never will.
    pub fn pruned(&mut self, link: LinkId, bags: &[BagSeq]) -> Result<()> {
        unimplemented!()
    }

    /// The host does not hold these numbers, though it said so: their messages wait again, unless another
    /// number holds them.
    pub fn lost(&mut self, link: LinkId, bags: &[BagSeq]) -> Result<()> {
        unimplemented!()
    }

    /// The bags of a link that could not be opened, `max` at most.
    pub fn unreadable(&self, link: LinkId, max: usize) -> Result<Vec<Unreadable>> {
        unimplemented!()
    }

    // Status.

    /// What the database has, and how its links are.
    pub fn status(&self) -> Result<DatabaseStatus> {
        unimplemented!()
    }

    /// Which links' hosts have an entity's state. Empty for an entity that was never here.
    pub fn durable_at(&self, eid: &Eid) -> Result<Vec<Durable>> {
        unimplemented!()
    }
}
