//! The file: what marks it as ours, its tables, and how one of an earlier version becomes one of this version.
//!
//! Sizes decide the layout. Entities are appended under a row number, so that pages are full although ids are
//! random; types are numbers; a time is kept once, as the id's own time, beside the offset from it.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{Error, Result};

/// "SBAG": what SQLite calls the application id.
const APPLICATION_ID: i64 = 0x5342_4147;

/// What brings a file from each version to the next; the first one begins with an empty file. Never changed
/// once released: a change is a further one.
const UPGRADES: [&str; 1] = [include_str!("schema.sql")];

/// How long a call waits for another process' transaction.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// How often something is tried for which SQLite does not wait by itself.
const BUSY_TRIES: u32 = 500;

/// Kibibytes of pages that a connection keeps in memory.
const CACHE_KIB: i64 = 32 * 1024;

/// Opens a file, or creates it.
pub(super) fn open(path: &Path) -> Result<Connection> {
    // A whole path is never one of the names that SQLite takes for something else than a file.
    let path = std::path::absolute(path)?;
    create_private(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    // Before anything is written: a file of someone else's stays as it is.
    check_at_once(&connection)?;
    write_ahead(&connection)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(128);
    upgrade(&mut connection)?;
    Ok(connection)
}

/// Turns the write-ahead log on. When two processes do that to a new file at the same moment, SQLite tells one of them
/// at once that the file is locked, however long it would wait for anything else.
fn write_ahead(connection: &Connection) -> Result<()> {
    let mut tries = 0;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
            Err(error) if tries < BUSY_TRIES && is_busy(&error) => tries += 1,
            turned => return Ok(turned?),
        }
        #[allow(clippy::disallowed_methods, reason = "SQLite itself waits like this, but not here")]
        std::thread::sleep(BUSY_MAX / BUSY_TRIES);
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// SQLite gives its journals the mode of the file itself.
fn create_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The file's version as of one moment: another process may be making its tables.
fn check_at_once(connection: &Connection) -> Result<usize> {
    check(&*connection.unchecked_transaction()?)
}

/// The file's version: 0 for an empty one.
fn check(connection: &Connection) -> Result<usize> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let foreign = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => Error::NotOurs,
        _ => Error::Sqlite(error),
    };
    let (application, version) = (number("application_id").map_err(foreign)?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::NotOurs);
    }
    let known = UPGRADES.len();
    let too_new = Error::TooNew { found: version, known: known as i64 };
    usize::try_from(version).ok().filter(|version| *version <= known).ok_or(too_new)
}

/// Brings the file to this version. Two processes may try at once: the second finds it done.
fn upgrade(connection: &mut Connection) -> Result<()> {
    if check_at_once(connection)? == UPGRADES.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = check(&transaction)?;
    for upgrade in UPGRADES.iter().skip(from) {
        transaction.execute_batch(upgrade)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", UPGRADES.len() as i64)?;
    Ok(transaction.commit()?)
}
