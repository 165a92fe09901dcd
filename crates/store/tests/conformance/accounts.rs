//! Laws of accounts and bags.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::record::{AccountChanges, AccountRecord, EpochRecord};
use seabag_store::{AccountCommit, AccountNumber, Durability, Options, RoomNumber, Store, StoreError};

use crate::Backend;
use crate::support::accounts::{AccountModel, account_record, bag, commit_account, epoch, key};
use crate::support::{Model, commit, hash, value};

pub(crate) async fn a_created_account_is_read_with_every_field(mut backend: Backend) {
    let store = backend.store();
    let full = AccountRecord {
        registered_ms: 1,
        changed_ms: u64::MAX,
        last: BagSeq(1 << 55),
        bags: 5,
        bytes: u64::MAX,
        lineage: (0..64).map(|n| EpochRecord { epoch: epoch(n), end: Some(BagSeq(n.into())) }).collect(),
    };
    assert!(store.create_account(key(1), full.clone()).await.unwrap());
    let (number, found) = store.snapshot().account(&key(1)).unwrap().unwrap();
    assert_eq!(found, full);
    assert!(store.snapshot().account(&key(2)).unwrap().is_none());

    // Another epoch, and counters alone.
    let mut lineage = full.lineage.clone();
    lineage.push(EpochRecord { epoch: epoch(99), end: None });
    for record in [AccountRecord { lineage, ..full }, AccountRecord { bags: 6, ..found }] {
        let changes = AccountChanges { record: Some(record.clone()), ..AccountChanges::default() };
        commit_account(&*store, AccountCommit { account: number, changes }).await;
        assert_eq!(store.snapshot().account(&key(1)).unwrap(), Some((number, record)));
    }
}

pub(crate) async fn an_account_is_created_only_once(mut backend: Backend) {
    let store = backend.store();
    let first = store.create_account(key(1), account_record(1));
    let second = store.create_account(key(1), account_record(2));
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (true, false));
    assert_eq!(store.snapshot().account(&key(1)).unwrap().unwrap().1, account_record(1));
    assert_eq!(store.account_count(), 1);
}

pub(crate) async fn a_removed_account_is_fenced_and_its_successor_shows_nothing_of_it(mut backend: Backend) {
    let store = backend.store();
    let mut old = AccountModel::create(&*store, key(1)).await;
    let changes = old.change((0..50).map(|number| bag(number, 9)).collect(), &[]);
    commit_account(&*store, old.commit(changes)).await;
    let before = store.snapshot();
    assert!(store.remove_account(key(1)).await.unwrap());
    assert!(!store.remove_account(key(1)).await.unwrap(), "there is none any more");
    assert!(store.snapshot().account(&key(1)).unwrap().is_none());
    let late = old.commit(old.clone().change(vec![bag(99, 1)], &[]));
    assert!(matches!(store.submit_account(late).await.unwrap().await, Err(StoreError::Fenced)));

    let new = AccountModel::create(&*store, key(1)).await;
    assert_ne!(new.number, old.number);
    new.check(&*store.snapshot());
    old.check(&*before);
    let stray = old.commit(AccountChanges::default());
    assert!(matches!(store.submit_account(stray).await.unwrap().await, Err(StoreError::Fenced)));
    let (snapshot, seqs) = (store.snapshot(), [BagSeq(1)]);
    let refused = [
        snapshot.peek(old.number, BagSeq::ZERO, 9, 999).err(),
        snapshot.bodies(old.number, &seqs, 999).err(),
        snapshot.find_bags(old.number, &[bag(0, 9).identity()]).err(),
        snapshot.held_bags(old.number, &seqs).err(),
    ];
    assert!(refused.iter().all(|refusal| matches!(refusal, Some(StoreError::Fenced))), "{refused:?}");
}

