//! A store that was killed, and then cut or changed on disk, opens with every acknowledged entry or refuses by
//! name. It never panics and never opens with less.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod support;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::room::name::RoomSeq;
use seabag_store::{LocalStore, Options, Snapshot, Store, StoreError, check};

use support::accounts::{AccountModel, bag, commit_account, key};
use support::image::Image;
use support::{Model, commit, hash, value};

/// Small tables and caches: thousands of stores are opened here.
fn options() -> Options {
    Options { cache_bytes: 1 << 20, reader_threads: 1, ..Options::default() }
}

/// A directory in memory if there is one: what is tested here is what lies in files, not whether they are synced.
fn scratch() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What was acknowledged.
#[derive(Clone)]
struct Acknowledged {
    room: Model,
    account: AccountModel,
}

impl Acknowledged {
    async fn create(store: &LocalStore) -> Self {
        Self { room: Model::create(store, hash(1)).await, account: AccountModel::create(store, key(1)).await }
    }

    /// Commits to the room and, every third time, to the account.
    async fn step(&mut self, store: &LocalStore, number: u64, padding: &str) {
        let room = &mut self.room;
        if number % 3 == 2 {
            let old = BagSeq(self.account.record.last.0.saturating_sub(4));
            let bags = vec![bag(2 * number, 20 + padding.len()), bag(2 * number + 1, 0)];
            let changes = self.account.change(bags, &[old]);
            return commit_account(store, self.account.commit(changes)).await;
        }
        let changes = match number % 6 {
            4 => room.replace("r", value("replaced")),
            3 => room.compact("a", RoomSeq(room.head.0 / 2), Some(value("so far"))),
            _ => room.append("a", value(&format!("{number}{padding}"))),
        };
        commit(store, room.commit(changes)).await;
    }

    async fn check(&self, store: &LocalStore) {
        self.room.check_loaded(store, hash(1)).await;
        self.account.check(&*store.snapshot());
    }

    /// Reads everything by its name. That looks into parts of files that walking through all rows passes by.
    fn read(&self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        for key in self.room.keys.keys() {
            snapshot.read_stream(self.room.number, &self.room.plan_stream(key.as_str(), 0))?;
        }
        let account = &self.account;
        snapshot.account(&account.key)?;
        let numbers: Vec<_> = (0..=account.record.last.0 + 1).map(BagSeq).collect();
        snapshot.bodies(account.number, &numbers, usize::MAX)?;
        snapshot.held_bags(account.number, &numbers)?;
        let bags = account.bags.values().chain(account.gone.values());
        snapshot.find_bags(account.number, &bags.map(|bag| bag.identity()).collect::<Vec<_>>())?;
        Ok(())
    }
}

/// A store with acknowledged commits, copied while it is open: as a killed process leaves it. Also where its
/// journal ended before the last two commits.
fn killed_store(commits: u64, reopened: bool) -> (Image, Acknowledged, u64) {
    killed_store_of(commits, reopened, &options(), "", |_| true)
}

fn killed_store_of(
    commits: u64,
    reopened: bool,
    options: &Options,
    padding: &str,
    is_wanted: impl Fn(&Image) -> bool,
) -> (Image, Acknowledged, u64) {
    let directory = scratch();
    let path = directory.path().join("store");
    block_on(async {
        let mut store = LocalStore::open(&path, options).unwrap();
        let mut acknowledged = Acknowledged::create(&store).await;
        let mut before_last = 0;
        for number in 0..commits {
            if number == commits - 2 {
                before_last = Image::take(&path).journal().1.len() as u64;
            }
            if reopened && number == commits / 2 {
                let _quiet = nobody_is_starting();
                store.close().await.unwrap();
                store = LocalStore::open(&path, options).unwrap();
            }
            acknowledged.step(&store, number, padding).await;
        }
        // The engine writes tables in the background; a copy is one moment only if nothing changes meanwhile.
        let mut image = Image::take(&path);
        for _ in 0..3_000 {
            std::thread::sleep(Duration::from_millis(20));
            let again = Image::take(&path);
            if again.0 == image.0 && is_wanted(&image) {
                return (image, acknowledged, before_last);
            }
            image = again;
        }
        panic!("the store does not come to rest");
    })
}

