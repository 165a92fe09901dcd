//! What a host has, down to here: learn its history, list what is new, fetch what is wanted, merge it.
//!
//! There are two positions. The stored cursor moves with what was listed under an epoch that the host named.
//! `read_to` runs ahead of it over numbers that pushes and notices told of, which name no epoch; it is good as long
//! as the connection on which notices come is. Whatever ends that makes reading begin at the stored cursor again, and
//! every number behind it that the database believes the host holds is looked up once more: a host that went back to a
//! backup may have given it to another bag, or to none.

use std::collections::{BTreeMap, BTreeSet};

use seabag_entdb::{Arrivals, Arrived, Error, Fill, Link, Outcome};
use seabag_protocol::host::bag::{BagSeq, SealedHead};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::epoch::{Cursor, EpochAnswer};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::peek::{PageHead, PeekItem};
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::status::Status;

use super::call::Request;
use super::chunk::{Backlog, Chunk, Listed, Origin, fingerprint};
use super::report::{Oddity, Report, ResetReason};
use super::session::{HostSession, Kind, Step, Turn};

/// The most heads of a page.
const PAGE_ITEMS_MAX: u64 = 1_000;
/// How many pages are read before what waits here gets a turn.
const PAGES_BEFORE_PUSH: u32 = 8;
/// How many pages in a row may bring nothing; and how often, between two failures or rests, a history may change.
const FUTILE_MAX: u32 = 16;
/// How many numbers `read_to` may run ahead before the cursor is stored anew.
const AHEAD_MAX: u64 = 256;
/// The most numbers that are looked up once more.
const UNCONFIRMED_MAX: usize = 1_000_000;
/// How often in a row a host may not show anything of what it said it stored, before that is a trouble.
const LOSSES_MAX: u32 = 4;
/// The most bags that are remembered for having had no body.
const MISSING_MAX: usize = 1_000;
/// Stands before the first bag of a host that knows no epochs: see [`fingerprint`].
pub(crate) const OLD_KIND_START: EpochId = EpochId([0; 16]);

/// How far reading has come.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// As the database has it.
    cursor: Option<Cursor>,
    /// Everything up to here is dealt with, as far as this connection goes.
    pub(crate) read_to: BagSeq,
    /// When to look at the host's list; `None`: no need.
    want_ms: Option<u64>,
    /// Whether the cursor was found to belong to the host's history since the connection was last doubted.
    pub(crate) checked: bool,
    backlog: Option<Backlog>,
    chunk: Option<Chunk>,
    /// The last number that the host spoke of.
    last: BagSeq,
    /// What the host is believed to hold behind what was read, and has yet to show.
    unconfirmed: BTreeSet<BagSeq>,
    /// The same, stored since the last list was asked for: that list need not show it.
    fresh: BTreeSet<BagSeq>,
    /// Bags that were listed and had no body. They were pruned in between, or are withheld.
    missing: BTreeMap<BagSeq, MessageHead>,
    pages: u32,
    futile: u32,
    /// Whether the list that is being read lacks something that the host said it stored.
    losing: bool,
    /// How many lists in a row did, without showing anything of it. To upload it again each time would have no end.
    losses: u32,
    /// Whether the call for the history is only to store the cursor.
    settling: bool,
    /// The host said that there is no such account.
    pub(crate) account_gone: bool,
    /// Whether the replay follows a reset, which other devices notice at the same time.
    pub(crate) after_reset: bool,
    /// Whether bodies are looked at although their messages are here.
    audit: bool,
    audit_wanted: bool,
}

impl Reading {
    /// Looks at the host's list at this time at the latest.
    pub(crate) fn want(&mut self, at_ms: u64) {
        self.want_ms = Some(self.want_ms.map_or(at_ms, |want_ms| want_ms.min(at_ms)));
    }

    pub(crate) fn is_done(&self) -> bool {
        self.want_ms.is_none() && self.is_between_chunks() && self.missing.is_empty() && !self.audit_wanted
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.want_ms.is_some()
    }

