//! The driver of one live room: takes commands from its mailbox, lets the machine apply them, commits, and
//! sends their effects when the commit is durable. Data flows one way: mailbox -> machine -> commit -> send.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::limits::Limits;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, Epoch, RoomHash, RoomSeq};
use seabag_protocol::room::record::{Changes, Survey};
use seabag_store::{Commit, Committed, Receipt, RoomNumber, Snapshot, Store, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::feed::{Due, FeedShared, slow_reader};
use crate::metrics::Metrics;
use crate::read::Reader;
use crate::registry::Registry;
use crate::ring::{Event, Ring, RingBounds, Shared};
use crate::status::{store_refusal, unavailable};

/// Most commands that are applied before the commits that are done get their turn.
const WAVE_COMMANDS_MAX: usize = 512;

/// A command's share of the bounds on what may wait.
pub(crate) struct Held {
    /// Given back when the answer is taken: bounds what waits for a peer that does not read.
    pub(crate) _connection: Option<OwnedSemaphorePermit>,
    /// Given back when the command has been done: bounds what waits for the disk.
    pub(crate) server: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// The command is done and its answer due. A peer that does not take it must not keep the server's share, or
    /// a few such peers would stop everybody's sockets.
    fn done(mut self) -> Self {
        self.server = None;
        self
    }
}

/// What an HTTP request gets back: its answers, in order.
pub(crate) type Answers = Result<Vec<Due>, Refusal>;

/// What reaches a room. Small, for a mailbox holds room for 32 at once even when it is empty.
pub(crate) enum Mail {
    /// A reader joins.
    Join {
        feed: Arc<FeedShared>,
        command: Box<Command>,
        /// Its outbox: a second reader with the same one displaces the first.
        client: Option<ClientId>,
    },
    /// A reader says something.
    Command { feed: Arc<FeedShared>, command: Box<Command>, held: Option<Held> },
    /// A reader is to end with this refusal, behind the answers that are due to it.
    Hang { feed: Arc<FeedShared>, refusal: Refusal },
    /// One command that is answered once (HTTP).
    Ask { command: Box<Command>, held: Option<Held>, answer: oneshot::Sender<Answers> },
    /// What the room is now.
    Look { answer: oneshot::Sender<Result<Look, Refusal>> },
    /// The room is in use, though nothing is written: its time to live starts anew.
    Touch,
    /// The room is to be removed from the store, and its readers told why.
    Remove { reason: Refusal, answer: oneshot::Sender<Result<bool, Refusal>> },
    /// The server stops: its readers are told, what was applied is committed, the room leaves memory.
    Stop { reason: Refusal },
}

impl Mail {
    /// Tells the sender that nothing was done.
    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Join { feed, .. } | Self::Command { feed, .. } => feed.end(refusal),
            Self::Hang { feed, refusal } => feed.end(refusal),
            Self::Ask { answer, .. } => drop(answer.send(Err(refusal))),
            Self::Look { answer } => drop(answer.send(Err(refusal))),
            Self::Remove { answer, .. } => drop(answer.send(Err(refusal))),
            Self::Touch | Self::Stop { .. } => {}
        }
    }
}

/// A room as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) epoch: Epoch,
    pub(crate) head: RoomSeq,
    pub(crate) closed: bool,
    pub(crate) keys: usize,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) readers: usize,
}

/// How a live room is reached.
#[derive(Clone)]
pub(crate) struct RoomHandle {
    mailbox: mpsc::Sender<Mail>,
    ring: Arc<Ring>,
    left: Arc<Notify>,
}

impl RoomHandle {
    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Puts mail into the room's mailbox, waiting for a place. Fails when the room has left memory.
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), Refusal> {
        self.mailbox.send(mail).await.map_err(|_| left_memory())
    }

    /// A reader has left.
    pub(crate) fn left(&self) {
        self.left.notify_one();
    }

    /// Whether this is still the way to the room.
    pub(crate) fn is_open(&self) -> bool {
        !self.mailbox.is_closed()
    }

    /// Waits until the room has left memory.
    pub(crate) async fn closed(&self) {
        self.mailbox.closed().await;
    }
}

/// The room left memory before it looked at the mail: nothing was done, and the sender may try again at once.
pub(crate) fn left_memory() -> Refusal {
    unavailable("the room has just left memory")
}

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
    let handle = RoomHandle { mailbox: sender, ring: Arc::new(Ring::new()), left: Arc::new(Notify::new()) };
    tokio::spawn(run(hash, registry, surroundings, mailbox, handle.ring.clone(), handle.left.clone()));
    handle
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
                let room = Room::load(stored, &epoch, Arc::clone(&surroundings.limits));
                let metrics = Arc::clone(&surroundings.metrics);
                let mut task = RoomTask::new(hash, number, room, registry.clone(), surroundings, ring, left);
                let refusal = task.live(&mut mailbox).await;
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
}

impl RoomTask {
    fn new(
        hash: RoomHash,
        number: RoomNumber,
        room: Room,
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
        Self { hash, number, room, registry, surroundings, ring, left, feeds, inbox, pending, bounds }
    }

    /// Lives until the room is idle, removed, or its storage fails. What mail that comes too late is told.
    async fn live(&mut self, mailbox: &mut mpsc::Receiver<Mail>) -> Refusal {
        let refusal = self.serve(mailbox).await.unwrap_or_else(|error| store_refusal(&error));
        self.end_feeds(&refusal);
        for mail in self.inbox.drain(..) {
            mail.refuse(refusal.clone());
        }
        refusal
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
            match mail {
                Mail::Join { feed, command, client } => {
                    self.admit(&feed, client);
                    self.apply(&mut wave, Origin::Feed(feed), *command, None).await?;
                }
                Mail::Command { feed, command, held } => {
                    self.apply(&mut wave, Origin::Feed(feed), *command, held).await?;
                }
                Mail::Hang { feed, refusal } => {
                    wave.sent.push((Origin::Hang(feed, refusal), Vec::new(), None))
                }
                Mail::Ask { command, held, answer } => {
                    self.apply(&mut wave, Origin::Answer(answer), *command, held).await?;
                }
                Mail::Look { answer } => wave.sent.push((Origin::Look(answer, self.look()), Vec::new(), None)),
                Mail::Touch => self.room.touch(),
                Mail::Remove { reason, answer } => {
                    self.submit(std::mem::take(&mut wave)).await?;
                    self.release_all().await?;
                    let removed = self.surroundings.store.remove(self.hash).await;
                    drop(answer.send(removed.map_err(|error| store_refusal(&error))));
                    return Ok(Some(reason));
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
                        let due = Due {
                            reply,
                            number: self.number,
                            snapshot: snapshot.clone(),
                            held: held.take(),
                        };
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
        let slowest = self.feeds.iter().map(|(feed, _)| feed.position()).min().unwrap_or(u64::MAX);
        let base = self.ring.trim(slowest, self.bounds);
        for (feed, _) in &self.feeds {
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
        Some(receipt) => receipt.await?,
        None => Committed { snapshot: None },
    };
    let mut first = pending.pop_front().ok_or_else(|| StoreError::Stopped("no wave is pending".into()))?;
    first.snapshot = committed.snapshot;
    Ok(first)
}
