//! Deletes garbage in small steps between transactions: rows behind a floor, and all rows of removed rooms.
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
const ROOM_KEYSPACES: [Keyspace; 4] = [Keyspace::Keys, Keyspace::Clients, Keyspace::Order, Keyspace::Streams];

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
    Room { room: RoomNumber, stage: usize, from: Vec<u8> },
}

/// The reaper.
pub(crate) struct Reaper {
    rows_per_second: u64,
    bytes_per_second: u64,
    /// When the next step is allowed; `None` while there is no garbage.
    due: Option<Instant>,
    job: Option<Job>,
    /// Where to look for the next garbage, so that a look never walks over what was just deleted.
    position: Vec<u8>,
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
            position: Vec::new(),
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
            Job::Room { room, stage, from } => {
                reap_room(rows, batch, room, stage, from, &mut reaped, &mut bytes)?
            }
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
            if let Some(row) = rows.scan(Keyspace::Garbage, &self.position, None).next() {
                let (key, value) = row?;
                self.position = [key.as_ref(), &[0]].concat();
                let misshapen = || StoreError::Damaged("a key of garbage has the wrong shape".into());
                if let Some((room, number)) = layout::parse_stream_key(&key) {
                    let up_to = RoomSeq(rows::decode_u64(&value, "garbage")?);
                    let from = layout::row_key(room, number, RoomSeq(1));
                    return Ok(Some(Job::Stream { room, key: number, up_to, from }));
                }
                let room = layout::parse_number_key(&key).ok_or_else(misshapen)?;
                return Ok(Some(Job::Room { room, stage: 0, from: key.to_vec() }));
            }
            if self.whole_walk {
                return Ok(None);
            }
            self.position.clear();
            self.whole_walk = true;
        }
    }
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

/// Deletes some rows of a removed room, one keyspace after the other, the marker last.
fn reap_room(
    rows: &dyn Rows,
    batch: &mut Batch,
    room: RoomNumber,
    mut stage: usize,
    mut from: Vec<u8>,
    reaped: &mut u64,
    bytes: &mut u64,
) -> Result<Option<Job>, StoreError> {
    let prefix = layout::number_key(room);
    let end = prefix_end(&prefix);
    while let Some(keyspace) = ROOM_KEYSPACES.get(stage) {
        for row in rows.scan(*keyspace, &from, end.as_deref()) {
            let (row, value) = row?;
            if *reaped >= STEP_ROWS_MAX as u64 {
                return Ok(Some(Job::Room { room, stage, from: row.to_vec() }));
            }
            batch.delete(*keyspace, row.to_vec());
            *reaped += 1;
            *bytes += value.len() as u64;
        }
        stage += 1;
        from.clone_from(&prefix);
    }
    // Garbage of single streams goes with the room; so does the marker itself, which has the bare prefix.
    for row in rows.scan(Keyspace::Garbage, &prefix, end.as_deref()) {
        batch.delete(Keyspace::Garbage, row?.0.to_vec());
    }
    Ok(None)
}
