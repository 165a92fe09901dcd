//! The one thread that writes. It takes all that waits, writes it as one transaction with one sync, and then
//! answers everyone in order. After a failed write or sync it answers nothing but `Stopped`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::StoreError;
use crate::engine::{Engine, Persist};
use crate::options::{Durability, Options};
use crate::order::{Answered, Order, Reply};
use crate::queue::{Taken, Weight};
use crate::read::StoreSnapshot;
use crate::reaper::{Reaper, Step};
use crate::shared::{Counts, Shared};
use crate::store::{AccountCommit, Commit, Committed, Snapshot};
use crate::transaction::Transaction;
use crate::watermark::Watermark;

/// How long nothing is asked of the committer before it lets the engine tidy its memory.
const QUIET: Duration = Duration::from_secs(5);
/// Bytes written since the last time for which that is worth while: smaller tables would only have to be merged.
const TIDY_BYTES_MIN: usize = 1 << 20;

/// Rounds of tidying: the engine lets go of what one round wrote out only at the next, and only if something was
/// written and no older snapshot is held.
const TIDY_ROUNDS: u32 = 3;

/// The thread's state.
pub(crate) struct Committer {
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    transaction: Transaction,
    watermark: Option<Watermark>,
    reaper: Reaper,
    durability: Durability,
    transaction_max: Weight,
    /// The state behind the last write, while nothing was written after it.
    snapshot: Option<Arc<StoreSnapshot>>,
    /// Written to the engine since the last answers went out.
    written: bool,
    /// Written and not synced, since when.
    unsynced: Option<Instant>,
    /// Bytes written since the engine last tidied its memory.
    untidy_bytes: usize,
    /// Rounds of tidying that are due.
    tidy_rounds: u32,
    /// When something was last asked.
    asked: Instant,
}

