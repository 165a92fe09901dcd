//! What is to be written next: turns commits, creations and removals into rows, and checks them against what
//! is pending and what is stored. Refuses commits to rooms and accounts that are gone, or never were, as
//! `Fenced`.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;
use seabag_protocol::room::name::{RoomHash, RoomSeq};
use seabag_protocol::room::record::{Changes, RoomRecord};

use crate::StoreError;
use crate::engine::{Batch, Rows};
use crate::expiry::{self, Move};
use crate::layout::{self, BASE_SLOT, Keyspace};
use crate::rows;
use crate::store::{Commit, RoomNumber};
use accounts::Accounts;

mod accounts;

/// Rooms, or accounts, remembered in each of the two generations of a cache. Beyond, a commit looks its own up.
const CACHED_MAX: usize = 4_096;

/// What a commit has to know of its room.
#[derive(Clone, Copy)]
struct KnownRoom {
    hash: RoomHash,
    /// The reservation as it stands, to tell when a commit raises it.
    reserved: RoomSeq,
}

/// Rooms or accounts that were committed to lately. Bounded, however many there are: when the young generation is
/// full it becomes the old one, and what the old one held is looked up again.
struct Known<Number, What> {
    young: HashMap<Number, What>,
    old: HashMap<Number, What>,
}

impl<Number, What> Default for Known<Number, What> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<Number: Copy + Eq + Hash, What: Copy> Known<Number, What> {
    fn get(&mut self, number: Number) -> Option<What> {
        let known = self.young.get(&number).copied();
        known.or_else(|| self.old.remove(&number).inspect(|known| self.put(number, *known)))
    }

    fn put(&mut self, number: Number, known: What) {
        if self.young.len() >= CACHED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(number, known);
    }

    fn forget(&mut self, number: Number) {
        self.young.remove(&number);
        self.old.remove(&number);
    }
}

/// The pending transaction, and the counters that every transaction carries on.
pub(crate) struct Transaction {
    batch: Batch,
    known: Known<RoomNumber, KnownRoom>,
    commit_number: u64,
    next_room: u64,
    rooms: u64,
    accounts: Accounts,
    /// Something in it must be synced in every durability mode.
    must_sync: bool,
    /// It made garbage.
    garbage: bool,
}

impl Transaction {
    /// Goes on from what the engine holds. An engine without the counters is a new one.
    pub(crate) fn resume(rows: &dyn Rows) -> Result<Self, StoreError> {
        let counter = |key: &[u8], otherwise: u64| {
            let row = rows.get(Keyspace::Meta, key)?;
            row.map_or(Ok(otherwise), |row| rows::decode_u64(&row, "meta"))
        };
        Ok(Self {
            batch: Batch::default(),
            known: Known::default(),
            commit_number: counter(layout::META_COMMIT, 0)?,
            next_room: counter(layout::META_NEXT_ROOM, 1)?,
            rooms: counter(layout::META_ROOMS, 0)?,
            accounts: Accounts::new(
                counter(layout::META_NEXT_ACCOUNT, 1)?,
                counter(layout::META_ACCOUNTS, 0)?,
            ),
            must_sync: false,
            garbage: true,
        })
    }

    /// The newest commit number that was taken out.
    pub(crate) fn commit_number(&self) -> u64 {
        self.commit_number
    }

    /// How many rooms there are.
    pub(crate) fn rooms(&self) -> u64 {
        self.rooms
    }

