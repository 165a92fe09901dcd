//! Messages besides entities' states, in SQLite.

use bytes::Bytes;
use rusqlite::{Row, params};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHash;

use super::{SqliteStorage, eid, hash, limit, signed, unsigned};
use crate::Result;
use crate::storage::{Aside, LogKey, LogRow};

const COLUMNS: &str = "SELECT eid, late, counter, hash, body, reason, reader FROM log";

pub(super) fn logged(storage: &SqliteStorage, eid: &Eid, hash: MessageHash) -> Result<Option<LogRow>> {
    let sql = format!("{COLUMNS} INDEXED BY log_hash WHERE hash = ?1 AND eid = ?2");
    Ok(storage.rows(&sql, (&hash.0[..], eid.as_bytes()), read)?.into_iter().next())
}

pub(super) fn aside_of(storage: &SqliteStorage, eid: &Eid) -> Result<Vec<LogRow>> {
    let sql = format!(
        "{COLUMNS} INDEXED BY log_aside WHERE reason IS NOT NULL AND eid = ?1 ORDER BY late, counter, hash"
    );
    storage.rows(&sql, [eid.as_bytes()], read)
}

pub(super) fn past_of(storage: &SqliteStorage, eid: &Eid, count: usize) -> Result<Vec<LogRow>> {
    let sql = format!(
        "{COLUMNS} WHERE eid = ?1 AND reason IS NULL
         ORDER BY late DESC, counter DESC, hash DESC LIMIT ?2"
    );
    storage.rows(&sql, (eid.as_bytes(), limit(count)), read)
}

pub(super) fn log(storage: &SqliteStorage, after: Option<&LogKey>, count: usize) -> Result<Vec<LogRow>> {
    let (bytes, late, counter, hash) = parts(after)?;
    let sql = format!(
        "{COLUMNS} WHERE (eid, late, counter, hash) > (?1, ?2, ?3, ?4)
         ORDER BY eid, late, counter, hash LIMIT ?5"
    );
    storage.rows(&sql, params![bytes, late, counter, hash, limit(count)], read)
}

pub(super) fn aside(
    storage: &SqliteStorage,
    below: u32,
    after: Option<&LogKey>,
    count: usize,
) -> Result<Vec<LogRow>> {
    let (bytes, late, counter, hash) = parts(after)?;
    let sql = format!(
        "{COLUMNS} INDEXED BY log_aside
         WHERE reason IS NOT NULL AND reader < ?5 AND (eid, late, counter, hash) > (?1, ?2, ?3, ?4)
         ORDER BY eid, late, counter, hash LIMIT ?6"
    );
    storage.rows(&sql, params![bytes, late, counter, hash, below, limit(count)], read)
}

pub(super) fn counts(storage: &SqliteStorage) -> Result<(u64, u64)> {
    let all = storage.number("SELECT count(*) FROM log", [])?;
    let aside =
        storage.number("SELECT count(*) FROM log INDEXED BY log_aside WHERE reason IS NOT NULL", [])?;
    Ok((all.saturating_sub(aside), aside))
}

pub(super) fn put(storage: &SqliteStorage, row: &LogRow) -> Result<()> {
    let LogKey { eid, offset_ms, counter, hash } = &row.key;
    let aside = row.aside.as_ref();
    storage.execute(
        "INSERT OR REPLACE INTO log (eid, late, counter, hash, body, reason, reader)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            eid.as_bytes(),
            signed(*offset_ms)?,
            signed(*counter)?,
            &hash.0[..],
            row.body.as_deref(),
            aside.map(|aside| aside.reason.as_str()),
            aside.map(|aside| aside.reader),
        ],
    )
}

pub(super) fn remove(storage: &SqliteStorage, key: &LogKey) -> Result<()> {
    storage.execute(
        "DELETE FROM log WHERE eid = ?1 AND late = ?2 AND counter = ?3 AND hash = ?4",
        params![key.eid.as_bytes(), signed(key.offset_ms)?, signed(key.counter)?, &key.hash.0[..]],
    )
}

/// A key as parameters; none is before all, since no id is empty.
fn parts(key: Option<&LogKey>) -> Result<(&[u8], i64, i64, &[u8])> {
    Ok(match key {
        None => (&[], 0, 0, &[]),
        Some(key) => (key.eid.as_bytes(), signed(key.offset_ms)?, signed(key.counter)?, &key.hash.0),
    })
}

fn read(row: &Row<'_>) -> Result<LogRow> {
    let key = LogKey {
        eid: eid(row.get_ref(0)?)?,
        offset_ms: unsigned(row.get(1)?)?,
        counter: unsigned(row.get(2)?)?,
        hash: hash(&row.get::<_, Vec<u8>>(3)?)?,
    };
    let body: Option<Vec<u8>> = row.get(4)?;
    let reason: Option<String> = row.get(5)?;
    let reader: Option<u32> = row.get(6)?;
    let aside = reason.map(|reason| Aside { reason, reader: reader.unwrap_or_default() });
    Ok(LogRow { key, body: body.map(Bytes::from), aside })
}
