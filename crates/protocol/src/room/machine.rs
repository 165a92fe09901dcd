//! The rules of a room. A [`Room`] applies one command after the other and says what to persist and what to
//! send; it never waits, reads no disk and knows no clock. Everything it hands out shows the state at the
//! command's place in the room's one order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::action::Action;
use super::client_message::Push;
use super::lineage;
use super::name::{ClientId, Cursor, Epoch, KeyNumber, PushId, RoomSeq, StreamKey};
use super::outbox::Clients;
use super::record::{
    Changes, Entry, KeyChange, KeyRecord, RoomRead, RoomRecord, StoredRoom, StreamRead, Survey, SurveyRange,
};
use super::server_message::{Ack, KeySummary, ResetReason, ServerMessage};
use super::value::Value;
use crate::error::{Code, Refusal};
use crate::limits::Limits;

/// Appended rows that a room remembers the sizes of, so that a compact near the head needs no read.
const RECENT_ROWS_MAX: usize = 1_024;

/// Numbers of streams that are left over: a list of pushes may use several for one new key, by trimming it away.
const KEY_NUMBERS_SPARE: u32 = 1 << 20;

/// A room that leaves memory after a longer use than this without a write notes when it was last used.
const TOUCH_AFTER_MS: u64 = 60_000;

/// Something to be done at one place in the room's order.
#[derive(Clone, Debug)]
pub enum Command {
    /// A connection joins.
    Join {
        /// Where it wants to go on; `None`: live only.
        since: Option<Cursor>,
        /// Its outbox.
        client: Option<ClientId>,
        /// Whether it wants to know every stream's name.
        list_keys: bool,
    },
    /// One push.
    Push {
        /// The push.
        push: Push,
        /// The outbox that its id belongs to.
        client: Option<ClientId>,
        /// The answer to [`Room::survey_for`], if it asked.
        survey: Option<Survey>,
    },
    /// Several pushes: all of them or none, with consecutive numbers.
    PushList {
        /// The pushes, each with the answer to [`Room::survey_for`], if it asked.
        pushes: Vec<(Push, Option<Survey>)>,
        /// The outbox that their ids belong to.
        client: Option<ClientId>,
    },
    /// One stream's entries.
    GetStream {
        /// The stream.
        key: StreamKey,
        /// Strictly above this; `None`: nothing is wanted but the place in the order.
        after: Option<RoomSeq>,
    },
    /// One page of the room.
    GetRoom {
        /// Strictly above this.
        cursor: Cursor,
        /// Most entries; bounded by the limits.
        limit: Option<u64>,
    },
    /// One page of the keys.
    Keys {
        /// Strictly above this.
        after: Option<StreamKey>,
        /// Most keys; bounded by the limits.
        limit: Option<u64>,
    },
    /// Something that needs no room, but its place among the other answers: a pong, a refusal.
    Answer(ServerMessage),
}

/// What to send because of a command, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To whoever sent the command.
    Reply(Reply),
    /// To everyone.
    Broadcast {
        /// The message.
        entry: Entry,
        /// Whether a stream retains it: not so for relays.
        stored: bool,
    },
    /// A compact took effect: for those who watch the streams themselves.
    Trimmed {
        /// The stream.
        key: StreamKey,
        /// Up to this number.
        seq: RoomSeq,
        /// Retained entries.
        size: u64,
    },
}

/// An answer to one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A finished message.
    Message(ServerMessage),
    /// Where a connection that joined stands.
    Joined(Joined),
    /// A subscription to one stream takes effect here, without its entries.
    Subscribed(StreamKey),
    /// One stream's entries, to be read from a snapshot of this place.
    ReadStream(StreamRead),
    /// One page of the room, to be read from a snapshot of this place.
    ReadRoom {
        /// What to read.
        read: RoomRead,
        /// The current epoch.
        epoch: Epoch,
        /// The cursor was refused for this reason, and the page starts at 0.
        reset: Option<ResetReason>,
    },
    /// The acknowledgements of a list of pushes, in order.
    Acks(Vec<Ack>),
}

