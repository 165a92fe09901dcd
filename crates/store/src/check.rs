//! Verifies every row of a store against every other that it must agree with. It repairs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::room::name::{KeyNumber, RoomHash, RoomSeq};
use seabag_protocol::room::record::{KeyRecord, RoomRecord};

use crate::engine::{Rows, scan_prefix};
use crate::layout::{self, Keyspace, prefix_end};
use crate::options::Options;
use crate::store::RoomNumber;
use crate::tables::Depth;
use crate::{LocalStore, StoreError, opening, rows};

/// Most findings that are listed: the first ones say what is wrong.
const FINDINGS_MAX: usize = 1_000;

mod accounts;

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which room; `None` when in none or in the store as a whole.
    pub room: Option<RoomHash>,
    /// In which account; `None` when in none or in the store as a whole.
    pub account: Option<PublicKey>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(room) = self.room {
            write!(f, "room {}: ", room.to_hex())?;
        }
        if let Some(account) = self.account {
            f.write_str("account ")?;
            account.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)
    }
}

/// Checks the store in a directory that no process has open: what does not agree, at most a thousand findings.
/// Opens it as any start does, and is refused where a start is. Blocks.
pub fn check(path: &Path, options: &Options) -> Result<Vec<Finding>, StoreError> {
    let (engine, _) = opening::open(path, options, Depth::Everything)?;
    check_rows(&engine)
}

impl LocalStore {
    /// Checks the newest durable state, as [`check`] does. Blocks.
    pub fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check_rows(&*self.rows()?)
    }
}

fn check_rows(rows: &dyn Rows) -> Result<Vec<Finding>, StoreError> {
    let mut checker = Checker { rows, room: None, account: None, findings: Vec::new() };
    checker.store()?;
    checker.accounts()?;
    checker.findings.truncate(FINDINGS_MAX);
    Ok(checker.findings)
}

