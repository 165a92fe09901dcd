//! The room machine against the naive model: whatever is sent, both give the same effects and the same reads, and
//! so does a room that was stored and loaded again, at any point, cleanly or by a crash.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, Cursor, Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::record::{Entry, Survey};
use seabag_protocol::room::server_message::{KeySummary, ServerMessage};
use seabag_protocol::room::value::Value;
use seabag_testing::model::{Expected, Model};
use seabag_testing::naive_store::NaiveStore;

/// How a compact names its number, so that all the interesting ones are hit often.
#[derive(Clone, Copy, Debug)]
enum Place {
    Zero,
    Head,
    Ahead(u64),
    Floor,
    AboveFloor,
    /// One of the stream's retained numbers.
    Retained(prop::sample::Index),
    Anywhere(prop::sample::Index),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Append,
    Relay,
    Replace,
    Close,
    Compact(Place),
    Trim(Place),
}

#[derive(Clone, Debug)]
struct Sent {
    key: usize,
    kind: Kind,
    bytes: usize,
    /// How far the id is above the last one of its client: 0 repeats it.
    id: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        client: Option<usize>,
        sent: Sent,
    },
    List {
        client: Option<usize>,
        sent: Vec<Sent>,
    },
    /// An older id of this client again.
    Repeat {
        client: usize,
        back: u64,
        sent: Sent,
    },
    Join {
        client: Option<usize>,
        cursor: Option<(prop::sample::Index, u64)>,
    },
    GetStream {
        key: usize,
        after: u64,
    },
    ReadRoom {
        limit: u64,
    },
    Keys {
        limit: u64,
    },
    Commit,
    /// The process dies: what was not committed is lost.
    Crash,
    /// The room leaves memory and comes back in the same process.
    Evict,
    /// The process ends in order and another one goes on.
    Restart,
    Pass {
        milliseconds: u64,
    },
}

