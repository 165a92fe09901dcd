//! The account machine: the rules by which a host numbers, keeps and lets go of an account's bags. Pure: the
//! driver checks signatures, looks up what is kept, and commits what the machine wants written before anyone
//! hears of it.

use std::collections::{HashMap, HashSet};

use super::bag::{Bag, BagIdentity, BagSeq};
use super::epoch::Cursor;
use super::notice::{INLINE_BYTES_MAX, NoticeItem};
use super::prune::{PruneItem, PrunePair, PruneReason};
use super::push::PushItem;
use super::record::{AccountChanges, AccountRecord, EpochId, EpochRecord, HeldBag};
use super::response::{Quota, Subscription};
use super::status::Status;

/// The bounds of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes kept; 0: unlimited.
    pub bytes_max: u64,
    /// Most epochs that the lineage remembers; at least 1 is.
    pub lineage_max: usize,
}

/// A bag of a request, its signature checked.
#[derive(Clone, Debug)]
pub struct CheckedBag {
    /// The bag.
    pub bag: Bag,
    /// Whether the account signed it.
    pub signed: bool,
}

/// One account in its host's memory: its record, and what this batch of requests has changed of it.
#[derive(Clone, Debug)]
pub struct Account {
    record: AccountRecord,
    epoch: EpochId,
    bounds: Bounds,
    changes: AccountChanges,
    /// Bags of this batch, which no lookup shows yet.
    fresh: HashMap<BagIdentity, BagSeq>,
    /// Bags that this batch let go of, which lookups still show.
    gone: HashSet<BagSeq>,
}

/// The record of an account that is registered now.
pub fn register(epoch: EpochId, now_ms: u64) -> AccountRecord {
    let lineage = vec![EpochRecord { epoch, end: None }];
    AccountRecord {
        registered_ms: now_ms,
        changed_ms: now_ms,
        last: BagSeq::ZERO,
        bags: 0,
        bytes: 0,
        lineage,
    }
}

/// The open epoch of an account.
pub fn open_epoch(record: &AccountRecord) -> EpochId {
    record.lineage.last().map_or(EpochId([0; 16]), |open| open.epoch)
}

/// Whether a cursor belongs to an account's history: its epoch is in the lineage, and its number was given out
/// by the end of that epoch.
pub fn is_valid_cursor(record: &AccountRecord, cursor: &Cursor) -> bool {
    let found = record.lineage.iter().find(|known| known.epoch == cursor.epoch);
    found.is_some_and(|known| cursor.seq <= known.end.unwrap_or(record.last))
}

/// What the account may do, for the head of an answer. All zero without a bound, as upstream has it.
pub fn subscription(record: &AccountRecord, bounds: &Bounds) -> Subscription {
    let usage = if bounds.bytes_max > 0 { record.bytes } else { 0 };
    Subscription { stored: Quota { quota: bounds.bytes_max, usage }, ..Subscription::default() }
}

impl Account {
    /// An account as it is kept. `epoch` is the one in which this process owns it: the record's open one if this
    /// process opened it, else a new one, which begins with the first change.
    pub fn new(record: AccountRecord, epoch: EpochId, bounds: Bounds) -> Self {
        let changes = AccountChanges::default();
        Self { record, epoch, bounds, changes, fresh: HashMap::new(), gone: HashSet::new() }
    }

    /// The record as it will be.
    pub fn record(&self) -> &AccountRecord {
        &self.record
    }

    /// Stores bags. `known` looks up the number of a kept bag of the same identity.
    ///
    /// The items answer the request; the notice is what the account's listeners hear, a duplicate left out.
    pub fn push(
        &mut self,
        bags: Vec<CheckedBag>,
        now_ms: u64,
        known: impl Fn(&BagIdentity) -> Option<BagSeq>,
    ) -> (Vec<PushItem>, Vec<NoticeItem>) {
        let alone = bags.len() == 1;
        let (mut items, mut notice) = (Vec::with_capacity(bags.len()), Vec::new());
        for (index, CheckedBag { bag, signed }) in bags.into_iter().enumerate() {
            let result = if signed {
                self.store(bag, now_ms, alone, &known, &mut notice)
            } else {
                Err(Status::InvalidSignature)
            };
            items.push(PushItem { index: index as u64, result });
        }
        (items, notice)
    }

