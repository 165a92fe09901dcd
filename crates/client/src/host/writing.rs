//! What waits here, up to the host: sealed and pushed in batches, and, after a replay, whatever the host lacks.
//! What is refused stays in the outbox, out of the way of the rest, and is tried again.

use std::collections::HashMap;

use seabag_crypto::Nonces;
use seabag_entdb::{Error, Fill, Message};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::message::{MessageHash, MessageHead};
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::response::{Quota, Subscription};
use seabag_protocol::host::status::Status;

use super::backoff::Backoff;
use super::call::Request;
use super::reading::OLD_KIND_EPOCH;
use super::report::{Oddity, Report, ResetReason};
use super::session::{HostSession, Kind, Step, Turn};
use crate::chance::{Randomness, below};

/// The most messages of one PUSH.
const PUSH_ITEMS_MAX: usize = 1_000;
/// The most bytes of bodies of one PUSH, unless one is larger by itself.
const PUSH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long local writes wait for others to come along, milliseconds.
const WRITE_DEBOUNCE_MS: u64 = 100;
/// How many messages are looked at before what was found is pushed.
const FILL_MAX: usize = 1_000;
/// The longest wait before a host that lost something is filled, milliseconds: of many devices one comes first.
const FILL_WAIT_MS_MAX: u64 = 30_000;
/// The most refused messages that others are pushed past.
const REFUSED_MAX: usize = 2_000;
/// The most bytes of them.
const REFUSED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is under way to the host.
#[derive(Debug)]
pub(crate) struct Writing {
    /// Whether something may wait in the outbox.
    pub(crate) dirty: bool,
    /// No push before this time.
    due_ms: u64,
    pushing: Vec<MessageHead>,
    items_max: usize,
    /// What the host refused, and the bytes of its body: left out until the retry.
    refused: HashMap<MessageHash, usize>,
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
            pushing: Vec::new(),
            items_max: PUSH_ITEMS_MAX,
            refused: HashMap::new(),
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
        self.dirty = true;
        self.due_ms = self.due_ms.min(now_ms.saturating_add(WRITE_DEBOUNCE_MS));
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
            self.room_refused = None;
            self.refused_retry_ms = Some(0);
        }
    }

    fn try_refused(&mut self, now_ms: u64) {
        if self.refused_retry_ms.take_if(|retry_ms| *retry_ms <= now_ms).is_some() {
            self.refused.clear();
            self.dirty = true;
        }
    }

    fn refused_bytes(&self) -> usize {
        self.refused.values().sum()
    }

    /// What goes into the next push, of what waits.
    fn batch(&self, waiting: Vec<Message>) -> Vec<Message> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for message in waiting {
            if message.head.hash().is_ok_and(|hash| self.refused.contains_key(&hash)) {
                continue;
            }
            bytes += body_bytes(&message);
            if batch.len() >= self.items_max || (bytes > PUSH_BYTES_MAX && !batch.is_empty()) {
                break;
            }
            batch.push(message);
        }
        batch
    }
}

fn body_bytes(message: &Message) -> usize {
    message.body.as_ref().map_or(0, |body| body.len())
}

fn nonces(chance: &mut dyn Randomness) -> Nonces {
    let mut nonces = Nonces { head: [0; 24], body: [0; 24] };
    chance.fill(&mut nonces.head);
    chance.fill(&mut nonces.body);
    nonces
}

impl HostSession {
    /// Pushes a batch of what waits.
    pub(crate) fn push(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        self.writing.try_refused(turn.now_ms);
        let (refused, refused_bytes) = (self.writing.refused.len(), self.writing.refused_bytes());
        let full = refused >= REFUSED_MAX || refused_bytes >= REFUSED_BYTES_MAX;
        if !self.writing.dirty || turn.now_ms < self.writing.due_ms || full || self.pruning.holds_pushes() {
            self.writing.dirty &= !full;
            return Ok(Step::Nothing);
        }
        if !self.reading.checked {
            self.reading.want(turn.now_ms);
            return Ok(Step::Something);
        }
        let (items_max, bytes_max) = (self.writing.items_max + refused, PUSH_BYTES_MAX + refused_bytes);
        let waiting = turn.database.with(|database| database.outbox(self.link, items_max, bytes_max))?;
        let batch = self.writing.batch(waiting);
        let (mut bags, mut heads) = (Vec::new(), Vec::new());
        for message in batch {
            let nonces = nonces(turn.chance);
            let sealed = self.sealer.seal(&message.head, message.body.as_deref(), &nonces);
            match sealed.and_then(|bag| bag.write(&mut bags)) {
                Ok(()) => heads.push(message.head),
                // It was damaged here. The others need not wait for it.
                Err(status) => self.refuse(&message.head, status, turn),
            }
        }
        if heads.is_empty() {
            self.writing.dirty = false;
            return Ok(Step::Nothing);
        }
        self.writing.due_ms = turn.now_ms.saturating_add(WRITE_DEBOUNCE_MS);
        let count = heads.len();
        self.writing.pushing = heads;
        self.call(Request::Push(bags, count), turn);
        Ok(Step::Something)
    }

