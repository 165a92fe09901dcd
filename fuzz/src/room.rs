//! The room machine against a plain model: any commands, commits, crashes and reloads. The model keeps every
//! stream as a list; the machine keeps sums and hands the rest to a store, of which this file has a small one.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use bytes::Bytes;
use seabag_protocol::error::Code;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, Cursor, Epoch, KeyNumber, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::record::{
    Changes, KeyRecord, RoomRead, StoredRoom, StreamRead, Survey, SurveyRange,
};
use seabag_protocol::room::server_message::{Ack, ServerMessage};
use seabag_protocol::room::value::{Encoding, Value};

/// What happens to the room.
#[derive(Arbitrary, Debug)]
pub struct Script {
    tight: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Push(PushStep),
    List(Vec<PushStep>),
    Join {
        epoch: u8,
        seq: u8,
    },
    GetStream {
        key: u8,
        after: u8,
    },
    GetRoom {
        after: u8,
        limit: u8,
    },
    Keys {
        after: Option<u8>,
        limit: u8,
    },
    Commit,
    /// What was not committed is lost; another owner loads the room.
    Crash,
    /// Everything is committed; the same or another owner loads the room.
    Reload {
        same_owner: bool,
    },
    Time {
        hours: u8,
    },
}

#[derive(Arbitrary, Clone, Debug)]
struct PushStep {
    key: u8,
    bytes: u8,
    action: ActionStep,
    client: u8,
    id: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ActionStep {
    Append,
    Relay,
    Replace,
    Compact { back: u8 },
    Trim { back: u8 },
    Close,
}

/// The streams and clients as the documents describe them.
#[derive(Clone, Debug, Default)]
struct Model {
    head: u64,
    closed: bool,
    forgotten_floor: u64,
    streams: BTreeMap<StreamKey, Stream>,
    clients: BTreeMap<ClientId, (u64, Option<u64>)>,
}

#[derive(Clone, Debug, Default)]
struct Stream {
    floor: u64,
    entries: Vec<(u64, Value)>,
}

struct World {
    limits: Limits,
    room: Room,
    model: Model,
    /// The model at the last commit.
    committed: Model,
    store: Store,
    epochs: u32,
    now_ms: u64,
}

/// Runs a script.
pub fn room(script: Script) {
    let limits = if script.tight {
        Limits {
            room_keys_max: 3,
            room_entries_max: 8,
            room_bytes_max: 200,
            room_clients_max: 2,
            reserved_numbers: 3,
            lineage_epochs_max: 2,
            key_bytes_max: 8,
            page_entries_max: 3,
            ..Limits::default()
        }
    } else {
        Limits { reserved_numbers: 16, ..Limits::default() }
    };
    let epoch = epoch(0);
    let stored =
        StoredRoom { record: Room::new_record(&epoch, 0), keys: BTreeMap::new(), clients: BTreeMap::new() };
    let mut world = World {
        limits,
        room: Room::load(stored.clone(), &epoch, limits),
        model: Model::default(),
        committed: Model::default(),
        store: Store { room: stored, rows: BTreeMap::new(), bases: BTreeMap::new() },
        epochs: 0,
        now_ms: 1,
    };
    for step in script.steps {
        world.step(step);
        world.forget_displaced();
        world.check_sums();
    }
}

fn epoch(number: u32) -> Epoch {
    Epoch::parse(&format!("e{number}")).expect("an epoch")
}

fn key(number: u8) -> StreamKey {
    match number % 6 {
        0 => StreamKey::from(""),
        5 => StreamKey::from("longer than tight"),
        small => StreamKey::from(format!("k{small}")),
    }
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Push(step) => self.push(step),
            Step::List(steps) => self.list(steps),
            Step::Join { epoch: number, seq } => {
                let since = Cursor {
                    epoch: (number > 0).then(|| epoch(u32::from(number - 1))),
                    seq: RoomSeq(seq.into()),
                };
                let effects = self.apply(Command::Join { since: Some(since), client: None, list_keys: true });
                let [Effect::Reply(Reply::Joined(joined))] = effects.as_slice() else {
                    panic!("{effects:?}")
                };
                assert_eq!(joined.head.0, self.model.head);
                assert_eq!(joined.closed, self.model.closed);
                assert_eq!(joined.keys, self.model.streams.keys().cloned().collect::<Vec<_>>());
                let expected = if joined.reset.is_some() { 0 } else { u64::from(seq) };
                assert_eq!(joined.since, Some(RoomSeq(expected)));
                assert!(expected <= self.model.head, "a cursor above the head was accepted");
            }
            Step::GetStream { key: number, after } => self.get_stream(key(number), after.into()),
            Step::GetRoom { after, limit } => self.get_room((after % 16).into(), (limit % 4).into()),
            Step::Keys { after, limit } => self.keys(after.map(key), limit.into()),
            Step::Commit => self.commit(),
            Step::Crash => {
                self.model = self.committed.clone();
                self.load(false);
            }
            Step::Reload { same_owner } => {
                let changes = self.room.retire(self.now_ms);
                self.store.write(changes);
                assert_eq!(self.store.room.record.reserved, self.room.head(), "unused numbers go back");
                self.committed = self.model.clone();
                self.load(same_owner);
                assert_eq!(self.room.head().0, self.model.head, "a clean restart has no gap");
            }
            Step::Time { hours } => self.now_ms += u64::from(hours) * 3_600_000,
        }
    }

    fn apply(&mut self, command: Command) -> Vec<Effect> {
        self.room.apply(command, self.now_ms)
    }

    fn commit(&mut self) {
        let changes = self.room.take_changes(self.now_ms);
        self.store.write(changes);
        self.committed = self.model.clone();
        assert!(self.store.room.record.reserved >= self.room.head(), "a number went out unreserved");
        assert!(self.store.room.record.stored <= self.room.head());
        self.store.check(&self.model);
    }

    fn load(&mut self, same_owner: bool) {
        self.epochs += u32::from(!same_owner);
        self.room = Room::load(self.store.room.clone(), &epoch(self.epochs), self.limits);
        assert!(self.room.head().0 >= self.model.head, "numbers went back");
        self.model.head = self.room.head().0;
        self.commit();
    }

    /// The sums that the machine keeps, counted again.
    fn check_sums(&self) {
        let entries: u64 = self.model.streams.values().map(|stream| stream.entries.len() as u64).sum();
        let bytes: u64 = self.model.streams.values().map(Stream::bytes).sum();
        assert_eq!(self.room.size(), (entries, bytes));
        assert_eq!(self.room.key_count(), self.model.streams.len());
        assert_eq!(self.room.head().0, self.model.head);
        assert_eq!(self.room.closed(), self.model.closed);
    }

    fn make_push(&self, step: &PushStep) -> (Push, Option<ClientId>) {
        let value = match step.bytes % 8 {
            0 => Value::from_stored(Encoding::Json, Bytes::from(format!("\"{}\"", "x".repeat(60)))),
            few => Value::from_stored(Encoding::Json, Bytes::from("1".repeat(few.into()))),
        };
        // From one above the head downwards, mostly near it: all of the interesting places.
        let at = |back: u8| {
            let back = if back < 192 { back % 4 } else { back - 192 };
            RoomSeq((self.model.head + 1).saturating_sub(back.into()))
        };
        let (action, value) = match step.action {
            ActionStep::Append => (Action::Append, Some(value)),
            ActionStep::Relay => (Action::Relay, Some(value)),
            ActionStep::Replace => (Action::Replace, Some(value)),
            ActionStep::Compact { back } => (Action::Compact { seq: at(back) }, Some(value)),
            ActionStep::Trim { back } => (Action::Compact { seq: at(back) }, None),
            ActionStep::Close => (Action::Close, Some(value)),
        };
        let id = (step.client % 4 != 0 && step.id > 0).then(|| PushId(step.id.into()));
        let client = id.and_then(|_| ClientId::parse(&format!("fuzzing-client-{}", step.client % 4)).ok());
        (Push { key: key(step.key), value, action, id }, client)
    }

    fn survey(&mut self, push: &Push) -> Option<Survey> {
        self.room.survey_for(push)?;
        // The answer has to hold everything applied so far.
        self.commit();
        let range = self.room.survey_for(push).expect("a commit does not answer the question");
        Some(self.store.survey(range))
    }

    fn push(&mut self, step: PushStep) {
        let (push, client) = self.make_push(&step);
        let survey = self.survey(&push);
        let command = Command::Push { push: push.clone(), client: client.clone(), survey };
        let effects = self.apply(command);
        let refused = effects.iter().find_map(|effect| match effect {
            Effect::Reply(Reply::Message(ServerMessage::Error(refusal))) => Some(refusal.clone()),
            _ => None,
        });
        let outbox = client.clone().zip(push.id);
        if let Some(refusal) = refused {
            assert_eq!(effects.len(), 1);
            self.may_be_refused(&push, refusal.code);
            if let (Some((client, id)), true) = (outbox, refusal.code != Code::TooManyClients) {
                self.remember(client, id.0, None);
            }
            return;
        }
        let (ack, broadcasts) = self.expect(&push, client);
        let mut sent = effects.into_iter();
        if push.id.is_some() {
            assert_eq!(sent.next(), Some(Effect::Reply(Reply::Message(ServerMessage::Ack(ack)))));
        }
        let size = ack.size;
        for expected in broadcasts {
            assert_eq!(sent.next(), Some(expected));
        }
        if push.id.is_none() && size > 1 {
            let message = ServerMessage::StreamSize { key: push.key, size };
            assert_eq!(sent.next(), Some(Effect::Reply(Reply::Message(message))));
        }
        assert_eq!(sent.next(), None);
    }

    fn list(&mut self, steps: Vec<PushStep>) {
        // One request has one outbox.
        let shared = steps.first().map_or(0, |step| step.client);
        let mut client = None;
        let mut pushes = Vec::new();
        for mut step in steps {
            step.client = shared;
            let (push, outbox) = self.make_push(&step);
            client = client.or(outbox);
            let survey = self.survey(&push);
            pushes.push((push, survey));
        }
        let command = Command::PushList { pushes: pushes.clone(), client: client.clone() };
        let effects = self.apply(command);
        if let [Effect::Reply(Reply::Message(ServerMessage::Error(_)))] = effects.as_slice() {
            return;
        }
        let mut expected = Vec::new();
        let mut acks = Vec::new();
        for (push, _) in pushes {
            let (ack, sent) = self.expect(&push, client.clone().filter(|_| push.id.is_some()));
            acks.push(ack);
            expected.extend(sent);
        }
        expected.push(Effect::Reply(Reply::Acks(acks)));
        assert_eq!(effects, expected);
    }

    /// Whether the documents allow this push to be refused for this reason.
    fn may_be_refused(&self, push: &Push, code: Code) {
        let allowed = match code {
            Code::Closed => self.model.closed,
            Code::BadMessage => push.key.as_str().len() as u64 > self.limits.key_bytes_max,
            Code::CompactAhead => {
                matches!(push.action, Action::Compact { seq } if seq.0 > self.model.head)
            }
            Code::TooManyKeys => self.model.streams.len() as u64 >= self.limits.room_keys_max,
            Code::TooManyClients => push.id.is_some(),
            Code::RoomFull => !matches!(push.action, Action::Relay),
            _ => false,
        };
        assert!(allowed, "{push:?} was refused: {code}");
    }

    /// What the documents say becomes of a push that is not refused. Changes the model.
    fn expect(&mut self, push: &Push, client: Option<ClientId>) -> (Ack, Vec<Effect>) {
        let outbox = client.zip(push.id);
        if let Some((client, id)) = &outbox
            && let Some((last, seq)) = self.model.clients.get(client)
            && id.0 <= *last
        {
            let seq = if id.0 == *last { seq.map(RoomSeq) } else { None };
            let size = self.model.size_of(&push.key);
            return (Ack { id: push.id, seq, size, stale: false, repeat: true }, Vec::new());
        }
        assert!(!self.model.closed, "a closed room took a push");
        assert!(push.key.as_str().len() as u64 <= self.limits.key_bytes_max, "a long key was taken");
        let mut stale = false;
        let mut effects = Vec::new();
        let seq = if let Action::Compact { seq } = push.action {
            assert!(seq.0 <= self.model.head, "a compact above the head was taken");
            // Nothing takes effect on a stream that is not there.
            let idle = push.value.is_none() && self.model.size_of(&push.key) == 0;
            match self.model.compact(&push.key, seq.0, push.value.clone()) {
                Some(_) if idle => {}
                Some(size) => effects.push(Effect::Trimmed { key: push.key.clone(), seq, size }),
                None => stale = true,
            }
            seq.0
        } else {
            let value = push.value.clone().expect("only a compact has none");
            self.model.head += 1;
            let seq = self.model.head;
            let stored = push.action != Action::Relay;
            if stored {
                self.model.store(&push.key, seq, value.clone(), push.action == Action::Replace);
            }
            self.model.closed |= push.action == Action::Close;
            let entry =
                seabag_protocol::room::record::Entry { key: push.key.clone(), seq: RoomSeq(seq), value };
            effects.push(Effect::Broadcast { entry, stored });
            seq
        };
        if let (Some((client, id)), true) = (outbox, push.action != Action::Relay) {
            self.remember(client, id.0, Some(seq));
        }
        let size = self.model.size_of(&push.key);
        (Ack { id: push.id, seq: Some(RoomSeq(seq)), size, stale, repeat: false }, effects)
    }

    fn remember(&mut self, client: ClientId, id: u64, seq: Option<u64>) {
        self.model.clients.insert(client, (id, seq));
    }

    /// Whom a full room forgets is the machine's choice: believe what it is about to store.
    fn forget_displaced(&mut self) {
        if self.model.clients.len() as u64 > self.limits.room_clients_max {
            let changes = self.room.take_changes(self.now_ms);
            self.store.write(changes);
            self.model.clients.retain(|client, _| self.store.room.clients.contains_key(client));
            self.committed = self.model.clone();
        }
    }

    fn get_stream(&mut self, key: StreamKey, after: u64) {
        self.commit();
        let effects = self.apply(Command::GetStream { key: key.clone(), after: Some(RoomSeq(after)) });
        let [Effect::Reply(Reply::ReadStream(read))] = effects.as_slice() else { panic!("{effects:?}") };
        let entries = self.model.streams.get(&key).map_or(&[][..], |stream| stream.entries.as_slice());
        let expected: Vec<_> = entries.iter().filter(|(seq, _)| *seq > after).cloned().collect();
        assert_eq!(self.store.read_stream(read), expected);
    }

    /// Reads the room from a number on, page after page: nothing is missing, nothing comes twice.
    fn get_room(&mut self, after: u64, limit: u64) {
        self.commit();
        let mut expected: Vec<_> = self
            .model
            .streams
            .iter()
            .flat_map(|(key, stream)| stream.entries.iter().map(move |(seq, _)| (*seq, key.clone())))
            .filter(|(seq, _)| *seq > if after > self.model.head { 0 } else { after })
            .collect();
        expected.sort();
        let mut found = Vec::new();
        let mut next = Some(after);
        while let Some(after) = next {
            let cursor = Cursor { epoch: None, seq: RoomSeq(after) };
            let effects = self.apply(Command::GetRoom { cursor, limit: Some(limit) });
            let [Effect::Reply(Reply::ReadRoom { read, reset, .. })] = effects.as_slice() else {
                panic!("{effects:?}")
            };
            assert_eq!(reset.is_some(), after > self.model.head);
            let page;
            (page, next) = self.store.read_page(read);
            assert!(next.is_none_or(|next| next > read.after.0), "a page that leads nowhere");
            found.extend(page);
        }
        assert_eq!(found, expected, "pages of {limit} from {after}");
    }

    fn keys(&mut self, after: Option<StreamKey>, limit: u64) {
        let effects = self.apply(Command::Keys { after: after.clone(), limit: Some(limit) });
        let [Effect::Reply(Reply::Message(ServerMessage::Keys { data, next }))] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        let rest: Vec<_> = self
            .model
            .streams
            .iter()
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .collect();
        assert!(data.len() <= rest.len() && (rest.is_empty() || !data.is_empty()));
        assert_eq!(next.is_some(), data.len() < rest.len());
        for (summary, (key, stream)) in data.iter().zip(rest) {
            assert_eq!((&summary.key, summary.size), (key, stream.entries.len() as u64));
            assert_eq!(summary.bytes, stream.bytes());
            assert_eq!(Some(summary.first.0), stream.entries.first().map(|(seq, _)| *seq));
            assert_eq!(Some(summary.last.0), stream.entries.last().map(|(seq, _)| *seq));
        }
    }
}

