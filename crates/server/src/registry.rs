//! The live rooms of this process: loaded on first use, forgotten when idle.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use parking_lot::Mutex;
use seabag_protocol::error::Refusal;
use seabag_protocol::room::machine::Command;
use seabag_protocol::room::name::{Epoch, RoomHash};
use seabag_protocol::room::record::RoomRecord;
use seabag_protocol::room::session::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::chance::random;
use crate::feed::Feed;
use crate::mail::{Answers, Held, Look, Mail, Removal, RoomHandle, left_memory};
use crate::room_task::{self, Surroundings};
use crate::status::unavailable;

/// How often a request is sent again to a room that leaves memory at the same moment.
const TRIES_MAX: usize = 8;

/// The way to every room.
#[derive(Clone)]
pub(crate) struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    live: Mutex<Live>,
    surroundings: Surroundings,
    /// Names this process at the beginning of its epochs: random, so that no two runs share one.
    process: String,
    /// Places for rooms that stay in memory though nobody uses them.
    idle_places: Arc<Semaphore>,
}

#[derive(Default)]
struct Live {
    rooms: HashMap<RoomHash, RoomHandle>,
    /// The server stops: no room is loaded any more.
    stopped: Option<Refusal>,
}

impl Registry {
    pub(crate) fn new(surroundings: Surroundings) -> Result<Self, Refusal> {
        let process = BASE64URL_NOPAD.encode(&random::<9>()?);
        let idle = usize::try_from(surroundings.limits.idle_rooms_max)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        let idle_places = Arc::new(Semaphore::new(idle));
        Ok(Self { inner: Arc::new(Inner { live: Mutex::default(), surroundings, process, idle_places }) })
    }

    /// A new epoch of this process. Random, so that a room that is made again shares none with the one before.
    pub(crate) fn new_epoch(&self) -> Result<Epoch, Refusal> {
        let text = format!("{}{}", self.inner.process, BASE64URL_NOPAD.encode(&random::<6>()?));
        Epoch::parse(&text).ok_or_else(|| unavailable("no epoch could be made"))
    }

    /// The epoch in which this process owns a room: the open one if this process opened it, else a new one.
    pub(crate) fn epoch_of(&self, record: &RoomRecord) -> Result<Epoch, Refusal> {
        match record.lineage.last() {
            Some(open) if open.epoch.as_str().starts_with(&self.inner.process) => Ok(open.epoch.clone()),
            _ => self.new_epoch(),
        }
    }

    /// The way to a room, which is loaded if it is not live. Whether it exists shows with the first mail.
    pub(crate) fn open(&self, hash: RoomHash) -> Result<RoomHandle, Refusal> {
        let mut live = self.inner.live.lock();
        if let Some(refusal) = &live.stopped {
            return Err(refusal.clone());
        }
        if let Some(handle) = live.rooms.get(&hash).filter(|handle| handle.is_open()) {
            return Ok(handle.clone());
        }
        let handle = room_task::spawn(hash, self.clone(), self.inner.surroundings.clone());
        live.rooms.insert(hash, handle.clone());
        Ok(handle)
    }

    /// Sends mail that is answered once, again if the room leaves memory at the same moment.
    async fn ask<T>(
        &self,
        hash: RoomHash,
        mut mail: impl FnMut(oneshot::Sender<Result<T, Refusal>>) -> Mail,
    ) -> Result<T, Refusal> {
        for _ in 0..TRIES_MAX {
            let (sender, answer) = oneshot::channel();
            if self.open(hash)?.send(mail(sender)).await.is_err() {
                continue;
            }
            match answer.await {
                Ok(Err(refusal)) if refusal == left_memory() => {}
                Ok(answer) => return answer,
                Err(_) => return Err(unavailable("the room has failed")),
            }
        }
        Err(left_memory())
    }

    /// What the room is now; `unknown_room` if there is none.
    pub(crate) async fn look(&self, hash: RoomHash) -> Result<Look, Refusal> {
        self.ask(hash, |answer| Mail::Look { answer }).await
    }

    /// Lets a reader join a room.
    pub(crate) async fn join(&self, hash: RoomHash, session: Arc<Mutex<Session>>) -> Result<Feed, Refusal> {
        for _ in 0..TRIES_MAX {
            let reader = self.inner.surroundings.reader.clone();
            match Feed::join(self.open(hash)?, Arc::clone(&session), reader).await {
                Err(refusal) if refusal == left_memory() => {}
                joined => return joined,
            }
        }
        Err(left_memory())
    }

    /// Applies one command and brings its answers.
    pub(crate) async fn send(&self, hash: RoomHash, command: Command, held: Option<Held>) -> Answers {
        let mut held = held;
        self.ask(hash, |answer| Mail::Ask { command: Box::new(command.clone()), held: held.take(), answer })
            .await
    }

    /// Removes a room, if that is to be; its readers are told why. Whether it was removed.
    pub(crate) async fn remove(&self, hash: RoomHash, removal: Removal) -> Result<bool, Refusal> {
        self.ask(hash, |answer| Mail::Remove { removal, answer }).await
    }

    /// Whether a room is in memory.
    pub(crate) fn is_live(&self, hash: RoomHash) -> bool {
        self.inner.live.lock().rooms.contains_key(&hash)
    }

    /// Takes a room out of the map if `idle` holds, with the map locked: no mail can come between.
    pub(crate) fn forget_if(&self, hash: RoomHash, idle: impl FnOnce() -> bool) -> bool {
        let mut live = self.inner.live.lock();
        let forget = idle();
        if forget {
            live.rooms.remove(&hash);
        }
        forget
    }

    /// Takes a room whose mailbox is closed out of the map, unless a new one is in its place already.
    pub(crate) fn forget_closed(&self, hash: RoomHash) {
        let mut live = self.inner.live.lock();
        if live.rooms.get(&hash).is_some_and(|handle| !handle.is_open()) {
            live.rooms.remove(&hash);
        }
    }

    /// A place for a room that stays in memory though nobody uses it; `None` when there are many.
    pub(crate) fn idle_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.idle_places).try_acquire_owned().ok()
    }

    /// Stops every room: readers are told the reason, what was applied is committed. Waits for all of them.
    pub(crate) async fn stop(&self, reason: Refusal) {
        let rooms: Vec<_> = {
            let mut live = self.inner.live.lock();
            live.stopped = Some(reason.clone());
            live.rooms.values().cloned().collect()
        };
        // All at once: one room that is stuck must not keep the others from saying goodbye.
        let stop = rooms.iter().map(|room| async {
            // A room that has just left memory needs no stopping.
            let _ = room.send(Mail::Stop { reason: reason.clone() }).await;
            room.closed().await;
        });
        join_all(stop).await;
    }
}