    fn is_between_chunks(&self) -> bool {
        self.backlog.is_none() && self.chunk.is_none()
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.want_ms
    }

    pub(crate) fn forget_attempt(&mut self) {
        (self.backlog, self.chunk) = (None, None);
        (self.checked, self.settling) = (false, false);
        self.pages = 0;
    }

    /// Forgets all numbers: they are of a history that is over.
    pub(crate) fn forget_history(&mut self) {
        let audit_wanted = self.audit || self.audit_wanted;
        *self = Self { audit_wanted, ..Self::default() };
    }

    /// The host holds a message under this number, by its own word.
    pub(crate) fn stored(&mut self, seq: BagSeq) {
        if seq == self.read_to.next() && self.is_between_chunks() {
            self.read_to = seq;
        } else if seq > self.read_to {
            self.fresh.insert(seq);
        }
    }

    /// Whether a host that never gives out a number again did so.
    pub(crate) fn goes_back(&self, seq: BagSeq) -> bool {
        self.cursor.is_some_and(|cursor| seq <= cursor.seq)
    }

    fn start_seq(&self) -> BagSeq {
        self.cursor.map_or(BagSeq::ZERO, |cursor| cursor.seq)
    }
}

impl HostSession {
    pub(crate) fn begin_reading(&mut self, link: &Link, turn: &Turn<'_>) {
        self.reading.cursor = link.cursor;
        self.reading.read_to = self.reading.start_seq();
        self.reading.after_reset = link.cursor.is_some();
        self.reading.want(turn.now_ms);
        self.writing.resume(link.stage, turn.now_ms);
    }

    /// What was said before may not be so any more: the next reading begins with the host's history.
    pub(crate) fn distrust(&mut self) {
        self.reading.checked = false;
        if self.kind == Kind::Old {
            self.kind = Kind::Unknown;
        }
    }

    /// Everything is read again, bodies included.
    pub(crate) fn begin_audit(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        self.reading.audit_wanted = true;
        self.reading.want(turn.now_ms);
        self.recovery.stir();
        Ok(())
    }

    fn audit(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        self.reading.audit_wanted = false;
        if let Some(cursor) = self.reading.cursor {
            self.go_back(cursor.epoch, turn)?;
        }
        // Nobody else does the same at this moment: there is nothing to wait for.
        (self.reading.audit, self.reading.after_reset) = (true, false);
        Ok(())
    }

    // The list.

    /// Asks for what is behind the position.
    pub(crate) fn read_on(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if self.reading.want_ms.is_none_or(|want_ms| want_ms > turn.now_ms) {
            return Ok(Step::Nothing);
        }
        if self.reading.audit_wanted {
            self.audit(turn)?;
        }
        if self.reading.pages >= PAGES_BEFORE_PUSH && self.writing.dirty && self.reading.checked {
            self.reading.pages = 0;
            if self.mend(turn)? == Step::Something || self.push(turn)? == Step::Something {
                return Ok(Step::Something);
            }
        }
        let request = match (self.kind, self.reading.checked) {
            (Kind::Unknown, _) | (Kind::Current, false) => Request::Epoch(self.reading.cursor),
            (Kind::Current, true) => Request::Page(self.reading.read_to, PAGE_ITEMS_MAX),
            (Kind::Old, true) => Request::Peek(self.reading.read_to),
            (Kind::Old, false) => {
                if self.reading.account_gone && self.reading.cursor.is_some() {
                    return self
                        .reset(OLD_KIND_START, ResetReason::AccountGone, turn)
                        .map(|()| Step::Something);
                }
                // The last bag that was read is asked for once more: if it is not there, this is another history.
                self.reading.read_to = self.reading.start_seq();
                self.doubt_numbers(turn)?;
                Request::Peek(BagSeq(self.reading.start_seq().0.saturating_sub(1)))
            }
        };
        let fresh = std::mem::take(&mut self.reading.fresh);
        self.reading.unconfirmed.extend(fresh);
        self.call(request, turn);
        Ok(Step::Something)
    }

