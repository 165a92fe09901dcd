//! The bounded queue in front of the committer. Its writers wait for a place and are served in order; its one
//! reader is a thread that takes all that waits, up to a transaction's bounds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an item takes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// Rows.
    pub(crate) operations: usize,
    /// Bytes.
    pub(crate) bytes: usize,
}

struct Waiting<T> {
    item: T,
    weight: Weight,
    /// Its place in the queue, free again once it is taken.
    _places: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    closed: bool,
}

/// The queue.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    operations: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    operations_max: u32,
    bytes_max: u32,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    /// Items, at least one.
    Items(Vec<T>),
    /// Nothing until the deadline.
    Idle,
    /// Nothing, and nothing will come.
    Closed,
}

impl<T> Queue<T> {
    /// A queue that holds at most so much. An item that is larger than the whole queue takes all of it.
    pub(crate) fn new(operations_max: u32, bytes_max: u32) -> Self {
        let (operations_max, bytes_max) = (operations_max.max(1), bytes_max.max(1));
        Self {
            state: Mutex::new(State { waiting: VecDeque::new(), closed: false }),
            changed: Condvar::new(),
            operations: Arc::new(Semaphore::new(operations_max as usize)),
            bytes: Arc::new(Semaphore::new(bytes_max as usize)),
            operations_max,
            bytes_max,
        }
    }

    /// Waits for a place and takes it. Gives the item back when the queue is closed.
    pub(crate) async fn push(&self, item: T, weight: Weight) -> Result<(), T> {
        let share = |wanted: usize, most: u32| u32::try_from(wanted).unwrap_or(most).clamp(1, most);
        let operations = share(weight.operations, self.operations_max);
        let bytes = share(weight.bytes, self.bytes_max);
        // Always in this order, and taking needs neither, so nobody waits in a circle.
        let Ok(operations) = self.operations.clone().acquire_many_owned(operations).await else {
            return Err(item);
        };
        let Ok(bytes) = self.bytes.clone().acquire_many_owned(bytes).await else { return Err(item) };
        self.insert(Waiting { item, weight, _places: Some((operations, bytes)) })
    }

    /// Puts an item in without waiting for a place: for the few that the store itself makes.
    pub(crate) fn push_now(&self, item: T) -> Result<(), T> {
        self.insert(Waiting { item, weight: Weight { operations: 1, bytes: 0 }, _places: None })
    }

    fn insert(&self, waiting: Waiting<T>) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(waiting.item);
        }
        state.waiting.push_back(waiting);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes what waits, at most so much of it but at least one item; waits until the deadline when nothing does.
    pub(crate) fn take(&self, most: Weight, deadline: Option<Instant>) -> Taken<T> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if self.changed.wait_until(&mut state, deadline).timed_out() => {
                    // An item may have come in the same moment.
                    if state.waiting.is_empty() && !state.closed {
                        return Taken::Idle;
                    }
                }
                Some(_) => {}
            }
        }
        let (mut items, mut operations, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        while let Some(next) = state.waiting.front() {
            operations = operations.saturating_add(next.weight.operations);
            bytes = bytes.saturating_add(next.weight.bytes);
            if !items.is_empty() && (operations > most.operations || bytes > most.bytes) {
                break;
            }
            items.extend(state.waiting.pop_front().map(|waiting| waiting.item));
        }
        Taken::Items(items)
    }

    /// Refuses further items. Those that wait can still be taken.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.operations.close();
        self.bytes.close();
        self.changed.notify_all();
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Weight = Weight { operations: usize::MAX, bytes: usize::MAX };

    fn weight(operations: usize, bytes: usize) -> Weight {
        Weight { operations, bytes }
    }

    fn items(taken: Taken<u32>) -> Vec<u32> {
        if let Taken::Items(items) = taken { items } else { Vec::new() }
    }

    #[tokio::test]
    async fn a_full_queue_waits_rather_than_fails_and_keeps_the_order() {
        let queue = Arc::new(Queue::new(2, 1_000));
        queue.push(1, weight(1, 1)).await.unwrap();
        queue.push(2, weight(1, 1)).await.unwrap();
        let writer = tokio::spawn({
            let queue = queue.clone();
            async move { queue.push(3, weight(1, 1)).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((queue.len(), writer.is_finished()), (2, false));
        assert_eq!(items(queue.take(ANY, None)), [1, 2]);
        writer.await.unwrap().unwrap();
        assert_eq!(items(queue.take(ANY, None)), [3]);
    }

    #[tokio::test]
    async fn an_item_larger_than_the_queue_fits_alone() {
        let queue = Queue::new(4, 100);
        queue.push(1, weight(1_000, 1_000)).await.unwrap();
        assert_eq!(items(queue.take(weight(4, 100), None)), [1]);
    }

    #[tokio::test]
    async fn a_transaction_ends_before_the_item_that_passes_its_bounds() {
        let queue = Queue::new(100, 1_000);
        for (item, bytes) in [(1, 10), (2, 10), (3, 500), (4, 1)] {
            queue.push(item, weight(1, bytes)).await.unwrap();
        }
        let most = weight(100, 100);
        assert_eq!(items(queue.take(most, None)), [1, 2]);
        assert_eq!(items(queue.take(most, None)), [3], "alone, although too large");
        assert_eq!(items(queue.take(most, None)), [4]);
        assert!(matches!(queue.take(most, Some(Instant::now())), Taken::Idle));
    }

    #[tokio::test]
    async fn what_waits_at_closing_can_still_be_taken() {
        let queue = Queue::new(1, 1);
        queue.push(1, weight(1, 1)).await.unwrap();
        queue.close();
        assert_eq!(queue.push(2, weight(1, 1)).await, Err(2));
        assert_eq!(items(queue.take(ANY, None)), [1]);
        assert!(matches!(queue.take(ANY, None), Taken::Closed));
    }
}
