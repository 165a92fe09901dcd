//! The law of replays: what a reader makes of a replay and the pushes after it is what it would have made of
//! hearing everything from the start, whenever it joins, as long as compacts keep their contract.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{Cursor, Epoch, RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::value::Value;
use seabag_testing::naive_store::NaiveStore;

/// What a reader keeps of each stream: the sum of what was added to its last snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
struct Reader {
    sums: BTreeMap<StreamKey, i64>,
}

impl Reader {
    fn take(&mut self, entry: &Entry) {
        let text = String::from_utf8(entry.value.bytes().to_vec()).unwrap();
        let (kind, number): (String, i64) = serde_json::from_str(&text).unwrap();
        let sum = self.sums.entry(entry.key.clone()).or_default();
        *sum = if kind == "snapshot" { number } else { *sum + number };
    }
}

fn value(kind: &str, number: i64) -> Value {
    Value::from_json(&format!("[\"{kind}\",{number}]")).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, i64),
    Replace(usize, i64),
    /// A compact of this stream at some number up to the head.
    Compact(usize, prop::sample::Index),
    Relay(usize),
    /// A reader joins and reads pages of this many entries, one after each later step.
    Join(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3usize, -9..9i64).prop_map(|(key, number)| Step::Append(key, number)),
        1 => (0..3usize, -9..9i64).prop_map(|(key, number)| Step::Replace(key, number)),
        3 => (0..3usize, any::<prop::sample::Index>()).prop_map(|(key, place)| Step::Compact(key, place)),
        1 => (0..3usize).prop_map(Step::Relay),
        2 => (1..6u64).prop_map(Step::Join),
    ]
}

/// A reader that catches up page by page while the room goes on, then is live.
struct CatchingUp {
    reader: Reader,
    after: RoomSeq,
    limit: u64,
    live: bool,
}

struct Rig {
    room: Room,
    store: NaiveStore,
    /// Hears everything from the start.
    witness: Reader,
    /// All that was stored, for honest compacts.
    heard: Vec<Entry>,
    readers: Vec<CatchingUp>,
}

impl Rig {
    fn push(&mut self, key: usize, value: Value, action: Action) {
        let push = Push { key: StreamKey::from(["a", "b", "c"][key]), value: Some(value), action, id: None };
        let survey = self.room.survey_for(&push).map(|range| {
            self.store.commit(&self.room.take_changes(1));
            self.store.survey(range)
        });
        for effect in self.room.apply(Command::Push { push, client: None, survey }, 1) {
            let Effect::Broadcast { entry, stored: true } = effect else { continue };
            self.witness.take(&entry);
            for reader in self.readers.iter_mut().filter(|reader| reader.live) {
                reader.reader.take(&entry);
            }
            self.heard.push(entry);
        }
        self.store.commit(&self.room.take_changes(1));
    }

    /// A compact that keeps the contract: its value depends on the stream's messages up to its number only.
    fn compact(&mut self, key: usize, place: prop::sample::Index) {
        let seq = RoomSeq(place.index(self.room.head().0 as usize + 1) as u64);
        let name = StreamKey::from(["a", "b", "c"][key]);
        let mut reader = Reader::default();
        for entry in self.heard.iter().filter(|entry| entry.key == name && entry.seq <= seq) {
            reader.take(entry);
        }
        let sum = reader.sums.get(&name).copied().unwrap_or_default();
        self.push(key, value("snapshot", sum), Action::Compact { seq });
    }

    fn read_pages(&mut self) {
        for reader in self.readers.iter_mut().filter(|reader| !reader.live) {
            let cursor = Cursor { epoch: None, seq: reader.after };
            let effects = self.room.apply(Command::GetRoom { cursor, limit: Some(reader.limit) }, 1);
            let [Effect::Reply(Reply::ReadRoom { read, .. })] = &effects[..] else { panic!("{effects:?}") };
            let page = self.store.read_room(read);
            page.entries.iter().for_each(|entry| reader.reader.take(entry));
            match page.next {
                Some(next) => reader.after = next,
                None => reader.live = true,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_and_what_follows_it_equal_hearing_everything(steps in prop::collection::vec(step(), 1..80)) {
        let epoch = Epoch::parse("e").unwrap();
        let store = NaiveStore::new(Room::new_record(&epoch, 0), true);
        let room = Room::load(store.load(), &epoch, Limits::default());
        let mut rig =
            Rig { room, store, witness: Reader::default(), heard: Vec::new(), readers: Vec::new() };
        for step in steps {
            match step {
                Step::Append(key, number) => rig.push(key, value("add", number), Action::Append),
                Step::Replace(key, number) => rig.push(key, value("snapshot", number), Action::Replace),
                Step::Relay(key) => rig.push(key, value("add", 1_000), Action::Relay),
                Step::Compact(key, place) => rig.compact(key, place),
                Step::Join(limit) => rig.readers.push(CatchingUp {
                    reader: Reader::default(),
                    after: RoomSeq::ZERO,
                    limit,
                    live: false,
                }),
            }
            rig.read_pages();
        }
        while rig.readers.iter().any(|reader| !reader.live) {
            rig.read_pages();
        }
        let nonzero = |reader: &Reader| {
            let sums = reader.sums.iter().filter(|(_, sum)| **sum != 0);
            sums.map(|(key, sum)| (key.clone(), *sum)).collect::<Vec<_>>()
        };
        for reader in &rig.readers {
            prop_assert_eq!(nonzero(&reader.reader), nonzero(&rig.witness));
        }
    }
}