/// What a connection learns when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The current epoch.
    pub epoch: Epoch,
    /// The head.
    pub head: RoomSeq,
    /// The last id stored for its outbox.
    pub last_id: Option<PushId>,
    /// The room takes no more pushes.
    pub closed: bool,
    /// Where to go on from; `None`: live only.
    pub since: Option<RoomSeq>,
    /// The cursor was refused for this reason.
    pub reset: Option<ResetReason>,
    /// Every stream of the room, if that was asked for.
    pub keys: Vec<StreamKey>,
}

/// A room in memory.
#[derive(Clone, Debug)]
pub struct Room {
    record: RoomRecord,
    /// The last number given out. Between the record's `stored` and `reserved`, relays included.
    head: RoomSeq,
    epoch: Epoch,
    keys: BTreeMap<StreamKey, KeyRecord>,
    /// Bytes of their names, all of which are in memory while the room is.
    key_bytes: u64,
    /// The bases in the room's order, which no row on disk holds.
    bases: BTreeSet<(RoomSeq, KeyNumber)>,
    clients: Clients,
    /// The last appended rows, ascending: every row from `recent_from` on is here.
    recent: VecDeque<(RoomSeq, KeyNumber, u64)>,
    recent_from: RoomSeq,
    /// What was applied and not yet taken to be committed.
    changes: Changes,
    record_changed: bool,
    limits: Arc<Limits>,
}

/// What the pushes before one in the same list will have changed.
#[derive(Default)]
struct Tally {
    closed: bool,
    new_keys: BTreeSet<StreamKey>,
    new_key_bytes: u64,
    entries: u64,
    bytes: u64,
    numbers: u64,
    last_id: Option<PushId>,
}

impl Room {
    /// The record of a room that is made now, to be stored. Its first epoch is open.
    pub fn new_record(epoch: &Epoch, now_ms: u64) -> RoomRecord {
        let mut record = RoomRecord { created_ms: now_ms, touched_ms: now_ms, ..RoomRecord::default() };
        lineage::take_over(&mut record, epoch, 1);
        record
    }

    /// Takes a stored room into memory. Unless `epoch` is already open, this owner takes over: the room goes on
    /// above every number that the one before can have given out. [`Room::take_changes`] then says so, and
    /// must be committed before anything is sent.
    pub fn load(stored: StoredRoom, epoch: &Epoch, limits: impl Into<Arc<Limits>>) -> Self {
        let limits = limits.into();
        let StoredRoom { mut record, keys, clients } = stored;
        let record_changed = lineage::take_over(&mut record, epoch, limits.lineage_epochs_max);
        let head = record.reserved.max(record.stored);
        let bases = keys.values().filter_map(|key| key.base.map(|seq| (seq, key.number))).collect();
        Self {
            head,
            epoch: epoch.clone(),
            bases,
            key_bytes: keys.keys().map(|key| key.as_str().len() as u64).sum(),
            clients: Clients::new(clients, limits.room_clients_max, limits.client_kept_ms),
            recent: VecDeque::new(),
            recent_from: head.next(),
            changes: Changes::default(),
            record_changed,
            record,
            keys,
            limits,
        }
    }

    /// The last number given out.
    pub fn head(&self) -> RoomSeq {
        self.head
    }

    /// The current epoch.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Whether the room takes no more pushes.
    pub fn closed(&self) -> bool {
        self.record.closed
    }

    /// How many streams there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Retained entries and the bytes of their values.
    pub fn size(&self) -> (u64, u64) {
        (self.record.entries, self.record.bytes)
    }

