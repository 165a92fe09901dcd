//! Backups: taken while writes go on, restored exactly, refused when anything in them is wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seabag_store::{LocalStore, Options, Store, StoreError, check, restore};

use support::accounts::{AccountModel, bag, commit_account, key};
use support::{Model, commit, furnish, hash, value};

/// What a store was filled with.
struct Furnished {
    rooms: Vec<Model>,
    accounts: Vec<AccountModel>,
}

async fn furnish(store: &LocalStore) -> Furnished {
    Furnished { rooms: furnish::rooms(store).await, accounts: furnish::accounts(store).await }
}

async fn check_restored(directory: &Path, expected: &Furnished) {
    assert_eq!(check(directory, &Options::default()).unwrap(), []);
    let store = LocalStore::open(directory, &Options::default()).unwrap();
    for (room, number) in expected.rooms.iter().zip(1..) {
        room.check_loaded(&store, hash(number)).await;
    }
    for account in &expected.accounts {
        account.check(&*store.snapshot());
    }
    assert_eq!(store.account_count(), expected.accounts.len() as u64);
    // It is a store like any other: what is new gets new numbers, and what is written stays.
    let mut new = Model::create(&store, hash(99)).await;
    assert!(expected.rooms.iter().all(|room| room.number != new.number));
    let changes = new.append("k", value("x"));
    commit(&store, new.commit(changes)).await;
    let mut account = AccountModel::create(&store, key(99)).await;
    assert!(expected.accounts.iter().all(|known| known.number != account.number));
    let changes = account.change(vec![bag(1, 5)], &[]);
    commit_account(&store, account.commit(changes)).await;
    store.close().await.unwrap();
    let store = LocalStore::open(directory, &Options::default()).unwrap();
    new.check_loaded(&store, hash(99)).await;
    account.check(&*store.snapshot());
}

async fn backup_of_everything() -> (Vec<u8>, Furnished) {
    let store = LocalStore::in_memory(&Options::default()).unwrap();
    let expected = furnish(&store).await;
    let mut backup = Vec::new();
    store.backup(&mut backup, &mut |_| {}).unwrap();
    (backup, expected)
}

#[tokio::test]
async fn a_backup_is_one_state_while_writes_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(&directory.path().join("live"), &Options::default()).unwrap());
    let mut room = Model::create(&*store, hash(1)).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..400 {
                let changes = room.append("k", value("x"));
                commit(&*store, room.commit(changes)).await;
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..5 {
        let store = store.clone();
        let path = directory.path().join(format!("copy {round}"));
        let restored = tokio::task::spawn_blocking(move || {
            let mut backup = Vec::new();
            let mut reports = 0;
            let written = store.backup(&mut backup, &mut |_| reports += 1).unwrap();
            let read = restore(&path, &mut backup.as_slice(), &mut |_| {}).unwrap();
            assert!(written == read && reports > 0);
            check(&path, &Options::default()).unwrap()
        });
        assert_eq!(restored.await.unwrap(), []);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_restore_brings_everything_back() {
    let directory = tempfile::tempdir().unwrap();
    let (backup, expected) = backup_of_everything().await;
    let path = directory.path().join("restored");
    restore(&path, &mut backup.as_slice(), &mut |_| {}).unwrap();
    check_restored(&path, &expected).await;
}

#[tokio::test]
async fn a_changed_or_shortened_backup_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (backup, _) = backup_of_everything().await;
    let refused = |bytes: &[u8], what: &str| {
        let path = directory.path().join("refused");
        let refusal = restore(&path, &mut &*bytes, &mut |_| {}).unwrap_err();
        let named = matches!(refusal, StoreError::Damaged(_) | StoreError::UnknownFormat(_));
        assert!(named, "{what}: {refusal}");
        assert!(std::fs::read_dir(&path).unwrap().all(|entry| entry.unwrap().file_name() == "lock"));
    };
    for step in 0..=8 {
        let at = step * (backup.len() - 1) / 8;
        refused(&backup[..at], &format!("cut at {at}"));
        let mut flipped = backup.clone();
        flipped[at] ^= 0x04;
        refused(&flipped, &format!("flipped at {at}"));
    }
    refused(&[backup.as_slice(), b"\0"].concat(), "one byte too many");
    let path = directory.path().join("refused");
    restore(&path, &mut backup.as_slice(), &mut |_| {}).unwrap();
}

#[tokio::test]
async fn a_restore_needs_an_empty_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (backup, _) = backup_of_everything().await;
    std::fs::write(directory.path().join("precious"), "data").unwrap();
    let refusal = restore(directory.path(), &mut backup.as_slice(), &mut |_| {}).unwrap_err();
    assert!(refusal.to_string().contains("not empty"));
    assert_eq!(std::fs::read(directory.path().join("precious")).unwrap(), b"data");
}

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/backup-{version}.bin"))
}

/// Written once by the versions that first had these formats. Later versions must go on restoring them.
#[tokio::test]
async fn the_backups_of_all_earlier_formats_are_restored() {
    let directory = tempfile::tempdir().unwrap();
    for version in [1, 2] {
        let path = directory.path().join(format!("restored {version}"));
        restore(&path, &mut std::fs::File::open(fixture(version)).unwrap(), &mut |_| {}).unwrap();
        let store = LocalStore::in_memory(&Options::default()).unwrap();
        let mut expected = furnish(&store).await;
        if version == 1 {
            expected.accounts.clear();
        }
        check_restored(&path, &expected).await;
    }
}

/// How the fixture was made: `cargo test -p seabag-store --test backup -- --ignored`.
#[tokio::test]
#[ignore = "writes the fixture of a new format version"]
async fn write_the_fixture() {
    let (backup, _) = backup_of_everything().await;
    assert!(!fixture(2).exists(), "a fixture is never overwritten: {}", fixture(2).display());
    std::fs::write(fixture(2), backup).unwrap();
}
