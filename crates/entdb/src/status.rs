//! The state of a database and its links, as data.

use seabag_protocol::host::bag::BagSeq;

use seabag_protocol::host::eid::Eid;

use crate::storage::Which;
use crate::{Database, Link, LinkId, Result, Selection};

/// What a database has, and how its links are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// Entities.
    pub ents: u64,
    /// Entities that ended.
    pub tombstones: u64,
    /// Messages of the past that types keep.
    pub kept: u64,
    /// Messages that this version cannot read.
    pub set_aside: u64,
    /// The links, oldest first.
    pub links: Vec<LinkStatus>,
}

/// How a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The link itself.
    pub link: Link,
    /// Messages that wait to be uploaded.
    pub waiting: u64,
    /// Bags that could not be opened. At most 1,000 are noted.
    pub unreadable: u64,
}

/// Whether a link's host has an entity's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The link.
    pub link: LinkId,
    /// The host's number for it; `None`: the host is not known to have it.
    pub stored: Option<BagSeq>,
    /// Whether it waits to be uploaded.
    pub waiting: bool,
}

/// A bag that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The host's number for it.
    pub seq: BagSeq,
    /// Why, for people.
    pub reason: String,
}

impl Database {
    /// What the database has, and how its links are.
    pub fn status(&self) -> Result<DatabaseStatus> {
        let storage = &self.storage;
        let (kept, set_aside) = storage.log_counts()?;
        let mut links = Vec::new();
        for row in storage.links()? {
            let id = row.link.id;
            let (waiting, unreadable) = (storage.waiting(id)?, storage.unreadable_count(id)?);
            links.push(LinkStatus { link: row.link, waiting, unreadable });
        }
        let (ents, tombstones) = (storage.count(&Selection::All)?, storage.tombstone_count()?);
        Ok(DatabaseStatus { ents, tombstones, kept, set_aside, links })
    }

    /// Which links' hosts have an entity's state, or its end. Empty for an entity that was never here.
    pub fn durable_at(&self, eid: &Eid) -> Result<Vec<Durable>> {
        let mut durable = Vec::new();
        if self.storage.winner(eid)?.is_none() {
            return Ok(durable);
        }
        for row in self.storage.links()? {
            let link = row.link.id;
            let stored = crate::numbers::holder(self.storage.as_ref(), link, eid, Which::Winner)?;
            let waiting = self.storage.is_queued(link, eid, Which::Winner)?;
            durable.push(Durable { link, stored, waiting });
        }
        Ok(durable)
    }
}
