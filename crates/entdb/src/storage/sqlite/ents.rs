//! Entities and their ends in SQLite: each selection is one index, read from one end of a page to the other.

use bytes::Bytes;
use rusqlite::{Row, params};
use seabag_protocol::host::eid::Eid;

use super::{SqliteStorage, blob, bound, eid, limit, optional_eid, signed, unsigned};
use crate::storage::{EntRow, TombstoneRow, Winner};
use crate::{Direction, Error, PageCursor, Query, Result, Selection};

/// The columns that [`ent`] reads.
const COLUMNS: &str = "SELECT eid, kind, late, counter, gid, pid, body, raw FROM ents";

pub(super) fn winner(storage: &SqliteStorage, eid: &Eid) -> Result<Option<Winner>> {
    let rows =
        storage.rows(&format!("{COLUMNS} WHERE eid = ?1"), [eid.as_bytes()], |row| ent(storage, row))?;
    if let Some(row) = rows.into_iter().next() {
        return Ok(Some(Winner::Ent(row)));
    }
    let sql = "SELECT eid, late, counter, kind FROM tombstones WHERE eid = ?1";
    let rows = storage.rows(sql, [eid.as_bytes()], |row| tombstone(storage, row))?;
    Ok(rows.into_iter().next().map(Winner::Tombstone))
}

pub(super) fn put_winner(storage: &SqliteStorage, winner: &Winner) -> Result<()> {
    match winner {
        Winner::Ent(row) => {
            storage.execute("DELETE FROM tombstones WHERE eid = ?1", [row.eid.as_bytes()])?;
            put_ent(storage, row)
        }
        Winner::Tombstone(row) => {
            storage.execute("DELETE FROM ents WHERE eid = ?1", [row.eid.as_bytes()])?;
            let kind = row.kind.as_deref().map(|kind| storage.kind_or_new(kind)).transpose()?;
            storage.execute(
                "INSERT OR REPLACE INTO tombstones (eid, late, counter, kind) VALUES (?1, ?2, ?3, ?4)",
                params![row.eid.as_bytes(), signed(row.offset_ms)?, signed(row.counter)?, kind],
            )
        }
    }
}

fn put_ent(storage: &SqliteStorage, row: &EntRow) -> Result<()> {
    storage.execute(
        "INSERT INTO ents (eid, kind, created, late, counter, gid, pid, body, raw)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (eid) DO UPDATE SET kind = ?2, late = ?4, counter = ?5, gid = ?6, pid = ?7,
           body = ?8, raw = ?9",
        params![
            row.eid.as_bytes(),
            storage.kind_or_new(&row.kind)?,
            signed(row.eid.created_ms())?,
            signed(row.offset_ms)?,
            signed(row.counter)?,
            row.group,
            row.parent.as_ref().map(Eid::as_bytes),
            &row.body[..],
            row.raw.as_deref(),
        ],
    )
}

/// What asks for a page: the statement and the values of its parameters.
pub(super) struct Question {
    pub(super) sql: String,
    pub(super) values: Vec<rusqlite::types::Value>,
}

/// The question for a page; `None`: there is nothing of that type.
pub(super) fn question(storage: &SqliteStorage, query: &Query) -> Result<Option<Question>> {
    let (compare, order) = match query.direction {
        Direction::Ascending => (">", "ASC"),
        Direction::Descending => ("<", "DESC"),
    };
    let after = query.after.as_ref();
    let mut values = Vec::new();
    // An index on equal values, then ids.
    let mut by_id = |equal: &str, equals: Vec<rusqlite::types::Value>| {
        values = equals;
        let from = match after {
            None => String::new(),
            Some(after) => {
                values.push(blob(Some(after.eid.as_bytes())));
                format!("AND eid {compare} ?{}", values.len())
            }
        };
        format!("{COLUMNS} WHERE {equal} {from} ORDER BY eid {order}")
    };
    let kind = match query.selection.kind() {
        None => None,
        Some(kind) => match storage.kind(kind)? {
            None => return Ok(None),
            Some(number) => Some(number.into()),
        },
    };
    let kind = kind.into_iter();
    let sql = match &query.selection {
        Selection::All => by_id("1", Vec::new()),
        Selection::One(eid) => by_id("eid = ?1", vec![blob(Some(eid.as_bytes()))]),
        Selection::Parent { parent, .. } => {
            by_id("kind = ?1 AND pid = ?2", kind.chain([blob(Some(parent.as_bytes()))]).collect())
        }
        Selection::Group { group, .. } => {
            by_id("kind = ?1 AND gid = ?2", kind.chain([group.clone().into()]).collect())
        }
        Selection::ByType { created, .. } => {
            let (from, to) = created.as_ref().map_or((0, u64::MAX), |range| (*range.start(), *range.end()));
            let (sql, bounds) = by_time("created", query.direction, from, to, after);
            values = kind.chain(bounds).collect();
            sql
        }
        Selection::Updated { range, .. } => {
            let (sql, bounds) = by_time("updated", query.direction, *range.start(), *range.end(), after);
            values = kind.chain(bounds).collect();
            sql
        }
    };
    values.push(limit(query.limit).into());
    Ok(Some(Question { sql: format!("{sql} LIMIT ?{}", values.len()), values }))
}

