//! The table of every persisted key. The ids and names here are on users' disks and in their backups: they
//! are never changed or given a second meaning. docs/format.md describes the same bytes in words.

use seabag_protocol::room::name::{ClientId, KeyNumber, RoomHash, RoomSeq};

use crate::store::RoomNumber;

pub(crate) mod accounts;

/// The version of everything in this file. A store of a later version is refused.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The oldest version that is brought up to [`FORMAT_VERSION`] when it is opened or restored: rooms alone.
pub(crate) const FIRST_VERSION: u32 = 1;

/// One ordered map of the engine. The discriminant is the id in backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Keyspace {
    /// A few counters of the store as a whole.
    Meta = 1,
    /// Room hash -> the room's number and record.
    Rooms = 2,
    /// Room number -> its hash and expiry bucket. A number without a row is fenced.
    Numbers = 3,
    /// Room, key number -> the stream's name and record.
    Keys = 4,
    /// Room, key number, seq -> encoding and value of an appended row; seq 0 is the base's slot.
    Streams = 5,
    /// Room, seq, key number -> nothing: the room's order of appended rows.
    Order = 6,
    /// Room, client id -> the client's record.
    Clients = 7,
    /// Room, key number -> up to where its rows are garbage; room alone -> all of it is.
    Garbage = 8,
    /// Bucket of time, room number -> the room's hash: when to look whether the room's time is up.
    Expiry = 9,
    /// Account's public key -> its number, times and counters.
    Accounts = 10,
    /// Account number -> its public key and lineage. A number without a row is fenced.
    AccountNumbers = 11,
    /// Account, bag's number -> length of its body, sealed head.
    BagHeads = 12,
    /// Account, bag's number -> its sealed body. No row for a delete, which has none.
    BagBodies = 13,
    /// Account, what tells the bag apart -> its number.
    BagIdentities = 14,
    /// Number of a removed account -> nothing: every row of it is garbage.
    AccountGarbage = 15,
}

impl Keyspace {
    /// All of them, in the order of their ids.
    pub(crate) const ALL: [Self; 15] = [
        Self::Meta,
        Self::Rooms,
        Self::Numbers,
        Self::Keys,
        Self::Streams,
        Self::Order,
        Self::Clients,
        Self::Garbage,
        Self::Expiry,
        Self::Accounts,
        Self::AccountNumbers,
        Self::BagHeads,
        Self::BagBodies,
        Self::BagIdentities,
        Self::AccountGarbage,
    ];

    /// The stable id.
    pub(crate) fn id(self) -> u8 {
        self as u8
    }

    /// The keyspace of an id; `None` for an id of another version.
    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|keyspace| keyspace.id() == id)
    }

    /// The format version that brought it: an older store has none yet.
    pub(crate) fn since(self) -> u32 {
        if self <= Self::Expiry { FIRST_VERSION } else { FORMAT_VERSION }
    }

    /// The name inside the engine, stable too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Rooms => "rooms",
            Self::Numbers => "numbers",
            Self::Keys => "keys",
            Self::Streams => "streams",
            Self::Order => "order",
            Self::Clients => "clients",
            Self::Garbage => "garbage",
            Self::Expiry => "expiry",
            Self::Accounts => "accounts",
            Self::AccountNumbers => "account-numbers",
            Self::BagHeads => "bag-heads",
            Self::BagBodies => "bag-bodies",
            Self::BagIdentities => "bag-identities",
            Self::AccountGarbage => "account-garbage",
        }
    }
}

/// `Meta`: the format version, u32 BE.
pub(crate) const META_FORMAT: &[u8] = b"format";
/// `Meta`: the number of the newest commit, u64 BE, written in every batch. No other key of any keyspace
/// has these bytes, so the row can be told in the engine's journal (journal.rs).
pub(crate) const META_COMMIT: &[u8] = b"commit";
/// `Meta`: the number that the next new room gets, u64 BE.
pub(crate) const META_NEXT_ROOM: &[u8] = b"next-room";
/// `Meta`: how many rooms there are, u64 BE.
pub(crate) const META_ROOMS: &[u8] = b"room-count";
/// `Meta`: the number that the next new account gets, u64 BE.
pub(crate) const META_NEXT_ACCOUNT: &[u8] = b"next-account";
/// `Meta`: how many accounts there are, u64 BE.
pub(crate) const META_ACCOUNTS: &[u8] = b"account-count";

/// The seq under which a stream's base lies. Appended rows begin at 1, so the slot sorts first.
pub(crate) const BASE_SLOT: RoomSeq = RoomSeq(0);

/// Milliseconds of one bucket of `Expiry`: how late a room's end may be noticed.
pub(crate) const EXPIRY_BUCKET_MS: u64 = 60_000;

/// Joins parts to one key.
fn join<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    parts.concat()
}

/// Key of `Rooms`.
pub(crate) fn room_key(hash: RoomHash) -> Vec<u8> {
    hash.0.to_vec()
}

/// Key of `Numbers`; the prefix of all of a room's keys in `Keys`, `Streams`, `Order`, `Clients` and
/// `Garbage`; the key of the whole-room marker in `Garbage`.
pub(crate) fn number_key(room: RoomNumber) -> Vec<u8> {
    room.0.to_be_bytes().to_vec()
}

