//! The driver of one live room: takes commands from its mailbox, lets the machine apply them, commits, and
//! sends their effects when the commit is durable. Data flows one way: mailbox -> machine -> commit -> send.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::limits::Limits;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, RoomHash};
use seabag_protocol::room::record::{Changes, RoomRecord, Survey};
use seabag_store::{Commit, Committed, Receipt, RoomNumber, Snapshot, Store, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::feed::{FeedShared, slow_reader};
use crate::mail::{Answers, Due, Held, Look, Mail, Removal, RoomHandle, left_memory};
use crate::metrics::Metrics;
use crate::read::Reader;
use crate::registry::Registry;
use crate::ring::{Event, Ring, RingBounds, Shared};
use crate::status::{store_refusal, unavailable};

/// Most commands that are applied before the commits that are done get their turn.
const WAVE_COMMANDS_MAX: usize = 512;

/// What a room's task needs of its server.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) reader: Reader,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Arc<Limits>,
}

/// Starts a room's task. It loads the room, and answers `unknown_room` if there is none.
pub(crate) fn spawn(hash: RoomHash, registry: Registry, surroundings: Surroundings) -> RoomHandle {
    let commands = usize::try_from(surroundings.limits.room_commands_max.max(1)).unwrap_or(1);
    let (sender, mailbox) = mpsc::channel(commands);
    let (ring, left) = (Arc::new(Ring::new()), Arc::new(Notify::new()));
    tokio::spawn(run(hash, registry, surroundings, mailbox, Arc::clone(&ring), Arc::clone(&left)));
    RoomHandle::new(sender, ring, left)
}

async fn run(
    hash: RoomHash,
    registry: Registry,
    surroundings: Surroundings,
    mut mailbox: mpsc::Receiver<Mail>,
    ring: Arc<Ring>,
    left: Arc<Notify>,
) {
    let refusal = match surroundings.store.load(hash).await {
        Ok(Some((number, stored))) => match registry.epoch_of(&stored.record) {
            Ok(epoch) => {
                surroundings.metrics.rooms_loaded.inc();
                let touched_ms = stored.record.touched_ms;
                let room = Room::load(stored, &epoch, Arc::clone(&surroundings.limits));
                let metrics = Arc::clone(&surroundings.metrics);
                let mut task =
                    RoomTask::new(hash, number, room, touched_ms, registry.clone(), surroundings, ring, left);
                let lived = AssertUnwindSafe(task.live(&mut mailbox)).catch_unwind().await;
                let refusal = lived.unwrap_or_else(|_| {
                    tracing::error!("a room's task has panicked");
                    unavailable("the room has failed")
                });
                task.end(&refusal).await;
                metrics.rooms_loaded.dec();
                refusal
            }
            Err(refusal) => refusal,
        },
        Ok(None) => Refusal::unknown_room(),
        Err(error) => {
            tracing::error!(%error, "a room could not be loaded");
            store_refusal(&error)
        }
    };
    mailbox.close();
    registry.forget_closed(hash);
    // Not `try_recv`: a sender that has its place already may not have put its mail there yet. Lost mail would
    // leave who joins waiting for ever.
    while let Some(mail) = mailbox.recv().await {
        mail.refuse(refusal.clone());
    }
}

/// Where the effects of one command go.
enum Origin {
    Feed(Arc<FeedShared>),
    /// A reader that ends here.
    Hang(Arc<FeedShared>, Refusal),
    Answer(oneshot::Sender<Answers>),
    /// Someone who asked what the room was at this place.
    Look(oneshot::Sender<Result<Look, Refusal>>, Look),
    /// Nobody waits: a will.
    Nobody,
}

/// Commands that were applied together and whose effects leave together.
#[derive(Default)]
struct Wave {
    sent: Vec<(Origin, Vec<Effect>, Option<Held>)>,
    /// Some effect reads: the commit must bring a snapshot, and nothing may be applied to the room after it.
    reads: bool,
}

struct Pending {
    /// `None`: nothing to commit, but it must not overtake what is before it.
    receipt: Option<Receipt>,
    wave: Wave,
    /// The snapshot, when it did not have to be committed for.
    snapshot: Option<Arc<dyn Snapshot>>,
}

struct RoomTask {
    hash: RoomHash,
    number: RoomNumber,
    room: Room,
    registry: Registry,
    surroundings: Surroundings,
    ring: Arc<Ring>,
    left: Arc<Notify>,
    feeds: Vec<(Arc<FeedShared>, Option<ClientId>)>,
    /// Mail that was taken out of the mailbox and not yet looked at.
    inbox: VecDeque<Mail>,
    pending: VecDeque<Pending>,
    bounds: RingBounds,
    /// When the room was last used before it was loaded.
    found_touched_ms: u64,
    /// It has been used since.
    used: bool,
}

