//! Backups: taken while writes go on, restored exactly, refused when anything in them is wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seabag_protocol::room::value::Value;
use seabag_store::{LocalStore, Options, Store, StoreError, check, restore};

use support::{Model, client, client_record, commit, hash, value};

/// A store with two rooms in which everything occurs that a backup must carry.
async fn furnish(store: &LocalStore) -> Vec<Model> {
    let mut rooms = Vec::new();
    for number in 1..=2 {
        let mut room = Model::create(store, hash(number)).await;
        for step in 0..30_u64 {
            let changes = match step % 5 {
                0 => room.replace("replaced", value("r")),
                1 => room.compact("appended", room.head, Some(value("c"))),
                2 => room.remember(client(step), Some(client_record(step))),
                _ => room.append("appended", value(&step.to_string())),
            };
            commit(store, room.commit(changes)).await;
        }
        let tree = ciborium::value::Value::Bytes(vec![0, 255]);
        let changes = room.append("", Value::from_cbor_tree(&tree).unwrap());
        commit(store, room.commit(changes)).await;
        rooms.push(room);
    }
    let mut removed = Model::create(store, hash(3)).await;
    let changes = removed.append("k", value("x"));
    commit(store, removed.commit(changes)).await;
    store.remove(hash(3)).await.unwrap();
    rooms
}

async fn check_restored(directory: &Path, rooms: &[Model]) {
    assert_eq!(check(directory, &Options::default()).unwrap(), []);
    let store = LocalStore::open(directory, &Options::default()).unwrap();
    for (room, number) in rooms.iter().zip(1..) {
        room.check_loaded(&store, hash(number)).await;
    }
    // It is a store like any other: new rooms get new numbers, and what is written stays.
    let mut new = Model::create(&store, hash(99)).await;
    assert!(rooms.iter().all(|room| room.number != new.number));
    let changes = new.append("k", value("x"));
    commit(&store, new.commit(changes)).await;
    store.close().await.unwrap();
    let store = LocalStore::open(directory, &Options::default()).unwrap();
    new.check_loaded(&store, hash(99)).await;
}

async fn backup_of(rooms: &mut Vec<Model>) -> Vec<u8> {
    let store = LocalStore::in_memory(&Options::default()).unwrap();
    *rooms = furnish(&store).await;
    let mut backup = Vec::new();
    store.backup(&mut backup, &mut |_| {}).unwrap();
    backup
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
    let mut rooms = Vec::new();
    let backup = backup_of(&mut rooms).await;
    let path = directory.path().join("restored");
    restore(&path, &mut backup.as_slice(), &mut |_| {}).unwrap();
    check_restored(&path, &rooms).await;
}

#[tokio::test]
async fn a_changed_or_shortened_backup_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let backup = backup_of(&mut Vec::new()).await;
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
    let backup = backup_of(&mut Vec::new()).await;
    std::fs::write(directory.path().join("precious"), "data").unwrap();
    let refusal = restore(directory.path(), &mut backup.as_slice(), &mut |_| {}).unwrap_err();
    assert!(refusal.to_string().contains("not empty"));
    assert_eq!(std::fs::read(directory.path().join("precious")).unwrap(), b"data");
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backup-1.bin")
}

/// Written once by the version that first had this format. Later versions must go on restoring it.
#[tokio::test]
async fn the_backup_of_the_first_version_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("restored");
    restore(&path, &mut std::fs::File::open(fixture()).unwrap(), &mut |_| {}).unwrap();
    let store = LocalStore::in_memory(&Options::default()).unwrap();
    let rooms = furnish(&store).await;
    check_restored(&path, &rooms).await;
}

/// How the fixture was made: `cargo test -p seabag-store --test backup -- --ignored`.
#[tokio::test]
#[ignore = "writes the fixture of a new format version"]
async fn write_the_fixture() {
    let backup = backup_of(&mut Vec::new()).await;
    assert!(!fixture().exists(), "a fixture is never overwritten: {}", fixture().display());
    std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    std::fs::write(fixture(), backup).unwrap();
}
