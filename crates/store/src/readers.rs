//! A few threads that do blocking reads, so that the store's futures run on any runtime and block none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::queue::{Queue, Taken, Weight};

type Job = Box<dyn FnOnce() + Send>;

/// Most reads that wait. More wait for a place.
const WAITING_MAX: u32 = 4_096;
const ONE: Weight = Weight { operations: 1, bytes: 1 };

/// The threads. They end when this is dropped.
pub(crate) struct Readers {
    queue: Arc<Queue<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts so many threads.
    pub(crate) fn start(count: usize) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::<Job>::new(WAITING_MAX, WAITING_MAX));
        let mut readers = Self { queue, threads: Vec::new() };
        for _ in 0..count.max(1) {
            let queue = readers.queue.clone();
            let work = move || {
                while let Taken::Items(jobs) = queue.take(ONE, None) {
                    for job in jobs {
                        // One that panics has dropped its reply, which is an answer. The thread is for the others.
                        let _ = catch_unwind(AssertUnwindSafe(job));
                    }
                }
            };
            let spawned = std::thread::Builder::new().name("seabag-reader".into()).spawn(work);
            readers.threads.push(spawned.map_err(|error| StoreError::Io(error.to_string()))?);
        }
        Ok(readers)
    }

    /// A handle to put reads in.
    pub(crate) fn handle(&self) -> ReadersHandle {
        ReadersHandle(self.queue.clone())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A reader that panicked answered its caller by dropping the reply.
            let _ = thread.join();
        }
    }
}

/// Where reads go.
pub(crate) struct ReadersHandle(Arc<Queue<Job>>);

impl ReadersHandle {
    /// Runs a read on one of the threads.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The caller may have gone away.
            let _ = reply.send(read());
        });
        let ended = || StoreError::Stopped("the store was closed".into());
        self.0.push(job, ONE).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}
