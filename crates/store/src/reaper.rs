//! Deletes garbage in small steps between transactions: rows behind a floor, and all rows of removed rooms and
//! accounts.
//! It never runs ahead of its rate of rows and bytes, and never decides what is garbage: reads hid it already.

use std::time::{Duration, Instant};

use seabag_protocol::room::name::{KeyNumber, RoomSeq};

use crate::StoreError;
use crate::engine::{Batch, Rows};
use crate::layout::{self, Keyspace, prefix_end};
use crate::options::Options;
use crate::rows;
use crate::store::RoomNumber;

/// Most rows deleted in one step, so that a commit never waits long behind it.
const STEP_ROWS_MAX: usize = 256;
/// What a deletion costs beside the bytes that it frees.
const ROW_BYTES: u64 = 64;

/// The keyspaces that a removed room leaves rows in, in the order in which they are emptied.
const ROOM_KEYSPACES: &[Keyspace] = &[Keyspace::Keys, Keyspace::Clients, Keyspace::Order, Keyspace::Streams];
/// The same of a removed account.
const ACCOUNT_KEYSPACES: &[Keyspace] = &[Keyspace::BagIdentities, Keyspace::BagHeads, Keyspace::BagBodies];
/// Where garbage is listed.
const GARBAGE_KEYSPACES: [Keyspace; 2] = [Keyspace::Garbage, Keyspace::AccountGarbage];

/// What one step did.
pub(crate) enum Step {
    /// Deleted so many rows; there may be more.
    Reaped(u64),
    /// There is no garbage left.
    Done,
}

/// The garbage that is being deleted, and how far that has come. Lost at a restart, which begins it again.
enum Job {
    Stream { room: RoomNumber, key: KeyNumber, up_to: RoomSeq, from: Vec<u8> },
    Whole(Whole),
}

/// All rows of something that was removed.
struct Whole {
    /// The keyspaces that still hold rows of it.
    keyspaces: &'static [Keyspace],
    /// Where it is listed.
    garbage: Keyspace,
    /// With what its keys begin.
    prefix: Vec<u8>,
    /// Where to go on in the first keyspace.
    from: Vec<u8>,
}

/// The reaper.
pub(crate) struct Reaper {
    rows_per_second: u64,
    bytes_per_second: u64,
    /// When the next step is allowed; `None` while there is no garbage.
    due: Option<Instant>,
    job: Option<Job>,
    /// Where to look for the next garbage in each list, so that a look never walks over what was just deleted.
    positions: [Vec<u8>; GARBAGE_KEYSPACES.len()],
    /// Whether the present walk through the garbage began at its first row.
    whole_walk: bool,
}

impl Reaper {
    /// A reaper of this rate.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            rows_per_second: u64::from(options.reap_rows_per_second.max(1)),
            bytes_per_second: u64::from(options.reap_bytes_per_second.max(1)),
            due: Some(Instant::now()),
            job: None,
            positions: Default::default(),
            whole_walk: true,
        }
    }

    /// When the next step is allowed; `None` while there is nothing to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Tells it that there may be new garbage.
    pub(crate) fn wake(&mut self, garbage: bool) {
        if garbage {
            self.whole_walk = false;
            self.due = self.due.or_else(|| Some(Instant::now()));
        }
    }

    /// Adds the deletion of some garbage to a batch.
    pub(crate) fn step(
        &mut self,
        rows: &dyn Rows,
        batch: &mut Batch,
        now: Instant,
    ) -> Result<Step, StoreError> {
        let Some(job) = self.job.take().map_or_else(|| self.next_job(rows), |job| Ok(Some(job)))? else {
            self.due = None;
            return Ok(Step::Done);
        };
        let (mut reaped, mut bytes) = (0, 0);
        self.job = match job {
            Job::Stream { room, key, up_to, from } => {
                let next = reap_stream(rows, batch, (room, key, up_to), &from, &mut reaped, &mut bytes)?;
                if next.is_none() {
                    finish_stream(rows, batch, room, key, up_to)?;
                }
                next.map(|from| Job::Stream { room, key, up_to, from })
            }
            Job::Whole(whole) => reap_whole(rows, batch, whole, &mut reaped, &mut bytes)?.map(Job::Whole),
        };
        let bytes = bytes + reaped * ROW_BYTES;
        let by_rows = Duration::from_micros(reaped.saturating_mul(1_000_000) / self.rows_per_second);
        let by_bytes = Duration::from_micros(bytes.saturating_mul(1_000_000) / self.bytes_per_second);
        self.due = now.checked_add(by_rows.max(by_bytes));
        Ok(Step::Reaped(reaped))
    }

    /// Finds garbage, from where it last found some on; at the end it begins again, once.
    fn next_job(&mut self, rows: &dyn Rows) -> Result<Option<Job>, StoreError> {
        loop {
            for (keyspace, position) in GARBAGE_KEYSPACES.into_iter().zip(&mut self.positions) {
                if let Some(row) = rows.scan(keyspace, position, None).next() {
                    let (key, value) = row?;
                    *position = [key.as_ref(), &[0]].concat();
                    return job(keyspace, &key, &value).map(Some);
                }
            }
            if self.whole_walk {
                return Ok(None);
            }
            self.positions = Default::default();
            self.whole_walk = true;
        }
    }
}

