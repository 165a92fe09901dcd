//! Reads of one state: loading a room, one stream, one page of a room's order; accounts and bags. They never show garbage, and
//! never guess: a row that should be there and is not is `Damaged`.

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;
use std::sync::Arc;

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::{AccountRecord, HeldBag};
use seabag_protocol::room::name::{KeyNumber, RoomHash, RoomSeq, StreamKey};
use seabag_protocol::room::record::{Entry, RoomPage, RoomRead, StoredRoom, StreamRead, Survey, SurveyRange};
use seabag_protocol::room::value::Value;

use crate::StoreError;
use crate::engine::{RowIter, Rows, scan_prefix};
use crate::layout::{self, BASE_SLOT, Keyspace};
use crate::rows;
use crate::store::{AccountNumber, RoomNumber, RoomSummary, Snapshot};

pub(crate) mod accounts;

/// A state of the engine, read as rooms.
pub(crate) struct StoreSnapshot(pub(crate) Arc<dyn Rows>);

impl Snapshot for StoreSnapshot {
    fn read_stream(&self, room: RoomNumber, read: &StreamRead) -> Result<Vec<(RoomSeq, Value)>, StoreError> {
        let Some(record) = &read.record else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        if let Some(base) = record.base.filter(|base| read.after < *base && *base <= read.head) {
            entries.push((base, read_base(&*self.0, room, record.number, base)?));
        }
        let after = read.after.max(record.rows_after());
        for row in scan_stream(&*self.0, room, record.number, after, read.head.next()) {
            let (key, value) = row?;
            let (.., seq) = layout::parse_row_key(&key).ok_or_else(|| misshapen("streams"))?;
            entries.push((seq, rows::decode_value(value)?));
        }
        Ok(entries)
    }

    fn read_room(&self, room: RoomNumber, read: &RoomRead) -> Result<RoomPage, StoreError> {
        PageReader::new(&*self.0, room, read).read()
    }

    fn survey(&self, room: RoomNumber, range: SurveyRange) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        for row in scan_stream(&*self.0, room, range.number, range.after, range.before) {
            let (key, value) = row?;
            let (.., seq) = layout::parse_row_key(&key).ok_or_else(|| misshapen("streams"))?;
            survey.first = survey.first.or(Some(seq));
            survey.count += 1;
            survey.bytes += rows::decode_value(value)?.len() as u64;
        }
        Ok(survey)
    }

    fn account(&self, key: &PublicKey) -> Result<Option<(AccountNumber, AccountRecord)>, StoreError> {
        accounts::account(&*self.0, key)
    }

    fn peek(
        &self,
        account: AccountNumber,
        after: BagSeq,
        items_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<PeekItem>, StoreError> {
        accounts::peek(&*self.0, account, after, items_max, bytes_max)
    }

    fn bodies(
        &self,
        account: AccountNumber,
        seqs: &[BagSeq],
        bytes_max: usize,
    ) -> Result<(Vec<PullItem>, usize), StoreError> {
        accounts::bodies(&*self.0, account, seqs, bytes_max)
    }

    fn find_bags(
        &self,
        account: AccountNumber,
        identities: &[BagIdentity],
    ) -> Result<Vec<Option<BagSeq>>, StoreError> {
        accounts::find_bags(&*self.0, account, identities)
    }

    fn held_bags(&self, account: AccountNumber, seqs: &[BagSeq]) -> Result<Vec<Option<HeldBag>>, StoreError> {
        accounts::held_bags(&*self.0, account, seqs)
    }
}

fn misshapen(keyspace: &str) -> StoreError {
    StoreError::Damaged(format!("a key of {keyspace} has the wrong shape"))
}

/// The appended rows of a stream strictly between two numbers.
fn scan_stream(
    rows: &dyn Rows,
    room: RoomNumber,
    key: KeyNumber,
    after: RoomSeq,
    before: RoomSeq,
) -> RowIter<'_> {
    let start = layout::row_key(room, key, after.next());
    rows.scan(Keyspace::Streams, &start, Some(&layout::row_key(room, key, before)))
}

