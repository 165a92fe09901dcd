//! A room by the letter of the rules: one list of all messages, each with a flag that says whether it can still
//! be replayed. Slow and obvious on purpose; the machine must not be told from it.
//! It follows the seed document ("Actions") and docs/rooms.md ("The contract of compact", "Exactly-once").

use std::collections::{BTreeMap, BTreeSet};

use seabag_protocol::error::Code;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Effect, Reply};
use seabag_protocol::room::name::{ClientId, Cursor, Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::{Ack, KeySummary, ResetReason, ServerMessage};
use seabag_protocol::room::value::Value;

/// What must come of a push. Effects are compared as they are; of a refusal everything but its words.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Exactly this.
    Effect(Effect),
    /// An error with this code, about this push.
    Refused(Code, Option<PushId>, StreamKey),
}

/// Something that was sent to the room, once.
#[derive(Clone, Debug)]
struct Message {
    entry: Entry,
    /// Whether a replay still has it.
    retained: bool,
}

/// What is known of an outbox.
#[derive(Clone, Copy, Debug)]
struct Known {
    last_id: PushId,
    seq: Option<RoomSeq>,
    used_ms: u64,
}

/// The room.
#[derive(Clone, Debug)]
pub struct Model {
    messages: Vec<Message>,
    head: RoomSeq,
    closed: bool,
    /// Of each stream that retains something: at or below it, a compact is stale.
    floors: BTreeMap<StreamKey, RoomSeq>,
    forgotten_floor: RoomSeq,
    clients: BTreeMap<ClientId, Known>,
    /// Oldest first, with the last number that each can have given out; the last one is open.
    epochs: Vec<(Epoch, RoomSeq)>,
    /// Where the open epoch ends if its owner vanishes: at its newest stored message. Above it may have been
    /// relays, or messages that a restored backup lacks, and nobody can tell which.
    surely: RoomSeq,
    limits: Limits,
}

impl Model {
    /// An empty room.
    pub fn new(epoch: &Epoch, limits: Limits) -> Self {
        Self {
            messages: Vec::new(),
            head: RoomSeq::ZERO,
            closed: false,
            floors: BTreeMap::new(),
            forgotten_floor: RoomSeq::ZERO,
            clients: BTreeMap::new(),
            epochs: vec![(epoch.clone(), RoomSeq::ZERO)],
            surely: RoomSeq::ZERO,
            limits,
        }
    }

    /// The last number given out.
    pub fn head(&self) -> RoomSeq {
        self.head
    }

    /// Whether the room takes no more pushes.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// An owner goes on with the room at this head, which may be above the one that was reached.
    pub fn go_on(&mut self, epoch: &Epoch, head: RoomSeq) {
        self.head = head;
        let (open, last) = self.epochs.last_mut().expect("there always is an open epoch");
        if open == epoch {
            return;
        }
        *last = self.surely;
        self.surely = head;
        self.epochs.push((epoch.clone(), head));
        let excess = self.epochs.len().saturating_sub(self.limits.lineage_epochs_max.max(1) as usize);
        self.epochs.drain(..excess);
    }

    /// The owner lets go of the room in order.
    pub fn let_go(&mut self) {
        self.surely = self.head;
    }

    /// Why a reader may not go on from here; `None`: it may.
    pub fn refuses_cursor(&self, cursor: &Cursor) -> Option<ResetReason> {
        let last = match &cursor.epoch {
            None => self.head,
            Some(epoch) => {
                let place = self.epochs.iter().rposition(|(known, _)| known == epoch);
                let Some(place) = place else { return Some(ResetReason::UnknownEpoch) };
                if place + 1 == self.epochs.len() { self.head } else { self.epochs[place].1 }
            }
        };
        (cursor.seq > last).then_some(ResetReason::Ahead)
    }

    /// What a replay of one stream has.
    pub fn stream(&self, key: &StreamKey) -> Vec<(RoomSeq, Value)> {
        let of_key = self.retained().into_iter().filter(|entry| entry.key == *key);
        of_key.map(|entry| (entry.seq, entry.value)).collect()
    }

    /// What a replay of the whole room has, in order.
    pub fn retained(&self) -> Vec<Entry> {
        let retained = self.messages.iter().filter(|message| message.retained);
        let mut entries: Vec<_> = retained.map(|message| message.entry.clone()).collect();
        entries.sort_by(|left, right| (left.seq, &left.key).cmp(&(right.seq, &right.key)));
        entries
    }

