//! Rows in a SQLite file: one connection, prepared statements, several processes on one file.

mod ents;
mod links;
mod log;
mod numbers;
#[cfg(test)]
mod plans;
mod schema;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use bytes::Bytes;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHash;

use super::{
    BagRow, Durability, EntRow, LinkRow, LogKey, LogRow, OutboxRow, Storage, TombstoneRow, Which, Winner,
};
use crate::{Error, History, LinkId, LinkSettings, Query, Result, Selection};

/// A database in a file.
pub(crate) struct SqliteStorage {
    connection: Connection,
    /// The numbers of types and their names, of those that were used. They never change, but may be taken back
    /// with the transaction that gave them.
    kinds: RefCell<Kinds>,
    /// What commits promise at present: what the connection is set to.
    durability: Durability,
    /// Whether there is a write-ahead log, without which only synced commits are safe.
    write_ahead: bool,
}

#[derive(Default)]
struct Kinds {
    numbers: HashMap<String, i64>,
    names: HashMap<i64, String>,
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SqliteStorage").field("path", &self.connection.path()).finish_non_exhaustive()
    }
}

impl SqliteStorage {
    /// Opens a file, or creates it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = schema::open(path)?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let write_ahead = mode.eq_ignore_ascii_case("wal");
        Ok(Self { connection, kinds: RefCell::default(), durability: Durability::Synced, write_ahead })
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>> {
        #[cfg(test)]
        plans::prepared(sql);
        Ok(self.connection.prepare_cached(sql)?)
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<()> {
        self.prepare(sql)?.execute(params)?;
        Ok(())
    }

    fn number(&self, sql: &str, params: impl Params) -> Result<u64> {
        unsigned(self.prepare(sql)?.query_row(params, |row| row.get(0))?)
    }

    /// The rows that a query finds, each read by this.
    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// The number of a type that has one.
    fn kind(&self, name: &str) -> Result<Option<i64>> {
        if let Some(number) = self.kinds.borrow().numbers.get(name) {
            return Ok(Some(*number));
        }
        let mut statement = self.prepare("SELECT id FROM kinds WHERE name = ?1")?;
        let number: Option<i64> = statement.query_row([name], |row| row.get(0)).optional()?;
        number.into_iter().for_each(|number| self.kinds.borrow_mut().insert(number, name));
        Ok(number)
    }

    /// The number of a type, which gets one if it has none.
    fn kind_or_new(&self, name: &str) -> Result<i64> {
        if let Some(number) = self.kind(name)? {
            return Ok(number);
        }
        self.execute("INSERT INTO kinds (name) VALUES (?1)", [name])?;
        let number = self.connection.last_insert_rowid();
        self.kinds.borrow_mut().insert(number, name);
        Ok(number)
    }

    /// The type of this number.
    fn kind_name(&self, number: i64) -> Result<String> {
        if let Some(name) = self.kinds.borrow().names.get(&number) {
            return Ok(name.clone());
        }
        let mut statement = self.prepare("SELECT name FROM kinds WHERE id = ?1")?;
        let name: Option<String> = statement.query_row([number], |row| row.get(0)).optional()?;
        let name = name.ok_or(Error::Damaged("an entity of a type that has no name"))?;
        self.kinds.borrow_mut().insert(number, &name);
        Ok(name)
    }
}

impl Kinds {
    fn insert(&mut self, number: i64, name: &str) {
        self.numbers.insert(name.to_owned(), number);
        self.names.insert(number, name.to_owned());
    }
}

impl Storage for SqliteStorage {
    fn begin(&mut self, durability: Durability) -> Result<()> {
        let durability = if self.write_ahead { durability } else { Durability::Synced };
        if durability != self.durability {
            let synchronous = match durability {
                Durability::Synced => "full",
                Durability::Written => "normal",
            };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.durability = durability;
        }
        self.execute("BEGIN IMMEDIATE", [])
    }

    fn commit(&mut self) -> Result<()> {
        self.execute("COMMIT", [])
    }

    fn rollback(&mut self) {
        *self.kinds.borrow_mut() = Kinds::default();
        // Some errors, a full disk for one, have ended the transaction already.
        if !self.connection.is_autocommit() {
            let _ = self.execute("ROLLBACK", []);
        }
    }

