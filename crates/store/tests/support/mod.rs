//! A naive room: what the store must show, kept in plain maps, with the changes that lead there. It follows the
//! rules of a room only as far as rows are concerned; it decides nothing that clients see.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(dead_code, unreachable_pub, reason = "every test binary uses another part")]

pub mod accounts;
pub mod furnish;
pub mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use seabag_protocol::room::name::{ClientId, Epoch, KeyNumber, PushId, RoomHash, RoomSeq, StreamKey};
use seabag_protocol::room::record::{
    Changes, ClientRecord, Entry, EpochRecord, KeyChange, KeyRecord, RoomRead, RoomRecord, StreamRead,
    SurveyRange,
};
use seabag_protocol::room::value::Value;
use seabag_store::{Commit, Committed, RoomNumber, Snapshot, Store};

/// A JSON value with this text in it.
pub fn value(text: &str) -> Value {
    Value::from_json(&format!("{text:?}")).unwrap()
}

/// A hash that is told apart by one number.
pub fn hash(number: u64) -> RoomHash {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    RoomHash(bytes)
}

/// A client id that is told apart by one number.
pub fn client(number: u64) -> ClientId {
    ClientId::parse(&format!("client-{number:016}")).unwrap()
}

/// A new room's record.
pub fn record(now_ms: u64) -> RoomRecord {
    let epoch = Epoch::parse("first").unwrap();
    let lineage = vec![EpochRecord { epoch, last: RoomSeq::ZERO }];
    RoomRecord { created_ms: now_ms, touched_ms: now_ms, lineage, ..RoomRecord::default() }
}

#[derive(Clone, Debug, Default)]
pub struct ModelStream {
    pub number: KeyNumber,
    pub base: Option<(RoomSeq, Value)>,
    pub rows: BTreeMap<RoomSeq, Value>,
    pub floor: RoomSeq,
}

impl ModelStream {
    pub fn entries(&self) -> impl Iterator<Item = (RoomSeq, &Value)> {
        let base = self.base.iter().map(|(seq, value)| (*seq, value));
        base.chain(self.rows.iter().map(|(seq, value)| (*seq, value)))
    }

    pub fn record(&self) -> KeyRecord {
        KeyRecord {
            number: self.number,
            count: self.entries().count() as u64,
            bytes: self.entries().map(|(_, value)| value.len() as u64).sum(),
            floor: self.floor,
            base: self.base.as_ref().map(|(seq, _)| *seq),
            first: self.entries().next().map_or(RoomSeq::ZERO, |(seq, _)| seq),
            last: self.entries().last().map_or(RoomSeq::ZERO, |(seq, _)| seq),
        }
    }
}

/// A room as it should be.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub number: RoomNumber,
    pub record: RoomRecord,
    pub head: RoomSeq,
    pub keys: BTreeMap<StreamKey, ModelStream>,
    pub clients: BTreeMap<ClientId, ClientRecord>,
}

impl Model {
    /// Makes the room in the store and here.
    pub async fn create(store: &dyn Store, room: RoomHash) -> Self {
        let record = record(1_000);
        let number = store.create(room, record.clone()).await.unwrap().expect("there is none yet");
        Self { number, record, ..Self::default() }
    }

    fn stream(&mut self, key: &str) -> &mut ModelStream {
        let next = &mut self.record.next_key;
        self.keys.entry(key.into()).or_insert_with(|| {
            *next += 1;
            ModelStream { number: KeyNumber(*next - 1), ..ModelStream::default() }
        })
    }

    /// The changes of the room's and the stream's records after an action on it.
    fn records(&mut self, key: &str, changes: &mut Changes) {
        if let Some(stream) = self.keys.get(key) {
            let empty = stream.entries().next().is_none();
            let record = (!empty).then(|| stream.record());
            let change = KeyChange { key: key.into(), record };
            changes.keys.insert(stream.number, change);
            if empty {
                self.record.forgotten_floor = self.record.forgotten_floor.max(stream.floor);
                self.keys.remove(key);
            }
        }
        let entries = self.keys.values().flat_map(|stream| stream.entries());
        (self.record.entries, self.record.bytes) =
            entries.fold((0, 0), |(count, bytes), (_, value)| (count + 1, bytes + value.len() as u64));
        self.record.reserved = self.record.reserved.max(RoomSeq(self.head.0.next_multiple_of(1_000)));
        changes.room = Some(self.record.clone());
    }

