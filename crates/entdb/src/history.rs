//! What is kept of an entity's past: per type, the latest message only or all of them.

use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

use crate::database::Transaction;
use crate::merge::{is_below, keeps};
use crate::storage::{Durability, EntRow, LogKey, Winner};
use crate::{Database, Ent, PAGE_LIMIT_MAX, RECEIVE_MAX, Result};

/// What a type keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// The latest message of each entity.
    #[default]
    Latest,
    /// Every message: uploaded, never pruned, and an entity can go back.
    All,
}

/// One message of an entity's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The message's head.
    pub head: MessageHead,
    /// The entity as this message had it; `None`: the message is its end.
    pub ent: Option<Ent>,
}

impl Database {
    /// An entity's messages that are here, the latest first, [`PAGE_LIMIT_MAX`] at most; those set aside are not
    /// among them.
    pub fn history(&self, eid: &Eid) -> Result<Vec<Version>> {
        let winner = self.storage.winner(eid)?;
        let mut versions = Vec::new();
        if let Some(winner) = winner {
            versions.push(Version { head: winner.message().head, ent: winner.ent() });
        }
        for row in self.storage.past_of(eid, PAGE_LIMIT_MAX)? {
            let head = row.message().head;
            let ent = match &row.body {
                None => None,
                Some(body) => match (self.reader.decode)(body) {
                    Ok(envelope) => Some(EntRow::new(&head, body, envelope).ent()),
                    // A later version could read it, and kept it.
                    Err(_) => continue,
                },
            };
            versions.push(Version { head, ent });
        }
        Ok(versions)
    }

    /// What a type keeps.
    pub fn history_of(&self, kind: &str) -> Result<History> {
        self.storage.history(kind)
    }

    /// Sets what a type keeps from now on. With [`History::Latest`] its past is dropped here, a thousand
    /// messages a transaction; what breaks off is resumed by calling again.
    pub fn set_history(&mut self, kind: &str, history: History) -> Result<()> {
        self.transact(Durability::Synced, |transaction| transaction.storage.set_history(kind, history))?;
        let mut more = history == History::Latest;
        let mut after = None;
        while more {
            after = self.drop_past(after)?;
            more = after.is_some();
        }
        Ok(())
    }

    /// Drops the past of entities of which no type keeps it, among the next messages of the log.
    fn drop_past(&mut self, after: Option<LogKey>) -> Result<Option<LogKey>> {
        self.transact(Durability::Written, |transaction| {
            let rows = transaction.storage.log(after.as_ref(), RECEIVE_MAX)?;
            let last = rows.last().map(|row| row.key.clone());
            for row in rows {
                let winner = transaction.storage.winner(&row.key.eid)?;
                let below = winner.map_or(Ok(false), |winner| is_below(&row, &winner))?;
                if below && !transaction.is_kept(&row.key.eid)? {
                    transaction.drop_logged(&row)?;
                }
            }
            Ok(last)
        })
    }
}

impl Transaction<'_> {
    /// Whether any of the types that an entity has or had keeps its past.
    fn is_kept(&self, eid: &Eid) -> Result<bool> {
        if keeps(self.storage, self.storage.winner(eid)?.as_ref().and_then(Winner::kind))? {
            return Ok(true);
        }
        for row in self.storage.past_of(eid, PAGE_LIMIT_MAX)? {
            let envelope = row.body.as_ref().and_then(|body| (self.reader.decode)(body).ok());
            if keeps(self.storage, envelope.as_ref().map(|envelope| envelope.kind.as_str()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
