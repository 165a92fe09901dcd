//! Engines with databases on disk, against the real program: two devices, a host that is killed, wiped and restored,
//! one that is down, one that is full.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seabag_client::host::report::Report;
use seabag_client::status::Phase;
use seabag_client::{Engine, EngineOptions, LinkOutcome};
use seabag_crypto::Seed;
use seabag_entdb::{Database, Draft, LinkId, LinkSettings, Message, Skew};
use seabag_protocol::host::eid::Eid;
use seabag_testing::process::{DEADLINE, ServerProcess, Setup};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// A device: a database on disk.
struct Device {
    folder: TempDir,
    database: Arc<Mutex<Database>>,
    made: u64,
}

fn seed() -> Arc<Seed> {
    Arc::new(Seed::from_bytes(&[42; 32]))
}

fn now_ms() -> u64 {
    seabag_client::clock::now_ms()
}

fn draft(text: &str) -> Draft {
    let mut body = vec![0xd9, text.len() as u8];
    body.extend_from_slice(text.as_bytes());
    Draft::new("note", body)
}

impl Device {
    fn new(number: u64, hosts: &[String]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut database = Database::open(folder.path().join("ents.db")).unwrap();
        for url in hosts {
            let settings = LinkSettings { label: "test".into(), url: url.clone(), index: 0 };
            database.add_link(settings).unwrap();
        }
        Self { folder, database: Arc::new(Mutex::new(database)), made: number << 32 }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn put(&mut self, text: &str) -> Eid {
        self.made += 1;
        self.database.lock().put_new(self.made.to_be_bytes(), now_ms(), draft(text)).unwrap().eid
    }

    fn edit(&self, eid: &Eid, text: &str) {
        self.database.lock().put(eid, now_ms(), draft(text), Skew::Force).unwrap();
    }

    fn all(&self) -> Vec<Message> {
        let mut all = self.database.lock().messages(None, 10_000).unwrap().messages;
        all.sort_by(|a, b| a.head.eid.cmp(&b.head.eid));
        all
    }

    fn waiting(&self) -> u64 {
        let database = self.database.lock();
        database.links().unwrap().iter().map(|link| database.waiting(link.id).unwrap()).sum()
    }

    async fn sync(&self) -> Vec<LinkOutcome> {
        let database = Arc::clone(&self.database);
        Engine::sync_once(database, seed(), EngineOptions::default(), DEADLINE).await.unwrap()
    }

    async fn engine(&self) -> Engine {
        Engine::start(Arc::clone(&self.database), seed(), EngineOptions::default()).await.unwrap()
    }
}

/// Waits until this is so.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn url(server: &ServerProcess) -> String {
    format!("http://{}", server.address())
}

