//! Random changes on both backends must leave what a naive model says, at every snapshot and after a reopen.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::Path;

use proptest::prelude::*;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::record::AccountChanges;
use seabag_protocol::room::name::RoomSeq;
use seabag_protocol::room::record::Changes;
use seabag_store::{LocalStore, Options, Store, check, restore};

use support::accounts::{AccountModel, bag, epoch, key};
use support::{Model, client, client_record, commit, commit_snapshot, hash, value};

#[derive(Clone, Debug)]
enum Action {
    Append(u8, usize),
    Relay,
    Replace(u8, usize),
    /// Compacts at this share of the head, with a value or without.
    Compact(u8, u8, bool),
    Remember(u8),
    Forget(u8),
    Snapshot,
    Recreate,
    /// Pushes so many bags and lets go of every so many-th that is kept, these included.
    Bags(u8, u8),
    Epoch,
    RecreateAccount,
}

fn action() -> impl Strategy<Value = Action> {
    let key = 0..4_u8;
    prop_oneof![
        8 => (key.clone(), 0..40_usize).prop_map(|(key, size)| Action::Append(key, size)),
        1 => Just(Action::Relay),
        3 => (key.clone(), 0..40_usize).prop_map(|(key, size)| Action::Replace(key, size)),
        3 => (key, any::<u8>(), any::<bool>()).prop_map(|(key, at, with)| Action::Compact(key, at, with)),
        1 => (0..4_u8).prop_map(Action::Remember),
        1 => (0..4_u8).prop_map(Action::Forget),
        2 => Just(Action::Snapshot),
        1 => Just(Action::Recreate),
        6 => (0..6_u8, 1..9_u8).prop_map(|(push, prune)| Action::Bags(push, prune)),
        1 => Just(Action::Epoch),
        1 => Just(Action::RecreateAccount),
    ]
}

fn changes(room: &mut Model, action: &Action) -> Changes {
    let text = |size: &usize| value(&"x".repeat(*size));
    match action {
        Action::Append(key, size) => room.append(&key.to_string(), text(size)),
        Action::Replace(key, size) => room.replace(&key.to_string(), text(size)),
        Action::Compact(key, at, with) => {
            let seq = RoomSeq(room.head.0 * u64::from(*at) / 255);
            room.compact(&key.to_string(), seq, with.then(|| value("so far")))
        }
        Action::Remember(id) => room.remember(client(u64::from(*id)), Some(client_record(room.head.0))),
        Action::Forget(id) => room.remember(client(u64::from(*id)), None),
        Action::Relay => {
            room.relay();
            Changes::default()
        }
        Action::Snapshot | Action::Recreate | Action::Bags(..) | Action::Epoch | Action::RecreateAccount => {
            Changes::default()
        }
    }
}

fn account_changes(account: &mut AccountModel, push: u8, prune: u8) -> AccountChanges {
    let last = account.record.last.0;
    // Ten that come again and again, as soon as they were let go of.
    let kept = |account: &AccountModel, number| account.bags.values().any(|kept| *kept == bag(number, 8));
    let mut bags: Vec<_> = (0..u64::from(push)).map(|at| bag(1_000 + last + at, at as usize * 9)).collect();
    bags.extend(Some(last % 10).filter(|number| !kept(account, *number)).map(|number| bag(number, 8)));
    let end = last + bags.len() as u64;
    let old: Vec<_> = (1..=end).rev().step_by(prune.into()).map(BagSeq).collect();
    account.change(bags, &old)
}

async fn follow(store: &LocalStore, actions: &[Action]) -> (Model, AccountModel) {
    let mut room = Model::create(store, hash(1)).await;
    let mut account = AccountModel::create(store, key(1)).await;
    let mut receipts = Vec::new();
    for action in actions {
        let changes = changes(&mut room, action);
        match action {
            Action::Snapshot => {
                room.check(&*commit_snapshot(store, &room, changes).await);
                account.check(&*store.snapshot());
            }
            Action::Recreate => {
                assert!(store.remove(hash(1)).await.unwrap());
                room = Model::create(store, hash(1)).await;
            }
            Action::RecreateAccount => {
                assert!(store.remove_account(key(1)).await.unwrap());
                account = AccountModel::create(store, key(1)).await;
            }
            Action::Bags(push, prune) => {
                let changes = account_changes(&mut account, *push, *prune);
                receipts.push(store.submit_account(account.commit(changes)).await.unwrap());
            }
            Action::Epoch => {
                let next = epoch(account.record.lineage.len() as u8 + 1);
                let changes = account.begin(next);
                receipts.push(store.submit_account(account.commit(changes)).await.unwrap());
            }
            _ => receipts.push(store.submit(room.commit(changes)).await.unwrap()),
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    commit(store, room.commit(Changes::default())).await;
    room.check_loaded(store, hash(1)).await;
    account.check(&*store.snapshot());
    assert_eq!(store.check().unwrap(), []);
    (room, account)
}

async fn follow_on_disk(directory: &Path, actions: &[Action]) {
    let (first, second) = (directory.join("first"), directory.join("second"));
    let store = LocalStore::open(&first, &Options::default()).unwrap();
    let (room, account) = follow(&store, actions).await;
    let mut backup = Vec::new();
    store.backup(&mut backup, &mut |_| {}).unwrap();
    store.close().await.unwrap();
    assert_eq!(check(&first, &Options::default()).unwrap(), []);
    restore(&second, &mut backup.as_slice(), &mut |_| {}).unwrap();
    for directory in [&first, &second] {
        let store = LocalStore::open(directory, &Options::default()).unwrap();
        room.check_loaded(&store, hash(1)).await;
        account.check(&*store.snapshot());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn both_backends_and_the_model_show_the_same(actions in prop::collection::vec(action(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            follow(&LocalStore::in_memory(&Options::default()).unwrap(), &actions).await;
            let directory = tempfile::tempdir().unwrap();
            follow_on_disk(directory.path(), &actions).await;
        });
    }
}
