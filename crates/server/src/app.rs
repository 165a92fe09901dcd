//! What every route shares.

use std::sync::Arc;

use parking_lot::Mutex;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::limits::Limits;
use seabag_protocol::rate::Rate;
use seabag_protocol::room::machine::Room;
use seabag_protocol::room::name::{Epoch, RoomAddress, RoomId};
use seabag_store::Store;
use tokio::sync::OwnedSemaphorePermit;

use crate::budget::Budget;
use crate::clock::now_ms;
use crate::metrics::Metrics;
use crate::read::Reader;
use crate::registry::Registry;
use crate::room_task::Surroundings;
use crate::settings::Secret;
use crate::status::store_refusal;
use crate::urls::Urls;

/// The server, as its routes know it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    reader: Reader,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) urls: Arc<Urls>,
    pub(crate) creation_token: Option<Arc<Secret>>,
    /// Bytes of commands that may still wait, in the whole server.
    pub(crate) inflight: Budget,
    creations: Arc<Mutex<Rate>>,
}

impl App {
    pub(crate) fn new(
        registry: Registry,
        surroundings: Surroundings,
        urls: Urls,
        creation_token: Option<Secret>,
    ) -> Self {
        let Surroundings { store, reader, metrics, limits } = surroundings;
        Self {
            store,
            registry,
            reader,
            metrics,
            creations: Arc::new(Mutex::new(Rate::new(limits.rooms_created_per_second_max, now_ms()))),
            inflight: Budget::new(limits.inflight_bytes_max),
            limits,
            urls: Arc::new(urls),
            creation_token: creation_token.map(Arc::new),
        }
    }

    /// Reads the store for answers.
    pub(crate) fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Waits until a command of this size may wait. `None`: the server stops.
    pub(crate) async fn hold(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.inflight.take(bytes).await
    }

    /// Creates a room if there is none of this id: its first epoch if it did. Durable when it resolves.
    pub(crate) async fn create(&self, id: &RoomId) -> Result<Option<Epoch>, Refusal> {
        self.creations.lock().take(1, now_ms()).map_err(|retry_ms| {
            Refusal::new(Code::RateLimited, "too many rooms are being created").retry_after(retry_ms)
        })?;
        if self.limits.rooms_max > 0 && self.store.room_count() >= self.limits.rooms_max {
            return Err(Refusal::new(Code::RoomFull, "the server has as many rooms as it may"));
        }
        let epoch = self.registry.new_epoch()?;
        let record = Room::new_record(&epoch, now_ms());
        let created = self.store.create(RoomAddress::from(id.clone()).hash(), record).await;
        let created = created.map_err(|error| store_refusal(&error))?.is_some();
        if created {
            self.metrics.rooms_created.inc();
        }
        Ok(created.then_some(epoch))
    }
}
