//! When to look whether a room's time is up. Each room has one row in a table of time buckets; only rows whose
//! bucket has passed are looked at, and then moved to where the room's record says, so that no room needs a
//! timer and no commit touches the table.

use seabag_protocol::room::name::RoomHash;
use seabag_protocol::room::record::RoomRecord;

use crate::StoreError;
use crate::engine::Rows;
use crate::layout::{self, EXPIRY_BUCKET_MS, Keyspace};
use crate::rows;
use crate::store::{Lifetime, RoomNumber};

/// How long a room that never expires is not looked at: a changed setting reaches it after this.
const NEVER_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Most rows that one call looks at, so that it stays short.
const LOOKED_AT_MAX: usize = 4_096;

/// A row of the expiry table to be moved to another bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// Whose row.
    pub(crate) room: RoomNumber,
    /// The bucket where it is.
    pub(crate) from: u64,
    /// The bucket where it belongs.
    pub(crate) to: u64,
}

/// The rooms whose time is up, and what is to be moved.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Rooms to remove.
    pub(crate) rooms: Vec<RoomHash>,
    /// Rows to move.
    pub(crate) moves: Vec<Move>,
}

fn bucket(time_ms: u64) -> u64 {
    time_ms / EXPIRY_BUCKET_MS
}

/// Where a new room's row goes. The room's lifetime is not known here, so it is looked at soon and moved.
pub(crate) fn first_bucket(record: &RoomRecord) -> u64 {
    bucket(record.touched_ms)
}

/// Looks at the rooms that may be due.
pub(crate) fn due(rows: &dyn Rows, now_ms: u64, lifetime: Lifetime, limit: usize) -> Result<Due, StoreError> {
    let mut due = Due::default();
    let today = bucket(now_ms);
    let end = layout::expiry_key(today.saturating_add(1), RoomNumber(0));
    for row in rows.scan(Keyspace::Expiry, &[], Some(&end)).take(LOOKED_AT_MAX) {
        if due.rooms.len() >= limit {
            break;
        }
        let (key, value) = row?;
        let misshapen = || StoreError::Damaged("a key of expiry has the wrong shape".into());
        let (from, room) = layout::parse_expiry_key(&key).ok_or_else(misshapen)?;
        let hash = rows::decode_hash(&value)?;
        let stored = rows.get(Keyspace::Rooms, &layout::room_key(hash))?;
        let stored = stored.map(|row| rows::decode_room(&row)).transpose()?;
        let record = stored.filter(|(number, _)| *number == room).map(|(_, record)| record);
        let ends = record.as_ref().map(|record| lifetime.ends_ms(record));
        let to = match ends {
            // Reported. Should the caller not remove it, it is looked at again, behind those that wait.
            Some(Some(ends)) if ends <= now_ms => {
                due.rooms.push(hash);
                today.saturating_add(1)
            }
            Some(Some(ends)) => bucket(ends).saturating_add(1).max(from.saturating_add(1)),
            Some(None) | None => bucket(now_ms.saturating_add(NEVER_MS)),
        };
        due.moves.push(Move { room, from, to });
    }
    Ok(due)
}
