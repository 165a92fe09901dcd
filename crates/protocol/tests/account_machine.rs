//! The account machine against a naive model that keeps one list: random requests in batches, with crashes,
//! restarts, wipes, restored backups and accounts that are deleted and come back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use proptest::prelude::*;
use seabag_protocol::host::bag::{BAG_SEQ_MAX, Bag, BagIdentity, BagSeq, SealedHead};
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::machine::{Account, Bounds, CheckedBag, is_valid_cursor, open_epoch, register};
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::record::{AccountChanges, AccountRecord, EpochId, HeldBag, ProcessId};
use seabag_protocol::host::status::Status;

const LINEAGE_MAX: usize = 4;

/// One bag to push: which message, and whether it is signed.
#[derive(Clone, Copy, Debug)]
struct Pushed {
    message: u8,
    signed: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<Pushed>),
    /// Numbers to prune, each with the number that supersedes it; 0: damaged.
    Prune(Vec<(u64, u64)>),
    Commit,
    /// What was not committed is lost; another process goes on.
    Crash,
    Restart,
    Backup,
    Restore,
    /// The account is deleted and registered again, by the same process.
    ComeBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pushed = (0..9u8, prop::bool::weighted(0.9)).prop_map(|(message, signed)| Pushed { message, signed });
    let step = prop_oneof![
        8 => prop::collection::vec(pushed, 0..4).prop_map(Step::Push),
        6 => prop::collection::vec((0..14u64, 0..14u64), 0..4).prop_map(Step::Prune),
        6 => Just(Step::Commit),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
        1 => Just(Step::Backup),
        1 => Just(Step::Restore),
        1 => Just(Step::ComeBack),
    ];
    prop::collection::vec(step, 1..80)
}

/// A sealing of a message: the same identity each time, other bytes. Every third message is a delete.
fn seal(message: u8, stamp: u64) -> Bag {
    let mut signature = [0; 64];
    signature[..8].copy_from_slice(&stamp.to_be_bytes());
    let body_length = [0, 50, 600][usize::from(message) % 3];
    // Messages 7 and 8 differ from 4 and 5 in nothing but the length of their heads.
    let derivation = [if message > 6 { message - 3 } else { message }; 8];
    let head = Bytes::from(vec![stamp as u8; 40 + usize::from(message)]);
    Bag {
        sealed: SealedHead { signature, derivation, head },
        body: Bytes::from(vec![stamp as u8; body_length]),
    }
}

fn stamp(bag: &Bag) -> u64 {
    u64::from_be_bytes(bag.sealed.signature[..8].try_into().unwrap())
}

/// What a disk holds of the account.
#[derive(Clone, Debug)]
struct Store {
    record: AccountRecord,
    bags: BTreeMap<BagSeq, Bag>,
    numbers: HashMap<BagIdentity, BagSeq>,
}

impl Store {
    fn new(record: AccountRecord) -> Self {
        Self { record, bags: BTreeMap::new(), numbers: HashMap::new() }
    }

    fn held(&self, seq: BagSeq) -> Option<HeldBag> {
        let bag = self.bags.get(&seq)?;
        Some(HeldBag { identity: bag.identity(), stored_bytes: bag.stored_bytes() })
    }

    fn commit(&mut self, changes: AccountChanges) {
        if changes.record.is_none() {
            assert!(changes.is_empty(), "bags change and the record does not: {changes:?}");
        }
        for (seq, identity) in changes.remove {
            assert_eq!(self.bags.remove(&seq).unwrap().identity(), identity);
            assert_eq!(self.numbers.remove(&identity), Some(seq));
        }
        let mut last = self.record.last;
        for (seq, bag) in changes.insert {
            assert!(seq > last, "{seq:?} was given out before");
            last = seq;
            assert_eq!(self.numbers.insert(bag.identity(), seq), None, "the same message is kept twice");
            self.bags.insert(seq, bag);
        }
        if let Some(record) = changes.record {
            assert!(record.last >= last && record.lineage.len() <= LINEAGE_MAX && !record.lineage.is_empty());
            self.record = record;
        }
        assert_eq!(self.record.bags, self.bags.len() as u64);
        assert_eq!(self.record.bytes, self.bags.values().map(Bag::stored_bytes).sum::<u64>());
    }
}

/// The rules by the letter: one list of what is kept, searched from its front.
#[derive(Clone, Debug, Default)]
struct Model {
    kept: Vec<(u64, Bag)>,
    /// The bag that got each number, from 1.
    given: Vec<u64>,
}

