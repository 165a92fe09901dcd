//! The accounts that something is going on with: who is written to has a task, who is listened to has listeners, who
//! asks has a rate. The others are forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use seabag_protocol::error::Refusal;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::record::ProcessId;
use seabag_protocol::host::status::Status;
use seabag_protocol::rate::Rate;
use tokio::sync::{mpsc, oneshot};

use super::account_task::{self, Answer, Mail};
use super::hub::{Hub, Listener};
use crate::chance::random;
use crate::clock::now_ms;
use crate::room_task::Surroundings;

/// Accounts that may be known before the unused ones are forgotten.
const KNOWN_MIN: usize = 1_024;
/// How often mail is sent again to a task that ends at the same moment.
const TRIES_MAX: usize = 8;
/// Milliseconds after which a rate that was not used is full again (`protocol/rate.rs`).
const RATE_MS: u64 = 2_000;

/// The way to every account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    live: Mutex<Live>,
    surroundings: Surroundings,
    /// Names this process in the epochs that it opens.
    process: ProcessId,
}

#[derive(Default)]
struct Live {
    known: HashMap<PublicKey, Known>,
    /// At so many the unused ones are forgotten.
    forget_at: usize,
    /// The server stops: no task is started any more.
    stopped: Option<Refusal>,
}

struct Known {
    /// The way to its task, if there is one. Only callers whose mail is under way hold a clone.
    task: Option<mpsc::Sender<Mail>>,
    hub: Arc<Hub>,
    rate: Rate,
    asked_ms: u64,
}

impl Known {
    fn is_unused(&self, now_ms: u64) -> bool {
        self.task.as_ref().is_none_or(mpsc::Sender::is_closed)
            && Arc::strong_count(&self.hub) == 1
            && self.asked_ms.saturating_add(RATE_MS) < now_ms
    }
}

impl Accounts {
    pub(crate) fn new(surroundings: Surroundings) -> Result<Self, Refusal> {
        let process = ProcessId(random()?);
        Ok(Self { inner: Arc::new(Inner { live: Mutex::default(), surroundings, process }) })
    }

    /// This run of the program.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.inner.process
    }

    /// Does something to an account that is then known, and is told whether the server stops. Only those that were
    /// shown to exist come here, and those that hold a connection, or strangers could fill the memory.
    fn with<T>(&self, key: &PublicKey, act: impl FnOnce(&mut Known, Option<&Refusal>) -> T) -> T {
        let now_ms = now_ms();
        let live = &mut *self.inner.live.lock();
        if live.known.len() >= live.forget_at.max(KNOWN_MIN) {
            live.known.retain(|_, known| !known.is_unused(now_ms));
            live.forget_at = live.known.len().saturating_mul(2);
        }
        let per_second = self.inner.surroundings.limits.account_requests_per_second_max;
        let new = || Known {
            task: None,
            hub: Arc::default(),
            rate: Rate::new(per_second, now_ms),
            asked_ms: now_ms,
        };
        act(live.known.entry(*key).or_insert_with(new), live.stopped.as_ref())
    }

    /// Counts a request against the account's rate, or says in how many milliseconds it may come.
    pub(crate) fn take_request(&self, key: &PublicKey) -> Result<(), u64> {
        let now_ms = now_ms();
        self.with(key, |known, _| {
            known.asked_ms = now_ms;
            known.rate.take(1, now_ms)
        })
    }

    /// Whether the account has a task. Then it is, or was a moment ago, one that exists, and its task knows which.
    pub(crate) fn is_written_to(&self, key: &PublicKey) -> bool {
        let live = self.inner.live.lock();
        live.known.get(key).and_then(|known| known.task.as_ref()).is_some_and(|task| !task.is_closed())
    }

    /// Lets someone listen; `None` when there are as many listeners as there may be.
    pub(crate) fn listen(&self, key: &PublicKey) -> Result<Option<Listener>, Refusal> {
        self.with(key, |known, stopped| match stopped {
            Some(reason) => Err(reason.clone()),
            None => Ok(known.hub.join(&self.inner.surroundings.limits)),
        })
    }

    /// Sends mail to the account's task, which is started if there is none, and brings its answer.
    pub(crate) async fn ask<T>(
        &self,
        key: &PublicKey,
        mail: impl FnOnce(Answer<T>) -> Mail,
    ) -> Result<T, Status> {
        let (answer, answered) = oneshot::channel();
        let mut mail = mail(answer);
        for _ in 0..TRIES_MAX {
            // A server that stops has taken the tasks out: a second one for an account would not see what the first
            // one has under way, and give its numbers again.
            let task = self.with(key, |known, stopped| match stopped {
                Some(_) => Err(Status::StorageError),
                None => Ok(self.task_of(key, known)),
            });
            match task?.send(mail).await {
                Ok(()) => return answered.await.unwrap_or(Err(Status::InternalError)),
                // The task has just ended; the next one finds out why.
                Err(returned) => mail = returned.0,
            }
        }
        Err(Status::InternalError)
    }

    fn task_of(&self, key: &PublicKey, known: &mut Known) -> mpsc::Sender<Mail> {
        if let Some(task) = known.task.as_ref().filter(|task| !task.is_closed()) {
            return task.clone();
        }
        let (surroundings, hub) = (self.inner.surroundings.clone(), Arc::clone(&known.hub));
        let task = account_task::spawn(*key, self.clone(), surroundings, hub);
        known.task = Some(task.clone());
        task
    }

    /// Takes an idle task out of the map, unless somebody has mail for it. No mail can come between: whoever sends
    /// got its clone with the map locked.
    pub(crate) fn forget_if_unused(&self, key: &PublicKey, mailbox: &mpsc::Receiver<Mail>) -> bool {
        let mut live = self.inner.live.lock();
        let unused = mailbox.is_empty() && mailbox.sender_strong_count() <= 1;
        if unused && let Some(known) = live.known.get_mut(key) {
            known.task = None;
        }
        unused
    }

    /// Ends every listener, and every task behind what it has. Waits for the tasks.
    pub(crate) async fn stop(&self, reason: Refusal) {
        let tasks: Vec<_> = {
            let mut live = self.inner.live.lock();
            live.stopped = Some(reason.clone());
            for known in live.known.values() {
                known.hub.end(&reason);
            }
            live.known.values_mut().filter_map(|known| known.task.take()).collect()
        };
        let stop = tasks.into_iter().map(|task| async move {
            // One that has just ended needs no stopping.
            let _ = task.send(Mail::Stop).await;
            task.closed().await;
        });
        join_all(stop).await;
    }
}