    /// The request was too large for the host: fewer at a time. `false`: it was one message alone.
    pub(crate) fn push_smaller(&mut self) -> bool {
        let pushed = std::mem::take(&mut self.writing.pushing);
        self.writing.items_max = (pushed.len() / 2).max(1);
        self.writing.dirty = true;
        self.writing.due_ms = 0;
        if let [alone] = pushed.as_slice() {
            self.writing.items_max = PUSH_ITEMS_MAX;
            if let Ok(hash) = alone.hash() {
                self.writing.refused.insert(hash, usize::try_from(alone.length).unwrap_or(usize::MAX));
            }
        }
        pushed.len() > 1
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
        let (mut stored, mut goes_back) = (Vec::new(), false);
        for (head, result) in pushed.into_iter().zip(results) {
            match result {
                Some(Ok(seq)) => {
                    goes_back |= self.kind == Kind::Old && self.reading.goes_back(seq);
                    stored.push((head, seq));
                }
                Some(Err(status)) => self.refuse(&head, status, turn),
                None => self.refuse(&head, Status::InvalidResponse, turn),
            }
        }
        self.stored(&stored, turn)?;
        self.say_refused(turn)?;
        if goes_back {
            self.reset(OLD_KIND_EPOCH, ResetReason::NumbersGoBack, turn)?;
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

    fn stored(&mut self, stored: &[(MessageHead, BagSeq)], turn: &mut Turn<'_>) -> Result<(), Error> {
        if stored.is_empty() {
            return Ok(());
        }
        turn.database.with(|database| database.pushed(self.link, stored))?;
        let hashed = |(head, seq): &(MessageHead, BagSeq)| head.hash().ok().map(|hash| (*seq, hash));
        let mut numbers: Vec<_> = stored.iter().filter_map(hashed).collect();
        numbers.sort_unstable_by_key(|(seq, _)| *seq);
        numbers.into_iter().for_each(|(seq, hash)| self.reading.stored(seq, hash));
        if self.writing.refused.is_empty() {
            self.writing.backoff.succeed();
        }
        self.writing.items_max = PUSH_ITEMS_MAX.min(self.writing.items_max.saturating_mul(2));
        self.pruning.after_writing(turn.now_ms, &self.settings);
        self.recovery.stir();
        turn.report(Report::Pushed { messages: stored.len() as u64 });
        Ok(())
    }

    /// A message stays in the outbox for now.
    fn refuse(&mut self, head: &MessageHead, status: Status, turn: &mut Turn<'_>) {
        if let Ok(hash) = head.hash() {
            self.writing.refused.insert(hash, usize::try_from(head.length).unwrap_or(usize::MAX));
        }
        match status {
            Status::StorageError => self.writing.room_refused = Some(self.writing.room),
            Status::InvalidSignature => {
                turn.report(Report::Odd { oddity: Oddity::RefusedSignature, seq: None });
            }
            _ => {}
        }
    }

    /// Says that something was refused, once for all of it, and sets the time of the retry.
    fn say_refused(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        if self.writing.refused.is_empty() || self.writing.refused_retry_ms.is_some() {
            return Ok(());
        }
        let retry_ms = turn.now_ms.saturating_add(self.writing.backoff.fail(turn.chance));
        self.writing.refused_retry_ms = Some(retry_ms);
        let Some(Quota { quota, usage }) = self.writing.room_refused else {
            let text = format!("the host refuses {} messages", self.writing.refused.len());
            turn.report(Report::Trouble { code: "refused", text: text.clone(), retry_ms });
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
        self.writing.upload_ms =
            wait.then(|| turn.now_ms.saturating_add(below(turn.chance, FILL_WAIT_MS_MAX + 1)));
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
