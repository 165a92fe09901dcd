//! What waits here, up to the host: sealed and pushed in batches, and, after a replay, whatever the host lacks.
//! What is refused stays in the outbox, out of the way of the rest, and is tried again.

use std::collections::HashSet;

use seabag_entdb::{Error, Fill, Message};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::message::{MessageHash, MessageHead};
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::response::{Quota, Subscription};
use seabag_protocol::host::status::Status;

use super::backoff::Backoff;
use super::call::Request;
use super::reading::OLD_KIND_START;
use super::report::{Oddity, Report, ResetReason};
use super::session::{HostSession, Kind, Step, Turn};
use crate::chance::{below, nonces};

/// The most messages of one PUSH.
const PUSH_ITEMS_MAX: usize = 1_000;
/// The most bytes of bodies of one PUSH, unless one is larger by itself.
const PUSH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long local writes wait for others to come along, milliseconds.
const WRITE_DEBOUNCE_MS: u64 = 100;
/// How many messages are looked at before what was found is pushed.
const FILL_MAX: usize = 1_000;
/// The most refused messages that are remembered; with more, nothing is pushed until the retry.
const REFUSED_MAX: usize = 100_000;

/// What is under way to the host.
#[derive(Debug)]
pub(crate) struct Writing {
    /// Whether something may wait in the outbox.
    pub(crate) dirty: bool,
    /// No push before this time.
    due_ms: u64,
    /// When something was last pushed.
    pushed_ms: Option<u64>,
    pushing: Vec<MessageHead>,
    items_max: usize,
    /// What the host refused: it waits behind all others, and is left out until the retry.
    refused: HashSet<MessageHash>,
    refused_retry_ms: Option<u64>,
    backoff: Backoff,
    /// What the host last said about its room.
    room: Quota,
    /// The same when it refused something for want of it.
    room_refused: Option<Quota>,
    pub(crate) stage: Fill,
    /// When to begin to upload what the host lacks; `None`: it began.
    upload_ms: Option<u64>,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            dirty: false,
            due_ms: 0,
            pushed_ms: None,
            pushing: Vec::new(),
            items_max: PUSH_ITEMS_MAX,
            refused: HashSet::new(),
            refused_retry_ms: None,
            backoff: Backoff::default(),
            room: Quota::default(),
            room_refused: None,
            stage: Fill::Replay,
            upload_ms: None,
        }
    }
}

impl Writing {
    pub(crate) fn is_done(&self) -> bool {
        !self.dirty && self.pushing.is_empty() && self.stage == Fill::Done
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        let push_ms = self.dirty.then_some(self.due_ms);
        let upload_ms = self.upload_ms.filter(|_| self.stage == Fill::Upload);
        push_ms.into_iter().chain(upload_ms).min()
    }

    pub(crate) fn refused_retry_ms(&self) -> Option<u64> {
        self.refused_retry_ms
    }

    /// Something was written here: pushed at once, or, when something was pushed a moment ago, soon.
    pub(crate) fn written(&mut self, now_ms: u64) {
        if !self.dirty {
            self.due_ms =
                self.pushed_ms.map_or(now_ms, |pushed_ms| pushed_ms.saturating_add(WRITE_DEBOUNCE_MS));
        }
        self.dirty = true;
    }

    pub(crate) fn resume(&mut self, stage: Fill, now_ms: u64) {
        (self.stage, self.upload_ms) = (stage, None);
        self.dirty = true;
        self.due_ms = now_ms;
    }

    pub(crate) fn forget_attempt(&mut self) {
        self.dirty |= !self.pushing.is_empty();
        self.pushing.clear();
    }

    /// What the host says about its room. If there is more than when it refused something, that is tried again.
    pub(crate) fn hear_room(&mut self, subscription: &Subscription) {
        self.room = subscription.stored;
        let more = |before: Quota| before.quota != self.room.quota || before.usage > self.room.usage;
        if self.room_refused.is_some_and(more) {
            self.retry_refused();
        }
    }

    /// What was refused may be taken now.
    pub(crate) fn retry_refused(&mut self) {
        self.room_refused = None;
        if !self.refused.is_empty() {
            self.refused_retry_ms = Some(0);
        }
    }

    /// Whether it is time to try again what was refused.
    fn try_refused(&mut self, now_ms: u64) -> bool {
        if self.refused_retry_ms.take_if(|retry_ms| *retry_ms <= now_ms).is_some() {
            self.refused.clear();
            self.dirty = true;
            return true;
        }
        false
    }

    /// What goes into the next push, of what waits.
    fn batch(&self, waiting: Vec<Message>) -> Vec<Message> {
        let refused = |message: &Message| message.head.hash().is_ok_and(|hash| self.refused.contains(&hash));
        waiting.into_iter().filter(|message| !refused(message)).collect()
    }
}

