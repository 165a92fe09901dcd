//! The driver of one account that is written to: takes all requests that wait, lets the machine apply them, commits
//! once, and when that is durable tells the listeners and answers. Data flows one way, as for rooms.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use seabag_protocol::error::Refusal;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::machine::{self, Account, Bounds, CheckedBag};
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::prune::{PruneItem, PrunePair, PruneReason};
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::record::{AccountChanges, EpochId, HeldBag};
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;
use seabag_store::{AccountCommit, AccountNumber, Receipt, StoreError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::accounts::Accounts;
use super::hub::Hub;
use crate::clock::now_ms;
use crate::room_task::Surroundings;

/// Most requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 256;
/// Bytes of requests after which a transaction takes no more. One request is never split.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an account that was removed tells requests that come too late.
const REMOVED: Status = Status::UserNotRegistered;

/// A request's answer, once what it did is durable.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Status>>;

/// Items, and the account's state behind them.
pub(crate) struct Done<T> {
    pub(crate) items: Vec<T>,
    pub(crate) subscription: Subscription,
}

/// What reaches an account's task.
pub(crate) enum Mail {
    /// Bags to store. Their signatures are checked.
    Push {
        bags: Vec<CheckedBag>,
        bytes: usize,
        /// The request's shares of the server's memory.
        held: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
        answer: Answer<Done<PushItem>>,
    },
    /// Bags to let go of, if this is the account's epoch.
    Prune { pairs: Vec<PrunePair>, epoch: EpochId, answer: Answer<Done<PruneItem>> },
    /// The account and all that it holds are to go: if this is its epoch, or, without one, at once.
    Remove { epoch: Option<EpochId>, reason: Refusal, answer: Answer<()> },
    /// The server stops.
    Stop,
}

impl Mail {
    /// Tells the sender that nothing was done.
    fn refuse(self, status: Status) {
        // Whoever asked may have gone.
        match self {
            Self::Push { answer, .. } => drop(answer.send(Err(status))),
            Self::Prune { answer, .. } => drop(answer.send(Err(status))),
            Self::Remove { answer, .. } => _ = answer.send(Err(status)),
            Self::Stop => {}
        }
    }

    fn bytes(&self) -> usize {
        if let Self::Push { bytes, .. } = self { *bytes } else { 0 }
    }

    /// Whether it has its turn alone.
    fn is_alone(&self) -> bool {
        matches!(self, Self::Remove { .. } | Self::Stop)
    }
}

/// Starts an account's task.
pub(crate) fn spawn(
    key: PublicKey,
    accounts: Accounts,
    surroundings: Surroundings,
    hub: Arc<Hub>,
) -> mpsc::Sender<Mail> {
    let most = usize::try_from(surroundings.limits.room_commands_max.max(1)).unwrap_or(1);
    let (sender, mailbox) = mpsc::channel(most);
    tokio::spawn(run(key, accounts, surroundings, mailbox, hub));
    sender
}

async fn run(
    key: PublicKey,
    accounts: Accounts,
    surroundings: Surroundings,
    mut mailbox: mpsc::Receiver<Mail>,
    hub: Arc<Hub>,
) {
    let loaded = surroundings.metrics.host_accounts_loaded.clone();
    loaded.inc();
    let mut task = AccountTask { key, accounts, surroundings, hub, account: None, pending: None };
    let lived = AssertUnwindSafe(task.live(&mut mailbox)).catch_unwind().await;
    let status = lived.unwrap_or_else(|_| {
        tracing::error!("an account's task has panicked");
        Status::InternalError
    });
    if let Some(receipt) = task.pending.take() {
        // Whoever loads the account next must find this commit.
        let _ = receipt.await;
    }
    loaded.dec();
    mailbox.close();
    // Not `try_recv`: a sender that has its place already may not have put its mail there yet.
    while let Some(mail) = mailbox.recv().await {
        mail.refuse(status);
    }
}

/// What is kept of the bags that a batch is about.
#[derive(Default)]
struct Kept {
    known: HashMap<BagIdentity, BagSeq>,
    held: HashMap<BagSeq, HeldBag>,
}

/// What a batch asks the store first.
#[derive(Default)]
struct Wanted {
    identities: Vec<BagIdentity>,
    numbers: Vec<BagSeq>,
}

/// A request that was applied and whose commit is under way.
enum Due {
    Push { answer: Answer<Done<PushItem>>, done: Done<PushItem>, notice: Option<Bytes> },
    Prune { answer: Answer<Done<PruneItem>>, done: Result<Done<PruneItem>, Status> },
}

struct AccountTask {
    key: PublicKey,
    accounts: Accounts,
    surroundings: Surroundings,
    hub: Arc<Hub>,
    /// Loaded with the first batch.
    account: Option<(AccountNumber, Account)>,
    /// A commit whose receipt has not come.
    pending: Option<Receipt>,
}

impl AccountTask {
    /// Lives until the account is idle, removed, or its storage fails. What mail that comes too late is told.
    async fn live(&mut self, mailbox: &mut mpsc::Receiver<Mail>) -> Status {
        let idle = Duration::from_millis(self.surroundings.limits.room_idle_ms);
        let mut idle_at = Instant::now() + idle;
        loop {
            let first = tokio::select! {
                biased;
                mail = mailbox.recv() => mail,
                () = sleep_until(idle_at) => {
                    if self.accounts.forget_if_unused(&self.key, mailbox) {
                        return Status::InternalError;
                    }
                    idle_at = Instant::now() + idle;
                    continue;
                }
            };
            let Some(first) = first else { return Status::InternalError };
            let (batch, last) = gather(first, mailbox);
            if let Err(status) = self.apply(batch).await {
                if let Some(last) = last {
                    last.refuse(status);
                }
                return status;
            }
            match last {
                None => {}
                Some(Mail::Remove { epoch, reason, answer }) => {
                    if let Some(status) = self.remove(epoch, &reason, answer).await {
                        return status;
                    }
                }
                Some(_) => return Status::StorageError,
            }
            idle_at = Instant::now() + idle;
        }
    }

    /// Applies a batch as one commit. An error ends the task.
    async fn apply(&mut self, batch: Vec<Mail>) -> Result<(), Status> {
        if batch.is_empty() {
            return Ok(());
        }
        let kept = match self.look_up(&batch).await {
            Ok(kept) => kept,
            Err(status) => {
                batch.into_iter().for_each(|mail| mail.refuse(status));
                return Err(status);
            }
        };
        let bounds = bounds(&self.surroundings);
        let Some((number, account)) = &mut self.account else { return Err(Status::InternalError) };
        let number = *number;
        let (mut dues, mut holds) = (Vec::with_capacity(batch.len()), Vec::new());
        for mail in batch {
            match mail {
                Mail::Push { bags, held, answer, .. } => {
                    holds.push(held);
                    let (items, notice) =
                        account.push(bags, now_ms(), |identity| kept.known.get(identity).copied());
                    let subscription = machine::subscription(account.record(), &bounds);
                    let notice = encode_notice(&notice);
                    dues.push(Due::Push { answer, done: Done { items, subscription }, notice });
                }
                Mail::Prune { pairs, epoch, answer } => {
                    let done = if machine::open_epoch(account.record()) == epoch {
                        let items = account.prune(&pairs, now_ms(), |seq| kept.held.get(&seq).copied());
                        let subscription = machine::subscription(account.record(), &bounds);
                        Ok(Done { items, subscription })
                    } else {
                        Err(Status::InvalidRequest)
                    };
                    dues.push(Due::Prune { answer, done });
                }
                alone => alone.refuse(Status::InternalError),
            }
        }
        let changes = account.take_changes();
        let stored = changes.insert.len() as u64;
        let pruned = changes.remove.len() as u64;
        let committed = if changes.is_empty() { Ok(()) } else { self.commit(number, changes).await };
        drop(holds);
        if committed.is_ok() {
            self.surroundings.metrics.host_bags_stored.inc_by(stored);
            self.surroundings.metrics.host_bags_pruned.inc_by(pruned);
        }
        for due in dues {
            self.release(due, committed);
        }
        committed
    }

    async fn commit(&mut self, number: AccountNumber, changes: AccountChanges) -> Result<(), Status> {
        let commit = AccountCommit { account: number, changes };
        let receipt =
            self.surroundings.store.submit_account(commit).await.map_err(|error| refused(&error))?;
        let committed = self.pending.insert(receipt).await;
        self.pending = None;
        committed.map(drop).map_err(|error| refused(&error))
    }

    /// Tells the listeners, then answers.
    fn release(&self, due: Due, committed: Result<(), Status>) {
        match due {
            Due::Push { answer, done, notice } => {
                if let (Ok(()), Some(notice)) = (committed, notice) {
                    self.hub.send(&notice);
                }
                drop(answer.send(committed.map(|()| done)));
            }
            Due::Prune { answer, done } => drop(answer.send(committed.and(done))),
        }
    }

    /// Finds what is kept of the batch's bags, and the account itself with the first batch. What the snapshot shows is
    /// durable, and nothing of this account is under way.
    async fn look_up(&mut self, batch: &[Mail]) -> Result<Kept, Status> {
        let (key, loaded) = (self.key, self.account.as_ref().map(|(number, _)| *number));
        let wanted = wanted(batch);
        let snapshot = self.surroundings.store.snapshot();
        let read = self.surroundings.reader.run(Some(snapshot), move |snapshot| {
            let mut kept = Kept::default();
            let found = if loaded.is_none() { snapshot.account(&key)? } else { None };
            let Some(number) = loaded.or(found.as_ref().map(|(number, _)| *number)) else {
                return Ok((None, kept));
            };
            if !wanted.identities.is_empty() {
                let found = snapshot.find_bags(number, &wanted.identities)?;
                let pairs = wanted.identities.into_iter().zip(found);
                kept.known = pairs.filter_map(|(identity, seq)| Some((identity, seq?))).collect();
            }
            if !wanted.numbers.is_empty() {
                let found = snapshot.held_bags(number, &wanted.numbers)?;
                let pairs = wanted.numbers.into_iter().zip(found);
                kept.held = pairs.filter_map(|(seq, held)| Some((seq, held?))).collect();
            }
            Ok((found, kept))
        });
        let (found, kept) = read.await.map_err(|_| Status::StorageError)?;
        if loaded.is_none() {
            let (number, record) = found.ok_or(REMOVED)?;
            let account = Account::new(record, self.accounts.process(), bounds(&self.surroundings));
            self.account = Some((number, account));
        }
        Ok(kept)
    }

    /// Removes the account. `Some`: it is gone, or the store has failed.
    async fn remove(
        &mut self,
        epoch: Option<EpochId>,
        reason: &Refusal,
        answer: Answer<()>,
    ) -> Option<Status> {
        if let Err(status) = self.look_up(&[]).await {
            let _ = answer.send(Err(status));
            return Some(status);
        }
        let open = self.account.as_ref().map(|(_, account)| machine::open_epoch(account.record()));
        if epoch.is_some() && epoch != open {
            let _ = answer.send(Err(Status::InvalidRequest));
            return None;
        }
        let removed = self.surroundings.store.remove_account(self.key).await;
        let (result, status) = match removed {
            Ok(true) => (Ok(()), REMOVED),
            Ok(false) => (Err(REMOVED), REMOVED),
            Err(error) => (Err(refused(&error)), refused(&error)),
        };
        if result.is_ok() {
            self.hub.end(reason);
        }
        let _ = answer.send(result);
        Some(status)
    }
}

/// The bounds of every account.
pub(crate) fn bounds(surroundings: &Surroundings) -> Bounds {
    Bounds {
        bytes_max: surroundings.limits.account_bytes_max,
        lineage_max: usize::try_from(surroundings.limits.account_epochs_max).unwrap_or(usize::MAX),
    }
}

/// Takes mail that waits, up to what goes into one transaction, and up to mail that has its turn alone.
fn gather(first: Mail, mailbox: &mut mpsc::Receiver<Mail>) -> (Vec<Mail>, Option<Mail>) {
    let (mut batch, mut bytes, mut next) = (Vec::new(), 0, Some(first));
    while let Some(mail) = next {
        if mail.is_alone() {
            return (batch, Some(mail));
        }
        bytes += mail.bytes();
        batch.push(mail);
        let full = batch.len() >= BATCH_REQUESTS_MAX || bytes >= BATCH_BYTES_MAX;
        next = if full { None } else { mailbox.try_recv().ok() };
    }
    (batch, None)
}

fn wanted(batch: &[Mail]) -> Wanted {
    let mut wanted = Wanted::default();
    for mail in batch {
        match mail {
            Mail::Push { bags, .. } => {
                let signed = bags.iter().filter(|checked| checked.signed);
                wanted.identities.extend(signed.map(|checked| checked.bag.identity()));
            }
            Mail::Prune { pairs, .. } => {
                for pair in pairs {
                    wanted.numbers.push(pair.bag);
                    if let PruneReason::SupersededBy(seq) = pair.reason {
                        wanted.numbers.push(seq);
                    }
                }
            }
            Mail::Remove { .. } | Mail::Stop => {}
        }
    }
    wanted.numbers.sort_unstable();
    wanted.numbers.dedup();
    wanted
}

/// The frame of a push's notice; none when it stored nothing.
fn encode_notice(items: &[NoticeItem]) -> Option<Bytes> {
    if items.is_empty() {
        return None;
    }
    let mut frame = Vec::new();
    for item in items {
        // No number and no length here is beyond what can be encoded.
        item.write(&mut frame).ok()?;
    }
    Some(frame.into())
}

/// What a request is told when the store fails.
pub(crate) fn refused(error: &StoreError) -> Status {
    match error {
        StoreError::Fenced => REMOVED,
        error => {
            tracing::error!(%error, "an account's commit failed");
            Status::StorageError
        }
    }
}
