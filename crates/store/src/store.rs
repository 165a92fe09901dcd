//! The trait that every backend has: load, commit with a fence, watch. Narrow enough for one disk, and for
//! a cluster whose commits travel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::{AccountChanges, AccountRecord, HeldBag};
use seabag_protocol::room::name::{RoomHash, RoomSeq};
use seabag_protocol::room::record::{
    Changes, RoomPage, RoomRead, RoomRecord, StoredRoom, StreamRead, Survey, SurveyRange,
};
use seabag_protocol::room::value::Value;
use tokio::sync::{oneshot, watch};

use crate::StoreError;

/// What a backend answers, when it is ready.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// One incarnation of a room. A room that is removed and made again gets another number, so nothing of the
/// first can turn up in the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomNumber(pub u64);

/// What a room's driver asks to be written, all of it or nothing.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The room, by the number under which it was loaded: the fence. When the room has been removed since,
    /// the commit is refused as [`StoreError::Fenced`].
    pub room: RoomNumber,
    /// What to write. May be empty, to wait for all that was submitted before.
    pub changes: Changes,
    /// Whether the receipt shall carry a snapshot that holds exactly this room's commits up to this one.
    pub snapshot: bool,
}

/// One incarnation of an account, as [`RoomNumber`] is of a room. A read or commit by the number of an account
/// that was removed is refused as [`StoreError::Fenced`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountNumber(pub u64);

/// What an account's driver asks to be written, all of it or nothing.
#[derive(Clone, Debug)]
pub struct AccountCommit {
    /// The account, by the number under which it was read: the fence.
    pub account: AccountNumber,
    /// What to write. Numbers of bags that were ever inserted must not be inserted again. A bag that is both
    /// inserted and removed is not kept. May be empty, to wait for all that was submitted before.
    pub changes: AccountChanges,
}

/// What a receipt brings when the commit is durable.
#[derive(Clone)]
pub struct Committed {
    /// The snapshot, if it was asked for.
    pub snapshot: Option<Arc<dyn Snapshot>>,
}

/// Resolves once everything up to its commit is durable, in the sense of the store's durability mode.
pub struct Receipt(pub(crate) oneshot::Receiver<Result<Committed, StoreError>>);

impl Future for Receipt {
    type Output = Result<Committed, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| {
            received.unwrap_or_else(|_| Err(StoreError::Stopped("the committer has ended".into())))
        })
    }
}

/// Whether the store still accepts commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Running,
    /// A write or sync failed, for this reason. It never recovers within this process.
    Stopped(String),
}

/// How long unused rooms are kept. `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// An open room, milliseconds since it was last touched.
    pub open_ms: Option<u64>,
    /// A closed room, milliseconds since it was last touched.
    pub closed_ms: Option<u64>,
}

impl Lifetime {
    /// When this room's time is up; `None`: never.
    pub fn ends_ms(&self, record: &RoomRecord) -> Option<u64> {
        let lifetime = if record.closed { self.closed_ms } else { self.open_ms };
        lifetime.map(|lifetime| record.touched_ms.saturating_add(lifetime))
    }
}

/// A room as the admin address shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    /// Which room.
    pub hash: RoomHash,
    /// Its record.
    pub record: RoomRecord,
}

/// An account as the admin address shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// Whose it is.
    pub key: PublicKey,
    /// Its record.
    pub record: AccountRecord,
}

/// Counters since start, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Rooms in the store.
    pub rooms: u64,
    /// Accounts in the store.
    pub accounts: u64,
    /// Transactions, each one sync.
    pub transactions: u64,
    /// Commits in them.
    pub commits: u64,
    /// Bags in those.
    pub bags: u64,
    /// Rows written.
    pub operations: u64,
    /// Bytes of rows written.
    pub bytes: u64,
    /// Nanoseconds spent in transactions, syncs included.
    pub commit_nanoseconds: u64,
    /// Garbage rows deleted in the background.
    pub reaped_rows: u64,
    /// Bytes on disk; zero in memory.
    pub disk_bytes: u64,
    /// Commits that wait.
    pub queued: u64,
}

