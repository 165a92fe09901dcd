//! A chunk of bags on their way in: heads opened, bodies fetched and opened, and what to tell the database of each.
//! Nothing that is wrong with a bag stops the others.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use seabag_crypto::Sealer;
use seabag_entdb::{Arrived, Judgement, Message, RECEIVE_MAX};
use seabag_protocol::host::bag::{BagSeq, SealedHead};
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::status::Status;

use super::report::{Oddity, Report};

/// The most bytes of bodies that one chunk names, unless one is larger by itself.
pub(crate) const CHUNK_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most numbers of one PULL.
const PULL_ITEMS_MAX: usize = 1_000;
/// The most bytes of bodies that one PULL asks for, unless one is larger by itself.
const PULL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What sealing and a PULL item put around a body, bytes.
const BODY_OVERHEAD_BYTES: u64 = 40 + 16;

/// A bag's head as a host lists it, with its body if that came along.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) sealed: SealedHead,
    /// `None`: not known; a notice of a short body brings it.
    pub(crate) body: Option<Bytes>,
}

/// Where a list of bags comes from, which decides what may be stored once it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A page, in this epoch.
    Page(EpochId),
    /// The whole list of a host that knows no epochs.
    List,
    /// Notices: they name no epoch.
    Notice,
}

/// What stands in the place of an epoch in the cursor of a host that knows none: the bag that was read last. A host
/// that was wiped or went back has another one under that number, or none.
pub(crate) fn fingerprint(sealed: &SealedHead) -> EpochId {
    let mut id = [0; 16];
    id.iter_mut().zip(sealed.signature).for_each(|(byte, of)| *byte = of);
    EpochId(id)
}

/// What a host listed and what is still to be looked at, ascending.
#[derive(Debug)]
pub(crate) struct Backlog {
    listed: VecDeque<(BagSeq, Listed)>,
    /// Everything from the first of them up to here is in the list.
    through: BagSeq,
    origin: Origin,
    /// Whether the last chunk was handed out; a list without bags has one chunk too.
    done: bool,
}

impl Backlog {
    /// Of what a host listed as everything behind `after` and up to `through`. Numbers are put in order; those that
    /// repeat or lie outside are left out.
    pub(crate) fn new(
        listed: impl IntoIterator<Item = (BagSeq, Listed)>,
        after: BagSeq,
        through: BagSeq,
        origin: Origin,
        reports: &mut Vec<Report>,
    ) -> Self {
        let (mut ordered, mut before) = (BTreeMap::new(), after);
        for (seq, item) in listed {
            if seq <= before || seq > through {
                reports.push(Report::Odd { oddity: Oddity::NumbersOutOfOrder, seq: Some(seq) });
            }
            before = before.max(seq);
            if seq > after && seq <= through {
                ordered.entry(seq).or_insert(item);
            }
        }
        Self { listed: ordered.into_iter().collect(), through, origin, done: false }
    }

    /// Whether it is a host's list, and not what notices brought.
    pub(crate) fn is_list(&self) -> bool {
        self.origin != Origin::Notice
    }

    /// The next chunk, its heads opened; `None`: nothing is left.
    pub(crate) fn next_chunk(&mut self, sealer: &Sealer, reports: &mut Vec<Report>) -> Option<Chunk> {
        if self.done {
            return None;
        }
        let (mut items, mut bytes, mut through) = (Vec::new(), 0_u64, self.through);
        while items.len() < RECEIVE_MAX && bytes < CHUNK_BYTES_MAX {
            let Some((seq, listed)) = self.listed.pop_front() else { break };
            through = seq;
            let item = Item::open(seq, listed, sealer, reports);
            bytes = bytes.saturating_add(item.head().map_or(0, |head| head.length));
            items.push(item);
        }
        if self.listed.is_empty() {
            (through, self.done) = (self.through, true);
        }
        Some(Chunk { items, through, origin: self.origin })
    }
}

