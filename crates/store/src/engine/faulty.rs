//! An engine for tests whose writes or syncs fail from some call on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{Batch, Engine, Persist, RowIter, Rows};
use crate::StoreError;
use crate::layout::Keyspace;

/// Passes everything on to another engine until a count runs out.
pub(crate) struct FaultyEngine {
    inner: Arc<dyn Engine>,
    writes: AtomicU64,
    syncs: AtomicU64,
    /// How often it was synced to disk, in fact.
    synced: Arc<AtomicU64>,
}

impl FaultyEngine {
    /// Lets so many writes and so many syncs succeed.
    pub(crate) fn new(inner: Arc<dyn Engine>, writes: u64, syncs: u64) -> Self {
        let (writes, syncs) = (AtomicU64::new(writes), AtomicU64::new(syncs));
        Self { inner, writes, syncs, synced: Arc::default() }
    }
}

fn spend(count: &AtomicU64, what: &str) -> Result<(), StoreError> {
    let spent = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    spent.map(|_| ()).map_err(|_| StoreError::Io(format!("no more {what}")))
}

impl Rows for FaultyEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(keyspace, key)
    }

    fn scan<'a>(&'a self, keyspace: Keyspace, start: &[u8], end: Option<&[u8]>) -> RowIter<'a> {
        self.inner.scan(keyspace, start, end)
    }
}

impl Engine for FaultyEngine {
    fn snapshot(&self) -> Arc<dyn Rows> {
        self.inner.snapshot()
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        spend(&self.writes, "writes")?;
        self.inner.write(batch)
    }

    fn persist(&self, persist: Persist) -> Result<(), StoreError> {
        spend(&self.syncs, "syncs")?;
        self.synced.fetch_add(u64::from(persist == Persist::Disk), Ordering::Relaxed);
        self.inner.persist(persist)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.inner.tidy()
    }

    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }
}

#[cfg(test)]
mod tests {
    use seabag_protocol::host::auth::PublicKey;
    use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
    use seabag_protocol::host::machine::register;
    use seabag_protocol::host::record::{AccountChanges, AccountRecord, ProcessId};
    use seabag_protocol::room::name::RoomHash;
    use seabag_protocol::room::record::{Changes, RoomRecord};

    use super::*;
    use crate::engine::memory::MemoryEngine;
    use crate::{AccountCommit, AccountNumber, Commit, Health, LocalStore, Options, RoomNumber, Store};