/// Key of `Keys` and of a stream's row in `Garbage`.
pub(crate) fn stream_key(room: RoomNumber, key: KeyNumber) -> Vec<u8> {
    join([&room.0.to_be_bytes(), &key.0.to_be_bytes()])
}

/// Key of `Streams`.
pub(crate) fn row_key(room: RoomNumber, key: KeyNumber, seq: RoomSeq) -> Vec<u8> {
    join([&room.0.to_be_bytes(), &key.0.to_be_bytes(), &seq.0.to_be_bytes()])
}

/// Key of `Order`.
pub(crate) fn order_key(room: RoomNumber, seq: RoomSeq, key: KeyNumber) -> Vec<u8> {
    join([&room.0.to_be_bytes(), &seq.0.to_be_bytes(), &key.0.to_be_bytes()])
}

/// Key of `Clients`.
pub(crate) fn client_key(room: RoomNumber, client: &ClientId) -> Vec<u8> {
    join([&room.0.to_be_bytes(), client.as_str().as_bytes()])
}

/// Key of `Expiry`.
pub(crate) fn expiry_key(bucket: u64, room: RoomNumber) -> Vec<u8> {
    join([&bucket.to_be_bytes(), &room.0.to_be_bytes()])
}

/// The first key behind all keys that begin with `prefix`; `None` when there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn u64_at(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn u32_at(key: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Reads a number that fills its row or key.
pub(crate) fn read_u64(bytes: &[u8]) -> Option<u64> {
    if bytes.len() == 8 { u64_at(bytes, 0) } else { None }
}

/// Reads a key of `Numbers`, or a whole-room marker.
pub(crate) fn parse_number_key(key: &[u8]) -> Option<RoomNumber> {
    read_u64(key).map(RoomNumber)
}

/// Reads a key of `Keys` or a stream's row in `Garbage`.
pub(crate) fn parse_stream_key(key: &[u8]) -> Option<(RoomNumber, KeyNumber)> {
    if key.len() != 12 {
        return None;
    }
    Some((RoomNumber(u64_at(key, 0)?), KeyNumber(u32_at(key, 8)?)))
}

/// Reads a key of `Streams`.
pub(crate) fn parse_row_key(key: &[u8]) -> Option<(RoomNumber, KeyNumber, RoomSeq)> {
    if key.len() != 20 {
        return None;
    }
    Some((RoomNumber(u64_at(key, 0)?), KeyNumber(u32_at(key, 8)?), RoomSeq(u64_at(key, 12)?)))
}

/// Reads a key of `Order`.
pub(crate) fn parse_order_key(key: &[u8]) -> Option<(RoomNumber, RoomSeq, KeyNumber)> {
    if key.len() != 20 {
        return None;
    }
    Some((RoomNumber(u64_at(key, 0)?), RoomSeq(u64_at(key, 8)?), KeyNumber(u32_at(key, 16)?)))
}

/// Reads a key of `Clients`.
pub(crate) fn parse_client_key(key: &[u8]) -> Option<(RoomNumber, ClientId)> {
    let text = std::str::from_utf8(key.get(8..)?).ok()?;
    Some((RoomNumber(u64_at(key, 0)?), ClientId::parse(text).ok()?))
}

/// Reads a key of `Expiry`.
pub(crate) fn parse_expiry_key(key: &[u8]) -> Option<(u64, RoomNumber)> {
    if key.len() != 16 {
        return None;
    }
    Some((u64_at(key, 0)?, RoomNumber(u64_at(key, 8)?)))
}

/// Reads a key of `Rooms`.
pub(crate) fn parse_room_key(key: &[u8]) -> Option<RoomHash> {
    Some(RoomHash(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_of_keyspaces_are_as_they_were_first_released() {
        let table: Vec<_> = Keyspace::ALL.iter().map(|keyspace| (keyspace.id(), keyspace.name())).collect();
        let released = [
            (1, "meta"),
            (2, "rooms"),
            (3, "numbers"),
            (4, "keys"),
            (5, "streams"),
            (6, "order"),
            (7, "clients"),
            (8, "garbage"),
            (9, "expiry"),
            (10, "accounts"),
            (11, "account-numbers"),
            (12, "bag-heads"),
            (13, "bag-bodies"),
            (14, "bag-identities"),
            (15, "account-garbage"),
        ];
        assert_eq!(table, released);
        assert_eq!(Keyspace::from_id(9), Some(Keyspace::Expiry));
        assert_eq!(Keyspace::from_id(16), None);
    }

    #[test]
    fn keys_round_trip_and_sort_as_their_numbers() {
        let (room, key, seq) = (RoomNumber(7), KeyNumber(3), RoomSeq(1 << 40));
        assert_eq!(parse_row_key(&row_key(room, key, seq)), Some((room, key, seq)));
        assert_eq!(parse_order_key(&order_key(room, seq, key)), Some((room, seq, key)));
        assert_eq!(parse_stream_key(&stream_key(room, key)), Some((room, key)));
        assert_eq!(parse_expiry_key(&expiry_key(9, room)), Some((9, room)));
        assert!(row_key(room, key, BASE_SLOT) < row_key(room, key, RoomSeq(1)));
        assert!(row_key(room, KeyNumber(2), RoomSeq(255)) < row_key(room, KeyNumber(2), RoomSeq(256)));
        assert_eq!(parse_row_key(&number_key(room)), None, "a key of another shape is not read");
    }

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
    }
}
