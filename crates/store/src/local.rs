//! The store of one process: an engine, the committer that owns its writes, and a few threads for reads.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::{AccountRecord, HeldBag};
use seabag_protocol::room::name::{RoomHash, RoomSeq};
use seabag_protocol::room::record::{
    RoomPage, RoomRead, RoomRecord, StoredRoom, StreamRead, Survey, SurveyRange,
};
use seabag_protocol::room::value::Value;
use tokio::sync::{oneshot, watch};

use crate::committer::Committer;
use crate::engine::memory::MemoryEngine;
use crate::engine::{Engine, Rows};
use crate::options::Options;
use crate::order::{Order, Reply};
use crate::readers::Readers;
use crate::shared::{Counts, Shared};
use crate::store::{
    AccountCommit, AccountNumber, AccountSummary, Answer, Commit, Committed, Health, Lifetime, Receipt,
    RoomNumber, RoomSummary, Snapshot, Statistics, Store,
};
use crate::tables::Depth;
use crate::transaction::Transaction;
use crate::watermark::Watermark;
use crate::{StoreError, expiry, opening, read};

/// The store of one process, in memory or on disk. Dropping it finishes what waits; [`Store::close`] says
/// whether that succeeded. A directory stays locked while any [`Snapshot`] of it is held.
pub struct LocalStore {
    shared: Arc<Shared>,
    readers: Readers,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl LocalStore {
    /// A store in memory. Nothing of it survives the process.
    pub fn in_memory(options: &Options) -> Result<Self, StoreError> {
        let engine = MemoryEngine::default();
        engine.write(opening::first_batch())?;
        Self::start(Arc::new(engine), None, options)
    }

    /// Opens the store in a directory, or makes one where nothing is. Blocks on the disk.
    ///
    /// Refuses a directory that another process has open ([`StoreError::InUse`]), that is not a store's or of
    /// another format ([`StoreError::UnknownFormat`]), whose newest acknowledged commits are missing
    /// ([`StoreError::Shortened`], unless [`Options::accept_loss`]), or whose bytes are damaged.
    pub fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let (engine, watermark) = opening::open(path, options, Depth::Outlines)?;
        Self::start(Arc::new(engine), Some(watermark), options)
    }

    /// Starts the threads on an engine.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        watermark: Option<Watermark>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let transaction = Transaction::resume(&*engine)?;
        let shared = Arc::new(Shared::new(&engine, Counts::of(&transaction), options));
        let readers = Readers::start(options.reader_threads)?;
        let committer = Committer::new(engine, shared.clone(), watermark, transaction, options);
        let spawned = std::thread::Builder::new().name("seabag-committer".into()).spawn(|| committer.run());
        let thread = spawned.map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { shared, readers, committer: Mutex::new(Some(thread)) })
    }

    /// The newest durable state, as rows.
    pub(crate) fn rows(&self) -> Result<Arc<dyn Rows>, StoreError> {
        Ok(self.shared.published()?.0.clone())
    }

    /// Puts an order into the queue and waits for its answer.
    fn ask<T: Send + 'static>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        let (shared, order) = (self.shared.clone(), order(reply));
        Box::pin(async move {
            push(&shared, order).await?;
            answer.await.unwrap_or_else(|_| Err(closed(&shared)))
        })
    }

    /// Puts a commit into the queue.
    fn submit_order(&self, order: impl FnOnce(Reply<Committed>) -> Order) -> Answer<Receipt> {
        let (reply, answer) = oneshot::channel();
        let (shared, order) = (self.shared.clone(), order(reply));
        Box::pin(async move {
            push(&shared, order).await?;
            Ok(Receipt(answer))
        })
    }

    /// Runs a read of the newest durable state.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Rows) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (readers, shared) = (self.readers.handle(), self.shared.clone());
        Box::pin(readers.run(move || read(&*shared.published()?.0)))
    }
}

fn closed(shared: &Shared) -> StoreError {
    shared.stopped().unwrap_or_else(|| StoreError::Stopped("the store was closed".into()))
}

async fn push(shared: &Shared, order: Order) -> Result<(), StoreError> {
    if let Some(error) = shared.stopped() {
        return Err(error);
    }
    let weight = order.weight();
    shared.queue.push(order, weight).await.map_err(|_| closed(shared))
}

impl Store for LocalStore {
    fn create(&self, room: RoomHash, record: RoomRecord) -> Answer<Option<RoomNumber>> {
        self.ask(|reply| Order::Create(room, record, reply))
    }