impl Stream {
    fn bytes(&self) -> u64 {
        self.entries.iter().map(|(_, value)| value.len() as u64).sum()
    }
}

impl Model {
    fn size_of(&self, key: &StreamKey) -> u64 {
        self.streams.get(key).map_or(0, |stream| stream.entries.len() as u64)
    }

    fn store(&mut self, key: &StreamKey, seq: u64, value: Value, replace: bool) {
        let new = Stream { floor: self.forgotten_floor, entries: Vec::new() };
        let stream = self.streams.entry(key.clone()).or_insert(new);
        if replace {
            stream.entries.clear();
            stream.floor = seq - 1;
        }
        stream.entries.push((seq, value));
    }

    /// The retained length afterwards; `None` when it was stale.
    fn compact(&mut self, key: &StreamKey, seq: u64, value: Option<Value>) -> Option<u64> {
        let mut stream = self
            .streams
            .get(key)
            .cloned()
            .unwrap_or(Stream { floor: self.forgotten_floor, entries: Vec::new() });
        if seq <= stream.floor {
            return None;
        }
        stream.floor = seq;
        stream.entries.retain(|(entry, _)| *entry > seq);
        if let Some(value) = value {
            stream.entries.insert(0, (seq, value));
        }
        let size = stream.entries.len() as u64;
        if size == 0 {
            self.streams.remove(key);
            self.forgotten_floor = self.forgotten_floor.max(seq);
        } else {
            self.streams.insert(key.clone(), stream);
        }
        Some(size)
    }
}

