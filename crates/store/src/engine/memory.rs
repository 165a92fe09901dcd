//! The engine in memory: persistent maps, so that a snapshot costs nothing. Nothing survives the process.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;

use super::{Batch, Engine, Persist, RowIter, Rows};
use crate::StoreError;
use crate::layout::Keyspace;

#[derive(Clone, Default)]
struct Maps([OrdMap<Bytes, Bytes>; Keyspace::ALL.len()]);

impl Maps {
    fn of(&self, keyspace: Keyspace) -> Option<&OrdMap<Bytes, Bytes>> {
        self.0.get(usize::from(keyspace.id().saturating_sub(1)))
    }
}

impl Rows for Maps {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.of(keyspace).and_then(|map| map.get(key)).cloned())
    }

    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a> {
        let Some(map) = self.of(keyspace) else { return Box::new(std::iter::empty()) };
        if end.is_some_and(|end| end <= start) {
            return Box::new(std::iter::empty());
        }
        let range = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = map.range::<_, [u8]>(range);
        Box::new(rows.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }
}

/// The engine in memory.
#[derive(Default)]
pub(crate) struct MemoryEngine(RwLock<Maps>);

impl Rows for MemoryEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.read().get(keyspace, key)
    }

    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a> {
        let maps = self.0.read().clone();
        let rows: Vec<_> = maps.scan(keyspace, start, end).take(SCAN_ROWS_MAX).collect();
        let Some(Ok((last, _))) = rows.last().filter(|_| rows.len() == SCAN_ROWS_MAX) else {
            return Box::new(rows.into_iter());
        };
        // The newest state is only ever scanned in small steps; a longer scan goes on behind the last row.
        let next = [last.as_ref(), &[0]].concat();
        let end = end.map(<[u8]>::to_vec);
        let rest = std::iter::once_with(move || self.scan(keyspace, &next, end.as_deref())).flatten();
        Box::new(rows.into_iter().chain(rest))
    }
}

/// How many rows a scan of the newest state copies at once.
const SCAN_ROWS_MAX: usize = 1_024;

impl Engine for MemoryEngine {
    fn snapshot(&self) -> Arc<dyn Rows> {
        Arc::new(self.0.read().clone())
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut maps = self.0.write();
        for (keyspace, key, value) in batch.into_rows() {
            let Some(map) = maps.0.get_mut(usize::from(keyspace.id().saturating_sub(1))) else { continue };
            match value {
                // A small value may be part of a large request, which would stay with it.
                Some(value) => map.insert(key.into(), Bytes::copy_from_slice(&value)),
                None => map.remove(key.as_slice()),
            };
        }
        Ok(())
    }

    fn persist(&self, _: Persist) -> Result<(), StoreError> {
        Ok(())
    }

    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}
