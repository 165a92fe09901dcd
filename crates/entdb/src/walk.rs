//! A walk through all messages, in steps that may be days apart: entities, ends of entities, then the log.

use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHash;

use crate::query::{MessageCursor, MessagePage, PAGE_LIMIT_MAX};
use crate::storage::{LogKey, LogRow, Storage, Which, Winner};
use crate::{Database, Error, Message, PageCursor, Query, Result, Selection};

impl Database {
    /// All messages, page by page: entities' states and ends, what is kept of the past, what is set aside.
    pub fn messages(&self, after: Option<&MessageCursor>, limit: usize) -> Result<MessagePage> {
        let from = after.map_or(&[][..], |after| &after.0);
        let (rows, next) = walk(self.storage.as_ref(), from, limit)?;
        let messages = rows.iter().map(Row::message).collect();
        Ok(MessagePage { messages, next: if next.is_at_end() { None } else { Some(MessageCursor(next.0)) } })
    }
}

/// A row on the way.
pub(crate) enum Row {
    Winner(Winner),
    Logged(LogRow),
}

impl Row {
    pub(crate) fn eid(&self) -> &Eid {
        match self {
            Self::Winner(winner) => winner.eid(),
            Self::Logged(row) => &row.key.eid,
        }
    }

    pub(crate) fn which(&self) -> Which {
        match self {
            Self::Winner(_) => Which::Winner,
            Self::Logged(row) => Which::Logged(row.key.hash),
        }
    }

    fn message(&self) -> Message {
        match self {
            Self::Winner(winner) => winner.message(),
            Self::Logged(row) => row.message(),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Winner(Winner::Ent(row)) => Place::after(ENTS, row.eid.as_bytes()),
            Self::Winner(Winner::Tombstone(row)) => Place::after(TOMBSTONES, row.eid.as_bytes()),
            Self::Logged(row) => {
                let LogKey { eid, offset_ms, counter, hash } = &row.key;
                let fixed = [&hash.0[..], &offset_ms.to_be_bytes(), &counter.to_be_bytes()].concat();
                Place::after(LOG, &[&fixed[..], eid.as_bytes()].concat())
            }
        }
    }
}

/// A place on the way: a part, and the key of the last row of it that was seen.
pub(crate) struct Place(pub(crate) Vec<u8>);

const ENTS: u8 = 0;
const TOMBSTONES: u8 = 1;
const LOG: u8 = 2;
const END: u8 = 3;

impl Place {
    fn after(part: u8, key: &[u8]) -> Self {
        Self([&[part], key].concat())
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.first() == Some(&END)
    }
}

/// The next rows, `limit` at most, and where they end.
pub(crate) fn walk(storage: &dyn Storage, from: &[u8], limit: usize) -> Result<(Vec<Row>, Place)> {
    let limit = limit.clamp(1, PAGE_LIMIT_MAX);
    let (mut part, mut key) = from.split_first().map_or((ENTS, &[][..]), |(part, key)| (*part, key));
    let mut rows: Vec<Row> = Vec::new();
    while part < END && rows.len() < limit {
        let before = rows.len();
        rows.extend(part_rows(storage, part, key, limit - before)?);
        if rows.len() < limit {
            part += 1;
            key = &[];
        }
    }
    let place = match rows.last() {
        Some(last) if part < END => last.place(),
        _ => Place::after(part, key),
    };
    Ok((rows, place))
}

fn part_rows(storage: &dyn Storage, part: u8, key: &[u8], limit: usize) -> Result<Vec<Row>> {
    const NOT_OURS: Error = Error::InvalidCursor;
    let eid = |key: &[u8]| match key {
        [] => Ok(None),
        key => Eid::decode(key.to_vec()).map(Some).map_err(|_| NOT_OURS),
    };
    Ok(match part {
        ENTS => {
            let after = eid(key)?.map(|eid| PageCursor { time_ms: 0, eid });
            let query = Query { limit, after, ..Query::new(Selection::All) };
            storage.ents(&query)?.into_iter().map(|row| Row::Winner(Winner::Ent(row))).collect()
        }
        TOMBSTONES => {
            let rows = storage.tombstones(eid(key)?.as_ref(), limit)?.into_iter();
            rows.map(|row| Row::Winner(Winner::Tombstone(row))).collect()
        }
        _ => {
            let after = if key.is_empty() { None } else { Some(log_key(key).ok_or(NOT_OURS)?) };
            storage.log(after.as_ref(), limit)?.into_iter().map(Row::Logged).collect()
        }
    })
}

fn log_key(key: &[u8]) -> Option<LogKey> {
    let (hash, rest) = key.split_first_chunk::<32>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (counter, eid) = rest.split_first_chunk::<8>()?;
    Some(LogKey {
        eid: Eid::decode(eid.to_vec()).ok()?,
        offset_ms: u64::from_be_bytes(*offset),
        counter: u64::from_be_bytes(*counter),
        hash: MessageHash(*hash),
    })
}
