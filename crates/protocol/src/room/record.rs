//! What the store keeps of a room, and the changes that a machine asks it to persist. Shapes only: the bytes
//! on disk are the store's business, the rules are the machine's.

use std::collections::BTreeMap;

use super::name::{ClientId, Epoch, KeyNumber, PushId, RoomSeq, StreamKey};
use super::value::Value;

/// The room as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomRecord {
    /// When the room was made, milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last written to or held in memory, milliseconds since 1970. Its time to live counts from here.
    pub touched_ms: u64,
    /// The greatest number of a stored entry, to tell a shortened history.
    pub stored: RoomSeq,
    /// No number above this was ever given out. Relays use numbers without being stored, so the reservation
    /// runs ahead: after a crash the room goes on above it.
    pub reserved: RoomSeq,
    /// How many entries the streams retain.
    pub entries: u64,
    /// How many bytes their values have.
    pub bytes: u64,
    /// The number that the next new key gets.
    pub next_key: u32,
    /// The highest floor of a forgotten key: at or below it, a compact of an unknown key is stale.
    pub forgotten_floor: RoomSeq,
    /// The room takes no more pushes.
    pub closed: bool,
    /// The epochs of its history, oldest first. The last one is open.
    pub lineage: Vec<EpochRecord>,
}

/// One epoch of a room's lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// Its name.
    pub epoch: Epoch,
    /// The last number up to which a cursor of this epoch is surely of this history. In the open epoch: were its
    /// owner to vanish now.
    pub last: RoomSeq,
}

/// One stream of a room. Its retained entries are the base, if any, and every appended row above both
/// `base` and `floor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The stream's number within the room.
    pub number: KeyNumber,
    /// Retained entries, the base included.
    pub count: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// At or below this number a compact is stale: the highest earlier compact, or the number before the last
    /// replace.
    pub floor: RoomSeq,
    /// The number of the entry that a replace or a compact put in front.
    pub base: Option<RoomSeq>,
    /// The lowest retained number; zero when nothing is retained.
    pub first: RoomSeq,
    /// The highest retained number; zero when nothing is retained.
    pub last: RoomSeq,
}

impl KeyRecord {
    /// Appended rows at or below this number are garbage.
    pub fn rows_after(&self) -> RoomSeq {
        self.base.unwrap_or_default().max(self.floor)
    }
}

/// The last push that a client is known to have made, for exactly-once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its id.
    pub last_id: PushId,
    /// The number it got; `None` when it was refused for good.
    pub seq: Option<RoomSeq>,
    /// When, milliseconds since 1970.
    pub used_ms: u64,
}

/// A room as the store found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    /// The room.
    pub record: RoomRecord,
    /// Its streams.
    pub keys: BTreeMap<StreamKey, KeyRecord>,
    /// The clients it remembers.
    pub clients: BTreeMap<ClientId, ClientRecord>,
}

/// What one commit writes. Within it every row is written once: later changes of a row replace earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The room's new record.
    pub room: Option<RoomRecord>,
    /// New records of streams; `None` forgets the stream. (A forgotten name that comes back gets a new number.)
    pub keys: BTreeMap<KeyNumber, KeyChange>,
    /// Appended rows.
    pub rows: BTreeMap<(KeyNumber, RoomSeq), Value>,
    /// New bases; `None` removes the base.
    pub bases: BTreeMap<KeyNumber, Option<(RoomSeq, Value)>>,
    /// Rows at or below this number are garbage: they may be deleted at leisure.
    pub garbage: BTreeMap<KeyNumber, RoomSeq>,
    /// New records of clients; `None` forgets the client.
    pub clients: BTreeMap<ClientId, Option<ClientRecord>>,
}

/// What becomes of a stream's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The stream's name.
    pub key: StreamKey,
    /// Its record; `None` when it was trimmed to nothing.
    pub record: Option<KeyRecord>,
}

impl Changes {
    /// Nothing to write.
    pub fn is_empty(&self) -> bool {
        self.room.is_none()
            && self.keys.is_empty()
            && self.rows.is_empty()
            && self.bases.is_empty()
            && self.garbage.is_empty()
            && self.clients.is_empty()
    }

    /// Rows to write.
    pub fn operations(&self) -> usize {
        usize::from(self.room.is_some())
            + self.keys.len()
            + self.rows.len()
            + self.bases.len()
            + self.garbage.len()
            + self.clients.len()
    }

    /// Bytes to write, about.
    pub fn bytes(&self) -> usize {
        let rows: usize = self.rows.values().map(Value::len).sum();
        let bases: usize = self.bases.values().flatten().map(|(_, value)| value.len()).sum();
        let keys: usize = self.keys.values().map(|change| change.key.as_str().len()).sum();
        rows + bases + keys + 64 * self.operations()
    }
}

/// One retained message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its stream.
    pub key: StreamKey,
    /// Its place in the room's order.
    pub seq: RoomSeq,
    /// What was sent.
    pub value: Value,
}

/// A read of one stream, as the machine planned it at its position. The driver serves it from a snapshot
/// that holds exactly what came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRead {
    /// The stream.
    pub key: StreamKey,
    /// Its record at that position; `None` for an unknown key, whose stream is empty.
    pub record: Option<KeyRecord>,
    /// Entries strictly above this are wanted.
    pub after: RoomSeq,
    /// The room's head at that position: nothing above it is part of the answer.
    pub head: RoomSeq,
}

/// A read of the whole room in order, one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRead {
    /// Entries strictly above this are wanted.
    pub after: RoomSeq,
    /// The room's head at that position.
    pub head: RoomSeq,
    /// The bases above `after` in order, as many as a page can hold. Bases have no row in the room's order on disk.
    pub bases: Vec<(RoomSeq, KeyNumber)>,
    /// Most entries.
    pub limit: usize,
    /// About the most bytes of values: the page ends behind the entry that passes it.
    pub bytes_max: usize,
}

/// One page of a room in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomPage {
    /// Ascending numbers. Two streams' entries may share a number (a compact may name any); a page never ends
    /// between such.
    pub entries: Vec<Entry>,
    /// Where the next page goes on (read after this number); `None` when this was the last.
    pub next: Option<RoomSeq>,
}

/// Asks how much of a stream lies above a number, for a compact: rows with `after < seq < before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyRange {
    /// The stream.
    pub number: KeyNumber,
    /// Rows strictly above this count.
    pub after: RoomSeq,
    /// Rows from here on are known to the machine itself.
    pub before: RoomSeq,
}

/// The answer to a [`SurveyRange`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many rows.
    pub count: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// The lowest number among them.
    pub first: Option<RoomSeq>,
}