fn read_base(
    rows: &dyn Rows,
    room: RoomNumber,
    key: KeyNumber,
    expected: RoomSeq,
) -> Result<Value, StoreError> {
    let row = rows.get(Keyspace::Streams, &layout::row_key(room, key, BASE_SLOT))?;
    let row = row.ok_or_else(|| StoreError::Damaged(format!("the base at {expected} is missing")))?;
    let (found, value) = rows::decode_base(row)?;
    if found != expected {
        return Err(StoreError::Damaged(format!("the base at {expected} is stored as {found}")));
    }
    Ok(value)
}

/// Reads one page: merges the plan's bases with the rows of the room's order.
struct PageReader<'a> {
    rows: &'a dyn Rows,
    room: RoomNumber,
    read: &'a RoomRead,
    /// Nothing above this may be in the page.
    horizon: RoomSeq,
    /// Whether the plan lists only some of the bases, so that more follow in any case.
    cut: bool,
    order: Peekable<RowIter<'a>>,
    bases: Peekable<std::slice::Iter<'a, (RoomSeq, KeyNumber)>>,
    streams: HashMap<KeyNumber, Option<Stream<'a>>>,
    /// Scans open in `streams`.
    scans: usize,
}

/// What a page knows of a stream that it met.
struct Stream<'a> {
    name: StreamKey,
    rows_after: RoomSeq,
    /// Rows of it in the page so far.
    met: usize,
    /// Its rows from some number on, once it pays to scan them rather than to look each up.
    scan: Option<RowIter<'a>>,
}

/// Rows of one stream in a page before the rest of it is scanned: a scan costs as much as a few look-ups.
const LOOK_UPS_BEFORE_SCAN: usize = 3;
/// Most scans that a page keeps open, each holding blocks in memory.
const SCANS_MAX: usize = 16;

impl<'a> PageReader<'a> {
    fn new(rows: &'a dyn Rows, room: RoomNumber, read: &'a RoomRead) -> Self {
        let cut = read.bases.len() >= read.limit.max(1);
        let last_base = read.bases.last().map_or(RoomSeq::ZERO, |(seq, _)| *seq);
        let horizon = if cut { read.head.min(last_base) } else { read.head };
        let start = layout::order_key(room, read.after.next(), KeyNumber(0));
        let end = layout::order_key(room, horizon.next(), KeyNumber(0));
        let order = rows.scan(Keyspace::Order, &start, Some(&end)).peekable();
        let bases = read.bases.iter().peekable();
        Self { rows, room, read, horizon, cut, order, bases, streams: HashMap::new(), scans: 0 }
    }

    fn read(mut self) -> Result<RoomPage, StoreError> {
        let (mut entries, mut bytes) = (Vec::<Entry>::new(), 0);
        while let Some((seq, key, is_base)) = self.peek()? {
            let full = entries.len() >= self.read.limit.max(1) || bytes >= self.read.bytes_max;
            let last = entries.last().map(|entry| entry.seq);
            if full && last.is_some_and(|last| last < seq) {
                return Ok(RoomPage { entries, next: last });
            }
            let value = if is_base { self.take_base(seq, key)? } else { self.take_row(seq, key)? };
            let name = self.stream(key)?.map(|stream| stream.name.clone());
            let key = name.ok_or_else(|| StoreError::Damaged(format!("the stream of {seq} is unknown")))?;
            bytes += value.len();
            entries.push(Entry { key, seq, value });
        }
        let next = entries.last().map(|entry| entry.seq).filter(|_| self.cut);
        Ok(RoomPage { entries, next })
    }

    /// The lowest entry that is not in the page yet, and whether it is a base. Steps over garbage.
    fn peek(&mut self) -> Result<Option<(RoomSeq, KeyNumber, bool)>, StoreError> {
        let (after, horizon) = (self.read.after, self.horizon);
        while self.bases.next_if(|(seq, _)| *seq <= after || *seq > horizon).is_some() {}
        let base = self.bases.peek().map(|(seq, key)| (*seq, *key));
        let row = self.peek_row()?;
        Ok(match (base, row) {
            (Some(base), Some(row)) if base <= row => Some((base.0, base.1, true)),
            (_, Some(row)) => Some((row.0, row.1, false)),
            (Some(base), None) => Some((base.0, base.1, true)),
            (None, None) => None,
        })
    }