/// One bag on its way in.
#[derive(Debug)]
struct Item {
    seq: BagSeq,
    listed: Listed,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its head is open; nobody has said yet whether the body is needed.
    Opened(MessageHead),
    /// The body is needed.
    Wanted(MessageHead),
    /// The body was asked for.
    Asked(MessageHead),
    /// The host does not have it any more, though it listed it.
    Missing(MessageHead),
    /// This is what it is.
    Settled(Arrived),
}

impl Item {
    fn open(seq: BagSeq, listed: Listed, sealer: &Sealer, reports: &mut Vec<Report>) -> Self {
        let state = match sealer.open_head(&listed.sealed) {
            Ok(head) => State::Opened(head),
            Err(status) => State::Settled(unreadable(seq, None, status, reports)),
        };
        Self { seq, listed, state }
    }

    fn head(&self) -> Option<&MessageHead> {
        match &self.state {
            State::Opened(head) | State::Wanted(head) | State::Asked(head) | State::Missing(head) => {
                Some(head)
            }
            State::Settled(Arrived::Head(head) | Arrived::Unreadable { head: Some(head), .. }) => Some(head),
            State::Settled(Arrived::Whole(message)) => Some(&message.head),
            State::Settled(_) => None,
        }
    }

    fn judge(&mut self, judgement: Judgement, all_bodies: bool, sealer: &Sealer, reports: &mut Vec<Report>) {
        let State::Opened(head) = &self.state else { return };
        let head = head.clone();
        self.state = match judgement {
            Judgement::Refused(status) => State::Settled(unreadable(self.seq, None, status, reports)),
            Judgement::Known | Judgement::Superseded if !all_bodies || head.is_delete() => {
                State::Settled(Arrived::Head(head))
            }
            _ => State::Wanted(head),
        };
        // A delete has no body, and a short body may have come along.
        if let State::Wanted(head) = &self.state {
            let here = if head.is_delete() { Some(Bytes::new()) } else { self.listed.body.take() };
            if let Some(body) = here.filter(|body| head.is_delete() || !body.is_empty()) {
                let head = head.clone();
                self.settle(head, &body, sealer, reports);
            }
        }
    }

    fn settle(&mut self, head: MessageHead, body: &Bytes, sealer: &Sealer, reports: &mut Vec<Report>) {
        self.state = match sealer.open_body(&self.listed.sealed.derivation, &head, body) {
            Ok(body) => State::Settled(Arrived::Whole(Message { head, body })),
            Err(status) => State::Settled(unreadable(self.seq, Some(head), status, reports)),
        };
    }
}

/// Sets a bag aside for what is wrong with it.
fn unreadable(seq: BagSeq, head: Option<MessageHead>, status: Status, reports: &mut Vec<Report>) -> Arrived {
    let oddity = match status {
        Status::InvalidSignature => Some(Oddity::ForeignBag),
        Status::DecryptionError | Status::HashMismatch => Some(Oddity::Unopenable),
        // Sealed like this by a device of the account itself: the host is not to blame.
        _ => None,
    };
    reports.extend(oddity.map(|oddity| Report::Odd { oddity, seq: Some(seq) }));
    reports.push(Report::Unreadable { seq, status });
    Arrived::Unreadable { head, reason: status.to_string() }
}

/// Bags that are dealt with in one piece.
#[derive(Debug)]
pub(crate) struct Chunk {
    items: Vec<Item>,
    /// Once these are dealt with, everything up to here is.
    pub(crate) through: BagSeq,
    origin: Origin,
}

impl Chunk {
    /// The heads that could be opened and are not judged yet, in order.
    pub(crate) fn heads(&self) -> Vec<MessageHead> {
        self.items.iter().filter_map(|item| opened(item).cloned()).collect()
    }