impl Model {
    fn push(&mut self, bag: &Bag, bytes_max: u64) -> Result<(u64, bool), Status> {
        let same = |kept: &Bag| {
            kept.sealed.derivation == bag.sealed.derivation
                && kept.sealed.head.len() == bag.sealed.head.len()
                && kept.body.len() == bag.body.len()
        };
        if let Some((seq, _)) = self.kept.iter().find(|(_, kept)| same(kept)) {
            return Ok((*seq, false));
        }
        let used: u64 = self.kept.iter().map(|(_, kept)| kept.stored_bytes()).sum();
        if bytes_max > 0 && used + bag.stored_bytes() > bytes_max {
            return Err(Status::StorageError);
        }
        self.given.push(stamp(bag));
        let seq = self.given.len() as u64;
        self.kept.push((seq, bag.clone()));
        Ok((seq, true))
    }

    fn prune(&mut self, pairs: &[(u64, u64)]) -> Vec<Status> {
        let keeps = |kept: &[(u64, Bag)], seq: u64| kept.iter().any(|(known, _)| *known == seq);
        let mut answers = Vec::new();
        for &(bag, by) in pairs {
            let found = self.kept.iter().position(|(seq, _)| *seq == bag);
            answers.push(if by != 0 && pairs.iter().any(|(other, _)| *other == by) {
                Status::InvalidParam
            } else if let Some(found) = found {
                if self.kept[found].1.body.is_empty() {
                    Status::InvalidRequest
                } else if by != 0 && !keeps(&self.kept, by) {
                    Status::NotFound
                } else {
                    self.kept.remove(found);
                    Status::Success
                }
            } else {
                Status::Success
            });
        }
        answers
    }
}

/// How far a client has read, and what it saw until there.
#[derive(Debug)]
struct Reader {
    cursor: Cursor,
    seen: Vec<u64>,
    /// Whether the host's history went on without a break ever since.
    undisturbed: bool,
    /// How many epochs had been opened.
    opened: usize,
}

struct World {
    bounds: Bounds,
    process: u8,
    registration: u8,
    stamps: u64,
    now_ms: u64,
    store: Store,
    account: Account,
    model: Model,
    committed: Model,
    backup: (Store, Model),
    readers: Vec<Reader>,
    /// How many epochs were ever opened.
    opened: usize,
}

impl World {
    fn new(bytes_max: u64) -> Self {
        let bounds = Bounds { bytes_max, lineage_max: LINEAGE_MAX };
        let store = Store::new(register(&ProcessId([1; 16]), [1; 8], 1));
        let account = Account::new(store.record.clone(), &ProcessId([1; 16]), bounds);
        let backup = (store.clone(), Model::default());
        let (model, committed) = (Model::default(), Model::default());
        Self {
            bounds,
            process: 1,
            registration: 1,
            stamps: 0,
            now_ms: 1,
            store,
            account,
            model,
            committed,
            backup,
            readers: Vec::new(),
            opened: 1,
        }
    }

    fn apply(&mut self, step: &Step) {
        self.now_ms += 1;
        match step {
            Step::Push(pushed) => self.push(pushed),
            Step::Prune(pairs) => self.prune(pairs),
            Step::Commit => self.commit(),
            Step::Crash => self.start(),
            Step::Restart => {
                self.commit();
                self.start();
            }
            Step::Backup => self.backup = (self.store.clone(), self.committed.clone()),
            Step::Restore => {
                (self.store, self.committed) = self.backup.clone();
                self.break_history();
                self.start();
            }
            Step::ComeBack => {
                self.commit();
                self.registration += 1;
                let process = ProcessId([self.process; 16]);
                self.store = Store::new(register(&process, [self.registration; 8], self.now_ms));
                self.account = Account::new(self.store.record.clone(), &process, self.bounds);
                (self.model, self.committed) = (Model::default(), Model::default());
                self.break_history();
            }
        }
        self.check_readers();
    }

    fn push(&mut self, pushed: &[Pushed]) {
        let bags: Vec<_> = pushed
            .iter()
            .map(|one| {
                self.stamps += 1;
                CheckedBag { bag: seal(one.message, self.stamps), signed: one.signed }
            })
            .collect();
        let store = &self.store;
        let known = |identity: &BagIdentity| store.numbers.get(identity).copied();
        let (items, notice) = self.account.push(bags.clone(), self.now_ms, known);
        let mut expected_notice = Vec::new();
        assert_eq!(items.len(), bags.len());
        for (index, (item, CheckedBag { bag, signed })) in items.iter().zip(&bags).enumerate() {
            let expected = if *signed {
                self.model.push(bag, self.bounds.bytes_max)
            } else {
                Err(Status::InvalidSignature)
            };
            assert_eq!(item.index, index as u64);
            assert_eq!(item.result, expected.map(|(seq, _)| BagSeq(seq)));
            if let Ok((seq, true)) = expected {
                let inline = bags.len() == 1 && bag.body.len() <= 512;
                expected_notice.push((seq, bag.sealed.clone(), if inline { bag.body.len() } else { 0 }));
            }
        }
        let heard: Vec<_> =
            notice.into_iter().map(|item| (item.seq.0, item.sealed, item.body.len())).collect();
        assert_eq!(heard, expected_notice);
    }