impl Committer {
    /// Takes over the engine's writes.
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        shared: Arc<Shared>,
        watermark: Option<Watermark>,
        transaction: Transaction,
        options: &Options,
    ) -> Self {
        let transaction_max =
            Weight { operations: options.transaction_operations_max, bytes: options.transaction_bytes_max };
        let reaper = Reaper::new(options);
        let durability = options.durability;
        Self {
            engine,
            shared,
            transaction,
            watermark,
            reaper,
            durability,
            transaction_max,
            snapshot: None,
            written: false,
            unsynced: None,
            untidy_bytes: 0,
            tidy_rounds: 0,
            asked: Instant::now(),
        }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let deadline = self.deadline();
            let orders = match self.shared.queue.take(self.transaction_max, deadline) {
                Taken::Items(orders) => {
                    self.asked = Instant::now();
                    orders
                }
                Taken::Idle => Vec::new(),
                Taken::Closed => break,
            };
            if let Some(reply) = self.turn(orders) {
                return self.end(Some(reply));
            }
        }
        self.end(None);
    }

    /// When something is to be done even if no order comes.
    fn deadline(&self) -> Option<Instant> {
        if self.shared.stopped().is_some() {
            return None;
        }
        let sync = match self.durability {
            Durability::Interval(interval) => self.unsynced.and_then(|since| since.checked_add(interval)),
            Durability::Sync | Durability::None => None,
        };
        [sync, self.reaper.due(), self.tidy_at()].into_iter().flatten().min()
    }

    fn tidy_at(&self) -> Option<Instant> {
        let due = self.untidy_bytes >= TIDY_BYTES_MIN || self.tidy_rounds > 0;
        if due { self.asked.checked_add(QUIET) } else { None }
    }

    /// Does one round. Returns the answer to a request to close, if there was one.
    fn turn(&mut self, orders: Vec<Order>) -> Option<Reply<()>> {
        let mut answers = Vec::with_capacity(orders.len());
        let mut closing = None;
        self.guarded(|this| this.work(orders, &mut answers, &mut closing));
        let failure = self.shared.stopped();
        for answer in answers {
            answer.send(failure.as_ref());
        }
        // Nobody waits for this.
        if failure.is_none() {
            self.guarded(Self::maintain);
        }
        closing
    }

    /// Does something after whose failure, or panic, nothing is acknowledged any more.
    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) {
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        let done = done.unwrap_or_else(|_| Err(StoreError::Stopped("the committer panicked".into())));
        if let Err(error) = done {
            self.shared.stop(&error);
        }
    }

    fn work(
        &mut self,
        orders: Vec<Order>,
        answers: &mut Vec<Answered>,
        closing: &mut Option<Reply<()>>,
    ) -> Result<(), StoreError> {
        let started = Instant::now();
        let stopped = self.shared.stopped();
        let commits = orders.len();
        let mut failed = None;
        for order in orders {
            let broken = stopped.as_ref().or(failed.as_ref()).cloned();
            failed = failed.or(self.order(order, broken, answers, closing).err());
        }
        match stopped.or(failed) {
            Some(error) => Err(error),
            None => self.finish(started, commits),
        }
    }

    /// Carries one order into the transaction. An error of the engine ends the store; what was asked of one
    /// room wrongly is that one's answer. Every order is answered.
    fn order(
        &mut self,
        order: Order,
        broken: Option<StoreError>,
        answers: &mut Vec<Answered>,
        closing: &mut Option<Reply<()>>,
    ) -> Result<(), StoreError> {
        let stop = |error: &StoreError| match error {
            StoreError::Fenced => None,
            other => Some(other.clone()),
        };
        let failure;
        match order {
            Order::Commit(commit, reply) => {
                let result = broken.map_or_else(|| self.commit(commit), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Commit(result, reply));
            }
            Order::Create(hash, record, reply) => {
                let result =
                    broken.map_or_else(|| self.transaction.create(&*self.engine, hash, &record), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Create(result, reply));
            }
            Order::Remove(hash, reply) => {
                let result = broken.map_or_else(|| self.transaction.remove(&*self.engine, hash), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Changed(result, reply));
            }
            Order::Reschedule(moves, reply) => {
                let result = broken.map_or_else(|| self.transaction.reschedule(&*self.engine, &moves), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Reschedule(result, reply));
            }
            Order::CommitAccount(commit, reply) => {
                let result = broken.map_or_else(|| self.commit_account(commit), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Commit(result, reply));
            }
            Order::CreateAccount(key, record, reply) => {
                let result =
                    broken.map_or_else(|| self.transaction.create_account(&*self.engine, key, &record), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Changed(result, reply));
            }
            Order::RemoveAccount(key, reply) => {
                let result = broken.map_or_else(|| self.transaction.remove_account(&*self.engine, key), Err);
                failure = result.as_ref().err().and_then(stop);
                answers.push(Answered::Changed(result, reply));
            }
            Order::Close(reply) => {
                self.shared.queue.close();
                *closing = Some(reply);
                failure = None;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
        let wants = commit.snapshot;
        self.transaction.commit(&*self.engine, commit)?;
        let snapshot = if wants { Some(self.snapshot_here()? as Arc<dyn Snapshot>) } else { None };
        Ok(Committed { snapshot })
    }

    fn commit_account(&mut self, commit: AccountCommit) -> Result<Committed, StoreError> {
        let inserted = self.transaction.commit_account(&*self.engine, commit)?;
        self.shared.counters.inserted(inserted);
        Ok(Committed { snapshot: None })
    }

    /// The state behind everything in the transaction so far, and before everything later.
    fn snapshot_here(&mut self) -> Result<Arc<StoreSnapshot>, StoreError> {
        self.write()?;
        let engine = &self.engine;
        Ok(self.snapshot.get_or_insert_with(|| Arc::new(StoreSnapshot(engine.snapshot()))).clone())
    }

    /// Hands what is pending to the engine, unsynced.
    fn write(&mut self) -> Result<(), StoreError> {
        let Some(batch) = self.transaction.take_batch() else { return Ok(()) };
        self.shared.counters.wrote(batch.operations(), batch.bytes());
        self.untidy_bytes = self.untidy_bytes.saturating_add(batch.bytes() + 64 * batch.operations());
        self.snapshot = None;
        self.engine.write(batch)?;
        self.written = true;
        self.unsynced = self.unsynced.or_else(|| Some(Instant::now()));
        Ok(())
    }

    /// Makes the transaction durable and visible.
    fn finish(&mut self, started: Instant, commits: usize) -> Result<(), StoreError> {
        self.write()?;
        let must_sync = self.transaction.take_must_sync();
        if self.written {
            match self.durability {
                Durability::Sync => self.sync()?,
                Durability::Interval(_) | Durability::None if must_sync => self.sync()?,
                Durability::Interval(_) | Durability::None => self.engine.persist(Persist::System)?,
            }
            self.publish()?;
            self.written = false;
            self.shared.counters.committed(commits, started.elapsed());
            self.reaper.wake(self.transaction.take_garbage());
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.engine.persist(Persist::Disk)?;
        self.unsynced = None;
        match &mut self.watermark {
            Some(watermark) => watermark.advance(self.transaction.commit_number()),
            None => Ok(()),
        }
    }

    /// Lets reads see what is durable now.
    fn publish(&mut self) -> Result<(), StoreError> {
        let snapshot = self.snapshot_here()?;
        self.shared.publish(snapshot, Counts::of(&self.transaction));
        Ok(())
    }

    /// What is done between transactions: the background sync, and a step of the reaper.
    fn maintain(&mut self) -> Result<(), StoreError> {
        if let (Durability::Interval(interval), Some(since)) = (self.durability, self.unsynced)
            && since.elapsed() >= interval
        {
            self.sync()?;
        }
        let now = Instant::now();
        if self.reaper.due().is_some_and(|due| due <= now) {
            match self.reaper.step(&*self.engine, self.transaction.batch_mut(), now)? {
                Step::Reaped(rows) => {
                    self.write()?;
                    self.shared.counters.reaped(rows);
                }
                // The published state would otherwise hold back what was just reaped.
                Step::Done => self.publish()?,
            }
            self.written = false;
        }
        if self.tidy_at().is_some_and(|due| due <= now) {
            self.tidy()?;
        }
        Ok(())
    }

    /// One round of moving what the engine holds in memory to disk, and of letting go of what it held.
    fn tidy(&mut self) -> Result<(), StoreError> {
        self.tidy_rounds = if self.tidy_rounds == 0 { TIDY_ROUNDS } else { self.tidy_rounds } - 1;
        self.transaction.touch();
        self.publish()?;
        self.written = false;
        self.untidy_bytes = 0;
        self.asked = Instant::now();
        self.engine.tidy()
    }

    /// Syncs, lets go of the engine, and only then says so.
    fn end(mut self, reply: Option<Reply<()>>) {
        self.shared.queue.close();
        while let Taken::Items(orders) = self.shared.queue.take(self.transaction_max, None) {
            self.turn(orders);
        }
        let result = match self.shared.stopped() {
            Some(error) => Err(error),
            None => self.sync().and_then(|()| self.watermark.as_mut().map_or(Ok(()), Watermark::sync)),
        };
        let ended = match &result {
            Ok(()) => StoreError::Stopped("the store was closed".into()),
            Err(error) => self.shared.stop(error),
        };
        self.shared.end(ended);
        drop(self);
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
    }
}