impl RoomTask {
    #[allow(clippy::too_many_arguments, reason = "the parts of a room, each named once, by one caller")]
    fn new(
        hash: RoomHash,
        number: RoomNumber,
        room: Room,
        found_touched_ms: u64,
        registry: Registry,
        surroundings: Surroundings,
        ring: Arc<Ring>,
        left: Arc<Notify>,
    ) -> Self {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let bounds = RingBounds {
            messages_min: size(surroundings.limits.ring_messages_min),
            bytes_min: size(surroundings.limits.ring_bytes_min),
            bytes_max: size(surroundings.limits.ring_bytes_max),
        };
        let (feeds, inbox, pending) = Default::default();
        Self {
            hash,
            number,
            room,
            registry,
            surroundings,
            ring,
            left,
            feeds,
            inbox,
            pending,
            bounds,
            found_touched_ms,
            used: false,
        }
    }

    /// Lives until the room is idle, removed, or its storage fails. What mail that comes too late is told.
    async fn live(&mut self, mailbox: &mut mpsc::Receiver<Mail>) -> Refusal {
        self.serve(mailbox).await.unwrap_or_else(|error| store_refusal(&error))
    }

    /// Tells everybody that the room is over, also after a panic, and waits for its commits: whoever loads the room
    /// next must find them.
    async fn end(&mut self, refusal: &Refusal) {
        self.end_feeds(refusal);
        for mail in self.inbox.drain(..) {
            mail.refuse(refusal.clone());
        }
        for receipt in self.pending.drain(..).filter_map(|pending| pending.receipt) {
            let _ = receipt.await;
        }
    }

    async fn serve(&mut self, mailbox: &mut mpsc::Receiver<Mail>) -> Result<Refusal, StoreError> {
        let mut mails = Vec::new();
        let idle = Duration::from_millis(self.surroundings.limits.room_idle_ms);
        let mut idle_place = None;
        // Taking over comes first: nothing is sent in an epoch that is not durable.
        self.submit(Wave::default()).await?;
        loop {
            let busy = !self.feeds.is_empty() || !self.pending.is_empty();
            if busy {
                idle_place = None;
            } else if idle_place.is_none() {
                idle_place = Some((Instant::now() + idle, self.registry.idle_place()));
            }
            // With many idle rooms about, this one does not wait.
            let idle_at =
                idle_place.as_ref().map(|(at, place)| if place.is_some() { *at } else { Instant::now() });
            tokio::select! {
                biased;
                committed = first_receipt(&mut self.pending), if !self.pending.is_empty() => self.release(committed?),
                () = self.left.notified() => {
                    // What a reader said before it left is in the mailbox, and comes before its last words.
                    for _ in 0..mailbox.len() {
                        let Ok(mail) = mailbox.try_recv() else { break };
                        self.inbox.push_back(mail);
                    }
                    if let Some(refusal) = self.take().await? {
                        return Ok(refusal);
                    }
                    self.prune().await?;
                }
                count = mailbox.recv_many(&mut mails, WAVE_COMMANDS_MAX) => {
                    idle_place = None;
                    if count == 0 {
                        return Ok(left_memory());
                    }
                    self.inbox.extend(mails.drain(..));
                    if let Some(refusal) = self.take().await? {
                        return Ok(refusal);
                    }
                }
                () = tokio::time::sleep_until(idle_at.unwrap_or_else(Instant::now)), if idle_at.is_some() => {
                    if self.leave(mailbox).await? {
                        return Ok(left_memory());
                    }
                    idle_place = None;
                }
            }
        }
    }

    /// Applies mail. `Some`: the room is over, for this reason.
    async fn take(&mut self) -> Result<Option<Refusal>, StoreError> {
        let mut wave = Wave::default();
        while let Some(mail) = self.inbox.pop_front() {
            self.used |= !matches!(mail, Mail::Remove { .. } | Mail::Stop { .. });
            match mail {
                Mail::Join { feed, command, client } => {
                    self.admit(&feed, client);
                    self.apply(&mut wave, Origin::Feed(feed), *command, None).await?;
                }
                // A reader that was sent away is not heard any more: its last words, or whoever took over its
                // outbox, may have been here already.
                Mail::Command { feed, .. } if feed.has_ended() => {}
                Mail::Command { feed, command, held } => {
                    self.apply(&mut wave, Origin::Feed(feed), *command, held).await?;
                }
                Mail::Hang { feed, refusal } => {
                    wave.sent.push((Origin::Hang(feed, refusal), Vec::new(), None))
                }
                Mail::Ask { command, held, answer } => {
                    self.apply(&mut wave, Origin::Answer(answer), *command, held).await?;
                }
                Mail::Look { answer } => {
                    wave.sent.push((Origin::Look(answer, self.look()), Vec::new(), None))
                }
                Mail::Remove { removal, answer } => {
                    if let Some(kept) = self.keeps(removal) {
                        drop(answer.send(kept));
                        continue;
                    }
                    self.submit(std::mem::take(&mut wave)).await?;
                    self.release_all().await?;
                    let removed = self
                        .surroundings
                        .store
                        .remove(self.hash)
                        .await
                        .map_err(|error| store_refusal(&error));
                    // Whose room could not be removed is not told that it was.
                    let end = removed.as_ref().err().cloned().unwrap_or_else(|| removal.reason());
                    drop(answer.send(removed));
                    return Ok(Some(end));
                }
                Mail::Stop { reason } => {
                    self.submit(std::mem::take(&mut wave)).await?;
                    self.release_all().await?;
                    self.retire().await?;
                    return Ok(Some(reason));
                }
            }
        }
        self.submit(wave).await?;
        Ok(None)
    }

