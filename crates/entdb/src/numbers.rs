//! Which number of a link holds what, and so: what has arrived, what is stored there, what may be pruned. A host
//! is believed about its own storage only: no number that it names can change an entity.

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::record::EpochId;

use crate::database::Transaction;
use crate::merge::{Source, Standing, check, is_below, judge, standing};
use crate::storage::{BagRow, BagState, Durability, Hash, Storage, Which};
use crate::{
    Arrivals, Arrived, Database, Fill, Judgement, LinkId, Outcome, RECEIVE_MAX, Received, Result, Unreadable,
};

/// Most unreadable bags of a link that are noted.
const UNREADABLE_MAX: u64 = 1_000;

impl Database {
    /// Merges what a link brought, notes which number holds what, and moves the cursor: one transaction.
    pub fn receive(&mut self, link: LinkId, arrivals: Arrivals) -> Result<Received> {
        self.transact(Durability::Written, |transaction| {
            transaction.current(link)?;
            let mut received = Received::default();
            for (seq, arrived) in &arrivals.bags {
                let outcome = transaction.receive(link, *seq, arrived)?;
                if outcome.is_none() && matches!(arrived, Arrived::Head(_)) {
                    received.missing.push(*seq);
                }
                received.outcomes.push(outcome);
            }
            if let Some(cursor) = arrivals.cursor.filter(|_| received.missing.is_empty()) {
                transaction.advance(link, cursor)?;
            }
            Ok(received)
        })
    }

    /// The host has stored these messages under these numbers. What was written meanwhile goes on waiting.
    ///
    /// For each of them, whether it is settled: it waits no more. One that is not has a number that is known for
    /// something else, a bag that does not open among them, and goes on waiting.
    pub fn pushed(&mut self, link: LinkId, stored: &[(MessageHead, BagSeq)]) -> Result<Vec<bool>> {
        self.transact(Durability::Written, |transaction| {
            transaction.current(link)?;
            stored.iter().map(|(head, seq)| transaction.stored(link, head, *seq)).collect()
        })
    }

    /// Bags that a link's host may let go of: those whose entity's state it is known to hold under another
    /// number, and damaged ones.
    pub fn prunable(&self, link: LinkId, max: usize) -> Result<Vec<PrunePair>> {
        const STEP: usize = 256;
        let mut pairs = Vec::new();
        let mut after = BagSeq::ZERO;
        loop {
            let rows = self.storage.removable(link, after, STEP)?;
            let Some((last, _)) = rows.last() else { return Ok(pairs) };
            after = *last;
            for (bag, row) in rows {
                if pairs.len() >= max {
                    return Ok(pairs);
                }
                let reason = match row.state {
                    BagState::Damaged => Some(PruneReason::Damaged),
                    _ => self.superseding(link, row.eid.as_ref())?.map(PruneReason::SupersededBy),
                };
                pairs.extend(reason.map(|reason| PrunePair { bag, reason }));
            }
        }
    }

    fn superseding(&self, link: LinkId, eid: Option<&Eid>) -> Result<Option<BagSeq>> {
        eid.map_or(Ok(None), |eid| holder(self.storage.as_ref(), link, eid, Which::Winner))
    }

    /// These pairs are settled: the host let the bags go, or says that it never will.
    pub fn pruned(&mut self, link: LinkId, bags: &[BagSeq]) -> Result<()> {
        self.transact(Durability::Written, |transaction| {
            transaction.current(link)?;
            for seq in bags {
                let row = transaction.storage.bag(link, *seq)?;
                if row.is_some_and(|row| !matches!(row.state, BagState::Holds(_))) {
                    transaction.storage.remove_bag(link, *seq)?;
                }
            }
            Ok(())
        })
    }

    /// The host does not hold these numbers, though it said so: their messages wait again, unless another
    /// number holds them.
    pub fn lost(&mut self, link: LinkId, bags: &[BagSeq]) -> Result<()> {
        self.transact(Durability::Written, |transaction| {
            transaction.current(link)?;
            for seq in bags {
                let Some(row) = transaction.storage.bag(link, *seq)? else { continue };
                transaction.storage.remove_bag(link, *seq)?;
                transaction.upload_again(link, &row)?;
            }
            Ok(())
        })
    }

    /// The numbers behind this one that are believed to hold messages, ascending, `max` at most. Those behind the
    /// cursor are believed on the word of a push or a notice, which name no epoch: see [`lost`](Self::lost).
    pub fn held_after(&self, link: LinkId, after: BagSeq, max: usize) -> Result<Vec<BagSeq>> {
        self.storage.held(link, after, max)
    }