/// Who starts a child takes this for writing, who opens a directory twice for reading: a child that is just being
/// started holds what this process has open, its locks too.
static STARTING: RwLock<()> = RwLock::new(());

fn nobody_is_starting() -> impl Drop {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Opens what a crash left. Everything acknowledged must be there, or the refusal must have a name.
fn opens_whole_or_refuses(path: &Path, acknowledged: &Acknowledged, what: &str) -> bool {
    match LocalStore::open(path, &options()) {
        Ok(store) => {
            block_on(async {
                // A part of the file that is only now read may turn out damaged: that has a name too.
                match store.load(hash(1)).await {
                    Ok(Some((number, _))) if number == acknowledged.room.number => match store.check() {
                        Ok(findings) => {
                            assert_eq!(findings, [], "{what}");
                            match acknowledged.read(&*store.snapshot()) {
                                Ok(()) => acknowledged.check(&store).await,
                                Err(StoreError::Damaged(_) | StoreError::Io(_)) => {}
                                Err(other) => panic!("{what}: {other}"),
                            }
                        }
                        Err(StoreError::Damaged(_) | StoreError::Io(_)) => {}
                        Err(other) => panic!("{what}: {other}"),
                    },
                    Ok(_) => panic!("{what}: the room is lost"),
                    Err(StoreError::Damaged(_) | StoreError::Io(_)) => {}
                    Err(other) => panic!("{what}: {other}"),
                }
            });
            true
        }
        Err(
            StoreError::Shortened { .. }
            | StoreError::Damaged(_)
            | StoreError::UnknownFormat(_)
            | StoreError::Io(_),
        ) => false,
        Err(other) => panic!("{what}: {other}"),
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

struct Trial {
    image: Image,
    acknowledged: Acknowledged,
    directory: tempfile::TempDir,
    tried: u64,
    opened: u64,
}

impl Trial {
    fn new(image: Image, acknowledged: Acknowledged) -> Self {
        Self { image, acknowledged, directory: scratch(), tried: 0, opened: 0 }
    }

    /// Writes the image, lets `harm` change it, and opens it.
    fn run(&mut self, what: &str, harm: impl FnOnce(&Path)) {
        let path = self.directory.path().join("store");
        self.image.write(&path);
        harm(&path);
        self.tried += 1;
        self.opened += u64::from(opens_whole_or_refuses(&path, &self.acknowledged, what));
        fs::remove_dir_all(&path).unwrap();
    }

    fn cut(&mut self, file: &Path, length: u64) {
        self.run(&format!("{} cut to {length}", file.display()), |path| {
            OpenOptions::new().write(true).open(path.join(file)).unwrap().set_len(length).unwrap();
        });
    }

    fn flip(&mut self, file: &Path, at: u64, mask: u8) {
        self.run(&format!("{} flipped at {at} by {mask:#x}", file.display()), |path| {
            let mut file = OpenOptions::new().read(true).write(true).open(path.join(file)).unwrap();
            let mut byte = [0];
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut byte).unwrap();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&[byte[0] ^ mask]).unwrap();
        });
    }
}

#[test]
fn a_killed_store_opens_with_everything_acknowledged() {
    for reopened in [false, true] {
        let (image, acknowledged, _) = killed_store(30, reopened);
        let mut trial = Trial::new(image, acknowledged);
        trial.run("unharmed", |_| {});
        assert_eq!(trial.opened, 1);
    }
    let (image, acknowledged) = store_with_tables();
    let mut trial = Trial::new(image, acknowledged);
    let _quiet = nobody_is_starting();
    trial.run("unharmed, with tables", |path| assert_eq!(check(path, &options()).unwrap(), []));
    assert_eq!(trial.opened, 1);
}

#[test]
fn a_journal_cut_anywhere_in_its_last_two_commits_is_noticed() {
    let (image, acknowledged, before_last) = killed_store(12, false);
    let (journal, bytes, _) = image.journal().clone();
    let mut trial = Trial::new(image, acknowledged);
    for length in before_last..bytes.len() as u64 {
        trial.cut(&journal, length);
    }
    assert!(trial.tried > 200, "{} lengths", trial.tried);
    assert_eq!(trial.opened, 0, "acknowledged commits are missing from every one of them");
    trial.cut(&journal, bytes.len() as u64);
    assert_eq!(trial.opened, 1, "nothing but reserved space was cut off");
}

/// A store whose rows lie in tables as well as in the journal.
fn store_with_tables() -> (Image, Acknowledged) {
    let small = Options { memtable_bytes: 16 << 10, ..options() };
    let has_tables =
        |image: &Image| image.0.iter().any(|(path, ..)| path.iter().any(|part| part == "tables"));
    let (image, acknowledged, _) = killed_store_of(150, true, &small, &"x".repeat(400), has_tables);
    (image, acknowledged)
}

#[test]
fn any_file_cut_anywhere_is_noticed_or_harmless() {
    let (image, acknowledged) = store_with_tables();
    let files: Vec<_> = image.0.iter().map(|(path, bytes, _)| (path.clone(), bytes.len() as u64)).collect();
    let (mut trial, mut numbers) = (Trial::new(image, acknowledged), Numbers(1));
    for round in 0..1_000 {
        let (file, length) = &files[round % files.len()];
        let length = numbers.below(*length);
        trial.cut(file, length);
    }
}

#[test]
fn a_byte_flipped_anywhere_in_the_journal_is_noticed_or_harmless() {
    let (image, acknowledged, _) = killed_store(40, true);
    let (journal, bytes, _) = image.journal().clone();
    let (mut trial, mut numbers) = (Trial::new(image, acknowledged), Numbers(2));
    for _ in 0..400 {
        let (at, bit) = (numbers.below(bytes.len() as u64), numbers.below(8));
        trial.flip(&journal, at, 1 << bit);
    }
    // All but the upper half of the engine's number of the last batch belongs to something acknowledged.
    assert!(trial.opened < 8, "{} of {} opened", trial.opened, trial.tried);
}

#[test]
fn a_byte_flipped_in_any_file_is_noticed_or_harmless() {
    let (image, acknowledged) = store_with_tables();
    let files: Vec<_> = image.0.iter().map(|(path, bytes, _)| (path.clone(), bytes.len() as u64)).collect();
    let (mut trial, mut numbers) = (Trial::new(image, acknowledged), Numbers(3));
    for round in 0..400 {
        let (file, length) = &files[round % files.len()];
        if *length > 0 {
            let (at, bit) = (numbers.below(*length), numbers.below(8));
            trial.flip(file, at, 1 << bit);
        }
    }
}

#[test]
fn a_refusal_harms_nothing() {
    let _quiet = nobody_is_starting();
    let (image, acknowledged, _) = killed_store(20, false);
    let (journal, bytes, _) = image.journal().clone();
    let (mut trial, middle) = (Trial::new(image, acknowledged.clone()), bytes.len() as u64 / 2);
    // The engine alone would cut the journal in the middle. Put the byte back, and everything is there.
    trial.run("flipped and put back", |path| {
        let put = |byte: u8| {
            let mut file = OpenOptions::new().write(true).open(path.join(&journal)).unwrap();
            file.seek(SeekFrom::Start(middle)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        put(!bytes[middle as usize]);
        assert!(!opens_whole_or_refuses(path, &acknowledged, "flipped"));
        put(bytes[middle as usize]);
    });
    assert_eq!(trial.opened, 1);
}

#[test]
fn loss_that_is_accepted_opens_what_is_left() {
    let _quiet = nobody_is_starting();
    let (image, acknowledged, before_last) = killed_store(12, false);
    let directory = scratch();
    let path = directory.path().join("store");
    image.write(&path);
    let journal = OpenOptions::new().write(true).open(path.join(&image.journal().0)).unwrap();
    journal.set_len(before_last + 7).unwrap();
    let refusal = LocalStore::open(&path, &options()).map(|_| ()).unwrap_err();
    assert!(matches!(refusal, StoreError::Shortened { .. }), "{refusal}");
    let accepting = Options { accept_loss: true, ..options() };
    block_on(async {
        let store = LocalStore::open(&path, &accepting).unwrap();
        let (_, left) = store.load(hash(1)).await.unwrap().unwrap();
        assert!(left.record != acknowledged.room.record);
        store.close().await.unwrap();
    });
    assert_eq!(check(&path, &options()).unwrap(), [], "accepted once, it opens like any other");
}

/// The child of the test below: writes until it is killed, and says what was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(path) = std::env::var("SEABAG_CRASH_DIRECTORY") else { return };
    let own = u64::from(std::process::id());
    block_on(async {
        let store = LocalStore::open(Path::new(&path), &options()).unwrap();
        let mut room = Model::create(&store, hash(own)).await;
        let mut account = AccountModel::create(&store, key(own)).await;
        for number in 0..1_000_000 {
            let changes = room.append("k", value("x"));
            commit(&store, room.commit(changes)).await;
            println!("acknowledged {own} {} {}", room.head, account.record.last.0);
            // What a push supersedes goes with it, so that bags are let go of at every moment.
            let old = BagSeq(account.record.last.0.saturating_sub(6));
            let changes = account.change(vec![bag(number, 50)], &[old]);
            commit_account(&store, account.commit(changes)).await;
            println!("acknowledged {own} {} {}", room.head, account.record.last.0);
        }
    });
}

/// What a child said: which room and account, and the last number of each.
fn said(line: &str) -> Option<[u64; 3]> {
    let mut numbers = line.split("acknowledged ").nth(1)?.split(' ').map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

#[test]
fn a_process_that_is_killed_while_it_writes_loses_nothing() {
    let directory = scratch();
    let path = directory.path().join("store");
    let mut acknowledged = Vec::new();
    for round in 0..5_u64 {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["child_that_writes_until_it_is_killed", "--exact", "--nocapture"]);
        program.env("SEABAG_CRASH_DIRECTORY", &path).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = {
            let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
            program.spawn().unwrap()
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = None;
        for line in lines.by_ref().map_while(Result::ok) {
            last = said(&line).or(last);
            if last.is_some_and(|[_, head, _]| head > 50 + 37 * round) {
                break;
            }
        }
        child.kill().unwrap();
        // What it had said before it died counts.
        for line in lines.map_while(Result::ok) {
            last = said(&line).or(last);
        }
        child.wait().unwrap();
        acknowledged.push(last.expect("it wrote something"));
        assert_eq!(check(&path, &options()).unwrap(), []);
        block_on(async {
            let store = LocalStore::open(&path, &options()).unwrap();
            for [own, head, last] in &acknowledged {
                let (_, found) = store.load(hash(*own)).await.unwrap().unwrap();
                assert!(found.record.stored.0 >= *head, "{} of {head} are there", found.record.stored);
                let (number, record) = store.snapshot().account(&key(*own)).unwrap().unwrap();
                assert!(record.last.0 >= *last, "{} of {last} bags were stored", record.last.0);
                let heads = store.snapshot().peek(number, BagSeq::ZERO, 9, usize::MAX).unwrap();
                assert_eq!(heads.last().map(|item| item.seq), Some(record.last));
            }
        });
    }
}

#[test]
fn a_second_process_is_told_that_the_directory_is_in_use() {
    let _quiet = nobody_is_starting();
    let directory = scratch();
    let path = directory.path().join("store");
    let store = LocalStore::open(&path, &options()).unwrap();
    let refusal = LocalStore::open(&path, &options()).map(|_| ()).unwrap_err();
    assert!(matches!(refusal, StoreError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().contains(&path.display().to_string()));
    block_on(store.close()).unwrap();
    LocalStore::open(&path, &options()).map(|_| ()).expect("a closed store's directory is free");
}
