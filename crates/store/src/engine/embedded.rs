//! The engine on disk: fjall, with a few fixed keyspaces. It uses neither `clear()`, key-value separation,
//! FIFO compaction nor compression, and never writes a row twice in a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode, Readable};

use super::{Batch, Engine, Persist, RowIter, Rows};
use crate::StoreError;
use crate::layout::Keyspace;
use crate::options::Options;

/// Threads that write tables out and merge them.
const WORKER_THREADS: usize = 2;
/// Bytes of journals before the keyspaces that hold the oldest back are written out. As few as the engine allows,
/// one journal: a directory with little in it would otherwise be mostly journals.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// What an open database consists of. Snapshots keep it open.
struct Inner {
    keyspaces: Vec<fjall::Keyspace>,
    database: Database,
    /// Whatever else shall live as long as the database, such as the directory's lock.
    _guard: Box<dyn Send + Sync>,
}

impl Inner {
    fn of(&self, keyspace: Keyspace) -> Result<&fjall::Keyspace, StoreError> {
        let handle = self.keyspaces.get(usize::from(keyspace.id().saturating_sub(1)));
        handle.ok_or_else(|| StoreError::UnknownFormat("a keyspace is missing".into()))
    }
}

/// The engine on disk.
pub(crate) struct EmbeddedEngine(Arc<Inner>);

impl EmbeddedEngine {
    /// Opens the database in this directory. `version` is the format version whose keyspaces it must have, the
    /// later ones are made; `None` makes a new one. `guard` lives as long as it is open.
    pub(crate) fn open(
        path: &Path,
        options: &Options,
        version: Option<u32>,
        guard: Box<dyn Send + Sync>,
    ) -> Result<Self, StoreError> {
        if version.is_some() && !path.join("version").exists() {
            return Err(StoreError::Damaged(format!("there is no database in {}", path.display())));
        }
        contain(|| {
            let database = Database::builder(path)
                .cache_size(options.cache_bytes)
                .worker_threads(WORKER_THREADS)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .manual_journal_persist(true)
                .open()
                .map_err(explain)?;
            // The engine deletes a keyspace whose files are incomplete, and would make it anew without a word.
            let known = database.list_keyspace_names();
            let open = |keyspace: Keyspace| {
                let expected = version.is_some_and(|version| keyspace.since() <= version);
                if expected && !known.iter().any(|name| &**name == keyspace.name()) {
                    return Err(StoreError::Damaged(format!("the keyspace {} is lost", keyspace.name())));
                }
                let bytes = memtable_bytes(keyspace, options);
                let configured = || KeyspaceCreateOptions::default().max_memtable_size(bytes);
                database.keyspace(keyspace.name(), configured).map_err(explain)
            };
            let keyspaces = Keyspace::ALL.into_iter().map(open).collect::<Result<_, _>>()?;
            Ok(Self(Arc::new(Inner { keyspaces, database, _guard: guard })))
        })
    }
}

/// Values, sealed heads and sealed bodies go to a keyspace each; the rows of the others are small, and there are
/// twelve of them.
fn memtable_bytes(keyspace: Keyspace, options: &Options) -> u64 {
    match keyspace {
        Keyspace::Streams | Keyspace::BagHeads | Keyspace::BagBodies => options.memtable_bytes,
        _ => options.memtable_bytes / 4,
    }
}

impl Rows for EmbeddedEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let handle = self.0.of(keyspace)?;
        let found = contain(|| handle.get(key).map_err(explain))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a> {
        scan(&self.0, &self.0.database.snapshot(), keyspace, start, end)
    }
}

impl Engine for EmbeddedEngine {
    fn snapshot(&self) -> Arc<dyn Rows> {
        Arc::new(EmbeddedRows { snapshot: self.0.database.snapshot(), inner: self.0.clone() })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        contain(|| {
            let mut write = self.0.database.batch().durability(None);
            for (keyspace, key, value) in batch.into_rows() {
                let handle = self.0.of(keyspace)?;
                match value {
                    Some(value) => write.insert(handle, key, value.as_ref()),
                    None => write.remove(handle, key),
                }
            }
            write.commit().map_err(explain)
        })
    }

    fn persist(&self, persist: Persist) -> Result<(), StoreError> {
        let mode = match persist {
            Persist::System => PersistMode::Buffer,
            Persist::Disk => PersistMode::SyncData,
        };
        contain(|| self.0.database.persist(mode).map_err(explain))
    }

    fn tidy(&self) -> Result<(), StoreError> {
        contain(|| {
            self.0
                .keyspaces
                .iter()
                .try_for_each(|keyspace| keyspace.rotate_memtable().map(drop))
                .map_err(explain)
        })
    }

    fn disk_bytes(&self) -> u64 {
        contain(|| self.0.database.disk_space().map_err(explain)).unwrap_or_default()
    }
}

/// A snapshot of the database.
struct EmbeddedRows {
    snapshot: fjall::Snapshot,
    inner: Arc<Inner>,
}

impl Rows for EmbeddedRows {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let handle = self.inner.of(keyspace)?;
        let found = contain(|| self.snapshot.get(handle, key).map_err(explain))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a> {
        scan(&self.inner, &self.snapshot, keyspace, start, end)
    }
}

fn scan(
    inner: &Inner,
    snapshot: &fjall::Snapshot,
    keyspace: Keyspace,
    start: &[u8],
    end: Option<&[u8]>,
) -> RowIter<'static> {
    if end.is_some_and(|end| end <= start) {
        return Box::new(std::iter::empty());
    }
    let opened = contain(|| {
        let handle = inner.of(keyspace)?;
        Ok(match end {
            Some(end) => snapshot.range(handle, start..end),
            None => snapshot.range(handle, start..),
        })
    });
    match opened {
        Ok(rows) => Box::new(Scan { rows, failed: false }),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// The rows of a scan. It ends at the first error.
struct Scan {
    rows: fjall::Iter,
    failed: bool,
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = contain(|| self.rows.next().map(fjall::Guard::into_inner).transpose().map_err(explain));
        self.failed = read.is_err();
        let copy = |(key, value): (fjall::UserKey, fjall::UserValue)| {
            (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))
        };
        read.map(|row| row.map(copy)).transpose()
    }
}

/// Turns a panic of the engine, which is how it answers to some damaged files, into an error.
fn contain<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(StoreError::Damaged(format!("the storage engine gave up: {text}")))
    })
}

fn explain(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::InUse("the database".into()),
        fjall::Error::Io(error) => StoreError::Io(error.to_string()),
        fjall::Error::InvalidVersion(version) => {
            StoreError::UnknownFormat(format!("the database has version {version:?}"))
        }
        fjall::Error::Storage(inner) => match inner {
            fjall::LsmError::Io(error) => StoreError::Io(error.to_string()),
            other => StoreError::Damaged(format!("{other:?}")),
        },
        other => StoreError::Damaged(format!("{other:?}")),
    }
}