    /// Everything behind this number is about to be read again, perhaps at a host that went back to a backup and gave
    /// these numbers to other bags: what was thought to be superseded, damaged or unreadable there is forgotten, so
    /// that nothing is pruned on the word of another history. What is left is [`held_after`](Self::held_after).
    pub fn doubt(&mut self, link: LinkId, after: BagSeq, max: usize) -> Result<Vec<BagSeq>> {
        self.transact(Durability::Written, |transaction| {
            let mut doubtful = transaction.storage.unreadable(link, RECEIVE_MAX)?;
            doubtful.extend(transaction.storage.removable(link, after, RECEIVE_MAX)?);
            while !doubtful.is_empty() {
                for (seq, _) in doubtful.into_iter().filter(|(seq, _)| *seq > after) {
                    transaction.storage.remove_bag(link, seq)?;
                }
                doubtful = transaction.storage.removable(link, after, RECEIVE_MAX)?;
            }
            transaction.storage.held(link, after, max)
        })
    }

    /// The host's history is another one: what its numbers held is forgotten, the cursor is before its first
    /// bag, and the link begins with [`Fill::Replay`]. What waits goes on waiting.
    pub fn reset(&mut self, link: LinkId, epoch: EpochId) -> Result<()> {
        let history = self.transact(Durability::Written, |transaction| {
            let history = transaction.current(link)?.history.saturating_add(1);
            transaction.update_link(link, |row| {
                row.link.cursor = Some(Cursor { epoch, seq: BagSeq::ZERO });
                row.link.stage = Fill::Replay;
                row.filled.clear();
                row.history = history;
            })?;
            transaction.storage.clear_bags(link)?;
            Ok(history)
        })?;
        // Who did not follow it goes on not doing so.
        self.histories.entry(link).and_modify(|known| *known = history);
        Ok(())
    }

    /// The bags of a link that could not be opened, `max` at most.
    pub fn unreadable(&self, link: LinkId, max: usize) -> Result<Vec<Unreadable>> {
        let rows = self.storage.unreadable(link, max)?.into_iter();
        let reason = |row: BagRow| match row.state {
            BagState::Unreadable(reason) => reason,
            _ => String::new(),
        };
        Ok(rows.map(|(seq, row)| Unreadable { seq, reason: reason(row) }).collect())
    }
}

/// The lowest number that holds a message.
pub(crate) fn holder(storage: &dyn Storage, link: LinkId, eid: &Eid, which: Which) -> Result<Option<BagSeq>> {
    Ok(storage.holders(link, eid, which)?.into_iter().next())
}