    /// The answer to a removal that is not to be.
    fn keeps(&mut self, removal: Removal) -> Option<Result<bool, Refusal>> {
        match removal {
            Removal::ByKeeper => None,
            Removal::ByHolder => {
                let message = "a closed room is kept for members who come late";
                self.room.closed().then(|| Err(Refusal::new(Code::Closed, message)))
            }
            Removal::Expiry(lifetime) => {
                let stored = RoomRecord {
                    touched_ms: self.found_touched_ms,
                    closed: self.room.closed(),
                    ..RoomRecord::default()
                };
                let over = lifetime.ends_ms(&stored).is_some_and(|ends| ends <= now_ms());
                if over && !self.used {
                    return None;
                }
                self.room.touch();
                Some(Ok(false))
            }
        }
    }

    fn admit(&mut self, feed: &Arc<FeedShared>, client: Option<ClientId>) {
        if let Some(client) = &client {
            for (other, _) in self.feeds.iter().filter(|(_, other)| other.as_ref() == Some(client)) {
                other.end(Refusal::new(Code::Replaced, "another connection with the same client took over"));
            }
        }
        self.feeds.push((Arc::clone(feed), client));
    }

    fn look(&self) -> Look {
        let (entries, bytes) = self.room.size();
        Look {
            epoch: self.room.epoch().clone(),
            head: self.room.head(),
            closed: self.room.closed(),
            keys: self.room.key_count(),
            entries,
            bytes,
            readers: self.feeds.len(),
        }
    }

    async fn apply(
        &mut self,
        wave: &mut Wave,
        origin: Origin,
        mut command: Command,
        held: Option<Held>,
    ) -> Result<(), StoreError> {
        if wave.reads && changes_the_room(&command) {
            self.submit(std::mem::take(wave)).await?;
        }
        self.survey(wave, &mut command).await?;
        let effects = self.room.apply(command, now_ms());
        let is_read =
            |effect: &Effect| matches!(effect, Effect::Reply(Reply::ReadStream(_) | Reply::ReadRoom { .. }));
        wave.reads |= effects.iter().any(is_read);
        wave.sent.push((origin, effects, held));
        Ok(())
    }

    /// Finds out for compacts what the machine needs to know, from a state that holds all that was applied.
    async fn survey(&mut self, wave: &mut Wave, command: &mut Command) -> Result<(), StoreError> {
        let asked: Vec<(&Push, &mut Option<Survey>)> = match command {
            Command::Push { push, survey, .. } => vec![(&*push, survey)],
            Command::PushList { pushes, .. } => {
                pushes.iter_mut().map(|(push, survey)| (&*push, survey)).collect()
            }
            _ => return Ok(()),
        };
        for (push, survey) in asked {
            let Some(range) = self.room.survey_for(push) else { continue };
            self.submit(std::mem::take(wave)).await?;
            self.release_all().await?;
            let (number, snapshot) = (self.number, self.surroundings.store.snapshot());
            let read =
                self.surroundings.reader.run(Some(snapshot), move |snapshot| snapshot.survey(number, range));
            *survey = Some(read.await.map_err(|refusal| StoreError::Io(refusal.message))?);
        }
        Ok(())
    }

    /// Hands the wave's changes to the committer; its effects follow when they are durable.
    async fn submit(&mut self, wave: Wave) -> Result<(), StoreError> {
        let changes = self.room.take_changes(now_ms());
        if changes.is_empty() && wave.sent.is_empty() {
            return Ok(());
        }
        let quiet = changes.is_empty() && self.pending.is_empty();
        if quiet {
            let snapshot = wave.reads.then(|| self.surroundings.store.snapshot());
            self.release(Pending { receipt: None, wave, snapshot });
            return Ok(());
        }
        let needs_commit = !changes.is_empty() || wave.reads;
        let receipt = if needs_commit { Some(self.commit(changes, wave.reads).await?) } else { None };
        self.pending.push_back(Pending { receipt, wave, snapshot: None });
        Ok(())
    }