    pub fn append(&mut self, key: &str, value: Value) -> Changes {
        self.head = self.head.next();
        let seq = self.head;
        let stream = self.stream(key);
        let number = stream.number;
        stream.rows.insert(seq, value.clone());
        self.record.stored = seq;
        let mut changes = Changes::default();
        changes.rows.insert((number, seq), value);
        self.records(key, &mut changes);
        changes
    }

    pub fn relay(&mut self) {
        self.head = self.head.next();
    }

    pub fn replace(&mut self, key: &str, value: Value) -> Changes {
        self.head = self.head.next();
        let seq = self.head;
        let stream = self.stream(key);
        let number = stream.number;
        let floor = RoomSeq(seq.0 - 1);
        let mut changes = Changes::default();
        if !stream.rows.is_empty() {
            changes.garbage.insert(number, floor);
        }
        (stream.floor, stream.base) = (floor, Some((seq, value.clone())));
        stream.rows.clear();
        self.record.stored = seq;
        changes.bases.insert(number, Some((seq, value)));
        self.records(key, &mut changes);
        changes
    }

    /// Empty changes when the compact is stale or the key unknown.
    pub fn compact(&mut self, key: &str, seq: RoomSeq, value: Option<Value>) -> Changes {
        let mut changes = Changes::default();
        let Some(stream) = self.keys.get_mut(key) else { return changes };
        if seq <= stream.floor || seq > self.head {
            return changes;
        }
        stream.floor = seq;
        stream.rows.retain(|row, _| *row > seq);
        let had_base = stream.base.is_some();
        stream.base = value.map(|value| (seq, value));
        changes.garbage.insert(stream.number, seq);
        if had_base || stream.base.is_some() {
            changes.bases.insert(stream.number, stream.base.clone());
        }
        self.records(key, &mut changes);
        changes
    }

    pub fn remember(&mut self, id: ClientId, record: Option<ClientRecord>) -> Changes {
        match record {
            Some(record) => self.clients.insert(id.clone(), record),
            None => self.clients.remove(&id),
        };
        Changes { clients: BTreeMap::from([(id, record)]), ..Changes::default() }
    }

    pub fn commit(&self, changes: Changes) -> Commit {
        Commit { room: self.number, changes, snapshot: false }
    }

    /// All entries, in the room's order.
    pub fn entries(&self) -> Vec<Entry> {
        let of = |(key, stream): (&StreamKey, &ModelStream)| {
            let entry = |(seq, value): (RoomSeq, &Value)| {
                (seq, stream.number, Entry { key: key.clone(), seq, value: value.clone() })
            };
            stream.entries().map(entry).collect::<Vec<_>>()
        };
        let mut entries: Vec<_> = self.keys.iter().flat_map(of).collect();
        entries.sort_by_key(|(seq, number, _)| (*seq, *number));
        entries.into_iter().map(|(.., entry)| entry).collect()
    }

    pub fn plan_stream(&self, key: &str, after: u64) -> StreamRead {
        let record = self.keys.get(key).map(ModelStream::record);
        StreamRead { key: key.into(), record, after: RoomSeq(after), head: self.head }
    }

    /// A page's plan, with as many bases as fill it, never cut between equal numbers.
    pub fn plan_room(&self, after: RoomSeq, limit: usize, bytes_max: usize) -> RoomRead {
        let base = |stream: &ModelStream| stream.base.as_ref().map(|(seq, _)| (*seq, stream.number));
        let all: BTreeSet<_> = self.keys.values().filter_map(base).filter(|(seq, _)| *seq > after).collect();
        let last = all.iter().nth(limit.saturating_sub(1)).map(|(seq, _)| *seq);
        let bases = all.into_iter().filter(|(seq, _)| last.is_none_or(|last| *seq <= last)).collect();
        RoomRead { after, head: self.head, bases, limit, bytes_max }
    }