    fn version_elsewhere(&self) -> Result<i64> {
        Ok(self.prepare("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    fn reader(&self) -> Result<u32> {
        let version = self.number("SELECT version FROM reader", [])?;
        u32::try_from(version).map_err(|_| Error::Damaged("the reader's version"))
    }

    fn set_reader(&mut self, version: u32) -> Result<()> {
        self.execute("UPDATE reader SET version = ?1", [version])
    }

    fn owner(&self) -> Result<Option<String>> {
        Ok(self.prepare("SELECT name FROM owner")?.query_row([], |row| row.get(0)).optional()?)
    }

    fn set_owner(&mut self, owner: &str) -> Result<()> {
        self.execute("INSERT INTO owner VALUES (?1)", [owner])
    }

    fn winner(&self, eid: &Eid) -> Result<Option<Winner>> {
        ents::winner(self, eid)
    }

    fn put_winner(&mut self, winner: &Winner) -> Result<()> {
        ents::put_winner(self, winner)
    }

    fn ents(&self, query: &Query) -> Result<Vec<EntRow>> {
        ents::ents(self, query)
    }

    fn count(&self, selection: &Selection) -> Result<u64> {
        ents::count(self, selection)
    }

    fn tombstones(&self, after: Option<&Eid>, limit: usize) -> Result<Vec<TombstoneRow>> {
        ents::tombstones(self, after, limit)
    }

    fn tombstone_count(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM tombstones", [])
    }

    fn kinds(&self) -> Result<Vec<String>> {
        self.rows("SELECT name FROM kinds ORDER BY name", [], |row| Ok(row.get(0)?))
    }

    fn history(&self, kind: &str) -> Result<History> {
        let mut statement = self.prepare("SELECT history FROM kinds WHERE name = ?1")?;
        let history: Option<i64> = statement.query_row([kind], |row| row.get(0)).optional()?;
        Ok(if history == Some(1) { History::All } else { History::Latest })
    }

    fn set_history(&mut self, kind: &str, history: History) -> Result<()> {
        let number = self.kind_or_new(kind)?;
        let history = i64::from(history == History::All);
        self.execute("UPDATE kinds SET history = ?2 WHERE id = ?1", [number, history])
    }

    fn logged(&self, eid: &Eid, hash: MessageHash) -> Result<Option<LogRow>> {
        log::logged(self, eid, hash)
    }

    fn aside_of(&self, eid: &Eid) -> Result<Vec<LogRow>> {
        log::aside_of(self, eid)
    }

    fn past_of(&self, eid: &Eid, limit: usize) -> Result<Vec<LogRow>> {
        log::past_of(self, eid, limit)
    }

    fn log(&self, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>> {
        log::log(self, after, limit)
    }

    fn aside(&self, below: u32, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>> {
        log::aside(self, below, after, limit)
    }

    fn log_counts(&self) -> Result<(u64, u64)> {
        log::counts(self)
    }

    fn put_log(&mut self, row: &LogRow) -> Result<()> {
        log::put(self, row)
    }

    fn remove_log(&mut self, key: &LogKey) -> Result<()> {
        log::remove(self, key)
    }

    fn links(&self) -> Result<Vec<LinkRow>> {
        links::links(self)
    }

    fn add_link(&mut self, settings: &LinkSettings) -> Result<LinkId> {
        links::add(self, settings)
    }

    fn put_link(&mut self, row: &LinkRow) -> Result<()> {
        links::put(self, row)
    }

    fn remove_link(&mut self, link: LinkId) -> Result<()> {
        self.clear_bags(link)?;
        self.execute("DELETE FROM outbox WHERE link = ?1", [link.0])?;
        self.execute("DELETE FROM links WHERE id = ?1", [link.0])
    }

    fn bag(&self, link: LinkId, seq: BagSeq) -> Result<Option<BagRow>> {
        numbers::bag(self, link, seq)
    }

    fn holders(&self, link: LinkId, eid: &Eid, which: Which) -> Result<Vec<BagSeq>> {
        numbers::holders(self, link, eid, which)
    }

    fn removable(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<(BagSeq, BagRow)>> {
        numbers::removable(self, link, after, limit)
    }

    fn held(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<BagSeq>> {
        numbers::held(self, link, after, limit)
    }

    fn unreadable(&self, link: LinkId, limit: usize) -> Result<Vec<(BagSeq, BagRow)>> {
        numbers::unreadable(self, link, limit)
    }

    fn unreadable_count(&self, link: LinkId) -> Result<u64> {
        self.number("SELECT count(*) FROM bags WHERE link = ?1 AND state = 3", [link.0])
    }

    fn put_bag(&mut self, link: LinkId, seq: BagSeq, row: &BagRow) -> Result<()> {
        numbers::put_bag(self, link, seq, row)
    }

    fn remove_bag(&mut self, link: LinkId, seq: BagSeq) -> Result<()> {
        self.execute("DELETE FROM bags WHERE link = ?1 AND seq = ?2", (link.0, signed(seq.0)?))
    }

    fn clear_bags(&mut self, link: LinkId) -> Result<()> {
        self.execute("DELETE FROM bags WHERE link = ?1", [link.0])
    }

    fn outbox(&self, link: LinkId, after: u64, limit: usize) -> Result<Vec<OutboxRow>> {
        numbers::outbox(self, link, after, limit)
    }

    fn waiting(&self, link: LinkId) -> Result<u64> {
        self.number("SELECT count(*) FROM outbox WHERE link = ?1", [link.0])
    }

    fn is_queued(&self, link: LinkId, eid: &Eid, which: Which) -> Result<bool> {
        numbers::is_queued(self, link, eid, which)
    }

    fn queue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
        numbers::queue(self, link, eid, which)
    }

    fn unqueue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
        numbers::unqueue(self, link, eid, which)
    }
}

/// A number as SQLite has it: all of ours are below 2^63.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::OutOfRange)
}

/// A time that bounds a selection: beyond what SQLite can hold, there is nothing.
fn bound(time_ms: u64) -> i64 {
    i64::try_from(time_ms).unwrap_or(i64::MAX)
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::Damaged("a negative number"))
}

fn eid(bytes: ValueRef<'_>) -> Result<Eid> {
    let bytes = bytes.as_blob().map_err(|_| Error::Damaged("an id that is no bytes"))?;
    Eid::decode(Bytes::copy_from_slice(bytes)).map_err(|_| Error::Damaged("bytes that are no id"))
}

fn optional_eid(bytes: ValueRef<'_>) -> Result<Option<Eid>> {
    if bytes == ValueRef::Null { Ok(None) } else { eid(bytes).map(Some) }
}

fn hash(bytes: &[u8]) -> Result<MessageHash> {
    bytes.try_into().map(MessageHash).map_err(|_| Error::Damaged("bytes that are no hash"))
}

/// Bytes, or none.
fn blob(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| Value::Blob(bytes.to_vec()))
}
