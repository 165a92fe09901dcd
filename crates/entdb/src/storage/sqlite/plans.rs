//! Every question and every lookup is answered by an index: what SQLite itself says about each statement.

use std::cell::RefCell;
use std::collections::BTreeSet;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::record::EpochId;

use super::SqliteStorage;
use super::ents::{count_question, question};
use crate::{
    Arrivals, Arrived, Database, Direction, Draft, Fill, History, LinkSettings, PageCursor, Query, Selection,
    Skew,
};

fn storage() -> (tempfile::TempDir, SqliteStorage) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let mut database = Database::open(&path).unwrap();
    let eid = Eid::new(b"12345678", 5).unwrap();
    let draft =
        Draft { parent: Some(eid.clone()), group: Some("g".into()), ..Draft::new("t", b"\x01".to_vec()) };
    database.put(&eid, 5, draft, Skew::Force).unwrap();
    drop(database);
    let storage = SqliteStorage::open(&path).unwrap();
    (folder, storage)
}

fn plan(storage: &SqliteStorage, sql: &str, values: Vec<rusqlite::types::Value>) -> String {
    let mut statement = storage.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for (at, value) in values.into_iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value).unwrap();
    }
    // Parameters without a value are NULL, which makes no difference to a plan.
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps.join("; ")
}

#[test]
fn every_selection_uses_its_index_and_sorts_nothing() {
    let (_folder, storage) = storage();
    let eid = Eid::new(b"12345678", 5).unwrap();
    let kind = || "t".to_owned();
    let cases = [
        (Selection::All, "sqlite_autoindex_ents_1"),
        (Selection::One(eid.clone()), "sqlite_autoindex_ents_1 (eid=?"),
        (Selection::of_kind("t"), "ents_created (kind=? AND"),
        (Selection::ByType { kind: kind(), created: Some(1..=9) }, "ents_created (kind=? AND"),
        (Selection::Updated { kind: kind(), range: 1..=9 }, "ents_updated (kind=? AND"),
        (Selection::Parent { kind: kind(), parent: eid.clone() }, "ents_parent (kind=? AND pid=?"),
        (Selection::Group { kind: kind(), group: "g".into() }, "ents_group (kind=? AND gid=?"),
    ];
    for (selection, index) in cases {
        for direction in [Direction::Ascending, Direction::Descending] {
            for after in [None, Some(PageCursor { time_ms: 5, eid: eid.clone() })] {
                let query = Query { selection: selection.clone(), direction, limit: 9, after };
                let question = question(&storage, &query).unwrap().unwrap();
                let plan = plan(&storage, &question.sql, question.values);
                assert!(plan.contains(index), "{query:?}: {plan}");
                assert!(!plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
                // A time and an id bound it on one side, a time on the other.
                let timed = index.contains("created") || index.contains("updated");
                assert!(!timed || plan.contains(",eid)"), "{query:?}: {plan}");
            }
        }
        let question = count_question(&storage, &selection).unwrap().unwrap();
        let plan = plan(&storage, &question.sql, question.values);
        assert!(plan.contains("INDEX"), "count of {selection:?}: {plan}");
        let whole = matches!(selection, Selection::All);
        assert!(whole || !plan.contains("SCAN"), "count of {selection:?}: {plan}");
    }
}

thread_local! {
    /// Every statement that this thread has prepared.
    static PREPARED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes a statement.
pub(super) fn prepared(sql: &str) {
    PREPARED.with_borrow_mut(|prepared| prepared.insert(sql.to_owned()));
}

/// Does everything that a database can do with a link.
fn work(database: &mut Database) {
    let settings = LinkSettings { label: "l".into(), url: "u".into(), index: 1 };
    let link = database.add_link(settings).unwrap();
    database.set_history("t", History::All).unwrap();
    let heads = [1, 2, 3].map(|now_ms| {
        let eid = Eid::new(b"12345678", 1).unwrap();
        database.put(&eid, now_ms, Draft::new("t", vec![1]), Skew::Force).unwrap()
    });
    database.delete(&heads[0].eid, 9, Skew::Force).unwrap();
    database.undo(&heads[0].eid, 9, Skew::Force).unwrap();
    database.outbox(link, 9, 9).unwrap();
    database.postpone(link, &heads).unwrap();
    database.pushed(link, &[(heads[0].clone(), BagSeq(1)), (heads[2].clone(), BagSeq(2))]).unwrap();
    let unreadable = |head| Arrived::Unreadable { head, reason: String::new() };
    let bags = vec![
        (BagSeq(3), Arrived::Head(heads[1].clone())),
        (BagSeq(4), unreadable(None)),
        (BagSeq(5), unreadable(Some(heads[1].clone()))),
    ];
    database.receive(link, Arrivals { bags, cursor: None }).unwrap();
    database.set_history("t", History::Latest).unwrap();
    database.prunable(link, 9).unwrap();
    database.held_after(link, BagSeq(1), 9).unwrap();
    database.unreadable(link, 9).unwrap();
    database.pruned(link, &[BagSeq(1)]).unwrap();
    database.lost(link, &[BagSeq(2)]).unwrap();
    database.set_stage(link, Fill::Upload).unwrap();
    while database.fill(link, 1).unwrap() {}
    database.messages(None, 1).unwrap();
    database.history(&heads[0].eid).unwrap();
    database.durable_at(&heads[0].eid).unwrap();
    database.set_aside().unwrap();
    database.status().unwrap();
    database.kinds().unwrap();
    database.reset(link, EpochId([1; 16])).unwrap();
    database.remove_link(link).unwrap();
}

#[test]
fn no_statement_of_everyday_work_reads_more_than_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    work(&mut Database::open(&path).unwrap());
    let storage = SqliteStorage::open(&path).unwrap();
    let prepared = PREPARED.take();
    assert!(prepared.len() > 40, "{}", prepared.len());
    // Small tables, whole counts for the status, and the end of a link.
    let whole = [
        "SELECT id, label, url",
        "SELECT name FROM kinds",
        "SELECT version FROM reader",
        "UPDATE reader",
        "SELECT count(*) FROM tombstones",
        "SELECT count(*) FROM log",
        "SELECT count(*) FROM ents WHERE 1",
        "DELETE FROM bags WHERE link = ?1",
        "DELETE FROM outbox WHERE link = ?1",
    ];
    for sql in prepared.iter().filter(|sql| !sql.starts_with("BEGIN") && !sql.starts_with("COMMIT")) {
        let plan = plan(&storage, sql, Vec::new());
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        let exact = sql.contains("seq = ?") || sql.contains("eid = ?");
        // The walk through all messages, which every step bounds.
        if sql.contains("WHERE 1 ") && sql.contains("LIMIT") {
            assert!(plan.contains("USING INDEX"), "{sql}: {plan}");
        } else if exact || !whole.iter().any(|start| sql.starts_with(start)) {
            assert!(!plan.contains("SCAN"), "{sql}: {plan}");
            let all_of_a_link = plan.contains("bags USING PRIMARY KEY (link=?)");
            assert!(!all_of_a_link, "{sql}: {plan}");
        }
    }
}