fn in_sync(outcomes: &[LinkOutcome]) -> bool {
    outcomes.iter().all(|outcome| outcome.activity.phase == Phase::InSync && outcome.waiting == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_that_sync_now_and_then_converge() {
    let server = ServerProcess::start().await;
    let (mut first, mut second) = (Device::new(1, &[url(&server)]), Device::new(2, &[url(&server)]));
    let note = first.put("from the first");
    (0..300).for_each(|at| drop(second.put(&format!("from the second {at}"))));
    for device in [&first, &second, &first] {
        let outcomes = device.sync().await;
        assert!(in_sync(&outcomes), "{outcomes:?}");
    }
    assert_eq!(first.all(), second.all());
    assert_eq!(first.all().len(), 301);
    (0..5).for_each(|at| second.edit(&note, &format!("edit {at}")));
    let outcomes = second.sync().await;
    assert_eq!((outcomes[0].activity.pushed, outcomes[0].activity.pruned), (1, 1), "{outcomes:?}");
    first.sync().await;
    assert_eq!(first.all(), second.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_show_each_others_writes_at_once() {
    let server = ServerProcess::start().await;
    let (mut first, second) = (Device::new(1, &[url(&server)]), Device::new(2, &[url(&server)]));
    let (one, two) = (first.engine().await, second.engine().await);
    one.settled().await;
    two.settled().await;
    for at in 0..20 {
        first.put(&format!("note {at}"));
        one.written();
        until("the note came", || second.all().len() == at + 1).await;
    }
    assert_eq!(first.all(), second.all());
    // What was written down shows in the database a moment before it is counted.
    let end = tokio::time::Instant::now() + DEADLINE;
    let status = loop {
        let status = two.status().await.unwrap();
        let received = status.activity.values().next().unwrap().received;
        if received == 20 {
            break status;
        }
        assert!(received < 20 && tokio::time::Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.activity.values().all(|activity| activity.oddities.is_empty()), "{status:?}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_another_process_on_the_same_file_are_pushed() {
    let server = ServerProcess::start().await;
    let (first, second) = (Device::new(1, &[url(&server)]), Device::new(2, &[url(&server)]));
    let (one, two) = (first.engine().await, second.engine().await);
    let mut elsewhere = Database::open(first.path().join("ents.db")).unwrap();
    elsewhere.put_new([5; 8], now_ms(), draft("from elsewhere")).unwrap();
    until("the note came", || second.all().len() == 1).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_hears_what_was_said_from_the_start_on() {
    let server = ServerProcess::start().await;
    let device = Device::new(1, &[url(&server)]);
    let engine = device.engine().await;
    engine.settled().await;
    let (mut reports, mut said) = (engine.reports(), Vec::new());
    while let Ok((_, report)) = reports.try_recv() {
        said.push(report);
    }
    assert_eq!(said.first(), Some(&Report::Registered), "{said:?}");
    assert!(said.contains(&Report::InSync), "{said:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_come_and_go_are_followed() {
    let server = ServerProcess::start().await;
    let mut device = Device::new(1, &[]);
    device.put("before there was a link");
    let engine = device.engine().await;
    let settings = LinkSettings { label: "test".into(), url: url(&server), index: 0 };
    let link = device.database.lock().add_link(settings).unwrap();
    engine.follow_links().await.unwrap();
    let eid = device.all()[0].head.eid.clone();
    let is_stored = || {
        let durable = device.database.lock().durable_at(&eid).unwrap();
        durable.len() == 1 && durable[0].stored.is_some()
    };
    until("it is pushed", is_stored).await;
    engine.settled().await;
    assert!(engine.audit(LinkId(77)).await.is_err());
    let elsewhere = LinkSettings { label: "test".into(), url: "http://127.0.0.1:9".into(), index: 0 };
    let second = device.database.lock().add_link(elsewhere).unwrap();
    engine.follow_links().await.unwrap();
    let activity = engine.status().await.unwrap().activity;
    assert_eq!(activity[&second].shares_key_with, Some(link), "one key at two hosts is told of");
    assert_eq!(activity[&link].shares_key_with, None, "it was alone when it began");
    device.database.lock().remove_link(second).unwrap();
    device.database.lock().remove_link(link).unwrap();
    engine.follow_links().await.unwrap();
    assert!(engine.status().await.unwrap().activity.is_empty());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_go_on_after_the_host_was_killed() {
    let mut server = ServerProcess::start().await;
    let (mut first, mut second) = (Device::new(1, &[url(&server)]), Device::new(2, &[url(&server)]));
    let (one, two) = (first.engine().await, second.engine().await);
    for round in 0..3 {
        for at in 0..10 {
            first.put(&format!("first {round} {at}"));
            second.put(&format!("second {round} {at}"));
            one.written();
            two.written();
        }
        server.kill();
        first.put("while it is down");
        one.written();
        server.restart().await;
        one.online().await;
        two.online().await;
        let both = (round + 1) * 21;
        until("both have all", || first.all().len() == both && second.all().len() == both).await;
    }
    until("nothing waits", || first.waiting() + second.waiting() == 0).await;
    assert_eq!(first.all(), second.all());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_host_is_filled_again() {
    let mut server = ServerProcess::start().await;
    let (mut first, second) = (Device::new(1, &[url(&server)]), Device::new(2, &[url(&server)]));
    (0..50).for_each(|at| drop(first.put(&format!("note {at}"))));
    first.sync().await;
    second.sync().await;
    server.kill();
    std::fs::remove_dir_all(server.data()).unwrap();
    server.restart().await;
    let outcomes = second.sync().await;
    assert!(in_sync(&outcomes), "{outcomes:?}");
    assert_eq!((outcomes[0].activity.resets, outcomes[0].activity.pushed), (1, 50));
    assert!(in_sync(&first.sync().await));
    let third = Device::new(3, &[url(&server)]);
    assert!(in_sync(&third.sync().await));
    assert_eq!(third.all(), first.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_holds_up_no_other_and_says_so() {
    let server = ServerProcess::start().await;
    // Bound and not listened on: nobody else is given the port meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = socket.local_addr().unwrap();
    let hosts = [format!("http://{nobody}"), url(&server), "not an address".to_owned()];
    let mut first = Device::new(1, &hosts);
    let second = Device::new(2, &[url(&server)]);
    first.put("note");
    let outcomes = first.sync().await;
    let code = |outcome: &LinkOutcome| match &outcome.activity.phase {
        Phase::Stuck { code, .. } => code.clone(),
        phase => format!("{phase:?}"),
    };
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["network", "InSync", "address"]);
    second.sync().await;
    assert_eq!(first.all(), second.all());
    let trouble = first.database.lock().links().unwrap()[0].trouble.clone().unwrap();
    assert!(!trouble.text.contains(&nobody.port().to_string()), "{}", trouble.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_answers_does_not_keep_a_run_beyond_its_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let device = Device::new(1, &[format!("http://{}", silent.local_addr().unwrap())]);
    let database = Arc::clone(&device.database);
    let deadline = Duration::from_millis(300);
    let outcomes = Engine::sync_once(database, seed(), EngineOptions::default(), deadline).await.unwrap();
    assert_eq!(outcomes[0].activity.phase, Phase::Working);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_is_told_of_and_the_rest_waits() {
    let server = Setup::new().flag("account-bytes-max", 2_000).start().await;
    let mut device = Device::new(1, &[url(&server)]);
    (0..20).for_each(|at| drop(device.put(&format!("note {at}"))));
    let outcomes = device.sync().await;
    assert!(outcomes[0].waiting > 5 && outcomes[0].activity.pushed > 5, "{outcomes:?}");
    assert_eq!(outcomes[0].activity.quota.unwrap().0, 2_000);
    let trouble = device.database.lock().links().unwrap()[0].trouble.clone().unwrap();
    assert_eq!(trouble.code, "quota");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_removed_from_the_host_and_stays_here() {
    let server = ServerProcess::start().await;
    let mut device = Device::new(1, &[url(&server)]);
    device.put("stays");
    let engine = device.engine().await;
    engine.settled().await;
    let mut reports = engine.reports();
    let link = device.database.lock().links().unwrap()[0].id;
    engine.delete_account(link).await.unwrap();
    let deleted = async { while reports.recv().await.unwrap().1 != Report::AccountDeleted {} };
    timeout(DEADLINE, deleted).await.expect("the account goes in time");
    let other = Device::new(2, &[url(&server)]);
    assert!(in_sync(&other.sync().await));
    assert!(other.all().is_empty() && device.all().len() == 1);
    engine.stop().await;
}