    fn prune(&mut self, pairs: &[(u64, u64)]) {
        let reason = |by| if by == 0 { PruneReason::Damaged } else { PruneReason::SupersededBy(BagSeq(by)) };
        let named: Vec<_> =
            pairs.iter().map(|&(bag, by)| PrunePair { bag: BagSeq(bag), reason: reason(by) }).collect();
        let items = self.account.prune(&named, self.now_ms, |seq| self.store.held(seq));
        let indexes: Vec<_> = items.iter().map(|item| item.index).collect();
        assert_eq!(indexes, (0..pairs.len() as u64).collect::<Vec<_>>());
        let statuses: Vec<_> = items.iter().map(|item| item.status).collect();
        assert_eq!(statuses, self.model.prune(pairs));
    }

    fn commit(&mut self) {
        let before = open_epoch(&self.store.record);
        self.store.commit(self.account.take_changes());
        self.opened += usize::from(open_epoch(&self.store.record) != before);
        assert!(self.account.take_changes().is_empty(), "changes are taken once");
        assert_eq!(self.account.record(), &self.store.record);
        let kept: Vec<_> = self.store.bags.iter().map(|(seq, bag)| (seq.0, bag.clone())).collect();
        assert_eq!(kept, self.model.kept);
        assert_eq!(self.store.record.last.0, self.model.given.len() as u64);
        self.committed = self.model.clone();
        // A client reads up to a number, by now.
        let seq = self.stamps % (self.committed.given.len() as u64 + 1);
        self.readers.push(Reader {
            cursor: Cursor { epoch: open_epoch(&self.store.record), seq: BagSeq(seq) },
            seen: self.committed.given[..seq as usize].to_vec(),
            undisturbed: true,
            opened: self.opened,
        });
    }

    /// Another process, with what is on disk.
    fn start(&mut self) {
        self.process += 1;
        self.model = self.committed.clone();
        self.account = Account::new(self.store.record.clone(), &ProcessId([self.process; 16]), self.bounds);
    }

    fn break_history(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.undisturbed = false);
    }

    /// No cursor of another history is valid; and none is refused without need.
    fn check_readers(&self) {
        for reader in &self.readers {
            let valid = is_valid_cursor(&self.store.record, &reader.cursor);
            if valid {
                let seen = reader.seen.len();
                assert_eq!(self.committed.given.get(..seen), Some(&reader.seen[..]), "{reader:?}");
            }
            let due = reader.undisturbed && self.opened - reader.opened < LINEAGE_MAX;
            assert!(valid || !due, "{reader:?} in {:?}", self.store.record.lineage);
        }
        let epochs: HashSet<EpochId> = self.store.record.lineage.iter().map(|known| known.epoch).collect();
        assert_eq!(epochs.len(), self.store.record.lineage.len(), "an epoch twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn an_account_cannot_be_told_from_a_naive_model(
        steps in steps(),
        bytes_max in prop_oneof![3 => Just(0), 1 => 100..3_000u64],
    ) {
        let mut world = World::new(bytes_max);
        for step in &steps {
            world.apply(step);
        }
        world.apply(&Step::Commit);
    }

    /// Whatever several devices prune, in one request or many: of every message that ever was the latest, the last
    /// bag stays, as long as each names as superseding only what it read as later.
    #[test]
    fn the_latest_bag_of_an_entity_outlives_any_pruning(
        requests in prop::collection::vec(prop::collection::vec((1..10u64, 1..10u64), 0..6), 0..10),
        commits in prop::collection::vec(any::<bool>(), 10),
    ) {
        // Nine messages of one entity; a greater number is a later message, and none is a delete.
        let mut world = World::new(0);
        for message in [1, 2, 4, 5, 7, 8, 10, 11, 13] {
            world.apply(&Step::Push(vec![Pushed { message, signed: true }]));
        }
        for (pairs, commit) in requests.iter().zip(commits) {
            let honest = pairs.iter().copied().filter(|(bag, by)| bag < by).collect();
            world.apply(&Step::Prune(honest));
            if commit {
                world.apply(&Step::Commit);
            }
        }
        world.apply(&Step::Commit);
        prop_assert!(world.store.bags.contains_key(&BagSeq(9)));
    }
}