impl HostSession {
    /// Pushes a batch of what waits.
    pub(crate) fn push(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        let again = self.writing.try_refused(turn.now_ms);
        let full = self.writing.refused.len() >= REFUSED_MAX;
        if !self.writing.dirty || turn.now_ms < self.writing.due_ms || full || self.pruning.holds_pushes() {
            self.writing.dirty &= !full;
            return Ok(Step::Nothing);
        }
        if !self.reading.checked {
            self.reading.want(turn.now_ms);
            return Ok(Step::Something);
        }
        let items_max = self.writing.items_max;
        let waiting = turn.database.with(|database| database.outbox(self.link, items_max, PUSH_BYTES_MAX))?;
        let batch = self.writing.batch(waiting);
        let (mut bags, mut heads, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for message in batch {
            let nonces = nonces(turn.chance);
            let sealed = self.sealer.seal(&message.head, message.body.as_deref(), &nonces);
            match sealed.and_then(|bag| bag.write(&mut bags)) {
                Ok(()) => heads.push(message.head),
                // It was damaged here. The others need not wait for it.
                Err(status) => broken.push((message.head, status)),
            }
        }
        let tried = !heads.is_empty() || !broken.is_empty();
        self.refuse(broken, turn)?;
        if heads.is_empty() {
            self.writing.dirty = tried;
            if again && !tried {
                // What was refused is gone by now: that trouble is over, without anything being pushed.
                self.recovery.stir();
            }
            return Ok(if tried { Step::Something } else { Step::Nothing });
        }
        self.writing.pushed_ms = Some(turn.now_ms);
        let count = heads.len();
        self.writing.pushing = heads;
        self.call(Request::Push(bags, count), turn);
        Ok(Step::Something)
    }

    /// The request was too large for the host: fewer at a time, and what is too large by itself waits.
    pub(crate) fn push_smaller(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        let pushed = std::mem::take(&mut self.writing.pushing);
        self.writing.dirty = true;
        self.writing.due_ms = 0;
        if pushed.len() > 1 {
            self.writing.items_max = pushed.len() / 2;
            return Ok(());
        }
        self.refuse(pushed.into_iter().map(|head| (head, Status::HostError)).collect(), turn)
    }

    /// The host said what became of a push.
    pub(crate) fn push_told(
        &mut self,
        reader: &mut Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        let pushed = std::mem::take(&mut self.writing.pushing);
        let items = match PushItem::read_all(reader) {
            Ok(items) => items,
            Err(status) => {
                self.writing.dirty = true;
                return Ok(Err(status));
            }
        };
        let results = self.match_items(&items, pushed.len(), turn);
        let (mut stored, mut refused, mut goes_back) = (Vec::new(), Vec::new(), false);
        for (head, result) in pushed.into_iter().zip(results) {
            match result {
                Some(Ok(seq)) => {
                    goes_back |= self.kind == Kind::Old && self.reading.goes_back(seq);
                    stored.push((head, seq));
                }
                Some(Err(status)) => refused.push((head, status)),
                None => refused.push((head, Status::InvalidResponse)),
            }
        }
        self.stored(stored, turn)?;
        self.refuse(refused, turn)?;
        if goes_back {
            self.reset(OLD_KIND_START, ResetReason::NumbersGoBack, turn)?;
        }
        Ok(Ok(()))
    }

    /// What the host says of each bag; what makes no sense is as if it had not been said.
    fn match_items(
        &mut self,
        items: &[PushItem],
        count: usize,
        turn: &mut Turn<'_>,
    ) -> Vec<Option<Result<BagSeq, Status>>> {
        let (mut results, mut numbers) = (vec![None; count], std::collections::HashSet::new());
        for item in items {
            let place = usize::try_from(item.index).ok().and_then(|index| results.get_mut(index));
            let seq = item.result.ok();
            let sound = seq.is_none_or(|seq| seq > BagSeq::ZERO && numbers.insert(seq));
            match place {
                Some(place) if place.is_none() && sound => *place = Some(item.result),
                _ => turn.report(Report::Odd { oddity: Oddity::ForgedItem, seq }),
            }
        }
        results
    }

    fn stored(&mut self, stored: Vec<(MessageHead, BagSeq)>, turn: &mut Turn<'_>) -> Result<(), Error> {
        if stored.is_empty() {
            return Ok(());
        }
        // Not told by how many wait before and after it: other processes write meanwhile.
        let settled = turn.database.with(|database| database.pushed(self.link, &stored))?;
        let count = stored.len() as u64;
        if settled.contains(&false) {
            // A number that is known for something else: a damaged bag that the host took for a repeat, or a lie.
            self.pruning.suspect(turn.now_ms);
        }
        if !settled.contains(&true) {
            let heads = stored.into_iter().map(|(head, _)| (head, Status::HashMismatch)).collect();
            return self.refuse(heads, turn);
        }
        let mut numbers: Vec<_> = stored.into_iter().map(|(_, seq)| seq).collect();
        numbers.sort_unstable();
        let highest = numbers.last().copied().unwrap_or_default();
        numbers.into_iter().for_each(|seq| self.reading.stored(seq));
        if highest > self.reading.read_to {
            // There is something in between that was not read.
            let wait_ms = if self.settings.live { WRITE_DEBOUNCE_MS } else { 0 };
            self.reading.want(turn.now_ms.saturating_add(wait_ms));
        }
        if self.writing.refused.is_empty() {
            self.writing.backoff.succeed();
        }
        self.writing.items_max = PUSH_ITEMS_MAX.min(self.writing.items_max.saturating_mul(2));
        self.pruning.after_writing(turn.now_ms, &self.settings);
        self.recovery.stir();
        turn.report(Report::Pushed { messages: count });
        Ok(())
    }

    /// Messages stay in the outbox for now, behind all others.
    fn refuse(&mut self, refused: Vec<(MessageHead, Status)>, turn: &mut Turn<'_>) -> Result<(), Error> {
        if refused.is_empty() {
            return Ok(());
        }
        let heads: Vec<_> = refused.iter().map(|(head, _)| head.clone()).collect();
        turn.database.with(|database| database.postpone(self.link, &heads))?;
        self.writing.refused.extend(heads.iter().filter_map(|head| head.hash().ok()));
        let has = |status: Status| refused.iter().any(|(_, of)| *of == status);
        if has(Status::StorageError) {
            self.writing.room_refused = Some(self.writing.room);
        }
        if has(Status::InvalidSignature) {
            turn.report(Report::Odd { oddity: Oddity::RefusedSignature, seq: None });
        }
        self.say_refused(turn)
    }

    /// Says that something was refused, once for all of it, and sets the time of the retry.
    fn say_refused(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        if self.writing.refused_retry_ms.is_some_and(|retry_ms| retry_ms > turn.now_ms) {
            return Ok(());
        }
        let retry_ms = turn.now_ms.saturating_add(self.writing.backoff.fail(turn.chance));
        self.writing.refused_retry_ms = Some(retry_ms);
        let Some(Quota { quota, usage }) = self.writing.room_refused else {
            let text = format!("the host refuses {} messages", self.writing.refused.len());
            let clock_ms = self.clock_time(retry_ms);
            turn.report(Report::Trouble { code: "refused", text: text.clone(), retry_ms: clock_ms });
            return self.set_trouble("refused", text, Some(retry_ms), turn);
        };
        turn.report(Report::QuotaReached { quota, usage });
        let text = format!("the host has no room: {usage} of {quota} bytes are used");
        self.set_trouble("quota", text, Some(retry_ms), turn)
    }

    // What the host lacks.

    /// A replay is over: when to begin to upload.
    pub(crate) fn begin_upload(&mut self, turn: &mut Turn<'_>) {
        self.writing.stage = Fill::Upload;
        let wait = self.settings.live && self.reading.after_reset;
        let bound = self.settings.fill_wait_ms_max.saturating_add(1);
        self.writing.upload_ms = wait.then(|| turn.now_ms.saturating_add(below(turn.chance, bound)));
        self.reading.after_reset = false;
        self.pruning.begin(turn.now_ms);
    }

    /// Looks for what the host lacks.
    pub(crate) fn upload(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if self.writing.stage != Fill::Upload || self.reading.is_wanted() {
            return Ok(Step::Nothing);
        }
        if let Some(upload_ms) = self.writing.upload_ms {
            if upload_ms > turn.now_ms {
                return Ok(Step::Nothing);
            }
            // Others may have filled it meanwhile: look once more first.
            self.writing.upload_ms = None;
            self.reading.want(turn.now_ms);
            return Ok(Step::Something);
        }
        if self.writing.dirty || self.pruning.holds_pushes() {
            return Ok(Step::Nothing);
        }
        let (before, more, after) = turn.database.with(|database| {
            let before = database.waiting(self.link)?;
            let more = database.fill(self.link, FILL_MAX)?;
            if !more {
                database.set_stage(self.link, Fill::Done)?;
            }
            Ok::<_, Error>((before, more, database.waiting(self.link)?))
        })?;
        if after > before {
            turn.report(Report::Filled { messages: after - before });
            self.writing.dirty = true;
        }
        if !more {
            self.writing.stage = Fill::Done;
        }
        Ok(Step::Something)
    }
}