    fn load(&self, room: RoomHash) -> Answer<Option<(RoomNumber, StoredRoom)>> {
        self.read(move |rows| read::load(rows, room))
    }

    fn submit(&self, commit: Commit) -> Answer<Receipt> {
        self.submit_order(|reply| Order::Commit(commit, reply))
    }

    fn remove(&self, room: RoomHash) -> Answer<bool> {
        self.ask(|reply| Order::Remove(room, reply))
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        match self.shared.published() {
            Ok(snapshot) => snapshot,
            Err(error) => Arc::new(Refused(error)),
        }
    }

    fn expired(&self, now_ms: u64, lifetime: Lifetime, limit: usize) -> Answer<Vec<RoomHash>> {
        let look = self.read(move |rows| expiry::due(rows, now_ms, lifetime, limit));
        let shared = self.shared.clone();
        Box::pin(async move {
            let due = look.await?;
            if !due.moves.is_empty() {
                let (reply, answer) = oneshot::channel();
                push(&shared, Order::Reschedule(due.moves, reply)).await?;
                answer.await.unwrap_or_else(|_| Err(closed(&shared)))?;
            }
            Ok(due.rooms)
        })
    }

    fn rooms(&self, after: Option<RoomHash>, limit: usize) -> Answer<Vec<RoomSummary>> {
        self.read(move |rows| read::rooms(rows, after, limit))
    }

    fn watch(&self) -> watch::Receiver<Health> {
        self.shared.watch()
    }

    fn room_count(&self) -> u64 {
        self.shared.room_count()
    }

    fn create_account(&self, key: PublicKey, record: AccountRecord) -> Answer<bool> {
        self.ask(|reply| Order::CreateAccount(key, record, reply))
    }

    fn submit_account(&self, commit: AccountCommit) -> Answer<Receipt> {
        self.submit_order(|reply| Order::CommitAccount(commit, reply))
    }

    fn remove_account(&self, key: PublicKey) -> Answer<bool> {
        self.ask(|reply| Order::RemoveAccount(key, reply))
    }

    fn accounts(&self, after: Option<PublicKey>, limit: usize) -> Answer<Vec<AccountSummary>> {
        self.read(move |rows| read::accounts::accounts(rows, after, limit))
    }

    fn account_count(&self) -> u64 {
        self.shared.account_count()
    }

    fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    fn close(&self) -> Answer<()> {
        let (reply, answer) = oneshot::channel();
        let shared = self.shared.clone();
        let pushed = shared.queue.push_now(Order::Close(reply));
        Box::pin(async move {
            // Already closed: what there was to say was said to the first who asked.
            if pushed.is_err() {
                return shared.stopped().map_or(Ok(()), Err);
            }
            answer.await.unwrap_or_else(|_| Err(closed(&shared)))
        })
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(thread) = self.committer.lock().take() {
            // A committer that panicked has stopped the store already.
            let _ = thread.join();
        }
    }
}

/// The snapshot of a store that has ended.
struct Refused(StoreError);

impl Snapshot for Refused {
    fn read_stream(&self, _: RoomNumber, _: &StreamRead) -> Result<Vec<(RoomSeq, Value)>, StoreError> {
        Err(self.0.clone())
    }

    fn read_room(&self, _: RoomNumber, _: &RoomRead) -> Result<RoomPage, StoreError> {
        Err(self.0.clone())
    }

    fn survey(&self, _: RoomNumber, _: SurveyRange) -> Result<Survey, StoreError> {
        Err(self.0.clone())
    }

    fn account(&self, _: &PublicKey) -> Result<Option<(AccountNumber, AccountRecord)>, StoreError> {
        Err(self.0.clone())
    }

    fn peek(&self, _: AccountNumber, _: BagSeq, _: usize, _: usize) -> Result<Vec<PeekItem>, StoreError> {
        Err(self.0.clone())
    }

    fn bodies(&self, _: AccountNumber, _: &[BagSeq], _: usize) -> Result<(Vec<PullItem>, usize), StoreError> {
        Err(self.0.clone())
    }

    fn find_bags(&self, _: AccountNumber, _: &[BagIdentity]) -> Result<Vec<Option<BagSeq>>, StoreError> {
        Err(self.0.clone())
    }

    fn held_bags(&self, _: AccountNumber, _: &[BagSeq]) -> Result<Vec<Option<HeldBag>>, StoreError> {
        Err(self.0.clone())
    }
}
