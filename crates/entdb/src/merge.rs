//! The one rule of merging: the greatest message of an entity is its state. Whence a message came decides only
//! for whom it waits.

use std::cmp::Ordering;

use bytes::Bytes;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::status::Status;

use crate::database::Transaction;
use crate::storage::{
    Aside, BagRow, BagState, Durability, EntRow, Hash, LogKey, LogRow, TombstoneRow, Which, Winner,
};
use crate::{Database, Fill, History, LinkId, Message, Result};

/// What a message's head alone says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This very message is here.
    Known,
    /// A greater message of the entity is here, and its type keeps no past: the body is of no use.
    Superseded,
    /// Its body is needed.
    Wanted,
    /// It cannot be a message: `InvalidParam` for a time past the range.
    Refused(Status),
}

/// What became of a message that was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is its entity's state now.
    Applied,
    /// It is part of its entity's past, which its type keeps.
    Kept,
    /// Its body cannot be read; it waits for a version that can.
    SetAside,
    /// This very message was here.
    Known,
    /// A greater one was here.
    Superseded,
    /// It is not kept: `InvalidParam` for a time past the range, `HashMismatch` for a body that is not its own.
    Refused(Status),
}

/// Whence a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From here, or from a file: it waits for every link.
    Here,
    /// From this link: it waits for the others, but for those that will be filled later anyway. So devices
    /// that have no host in common hear of each other through those that do.
    Link(LinkId),
    /// It was set aside: what waits for whom stays as it is.
    Aside,
}

impl Database {
    /// What to do about bags whose heads are known, in their order.
    pub fn judge(&self, heads: &[MessageHead]) -> Result<Vec<Judgement>> {
        heads.iter().map(|head| judge(self.storage.as_ref(), head)).collect()
    }

    /// Merges messages from a file, one transaction; a thousand at most is a good number. What is new waits for
    /// every link.
    pub fn merge(&mut self, messages: &[Message]) -> Result<Vec<Outcome>> {
        self.transact(Durability::Synced, |transaction| {
            messages.iter().map(|message| transaction.apply(message, Source::Here)).collect()
        })
    }
}

/// Where a message stands among those that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is here: this one.
    Here(Which),
    /// It is less than its entity's winner.
    Less,
    /// It is greater, or there is no winner.
    Greater,
}

/// What a head says.
pub(crate) fn judge(storage: &dyn crate::storage::Storage, head: &MessageHead) -> Result<Judgement> {
    let hash = match check(head) {
        Ok(hash) => hash,
        Err(status) => return Ok(Judgement::Refused(status)),
    };
    let winner = storage.winner(&head.eid)?;
    Ok(match standing(storage, winner.as_ref(), head, hash)? {
        Standing::Here(_) => Judgement::Known,
        Standing::Greater => Judgement::Wanted,
        Standing::Less if keeps(storage, winner.as_ref().and_then(Winner::kind))? => Judgement::Wanted,
        Standing::Less => Judgement::Superseded,
    })
}

/// Where a message stands.
pub(crate) fn standing(
    storage: &dyn crate::storage::Storage,
    winner: Option<&Winner>,
    head: &MessageHead,
    hash: Hash,
) -> Result<Standing> {
    let order = match winner {
        None => Ordering::Greater,
        // Hashing is for ties: the winner's body has to be written out for it.
        Some(winner) => match (head.offset_ms, head.counter).cmp(&winner.stamp()) {
            Ordering::Equal => hash.cmp(&winner.hash()?),
            decided => decided,
        },
    };
    if order == Ordering::Equal {
        return Ok(Standing::Here(Which::Winner));
    }
    if storage.logged(&head.eid, hash)?.is_some() {
        return Ok(Standing::Here(Which::Logged(hash)));
    }
    Ok(if order == Ordering::Less { Standing::Less } else { Standing::Greater })
}

