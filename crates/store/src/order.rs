//! What the committer is asked to do, and how it answers.

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::record::{AccountChanges, AccountRecord};
use seabag_protocol::room::name::RoomHash;
use seabag_protocol::room::record::RoomRecord;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::expiry::Move;
use crate::queue::Weight;
use crate::store::{AccountCommit, Commit, Committed, RoomNumber};

/// Where an answer goes. A caller that has gone away does not mind.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the committer is asked to do.
pub(crate) enum Order {
    /// Write a commit.
    Commit(Commit, Reply<Committed>),
    /// Make a room.
    Create(RoomHash, RoomRecord, Reply<Option<RoomNumber>>),
    /// Remove a room.
    Remove(RoomHash, Reply<bool>),
    /// Move rows of the expiry table.
    Reschedule(Vec<Move>, Reply<()>),
    /// Write a commit to an account.
    CommitAccount(AccountCommit, Reply<Committed>),
    /// Make an account.
    CreateAccount(PublicKey, AccountRecord, Reply<bool>),
    /// Remove an account.
    RemoveAccount(PublicKey, Reply<bool>),
    /// Sync everything and end.
    Close(Reply<()>),
}

impl Order {
    /// What it takes up in the queue and in a transaction.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Commit(commit, _) => {
                let (operations, bytes) = (commit.changes.operations(), commit.changes.bytes());
                Weight { operations: operations.max(1), bytes: bytes.saturating_add(64) }
            }
            Self::Reschedule(moves, _) => Weight { operations: moves.len().max(1), bytes: moves.len() * 128 },
            Self::CommitAccount(commit, _) => account_weight(&commit.changes),
            Self::Create(..) | Self::Remove(..) | Self::Close(..) => Weight { operations: 4, bytes: 512 },
            Self::CreateAccount(..) | Self::RemoveAccount(..) => Weight { operations: 5, bytes: 512 },
        }
    }
}

/// A bag is up to three rows: head, body and identity.
fn account_weight(changes: &AccountChanges) -> Weight {
    let rows = 3 * (changes.insert.len() + changes.remove.len());
    let inserted: u64 = changes.insert.iter().map(|(_, bag)| bag.stored_bytes()).sum();
    let inserted = usize::try_from(inserted).unwrap_or(usize::MAX);
    Weight { operations: rows + 1, bytes: inserted.saturating_add(24 * rows + 128) }
}

/// An answer that waits for its transaction to be durable.
pub(crate) enum Answered {
    /// To a commit.
    Commit(Result<Committed, StoreError>, Reply<Committed>),
    /// To the making of a room.
    Create(Result<Option<RoomNumber>, StoreError>, Reply<Option<RoomNumber>>),
    /// To moves in the expiry table.
    Reschedule(Result<(), StoreError>, Reply<()>),
    /// Whether something was made or removed.
    Changed(Result<bool, StoreError>, Reply<bool>),
}

impl Answered {
    /// Sends it: the failure, if there was one, is everybody's answer.
    pub(crate) fn send(self, failure: Option<&StoreError>) {
        fn settle<T>(result: Result<T, StoreError>, failure: Option<&StoreError>, reply: Reply<T>) {
            // Whoever asked may have gone away; the write stands all the same.
            let _ = reply.send(failure.map_or(result, |error| Err(error.clone())));
        }
        match self {
            Self::Commit(result, reply) => settle(result, failure, reply),
            Self::Create(result, reply) => settle(result, failure, reply),
            Self::Reschedule(result, reply) => settle(result, failure, reply),
            Self::Changed(result, reply) => settle(result, failure, reply),
        }
    }
}
