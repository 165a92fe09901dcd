//! Live changes: a bounded queue for everyone who watches, filled after each commit of this `Database`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::{Database, Ent, Selection};

/// One entity before and after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before; `None`: it was not there.
    pub old: Option<Ent>,
    /// After; `None`: it is gone.
    pub new: Option<Ent>,
}

/// What a watcher hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// An entity came into the selection, changed in it, or left it.
    Changed(Arc<Change>),
    /// The queue was full, and so many changes were not told: ask the query again.
    Lagged(u64),
}

/// Someone who watches. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
}

/// What a watcher and the database share.
#[derive(Debug)]
struct Shared {
    selection: Selection,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// [`QUEUE_MAX`] at most.
    queue: VecDeque<Arc<Change>>,
    /// Changes that found the queue full since it was last told.
    missed: u64,
    /// The task to wake.
    waker: Option<Waker>,
    /// Whether the database is closed.
    closed: bool,
}

/// The most changes that wait for one watcher.
pub const QUEUE_MAX: usize = 1_024;

impl Shared {
    // A watcher that panicked while it held the lock left whole queues behind: they hold plain values.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest first; that changes were missed is told after those that were not.
    fn next(&mut self) -> Option<WatchEvent> {
        if let Some(change) = self.queue.pop_front() {
            return Some(WatchEvent::Changed(change));
        }
        match std::mem::take(&mut self.missed) {
            0 => None,
            missed => Some(WatchEvent::Lagged(missed)),
        }
    }
}

impl Watch {
    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        self.shared.lock().next()
    }

    /// Waits for the next event, at most so long; `None`: nothing came, or the database was closed.
    pub fn wait(&mut self, at_most: Duration) -> Option<WatchEvent> {
        let empty = |state: &mut State| state.queue.is_empty() && state.missed == 0 && !state.closed;
        let waited = self.shared.arrived.wait_timeout_while(self.shared.lock(), at_most, empty);
        waited.unwrap_or_else(PoisonError::into_inner).0.next()
    }

    /// The next event for a task: `Ready(None)` once the database is closed and all has been told.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let mut state = self.shared.lock();
        match state.next() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Everyone who watches a database.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    watchers: Mutex<Vec<Weak<Shared>>>,
}

impl Hub {
    fn watchers(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, selection: Selection) -> Watch {
        let shared = Arc::new(Shared { selection, state: Mutex::default(), arrived: Condvar::new() });
        let mut watchers = self.watchers();
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(&shared));
        Watch { shared }
    }

    /// Tells of what was committed.
    pub(crate) fn publish(&self, changes: Vec<Change>) {
        let watchers: Vec<Arc<Shared>> = self.watchers().iter().filter_map(Weak::upgrade).collect();
        if watchers.is_empty() {
            return;
        }
        let changes: Vec<Arc<Change>> =
            changes.into_iter().filter(|change| change.old != change.new).map(Arc::new).collect();
        for watcher in watchers {
            let selected = |ent: &Option<Ent>| ent.as_ref().is_some_and(|ent| watcher.selection.matches(ent));
            let mut state = watcher.lock();
            for change in changes.iter().filter(|change| selected(&change.old) || selected(&change.new)) {
                // Once one is missed all are, until that is told: their order says what came when.
                if state.queue.len() < QUEUE_MAX && state.missed == 0 {
                    state.queue.push_back(Arc::clone(change));
                } else {
                    state.missed += 1;
                }
            }
            if !state.queue.is_empty() || state.missed > 0 {
                watcher.arrived.notify_all();
                state.waker.take().into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for watcher in self.watchers().iter().filter_map(Weak::upgrade) {
            let mut state = watcher.lock();
            state.closed = true;
            watcher.arrived.notify_all();
            state.waker.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl Database {
    /// Tells of every change to a selection that this `Database` commits from now on: what comes into it,
    /// changes in it, or leaves it. What others commit to the same file is not told: see
    /// [`changed_elsewhere`](Self::changed_elsewhere).
    pub fn watch(&self, selection: Selection) -> Watch {
        self.hub.watch(selection)
    }
}
