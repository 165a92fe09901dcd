//! Links in SQLite.

use rusqlite::{Row, params};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::record::EpochId;

use super::{SqliteStorage, signed, unsigned};
use crate::storage::LinkRow;
use crate::{Error, Fill, Link, LinkId, LinkSettings, Result, Trouble};

pub(super) fn links(storage: &SqliteStorage) -> Result<Vec<LinkRow>> {
    let sql = "SELECT id, label, url, number, stage, epoch, seq, filled,
                 trouble_code, trouble_text, trouble_since, trouble_retry, history FROM links ORDER BY id";
    storage.rows(sql, [], read)
}

pub(super) fn add(storage: &SqliteStorage, settings: &LinkSettings) -> Result<LinkId> {
    // The index is a number of 64 bits, and SQLite's have a sign: it is kept bit by bit.
    let number = settings.index.cast_signed();
    storage.execute(
        "INSERT INTO links (label, url, number) VALUES (?1, ?2, ?3)",
        params![settings.label, settings.url, number],
    )?;
    let id = storage.connection.last_insert_rowid();
    u32::try_from(id).map(LinkId).map_err(|_| Error::OutOfRange)
}

pub(super) fn put(storage: &SqliteStorage, row: &LinkRow) -> Result<()> {
    let LinkRow { link, filled, history } = row;
    let stage = match link.stage {
        Fill::Replay => 0,
        Fill::Upload => 1,
        Fill::Done => 2,
    };
    let trouble = link.trouble.as_ref();
    storage.execute(
        "UPDATE links SET stage = ?2, epoch = ?3, seq = ?4, filled = ?5,
           trouble_code = ?6, trouble_text = ?7, trouble_since = ?8, trouble_retry = ?9, history = ?10
         WHERE id = ?1",
        params![
            link.id.0,
            stage,
            link.cursor.as_ref().map(|cursor| &cursor.epoch.0[..]),
            link.cursor.map(|cursor| signed(cursor.seq.0)).transpose()?,
            filled,
            trouble.map(|trouble| trouble.code.as_str()),
            trouble.map(|trouble| trouble.text.as_str()),
            trouble.map(|trouble| signed(trouble.since_ms)).transpose()?,
            trouble.and_then(|trouble| trouble.retry_ms).map(signed).transpose()?,
            signed(*history)?,
        ],
    )
}

fn read(row: &Row<'_>) -> Result<LinkRow> {
    let settings =
        LinkSettings { label: row.get(1)?, url: row.get(2)?, index: row.get::<_, i64>(3)?.cast_unsigned() };
    let stage = match row.get(4)? {
        0 => Fill::Replay,
        1 => Fill::Upload,
        2 => Fill::Done,
        _ => return Err(Error::Damaged("a link's stage")),
    };
    let (epoch, seq): (Option<[u8; 16]>, Option<i64>) = (row.get(5)?, row.get(6)?);
    let cursor = match (epoch, seq) {
        (Some(epoch), Some(seq)) => Some(Cursor { epoch: EpochId(epoch), seq: BagSeq(unsigned(seq)?) }),
        _ => None,
    };
    let code: Option<String> = row.get(8)?;
    let trouble = match code {
        None => None,
        Some(code) => Some(Trouble {
            code,
            text: row.get(9)?,
            since_ms: unsigned(row.get(10)?)?,
            retry_ms: row.get::<_, Option<i64>>(11)?.map(unsigned).transpose()?,
        }),
    };
    let link = Link { id: LinkId(row.get(0)?), settings, stage, cursor, trouble };
    Ok(LinkRow { link, filled: row.get(7)?, history: unsigned(row.get(12)?)? })
}