    fn store(writes: u64, syncs: u64) -> LocalStore {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::default()), writes, syncs);
        LocalStore::start(Arc::new(engine), None, &Options::default()).unwrap()
    }

    fn touch(room: RoomNumber, time: u64) -> Commit {
        let record = RoomRecord { touched_ms: time, ..RoomRecord::default() };
        Commit { room, changes: Changes { room: Some(record), ..Changes::default() }, snapshot: false }
    }

    async fn stops_at_the_third(store: LocalStore) {
        let hash = RoomHash([1; 16]);
        let room = store.create(hash, RoomRecord::default()).await.unwrap().unwrap();
        store.submit(touch(room, 1)).await.unwrap().await.unwrap();
        let mut receipts = Vec::new();
        for time in 2..100 {
            // The store may have stopped by now, and then says so at once.
            receipts.extend(store.submit(touch(room, time)).await.ok());
        }
        assert!(!receipts.is_empty());
        for receipt in receipts {
            assert!(matches!(receipt.await, Err(StoreError::Stopped(_))), "nothing is acknowledged any more");
        }
        let Health::Stopped(reason) = store.watch().borrow().clone() else { panic!("the store goes on") };
        assert!(reason.contains("no more"), "{reason}");
        assert!(matches!(store.submit(touch(room, 1)).await.err(), Some(StoreError::Stopped(_))));
        assert!(matches!(store.create(hash, RoomRecord::default()).await, Err(StoreError::Stopped(_))));
        let (_, stored) = store.load(hash).await.unwrap().unwrap();
        assert_eq!(stored.record.touched_ms, 1, "reads show what was durable, not what was written");
        assert!(matches!(store.close().await, Err(StoreError::Stopped(_))));
    }

    #[tokio::test]
    async fn a_failed_write_stops_the_store_for_good() {
        stops_at_the_third(store(2, u64::MAX)).await;
    }

    #[tokio::test]
    async fn a_failed_sync_stops_the_store_for_good() {
        stops_at_the_third(store(u64::MAX, 2)).await;
    }

    #[tokio::test]
    async fn a_snapshot_is_not_released_before_the_sync_that_covers_it() {
        let store = store(u64::MAX, 1);
        let room = store.create(RoomHash([1; 16]), RoomRecord::default()).await.unwrap().unwrap();
        let asked = Commit { snapshot: true, ..touch(room, 1) };
        let receipt = store.submit(asked).await.unwrap();
        assert!(matches!(receipt.await.err(), Some(StoreError::Stopped(_))));
    }

    #[tokio::test]
    async fn a_reservation_is_synced_in_every_durability_mode() {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::default()), u64::MAX, u64::MAX);
        let synced = engine.synced.clone();
        let options = Options { durability: crate::Durability::None, ..Options::default() };
        let store = LocalStore::start(Arc::new(engine), None, &options).unwrap();
        let room = store.create(RoomHash([1; 16]), RoomRecord::default()).await.unwrap().unwrap();
        assert_eq!(synced.load(Ordering::Relaxed), 1, "so is a new room");
        for (reserved, syncs) in [(0, 1), (0, 1), (100, 2), (100, 2), (200, 3)] {
            let mut commit = touch(room, 1);
            commit.changes.room = commit.changes.room.map(|record| {
                let reserved = seabag_protocol::room::name::RoomSeq(reserved);
                RoomRecord { reserved, ..record }
            });
            store.submit(commit).await.unwrap().await.unwrap();
            assert_eq!(synced.load(Ordering::Relaxed), syncs, "reserved up to {reserved}");
        }
    }

    fn push(account: AccountNumber, seq: u64) -> AccountCommit {
        let head = Bytes::copy_from_slice(&seq.to_be_bytes());
        let sealed = SealedHead { signature: [0; 64], derivation: seq.to_be_bytes(), head };
        let bag = Bag { sealed, body: Bytes::from_static(b"body") };
        let record = AccountRecord { last: BagSeq(seq), ..register(&ProcessId([1; 16]), [1; 8], 0) };
        let insert = vec![(BagSeq(seq), bag)];
        let changes = AccountChanges { record: Some(record), insert, remove: Vec::new() };
        AccountCommit { account, changes }
    }

    async fn keeps_what_was_durable(store: LocalStore) {
        let key = PublicKey([1; 32]);
        assert!(store.create_account(key, register(&ProcessId([1; 16]), [1; 8], 0)).await.unwrap());
        let (account, _) = store.snapshot().account(&key).unwrap().unwrap();
        store.submit_account(push(account, 1)).await.unwrap().await.unwrap();
        let receipt = store.submit_account(push(account, 2)).await.unwrap();
        assert!(matches!(receipt.await, Err(StoreError::Stopped(_))), "nothing is acknowledged any more");
        assert!(matches!(store.submit_account(push(account, 2)).await.err(), Some(StoreError::Stopped(_))));
        assert!(matches!(store.remove_account(key).await, Err(StoreError::Stopped(_))));
        let heads = store.snapshot().peek(account, BagSeq::ZERO, 9, usize::MAX).unwrap();
        let seqs: Vec<_> = heads.iter().map(|item| item.seq.0).collect();
        assert_eq!(seqs, [1], "PEEK shows what was durable, not what was written");
        assert_eq!(store.snapshot().account(&key).unwrap().unwrap().1.last, BagSeq(1));
    }

    #[tokio::test]
    async fn a_bag_that_failed_to_be_written_or_synced_is_not_shown() {
        keeps_what_was_durable(store(2, u64::MAX)).await;
        keeps_what_was_durable(store(u64::MAX, 2)).await;
    }

    #[tokio::test]
    async fn a_new_account_and_its_removal_are_synced_in_every_durability_mode() {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::default()), u64::MAX, u64::MAX);
        let synced = engine.synced.clone();
        let options = Options { durability: crate::Durability::None, ..Options::default() };
        let store = LocalStore::start(Arc::new(engine), None, &options).unwrap();
        let key = PublicKey([1; 32]);
        store.create_account(key, register(&ProcessId([1; 16]), [1; 8], 0)).await.unwrap();
        assert_eq!(synced.load(Ordering::Relaxed), 1);
        let (account, _) = store.snapshot().account(&key).unwrap().unwrap();
        store.submit_account(push(account, 1)).await.unwrap().await.unwrap();
        assert_eq!(synced.load(Ordering::Relaxed), 1, "a bag is not");
        store.remove_account(key).await.unwrap();
        assert_eq!(synced.load(Ordering::Relaxed), 2);
    }
}
