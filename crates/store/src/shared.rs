//! What the committer and everybody else see of each other: the queue, the newest durable state, health and
//! counters. Nobody holds a lock here for longer than a copy takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::StoreError;
use crate::engine::Engine;
use crate::options::Options;
use crate::order::Order;
use crate::queue::Queue;
use crate::read::StoreSnapshot;
use crate::store::{Health, Statistics};
use crate::transaction::Transaction;

/// How many things there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    rooms: u64,
    accounts: u64,
}

impl Counts {
    /// As a transaction leaves it.
    pub(crate) fn of(transaction: &Transaction) -> Self {
        Self { rooms: transaction.rooms(), accounts: transaction.accounts() }
    }
}

/// What is shared.
pub(crate) struct Shared {
    /// In front of the committer.
    pub(crate) queue: Queue<Order>,
    /// Counters since start.
    pub(crate) counters: Counters,
    /// The newest durable state; an error once the store is closed.
    published: RwLock<Result<Arc<StoreSnapshot>, StoreError>>,
    /// Only to ask for its size. Let go at the end, so that the directory is free then.
    engine: RwLock<Option<Arc<dyn Engine>>>,
    health: watch::Sender<Health>,
}

impl Shared {
    /// Starts out from what the engine holds.
    pub(crate) fn new(engine: &Arc<dyn Engine>, counts: Counts, options: &Options) -> Self {
        let counters = Counters::default();
        counters.count(counts);
        Self {
            queue: Queue::new(options.queue_operations_max, options.queue_bytes_max),
            counters,
            published: RwLock::new(Ok(Arc::new(StoreSnapshot(engine.snapshot())))),
            engine: RwLock::new(Some(engine.clone())),
            health: watch::Sender::new(Health::Running),
        }
    }

    /// The newest durable state.
    pub(crate) fn published(&self) -> Result<Arc<StoreSnapshot>, StoreError> {
        self.published.read().clone()
    }

    /// Shows a newer durable state.
    pub(crate) fn publish(&self, snapshot: Arc<StoreSnapshot>, counts: Counts) {
        self.counters.count(counts);
        *self.published.write() = Ok(snapshot);
    }

    /// Why nothing is acknowledged any more, if so.
    pub(crate) fn stopped(&self) -> Option<StoreError> {
        match &*self.health.borrow() {
            Health::Running => None,
            Health::Stopped(reason) => Some(StoreError::Stopped(reason.clone())),
        }
    }

    /// Stops the store for good, for the first reason that is given, and returns that.
    pub(crate) fn stop(&self, error: &StoreError) -> StoreError {
        let reason = match error {
            StoreError::Stopped(reason) => reason.clone(),
            other => other.to_string(),
        };
        self.health.send_if_modified(|health| {
            let first = *health == Health::Running;
            if first {
                tracing::error!(%reason, "storage has stopped");
                *health = Health::Stopped(reason.clone());
            }
            first
        });
        self.stopped().unwrap_or(StoreError::Stopped(reason))
    }

    /// Ends it: reads are refused from now on, and the engine is let go.
    pub(crate) fn end(&self, error: StoreError) {
        *self.published.write() = Err(error);
        *self.engine.write() = None;
    }

    /// Watches health.
    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// How many rooms there are.
    pub(crate) fn room_count(&self) -> u64 {
        self.counters.rooms.load(Ordering::Relaxed)
    }

    /// How many accounts there are.
    pub(crate) fn account_count(&self) -> u64 {
        self.counters.accounts.load(Ordering::Relaxed)
    }

    /// Counters and sizes.
    pub(crate) fn statistics(&self) -> Statistics {
        let engine = self.engine.read().clone();
        let queued = self.queue.len() as u64;
        let disk_bytes = engine.map_or(0, |engine| engine.disk_bytes());
        Statistics { queued, disk_bytes, ..self.counters.read() }
    }
}

/// Counters since start.
#[derive(Default)]
pub(crate) struct Counters {
    rooms: AtomicU64,
    accounts: AtomicU64,
    transactions: AtomicU64,
    commits: AtomicU64,
    bags: AtomicU64,
    operations: AtomicU64,
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
    reaped: AtomicU64,
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Counters {
    fn count(&self, counts: Counts) {
        self.rooms.store(counts.rooms, Ordering::Relaxed);
        self.accounts.store(counts.accounts, Ordering::Relaxed);
    }

    /// Bags were inserted.
    pub(crate) fn inserted(&self, bags: usize) {
        add(&self.bags, bags as u64);
    }

    /// Rows were handed to the engine.
    pub(crate) fn wrote(&self, operations: usize, bytes: usize) {
        add(&self.operations, operations as u64);
        add(&self.bytes, bytes as u64);
    }

    /// A transaction of so many commits ended.
    pub(crate) fn committed(&self, commits: usize, took: Duration) {
        add(&self.transactions, 1);
        add(&self.commits, commits as u64);
        add(&self.nanoseconds, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Garbage was deleted.
    pub(crate) fn reaped(&self, rows: u64) {
        add(&self.reaped, rows);
    }

    fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            rooms: get(&self.rooms),
            accounts: get(&self.accounts),
            transactions: get(&self.transactions),
            commits: get(&self.commits),
            bags: get(&self.bags),
            operations: get(&self.operations),
            bytes: get(&self.bytes),
            commit_nanoseconds: get(&self.nanoseconds),
            reaped_rows: get(&self.reaped),
            disk_bytes: 0,
            queued: 0,
        }
    }
}