/// An index on a type, then a time, then ids: one end is a time and an id, the other a time. No id is empty, so
/// an empty one is before all.
fn by_time(
    column: &str,
    direction: Direction,
    from: u64,
    to: u64,
    after: Option<&PageCursor>,
) -> (String, [rusqlite::types::Value; 3]) {
    let near = |time: i64, eid: Option<&Eid>| [time.into(), blob(Some(eid.map_or(&[][..], Eid::as_bytes)))];
    let [time, id, far]: [rusqlite::types::Value; 3] = match direction {
        Direction::Ascending => {
            let after = after.filter(|after| after.time_ms >= from);
            let [time, id] =
                after.map_or(near(bound(from), None), |after| near(bound(after.time_ms), Some(&after.eid)));
            [time, id, bound(to).into()]
        }
        Direction::Descending => {
            let after = after.filter(|after| after.time_ms <= to);
            let end = near(bound(to).saturating_add(1), None);
            let [time, id] = after.map_or(end, |after| near(bound(after.time_ms), Some(&after.eid)));
            [time, id, bound(from).into()]
        }
    };
    let (near, far_end, order) = match direction {
        Direction::Ascending => (">", "<=", "ASC"),
        Direction::Descending => ("<", ">=", "DESC"),
    };
    let sql = format!(
        "{COLUMNS} WHERE kind = ?1 AND ({column}, eid) {near} (?2, ?3) AND {column} {far_end} ?4
         ORDER BY {column} {order}, eid {order}"
    );
    (sql, [time, id, far])
}

pub(super) fn ents(storage: &SqliteStorage, query: &Query) -> Result<Vec<EntRow>> {
    let Some(Question { sql, values }) = question(storage, query)? else { return Ok(Vec::new()) };
    storage.rows(&sql, rusqlite::params_from_iter(values), |row| ent(storage, row))
}

/// The question for a count; `None`: there is nothing of that type.
pub(super) fn count_question(storage: &SqliteStorage, selection: &Selection) -> Result<Option<Question>> {
    let kind = match selection.kind() {
        None => None,
        Some(kind) => match storage.kind(kind)? {
            None => return Ok(None),
            Some(number) => Some(number.into()),
        },
    };
    let (condition, more) = match selection {
        Selection::All => ("1", Vec::new()),
        Selection::One(eid) => ("eid = ?1", vec![blob(Some(eid.as_bytes()))]),
        Selection::ByType { created: None, .. } => ("kind = ?1", Vec::new()),
        Selection::ByType { created: Some(range), .. } => (
            "kind = ?1 AND created BETWEEN ?2 AND ?3",
            vec![bound(*range.start()).into(), bound(*range.end()).into()],
        ),
        Selection::Updated { range, .. } => (
            "kind = ?1 AND updated BETWEEN ?2 AND ?3",
            vec![bound(*range.start()).into(), bound(*range.end()).into()],
        ),
        Selection::Parent { parent, .. } => ("kind = ?1 AND pid = ?2", vec![blob(Some(parent.as_bytes()))]),
        Selection::Group { group, .. } => ("kind = ?1 AND gid = ?2", vec![group.clone().into()]),
    };
    let sql = format!("SELECT count(*) FROM ents WHERE {condition}");
    Ok(Some(Question { sql, values: kind.into_iter().chain(more).collect() }))
}

pub(super) fn count(storage: &SqliteStorage, selection: &Selection) -> Result<u64> {
    match count_question(storage, selection)? {
        None => Ok(0),
        Some(Question { sql, values }) => storage.number(&sql, rusqlite::params_from_iter(values)),
    }
}

pub(super) fn tombstones(
    storage: &SqliteStorage,
    after: Option<&Eid>,
    count: usize,
) -> Result<Vec<TombstoneRow>> {
    let after = after.map_or(&[][..], Eid::as_bytes);
    let sql = "SELECT eid, late, counter, kind FROM tombstones WHERE eid > ?1 ORDER BY eid LIMIT ?2";
    storage.rows(sql, (after, limit(count)), |row| tombstone(storage, row))
}

fn ent(storage: &SqliteStorage, row: &Row<'_>) -> Result<EntRow> {
    let damaged = |_| Error::Damaged("a content that is no bytes");
    let body = Bytes::copy_from_slice(row.get_ref(6)?.as_blob().map_err(damaged)?);
    let raw: Option<Vec<u8>> = row.get(7)?;
    Ok(EntRow {
        eid: eid(row.get_ref(0)?)?,
        kind: storage.kind_name(row.get(1)?)?,
        offset_ms: unsigned(row.get(2)?)?,
        counter: unsigned(row.get(3)?)?,
        group: row.get(4)?,
        parent: optional_eid(row.get_ref(5)?)?,
        body,
        raw: raw.map(Bytes::from),
    })
}

fn tombstone(storage: &SqliteStorage, row: &Row<'_>) -> Result<TombstoneRow> {
    let kind: Option<i64> = row.get(3)?;
    Ok(TombstoneRow {
        eid: eid(row.get_ref(0)?)?,
        offset_ms: unsigned(row.get(1)?)?,
        counter: unsigned(row.get(2)?)?,
        kind: kind.map(|kind| storage.kind_name(kind)).transpose()?,
    })
}

impl Selection {
    /// The type that it is of.
    fn kind(&self) -> Option<&str> {
        match self {
            Self::All | Self::One(_) => None,
            Self::ByType { kind, .. } | Self::Updated { kind, .. } => Some(kind),
            Self::Parent { kind, .. } | Self::Group { kind, .. } => Some(kind),
        }
    }
}