    /// What was applied since the last call and must be committed before its effects are sent.
    pub fn take_changes(&mut self, now_ms: u64) -> Changes {
        let mut changes = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.record_changed) {
            self.record.touched_ms = self.record.touched_ms.max(now_ms);
            changes.room = Some(self.record.clone());
        }
        changes
    }

    /// Notes that the room is in use: its time to live starts anew with the next changes.
    pub fn touch(&mut self) {
        self.record_changed = true;
    }

    /// Gives back the numbers that were reserved and not used: the last changes before the room leaves memory.
    pub fn retire(&mut self, now_ms: u64) -> Changes {
        if now_ms.saturating_sub(self.record.touched_ms) > TOUCH_AFTER_MS {
            self.touch();
        }
        if self.record.reserved != self.head || self.record.stored != self.head {
            self.record_changed |=
                lineage::reach(&mut self.record, self.head) || self.record.reserved != self.head;
            self.record.reserved = self.head;
        }
        self.take_changes(now_ms)
    }

    /// Whether this push, applied next, needs to know how much of its stream lies in a range. The answer must
    /// come from a state that holds everything applied so far.
    pub fn survey_for(&self, push: &Push) -> Option<SurveyRange> {
        let Action::Compact { seq } = push.action else { return None };
        if self.record.closed {
            // It will be refused, so nothing is to be read for it.
            return None;
        }
        let record = self.keys.get(&push.key)?;
        let in_the_middle = seq > record.floor && record.first <= seq && seq < record.last;
        (in_the_middle && seq.next() < self.recent_from).then_some(SurveyRange {
            number: record.number,
            after: seq,
            before: self.recent_from,
        })
    }

    /// Applies one command at the next place of the order. What it changes waits in [`Room::take_changes`].
    pub fn apply(&mut self, command: Command, now_ms: u64) -> Vec<Effect> {
        let effects = self.apply_one(command, now_ms);
        // Only here: between a question of `survey_for` and its use, no row may leave.
        self.forget_old_rows();
        effects
    }

    fn forget_old_rows(&mut self) {
        let excess = self.recent.len().saturating_sub(RECENT_ROWS_MAX);
        if let Some((seq, ..)) = excess.checked_sub(1).and_then(|last| self.recent.get(last)) {
            self.recent_from = seq.next();
            self.recent.drain(..excess);
        }
    }

    fn apply_one(&mut self, command: Command, now_ms: u64) -> Vec<Effect> {
        match command {
            Command::Join { since, client, list_keys } => {
                vec![Effect::Reply(Reply::Joined(self.join(since, client.as_ref(), list_keys)))]
            }
            Command::Push { push, client, survey } => self.push(push, client.as_ref(), survey, now_ms),
            Command::PushList { pushes, client } => self.push_list(pushes, client.as_ref(), now_ms),
            Command::GetStream { key, after: None } => vec![Effect::Reply(Reply::Subscribed(key))],
            Command::GetStream { key, after: Some(after) } => {
                let record = self.keys.get(&key).cloned();
                vec![Effect::Reply(Reply::ReadStream(StreamRead { key, record, after, head: self.head }))]
            }
            Command::GetRoom { cursor, limit } => vec![Effect::Reply(self.get_room(&cursor, limit))],
            Command::Keys { after, limit } => {
                vec![Effect::Reply(Reply::Message(self.list_keys(after, limit)))]
            }
            Command::Answer(message) => vec![Effect::Reply(Reply::Message(message))],
        }
    }

    fn join(&self, since: Option<Cursor>, client: Option<&ClientId>, list_keys: bool) -> Joined {
        let checked = since.map(|cursor| (lineage::check(&self.record, self.head, &cursor), cursor.seq));
        let reset = checked.and_then(|(checked, _)| checked.err());
        Joined {
            epoch: self.epoch.clone(),
            head: self.head,
            last_id: client.and_then(|client| self.clients.get(client)).map(|record| record.last_id),
            closed: self.record.closed,
            since: checked.map(|(checked, seq)| if checked.is_ok() { seq } else { RoomSeq::ZERO }),
            reset,
            keys: if list_keys { self.keys.keys().cloned().collect() } else { Vec::new() },
        }
    }

    fn get_room(&self, cursor: &Cursor, limit: Option<u64>) -> Reply {
        let reset = lineage::check(&self.record, self.head, cursor).err();
        let after = if reset.is_some() { RoomSeq::ZERO } else { cursor.seq };
        let limit = self.page_entries(limit);
        let above = (Bound::Excluded((after, KeyNumber(u32::MAX))), Bound::Unbounded);
        let mut bases = Vec::new();
        for &(seq, number) in self.bases.range(above) {
            // A page never ends between entries that share a number, so neither does this list.
            if bases.len() >= limit && bases.last().is_none_or(|(last, _)| *last != seq) {
                break;
            }
            bases.push((seq, number));
        }
        let read = RoomRead {
            after,
            head: self.head,
            bases,
            limit,
            bytes_max: usize::try_from(self.limits.page_bytes_max).unwrap_or(usize::MAX),
        };
        Reply::ReadRoom { read, epoch: self.epoch.clone(), reset }
    }

    fn list_keys(&self, after: Option<StreamKey>, limit: Option<u64>) -> ServerMessage {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.keys.range::<StreamKey, _>((from, Bound::Unbounded));
        let mut data = Vec::new();
        let mut bytes = 0;
        let most = self.page_entries(limit);
        while data.len() < most && bytes < self.limits.page_bytes_max {
            let Some((key, record)) = rest.next() else { break };
            bytes += key.as_str().len() as u64;
            data.push(KeySummary {
                key: key.clone(),
                size: record.count,
                bytes: record.bytes,
                first: record.first,
                last: record.last,
            });
        }
        let next = rest.next().and(data.last().map(|last: &KeySummary| last.key.clone()));
        ServerMessage::Keys { data, next }
    }

    fn page_entries(&self, limit: Option<u64>) -> usize {
        let most = self.limits.page_entries_max.max(1);
        usize::try_from(limit.unwrap_or(most).clamp(1, most)).unwrap_or(usize::MAX)
    }

    fn push(
        &mut self,
        push: Push,
        client: Option<&ClientId>,
        survey: Option<Survey>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let outbox = client.zip(push.id);
        if let Err(refusal) = self.check(&push, survey, client, now_ms, &mut Tally::default()) {
            let refusal = refusal.about(push.id, Some(&push.key));
            // Refused for good: the id is used up, so that it is never mistaken for missing.
            if let (Some((client, id)), true) = (outbox, refusal.code != Code::TooManyClients) {
                self.remember(client, id, None, now_ms);
            }
            return vec![Effect::Reply(Reply::Message(ServerMessage::Error(refusal)))];
        }
        let id = push.id;
        let key = push.key.clone();
        let (ack, mut effects) = self.perform(push, client, survey, now_ms);
        // An acknowledgement comes before the sender's own copy, so that a reducer knows its echo; upstream's
        // stream size comes after it.
        if id.is_some() {
            effects.insert(0, Effect::Reply(Reply::Message(ServerMessage::Ack(ack))));
        } else if ack.size > 1 {
            effects.push(Effect::Reply(Reply::Message(ServerMessage::StreamSize { key, size: ack.size })));
        }
        effects
    }

    fn push_list(
        &mut self,
        pushes: Vec<(Push, Option<Survey>)>,
        client: Option<&ClientId>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut tally = Tally::default();
        for (push, survey) in &pushes {
            if let Err(refusal) = self.check(push, *survey, client, now_ms, &mut tally) {
                let refusal = refusal.about(push.id, Some(&push.key));
                return vec![Effect::Reply(Reply::Message(ServerMessage::Error(refusal)))];
            }
        }
        let mut acks = Vec::with_capacity(pushes.len());
        let mut effects = Vec::with_capacity(pushes.len() + 1);
        for (push, survey) in pushes {
            let (ack, sent) = self.perform(push, client, survey, now_ms);
            acks.push(ack);
            effects.extend(sent);
        }
        effects.push(Effect::Reply(Reply::Acks(acks)));
        effects
    }

    /// Whether the push may be done, after those in the tally. Nothing is changed but the tally.
    fn check(
        &self,
        push: &Push,
        survey: Option<Survey>,
        client: Option<&ClientId>,
        now_ms: u64,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        if let Some((client, id)) = client.zip(push.id) {
            let last = tally.last_id.or_else(|| self.clients.get(client).map(|known| known.last_id));
            if last.is_some_and(|last| id <= last) {
                return Ok(());
            }
            if !self.clients.admits(client, now_ms) {
                return Err(Refusal::new(
                    Code::TooManyClients,
                    "the room remembers as many clients as it may",
                ));
            }
            // Relays are not remembered, so a lower id after one is no repeat.
            if push.action != Action::Relay {
                tally.last_id = Some(id);
            }
        }
        if self.record.closed || tally.closed {
            return Err(Refusal::new(Code::Closed, "the room is closed"));
        }
        if push.key.as_str().len() as u64 > self.limits.key_bytes_max {
            return Err(Refusal::bad_message(format!(
                "the key is longer than {} bytes",
                self.limits.key_bytes_max
            )));
        }
        let bytes = push.value.as_ref().map_or(0, |value| value.len() as u64);
        let known = self.keys.get(&push.key);
        match push.action {
            Action::Relay => {
                tally.numbers += 1;
                return Ok(());
            }
            Action::Compact { seq } => {
                let head = self.head.plus(tally.numbers);
                if seq > head {
                    return Err(Refusal::new(
                        Code::CompactAhead,
                        format!("compact at {seq}, but the head is {head}"),
                    ));
                }
                let floor = known.map_or(self.record.forgotten_floor, |record| record.floor);
                if seq <= floor || push.value.is_none() {
                    return Ok(());
                }
            }
            Action::Append | Action::Replace => tally.numbers += 1,
            Action::Close => {
                tally.numbers += 1;
                tally.closed = true;
            }
        }
        if known.is_none() && !tally.new_keys.contains(&push.key) {
            // A stream's number is never used again, and they are not endless.
            let used_up = self.record.next_key >= u32::MAX - KEY_NUMBERS_SPARE;
            let count = self.keys.len() as u64 + tally.new_keys.len() as u64;
            let bytes = self.key_bytes + tally.new_key_bytes + push.key.as_str().len() as u64;
            let too_many = count >= self.limits.room_keys_max || bytes > self.limits.room_key_bytes_max;
            if used_up || too_many {
                return Err(Refusal::new(Code::TooManyKeys, "the room has as many keys as it may"));
            }
            tally.new_key_bytes += push.key.as_str().len() as u64;
            tally.new_keys.insert(push.key.clone());
        }
        let freed = known.map_or((0, 0), |record| self.freed_by(push.action, record, survey));
        tally.entries += 1;
        tally.bytes += bytes;
        // What shrinks is welcome in a room that is too full, or it could never be emptied.
        let overfull =
            |held: u64, added: u64, freed: u64, most: u64| added > freed && held + added - freed > most;
        if overfull(self.record.entries, tally.entries, freed.0, self.limits.room_entries_max)
            || overfull(self.record.bytes, tally.bytes, freed.1, self.limits.room_bytes_max)
        {
            return Err(Refusal::new(Code::RoomFull, "the room is full; compact or trim some stream"));
        }
        Ok(())
    }

    /// Entries of a stream, and their bytes, that an action on it gives back.
    fn freed_by(&self, action: Action, record: &KeyRecord, survey: Option<Survey>) -> (u64, u64) {
        match action {
            Action::Replace => (record.count, record.bytes),
            Action::Compact { seq } => {
                let above = self.above(record, seq, survey);
                (record.count.saturating_sub(above.count), record.bytes.saturating_sub(above.bytes))
            }
            Action::Append | Action::Relay | Action::Close => (0, 0),
        }
    }

    /// Does a push that was checked. The acknowledgement, and what is broadcast.
    fn perform(
        &mut self,
        push: Push,
        client: Option<&ClientId>,
        survey: Option<Survey>,
        now_ms: u64,
    ) -> (Ack, Vec<Effect>) {
        let Push { key, value, action, id } = push;
        let outbox = client.zip(id);
        if let Some((client, id)) = outbox
            && let Some(known) = self.clients.get(client)
            && id <= known.last_id
        {
            let seq = if id == known.last_id { known.seq } else { None };
            return (
                Ack { id: Some(id), seq, size: self.size_of(&key), stale: false, repeat: true },
                Vec::new(),
            );
        }
        let (seq, stale, effects) = match (action, value) {
            (Action::Compact { seq }, value) => {
                let (stale, effects) = self.compact(&key, seq, value, survey);
                (seq, stale, effects)
            }
            (Action::Relay, Some(value)) => {
                let seq = self.take_number();
                (
                    seq,
                    false,
                    vec![Effect::Broadcast { entry: Entry { key: key.clone(), seq, value }, stored: false }],
                )
            }
            (Action::Append | Action::Replace | Action::Close, Some(value)) => {
                let seq = self.take_number();
                if action == Action::Replace {
                    self.replace(&key, seq, value.clone());
                } else {
                    self.append(&key, seq, value.clone());
                }
                self.record.closed |= action == Action::Close;
                self.record.stored = seq;
                lineage::reach(&mut self.record, seq);
                self.record_changed = true;
                (
                    seq,
                    false,
                    vec![Effect::Broadcast { entry: Entry { key: key.clone(), seq, value }, stored: true }],
                )
            }
            // The codec lets only a compact be without a value.
            (_, None) => (self.head, false, Vec::new()),
        };
        if let Some((client, id)) = outbox
            && action != Action::Relay
        {
            self.remember(client, id, Some(seq), now_ms);
        }
        (Ack { id, seq: Some(seq), size: self.size_of(&key), stale, repeat: false }, effects)
    }

    fn remember(&mut self, client: &ClientId, id: PushId, seq: Option<RoomSeq>, now_ms: u64) {
        let (record, displaced) = self.clients.remember(client, id, seq, now_ms);
        self.changes.clients.insert(client.clone(), Some(record));
        if let Some(displaced) = displaced {
            self.changes.clients.insert(displaced, None);
        }
        self.record_changed = true;
    }

    fn size_of(&self, key: &StreamKey) -> u64 {
        self.keys.get(key).map_or(0, |record| record.count)
    }

    /// The next number. When the reservation is used up, the next block is reserved with this commit.
    fn take_number(&mut self) -> RoomSeq {
        self.head = self.head.next();
        if self.head > self.record.reserved {
            self.record.reserved = self.head.plus(self.limits.reserved_numbers);
            self.record_changed = true;
        }
        self.head
    }

    /// The stream's record, or an empty one with the next number.
    fn stream(&mut self, key: &StreamKey) -> KeyRecord {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        let number = KeyNumber(self.record.next_key);
        self.record.next_key += 1;
        let (floor, zero) = (self.record.forgotten_floor, RoomSeq::ZERO);
        KeyRecord { number, count: 0, bytes: 0, floor, base: None, first: zero, last: zero }
    }

    /// Puts a stream's new record in the place of the old one and keeps the room's sums.
    fn keep(&mut self, key: &StreamKey, record: KeyRecord) {
        let before = self.keys.get(key).map_or((0, 0), |old| (old.count, old.bytes));
        self.record.entries = self.record.entries + record.count - before.0;
        self.record.bytes = self.record.bytes + record.bytes - before.1;
        self.record_changed = true;
        let change = KeyChange { key: key.clone(), record: Some(record.clone()) };
        self.changes.keys.insert(record.number, change);
        if self.keys.insert(key.clone(), record).is_none() {
            self.key_bytes += key.as_str().len() as u64;
        }
    }

    fn append(&mut self, key: &StreamKey, seq: RoomSeq, value: Value) {
        let mut record = self.stream(key);
        let bytes = value.len() as u64;
        if record.count == 0 {
            record.first = seq;
        }
        record.count += 1;
        record.bytes += bytes;
        record.last = seq;
        self.recent.push_back((seq, record.number, bytes));
        self.changes.rows.insert((record.number, seq), value);
        self.keep(key, record);
    }

    fn replace(&mut self, key: &StreamKey, seq: RoomSeq, value: Value) {
        let before = RoomSeq(seq.0.saturating_sub(1));
        let mut record = self.stream(key);
        self.discard_rows(&record, before);
        (record.count, record.bytes) = (1, value.len() as u64);
        (record.first, record.last) = (seq, seq);
        record.floor = before;
        self.set_base(&mut record, seq, value);
        self.keep(key, record);
    }

    /// Puts a value in the place of everything up to `seq`, or nothing in its place. Whether it was stale.
    fn compact(
        &mut self,
        key: &StreamKey,
        seq: RoomSeq,
        value: Option<Value>,
        survey: Option<Survey>,
    ) -> (bool, Vec<Effect>) {
        let known = self.keys.get(key);
        let floor = known.map_or(self.record.forgotten_floor, |record| record.floor);
        if seq <= floor {
            return (true, Vec::new());
        }
        if known.is_none() && value.is_none() {
            // Nothing to trim, but whatever was up to here is over.
            self.record.forgotten_floor = seq;
            self.record_changed = true;
            return (false, Vec::new());
        }
        let above = known.map_or(Survey::default(), |record| self.above(record, seq, survey));
        let mut record = self.stream(key);
        self.discard_rows(&record, seq);
        record.floor = seq;
        record.last = if above.count > 0 { record.last } else { seq };
        (record.count, record.bytes) = (above.count, above.bytes);
        record.first = above.first.unwrap_or(seq);
        if let Some(value) = value {
            record.count += 1;
            record.bytes += value.len() as u64;
            record.first = seq;
            self.set_base(&mut record, seq, value);
        } else {
            self.clear_base(&mut record);
        }
        let size = record.count;
        if size > 0 {
            self.keep(key, record);
        } else {
            self.forget(key, &record);
        }
        (false, vec![Effect::Trimmed { key: key.clone(), seq, size }])
    }

    /// How much of a stream lies above `seq`, which is above its floor, so that its base is not.
    fn above(&self, record: &KeyRecord, seq: RoomSeq, survey: Option<Survey>) -> Survey {
        if seq >= record.last {
            return Survey::default();
        }
        if seq < record.first {
            return Survey { count: record.count, bytes: record.bytes, first: Some(record.first) };
        }
        let mut above = survey.unwrap_or_default();
        let from = self.recent.partition_point(|(recent, ..)| *recent <= seq);
        for (recent, number, bytes) in self.recent.range(from..) {
            if *number == record.number {
                above.count += 1;
                above.bytes += bytes;
                above.first = above.first.or(Some(*recent));
            }
        }
        above
    }

    fn discard_rows(&mut self, record: &KeyRecord, up_to: RoomSeq) {
        let has_rows = record.last > record.rows_after();
        if has_rows {
            self.changes.garbage.insert(record.number, up_to.min(record.last));
        }
    }

    fn set_base(&mut self, record: &mut KeyRecord, seq: RoomSeq, value: Value) {
        self.clear_base(record);
        record.base = Some(seq);
        self.bases.insert((seq, record.number));
        self.changes.bases.insert(record.number, Some((seq, value)));
    }

    fn clear_base(&mut self, record: &mut KeyRecord) {
        if let Some(base) = record.base.take() {
            self.bases.remove(&(base, record.number));
            self.changes.bases.insert(record.number, None);
        }
    }

    /// Forgets a stream that was trimmed to nothing. Its floor lives on in the room's.
    fn forget(&mut self, key: &StreamKey, record: &KeyRecord) {
        if let Some(old) = self.keys.remove(key) {
            self.key_bytes -= key.as_str().len() as u64;
            self.record.entries -= old.count;
            self.record.bytes -= old.bytes;
            self.changes.keys.insert(record.number, KeyChange { key: key.clone(), record: None });
        }
        self.record.forgotten_floor = self.record.forgotten_floor.max(record.floor);
        self.record_changed = true;
    }
}
