//! What reaches a room and what comes back: mail, the handle to send it by, and answers that are due.

use std::sync::Arc;

use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::machine::{Command, Reply};
use seabag_protocol::room::name::{ClientId, Epoch, RoomSeq};
use seabag_store::{Lifetime, RoomNumber, Snapshot};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

use crate::feed::FeedShared;
use crate::ring::Ring;
use crate::status::unavailable;

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
    pub(crate) fn done(mut self) -> Self {
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
    /// The room is to be removed from the store, and its readers told why. Whether it was.
    Remove { removal: Removal, answer: oneshot::Sender<Result<bool, Refusal>> },
    /// The server stops: its readers are told, what was applied is committed, the room leaves memory.
    Stop { reason: Refusal },
}

impl Mail {
    /// Tells the sender that nothing was done.
    pub(crate) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Join { feed, .. } | Self::Command { feed, .. } => feed.end(refusal),
            Self::Hang { feed, refusal } => feed.end(refusal),
            Self::Ask { answer, .. } => drop(answer.send(Err(refusal))),
            Self::Look { answer } => drop(answer.send(Err(refusal))),
            Self::Remove { answer, .. } => drop(answer.send(Err(refusal))),
            Self::Stop { .. } => {}
        }
    }
}

/// Why a room is to be removed. The room itself decides whether that still holds, at the removal's place in its order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removal {
    /// Its holder wants that: not of a closed room.
    ByHolder,
    /// The server's keeper wants that.
    ByKeeper,
    /// Its time may be up, if nobody has used it since: else its time starts anew.
    Expiry(Lifetime),
}

impl Removal {
    /// What its readers are told.
    pub(crate) fn reason(self) -> Refusal {
        match self {
            Self::ByHolder | Self::ByKeeper => Refusal::new(Code::RoomDeleted, "the room was deleted"),
            Self::Expiry(_) => Refusal::new(Code::RoomExpired, "the room was not used for its time to live"),
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
    /// The way into this mailbox.
    pub(crate) fn new(mailbox: mpsc::Sender<Mail>, ring: Arc<Ring>, left: Arc<Notify>) -> Self {
        Self { mailbox, ring, left }
    }

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

/// An answer that is due, with what it takes to finish it.
pub(crate) struct Due {
    pub(crate) reply: Reply,
    pub(crate) number: RoomNumber,
    /// Holds exactly the room's state at the answer's place, if the answer reads.
    pub(crate) snapshot: Option<Arc<dyn Snapshot>>,
    /// The command's share of its connection's bounds; given back when the answer is sent. A feed's own reads
    /// have none.
    pub(crate) held: Option<Held>,
}
