//! The account machine: the rules by which a host numbers, keeps and lets go of an account's bags. Pure: the
//! driver checks signatures, looks up what is kept, and commits what the machine wants written before anyone
//! hears of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::bag::{BAG_SEQ_MAX, Bag, BagIdentity, BagSeq};
use super::epoch::Cursor;
use super::notice::{INLINE_BYTES_MAX, NoticeItem};
use super::prune::{PruneItem, PrunePair, PruneReason};
use super::push::PushItem;
use super::record::{AccountChanges, AccountRecord, EpochId, EpochRecord, HeldBag, ProcessId};
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
    /// Whether the record differs from the one that is kept.
    changed: bool,
    /// Bags of this batch, which no lookup shows yet.
    fresh: BTreeMap<BagSeq, Bag>,
    /// Their numbers, by what tells a duplicate.
    fresh_numbers: HashMap<BagIdentity, BagSeq>,
    /// Kept bags that this batch let go of, which lookups still show.
    gone: HashMap<BagSeq, BagIdentity>,
}

/// The record of an account that is registered now. `registration` is drawn anew each time, so that an account
/// that was deleted and came back has another history, though the process is the same.
pub fn register(process: &ProcessId, registration: [u8; 8], now_ms: u64) -> AccountRecord {
    let lineage = vec![EpochRecord { epoch: EpochId::of(process, registration), end: None }];
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
    /// An account as it is kept. If this process did not open the record's last epoch, its first change opens a
    /// new one.
    pub fn new(record: AccountRecord, process: &ProcessId, bounds: Bounds) -> Self {
        let epoch = EpochId::of(process, open_epoch(&record).registration());
        Self {
            record,
            epoch,
            bounds,
            changed: false,
            fresh: BTreeMap::new(),
            fresh_numbers: HashMap::new(),
            gone: HashMap::new(),
        }
    }

    /// The record as it will be.
    pub fn record(&self) -> &AccountRecord {
        &self.record
    }

    /// Stores bags. `known` looks up the number of a kept bag of the same identity, before this batch's changes.
    /// A bag that was not signed gets `InvalidSignature`, one for which there is no room `StorageError`; the
    /// others of the request are stored all the same.
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
        let fresh = self.fresh_numbers.get(&identity).copied();
        if let Some(seq) = fresh.or_else(|| known(&identity).filter(|seq| !self.gone.contains_key(seq))) {
            return Ok(seq);
        }
        let bytes = self.record.bytes.saturating_add(bag.stored_bytes());
        let full = self.bounds.bytes_max > 0 && bytes > self.bounds.bytes_max;
        if full || self.record.last >= BAG_SEQ_MAX {
            return Err(Status::StorageError);
        }
        self.begin(now_ms);
        let seq = self.record.last.next();
        self.record.last = seq;
        self.record.bags = self.record.bags.saturating_add(1);
        self.record.bytes = bytes;
        let inline = alone && bag.body.len() <= INLINE_BYTES_MAX;
        let body = if inline { bag.body.clone() } else { Default::default() };
        notice.push(NoticeItem { seq, sealed: bag.sealed.clone(), body });
        self.fresh_numbers.insert(identity, seq);
        self.fresh.insert(seq, bag);
        Ok(seq)
    }

    /// Lets go of bags. `held` looks up a kept bag, before this batch's changes. The last copy of a message
    /// stays: a bag goes only if the one that supersedes it is kept and stays; a delete never goes.
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
        // Not even if the pair that names it is refused itself: what a request does must not hang on its order.
        if let PruneReason::SupersededBy(superseding) = pair.reason
            && named.contains(&superseding)
        {
            return Status::InvalidParam;
        }
        // A repeat, after an answer that was lost.
        let Some(found) = self.find(pair.bag, held) else { return Status::Success };
        if found.identity.body_length == 0 {
            return Status::InvalidRequest;
        }
        if let PruneReason::SupersededBy(superseding) = pair.reason
            && self.find(superseding, held).is_none()
        {
            return Status::NotFound;
        }
        self.begin(now_ms);
        self.record.bags = self.record.bags.saturating_sub(1);
        self.record.bytes = self.record.bytes.saturating_sub(found.stored_bytes);
        if self.fresh.remove(&pair.bag).is_some() {
            self.fresh_numbers.remove(&found.identity);
        } else {
            self.gone.insert(pair.bag, found.identity);
        }
        Status::Success
    }

    /// A bag that is kept, as things are at this place of the batch.
    fn find(&self, seq: BagSeq, held: &impl Fn(BagSeq) -> Option<HeldBag>) -> Option<HeldBag> {
        match self.fresh.get(&seq) {
            Some(bag) => Some(HeldBag { identity: bag.identity(), stored_bytes: bag.stored_bytes() }),
            None if self.gone.contains_key(&seq) => None,
            None => held(seq),
        }
    }

    /// The first change of a process opens its epoch and ends the one before at the last number that is kept.
    fn begin(&mut self, now_ms: u64) {
        self.changed = true;
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

    /// What this batch wants written, in one piece. Once it is durable, the next batch may begin. No bag is both
    /// to be removed and to be kept, but a removed one and a kept one may have the same identity: remove first.
    pub fn take_changes(&mut self) -> AccountChanges {
        self.fresh_numbers.clear();
        AccountChanges {
            record: std::mem::take(&mut self.changed).then(|| self.record.clone()),
            remove: self.gone.drain().collect(),
            insert: std::mem::take(&mut self.fresh).into_iter().collect(),
        }
    }
}