    /// Numbers behind the cursor that the database has for held will have to be shown.
    fn doubt_numbers(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        let after = self.reading.start_seq();
        let held = turn.database.with(|database| database.doubt(self.link, after, UNCONFIRMED_MAX))?;
        self.reading.unconfirmed = held.into_iter().collect();
        self.reading.fresh.clear();
        // These are listed again, and may be other bags by now: no reason to call a body withheld.
        self.reading.missing.split_off(&after.next());
        Ok(())
    }

    /// The host told its history.
    pub(crate) fn epoch_told(
        &mut self,
        asked: Option<Cursor>,
        reader: &mut Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        let answer = match EpochAnswer::read(reader).and_then(|answer| reader.end().map(|()| answer)) {
            Ok(answer) => answer,
            Err(status) => return Ok(Err(status)),
        };
        self.kind = Kind::Current;
        let same = self.epoch.replace(answer.epoch) == Some(answer.epoch);
        let settling = std::mem::take(&mut self.reading.settling);
        if asked != self.reading.cursor {
            return Ok(Ok(()));
        }
        let (start, gone) = (self.reading.start_seq(), std::mem::take(&mut self.reading.account_gone));
        if !answer.valid || answer.last < start || (gone && asked.is_some()) {
            let reason = if gone { ResetReason::AccountGone } else { ResetReason::OtherHistory };
            self.reading.last = answer.last;
            return self.reset(answer.epoch, reason, turn).map(Ok);
        }
        if settling && same && self.reading.checked && answer.last >= self.reading.read_to {
            self.store_cursor(answer.epoch, turn)?;
        } else {
            self.reading.read_to = start;
            self.doubt_numbers(turn)?;
        }
        self.reading.checked = true;
        self.reading.last = answer.last;
        if self.reading.last == self.reading.read_to {
            self.store_cursor(answer.epoch, turn)?;
            return self.read_through(turn).map(Ok);
        }
        self.reading.want(turn.now_ms);
        Ok(Ok(()))
    }

    /// The host has the four calls only.
    pub(crate) fn host_is_old(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        (self.kind, self.epoch) = (Kind::Old, None);
        self.reading.checked = false;
        self.reading.want(turn.now_ms);
        Ok(())
    }

    /// A page of heads came.
    pub(crate) fn page_told(
        &mut self,
        after: BagSeq,
        reader: &mut Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        let page = PageHead::read(reader).and_then(|head| Ok((head, PeekItem::read_all(reader)?)));
        let (head, items) = match page {
            Ok(page) => page,
            Err(status) => return Ok(Err(status)),
        };
        if self.reading.missing.contains_key(&after.next()) && !self.reading.is_wanted() {
            let shown = items.iter().any(|item| item.seq == after.next());
            return self.looked(after.next(), shown, turn).map(Ok);
        }
        self.reading.pages += 1;
        if Some(head.epoch) != self.epoch || head.last < after {
            self.reading.checked = false;
            return Ok(self.futile());
        }
        let progress = head.through > after || head.last == after;
        if !progress || head.through < after || head.through > head.last {
            turn.report(Report::Odd { oddity: Oddity::PageWithoutProgress, seq: Some(head.through) });
            return Ok(Err(Status::InvalidResponse));
        }
        if items.is_empty()
            && head.through < head.last
            && let Err(status) = self.futile()
        {
            turn.report(Report::Odd { oddity: Oddity::PageWithoutProgress, seq: Some(head.through) });
            return Ok(Err(status));
        }
        self.reading.last = head.last;
        self.begin_backlog(items, after, head.through, Origin::Page(head.epoch), turn);
        Ok(Ok(()))
    }

