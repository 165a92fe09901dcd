//! A store of one room that does to plain maps exactly what `Changes` say, row by row, and derives nothing.
//! Real backends batch, share and reap; this one is what they are compared with.

use std::collections::BTreeMap;

use seabag_protocol::room::name::{ClientId, KeyNumber, RoomSeq, StreamKey};
use seabag_protocol::room::record::{
    Changes, ClientRecord, Entry, KeyRecord, RoomPage, RoomRead, RoomRecord, StoredRoom, StreamRead, Survey,
    SurveyRange,
};
use seabag_protocol::room::value::Value;

/// One stored room. A clone is a snapshot, and a backup.
#[derive(Clone, Debug)]
pub struct NaiveStore {
    record: RoomRecord,
    keys: BTreeMap<KeyNumber, (StreamKey, KeyRecord)>,
    rows: BTreeMap<(KeyNumber, RoomSeq), Value>,
    bases: BTreeMap<KeyNumber, (RoomSeq, Value)>,
    clients: BTreeMap<ClientId, ClientRecord>,
    /// Whether garbage is deleted at once or never: nobody may see a difference.
    reap: bool,
}

impl NaiveStore {
    /// A room that was just made.
    pub fn new(record: RoomRecord, reap: bool) -> Self {
        Self {
            record,
            keys: BTreeMap::new(),
            rows: BTreeMap::new(),
            bases: BTreeMap::new(),
            clients: BTreeMap::new(),
            reap,
        }
    }

    /// Writes one commit, all of it.
    pub fn commit(&mut self, changes: &Changes) {
        if let Some(record) = &changes.room {
            self.record = record.clone();
        }
        for (number, change) in &changes.keys {
            match &change.record {
                Some(record) => self.keys.insert(*number, (change.key.clone(), record.clone())),
                None => self.keys.remove(number),
            };
        }
        for (place, value) in &changes.rows {
            let before = self.rows.insert(*place, value.clone());
            assert!(before.is_none(), "row {place:?} was written twice");
        }
        for (number, base) in &changes.bases {
            match base {
                Some(base) => self.bases.insert(*number, base.clone()),
                None => self.bases.remove(number),
            };
        }
        if self.reap {
            for (number, up_to) in &changes.garbage {
                self.rows.retain(|(row, seq), _| row != number || seq > up_to);
            }
        }
        for (client, record) in &changes.clients {
            match record {
                Some(record) => self.clients.insert(client.clone(), *record),
                None => self.clients.remove(client),
            };
        }
    }

    /// The room, as a driver loads it.
    pub fn load(&self) -> StoredRoom {
        let mut keys = BTreeMap::new();
        for (key, record) in self.keys.values() {
            let before = keys.insert(key.clone(), record.clone());
            assert!(before.is_none(), "two streams are stored under the key {key:?}");
        }
        StoredRoom { record: self.record.clone(), keys, clients: self.clients.clone() }
    }

    /// The room's record.
    pub fn record(&self) -> &RoomRecord {
        &self.record
    }

    /// How many rows are stored, garbage included.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn retained(&self, number: KeyNumber, record: &KeyRecord) -> Vec<(RoomSeq, Value)> {
        let base = record.base.map(|seq| {
            let (stored, value) = self.bases.get(&number).expect("a stream with a base has one stored");
            assert_eq!(*stored, seq, "the stored base is not the stream's");
            (seq, value.clone())
        });
        let rows = self
            .rows
            .iter()
            .filter(|((row, seq), _)| *row == number && *seq > record.rows_after())
            .map(|((_, seq), value)| (*seq, value.clone()));
        base.into_iter().chain(rows).collect()
    }

    /// The answer to a read of one stream.
    pub fn read_stream(&self, read: &StreamRead) -> Vec<(RoomSeq, Value)> {
        let Some(record) = &read.record else { return Vec::new() };
        let wanted = |seq: &RoomSeq| *seq > read.after && *seq <= read.head;
        self.retained(record.number, record).into_iter().filter(|(seq, _)| wanted(seq)).collect()
    }

    /// One page of the room: appended rows from here, bases from the read, as a backend does it.
    pub fn read_room(&self, read: &RoomRead) -> RoomPage {
        let wanted = |seq: RoomSeq| seq > read.after && seq <= read.head;
        let mut found = Vec::new();
        for ((number, seq), value) in &self.rows {
            let Some((key, record)) = self.keys.get(number) else { continue };
            if wanted(*seq) && *seq > record.rows_after() {
                found.push(Entry { key: key.clone(), seq: *seq, value: value.clone() });
            }
        }
        for (seq, number) in &read.bases {
            let (key, _) = self.keys.get(number).expect("a base belongs to a stream");
            let (stored, value) = self.bases.get(number).expect("a base that the machine knows is stored");
            assert_eq!(stored, seq, "the stored base is not the machine's");
            if wanted(*seq) {
                found.push(Entry { key: key.clone(), seq: *seq, value: value.clone() });
            }
        }
        found.sort_by(|left, right| (left.seq, &left.key).cmp(&(right.seq, &right.key)));
        let total = found.len();
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for entry in found {
            let tied = entries.last().is_some_and(|last| last.seq == entry.seq);
            if !tied && (entries.len() >= read.limit || bytes >= read.bytes_max) {
                break;
            }
            bytes += entry.value.len();
            entries.push(entry);
        }
        // A full list of bases may have been cut off, so that there can be more than is seen here.
        let more = entries.len() < total || read.bases.len() >= read.limit;
        let next = if more { entries.last().map(|last| last.seq) } else { None };
        RoomPage { entries, next }
    }

    /// How much of a stream lies in a range.
    pub fn survey(&self, range: SurveyRange) -> Survey {
        let mut survey = Survey::default();
        for ((number, seq), value) in &self.rows {
            if *number == range.number && *seq > range.after && *seq < range.before {
                survey.count += 1;
                survey.bytes += value.len() as u64;
                survey.first = survey.first.or(Some(*seq));
            }
        }
        survey
    }

    /// Whether what is stored adds up: the sums of the records are those of what is retained.
    pub fn check_sums(&self) -> Result<(), String> {
        let (mut entries, mut bytes) = (0, 0);
        for (number, (key, record)) in &self.keys {
            let retained = self.retained(*number, record);
            let size: u64 = retained.iter().map(|(_, value)| value.len() as u64).sum();
            let found = (
                retained.len() as u64,
                size,
                retained.first().map(|(seq, _)| *seq).unwrap_or_default(),
                retained.last().map(|(seq, _)| *seq).unwrap_or_default(),
            );
            let kept = (record.count, record.bytes, record.first, record.last);
            if found != kept || record.count == 0 {
                return Err(format!("{key:?}: (count, bytes, first, last) is {found:?} but says {kept:?}"));
            }
            if record.number != *number || number.0 >= self.record.next_key {
                return Err(format!("{key:?} has the number {number:?} but says {record:?}"));
            }
            entries += record.count;
            bytes += record.bytes;
        }
        let kept = (self.record.entries, self.record.bytes);
        if (entries, bytes) != kept {
            return Err(format!("the room retains {:?} but says {kept:?}", (entries, bytes)));
        }
        if self.bases.len() != self.keys.values().filter(|(_, record)| record.base.is_some()).count() {
            return Err("a base is stored that no stream has".into());
        }
        Ok(())
    }
}