impl Transaction<'_> {
    /// One bag. `None`: it could not be read, or its body is needed.
    fn receive(&mut self, link: LinkId, seq: BagSeq, arrived: &Arrived) -> Result<Option<Outcome>> {
        let (head, outcome) = match arrived {
            Arrived::Whole(message) => (&message.head, self.apply(message, Source::Link(link))?),
            Arrived::Head(head) => match judge(self.storage, head)? {
                Judgement::Known => (head, Outcome::Known),
                Judgement::Superseded => (head, Outcome::Superseded),
                Judgement::Refused(status) => (head, Outcome::Refused(status)),
                Judgement::Wanted => return Ok(None),
            },
            Arrived::Unreadable { head, reason } => {
                self.receive_unreadable(link, seq, head.as_ref(), reason)?;
                return Ok(None);
            }
        };
        let which = match outcome {
            Outcome::Refused(status) => {
                self.receive_unreadable(link, seq, None, &format!("refused: {status:?}"))?;
                return Ok(Some(outcome));
            }
            Outcome::Applied => Some(Which::Winner),
            Outcome::Superseded => None,
            Outcome::Kept | Outcome::SetAside | Outcome::Known => self.locate(head)?,
        };
        self.number(link, seq, head, which)?;
        Ok(Some(outcome))
    }

    /// A number has this message, which is here as this one; `None`: it is superseded.
    fn number(&mut self, link: LinkId, seq: BagSeq, head: &MessageHead, which: Option<Which>) -> Result<()> {
        let Some(which) = which else {
            let state = (!head.is_delete()).then_some(BagState::Superseded);
            return self.set_bag(link, seq, Some(&head.eid), state);
        };
        let holds = Some(BagState::Holds(which));
        self.storage.unqueue(link, &head.eid, which)?;
        let other = holder(self.storage, link, &head.eid, which)?.filter(|other| *other != seq);
        let (own, extra) = match other {
            // The same message under several numbers: the lowest one is its own, the others may go.
            Some(other) if which == Which::Winner => (seq.min(other), Some(seq.max(other))),
            _ => (seq, None),
        };
        self.set_bag(link, own, Some(&head.eid), holds)?;
        let state = (!head.is_delete()).then_some(BagState::Superseded);
        extra.map_or(Ok(()), |extra| self.set_bag(link, extra, Some(&head.eid), state))
    }

    /// Which message of those that are here this is.
    pub(crate) fn locate(&self, head: &MessageHead) -> Result<Option<Which>> {
        let Ok(hash) = check(head) else { return Ok(None) };
        let winner = self.storage.winner(&head.eid)?;
        Ok(match standing(self.storage, winner.as_ref(), head, hash)? {
            Standing::Here(which) => Some(which),
            Standing::Less | Standing::Greater => None,
        })
    }

    /// Sets or clears what a number holds. If it was thought to hold another message, that one is not there.
    fn set_bag(
        &mut self,
        link: LinkId,
        seq: BagSeq,
        eid: Option<&Eid>,
        state: Option<BagState>,
    ) -> Result<()> {
        let before = self.storage.bag(link, seq)?;
        let now = state.map(|state| BagRow { eid: eid.cloned(), state });
        if before == now {
            return Ok(());
        }
        match &now {
            Some(row) => self.storage.put_bag(link, seq, row)?,
            None => self.storage.remove_bag(link, seq)?,
        }
        before.map_or(Ok(()), |before| self.upload_again(link, &before))
    }

    /// Lets the message of a number wait that turned out not to hold it, unless another does.
    fn upload_again(&mut self, link: LinkId, row: &BagRow) -> Result<()> {
        let (Some(eid), BagState::Holds(which)) = (&row.eid, &row.state) else { return Ok(()) };
        if let Which::Logged(hash) = which
            && self.is_past(eid, *hash)?
        {
            // Of the past, which this device keeps: most likely one that does not let go of it at the host. To
            // upload it again would be to fight over it for ever.
            return Ok(());
        }
        self.queue_unless_held(link, eid, *which).map(|_| ())
    }

    /// Whether a message of the log is of an entity's past: one that cannot be read may be more than that.
    fn is_past(&self, eid: &Eid, hash: Hash) -> Result<bool> {
        let Some(row) = self.storage.logged(eid, hash)? else { return Ok(true) };
        let winner = self.storage.winner(eid)?;
        Ok(row.aside.is_none() || winner.map_or(Ok(false), |winner| is_below(&row, &winner))?)
    }

    /// Lets a message wait unless a number holds it. Whether it waits.
    pub(crate) fn queue_unless_held(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<bool> {
        let held = holder(self.storage, link, eid, which)?.is_some();
        if !held {
            self.storage.queue(link, eid, which)?;
        }
        Ok(!held)
    }

    /// A bag that cannot be opened, or cannot be a message.
    fn receive_unreadable(
        &mut self,
        link: LinkId,
        seq: BagSeq,
        head: Option<&MessageHead>,
        reason: &str,
    ) -> Result<()> {
        let Some(head) = head else { return self.note_unreadable(link, seq, None, reason) };
        if let Some(which) = self.locate(head)? {
            self.set_bag(link, seq, Some(&head.eid), Some(BagState::Damaged))?;
            return self.queue_unless_held(link, &head.eid, which).map(|_| ());
        }
        match judge(self.storage, head)? {
            Judgement::Superseded => self.number(link, seq, head, None),
            _ => self.note_unreadable(link, seq, Some(&head.eid), reason),
        }
    }

    /// Notes a bag that nobody here can use, for the user to see. A host may make up any number of them, so that only
    /// the first are noted.
    fn note_unreadable(&mut self, link: LinkId, seq: BagSeq, eid: Option<&Eid>, reason: &str) -> Result<()> {
        let known = self.storage.bag(link, seq)?.is_some();
        if !known && self.storage.unreadable_count(link)? >= UNREADABLE_MAX {
            return Ok(());
        }
        self.set_bag(link, seq, eid, Some(BagState::Unreadable(reason.to_owned())))
    }

    /// A message was stored under a number, the host says. Whether it waits no more.
    fn stored(&mut self, link: LinkId, head: &MessageHead, seq: BagSeq) -> Result<bool> {
        if !matches!(judge(self.storage, head)?, Judgement::Known | Judgement::Superseded) {
            return Ok(true);
        }
        let which = self.locate(head)?;
        let Some(before) = self.storage.bag(link, seq)? else {
            return self.number(link, seq, head, which).map(|()| true);
        };
        let same = before.eid.as_ref() == Some(&head.eid);
        match (before.state, which) {
            // The host took the message for one that it has, which nobody can open: that one has to go first.
            (BagState::Unreadable(_) | BagState::Damaged, Some(_)) => {
                let row = BagRow { eid: Some(head.eid.clone()), state: BagState::Damaged };
                self.storage.put_bag(link, seq, &row).map(|()| false)
            }
            (BagState::Holds(held), Some(which)) if same && held == which => {
                self.number(link, seq, head, Some(which)).map(|()| true)
            }
            // It was taken for one bag too many, and the other one has been lost since.
            (BagState::Superseded, Some(_)) if same => self.number(link, seq, head, which).map(|()| true),
            // It was superseded while it was on its way: what waits now is what superseded it.
            (_, None) => Ok(true),
            // What is known of that number says otherwise: a host that errs or lies. The message goes on waiting.
            (_, Some(_)) => Ok(false),
        }
    }

    /// Moves the cursor forward.
    fn advance(&mut self, link: LinkId, cursor: Cursor) -> Result<()> {
        let now = self.link(link)?.link.cursor;
        if now.is_some_and(|now| now.seq > cursor.seq || now == cursor) {
            return Ok(());
        }
        self.update_link(link, |row| row.link.cursor = Some(cursor))
    }
}
