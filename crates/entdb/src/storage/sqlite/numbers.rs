//! What links' numbers hold and what waits for links, in SQLite.

use rusqlite::{OptionalExtension, Row, params};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;

use super::{SqliteStorage, eid, hash, limit, optional_eid, signed, unsigned};
use crate::storage::{BagRow, BagState, OutboxRow, Which};
use crate::{Error, LinkId, Result};

const COLUMNS: &str = "SELECT seq, eid, state, hash, reason FROM bags";

pub(super) fn bag(storage: &SqliteStorage, link: LinkId, seq: BagSeq) -> Result<Option<BagRow>> {
    let sql = format!("{COLUMNS} WHERE link = ?1 AND seq = ?2");
    let rows = storage.rows(&sql, (link.0, signed(seq.0)?), read)?;
    Ok(rows.into_iter().next().map(|(_, row)| row))
}

pub(super) fn holders(storage: &SqliteStorage, link: LinkId, eid: &Eid, which: Which) -> Result<Vec<BagSeq>> {
    let sql = "SELECT seq FROM bags INDEXED BY bags_held
               WHERE state = 0 AND link = ?1 AND eid = ?2 AND hash = ?3 ORDER BY seq";
    let values = params![link.0, eid.as_bytes(), key(&which)];
    storage.rows(sql, values, |row| Ok(BagSeq(unsigned(row.get(0)?)?)))
}

pub(super) fn removable(
    storage: &SqliteStorage,
    link: LinkId,
    after: BagSeq,
    count: usize,
) -> Result<Vec<(BagSeq, BagRow)>> {
    let sql = format!(
        "{COLUMNS} INDEXED BY bags_removable
         WHERE link = ?1 AND state IN (1, 2) AND seq > ?2 ORDER BY seq LIMIT ?3"
    );
    storage.rows(&sql, (link.0, signed(after.0)?, limit(count)), read)
}

pub(super) fn held(
    storage: &SqliteStorage,
    link: LinkId,
    after: BagSeq,
    count: usize,
) -> Result<Vec<BagSeq>> {
    // In the order of the primary key: few are behind the place that is asked for.
    let sql = "SELECT seq FROM bags WHERE link = ?1 AND seq > ?2 AND state = 0 ORDER BY seq LIMIT ?3";
    let values = (link.0, signed(after.0)?, limit(count));
    storage.rows(sql, values, |row| Ok(BagSeq(unsigned(row.get(0)?)?)))
}

pub(super) fn unreadable(
    storage: &SqliteStorage,
    link: LinkId,
    count: usize,
) -> Result<Vec<(BagSeq, BagRow)>> {
    let sql =
        format!("{COLUMNS} INDEXED BY bags_unreadable WHERE link = ?1 AND state = 3 ORDER BY seq LIMIT ?2");
    storage.rows(&sql, (link.0, limit(count)), read)
}

pub(super) fn put_bag(storage: &SqliteStorage, link: LinkId, seq: BagSeq, row: &BagRow) -> Result<()> {
    let (state, hash, reason) = match &row.state {
        BagState::Holds(which) => (0, Some(key(which)), None),
        BagState::Superseded => (1, None, None),
        BagState::Damaged => (2, None, None),
        BagState::Unreadable(reason) => (3, None, Some(reason.as_str())),
    };
    storage.execute(
        "INSERT OR REPLACE INTO bags (link, seq, eid, state, hash, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![link.0, signed(seq.0)?, row.eid.as_ref().map(Eid::as_bytes), state, hash, reason],
    )
}

fn read(row: &Row<'_>) -> Result<(BagSeq, BagRow)> {
    let held: Option<Vec<u8>> = row.get(3)?;
    let state = match (row.get(2)?, held) {
        (0, Some(held)) => BagState::Holds(which(&held)?),
        (1, _) => BagState::Superseded,
        (2, _) => BagState::Damaged,
        (3, _) => BagState::Unreadable(row.get::<_, Option<String>>(4)?.unwrap_or_default()),
        _ => return Err(Error::Damaged("the state of a bag")),
    };
    Ok((BagSeq(unsigned(row.get(0)?)?), BagRow { eid: optional_eid(row.get_ref(1)?)?, state }))
}

pub(super) fn outbox(
    storage: &SqliteStorage,
    link: LinkId,
    after: u64,
    count: usize,
) -> Result<Vec<OutboxRow>> {
    let sql = "SELECT position, eid, hash FROM outbox INDEXED BY outbox_order
               WHERE link = ?1 AND position > ?2 ORDER BY position LIMIT ?3";
    storage.rows(sql, (link.0, signed(after)?, limit(count)), |row| {
        let held: Vec<u8> = row.get(2)?;
        Ok(OutboxRow { position: unsigned(row.get(0)?)?, eid: eid(row.get_ref(1)?)?, which: which(&held)? })
    })
}

pub(super) fn is_queued(storage: &SqliteStorage, link: LinkId, eid: &Eid, which: Which) -> Result<bool> {
    let mut statement = storage.prepare("SELECT 1 FROM outbox WHERE link = ?1 AND eid = ?2 AND hash = ?3")?;
    let found: Option<i64> =
        statement.query_row(params![link.0, eid.as_bytes(), key(&which)], |row| row.get(0)).optional()?;
    Ok(found.is_some())
}

pub(super) fn queue(storage: &SqliteStorage, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
    storage.execute(
        "INSERT INTO outbox (link, eid, hash) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![link.0, eid.as_bytes(), key(&which)],
    )
}

pub(super) fn unqueue(storage: &SqliteStorage, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
    storage.execute(
        "DELETE FROM outbox WHERE link = ?1 AND eid = ?2 AND hash = ?3",
        params![link.0, eid.as_bytes(), key(&which)],
    )
}

/// Which message a column says.
fn which(held: &[u8]) -> Result<Which> {
    Ok(if held.is_empty() { Which::Winner } else { Which::Logged(hash(held)?) })
}

/// Which message, as a column has it.
fn key(which: &Which) -> &[u8] {
    match which {
        Which::Winner => &[],
        Which::Logged(hash) => &hash.0,
    }
}