    async fn commit(&self, changes: Changes, snapshot: bool) -> Result<Receipt, StoreError> {
        self.surroundings.store.submit(Commit { room: self.number, changes, snapshot }).await
    }

    async fn release_all(&mut self) -> Result<(), StoreError> {
        while !self.pending.is_empty() {
            let pending = first_receipt(&mut self.pending).await?;
            self.release(pending);
        }
        Ok(())
    }

    /// Sends the effects of a wave that is durable, in order.
    fn release(&mut self, pending: Pending) {
        let Pending { wave, snapshot, .. } = pending;
        let mut events = false;
        let mut deliveries = 0;
        for (origin, effects, held) in wave.sent {
            let mut held = held.map(Held::done);
            let mut answers = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Broadcast { entry, stored } => {
                        self.ring.push(Event::Push(Shared::new(entry, stored)));
                        deliveries += 1;
                        events = true;
                    }
                    Effect::Trimmed { key, seq, size } => {
                        self.ring.push(Event::Trimmed { key, seq, size });
                        events = true;
                    }
                    Effect::Reply(reply) => {
                        let due =
                            Due { reply, number: self.number, snapshot: snapshot.clone(), held: held.take() };
                        if let (Origin::Feed(feed), Reply::Joined(joined)) = (&origin, &due.reply)
                            && joined.since.is_none_or(|since| since == joined.head)
                        {
                            feed.hold(self.ring.end());
                        }
                        match &origin {
                            Origin::Feed(feed) => feed.answer(self.ring.end(), due),
                            Origin::Answer(_) => answers.push(due),
                            Origin::Nobody | Origin::Hang(..) | Origin::Look(..) => {}
                        }
                    }
                }
            }
            match origin {
                Origin::Feed(feed) => feed.wake(),
                Origin::Hang(feed, refusal) => feed.end_after(self.ring.end(), refusal),
                Origin::Answer(answer) => drop(answer.send(Ok(answers))),
                Origin::Look(answer, look) => drop(answer.send(Ok(look))),
                Origin::Nobody => {}
            }
        }
        self.surroundings.metrics.broadcasts.inc_by(deliveries);
        if events {
            self.fan_out();
        }
    }

    /// Wakes idle readers, and ends those who are too far behind.
    fn fan_out(&self) {
        let here = || self.feeds.iter().map(|(feed, _)| feed).filter(|feed| !feed.is_gone());
        let slowest = here().map(|feed| feed.position()).min().unwrap_or(u64::MAX);
        let base = self.ring.trim(slowest, self.bounds);
        for feed in here() {
            if feed.position() < base {
                feed.end(slow_reader());
            }
            feed.wake();
        }
    }

    /// Lets go of readers who have left, and says their last words for them.
    async fn prune(&mut self) -> Result<(), StoreError> {
        let mut wave = Wave::default();
        let (gone, stay): (Vec<_>, Vec<_>) = self.feeds.drain(..).partition(|(feed, _)| feed.is_gone());
        self.feeds = stay;
        for command in gone.iter().flat_map(|(feed, _)| feed.take_last_words()) {
            self.apply(&mut wave, Origin::Nobody, command, None).await?;
        }
        self.submit(wave).await
    }

    fn end_feeds(&mut self, refusal: &Refusal) {
        for (feed, _) in self.feeds.drain(..) {
            feed.end(refusal.clone());
        }
    }

    async fn retire(&mut self) -> Result<(), StoreError> {
        let changes = self.room.retire(now_ms());
        if !changes.is_empty() {
            self.commit(changes, false).await?.await?;
        }
        Ok(())
    }

    /// Leaves memory, unless there is mail after all.
    async fn leave(&mut self, mailbox: &mpsc::Receiver<Mail>) -> Result<bool, StoreError> {
        self.retire().await?;
        Ok(self.registry.forget_if(self.hash, || mailbox.is_empty()))
    }
}

/// Whether applying it may change what a later read of the same wave would see.
fn changes_the_room(command: &Command) -> bool {
    matches!(command, Command::Push { .. } | Command::PushList { .. })
}

/// Waits for the first of the waves. May be dropped at any time.
async fn first_receipt(pending: &mut VecDeque<Pending>) -> Result<Pending, StoreError> {
    let committed = match pending.front_mut().and_then(|first| first.receipt.as_mut()) {
        Some(receipt) => receipt.await,
        None => Ok(Committed { snapshot: None }),
    };
    // Taken out even if it failed: a receipt may not be waited for twice.
    let mut first = pending.pop_front().ok_or_else(|| StoreError::Stopped("no wave is pending".into()))?;
    first.snapshot = committed?.snapshot;
    Ok(first)
}