const KEYS: [&str; 5] = ["", "a", "b", "long key", "k\u{0}\u{1f600}"];

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Zero),
        2 => Just(Place::Head),
        1 => (1..3u64).prop_map(Place::Ahead),
        1 => Just(Place::Floor),
        2 => Just(Place::AboveFloor),
        6 => any::<prop::sample::Index>().prop_map(Place::Retained),
        3 => any::<prop::sample::Index>().prop_map(Place::Anywhere),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        40 => Just(Kind::Append),
        10 => Just(Kind::Relay),
        8 => Just(Kind::Replace),
        22 => place().prop_map(Kind::Compact),
        8 => place().prop_map(Kind::Trim),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    (0..KEYS.len(), kind(), 0..20usize, prop::option::of(0..4u64)).prop_map(|(key, kind, bytes, id)| Sent {
        key,
        kind,
        bytes,
        id,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let client = || prop::option::of(0..4usize);
    prop_oneof![
        60 => (client(), sent()).prop_map(|(client, sent)| Step::Push { client, sent }),
        6 => (client(), prop::collection::vec(sent(), 0..6))
            .prop_map(|(client, sent)| Step::List { client, sent }),
        3 => (0..4usize, 0..3u64, sent()).prop_map(|(client, back, sent)| Step::Repeat { client, back, sent }),
        4 => (client(), prop::option::of((any::<prop::sample::Index>(), 0..60u64)))
            .prop_map(|(client, cursor)| Step::Join { client, cursor }),
        3 => (0..KEYS.len(), 0..40u64).prop_map(|(key, after)| Step::GetStream { key, after }),
        3 => (1..20u64).prop_map(|limit| Step::ReadRoom { limit }),
        2 => (1..4u64).prop_map(|limit| Step::Keys { limit }),
        6 => Just(Step::Commit),
        3 => Just(Step::Crash),
        3 => Just(Step::Evict),
        2 => Just(Step::Restart),
        2 => (1..2_000u64).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => (client(), sent()).prop_map(|(client, sent)| {
            Step::Push { client, sent: Sent { kind: Kind::Close, ..sent } }
        }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let tight = (2..5u64, 4..12u64, 60..200u64, 1..4u64);
    (1..9u64, 1..6u64, prop::option::weighted(0.3, tight)).prop_map(|(reserved, epochs, tight)| {
        let mut limits =
            Limits { reserved_numbers: reserved, lineage_epochs_max: epochs, ..Limits::default() };
        if let Some((keys, entries, bytes, clients)) = tight {
            limits.room_keys_max = keys;
            limits.room_entries_max = entries;
            limits.room_bytes_max = bytes;
            limits.room_clients_max = clients;
            limits.client_kept_ms = 1_000;
            limits.key_bytes_max = 7;
        }
        limits
    })
}

/// The machine with its store, and the model beside it.
struct Rig {
    room: Room,
    store: NaiveStore,
    model: Model,
    /// The model as of the last commit: where a crash goes back to.
    durable: Model,
    /// Broadcasts that wait for their commit.
    unreleased: Vec<Entry>,
    /// Every broadcast that anyone can have seen.
    released: BTreeMap<RoomSeq, Entry>,
    epochs: Vec<Epoch>,
    /// The last id that each client used.
    ids: BTreeMap<usize, u64>,
    /// Makes every value different.
    values: u64,
    now_ms: u64,
    limits: Limits,
}

type Outcome = Result<(), TestCaseError>;

fn client_id(number: usize) -> ClientId {
    ClientId::parse(&format!("client-number-{number:04}")).unwrap()
}

fn refusal_of(effects: &[Effect]) -> Option<&Refusal> {
    match effects {
        [Effect::Reply(Reply::Message(ServerMessage::Error(refusal)))] => Some(refusal),
        _ => None,
    }
}

impl Rig {
    fn new(limits: Limits, reap: bool) -> Self {
        let epoch = Epoch::parse("epoch-0").unwrap();
        let store = NaiveStore::new(Room::new_record(&epoch, 1), reap);
        let model = Model::new(&epoch, limits);
        Self {
            room: Room::load(store.load(), &epoch, limits),
            store,
            durable: model.clone(),
            model,
            unreleased: Vec::new(),
            released: BTreeMap::new(),
            epochs: vec![epoch],
            ids: BTreeMap::new(),
            values: 0,
            now_ms: 1,
            limits,
        }
    }

    fn step(&mut self, step: Step) -> Outcome {
        self.now_ms += 1;
        match step {
            Step::Push { client, sent } => {
                let push = self.push_from(client, &sent, self.model.head());
                self.send(push, client.map(client_id))?;
            }
            Step::Repeat { client, back, sent } => {
                let id = self.ids.get(&client).copied().unwrap_or(1).saturating_sub(back).max(1);
                let mut push = self.push_from(None, &sent, self.model.head());
                push.id = Some(PushId(id));
                self.send(push, Some(client_id(client)))?;
            }
            Step::List { client, sent } => self.send_list(client, &sent)?,
            Step::Join { client, cursor } => self.join(client, cursor)?,
            Step::GetStream { key, after } => self.get_stream(&StreamKey::from(KEYS[key]), after)?,
            Step::ReadRoom { limit } => self.read_room(limit)?,
            Step::Keys { limit } => self.list_keys(limit)?,
            Step::Commit => self.commit()?,
            Step::Crash => self.crash()?,
            Step::Evict => {
                let epoch = self.room.epoch().clone();
                self.leave_and_return(&epoch)?;
            }
            Step::Restart => {
                let epoch = self.next_epoch();
                self.leave_and_return(&epoch)?;
            }
            Step::Pass { milliseconds } => self.now_ms += milliseconds,
        }
        prop_assert_eq!(self.room.head(), self.model.head());
        prop_assert_eq!(self.room.size(), self.model.size());
        prop_assert_eq!(self.room.key_count(), self.model.keys().len());
        prop_assert_eq!(self.room.closed(), self.model.closed());
        let (entries, bytes) = self.room.size();
        prop_assert!(entries <= self.limits.room_entries_max && bytes <= self.limits.room_bytes_max);
        prop_assert!(self.room.key_count() as u64 <= self.limits.room_keys_max);
        Ok(())
    }

    fn value(&mut self, bytes: usize) -> Value {
        self.values += 1;
        Value::from_json(&format!("[{},\"{}\"]", self.values, "x".repeat(bytes))).unwrap()
    }

    /// `head` is what the head will be when the push comes to be done.
    fn push_from(&mut self, client: Option<usize>, sent: &Sent, head: RoomSeq) -> Push {
        let key = StreamKey::from(KEYS[sent.key]);
        let seq = |place| match place {
            Place::Zero => RoomSeq::ZERO,
            Place::Head => head,
            Place::Ahead(by) => head.plus(by),
            Place::Floor => self.model.floor(&key),
            Place::AboveFloor => self.model.floor(&key).next(),
            Place::Retained(index) => {
                let stream = self.model.stream(&key);
                if stream.is_empty() { head } else { stream[index.index(stream.len())].0 }
            }
            Place::Anywhere(index) => RoomSeq(index.index(head.0 as usize + 1) as u64),
        };
        let action = match sent.kind {
            Kind::Append => Action::Append,
            Kind::Relay => Action::Relay,
            Kind::Replace => Action::Replace,
            Kind::Close => Action::Close,
            Kind::Compact(place) | Kind::Trim(place) => Action::Compact { seq: seq(place) },
        };
        let value = if matches!(sent.kind, Kind::Trim(_)) { None } else { Some(self.value(sent.bytes)) };
        let id = client.zip(sent.id).map(|(client, step)| {
            let id = self.ids.entry(client).or_default();
            *id = (*id + step).max(1);
            PushId(*id)
        });
        Push { key, value, action, id }
    }

    /// What a driver does before a push that needs to know its stream.
    fn survey(&mut self, push: &Push) -> Result<Option<Survey>, TestCaseError> {
        if self.room.survey_for(push).is_some() {
            self.commit()?;
        }
        Ok(self.room.survey_for(push).map(|range| self.store.survey(range)))
    }

    fn send(&mut self, push: Push, client: Option<ClientId>) -> Outcome {
        let survey = self.survey(&push)?;
        let before = (self.room.head(), self.room.size(), self.room.key_count());
        let command = Command::Push { push: push.clone(), client: client.clone(), survey };
        let effects = self.room.apply(command, self.now_ms);
        let expected = self.model.push(&push, client.as_ref(), self.now_ms);
        if matches!(expected[..], [Expected::Refused(..)]) {
            prop_assert_eq!(before, (self.room.head(), self.room.size(), self.room.key_count()));
        }
        self.compare(&effects, &expected)
    }

    fn send_list(&mut self, client: Option<usize>, sent: &[Sent]) -> Outcome {
        let mut pushes = Vec::new();
        let mut head = self.model.head();
        for sent in sent {
            let push = self.push_from(client, sent, head);
            head = if matches!(push.action, Action::Compact { .. }) { head } else { head.next() };
            pushes.push(push);
        }
        let mut surveyed = Vec::new();
        for push in &pushes {
            surveyed.push((push.clone(), self.survey(push)?));
        }
        let client = client.map(client_id);
        let mut model = self.model.clone();
        let expected = model.push_list(&pushes, client.as_ref(), self.now_ms);
        let effects = self.room.apply(Command::PushList { pushes: surveyed, client }, self.now_ms);
        let refused = refusal_of(&effects).map(|refusal| refusal.code);
        if matches!(refused, Some(Code::RoomFull | Code::TooManyKeys)) {
            // What a list frees on its way is not counted in advance: near the limits it may be refused early.
            return Ok(());
        }
        self.model = model;
        self.compare(&effects, &expected)
    }

    fn compare(&mut self, effects: &[Effect], expected: &[Expected]) -> Outcome {
        prop_assert_eq!(effects.len(), expected.len(), "{:?} instead of {:?}", effects, expected);
        for (effect, expected) in effects.iter().zip(expected) {
            match (effect, expected) {
                (
                    Effect::Reply(Reply::Message(ServerMessage::Error(refusal))),
                    Expected::Refused(code, id, key),
                ) => {
                    prop_assert_eq!(
                        (refusal.code, refusal.id, &refusal.key),
                        (*code, *id, &Some(key.clone()))
                    );
                }
                (effect, Expected::Effect(expected)) => prop_assert_eq!(effect, expected),
                _ => prop_assert!(false, "{:?} instead of {:?}", effect, expected),
            }
            if let Effect::Broadcast { entry, .. } = effect {
                self.unreleased.push(entry.clone());
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Outcome {
        let changes = self.room.take_changes(self.now_ms);
        self.store.commit(&changes);
        prop_assert!(self.room.take_changes(self.now_ms).is_empty(), "changes are taken once");
        self.committed()
    }

    /// Everything applied so far is durable: effects go out, and reads of the store must show the model.
    fn committed(&mut self) -> Outcome {
        for entry in self.unreleased.drain(..) {
            let seq = entry.seq;
            prop_assert!(seq <= self.store.record().reserved, "{seq} went out unreserved");
            let before = self.released.insert(seq, entry);
            prop_assert!(before.is_none(), "{seq} was given out twice");
        }
        self.durable = self.model.clone();
        let sums = self.store.check_sums();
        prop_assert!(sums.is_ok(), "{:?}", sums);
        Ok(())
    }

    fn next_epoch(&mut self) -> Epoch {
        let epoch = Epoch::parse(&format!("epoch-{}", self.epochs.len())).unwrap();
        self.epochs.push(epoch.clone());
        epoch
    }

    fn crash(&mut self) -> Outcome {
        let epoch = self.next_epoch();
        let highest = self.durable.head();
        self.unreleased.clear();
        self.room = Room::load(self.store.load(), &epoch, self.limits);
        prop_assert!(self.room.head() >= highest, "a number that went out would come again");
        prop_assert_eq!(self.room.head(), self.store.record().reserved);
        self.model = self.durable.clone();
        self.model.go_on(&epoch, self.room.head());
        // The take-over is committed before anything else is sent.
        self.commit()?;
        self.check_everything()
    }

    fn leave_and_return(&mut self, epoch: &Epoch) -> Outcome {
        let changes = self.room.retire(self.now_ms);
        self.store.commit(&changes);
        self.model.let_go();
        self.committed()?;
        let head = self.room.head();
        self.room = Room::load(self.store.load(), epoch, self.limits);
        prop_assert_eq!(self.room.head(), head, "a clean end loses no numbers");
        self.model.go_on(epoch, head);
        self.commit()?;
        self.check_everything()
    }

    fn check_everything(&mut self) -> Outcome {
        for key in KEYS {
            self.get_stream(&StreamKey::from(key), 0)?;
        }
        self.list_keys(2)?;
        self.read_room(2)
    }

    fn join(&mut self, client: Option<usize>, cursor: Option<(prop::sample::Index, u64)>) -> Outcome {
        let since = cursor.map(|(epoch, seq)| {
            let place = epoch.index(self.epochs.len() + 2);
            let unknown = || Epoch::parse("never-heard-of");
            let epoch = if place == 0 { None } else { self.epochs.get(place - 1).cloned().or_else(unknown) };
            Cursor { epoch, seq: RoomSeq(seq) }
        });
        let client = client.map(client_id);
        let command = Command::Join { since: since.clone(), client: client.clone(), list_keys: true };
        let effects = self.room.apply(command, self.now_ms);
        let [Effect::Reply(Reply::Joined(joined))] = &effects[..] else {
            return Err(TestCaseError::fail(format!("{effects:?}")));
        };
        prop_assert_eq!(&joined.epoch, self.epochs.last().unwrap());
        prop_assert_eq!((joined.head, joined.closed), (self.model.head(), self.model.closed()));
        prop_assert_eq!(joined.last_id, client.and_then(|client| self.model.last_id(&client)));
        let reset = since.as_ref().and_then(|cursor| self.model.refuses_cursor(cursor));
        prop_assert_eq!(joined.reset, reset, "{:?}", since);
        let from = since.map(|cursor| if reset.is_some() { RoomSeq::ZERO } else { cursor.seq });
        prop_assert_eq!(joined.since, from);
        let keys: Vec<_> = self.model.keys().into_iter().map(|summary| summary.key).collect();
        prop_assert_eq!(&joined.keys, &keys);
        Ok(())
    }

    fn get_stream(&mut self, key: &StreamKey, after: u64) -> Outcome {
        let after = RoomSeq(after);
        let effects =
            self.room.apply(Command::GetStream { key: key.clone(), after: Some(after) }, self.now_ms);
        let [Effect::Reply(Reply::ReadStream(read))] = &effects[..] else {
            return Err(TestCaseError::fail(format!("{effects:?}")));
        };
        self.commit()?;
        let expected: Vec<_> = self.model.stream(key).into_iter().filter(|(seq, _)| *seq > after).collect();
        prop_assert_eq!(self.store.read_stream(read), expected);
        Ok(())
    }

    fn read_room(&mut self, limit: u64) -> Outcome {
        let mut entries = Vec::new();
        let mut cursor = Cursor::START;
        loop {
            let command = Command::GetRoom { cursor: cursor.clone(), limit: Some(limit) };
            let effects = self.room.apply(command, self.now_ms);
            let [Effect::Reply(Reply::ReadRoom { read, epoch, reset: None })] = &effects[..] else {
                return Err(TestCaseError::fail(format!("{effects:?}")));
            };
            prop_assert_eq!(epoch, self.room.epoch());
            self.commit()?;
            let page = self.store.read_room(read);
            entries.extend(page.entries);
            let Some(next) = page.next else { break };
            prop_assert!(next > cursor.seq, "pages go on");
            cursor.seq = next;
        }
        prop_assert_eq!(entries, self.model.retained());
        Ok(())
    }

    fn list_keys(&mut self, limit: u64) -> Outcome {
        let mut found: Vec<KeySummary> = Vec::new();
        let mut after = None;
        loop {
            let effects = self.room.apply(Command::Keys { after, limit: Some(limit) }, self.now_ms);
            let [Effect::Reply(Reply::Message(ServerMessage::Keys { data, next }))] = &effects[..] else {
                return Err(TestCaseError::fail(format!("{effects:?}")));
            };
            prop_assert!(data.len() as u64 <= limit);
            found.extend(data.iter().cloned());
            after = next.clone();
            if after.is_none() {
                break;
            }
        }
        prop_assert_eq!(found, self.model.keys());
        Ok(())
    }
}

/// `PROPTEST_CASES` asks for more than the everyday run.
fn cases(everyday: u32) -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { everyday };
    ProptestConfig { cases, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_machine_and_the_model_cannot_be_told_apart(
        limits in limits(),
        reap in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut rig = Rig::new(limits, reap);
        for step in steps {
            rig.step(step)?;
        }
        rig.check_everything()?;
    }

}

proptest! {
    #![proptest_config(cases(40))]

    /// The room remembers the sizes of its last 1,024 rows; below those a compact needs a survey. Only the sums
    /// are checked here: the model is too slow for rooms of this size.
    #[test]
    fn compacts_far_behind_the_head_keep_the_sums_right(
        appended in 1_000..1_400u64,
        keys in 1..3u64,
        compacts in prop::collection::vec((0..2u64, any::<prop::sample::Index>(), any::<bool>()), 1..12),
    ) {
        let epoch = Epoch::parse("e").unwrap();
        let mut store = NaiveStore::new(Room::new_record(&epoch, 1), true);
        let mut room = Room::load(store.load(), &epoch, Limits::default());
        let push = |room: &mut Room, store: &mut NaiveStore, key: u64, action, trims: bool| {
            let value = (!trims).then(|| Value::from_json(&"1".repeat(1 + key as usize)).unwrap());
            let push = Push { key: StreamKey::from(key.to_string()), value, action, id: None };
            if room.survey_for(&push).is_some() {
                store.commit(&room.take_changes(1));
            }
            // Asked again: taking the changes moves the place from which on the room knows its rows.
            let survey = room.survey_for(&push).map(|range| store.survey(range));
            room.apply(Command::Push { push, client: None, survey }, 1);
        };
        for number in 0..appended {
            push(&mut room, &mut store, number % keys, Action::Append, false);
        }
        for (key, place, trims) in compacts {
            let seq = RoomSeq(place.index(room.head().0 as usize + 1) as u64);
            push(&mut room, &mut store, key, Action::Compact { seq }, trims);
            push(&mut room, &mut store, key, Action::Append, false);
            store.commit(&room.take_changes(1));
            let sums = store.check_sums();
            prop_assert!(sums.is_ok(), "{:?}", sums);
        }
    }
}