    /// Nothing came of it. That may happen, but not for ever.
    fn futile(&mut self) -> Result<(), Status> {
        self.reading.futile += 1;
        if self.reading.futile > FUTILE_MAX { Err(Status::InvalidResponse) } else { Ok(()) }
    }

    /// All heads behind a number came.
    pub(crate) fn list_told(
        &mut self,
        after: BagSeq,
        reader: &mut Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        let items = match PeekItem::read_all(reader) {
            Ok(items) => items,
            Err(status) => return Ok(Err(status)),
        };
        let start = self.reading.start_seq();
        let last = items.iter().find(|item| item.seq == start).map(|item| fingerprint(&item.sealed));
        let same = last == self.reading.cursor.map(|cursor| cursor.epoch);
        // Distrust may have come up meanwhile: a list that begins behind the start says nothing for or against it.
        let tells = after < start.max(BagSeq(1));
        if tells && !self.reading.checked && start > BagSeq::ZERO && !same {
            return self.reset(OLD_KIND_START, ResetReason::NumbersGoBack, turn).map(Ok);
        }
        self.reading.checked |= tells;
        // The bag that was asked for once more is no news.
        let after = after.max(self.reading.read_to);
        let items: Vec<_> = items.into_iter().filter(|item| item.seq != start).collect();
        let through = items.iter().map(|item| item.seq).max().unwrap_or(after).max(after);
        self.reading.last = through;
        self.begin_backlog(items, after, through, Origin::List, turn);
        Ok(Ok(()))
    }

    fn begin_backlog(
        &mut self,
        items: Vec<PeekItem>,
        after: BagSeq,
        through: BagSeq,
        origin: Origin,
        turn: &mut Turn<'_>,
    ) {
        let listed = items.into_iter().map(|item| (item.seq, listed(item.sealed)));
        let mut reports = Vec::new();
        self.reading.backlog = Some(Backlog::new(listed, after, through, origin, &mut reports));
        turn.reports(reports);
    }

    /// Bags that notices brought, which follow right after what was read.
    pub(crate) fn begin_noticed(&mut self, noticed: Vec<(BagSeq, Listed)>, turn: &mut Turn<'_>) {
        let after = self.reading.read_to;
        let through = noticed.last().map_or(after, |(seq, _)| *seq);
        let mut reports = Vec::new();
        self.reading.backlog = Some(Backlog::new(noticed, after, through, Origin::Notice, &mut reports));
        turn.reports(reports);
    }

    // The bags.

    /// Goes on with the bags that were listed.
    pub(crate) fn read_chunk(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if let Some(mut chunk) = self.reading.chunk.take() {
            if let Some((numbers, bytes)) = chunk.next_pull() {
                self.reading.chunk = Some(chunk);
                self.call(Request::Pull(numbers, bytes), turn);
            } else {
                self.receive(chunk, turn)?;
            }
            return Ok(Step::Something);
        }
        let Some(backlog) = &mut self.reading.backlog else { return Ok(Step::Nothing) };
        let mut reports = Vec::new();
        if let Some(mut chunk) = backlog.next_chunk(&self.sealer, &mut reports) {
            let judgements = turn.database.with(|database| database.judge(&chunk.heads()))?;
            chunk.judge(judgements, self.reading.audit, &self.sealer, &mut reports);
            self.reading.chunk = Some(chunk);
        } else {
            let list = backlog.is_list();
            self.reading.backlog = None;
            if list {
                self.list_done(turn)?;
            }
        }
        turn.reports(reports);
        Ok(Step::Something)
    }

    /// Bodies came.
    pub(crate) fn bodies_told(&mut self, reader: &mut Reader, turn: &mut Turn<'_>) -> Result<(), Status> {
        let items = PullItem::read_all(reader)?;
        let mut reports = Vec::new();
        if let Some(chunk) = &mut self.reading.chunk {
            chunk.pulled(items, &self.sealer, &mut reports);
        }
        turn.reports(reports);
        Ok(())
    }