/// A store that keeps what the machine asks it to.
struct Store {
    room: StoredRoom,
    rows: BTreeMap<(KeyNumber, RoomSeq), Value>,
    bases: BTreeMap<KeyNumber, (RoomSeq, Value)>,
}

impl Store {
    fn write(&mut self, changes: Changes) {
        if let Some(record) = changes.room {
            assert!(record.reserved >= record.stored);
            self.room.record = record;
        }
        self.rows.extend(changes.rows);
        for (number, base) in changes.bases {
            match base {
                Some(base) => self.bases.insert(number, base),
                None => self.bases.remove(&number),
            };
        }
        for (number, change) in changes.keys {
            match change.record {
                Some(record) => {
                    assert_eq!(record.number, number);
                    self.room.keys.insert(change.key, record);
                }
                None => {
                    // A stream that was forgotten and came back within one commit has a new number by now.
                    if self.room.keys.get(&change.key).is_some_and(|known| known.number == number) {
                        self.room.keys.remove(&change.key);
                    }
                }
            }
        }
        for (number, up_to) in changes.garbage {
            self.rows.retain(|(row, seq), _| *row != number || *seq > up_to);
        }
        for (client, record) in changes.clients {
            match record {
                Some(record) => self.room.clients.insert(client, record),
                None => self.room.clients.remove(&client),
            };
        }
    }

