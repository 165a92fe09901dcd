//! The little that the store asks of an engine: ordered maps of bytes that are written in atomic batches,
//! synced on request, and read from snapshots. Everything that knows about rooms is above this.

pub(crate) mod embedded;
#[cfg(test)]
pub(crate) mod faulty;
pub(crate) mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::StoreError;
use crate::layout::{Keyspace, prefix_end};

/// Rows of a scan, ascending.
pub(crate) type RowIter<'a> = Box<dyn Iterator<Item = Result<(Bytes, Bytes), StoreError>> + Send + 'a>;

/// Something that can be read.
pub(crate) trait Rows: Send + Sync {
    /// One row.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The rows from `start` on, up to but not with `end` (`None`: to the last), ascending.
    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a>;
}

/// The rows whose keys begin with `prefix`, ascending.
pub(crate) fn scan_prefix<'a>(rows: &'a dyn Rows, keyspace: Keyspace, prefix: &[u8]) -> RowIter<'a> {
    rows.scan(keyspace, prefix, prefix_end(prefix).as_deref())
}

/// How far [`Engine::persist`] drives what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persist {
    /// To the operating system: it survives the end of this process.
    System,
    /// To the disk: it survives a power cut.
    Disk,
}

/// An engine. Its own [`Rows`] show the newest state. Only one thread writes.
pub(crate) trait Engine: Rows {
    /// The state as of now, for ever.
    fn snapshot(&self) -> Arc<dyn Rows>;

    /// Writes a batch, all of it or nothing. It may still be lost until [`Engine::persist`].
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Makes everything written so far survive. After an error the engine is not to be written to any more.
    fn persist(&self, persist: Persist) -> Result<(), StoreError>;

    /// Moves what it holds in memory for writing to where it belongs, in the background. For quiet times.
    fn tidy(&self) -> Result<(), StoreError>;

    /// Bytes on disk, about; zero in memory.
    fn disk_bytes(&self) -> u64;
}

/// Rows to write: each at most once, the later change of a row replaces the earlier.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    rows: [BTreeMap<Vec<u8>, Option<Bytes>>; Keyspace::ALL.len()],
    operations: usize,
    bytes: usize,
}

impl Batch {
    fn map(&mut self, keyspace: Keyspace) -> Option<&mut BTreeMap<Vec<u8>, Option<Bytes>>> {
        self.rows.get_mut(usize::from(keyspace.id().saturating_sub(1)))
    }

    fn set(&mut self, keyspace: Keyspace, key: Vec<u8>, value: Option<Bytes>) {
        self.operations += 1;
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        if let Some(map) = self.map(keyspace) {
            map.insert(key, value);
        }
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, keyspace: Keyspace, key: Vec<u8>, value: Bytes) {
        self.set(keyspace, key, Some(value));
    }

    /// Deletes a row.
    pub(crate) fn delete(&mut self, keyspace: Keyspace, key: Vec<u8>) {
        self.set(keyspace, key, None);
    }

    /// What this batch makes of a row: `None` when it does not touch it, `Some(None)` when it deletes it.
    pub(crate) fn get(&self, keyspace: Keyspace, key: &[u8]) -> Option<Option<Bytes>> {
        self.rows.get(usize::from(keyspace.id().saturating_sub(1)))?.get(key).cloned()
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations == 0
    }

    /// Changes so far, replaced ones included.
    pub(crate) fn operations(&self) -> usize {
        self.operations
    }

    /// Bytes so far, replaced ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All rows, by keyspace.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (Keyspace, Vec<u8>, Option<Bytes>)> {
        let maps = Keyspace::ALL.into_iter().zip(self.rows);
        maps.flat_map(|(keyspace, map)| map.into_iter().map(move |(key, value)| (keyspace, key, value)))
    }
}