    /// Every stream that retains something.
    pub fn keys(&self) -> Vec<KeySummary> {
        let names: BTreeSet<_> = self.retained().into_iter().map(|entry| entry.key).collect();
        let summary = |key: StreamKey| {
            let stream = self.stream(&key);
            KeySummary {
                size: stream.len() as u64,
                bytes: stream.iter().map(|(_, value)| value.len() as u64).sum(),
                first: stream[0].0,
                last: stream[stream.len() - 1].0,
                key,
            }
        };
        names.into_iter().map(summary).collect()
    }

    /// Retained entries and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let retained = self.retained();
        (retained.len() as u64, retained.iter().map(|entry| entry.value.len() as u64).sum())
    }

    /// The last id known of an outbox.
    pub fn last_id(&self, client: &ClientId) -> Option<PushId> {
        self.clients.get(client).map(|known| known.last_id)
    }

    /// The floor of a stream, known or not.
    pub fn floor(&self, key: &StreamKey) -> RoomSeq {
        self.floors.get(key).copied().unwrap_or(self.forgotten_floor)
    }

    /// One push, and what must come of it.
    pub fn push(&mut self, push: &Push, client: Option<&ClientId>, now_ms: u64) -> Vec<Expected> {
        let (ack, effects) = match self.perform(push, client, now_ms) {
            Ok(done) => done,
            Err(code) => return self.refuse(push, client, code, now_ms),
        };
        let mut expected: Vec<_> = effects.into_iter().map(Expected::Effect).collect();
        let reply = |message| Expected::Effect(Effect::Reply(Reply::Message(message)));
        if push.id.is_some() {
            expected.insert(0, reply(ServerMessage::Ack(ack)));
        } else if ack.size > 1 {
            expected.push(reply(ServerMessage::StreamSize { key: push.key.clone(), size: ack.size }));
        }
        expected
    }

    /// The push is refused for this reason.
    fn refuse(
        &mut self,
        push: &Push,
        client: Option<&ClientId>,
        code: Code,
        now_ms: u64,
    ) -> Vec<Expected> {
        if let (Some(client), Some(id), true) = (client, push.id, code != Code::TooManyClients) {
            self.remember(client, id, None, now_ms);
        }
        vec![Expected::Refused(code, push.id, push.key.clone())]
    }

    /// Several pushes, all or none, and what must come of them.
    pub fn push_list(&mut self, pushes: &[Push], client: Option<&ClientId>, now_ms: u64) -> Vec<Expected> {
        let mut after = self.clone();
        let (mut acks, mut expected) = (Vec::new(), Vec::new());
        for push in pushes {
            match after.perform(push, client, now_ms) {
                Err(code) => return vec![Expected::Refused(code, push.id, push.key.clone())],
                Ok((ack, effects)) => {
                    acks.push(ack);
                    expected.extend(effects.into_iter().map(Expected::Effect));
                }
            }
        }
        *self = after;
        expected.push(Expected::Effect(Effect::Reply(Reply::Acks(acks))));
        expected
    }

    fn perform(
        &mut self,
        push: &Push,
        client: Option<&ClientId>,
        now_ms: u64,
    ) -> Result<(Ack, Vec<Effect>), Code> {
        let outbox = client.zip(push.id);
        if let Some((client, id)) = outbox {
            if let Some(known) = self.clients.get(client).filter(|known| id <= known.last_id) {
                let seq = if id == known.last_id { known.seq } else { None };
                return Ok((self.ack(push, seq, false, true), Vec::new()));
            }
            self.check_client(client, now_ms)?;
        }
        self.check_push(push)?;
        let (seq, stale, effects) = self.take_effect(push);
        if let (Some((client, id)), true) = (outbox, push.action != Action::Relay) {
            self.remember(client, id, Some(seq), now_ms);
        }
        Ok((self.ack(push, Some(seq), stale, false), effects))
    }

    fn ack(&self, push: &Push, seq: Option<RoomSeq>, stale: bool, repeat: bool) -> Ack {
        Ack { id: push.id, seq, size: self.stream(&push.key).len() as u64, stale, repeat }
    }

    fn oldest_client(&self) -> Option<(&ClientId, &Known)> {
        self.clients.iter().min_by_key(|(_, known)| known.used_ms)
    }

    fn check_client(&self, client: &ClientId, now_ms: u64) -> Result<(), Code> {
        let place = self.clients.contains_key(client)
            || (self.clients.len() as u64) < self.limits.room_clients_max
            || self
                .oldest_client()
                .is_some_and(|(_, known)| known.used_ms + self.limits.client_kept_ms < now_ms);
        if place { Ok(()) } else { Err(Code::TooManyClients) }
    }

    fn check_push(&self, push: &Push) -> Result<(), Code> {
        if self.closed {
            return Err(Code::Closed);
        }
        if push.key.as_str().len() as u64 > self.limits.key_bytes_max {
            return Err(Code::BadMessage);
        }
        if let Action::Compact { seq } = push.action
            && seq > self.head
        {
            return Err(Code::CompactAhead);
        }
        let stale = matches!(push.action, Action::Compact { seq } if seq <= self.floor(&push.key));
        let Some(value) = &push.value else { return Ok(()) };
        if stale || push.action == Action::Relay {
            return Ok(());
        }
        let stream = self.stream(&push.key);
        if stream.is_empty() && self.floors.len() as u64 >= self.limits.room_keys_max {
            return Err(Code::TooManyKeys);
        }
        let freed: Vec<_> = match push.action {
            Action::Replace => stream,
            Action::Compact { seq } => stream.into_iter().filter(|(of, _)| *of <= seq).collect(),
            _ => Vec::new(),
        };
        let freed_bytes = freed.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
        let (entries, bytes) = self.size();
        // What shrinks a room is never refused.
        let overfull = |held: u64, added: u64, freed: u64, most| added > freed && held + added - freed > most;
        let full = overfull(entries, 1, freed.len() as u64, self.limits.room_entries_max)
            || overfull(bytes, value.len() as u64, freed_bytes, self.limits.room_bytes_max);
        if full { Err(Code::RoomFull) } else { Ok(()) }
    }

    fn take_effect(&mut self, push: &Push) -> (RoomSeq, bool, Vec<Effect>) {
        let key = &push.key;
        if let Action::Compact { seq } = push.action {
            if seq <= self.floor(key) {
                return (seq, true, Vec::new());
            }
            let unknown = !self.floors.contains_key(key);
            self.drop_up_to(key, seq);
            if let Some(value) = &push.value {
                self.insert(key, seq, value, true);
            }
            self.set_floor(key, seq);
            if unknown && push.value.is_none() {
                // Nothing was there to trim, so there is nothing to tell.
                return (seq, false, Vec::new());
            }
            let size = self.stream(key).len() as u64;
            return (seq, false, vec![Effect::Trimmed { key: key.clone(), seq, size }]);
        }
        let value = push.value.as_ref().expect("only a compact can be without a value");
        let before = self.head;
        self.head = before.next();
        match push.action {
            Action::Replace => {
                self.drop_up_to(key, before);
                self.insert(key, self.head, value, true);
                self.set_floor(key, before);
            }
            Action::Relay => self.insert(key, self.head, value, false),
            _ => {
                let floor = self.floor(key);
                self.insert(key, self.head, value, true);
                self.set_floor(key, floor);
            }
        }
        self.closed |= push.action == Action::Close;
        if push.action != Action::Relay {
            self.surely = self.head;
        }
        let entry = Entry { key: key.clone(), seq: self.head, value: value.clone() };
        let stored = push.action != Action::Relay;
        (self.head, false, vec![Effect::Broadcast { entry, stored }])
    }

    fn insert(&mut self, key: &StreamKey, seq: RoomSeq, value: &Value, retained: bool) {
        let entry = Entry { key: key.clone(), seq, value: value.clone() };
        self.messages.push(Message { entry, retained });
    }

    fn drop_up_to(&mut self, key: &StreamKey, seq: RoomSeq) {
        for message in &mut self.messages {
            message.retained &= message.entry.key != *key || message.entry.seq > seq;
        }
    }

    fn set_floor(&mut self, key: &StreamKey, floor: RoomSeq) {
        if self.stream(key).is_empty() {
            self.floors.remove(key);
            self.forgotten_floor = self.forgotten_floor.max(floor);
        } else {
            self.floors.insert(key.clone(), floor);
        }
    }

    fn remember(&mut self, client: &ClientId, last_id: PushId, seq: Option<RoomSeq>, now_ms: u64) {
        let full = self.clients.len() as u64 >= self.limits.room_clients_max;
        if full && !self.clients.contains_key(client) {
            let oldest = self.oldest_client().map(|(oldest, _)| oldest.clone());
            oldest.map(|oldest| self.clients.remove(&oldest));
        }
        self.clients.insert(client.clone(), Known { last_id, seq, used_ms: now_ms });
    }
}