    /// Takes out what is pending, with its commit number in it. `None` when nothing is.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        self.commit_number += 1;
        let number = rows::encode_u64(self.commit_number);
        self.batch.put(Keyspace::Meta, layout::META_COMMIT.to_vec(), number);
        Some(std::mem::take(&mut self.batch))
    }

    /// Writes something that changes nothing, so that the engine has a newer state.
    pub(crate) fn touch(&mut self) {
        self.batch.put(Keyspace::Meta, layout::META_ROOMS.to_vec(), rows::encode_u64(self.rooms));
    }

    /// For the reaper, which writes rows of its own.
    pub(crate) fn batch_mut(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Whether something since the last call must be synced in every durability mode.
    pub(crate) fn take_must_sync(&mut self) -> bool {
        std::mem::take(&mut self.must_sync)
    }

    /// Whether something since the last call made garbage. At first it may have been there before.
    pub(crate) fn take_garbage(&mut self) -> bool {
        std::mem::take(&mut self.garbage)
    }

    fn row(&self, stored: &dyn Rows, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.batch.get(keyspace, key).map_or_else(|| stored.get(keyspace, key), Ok)
    }

    fn room(&mut self, stored: &dyn Rows, room: RoomNumber) -> Result<KnownRoom, StoreError> {
        if let Some(known) = self.known.get(room) {
            return Ok(known);
        }
        let row = self.row(stored, Keyspace::Numbers, &layout::number_key(room))?;
        let (hash, _) = rows::decode_number(&row.ok_or(StoreError::Fenced)?)?;
        let row = self.row(stored, Keyspace::Rooms, &layout::room_key(hash))?;
        let lost = || StoreError::Damaged(format!("room {} has a number and no record", room.0));
        let (_, record) = rows::decode_room(&row.ok_or_else(lost)?)?;
        let known = KnownRoom { hash, reserved: record.reserved };
        self.known.put(room, known);
        Ok(known)
    }

    /// Adds a commit.
    pub(crate) fn commit(&mut self, stored: &dyn Rows, commit: Commit) -> Result<(), StoreError> {
        let known = self.room(stored, commit.room)?;
        self.add(commit.room, known, commit.changes);
        Ok(())
    }

    fn add(&mut self, room: RoomNumber, known: KnownRoom, changes: Changes) {
        if let Some(record) = &changes.room {
            let row = rows::encode_room(room, record);
            self.batch.put(Keyspace::Rooms, layout::room_key(known.hash), row);
            if record.reserved != known.reserved {
                self.must_sync |= record.reserved > known.reserved;
                self.known.put(room, KnownRoom { reserved: record.reserved, ..known });
            }
        }
        for (number, change) in &changes.keys {
            let row = change.record.as_ref().map(|record| rows::encode_key(&change.key, record));
            self.set(Keyspace::Keys, layout::stream_key(room, *number), row);
        }
        for ((number, seq), value) in &changes.rows {
            self.batch.put(
                Keyspace::Streams,
                layout::row_key(room, *number, *seq),
                rows::encode_value(value),
            );
            self.batch.put(Keyspace::Order, layout::order_key(room, *seq, *number), Bytes::new());
        }
        for (number, base) in &changes.bases {
            let row = base.as_ref().map(|(seq, value)| rows::encode_base(*seq, value));
            self.set(Keyspace::Streams, layout::row_key(room, *number, BASE_SLOT), row);
        }
        for (number, up_to) in &changes.garbage {
            self.garbage = true;
            let row = rows::encode_u64(up_to.0);
            self.batch.put(Keyspace::Garbage, layout::stream_key(room, *number), row);
        }
        for (client, record) in &changes.clients {
            let row = record.as_ref().map(rows::encode_client);
            self.set(Keyspace::Clients, layout::client_key(room, client), row);
        }
    }

    fn set(&mut self, keyspace: Keyspace, key: Vec<u8>, row: Option<Bytes>) {
        match row {
            Some(row) => self.batch.put(keyspace, key, row),
            None => self.batch.delete(keyspace, key),
        }
    }

    fn count_rooms(&mut self, rooms: u64) {
        self.rooms = rooms;
        self.batch.put(Keyspace::Meta, layout::META_ROOMS.to_vec(), rows::encode_u64(rooms));
        self.must_sync = true;
    }

    /// Adds the making of a room: its number, or `None` when there is one of this hash.
    pub(crate) fn create(
        &mut self,
        stored: &dyn Rows,
        hash: RoomHash,
        record: &RoomRecord,
    ) -> Result<Option<RoomNumber>, StoreError> {
        let key = layout::room_key(hash);
        if self.row(stored, Keyspace::Rooms, &key)?.is_some() {
            return Ok(None);
        }
        let room = RoomNumber(self.next_room);
        self.next_room += 1;
        let bucket = expiry::first_bucket(record);
        self.batch.put(Keyspace::Meta, layout::META_NEXT_ROOM.to_vec(), rows::encode_u64(self.next_room));
        self.batch.put(Keyspace::Rooms, key, rows::encode_room(room, record));
        self.batch.put(Keyspace::Numbers, layout::number_key(room), rows::encode_number(hash, bucket));
        self.batch.put(Keyspace::Expiry, layout::expiry_key(bucket, room), rows::encode_hash(hash));
        self.count_rooms(self.rooms + 1);
        self.known.put(room, KnownRoom { hash, reserved: record.reserved });
        Ok(Some(room))
    }

    /// Adds the removal of a room: whether there was one.
    pub(crate) fn remove(&mut self, stored: &dyn Rows, hash: RoomHash) -> Result<bool, StoreError> {
        let key = layout::room_key(hash);
        let Some(row) = self.row(stored, Keyspace::Rooms, &key)? else { return Ok(false) };
        let (room, _) = rows::decode_room(&row)?;
        let number = layout::number_key(room);
        if let Some(row) = self.row(stored, Keyspace::Numbers, &number)? {
            let (_, bucket) = rows::decode_number(&row)?;
            self.batch.delete(Keyspace::Expiry, layout::expiry_key(bucket, room));
        }
        self.batch.delete(Keyspace::Rooms, key);
        self.batch.delete(Keyspace::Numbers, number.clone());
        self.batch.put(Keyspace::Garbage, number, Bytes::new());
        self.count_rooms(self.rooms.saturating_sub(1));
        self.known.forget(room);
        self.garbage = true;
        Ok(true)
    }

    /// Moves rows of the expiry table, unless their rooms are gone or were moved since.
    pub(crate) fn reschedule(&mut self, stored: &dyn Rows, moves: &[Move]) -> Result<(), StoreError> {
        for Move { room, from, to } in moves {
            self.batch.delete(Keyspace::Expiry, layout::expiry_key(*from, *room));
            let number = layout::number_key(*room);
            let Some(row) = self.row(stored, Keyspace::Numbers, &number)? else { continue };
            let (hash, bucket) = rows::decode_number(&row)?;
            if bucket == *from {
                self.batch.put(Keyspace::Numbers, number, rows::encode_number(hash, *to));
                self.batch.put(Keyspace::Expiry, layout::expiry_key(*to, *room), rows::encode_hash(hash));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_of_rooms_stays_bounded_and_keeps_those_in_use() {
        let mut known = Known::default();
        for number in 0..100_000 {
            known.put(RoomNumber(number), KnownRoom { hash: RoomHash([0; 16]), reserved: RoomSeq::ZERO });
            assert!(known.get(RoomNumber(0)).is_some(), "a room in use stays, after {number} others");
        }
        assert!(known.young.len() + known.old.len() <= 2 * CACHED_MAX);
        known.forget(RoomNumber(0));
        assert!(known.get(RoomNumber(0)).is_none());
    }
}