    /// Tells the database of a chunk.
    fn receive(&mut self, mut chunk: Chunk, turn: &mut Turn<'_>) -> Result<(), Error> {
        self.confirm(&chunk, turn)?;
        let cursor = chunk.cursor();
        let arrivals = Arrivals { bags: chunk.arrived(), cursor };
        let damaged =
            |(_, arrived): &(BagSeq, Arrived)| matches!(arrived, Arrived::Unreadable { head: Some(_), .. });
        let damaged = arrivals.bags.iter().any(damaged);
        let received = turn.database.with(|database| database.receive(self.link, arrivals))?;
        if !received.missing.is_empty() {
            chunk.want(&received.missing);
            self.reading.chunk = Some(chunk);
            return Ok(());
        }
        let applied = |outcome: &&Option<Outcome>| {
            matches!(outcome, Some(Outcome::Applied | Outcome::Kept | Outcome::SetAside))
        };
        let messages = received.outcomes.iter().filter(applied).count() as u64;
        if messages > 0 {
            turn.report(Report::Received { messages });
        }
        self.reading.read_to = chunk.through;
        self.reading.cursor = cursor.or(self.reading.cursor);
        let room = MISSING_MAX.saturating_sub(self.reading.missing.len());
        self.reading.missing.extend(chunk.missing().into_iter().take(room));
        self.pruning.after_reading(damaged, turn.now_ms, &self.settings);
        self.writing.dirty |= damaged;
        self.recovery.stir();
        Ok(())
    }

    /// What the host was believed to hold up to here and does not show waits to be uploaded again.
    fn confirm(&mut self, chunk: &Chunk, turn: &mut Turn<'_>) -> Result<(), Error> {
        // What it shows is there, however it was told; no later list has to show it once more.
        for seq in chunk.numbers() {
            self.reading.fresh.remove(&seq);
            if self.reading.unconfirmed.remove(&seq) {
                self.reading.losses = 0;
            }
        }
        if !chunk.is_list() {
            return Ok(());
        }
        let behind = self.reading.unconfirmed.split_off(&chunk.through.next());
        let due = std::mem::replace(&mut self.reading.unconfirmed, behind);
        self.reading.losing |= !due.is_empty();
        self.lose(due.into_iter().collect(), turn)
    }

    /// These numbers do not hold what they were believed to.
    pub(crate) fn lose(&mut self, numbers: Vec<BagSeq>, turn: &mut Turn<'_>) -> Result<(), Error> {
        if !numbers.is_empty() {
            self.writing.dirty = true;
            turn.database.with(|database| database.lost(self.link, &numbers))?;
        }
        Ok(())
    }

    /// A list was gone through.
    fn list_done(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        if self.reading.read_to < self.reading.last {
            self.reading.want(turn.now_ms);
            return Ok(());
        }
        self.read_through(turn)
    }

    /// Everything that the host has was dealt with.
    fn read_through(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        // An audit that was asked for while this was under way still has to begin; and what came up meanwhile (the network
        // is back, notices come anew) asks for a list that is later than these.
        let again = self.reading.audit_wanted || !self.reading.checked;
        self.reading.want_ms = again.then_some(turn.now_ms);
        (self.reading.pages, self.reading.futile) = (0, 0);
        let nowhere = std::mem::take(&mut self.reading.unconfirmed);
        self.reading.losing |= !nowhere.is_empty();
        self.lose(nowhere.into_iter().collect(), turn)?;
        if self.writing.stage == Fill::Replay {
            turn.database.with(|database| database.set_stage(self.link, Fill::Upload))?;
            self.reading.audit = false;
            self.begin_upload(turn);
        }
        self.reading.losses += u32::from(std::mem::take(&mut self.reading.losing));
        if self.reading.losses > LOSSES_MAX {
            return self.fail("answer", "the host does not show what it said it stored".into(), turn);
        }
        Ok(())
    }