async fn all_reaped(store: &dyn Store, rows: u64) {
    for _ in 0..3_000 {
        if store.statistics().reaped_rows >= rows {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} rows of {rows} were reaped", store.statistics().reaped_rows);
}

pub(crate) async fn a_removed_account_is_reaped_and_harms_no_room_of_its_number(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let changes = room.append("k", value("x"));
    commit(&*store, room.commit(changes)).await;
    let mut account = AccountModel::create(&*store, key(1)).await;
    let mut neighbour = AccountModel::create(&*store, key(2)).await;
    assert_eq!((room.number, account.number), (RoomNumber(1), AccountNumber(1)));
    for round in 0..4 {
        for (model, first) in [(&mut account, 0), (&mut neighbour, 1_000)] {
            let bags = (0..100).map(|number| bag(first + 100 * round + number, number as usize % 3));
            let changes = model.change(bags.collect(), &[]);
            commit_account(&*store, model.commit(changes)).await;
        }
    }
    store.remove_account(key(1)).await.unwrap();
    // 400 heads and identities; a third of the bags has no body.
    all_reaped(&*store, 800 + 400 - 136).await;
    room.check_loaded(&*store, hash(1)).await;
    neighbour.check(&*store.snapshot());
    store.remove(hash(1)).await.unwrap();
    neighbour.check(&*store.snapshot());
}

pub(crate) async fn a_commit_to_an_account_number_never_given_out_is_fenced(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let first = account.change(vec![bag(1, 1)], &[]);
    let first = store.submit_account(account.commit(first)).await.unwrap();
    let mut strays = Vec::new();
    for number in [0, 2, u64::MAX] {
        let stray = AccountCommit { account: AccountNumber(number), changes: AccountChanges::default() };
        strays.push(store.submit_account(stray).await.unwrap());
    }
    let second = account.change(vec![bag(2, 2)], &[]);
    let second = store.submit_account(account.commit(second)).await.unwrap();
    assert!(first.await.is_ok());
    for stray in strays {
        assert!(matches!(stray.await, Err(StoreError::Fenced)));
    }
    assert!(second.await.is_ok(), "one fenced commit harms no other");
    account.check(&*store.snapshot());
}

pub(crate) async fn bags_are_peeked_pulled_and_found(mut backend: Backend) {
    let store = backend.store();
    let mut accounts = Vec::new();
    for number in 1..=3 {
        accounts.push(AccountModel::create(&*store, key(number)).await);
    }
    for step in 0..20 {
        for account in &mut accounts {
            // The same bag in every account: they are told apart by account.
            let changes = account.change(vec![bag(step, 0), bag(100 + step, 1 << (step % 14))], &[]);
            commit_account(&*store, account.commit(changes)).await;
        }
        if step == 10 {
            let changes = accounts[0].begin(epoch(2));
            commit_account(&*store, accounts[0].commit(changes)).await;
        }
    }
    for account in &accounts {
        account.check(&*store.snapshot());
    }
}

pub(crate) async fn a_pruned_bag_is_not_found_again(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let changes = account.change((0..30).map(|number| bag(number, 5)).collect(), &[]);
    commit_account(&*store, account.commit(changes)).await;
    let before = (account.clone(), store.snapshot());
    let third: Vec<_> = (1..=30).step_by(3).map(BagSeq).collect();
    let changes = account.change(vec![bag(50, 2)], &third);
    assert_eq!(changes.remove.len(), 10);
    commit_account(&*store, account.commit(changes)).await;
    account.check(&*store.snapshot());
    before.0.check(&*before.1);
    // What was let go of may come again, under another number.
    let changes = account.change(vec![bag(0, 5), bag(3, 5)], &[]);
    commit_account(&*store, account.commit(changes)).await;
    account.check(&*store.snapshot());
}

pub(crate) async fn a_bag_that_comes_and_goes_in_one_commit_is_absent(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let changes = account.change((0..4).map(|number| bag(number, 5)).collect(), &[BagSeq(2), BagSeq(3)]);
    assert_eq!((changes.insert.len(), changes.remove.len()), (4, 2));
    commit_account(&*store, account.commit(changes)).await;
    account.check(&*store.snapshot());
}

pub(crate) async fn a_bag_that_takes_the_place_of_its_duplicate_is_found(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let changes = account.change(vec![bag(1, 5)], &[]);
    commit_account(&*store, account.commit(changes)).await;
    let changes = account.change(vec![bag(1, 5)], &[BagSeq(1)]);
    commit_account(&*store, account.commit(changes)).await;
    assert_eq!(account.bags.keys().collect::<Vec<_>>(), [&BagSeq(2)]);
    account.check(&*store.snapshot());
}

pub(crate) async fn a_peek_ends_at_its_limits(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let changes = account.change((0..20).map(|number| bag(90 * number, 5)).collect(), &[BagSeq(4)]);
    commit_account(&*store, account.commit(changes)).await;
    let snapshot = store.snapshot();
    let peek = |after, items, bytes| {
        let items = snapshot.peek(account.number, BagSeq(after), items, bytes).unwrap();
        items.into_iter().map(|item| item.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(peek(0, 5, usize::MAX), [1, 2, 3, 5, 6]);
    assert_eq!(peek(3, 1, usize::MAX), [5]);
    assert_eq!(peek(18, 5, usize::MAX), [19, 20]);
    assert_eq!(peek(0, 5, 1), [1], "one at least");
    assert_eq!(peek(0, 5, 113), [1], "each has 113 bytes");
    assert_eq!(peek(0, 5, 114), [1, 2]);
    assert_eq!(peek(0, 0, 999), [0; 0]);
}

pub(crate) async fn ten_thousand_bags_come_back_as_they_were(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    for round in 0..10 {
        let bags = (0..1_000).map(|number| bag(1_000 * round + number, (number % 7) as usize * 50));
        let changes = account.change(bags.collect(), &[]);
        commit_account(&*store, account.commit(changes)).await;
    }
    account.check(&*store.snapshot());
    let even: Vec<_> = account.bags.keys().filter(|seq| seq.0 % 2 == 0).copied().collect();
    let changes = account.change(Vec::new(), &even);
    commit_account(&*store, account.commit(changes)).await;
    account.check(&*store.snapshot());
    let scattered: Vec<_> = (0..5_000).map(|at| BagSeq(at * 7_919 % 10_007)).collect();
    account.check_bodies(&*store.snapshot(), &scattered);
}

pub(crate) async fn accounts_are_listed_in_order_and_in_pages(mut backend: Backend) {
    let store = backend.store();
    for number in 0..25 {
        assert!(store.create_account(key(number), account_record(number)).await.unwrap());
    }
    let mut expected: Vec<_> = (0..25).map(|number| (key(number), account_record(number))).collect();
    expected.sort_by_key(|(key, _)| *key);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.accounts(after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key);
        found.extend(page.into_iter().map(|account| (account.key, account.record)));
    }
    assert_eq!(found, expected);
}

pub(crate) async fn commits_to_rooms_and_accounts_keep_one_order(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let mut account = AccountModel::create(&*store, key(1)).await;
    let resolved = Arc::new(AtomicU64::new(0));
    let mut watchers = Vec::new();
    for number in 0..200 {
        let receipt = if number % 2 == 0 {
            let changes = room.append("k", value("x"));
            store.submit(room.commit(changes)).await.unwrap()
        } else {
            let old = BagSeq(account.record.last.0.saturating_sub(5));
            let changes = account.change(vec![bag(number, 20)], &[old]);
            store.submit_account(account.commit(changes)).await.unwrap()
        };
        let resolved = resolved.clone();
        watchers.push(async move {
            receipt.await.unwrap();
            assert_eq!(resolved.fetch_add(1, Ordering::Relaxed), number);
        });
    }
    for watcher in watchers {
        watcher.await;
    }
    room.check_loaded(&*store, hash(1)).await;
    account.check(&*store.snapshot());
}

pub(crate) async fn statistics_count_accounts_and_bags(mut backend: Backend) {
    let store = backend.store();
    let mut account = AccountModel::create(&*store, key(1)).await;
    let before = store.statistics();
    assert_eq!((before.accounts, before.bags), (1, 0));
    let changes = account.change((0..5).map(|number| bag(number, 5)).collect(), &[BagSeq(1)]);
    commit_account(&*store, account.commit(changes)).await;
    let after = store.statistics();
    assert_eq!((after.bags, after.commits - before.commits), (4, 1));
    assert_eq!(store.account_count(), 1);
    store.remove_account(key(1)).await.unwrap();
    assert_eq!((store.statistics().accounts, store.account_count()), (0, 0));
}

pub(crate) async fn every_durability_mode_keeps_bags(mut backend: Backend) {
    let modes = [Durability::Sync, Durability::Interval(Duration::from_millis(2)), Durability::None];
    for durability in modes {
        let store = backend.store_with(&Options { durability, ..Options::default() });
        let mut account = AccountModel::create(&*store, key(1)).await;
        for number in 0..50 {
            let old = BagSeq(account.record.last.0.saturating_sub(3));
            let changes = account.change(vec![bag(number, 30)], &[old]);
            commit_account(&*store, account.commit(changes)).await;
        }
        account.check(&*store.snapshot());
        store.close().await.unwrap();
        assert!(store.snapshot().account(&key(1)).is_err());
    }
}