    fn peek_row(&mut self) -> Result<Option<(RoomSeq, KeyNumber)>, StoreError> {
        loop {
            let key = match self.order.peek() {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.clone()),
                Some(Ok((key, _))) => key,
            };
            let (_, seq, key) = layout::parse_order_key(key).ok_or_else(|| misshapen("order"))?;
            if self.stream(key)?.is_some_and(|stream| stream.rows_after < seq) {
                return Ok(Some((seq, key)));
            }
            self.order.next();
        }
    }

    fn stream(&mut self, key: KeyNumber) -> Result<Option<&mut Stream<'a>>, StoreError> {
        if !self.streams.contains_key(&key) {
            let row = self.rows.get(Keyspace::Keys, &layout::stream_key(self.room, key))?;
            let known = row.map(|row| rows::decode_key(key, &row)).transpose()?;
            let stream = known.map(|(name, record)| Stream {
                name,
                rows_after: record.rows_after(),
                met: 0,
                scan: None,
            });
            self.streams.insert(key, stream);
        }
        Ok(self.streams.get_mut(&key).and_then(Option::as_mut))
    }

    fn take_base(&mut self, seq: RoomSeq, key: KeyNumber) -> Result<Value, StoreError> {
        self.bases.next();
        read_base(self.rows, self.room, key, seq)
    }

    fn take_row(&mut self, seq: RoomSeq, key: KeyNumber) -> Result<Value, StoreError> {
        self.order.next();
        let (rows, room, before) = (self.rows, self.room, self.horizon.next());
        let may_scan = self.scans < SCANS_MAX;
        let Some(stream) = self.stream(key)? else { return Err(missing(seq)) };
        stream.met += 1;
        let opens = stream.scan.is_none() && stream.met > LOOK_UPS_BEFORE_SCAN && may_scan;
        if opens {
            stream.scan = Some(scan_stream(rows, room, key, RoomSeq(seq.0.saturating_sub(1)), before));
        }
        let wanted = layout::row_key(room, key, seq);
        let found = match &mut stream.scan {
            None => rows.get(Keyspace::Streams, &wanted)?,
            Some(scan) => {
                scan.next().transpose()?.filter(|(key, _)| **key == *wanted).map(|(_, value)| value)
            }
        };
        self.scans += usize::from(opens);
        rows::decode_value(found.ok_or_else(|| missing(seq))?)
    }
}

fn missing(seq: RoomSeq) -> StoreError {
    StoreError::Damaged(format!("the row of {seq} is missing"))
}

/// Loads a room.
pub(crate) fn load(rows: &dyn Rows, hash: RoomHash) -> Result<Option<(RoomNumber, StoredRoom)>, StoreError> {
    let Some(row) = rows.get(Keyspace::Rooms, &layout::room_key(hash))? else { return Ok(None) };
    let (room, record) = rows::decode_room(&row)?;
    let prefix = layout::number_key(room);
    let mut keys = BTreeMap::new();
    for row in scan_prefix(rows, Keyspace::Keys, &prefix) {
        let (key, value) = row?;
        let (_, number) = layout::parse_stream_key(&key).ok_or_else(|| misshapen("keys"))?;
        let (name, record) = rows::decode_key(number, &value)?;
        if keys.insert(name, record).is_some() {
            return Err(StoreError::Damaged("two streams of a room have one name".into()));
        }
    }
    let mut clients = BTreeMap::new();
    for row in scan_prefix(rows, Keyspace::Clients, &prefix) {
        let (key, value) = row?;
        let (_, client) = layout::parse_client_key(&key).ok_or_else(|| misshapen("clients"))?;
        clients.insert(client, rows::decode_client(&value)?);
    }
    Ok(Some((room, StoredRoom { record, keys, clients })))
}

/// Rooms in order of their hashes.
pub(crate) fn rooms(
    rows: &dyn Rows,
    after: Option<RoomHash>,
    limit: usize,
) -> Result<Vec<RoomSummary>, StoreError> {
    let start = after.map_or_else(Vec::new, |hash| [hash.0.as_slice(), &[0]].concat());
    let summary = |row: Result<(bytes::Bytes, bytes::Bytes), StoreError>| {
        let (key, value) = row?;
        let hash = layout::parse_room_key(&key).ok_or_else(|| misshapen("rooms"))?;
        Ok(RoomSummary { hash, record: rows::decode_room(&value)?.1 })
    };
    rows.scan(Keyspace::Rooms, &start, None).take(limit).map(summary).collect()
}