    /// Everything stored is what the model has, and every stream's record is right.
    fn check(&self, model: &Model) {
        assert_eq!(
            self.room.keys.keys().collect::<Vec<_>>(),
            model.streams.keys().collect::<Vec<_>>(),
            "the streams stored"
        );
        for (key, stream) in &model.streams {
            let record = self.room.keys.get(key).expect("compared above");
            let read = StreamRead {
                key: key.clone(),
                record: Some(record.clone()),
                after: RoomSeq(0),
                head: RoomSeq(model.head),
            };
            let expected: Vec<_> = stream.entries.iter().filter(|(seq, _)| *seq > 0).cloned().collect();
            assert_eq!(self.read_stream(&read), expected, "{key:?} {record:?}");
            assert_eq!((record.count, record.bytes), (stream.entries.len() as u64, stream.bytes()));
            assert_eq!(record.floor.0, stream.floor);
            assert_eq!(Some(record.first.0), stream.entries.first().map(|(seq, _)| *seq));
            assert_eq!(Some(record.last.0), stream.entries.last().map(|(seq, _)| *seq));
        }
        assert_eq!(
            self.room.clients.keys().collect::<Vec<_>>(),
            model.clients.keys().collect::<Vec<_>>(),
            "the clients stored"
        );
        for (client, record) in &self.room.clients {
            let known = model.clients.get(client).expect("compared above");
            assert_eq!((record.last_id.0, record.seq.map(|seq| seq.0)), *known);
        }
    }

