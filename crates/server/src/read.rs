//! Serves reads from snapshots, off the runtime's own threads, a bounded number at a time.

use std::sync::Arc;

use seabag_protocol::error::Refusal;
use seabag_protocol::room::machine::Reply;
use seabag_protocol::room::name::RoomSeq;
use seabag_protocol::room::record::RoomPage;
use seabag_protocol::room::value::Value;
use seabag_store::{Snapshot, StoreError};
use tokio::sync::Semaphore;

use crate::mail::Due;
use crate::status::{store_refusal, unavailable};

/// Reads the store for answers.
#[derive(Clone)]
pub(crate) struct Reader {
    places: Arc<Semaphore>,
}

impl Reader {
    /// At most `reads_max` reads at once.
    pub(crate) fn new(reads_max: u64) -> Self {
        Self { places: Arc::new(Semaphore::new(usize::try_from(reads_max.max(1)).unwrap_or(1))) }
    }

    /// The entries that a stream read asks for.
    pub(crate) async fn read_stream(&self, due: &Due) -> Result<Vec<(RoomSeq, Value)>, Refusal> {
        let Reply::ReadStream(read) = &due.reply else { return Err(no_snapshot()) };
        let nothing = read.record.as_ref().is_none_or(|record| record.last <= read.after);
        if nothing {
            return Ok(Vec::new());
        }
        let (number, read) = (due.number, read.clone());
        self.run(due.snapshot.clone(), move |snapshot| snapshot.read_stream(number, &read)).await
    }

    /// The page that a room read asks for.
    pub(crate) async fn read_room(&self, due: &Due) -> Result<RoomPage, Refusal> {
        let Reply::ReadRoom { read, .. } = &due.reply else { return Err(no_snapshot()) };
        if read.after >= read.head {
            return Ok(RoomPage::default());
        }
        let (number, read) = (due.number, read.clone());
        self.run(due.snapshot.clone(), move |snapshot| snapshot.read_room(number, &read)).await
    }

    /// Runs a read where it may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        snapshot: Option<Arc<dyn Snapshot>>,
        read: impl FnOnce(&dyn Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let snapshot = snapshot.ok_or_else(no_snapshot)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| unavailable("the server is stopping"))?;
        // The read itself keeps the place: whoever asked may leave, but a read that has begun goes on.
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(snapshot.as_ref())
        });
        let done = read.await;
        done.map_err(|_| unavailable("a read failed"))?.map_err(|error| {
            tracing::error!(%error, "a read of the store failed");
            store_refusal(&error)
        })
    }
}

/// A read without a snapshot would be a fault of the room's driver; the peer may try again.
fn no_snapshot() -> Refusal {
    unavailable("the read lost its place")
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_store::{LocalStore, Options, Store};
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_read_whose_caller_has_left_still_counts() {
        let store = LocalStore::in_memory(&Options::default()).unwrap();
        let reader = Reader::new(1);
        let (go_on, held) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let read = {
            let (reader, snapshot) = (reader.clone(), store.snapshot());
            tokio::spawn(async move {
                let read = move |_: &dyn Snapshot| {
                    begun.send(()).unwrap();
                    held.recv().map_err(|error| StoreError::Io(error.to_string()))
                };
                reader.run(Some(snapshot), read).await
            })
        };
        has_begun.await.unwrap();
        read.abort();
        assert!(read.await.unwrap_err().is_cancelled());
        assert_eq!(reader.places.available_permits(), 0);
        go_on.send(()).unwrap();
        reader.run(Some(store.snapshot()), |_| Ok(())).await.unwrap();
    }
}