    fn store(
        &mut self,
        bag: Bag,
        now_ms: u64,
        alone: bool,
        known: &impl Fn(&BagIdentity) -> Option<BagSeq>,
        notice: &mut Vec<NoticeItem>,
    ) -> Result<BagSeq, Status> {
        let identity = bag.identity();
        let kept = known(&identity).filter(|seq| !self.gone.contains(seq));
        if let Some(seq) = self.fresh.get(&identity).copied().or(kept) {
            return Ok(seq);
        }
        let bytes = self.record.bytes.saturating_add(bag.stored_bytes());
        if self.bounds.bytes_max > 0 && bytes > self.bounds.bytes_max {
            return Err(Status::StorageError);
        }
        self.begin(now_ms);
        let seq = self.record.last.next();
        self.record.last = seq;
        self.record.bags += 1;
        self.record.bytes = bytes;
        let inline = alone && bag.body.len() <= INLINE_BYTES_MAX;
        let body = if inline { bag.body.clone() } else { Default::default() };
        notice.push(NoticeItem { seq, sealed: bag.sealed.clone(), body });
        self.fresh.insert(identity, seq);
        self.changes.insert.push((seq, bag));
        Ok(seq)
    }

    /// Lets go of bags. `held` looks up a kept bag. The last copy of a message stays: a bag goes only if the one
    /// that supersedes it is kept and stays; a delete never goes.
    pub fn prune(
        &mut self,
        pairs: &[PrunePair],
        now_ms: u64,
        held: impl Fn(BagSeq) -> Option<HeldBag>,
    ) -> Vec<PruneItem> {
        let named: HashSet<_> = pairs.iter().map(|pair| pair.bag).collect();
        let mut items = Vec::with_capacity(pairs.len());
        for (index, pair) in pairs.iter().enumerate() {
            let status = self.prune_one(pair, now_ms, &named, &held);
            items.push(PruneItem { index: index as u64, status });
        }
        items
    }

    fn prune_one(
        &mut self,
        pair: &PrunePair,
        now_ms: u64,
        named: &HashSet<BagSeq>,
        held: &impl Fn(BagSeq) -> Option<HeldBag>,
    ) -> Status {
        if let PruneReason::SupersededBy(superseding) = pair.reason {
            if named.contains(&superseding) {
                return Status::InvalidParam;
            }
            if !self.holds(superseding, held) {
                return Status::NotFound;
            }
        }
        let fresh = self.changes.insert.iter().find(|(seq, _)| *seq == pair.bag);
        let found = match fresh {
            Some((_, bag)) => Some(HeldBag { identity: bag.identity(), stored_bytes: bag.stored_bytes() }),
            None if self.gone.contains(&pair.bag) => None,
            None => held(pair.bag),
        };
        let Some(found) = found else { return Status::Success };
        if found.identity.body_length == 0 {
            return Status::InvalidRequest;
        }
        self.begin(now_ms);
        self.record.bags = self.record.bags.saturating_sub(1);
        self.record.bytes = self.record.bytes.saturating_sub(found.stored_bytes);
        self.fresh.remove(&found.identity);
        self.gone.insert(pair.bag);
        self.changes.remove.push((pair.bag, found.identity));
        Status::Success
    }

    fn holds(&self, seq: BagSeq, held: &impl Fn(BagSeq) -> Option<HeldBag>) -> bool {
        if self.gone.contains(&seq) {
            return false;
        }
        self.changes.insert.iter().any(|(fresh, _)| *fresh == seq) || held(seq).is_some()
    }

    /// The first change of a process opens its epoch and ends the one before at the last number that is kept.
    fn begin(&mut self, now_ms: u64) {
        self.record.changed_ms = now_ms;
        if open_epoch(&self.record) == self.epoch {
            return;
        }
        let last = self.record.last;
        if let Some(open) = self.record.lineage.last_mut() {
            open.end = Some(last);
        }
        self.record.lineage.push(EpochRecord { epoch: self.epoch, end: None });
        let excess = self.record.lineage.len().saturating_sub(self.bounds.lineage_max.max(1));
        self.record.lineage.drain(..excess);
    }

    /// What this batch wants written, in one piece. Once it is durable, the next batch may begin.
    pub fn take_changes(&mut self) -> AccountChanges {
        self.fresh.clear();
        self.gone.clear();
        let mut changes = std::mem::take(&mut self.changes);
        if !changes.insert.is_empty() || !changes.remove.is_empty() {
            changes.record = Some(self.record.clone());
        }
        changes
    }
}
