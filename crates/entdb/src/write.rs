//! Local writes: the entity, its message and its place in every link's outbox are one transaction, on disk when
//! the call returns. A local write is greater than all that is here of its entity, whatever the clocks say.

use bytes::Bytes;
use seabag_protocol::host::eid::{Eid, TIME_MS_MAX};
use seabag_protocol::host::message::MessageHead;

use crate::database::Transaction;
use crate::envelope::Envelope;
use crate::merge::{Source, keeps};
use crate::msgpack;
use crate::storage::{Durability, Winner};
use crate::{Database, Draft, Error, Message, Outcome, Result, Skew};

/// The greatest counter that is written: the greatest whole number that every reader holds exactly.
const COUNTER_MAX: u64 = (1 << 53) - 1;

impl Database {
    /// Creates an entity; `id`: eight random bytes.
    pub fn put_new(&mut self, id: [u8; 8], now_ms: u64, draft: Draft) -> Result<MessageHead> {
        let body = envelope(draft)?;
        let eid = Eid::new(&id, now_ms).map_err(|_| Error::OutOfRange)?;
        self.transact(Durability::Synced, |transaction| {
            let storage = &transaction.storage;
            let there = storage.winner(&eid)?.is_some() || !storage.aside_of(&eid)?.is_empty();
            if there {
                return Err(Error::AlreadyExists);
            }
            transaction.write(&eid, now_ms, Some(body), Skew::Force)
        })
    }

    /// Writes an entity, old or new.
    pub fn put(&mut self, eid: &Eid, now_ms: u64, draft: Draft, skew: Skew) -> Result<MessageHead> {
        let body = envelope(draft)?;
        self.transact(Durability::Synced, |transaction| transaction.write(eid, now_ms, Some(body), skew))
    }

    /// Ends an entity; `None`: there was none.
    pub fn delete(&mut self, eid: &Eid, now_ms: u64, skew: Skew) -> Result<Option<MessageHead>> {
        self.transact(Durability::Synced, |transaction| {
            let ended = match transaction.storage.winner(eid)? {
                Some(Winner::Ent(_)) => false,
                _ => transaction.storage.aside_of(eid)?.is_empty(),
            };
            if ended { Ok(None) } else { transaction.write(eid, now_ms, None, skew).map(Some) }
        })
    }

    /// Writes an entity as it was before its last message, which its type must have kept; twice is back again.
    pub fn undo(&mut self, eid: &Eid, now_ms: u64, skew: Skew) -> Result<MessageHead> {
        self.transact(Durability::Synced, |transaction| {
            let storage = &transaction.storage;
            let winner = storage.winner(eid)?.ok_or(Error::NothingToUndo)?;
            let before = storage.past_of(eid, 1)?.pop();
            let body = match before {
                Some(row) => row.body,
                // Its first message: before that there was nothing.
                None if winner.stamp().1 == 0 && !winner.is_delete() && keeps(*storage, winner.kind())? => {
                    None
                }
                None => return Err(Error::NothingToUndo),
            };
            transaction.write(eid, now_ms, body, skew)
        })
    }
}

impl Transaction<'_> {
    /// Writes a message that is greater than every other of its entity.
    fn write(&mut self, eid: &Eid, now_ms: u64, body: Option<Bytes>, skew: Skew) -> Result<MessageHead> {
        let created_ms = eid.created_ms();
        if now_ms.max(created_ms) > TIME_MS_MAX {
            return Err(Error::OutOfRange);
        }
        let winner = self.storage.winner(eid)?.map(|winner| winner.stamp());
        let aside = self.storage.aside_of(eid)?.into_iter();
        let top = aside.map(|row| (row.key.offset_ms, row.key.counter)).chain(winner).max();
        let latest_ms = created_ms.max(top.map_or(0, |(offset_ms, _)| created_ms + offset_ms));
        if skew == Skew::Fail && latest_ms > now_ms {
            return Err(Error::ClockOutOfSync { ahead_ms: latest_ms - now_ms });
        }
        let (offset_ms, counter) = match top {
            None => (now_ms.max(created_ms) - created_ms, 0),
            Some((offset_ms, counter)) => {
                let time_ms = now_ms.max((latest_ms + 1).min(TIME_MS_MAX));
                let next = (time_ms - created_ms, counter.saturating_add(1).min(COUNTER_MAX));
                if next <= (offset_ms, counter) {
                    return Err(Error::OutOfRange);
                }
                next
            }
        };
        let head = MessageHead::new(eid.clone(), offset_ms, counter, body.as_deref());
        match self.apply(&Message { head: head.clone(), body }, Source::Here)? {
            Outcome::Applied => Ok(head),
            _ => Err(Error::Damaged("a local write was not the greatest message of its entity")),
        }
    }
}

/// The body of a draft's message.
fn envelope(draft: Draft) -> Result<Bytes> {
    msgpack::check_one(&draft.body).map_err(Error::InvalidBody)?;
    let Draft { kind, parent, group, body } = draft;
    let envelope = Envelope { kind, parent, group, body };
    let bytes = envelope.encode();
    // The map around the content is one level more.
    msgpack::check_one(&bytes).map_err(Error::InvalidBody)?;
    Ok(bytes)
}