/// Whether a type keeps its past; an unknown one does not.
pub(crate) fn keeps(storage: &dyn crate::storage::Storage, kind: Option<&str>) -> Result<bool> {
    Ok(match kind {
        Some(kind) => storage.history(kind)? == History::All,
        None => false,
    })
}

/// The identity of a head that can be one.
pub(crate) fn check(head: &MessageHead) -> Result<Hash, Status> {
    head.rank().map(|rank| rank.hash)
}

impl Transaction<'_> {
    /// Merges one message.
    pub(crate) fn apply(&mut self, message: &Message, source: Source) -> Result<Outcome> {
        let Message { head, body } = message;
        let body = body.as_ref().filter(|body| !body.is_empty());
        let checked = check(head).and_then(|hash| head.check_body(body.map(|body| &body[..])).map(|()| hash));
        let hash = match checked {
            Ok(hash) => hash,
            Err(status) => return Ok(Outcome::Refused(status)),
        };
        let winner = self.storage.winner(&head.eid)?;
        let less = match standing(self.storage, winner.as_ref(), head, hash)? {
            Standing::Here(_) => return Ok(Outcome::Known),
            Standing::Less => true,
            Standing::Greater => false,
        };
        let row = match body.map(|body| ((self.reader.decode)(body), body)) {
            Some((Err(reason), body)) => {
                return self.put_aside(head, hash, body, reason, winner, less, source);
            }
            Some((Ok(envelope), body)) => Winner::Ent(EntRow::new(head, body, envelope)),
            None => Winner::Tombstone(TombstoneRow {
                eid: head.eid.clone(),
                offset_ms: head.offset_ms,
                counter: head.counter,
                kind: winner.as_ref().and_then(Winner::kind).map(str::to_owned),
            }),
        };
        if less { self.keep_past(row, hash, winner, source) } else { self.replace(winner, row, source) }
    }

    /// A message whose body cannot be read.
    #[allow(clippy::too_many_arguments, reason = "one caller, which has just found all of these out")]
    fn put_aside(
        &mut self,
        head: &MessageHead,
        hash: Hash,
        body: &Bytes,
        reason: &str,
        winner: Option<Winner>,
        less: bool,
        source: Source,
    ) -> Result<Outcome> {
        if less && !keeps(self.storage, winner.as_ref().and_then(Winner::kind))? {
            return Ok(Outcome::Superseded);
        }
        let aside = Aside { reason: reason.to_owned(), reader: self.reader.version };
        let key = LogKey { eid: head.eid.clone(), offset_ms: head.offset_ms, counter: head.counter, hash };
        self.storage.put_log(&LogRow { key, body: Some(body.clone()), aside: Some(aside) })?;
        self.wait(head, Which::Logged(hash), source)?;
        Ok(Outcome::SetAside)
    }

    /// A message that is less than its entity's winner.
    fn keep_past(
        &mut self,
        row: Winner,
        hash: Hash,
        winner: Option<Winner>,
        source: Source,
    ) -> Result<Outcome> {
        let mut kind = winner.as_ref().and_then(Winner::kind).map(str::to_owned);
        if let (Some(Winner::Tombstone(tombstone)), None, Some(past)) = (&winner, &kind, row.kind()) {
            // The end came before anything that says of which type the entity was.
            kind = Some(past.to_owned());
            let tombstone = TombstoneRow { kind: kind.clone(), ..tombstone.clone() };
            self.storage.put_winner(&Winner::Tombstone(tombstone))?;
        }
        if !keeps(self.storage, kind.as_deref())? {
            return Ok(Outcome::Superseded);
        }
        let message = row.message();
        self.storage.put_log(&logged(&row, hash))?;
        self.wait(&message.head, Which::Logged(hash), source)?;
        Ok(Outcome::Kept)
    }

    /// A message that is greater than its entity's winner takes its place.
    fn replace(&mut self, old: Option<Winner>, new: Winner, source: Source) -> Result<Outcome> {
        let kept =
            keeps(self.storage, new.kind())? || keeps(self.storage, old.as_ref().and_then(Winner::kind))?;
        let eid = new.eid().clone();
        if let Some(old) = &old {
            let which = if kept { Some(self.log_winner(old)?) } else { None };
            for link in self.links_where(|_| true) {
                self.renumber(link, &eid, Which::Winner, which, old.is_delete())?;
            }
        }
        if !kept {
            self.drop_aside_below(&new)?;
        }
        self.storage.put_winner(&new)?;
        self.wait(&new.message().head, Which::Winner, source)?;
        self.changed(&eid, old.and_then(Winner::ent), new.ent());
        Ok(Outcome::Applied)
    }

    /// Puts a winner that is about to be replaced into the log.
    fn log_winner(&mut self, old: &Winner) -> Result<Which> {
        let hash = old.hash()?;
        self.storage.put_log(&logged(old, hash))?;
        Ok(Which::Logged(hash))
    }

    /// What was set aside and is less than a message that can be read is superseded for good.
    fn drop_aside_below(&mut self, winner: &Winner) -> Result<()> {
        for row in self.storage.aside_of(winner.eid())? {
            if is_below(&row, winner)? {
                self.drop_logged(&row)?;
            }
        }
        Ok(())
    }

    /// Forgets a message of the log; it counts as superseded.
    pub(crate) fn drop_logged(&mut self, row: &LogRow) -> Result<()> {
        self.storage.remove_log(&row.key)?;
        for link in self.links_where(|_| true) {
            let which = Which::Logged(row.key.hash);
            self.renumber(link, &row.key.eid, which, None, row.body.is_none())?;
        }
        Ok(())
    }

    /// At a link, a message is called otherwise from now on, or is superseded.
    pub(crate) fn renumber(
        &mut self,
        link: LinkId,
        eid: &seabag_protocol::host::eid::Eid,
        from: Which,
        to: Option<Which>,
        is_delete: bool,
    ) -> Result<()> {
        let state = match to {
            Some(to) => Some(BagState::Holds(to)),
            None if is_delete => None,
            None => Some(BagState::Superseded),
        };
        for seq in self.storage.holders(link, eid, from)? {
            match &state {
                Some(state) => {
                    let row = BagRow { eid: Some(eid.clone()), state: state.clone() };
                    self.storage.put_bag(link, seq, &row)?;
                }
                None => self.storage.remove_bag(link, seq)?,
            }
        }
        match (from, to) {
            // What waits as the winner goes on waiting: as the one that takes its place.
            (Which::Winner, None) => {}
            (from, to) => {
                if self.storage.is_queued(link, eid, from)? {
                    self.storage.unqueue(link, eid, from)?;
                    to.map_or(Ok(()), |to| self.storage.queue(link, eid, to))?;
                }
            }
        }
        Ok(())
    }

    /// Lets a message that is new here wait for those who lack it.
    fn wait(&mut self, head: &MessageHead, which: Which, source: Source) -> Result<()> {
        let links = match source {
            Source::Here => self.links_where(|_| true),
            Source::Link(from) => {
                self.storage.unqueue(from, &head.eid, which)?;
                self.links_where(|row| row.link.id != from && row.link.stage != Fill::Replay)
            }
            Source::Aside => Vec::new(),
        };
        links.into_iter().try_for_each(|link| self.storage.queue(link, &head.eid, which))
    }
}

/// Whether a message of the log is less than its entity's winner.
pub(crate) fn is_below(row: &LogRow, winner: &Winner) -> Result<bool> {
    Ok(match (row.key.offset_ms, row.key.counter).cmp(&winner.stamp()) {
        Ordering::Equal => row.key.hash < winner.hash()?,
        order => order == Ordering::Less,
    })
}

/// A winner as a row of the log.
fn logged(winner: &Winner, hash: Hash) -> LogRow {
    let message = winner.message();
    let MessageHead { eid, offset_ms, counter, .. } = message.head;
    LogRow { key: LogKey { eid, offset_ms, counter, hash }, body: message.body, aside: None }
}
