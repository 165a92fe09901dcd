//! The database itself: opening, and the one frame in which everything is written. What it can do is beside
//! each concept: `write`, `query`, `watch`, `history`, `receive`, `outbox`, `numbers`, `status`.

use std::collections::HashMap;
use std::path::Path;

use seabag_protocol::host::eid::Eid;

use crate::envelope::Reader;
use crate::storage::{Durability, LinkRow, MemoryStorage, SqliteStorage, Storage};
use crate::watch::Hub;
use crate::{Change, Ent, Error, LinkId, Result};

/// A database of entities. Several, in several processes, may be open on one file; each is told of its own
/// commits by [`watch`](Self::watch), and of the others' by [`changed_elsewhere`](Self::changed_elsewhere).
#[derive(Debug)]
pub struct Database {
    pub(crate) storage: Box<dyn Storage>,
    pub(crate) reader: Reader,
    pub(crate) hub: Hub,
    /// Which history of each link's host this one knows of, of those that it follows.
    pub(crate) histories: HashMap<LinkId, u64>,
    /// What [`changed_elsewhere`](Self::changed_elsewhere) saw last.
    version: i64,
    /// See [`fail_after`](Self::fail_after).
    transactions_left: Option<u64>,
}

impl Database {
    /// Opens the database in this file, or creates it, for its owner alone (mode 0600). Messages that an
    /// earlier version set aside are tried again.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::with(Box::new(SqliteStorage::open(path.as_ref())?), Reader::CURRENT)
    }

    /// A database that ends with the process.
    pub fn in_memory() -> Self {
        Self {
            storage: Box::new(MemoryStorage::default()),
            reader: Reader::CURRENT,
            hub: Hub::default(),
            histories: HashMap::new(),
            version: 0,
            transactions_left: None,
        }
    }

    /// A database on this storage, whose envelopes this reader reads.
    pub(crate) fn with(storage: Box<dyn Storage>, reader: Reader) -> Result<Self> {
        let version = storage.version_elsewhere()?;
        let (hub, histories) = (Hub::default(), HashMap::new());
        let mut database = Self { storage, reader, hub, histories, version, transactions_left: None };
        database.try_set_aside_again()?;
        Ok(database)
    }

    /// Whether another connection or process has committed to the file since the last call, or since opening.
    pub fn changed_elsewhere(&mut self) -> Result<bool> {
        let version = self.storage.version_elsewhere()?;
        Ok(std::mem::replace(&mut self.version, version) != version)
    }

    /// Whose the database is; `None` until somebody has claimed it.
    pub fn owner(&self) -> Result<Option<String>> {
        self.storage.owner()
    }

    /// Makes the database this owner's, unless it is somebody's already. `owner` names a seed without telling
    /// anything of it: two people's entities in one database would be uploaded to both of their accounts.
    /// Whose it is then.
    pub fn claim(&mut self, owner: &str) -> Result<String> {
        if let Some(owner) = self.storage.owner()? {
            return Ok(owner);
        }
        self.transact(Durability::Synced, |transaction| match transaction.storage.owner()? {
            Some(owner) => Ok(owner),
            None => transaction.storage.set_owner(owner).map(|()| owner.to_owned()),
        })
    }

    /// For tests of what is left behind by a full disk or a crash: so many transactions still work, and every one
    /// after them fails as a whole. `None`: all work again.
    pub fn fail_after(&mut self, transactions: Option<u64>) {
        self.transactions_left = transactions;
    }

    /// Does this in one transaction: all of it, or nothing. Watchers hear of it after the commit.
    pub(crate) fn transact<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(left) = &mut self.transactions_left {
            let full = || Error::File(std::io::Error::from(std::io::ErrorKind::StorageFull));
            *left = left.checked_sub(1).ok_or_else(full)?;
        }
        self.storage.begin(durability)?;
        let done = self.storage.links().and_then(|links| {
            let storage = self.storage.as_mut();
            let (reader, histories) = (self.reader, &self.histories);
            let mut transaction =
                Transaction { storage, reader, histories, links, changes: Changes::default() };
            let answer = work(&mut transaction)?;
            Ok((answer, transaction.changes.list))
        });
        let committed = done.and_then(|done| self.storage.commit().map(|()| done));
        match committed {
            Ok((answer, changes)) => {
                self.hub.publish(changes);
                Ok(answer)
            }
            Err(error) => {
                self.storage.rollback();
                Err(error)
            }
        }
    }
}

/// A transaction that is open.
pub(crate) struct Transaction<'a> {
    pub(crate) storage: &'a mut dyn Storage,
    pub(crate) reader: Reader,
    /// See [`Database`].
    histories: &'a HashMap<LinkId, u64>,
    /// The links, as they are in this transaction.
    pub(crate) links: Vec<LinkRow>,
    changes: Changes,
}

impl Transaction<'_> {
    /// A link, as it is in this transaction.
    pub(crate) fn link(&self, id: LinkId) -> Result<&LinkRow> {
        self.links.iter().find(|row| row.link.id == id).ok_or(Error::UnknownLink(id))
    }

    /// A link whose numbers are about to be written: an error when they are of a history that is over.
    pub(crate) fn current(&self, id: LinkId) -> Result<&LinkRow> {
        let row = self.link(id)?;
        match self.histories.get(&id) {
            Some(known) if *known != row.history => Err(Error::OtherHistory(id)),
            _ => Ok(row),
        }
    }

    /// Changes a link.
    pub(crate) fn update_link(&mut self, id: LinkId, change: impl FnOnce(&mut LinkRow)) -> Result<()> {
        let row = self.links.iter_mut().find(|row| row.link.id == id).ok_or(Error::UnknownLink(id))?;
        change(row);
        self.storage.put_link(row)
    }

    /// The ids of the links that this holds for.
    pub(crate) fn links_where(&self, wanted: impl Fn(&LinkRow) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|row| wanted(row)).map(|row| row.link.id).collect()
    }

    /// Notes that an entity changed: each is told once, from what it was before to what it is at the end.
    pub(crate) fn changed(&mut self, eid: &Eid, old: Option<Ent>, new: Option<Ent>) {
        let Changes { list, places } = &mut self.changes;
        let place = *places.entry(eid.clone()).or_insert_with(|| {
            list.push(Change { old, new: None });
            list.len() - 1
        });
        if let Some(change) = list.get_mut(place) {
            change.new = new;
        }
    }
}

/// What a transaction has changed.
#[derive(Default)]
struct Changes {
    /// One for each entity, in the order of their first changes.
    list: Vec<Change>,
    /// Where in the list an entity's is.
    places: HashMap<Eid, usize>,
}