    /// Compares everything that a snapshot can show of the room with the model.
    pub fn check(&self, snapshot: &dyn Snapshot) {
        for (key, stream) in &self.keys {
            for after in [0, stream.floor.0, self.head.0 / 2, self.head.0] {
                let found =
                    snapshot.read_stream(self.number, &self.plan_stream(key.as_str(), after)).unwrap();
                let expected: Vec<_> = stream.entries().filter(|(seq, _)| seq.0 > after).collect();
                let found: Vec<_> = found.iter().map(|(seq, value)| (*seq, value)).collect();
                assert_eq!(found, expected, "stream {key:?} after {after}");
            }
            let rows_after = stream.record().rows_after();
            let range = SurveyRange { number: stream.number, after: rows_after, before: self.head.next() };
            let survey = snapshot.survey(self.number, range).unwrap();
            assert_eq!(survey.count, stream.rows.len() as u64);
            assert_eq!(survey.bytes, stream.rows.values().map(|value| value.len() as u64).sum::<u64>());
            assert_eq!(survey.first, stream.rows.keys().next().copied());
        }
        for (limit, bytes_max) in [(1, usize::MAX), (3, usize::MAX), (1_000, 40), (1_000, usize::MAX)] {
            self.check_pages(snapshot, limit, bytes_max);
        }
    }

    /// Walks through all pages of the room.
    pub fn check_pages(&self, snapshot: &dyn Snapshot, limit: usize, bytes_max: usize) {
        let (mut after, mut found) = (RoomSeq::ZERO, Vec::<Entry>::new());
        loop {
            let page = snapshot.read_room(self.number, &self.plan_room(after, limit, bytes_max)).unwrap();
            let numbers: BTreeSet<_> = page.entries.iter().map(|entry| entry.seq).collect();
            let before_last = page.entries.iter().filter(|entry| Some(&entry.seq) < numbers.last());
            let bytes: usize = before_last.clone().map(|entry| entry.value.len()).sum();
            assert!(
                before_last.count() < limit && (bytes < bytes_max || numbers.len() == 1),
                "too long a page"
            );
            found.extend(page.entries);
            let Some(next) = page.next else { break };
            assert_eq!(
                Some(next),
                found.last().map(|entry| entry.seq),
                "the next page goes on behind this one"
            );
            assert!(next > after);
            after = next;
        }
        assert_eq!(found, self.entries(), "pages of {limit}, {bytes_max} bytes");
    }

    /// Loads the room and compares all of it.
    pub async fn check_loaded(&self, store: &dyn Store, room: RoomHash) {
        let (number, stored) = store.load(room).await.unwrap().expect("the room is there");
        assert_eq!(number, self.number);
        assert_eq!(stored.record, self.record);
        assert_eq!(stored.clients, self.clients);
        let keys: BTreeMap<_, _> =
            self.keys.iter().map(|(key, stream)| (key.clone(), stream.record())).collect();
        assert_eq!(stored.keys, keys);
        self.check(&*store.snapshot());
    }
}

/// Submits a commit and waits until it is durable.
pub async fn commit(store: &dyn Store, commit: Commit) -> Committed {
    store.submit(commit).await.unwrap().await.unwrap()
}

/// Commits changes and takes the snapshot behind them.
pub async fn commit_snapshot(store: &dyn Store, room: &Model, changes: Changes) -> Arc<dyn Snapshot> {
    let asked = Commit { snapshot: true, ..room.commit(changes) };
    commit(store, asked).await.snapshot.expect("a snapshot was asked for")
}

/// A client's record.
pub fn client_record(last_id: u64) -> ClientRecord {
    ClientRecord { last_id: PushId(last_id), seq: Some(RoomSeq(last_id)), used_ms: 5 }
}
