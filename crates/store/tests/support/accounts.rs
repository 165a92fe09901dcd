//! A naive account: the bags that the store must show, kept in plain maps, with the changes that lead there.

use std::collections::BTreeMap;

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{Bag, BagIdentity, BagSeq, SealedHead};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::{AccountChanges, AccountRecord, EpochId, EpochRecord, HeldBag};
use seabag_store::{AccountCommit, AccountNumber, Snapshot, Store};

/// A key that is told apart by one number.
pub fn key(number: u64) -> PublicKey {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    PublicKey(bytes)
}

/// A bag that is told apart by one number, with a body of so many bytes.
pub fn bag(number: u64, body_length: usize) -> Bag {
    let head: Vec<u8> = (0..40 + number % 90).map(|at| (number + at) as u8).collect();
    let body: Vec<u8> = (0..body_length).map(|at| (number as usize + 7 * at) as u8).collect();
    let mut signature = [0x5a; 64];
    signature[..8].copy_from_slice(&number.to_le_bytes());
    let sealed = SealedHead { signature, derivation: number.to_be_bytes(), head: head.into() };
    Bag { sealed, body: body.into() }
}

/// An epoch that is told apart by one number.
pub fn epoch(number: u8) -> EpochId {
    EpochId([number; 16])
}

/// A new account's record.
pub fn account_record(now_ms: u64) -> AccountRecord {
    let lineage = vec![EpochRecord { epoch: epoch(1), end: None }];
    AccountRecord {
        registered_ms: now_ms,
        changed_ms: now_ms,
        last: BagSeq::ZERO,
        bags: 0,
        bytes: 0,
        lineage,
    }
}

/// An account as it should be.
#[derive(Clone, Debug)]
pub struct AccountModel {
    pub key: PublicKey,
    pub number: AccountNumber,
    pub record: AccountRecord,
    pub bags: BTreeMap<BagSeq, Bag>,
    /// What is not there any more, by number.
    pub gone: BTreeMap<BagSeq, Bag>,
}

impl AccountModel {
    /// Makes the account in the store and here.
    pub async fn create(store: &dyn Store, key: PublicKey) -> Self {
        let record = account_record(1_000);
        assert!(store.create_account(key, record.clone()).await.unwrap(), "there is none yet");
        let (number, found) = store.snapshot().account(&key).unwrap().expect("it is there");
        assert_eq!(found, record);
        Self { key, number, record, bags: BTreeMap::new(), gone: BTreeMap::new() }
    }

    /// Inserts new bags and then removes those of these numbers.
    pub fn change(&mut self, insert: Vec<Bag>, remove: &[BagSeq]) -> AccountChanges {
        let mut changes = AccountChanges::default();
        for bag in insert {
            self.record.last = self.record.last.next();
            self.bags.insert(self.record.last, bag.clone());
            changes.insert.push((self.record.last, bag));
        }
        for seq in remove {
            if let Some(bag) = self.bags.remove(seq) {
                changes.remove.push((*seq, bag.identity()));
                self.gone.insert(*seq, bag);
            }
        }
        self.record.changed_ms += 1;
        self.record.bags = self.bags.len() as u64;
        self.record.bytes = self.bags.values().map(Bag::stored_bytes).sum();
        changes.record = Some(self.record.clone());
        changes
    }

    /// Begins another epoch.
    pub fn begin(&mut self, next: EpochId) -> AccountChanges {
        let last = self.record.last;
        self.record.lineage.last_mut().unwrap().end = Some(last);
        self.record.lineage.push(EpochRecord { epoch: next, end: None });
        self.change(Vec::new(), &[])
    }

    pub fn commit(&self, changes: AccountChanges) -> AccountCommit {
        AccountCommit { account: self.number, changes }
    }

    /// Compares everything that a snapshot can show of the account with the model.
    pub fn check(&self, snapshot: &dyn Snapshot) {
        assert_eq!(snapshot.account(&self.key).unwrap(), Some((self.number, self.record.clone())));
        let heads: Vec<_> =
            self.bags.iter().map(|(seq, bag)| PeekItem { sealed: bag.sealed.clone(), seq: *seq }).collect();
        let last = self.record.last;
        for after in [BagSeq::ZERO, BagSeq(last.0 / 2), last, BagSeq(u64::MAX)] {
            let expected: Vec<_> = heads.iter().filter(|item| item.seq > after).cloned().collect();
            assert_eq!(snapshot.peek(self.number, after, usize::MAX, usize::MAX).unwrap(), expected);
        }
        let all: Vec<_> = (0..=last.0 + 1).map(BagSeq).collect();
        self.check_bodies(snapshot, &all);
        let backwards: Vec<_> = all.iter().rev().chain(&all).step_by(3).copied().collect();
        self.check_bodies(snapshot, &backwards);
        let held = |seq: &BagSeq| {
            let bag = self.bags.get(seq)?;
            Some(HeldBag { identity: bag.identity(), stored_bytes: bag.stored_bytes() })
        };
        let held: Vec<_> = all.iter().map(held).collect();
        assert_eq!(snapshot.held_bags(self.number, &all).unwrap(), held);
        self.check_identities(snapshot);
    }

    /// Asks for bodies: those of bags that are kept come in the order asked.
    pub fn check_bodies(&self, snapshot: &dyn Snapshot, seqs: &[BagSeq]) {
        let item = |seq: &BagSeq| Some(PullItem { seq: *seq, body: self.bags.get(seq)?.body.clone() });
        let expected: Vec<_> = seqs.iter().filter_map(item).collect();
        let all = snapshot.bodies(self.number, seqs, usize::MAX).unwrap();
        assert_eq!(all, (expected.clone(), seqs.len()));
        // The same in steps: none reads on behind so many bytes, and every one gets on.
        let (mut rest, mut items) = (seqs, Vec::new());
        while !rest.is_empty() {
            let (step, dealt) = snapshot.bodies(self.number, rest, 100).unwrap();
            let before_last = step.split_last().map_or(&[][..], |(_, before)| before);
            assert!(before_last.iter().map(|item| item.body.len()).sum::<usize>() < 100 && dealt > 0);
            items.extend(step);
            rest = &rest[dealt..];
        }
        assert_eq!(items, expected);
    }

    fn check_identities(&self, snapshot: &dyn Snapshot) {
        let mut expected: BTreeMap<[u8; 8], (BagIdentity, Option<BagSeq>)> = BTreeMap::new();
        for bag in self.gone.values() {
            expected.insert(bag.sealed.derivation, (bag.identity(), None));
        }
        for (seq, bag) in &self.bags {
            expected.insert(bag.sealed.derivation, (bag.identity(), Some(*seq)));
        }
        let identities: Vec<_> = expected.values().map(|(identity, _)| *identity).collect();
        let expected: Vec<_> = expected.values().map(|(_, seq)| *seq).collect();
        assert_eq!(snapshot.find_bags(self.number, &identities).unwrap(), expected);
        let longer = identities.iter().map(|id| BagIdentity { body_length: id.body_length + 1, ..*id });
        let longer: Vec<_> = longer.collect();
        assert_eq!(snapshot.find_bags(self.number, &longer).unwrap(), vec![None; longer.len()]);
    }
}

/// Submits a commit and waits until it is durable.
pub async fn commit_account(store: &dyn Store, commit: AccountCommit) {
    let committed = store.submit_account(commit).await.unwrap().await.unwrap();
    assert!(committed.snapshot.is_none());
}
