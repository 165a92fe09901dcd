//! The file: whose it is, who may read it, what other processes do to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use common::{START_MS, draft, eid, host, update};
use rusqlite::Connection;
use seabag_entdb::{Arrivals, Arrived, Database, Error, Fill, Outcome, Query, Selection, Skew};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::record::EpochId;
use serde_json::json;

#[cfg(unix)]
#[test]
fn the_file_and_its_journals_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::open(folder.path().join("ents.db")).unwrap();
    database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert_eq!(seen, 3, "the file, its log and the log's index");
}

#[test]
fn a_file_of_a_later_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    drop(Database::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = Database::open(&path).unwrap_err();
    assert!(matches!(refused, Error::TooNew { found: 99, .. }));
    assert!(refused.to_string().contains("newer program"), "{refused}");
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(
        &path,
        "this is a text, and longer than the head of a database file would be, by far".repeat(9),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Database::open(&path).unwrap_err(), Error::NotOurs));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Database::open(&path).unwrap_err(), Error::NotOurs));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(matches!(Database::open(folder.path().join("no/such/folder")).unwrap_err(), Error::File(_)));
}

#[test]
fn a_file_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory", "caf\u{e9} & 100%.db"] {
        let path = folder.path().join(name);
        let head = Database::open(&path).unwrap().put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
        assert!(Database::open(&path).unwrap().get(&head.eid).unwrap().is_some(), "{name}");
        assert!(path.is_file(), "{name}");
    }
}

#[test]
fn two_databases_on_one_file_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let (mut one, mut two) = (Database::open(&path).unwrap(), Database::open(&path).unwrap());
    assert!(!two.changed_elsewhere().unwrap());
    let head = one.put_new([1; 8], START_MS, draft("a", json!(1))).unwrap();
    assert!(two.changed_elsewhere().unwrap());
    assert!(!two.changed_elsewhere().unwrap());
    assert_eq!(two.get(&head.eid).unwrap(), one.get(&head.eid).unwrap());
    // Each counts on from what the other wrote.
    let next = two.put(&head.eid, START_MS, draft("b", json!(2)), Skew::Force).unwrap();
    assert_eq!(next.counter, 1);
    assert!(!two.changed_elsewhere().unwrap());
    let link = one.add_link(host(1)).unwrap();
    assert_eq!(two.link(link).unwrap().settings, host(1));
    two.put_new([3; 8], START_MS, draft("c", json!(3))).unwrap();
    assert_eq!(one.waiting(link).unwrap(), 1);
    assert_eq!(one.page(&Query::new(Selection::of_kind("c"))).unwrap().ents.len(), 1);
}

#[test]
fn many_writers_on_one_file_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let shared = eid(200, START_MS);
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let (path, shared) = (&path, &shared);
            scope.spawn(move || {
                let mut database = Database::open(path).unwrap();
                for number in 0..20_u64 {
                    let id = [writer, number as u8, 0, 0, 0, 0, 0, 0];
                    database.put_new(id, START_MS, draft(&format!("kind{writer}"), json!(number))).unwrap();
                    database.put(shared, START_MS, draft("shared", json!(number)), Skew::Force).unwrap();
                }
            });
        }
    });
    let database = Database::open(&path).unwrap();
    assert_eq!(database.status().unwrap().ents, 81);
    assert_eq!(database.get(&shared).unwrap().unwrap().counter, 79);
}

#[test]
fn a_call_that_fails_half_way_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let mut database = Database::open(&path).unwrap();
    let refusing = Connection::open(&path).unwrap();
    refusing
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON ents WHEN NEW.counter = 7
             BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        .unwrap();
    let good = update(&eid(1, 5), 0, 0, "new type", json!(1));
    let bad = update(&eid(2, 5), 0, 7, "t", json!(2));
    assert!(matches!(database.merge(&[good.clone(), bad.clone()]).unwrap_err(), Error::Sqlite(_)));
    assert_eq!((database.status().unwrap().ents, database.kinds().unwrap().len()), (0, 0));
    refusing.execute_batch("DROP TRIGGER full").unwrap();
    // The number that its type was given went with it.
    let other = update(&eid(3, 5), 0, 0, "another type", json!(3));
    assert_eq!(database.merge(&[other, good, bad]).unwrap(), [Outcome::Applied; 3]);
    assert_eq!(database.get(&eid(1, 5)).unwrap().unwrap().kind, "new type");
    assert_eq!(database.get(&eid(3, 5)).unwrap().unwrap().kind, "another type");
}

#[test]
fn a_process_that_missed_a_reset_writes_nothing_of_the_history_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let (mut one, mut two) = (Database::open(&path).unwrap(), Database::open(&path).unwrap());
    let link = one.add_link(host(1)).unwrap();
    let cursor = |epoch, seq| Some(Cursor { epoch: EpochId([epoch; 16]), seq: BagSeq(seq) });
    let moved = |cursor| Arrivals { bags: Vec::new(), cursor };
    two.receive(link, moved(cursor(1, 5))).unwrap();
    one.follow(link).unwrap();
    two.follow(link).unwrap();
    let head = two.put_new([1; 8], START_MS, draft("a", json!(1))).unwrap();
    two.reset(link, EpochId([2; 16])).unwrap();
    // What the first one had under way when that happened.
    let bags = vec![(BagSeq(7), Arrived::Head(head.clone()))];
    let refused = [
        one.receive(link, Arrivals { bags, cursor: cursor(1, 9) }).map(drop),
        one.pushed(link, &[(head.clone(), BagSeq(7))]).map(drop),
        one.lost(link, &[BagSeq(7)]),
        one.pruned(link, &[BagSeq(7)]),
        one.set_stage(link, Fill::Done),
        one.fill(link, 9).map(drop),
        one.reset(link, EpochId([3; 16])),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(Error::OtherHistory(of)) if of == link), "{at}: {refused:?}");
    }
    let now = two.link(link).unwrap();
    assert_eq!((now.cursor, now.stage), (cursor(2, 0), Fill::Replay));
    assert_eq!((two.waiting(link).unwrap(), two.durable_at(&head.eid).unwrap()[0].stored), (1, None));
    // It looks again, and goes on with the history that there is.
    assert_eq!(one.follow(link).unwrap().cursor, cursor(2, 0));
    one.receive(link, moved(cursor(2, 3))).unwrap();
    two.receive(link, moved(cursor(2, 4))).unwrap();
    assert_eq!(one.link(link).unwrap().cursor, cursor(2, 4));
}

#[test]
fn many_processes_may_make_the_file_at_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = folder.path().join(format!("ents{round}.db"));
        let begin = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    begin.wait();
                    Database::open(&path).unwrap();
                });
            }
        });
    }
}
