//! What waits for a link, and filling: letting all that a link lacks wait for it.

use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

use crate::merge::{Standing, check, standing};
use crate::storage::{Durability, Storage, Which};
use crate::walk::walk;
use crate::{Database, LinkId, Message, Result};

impl Database {
    /// What waits for a link, oldest first: `max_items` messages at most, and `max_bytes` of bodies unless the
    /// first is larger by itself. They go on waiting until [`pushed`](Self::pushed).
    pub fn outbox(&self, link: LinkId, max_items: usize, max_bytes: usize) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut bytes = 0_usize;
        for row in self.storage.outbox(link, 0, max_items)? {
            let Some(message) = message(self.storage.as_ref(), &row.eid, row.which)? else { continue };
            bytes = bytes.saturating_add(message.body.as_ref().map_or(0, |body| body.len()));
            if bytes > max_bytes && !messages.is_empty() {
                break;
            }
            messages.push(message);
        }
        Ok(messages)
    }

    /// How many messages wait for a link.
    pub fn waiting(&self, link: LinkId) -> Result<u64> {
        self.storage.waiting(link)
    }

    /// The host did not take these for now: they go to the end, so that others get their turn.
    pub fn postpone(&mut self, link: LinkId, heads: &[MessageHead]) -> Result<()> {
        self.transact(Durability::Written, |transaction| {
            transaction.link(link)?;
            for head in heads {
                let Ok(hash) = check(head) else { continue };
                let winner = transaction.storage.winner(&head.eid)?;
                let standing = standing(transaction.storage, winner.as_ref(), head, hash)?;
                let Standing::Here(which) = standing else { continue };
                if transaction.storage.is_queued(link, &head.eid, which)? {
                    transaction.storage.unqueue(link, &head.eid, which)?;
                    transaction.storage.queue(link, &head.eid, which)?;
                }
            }
            Ok(())
        })
    }

    /// Looks at the next `max` messages here and lets those wait that no number at this link holds: entities'
    /// states and ends, and what is kept besides. Whether there are more to look at. It goes on where it was,
    /// in a later process too, until [`set_stage`](Self::set_stage) makes it begin anew.
    pub fn fill(&mut self, link: LinkId, max: usize) -> Result<bool> {
        self.transact(Durability::Written, |transaction| {
            let filled = transaction.current(link)?.filled.clone();
            let (rows, next) = walk(transaction.storage, &filled, max)?;
            for row in rows {
                transaction.queue_unless_held(link, row.eid(), row.which())?;
            }
            let more = !next.is_at_end();
            transaction.update_link(link, |row| row.filled = next.0)?;
            Ok(more)
        })
    }
}

/// A message that is here.
fn message(storage: &dyn Storage, eid: &Eid, which: Which) -> Result<Option<Message>> {
    Ok(match which {
        Which::Winner => storage.winner(eid)?.map(|winner| winner.message()),
        Which::Logged(hash) => storage.logged(eid, hash)?.map(|row| row.message()),
    })
}