    fn rows_of(&self, record: &KeyRecord) -> impl Iterator<Item = (u64, Value)> {
        let from = (record.number, record.rows_after().next());
        let to = (record.number, RoomSeq(u64::MAX));
        self.rows.range(from..=to).map(|((_, seq), value)| (seq.0, value.clone()))
    }

    fn read_stream(&self, read: &StreamRead) -> Vec<(u64, Value)> {
        let Some(record) = &read.record else { return Vec::new() };
        let base = record.base.map(|seq| {
            let (stored, value) = self.bases.get(&record.number).expect("a base is stored");
            assert_eq!(*stored, seq);
            (seq.0, value.clone())
        });
        base.into_iter()
            .chain(self.rows_of(record))
            .filter(|(seq, _)| *seq > read.after.0 && *seq <= read.head.0)
            .collect()
    }

    /// One page: at least the limit unless nothing is left, and never an end between entries that share a number.
    fn read_page(&self, read: &RoomRead) -> (Vec<(u64, StreamKey)>, Option<u64>) {
        let name = |number: KeyNumber| {
            self.room.keys.iter().find(|(_, record)| record.number == number).map(|(key, _)| key.clone())
        };
        let bases = read.bases.iter().map(|(seq, number)| (seq.0, name(*number).expect("a known stream")));
        let rows = self
            .room
            .keys
            .iter()
            .flat_map(|(key, record)| self.rows_of(record).map(move |(seq, _)| (seq, key.clone())))
            .filter(|(seq, _)| *seq > read.after.0 && *seq <= read.head.0);
        let mut all: Vec<_> = bases.chain(rows).collect();
        all.sort();
        let whole = all.len();
        if let Some((last, _)) = all.get(read.limit - 1).cloned() {
            all.retain(|(seq, _)| *seq <= last);
        }
        let more = all.len() < whole || read.bases.len() >= read.limit;
        let next = all.last().map(|(seq, _)| *seq).filter(|_| more);
        (all, next)
    }

    fn survey(&self, range: SurveyRange) -> Survey {
        let from = (range.number, range.after.next());
        let to = (range.number, range.before);
        let rows: Vec<_> = self.rows.range(from..to).collect();
        Survey {
            count: rows.len() as u64,
            bytes: rows.iter().map(|(_, value)| value.len() as u64).sum(),
            first: rows.first().map(|((_, seq), _)| *seq),
        }
    }
}