/// What a row of a list of garbage asks for.
fn job(garbage: Keyspace, key: &[u8], value: &[u8]) -> Result<Job, StoreError> {
    if garbage == Keyspace::Garbage
        && let Some((room, number)) = layout::parse_stream_key(key)
    {
        let up_to = RoomSeq(rows::decode_u64(value, "garbage")?);
        let from = layout::row_key(room, number, RoomSeq(1));
        return Ok(Job::Stream { room, key: number, up_to, from });
    }
    if layout::read_u64(key).is_none() {
        return Err(StoreError::Damaged(format!("a key of {} has the wrong shape", garbage.name())));
    }
    let keyspaces = if garbage == Keyspace::Garbage { ROOM_KEYSPACES } else { ACCOUNT_KEYSPACES };
    Ok(Job::Whole(Whole { keyspaces, garbage, prefix: key.to_vec(), from: key.to_vec() }))
}

/// Deletes some rows of a stream up to a number, with their rows of the order. Returns where to go on.
fn reap_stream(
    rows: &dyn Rows,
    batch: &mut Batch,
    (room, key, up_to): (RoomNumber, KeyNumber, RoomSeq),
    from: &[u8],
    reaped: &mut u64,
    bytes: &mut u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let end = layout::row_key(room, key, up_to.next());
    for (step, row) in rows.scan(Keyspace::Streams, from, Some(&end)).enumerate() {
        let (row, value) = row?;
        if step == STEP_ROWS_MAX {
            return Ok(Some(row.to_vec()));
        }
        if let Some((.., seq)) = layout::parse_row_key(&row) {
            batch.delete(Keyspace::Order, layout::order_key(room, seq, key));
        }
        batch.delete(Keyspace::Streams, row.to_vec());
        *reaped += 1;
        *bytes += value.len() as u64;
    }
    Ok(None)
}

/// Drops the stream's garbage row, unless a later commit has raised it in the meantime.
fn finish_stream(
    rows: &dyn Rows,
    batch: &mut Batch,
    room: RoomNumber,
    key: KeyNumber,
    up_to: RoomSeq,
) -> Result<(), StoreError> {
    let garbage = layout::stream_key(room, key);
    if rows.get(Keyspace::Garbage, &garbage)?.is_some_and(|now| now == rows::encode_u64(up_to.0)) {
        batch.delete(Keyspace::Garbage, garbage);
    }
    Ok(())
}

/// Deletes some rows of what was removed, one keyspace after the other, the marker last. Returns what is left.
fn reap_whole(
    rows: &dyn Rows,
    batch: &mut Batch,
    mut whole: Whole,
    reaped: &mut u64,
    bytes: &mut u64,
) -> Result<Option<Whole>, StoreError> {
    let end = prefix_end(&whole.prefix);
    while let Some((keyspace, later)) = whole.keyspaces.split_first() {
        for row in rows.scan(*keyspace, &whole.from, end.as_deref()) {
            let (row, value) = row?;
            if *reaped >= STEP_ROWS_MAX as u64 {
                return Ok(Some(Whole { from: row.to_vec(), ..whole }));
            }
            batch.delete(*keyspace, row.to_vec());
            *reaped += 1;
            *bytes += value.len() as u64;
        }
        whole.keyspaces = later;
        whole.from.clone_from(&whole.prefix);
    }
    // Garbage of single streams goes with its room; so does the marker itself, which has the bare prefix.
    for row in rows.scan(whole.garbage, &whole.prefix, end.as_deref()) {
        batch.delete(whole.garbage, row?.0.to_vec());
    }
    Ok(None)
}