    fn store_cursor(&mut self, epoch: EpochId, turn: &mut Turn<'_>) -> Result<(), Error> {
        let cursor = Some(Cursor { epoch, seq: self.reading.read_to });
        if self.reading.cursor != cursor {
            let arrivals = Arrivals { bags: Vec::new(), cursor };
            turn.database.with(|database| database.receive(self.link, arrivals))?;
            self.reading.cursor = cursor;
        }
        Ok(())
    }

    // The history.

    /// The host's history is another one: everything is read from the start.
    pub(crate) fn reset(
        &mut self,
        epoch: EpochId,
        reason: ResetReason,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        if let Err(status) = self.futile() {
            return self.fail("answer", status.to_string(), turn);
        }
        self.go_back(epoch, turn)?;
        turn.report(Report::Reset(reason));
        Ok(())
    }

    fn go_back(&mut self, epoch: EpochId, turn: &mut Turn<'_>) -> Result<(), Error> {
        turn.database.with(|database| database.reset(self.link, epoch))?;
        let Reading { last, futile, losses, .. } = self.reading;
        self.reading = Reading {
            cursor: Some(Cursor { epoch, seq: BagSeq::ZERO }),
            last,
            futile,
            losses,
            // The next list begins at the start, whatever it shows.
            checked: self.epoch == Some(epoch) || self.kind == Kind::Old,
            after_reset: true,
            // What was asked for is not done by reading from the start: bodies that are here are not fetched.
            audit: self.reading.audit,
            audit_wanted: self.reading.audit_wanted,
            want_ms: Some(turn.now_ms),
            ..Reading::default()
        };
        self.writing.resume(Fill::Replay, turn.now_ms);
        self.recovery.stir();
        Ok(())
    }

    fn distrust_numbers(&mut self, turn: &Turn<'_>) {
        self.reading.checked = false;
        self.reading.want(turn.now_ms);
    }

    // Second looks.

    /// Looks at what there is to look at when all else is done: bags without bodies, a cursor far behind, a host that
    /// has been quiet for long.
    pub(crate) fn look_again(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if let Some(seq) = self.reading.missing.keys().next().copied() {
            match (self.kind, self.reading.checked) {
                (Kind::Current, true) => self.call(Request::Page(BagSeq(seq.0.saturating_sub(1)), 1), turn),
                // Nothing is ever pruned there.
                (Kind::Old, _) => self.looked(seq, true, turn)?,
                _ => self.reading.want(turn.now_ms),
            }
            return Ok(Step::Something);
        }
        self.poll(turn);
        if self.reading.want_ms.is_some_and(|want_ms| want_ms <= turn.now_ms) {
            return Ok(Step::Something);
        }
        let ahead = self.reading.read_to.0.saturating_sub(self.reading.start_seq().0);
        if ahead < AHEAD_MAX || !self.reading.checked || !self.settings.live {
            return Ok(Step::Nothing);
        }
        match self.kind {
            // Its list brings the cursor along.
            Kind::Old => self.distrust_numbers(turn),
            _ => {
                self.reading.settling = true;
                self.call(Request::Epoch(self.reading.cursor), turn);
            }
        }
        Ok(Step::Something)
    }

    /// Whether the host still lists a bag that it had no body for.
    fn looked(&mut self, seq: BagSeq, shown: bool, turn: &mut Turn<'_>) -> Result<(), Error> {
        let Some(head) = self.reading.missing.remove(&seq).filter(|_| shown) else { return Ok(()) };
        turn.report(Report::Odd { oddity: Oddity::BodyWithheld, seq: Some(seq) });
        let reason = "the host lists it and does not hand it out".to_owned();
        let bags = vec![(seq, Arrived::Unreadable { head: Some(head), reason })];
        turn.database.with(|database| database.receive(self.link, Arrivals { bags, cursor: None }))?;
        self.pruning.after_reading(true, turn.now_ms, &self.settings);
        Ok(())
    }
}

/// A head without its body.
fn listed(sealed: SealedHead) -> Listed {
    Listed { sealed, body: None }
}