/// Durability behind the server. Every method may be called from any thread; futures run on any runtime.
pub trait Store: Send + Sync + 'static {
    /// Makes a room. Resolves when it is durable: its number, or `None` when a room of this hash exists.
    fn create(&self, room: RoomHash, record: RoomRecord) -> Answer<Option<RoomNumber>>;

    /// Loads a room: `None` when there is none. What it shows is durable. The caller must have awaited all
    /// receipts of its own earlier commits to this room.
    fn load(&self, room: RoomHash) -> Answer<Option<(RoomNumber, StoredRoom)>>;

    /// Puts a commit into the queue. Resolves when it has its place there; commits of one caller keep their
    /// order if each call is awaited before the next. The receipt resolves when it is durable.
    fn submit(&self, commit: Commit) -> Answer<Receipt>;

    /// Removes a room and all it holds. Resolves when that is durable: whether there was one. Later commits to
    /// its number are refused as [`StoreError::Fenced`]. Its rows are deleted in the background.
    fn remove(&self, room: RoomHash) -> Answer<bool>;

    /// The state as of now, not waiting for anything. Only for a caller that knows that every commit of the
    /// room it reads has been released to it.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// Rooms whose time is up at `now_ms`, at most `limit`. Looks only at rooms that may be due; call it
    /// again and again.
    fn expired(&self, now_ms: u64, lifetime: Lifetime, limit: usize) -> Answer<Vec<RoomHash>>;

    /// Rooms in order of their hashes, after one, at most `limit`.
    fn rooms(&self, after: Option<RoomHash>, limit: usize) -> Answer<Vec<RoomSummary>>;

    /// Watches whether the store still accepts commits.
    fn watch(&self) -> watch::Receiver<Health>;

    /// How many rooms there are. Cheap.
    fn room_count(&self) -> u64;

    /// Makes an account. Resolves when it is durable: `false` when one of this key exists.
    fn create_account(&self, key: PublicKey, record: AccountRecord) -> Answer<bool>;

    /// Puts a commit to an account into the queue that rooms' commits wait in. Resolves when it has its place
    /// there; commits of one caller keep their order if each call is awaited before the next. The receipt
    /// resolves when it is durable; it carries no snapshot.
    fn submit_account(&self, commit: AccountCommit) -> Answer<Receipt>;

    /// Removes an account and all it holds. Resolves when that is durable: whether there was one. Its number is
    /// refused as [`StoreError::Fenced`] from then on. Its rows are deleted in the background.
    fn remove_account(&self, key: PublicKey) -> Answer<bool>;

    /// Accounts in order of their keys, after one, at most `limit`.
    fn accounts(&self, after: Option<PublicKey>, limit: usize) -> Answer<Vec<AccountSummary>>;

    /// How many accounts there are. Cheap.
    fn account_count(&self) -> u64;

    /// Counters and sizes. Looks at files: not for every request.
    fn statistics(&self) -> Statistics;

    /// Writes everything out, syncs, and stops. Commits that were submitted before are done first.
    fn close(&self) -> Answer<()>;
}

/// A state of the store that no later commit changes. Methods block on the disk: call them off the runtime's
/// own threads.
pub trait Snapshot: Send + Sync {
    /// The entries of one stream that a read asks for, ascending.
    fn read_stream(&self, room: RoomNumber, read: &StreamRead) -> Result<Vec<(RoomSeq, Value)>, StoreError>;

    /// One page of a room in order.
    fn read_room(&self, room: RoomNumber, read: &RoomRead) -> Result<RoomPage, StoreError>;

    /// How much of a stream lies in a range.
    fn survey(&self, room: RoomNumber, range: SurveyRange) -> Result<Survey, StoreError>;

    /// The account of a key, with the number under which its bags are read; `None` when there is none.
    fn account(&self, key: &PublicKey) -> Result<Option<(AccountNumber, AccountRecord)>, StoreError>;

    /// The heads of an account's bags behind a number, ascending: at most `items_max` of them, and none after
    /// those that make up `bytes_max` bytes (as [`SealedHead::encoded_length`] counts). At least one, if there is
    /// one and any is allowed.
    ///
    /// [`SealedHead::encoded_length`]: seabag_protocol::host::bag::SealedHead::encoded_length
    fn peek(
        &self,
        account: AccountNumber,
        after: BagSeq,
        items_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<PeekItem>, StoreError>;

    /// The bodies of bags in the order asked, none after those that make up `bytes_max` bytes; and how many of the
    /// numbers that answers, at least one if there is one. A number without a bag is left out; one that is asked
    /// twice comes twice. Cheapest for ascending numbers.
    fn bodies(
        &self,
        account: AccountNumber,
        seqs: &[BagSeq],
        bytes_max: usize,
    ) -> Result<(Vec<PullItem>, usize), StoreError>;

    /// The number of the bag of each identity; `None` where none is kept. Cheap when none is.
    fn find_bags(
        &self,
        account: AccountNumber,
        identities: &[BagIdentity],
    ) -> Result<Vec<Option<BagSeq>>, StoreError>;

    /// What is kept under each number; `None` where nothing is.
    fn held_bags(&self, account: AccountNumber, seqs: &[BagSeq]) -> Result<Vec<Option<HeldBag>>, StoreError>;
}
