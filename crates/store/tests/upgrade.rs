//! A directory of format 1, which knew no accounts, is brought up to the present format when it is opened, also
//! after an upgrade that was interrupted anywhere.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use seabag_store::{LocalStore, Options, Store, StoreError, check};

use support::accounts::{AccountModel, bag, commit_account, key};
use support::image::Image;
use support::{Model, furnish, hash};

/// Written by the last program of format 1: rows in tables and in the journal.
const FIRST: &[u8] = include_bytes!("fixtures/store-1.bin");

/// One test at a time: a child that is just being started holds what this process has open, its locks too.
fn alone() -> impl Drop {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unpacked(directory: &Path) -> PathBuf {
    let path = directory.join("store");
    Image::unpack(FIRST).write(&path);
    assert_eq!(format_of(&path), "seabag store 1\n");
    path
}

fn format_of(path: &Path) -> String {
    fs::read_to_string(path.join("format")).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn expected_rooms() -> Vec<Model> {
    block_on(async { furnish::rooms(&LocalStore::in_memory(&Options::default()).unwrap()).await })
}

/// Opens the directory, finds every room of format 1, and keeps an account in it.
fn opens_upgraded(path: &Path, rooms: &[Model]) {
    let account = block_on(async {
        let store = LocalStore::open(path, &Options::default()).unwrap();
        for (room, number) in rooms.iter().zip(1..) {
            room.check_loaded(&store, hash(number)).await;
        }
        assert_eq!(store.account_count(), 0);
        let mut account = AccountModel::create(&store, key(1)).await;
        let changes = account.change(vec![bag(1, 5), bag(2, 0)], &[]);
        commit_account(&store, account.commit(changes)).await;
        store.close().await.unwrap();
        account
    });
    assert_eq!(format_of(path), "seabag store 2\n", "an older program refuses it by this");
    assert_eq!(check(path, &Options::default()).unwrap(), []);
    let store = LocalStore::open(path, &Options::default()).unwrap();
    account.check(&*store.snapshot());
    block_on(rooms[0].check_loaded(&store, hash(1)));
}

/// Does by hand what an upgrade does, up to some step: the keyspaces one by one, the version among the rows.
fn upgrade_partly(path: &Path, steps: usize) {
    let names =
        ["accounts", "account-numbers", "bag-heads", "bag-bodies", "bag-identities", "account-garbage"];
    let database = fjall::Database::builder(path.join("engine")).open().unwrap();
    let options = fjall::KeyspaceCreateOptions::default;
    for name in names.iter().take(steps) {
        database.keyspace(name, options).unwrap();
    }
    if steps > names.len() {
        let meta = database.keyspace("meta", options).unwrap();
        let mut batch = database.batch();
        batch.insert(&meta, "format", 2_u32.to_be_bytes());
        batch.commit().unwrap();
        database.persist(fjall::PersistMode::SyncData).unwrap();
    }
    if steps > names.len() + 1 {
        fs::write(path.join("format.new"), "seabag store 2\n").unwrap();
    }
}

#[test]
fn a_store_of_the_first_format_is_upgraded_with_all_it_holds() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    opens_upgraded(&unpacked(directory.path()), &expected_rooms());
}

#[test]
fn an_upgrade_that_was_interrupted_anywhere_is_done_again() {
    let _alone = alone();
    let rooms = expected_rooms();
    for steps in 0..=8 {
        let directory = tempfile::tempdir().unwrap();
        let path = unpacked(directory.path());
        upgrade_partly(&path, steps);
        opens_upgraded(&path, &rooms);
    }
}

/// The child of the test below.
#[test]
fn child_that_upgrades_until_it_is_killed() {
    let Ok(path) = std::env::var("SEABAG_UPGRADE_DIRECTORY") else { return };
    let store = LocalStore::open(Path::new(&path), &Options::default()).unwrap();
    println!("opened");
    std::thread::sleep(Duration::from_secs(60));
    drop(store);
}

#[test]
fn an_upgrade_that_is_killed_loses_nothing() {
    let _alone = alone();
    let rooms = expected_rooms();
    for round in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let path = unpacked(directory.path());
        for _ in 0..2 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["child_that_upgrades_until_it_is_killed", "--exact", "--nocapture"])
                .env("SEABAG_UPGRADE_DIRECTORY", &path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(3 + 5 * round));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        opens_upgraded(&path, &rooms);
    }
}

#[test]
fn a_keyspace_of_the_first_format_is_still_missed() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = unpacked(directory.path());
    // Keyspaces are numbered as they were made: the fifth holds the streams.
    fs::remove_file(path.join("engine/keyspaces/5/current")).unwrap();
    let refusal = LocalStore::open(&path, &Options::default()).map(drop).unwrap_err();
    assert!(matches!(refusal, StoreError::Damaged(_)), "{refusal}");
    assert_eq!(format_of(&path), "seabag store 1\n");
}

#[test]
fn rows_that_are_behind_their_directory_are_refused() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = unpacked(directory.path());
    fs::write(path.join("format"), "seabag store 2\n").unwrap();
    let refusal = LocalStore::open(&path, &Options::default()).map(drop).unwrap_err();
    assert!(matches!(refusal, StoreError::Damaged(_)), "the keyspaces are missing: {refusal}");
    upgrade_partly(&path, 6);
    let refusal = LocalStore::open(&path, &Options::default()).map(drop).unwrap_err();
    assert!(matches!(refusal, StoreError::UnknownFormat(_)), "so is the version: {refusal}");
}

/// How a directory is packed as a fixture, once for a format: set `SEABAG_FIXTURE_DIRECTORY` and
/// `SEABAG_FIXTURE_FILE`, and run `cargo test -p seabag-store --test upgrade -- --ignored`.
#[test]
#[ignore = "packs the fixture of a format version"]
fn pack_a_fixture() {
    let [directory, file] = ["SEABAG_FIXTURE_DIRECTORY", "SEABAG_FIXTURE_FILE"].map(std::env::var);
    let (directory, file) = (directory.unwrap(), PathBuf::from(file.unwrap()));
    assert!(!file.exists(), "a fixture is never overwritten: {}", file.display());
    fs::write(file, Image::take(Path::new(&directory)).pack()).unwrap();
}
