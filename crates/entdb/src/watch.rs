//! Live changes: a bounded queue for everyone who watches, filled after each commit of this `Database`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::Ent;

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

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Change>>,
    missed: u64,
    waker: Option<Waker>,
    closed: bool,
}

impl Watch {
    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        unimplemented!()
    }

    /// Waits for the next event, at most so long; `None`: nothing came, or the database was closed.
    pub fn wait(&mut self, _at_most: Duration) -> Option<WatchEvent> {
        unimplemented!()
    }

    /// The next event for a task: `Ready(None)` once the database is closed and all has been told.
    pub fn poll_next(&mut self, _context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        unimplemented!()
    }
}