struct Checker<'a> {
    rows: &'a dyn Rows,
    room: Option<RoomHash>,
    account: Option<PublicKey>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds && self.findings.len() < FINDINGS_MAX {
            let (room, account) = (self.room, self.account);
            self.findings.push(Finding { room, account, problem: problem() });
        }
    }

    /// Passes a row on, or notes that it does not read back.
    fn read<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(row) => Ok(Some(row)),
            Err(StoreError::Damaged(problem)) => {
                self.expect(false, || problem);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn counter(&mut self, key: &[u8]) -> Result<u64, StoreError> {
        let row = self.rows.get(Keyspace::Meta, key)?;
        let read = self.read(row.map_or(Ok(0), |row| rows::decode_u64(&row, "meta")))?;
        Ok(read.unwrap_or_default())
    }

    fn store(&mut self) -> Result<(), StoreError> {
        let next_room = self.counter(layout::META_NEXT_ROOM)?;
        let mut numbers = BTreeSet::new();
        let mut count = 0;
        for row in self.rows.scan(Keyspace::Rooms, &[], None) {
            let (key, value) = row?;
            count += 1;
            let Some(hash) = layout::parse_room_key(&key) else {
                self.expect(false, || "a key of rooms has the wrong shape".into());
                continue;
            };
            self.room = Some(hash);
            if let Some((number, record)) = self.read(rows::decode_room(&value))? {
                self.expect(number.0 < next_room, || format!("its number {} was never given out", number.0));
                self.expect(numbers.insert(number), || {
                    format!("its number {} is another room's too", number.0)
                });
                self.number_row(hash, number)?;
                self.check_room(number, &record)?;
            }
            self.room = None;
        }
        let counted = self.counter(layout::META_ROOMS)?;
        self.expect(counted == count, || format!("{count} rooms are stored, {counted} are counted"));
        self.strays(&numbers)
    }

    /// Every room has one row in `numbers` and one in `expiry`.
    fn number_row(&mut self, hash: RoomHash, number: RoomNumber) -> Result<(), StoreError> {
        let Some(row) = self.rows.get(Keyspace::Numbers, &layout::number_key(number))? else {
            self.expect(false, || "its number has no row".into());
            return Ok(());
        };
        let Some((of, bucket)) = self.read(rows::decode_number(&row))? else { return Ok(()) };
        self.expect(of == hash, || "its number leads to another room".into());
        let row = self.rows.get(Keyspace::Expiry, &layout::expiry_key(bucket, number))?;
        let listed = row.is_some_and(|row| rows::decode_hash(&row).is_ok_and(|of| of == hash));
        self.expect(listed, || "it is not listed in its expiry bucket".into());
        Ok(())
    }

    fn check_room(&mut self, room: RoomNumber, record: &RoomRecord) -> Result<(), StoreError> {
        let prefix = layout::number_key(room);
        let (mut keys, mut names) = (BTreeMap::new(), BTreeSet::new());
        for row in scan_prefix(self.rows, Keyspace::Keys, &prefix) {
            let (key, value) = row?;
            let Some((_, number)) = layout::parse_stream_key(&key) else {
                self.expect(false, || "a key of keys has the wrong shape".into());
                continue;
            };
            let Some((name, key)) = self.read(rows::decode_key(number, &value))? else { continue };
            self.expect(names.insert(name), || format!("stream {} has the name of another", number.0));
            self.expect(number.0 < record.next_key, || format!("stream {} was never numbered", number.0));
            keys.insert(number, key);
        }
        self.streams(room, &keys)?;
        self.order(room)?;
        let (entries, bytes) = keys.values().fold((0, 0), |sum, key| (sum.0 + key.count, sum.1 + key.bytes));
        self.expect(entries == record.entries, || {
            format!("its record counts {} entries, its streams {entries}", record.entries)
        });
        self.expect(bytes == record.bytes, || {
            format!("its record counts {} bytes, its streams {bytes}", record.bytes)
        });
        let last = keys.values().map(|key| key.last).max().unwrap_or_default();
        self.expect(last <= record.stored, || {
            format!("entry {last} is above the last stored, {}", record.stored)
        });
        self.expect(record.stored <= record.reserved, || "entries are stored above its reservation".into());
        for row in scan_prefix(self.rows, Keyspace::Clients, &prefix) {
            let (key, value) = row?;
            let shape = layout::parse_client_key(&key).is_some();
            self.expect(shape, || "a key of clients has the wrong shape".into());
            self.read(rows::decode_client(&value))?;
        }
        Ok(())
    }

    /// Walks all rows of all streams of a room, the garbage included.
    fn streams(&mut self, room: RoomNumber, keys: &BTreeMap<KeyNumber, KeyRecord>) -> Result<(), StoreError> {
        let mut found: BTreeMap<KeyNumber, KeyRecord> = BTreeMap::new();
        let mut garbage: BTreeMap<KeyNumber, RoomSeq> = BTreeMap::new();
        for row in scan_prefix(self.rows, Keyspace::Streams, &layout::number_key(room)) {
            let (row_key, value) = row?;
            let Some((_, number, seq)) = layout::parse_row_key(&row_key) else {
                self.expect(false, || "a key of streams has the wrong shape".into());
                continue;
            };
            let record = keys.get(&number);
            let is_base = seq == layout::BASE_SLOT;
            let read = if is_base {
                rows::decode_base(value)
            } else {
                rows::decode_value(value).map(|value| (seq, value))
            };
            let Some((seq, value)) = self.read(read)? else { continue };
            if is_base {
                let known = record.is_some_and(|record| record.base == Some(seq));
                self.expect(known, || {
                    format!("stream {} has a base at {seq} that its record lacks", number.0)
                });
            } else {
                let ordered = self.rows.get(Keyspace::Order, &layout::order_key(room, seq, number))?;
                self.expect(ordered.is_some(), || format!("entry {seq} is missing in the room's order"));
                if record.is_none_or(|record| seq <= record.rows_after()) {
                    garbage.insert(number, seq);
                    continue;
                }
            }
            let sum = found.entry(number).or_insert_with(|| empty(number));
            (sum.count, sum.bytes) = (sum.count + 1, sum.bytes + value.len() as u64);
            sum.base = sum.base.or(Some(seq).filter(|_| is_base));
            (sum.first, sum.last) = (if sum.count == 1 { seq } else { sum.first }, seq);
        }
        for (number, record) in keys {
            let sum = found.remove(number).unwrap_or_else(|| empty(*number));
            let sum = KeyRecord { floor: record.floor, ..sum };
            self.expect(sum == *record, || {
                format!("stream {}: its record is {record:?}, its rows {sum:?}", number.0)
            });
            self.expect(record.count > 0, || format!("stream {} is empty and not forgotten", number.0));
        }
        for (number, last) in garbage {
            let row = self.rows.get(Keyspace::Garbage, &layout::stream_key(room, number))?;
            let up_to = self.read(row.map_or(Ok(0), |row| rows::decode_u64(&row, "garbage")))?;
            let listed = up_to.is_some_and(|up_to| last.0 <= up_to);
            self.expect(listed, || {
                format!("row {last} of stream {} is garbage that is not listed", number.0)
            });
        }
        Ok(())
    }

    /// Every row of the order has its row in `streams`.
    fn order(&mut self, room: RoomNumber) -> Result<(), StoreError> {
        for row in scan_prefix(self.rows, Keyspace::Order, &layout::number_key(room)) {
            let (key, _) = row?;
            let Some((_, seq, number)) = layout::parse_order_key(&key) else {
                self.expect(false, || "a key of order has the wrong shape".into());
                continue;
            };
            let row = self.rows.get(Keyspace::Streams, &layout::row_key(room, number, seq))?;
            self.expect(row.is_some(), || format!("the order names entry {seq}, which is missing"));
        }
        Ok(())
    }

    /// Rows of rooms that are not there must be garbage of removed rooms.
    fn strays(&mut self, numbers: &BTreeSet<RoomNumber>) -> Result<(), StoreError> {
        for row in self.rows.scan(Keyspace::Numbers, &[], None) {
            let number = layout::parse_number_key(&row?.0);
            let known = number.is_some_and(|number| numbers.contains(&number));
            self.expect(known, || format!("number {number:?} leads to no room"));
        }
        for row in self.rows.scan(Keyspace::Expiry, &[], None) {
            let (key, _) = row?;
            let Some((bucket, number)) = layout::parse_expiry_key(&key) else {
                self.expect(false, || "a key of expiry has the wrong shape".into());
                continue;
            };
            let row = self.rows.get(Keyspace::Numbers, &layout::number_key(number))?;
            let listed = row.is_some_and(|row| rows::decode_number(&row).is_ok_and(|(_, of)| of == bucket));
            self.expect(listed, || format!("the expiry of room number {} is stale", number.0));
        }
        for keyspace in [Keyspace::Keys, Keyspace::Streams, Keyspace::Order, Keyspace::Clients] {
            let known = |number| numbers.contains(&RoomNumber(number));
            self.strays_in(keyspace, Keyspace::Garbage, "a room", known)?;
        }
        Ok(())
    }

    /// Rows that begin with a number that is not known must belong to something whose whole is garbage.
    fn strays_in(
        &mut self,
        keyspace: Keyspace,
        garbage: Keyspace,
        of: &str,
        known: impl Fn(u64) -> bool,
    ) -> Result<(), StoreError> {
        let mut start = Vec::new();
        while let Some(row) = self.rows.scan(keyspace, &start, None).next() {
            let (key, _) = row?;
            let prefix = key.get(..8).unwrap_or(&key);
            let number = layout::read_u64(prefix);
            if !number.is_some_and(&known) {
                let removed = self.rows.get(garbage, prefix)?.is_some();
                let name = keyspace.name();
                self.expect(removed, || format!("{name} holds rows of {of} that is not there: {number:?}"));
            }
            let Some(next) = prefix_end(prefix) else { break };
            start = next;
        }
        Ok(())
    }
}

fn empty(number: KeyNumber) -> KeyRecord {
    let zero = RoomSeq::ZERO;
    KeyRecord { number, count: 0, bytes: 0, floor: zero, base: None, first: zero, last: zero }
}