fn pair(bag: u64, by: u64) -> Step {
    Step::Prune(vec![(bag, by)])
}

fn push(message: u8) -> Step {
    Step::Push(vec![Pushed { message, signed: true }])
}

fn kept(world: &World) -> Vec<u64> {
    world.store.bags.keys().map(|seq| seq.0).collect()
}

fn run(steps: &[Step]) -> World {
    let mut world = World::new(0);
    steps.iter().for_each(|step| world.apply(step));
    world.apply(&Step::Commit);
    world
}

#[test]
fn a_pruned_bag_that_comes_again_gets_a_new_number() {
    assert_eq!(kept(&run(&[push(1), push(2), Step::Commit, pair(1, 2), push(1)])), [2, 3]);
    assert_eq!(kept(&run(&[push(1), push(2), pair(1, 2), push(1)])), [2, 3], "in one batch");
    assert_eq!(kept(&run(&[push(1), Step::Commit, pair(1, 0), push(1), pair(2, 0), push(1)])), [3]);
}

#[test]
fn a_number_that_was_pruned_before_it_was_committed_is_not_given_out_again() {
    let world = run(&[push(1), pair(1, 0), Step::Commit, push(2)]);
    assert_eq!((kept(&world), world.store.record.last), (vec![2], BagSeq(2)));
}

#[test]
fn a_bag_is_let_go_only_once_in_a_batch() {
    let world = run(&[push(1), push(2), pair(1, 2), pair(1, 2), Step::Prune(vec![(1, 2), (1, 2)])]);
    assert_eq!((kept(&world), world.store.record.bags), (vec![2], 1));
}

#[test]
fn two_bags_cannot_supersede_each_other() {
    assert_eq!(kept(&run(&[push(1), push(2), Step::Prune(vec![(1, 2), (2, 1)])])), [1, 2]);
    assert_eq!(kept(&run(&[push(1), push(2), pair(1, 2), pair(2, 1)])), [2]);
    assert_eq!(kept(&run(&[push(1), pair(1, 1)])), [1]);
}

#[test]
fn a_delete_is_never_pruned() {
    assert_eq!(kept(&run(&[push(0), push(1), Step::Commit, pair(1, 2), pair(1, 0)])), [1, 2]);
}

#[test]
fn an_account_that_came_back_has_another_epoch_in_the_same_process() {
    let mut world = run(&[push(1), push(2)]);
    let before = open_epoch(&world.store.record);
    let cursor = Cursor { epoch: before, seq: BagSeq(1) };
    assert!(is_valid_cursor(&world.store.record, &cursor));
    world.apply(&Step::ComeBack);
    world.apply(&push(4));
    world.apply(&Step::Commit);
    assert_ne!(open_epoch(&world.store.record), before);
    assert!(!is_valid_cursor(&world.store.record, &cursor));
}

#[test]
fn an_account_that_leaves_memory_and_is_loaded_again_stays_in_its_epoch() {
    let mut world = run(&[push(1)]);
    world.account = Account::new(world.store.record.clone(), &ProcessId([1; 16]), world.bounds);
    world.apply(&push(2));
    world.apply(&Step::Commit);
    assert_eq!(world.store.record.lineage.len(), 1);
}

#[test]
fn a_process_that_changes_nothing_opens_no_epoch() {
    let mut world = run(&[push(1)]);
    for _ in 0..10 {
        world.apply(&Step::Restart);
        world.apply(&push(1));
        world.apply(&Step::Commit);
    }
    assert_eq!(world.store.record.lineage.len(), 1, "a duplicate is no change");
}

#[test]
fn numbers_end_where_a_javascript_number_does() {
    let process = ProcessId([1; 16]);
    let mut record = register(&process, [1; 8], 1);
    record.last = BagSeq(BAG_SEQ_MAX.0 - 1);
    let mut account = Account::new(record, &process, Bounds { bytes_max: 0, lineage_max: 1 });
    let bags = [1, 2].map(|message| CheckedBag { bag: seal(message, 1), signed: true });
    let (items, _) = account.push(bags.into(), 1, |_| None);
    let results: BTreeSet<_> = items.iter().map(|item| item.result.map_err(Status::code)).collect();
    assert_eq!(results, [Ok(BAG_SEQ_MAX), Err(Status::StorageError.code())].into());
}