    /// The cursor to store once these are dealt with, if one.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        let epoch = match self.origin {
            Origin::Page(epoch) => Some(epoch),
            Origin::List => self.items.last().map(|item| fingerprint(&item.listed.sealed)),
            Origin::Notice => None,
        };
        epoch.map(|epoch| Cursor { epoch, seq: self.through })
    }

    /// Whether all that the host has up to [`Chunk::through`] is in here, behind what was dealt with before.
    pub(crate) fn is_list(&self) -> bool {
        self.origin != Origin::Notice
    }

    /// The numbers of these.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = BagSeq> + '_ {
        self.items.iter().map(|item| item.seq)
    }

    /// Says of each of [`Chunk::heads`] whether its body is needed; an audit looks at all bodies.
    pub(crate) fn judge(
        &mut self,
        judgements: Vec<Judgement>,
        all_bodies: bool,
        sealer: &Sealer,
        reports: &mut Vec<Report>,
    ) {
        let unjudged = self.items.iter_mut().filter(|item| opened(item).is_some());
        for (item, judgement) in unjudged.zip(judgements) {
            item.judge(judgement, all_bodies, sealer, reports);
        }
    }

    /// The numbers to ask for next, and the longest that their bodies can be; `None`: nothing is wanted any more.
    pub(crate) fn next_pull(&mut self) -> Option<(Vec<BagSeq>, u64)> {
        let (mut numbers, mut bytes) = (Vec::new(), 0_u64);
        for item in &mut self.items {
            let State::Wanted(head) = &item.state else { continue };
            let more = bytes.saturating_add(head.length).saturating_add(BODY_OVERHEAD_BYTES);
            if numbers.len() >= PULL_ITEMS_MAX || (more > PULL_BYTES_MAX && !numbers.is_empty()) {
                break;
            }
            bytes = more;
            numbers.push(item.seq);
            item.state = State::Asked(head.clone());
        }
        (!numbers.is_empty()).then_some((numbers, bytes))
    }

    /// What the host answered to the numbers that were asked for. Those that it left out are not there any more.
    pub(crate) fn pulled(&mut self, answer: Vec<PullItem>, sealer: &Sealer, reports: &mut Vec<Report>) {
        let mut bodies = BTreeMap::new();
        for PullItem { seq, body } in answer {
            bodies.entry(seq).or_insert(body);
        }
        for item in &mut self.items {
            let State::Asked(head) = &item.state else { continue };
            let head = head.clone();
            match bodies.remove(&item.seq) {
                Some(body) => item.settle(head, &body, sealer, reports),
                None => item.state = State::Missing(head),
            }
        }
        let unasked = bodies.into_keys().take(1);
        reports.extend(unasked.map(|seq| Report::Odd { oddity: Oddity::UnaskedBody, seq: Some(seq) }));
    }

    /// Lets bodies be asked for that the database turned out to need.
    pub(crate) fn want(&mut self, missing: &[BagSeq]) {
        for item in &mut self.items {
            if let (true, State::Settled(Arrived::Head(head))) = (missing.contains(&item.seq), &item.state) {
                item.state = State::Wanted(head.clone());
            }
        }
    }

    /// The numbers whose bodies the host did not have, and what their heads say.
    pub(crate) fn missing(&self) -> Vec<(BagSeq, MessageHead)> {
        let missing = |item: &Item| match &item.state {
            State::Missing(head) => Some((item.seq, head.clone())),
            _ => None,
        };
        self.items.iter().filter_map(missing).collect()
    }

    /// What to tell the database.
    pub(crate) fn arrived(&self) -> Vec<(BagSeq, Arrived)> {
        let settled = |item: &Item| match &item.state {
            State::Settled(arrived) => Some((item.seq, arrived.clone())),
            _ => None,
        };
        self.items.iter().filter_map(settled).collect()
    }
}

fn opened(item: &Item) -> Option<&MessageHead> {
    match &item.state {
        State::Opened(head) => Some(head),
        _ => None,
    }
}
