//! Every question and every lookup is answered by an index: what SQLite itself says about each statement.

use rusqlite::params_from_iter;
use seabag_protocol::host::eid::Eid;

use super::SqliteStorage;
use super::ents::{count_question, question};
use crate::{Database, Direction, Draft, PageCursor, Query, Selection, Skew};

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
    let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
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
        assert!(whole || plan.contains(index.split(' ').next().unwrap()), "count of {selection:?}: {plan}");
        assert!(whole || !plan.contains("SCAN"), "count of {selection:?}: {plan}");
    }
}

#[test]
fn no_statement_of_everyday_work_scans_a_table() {
    let (_folder, storage) = storage();
    for sql in [
        "SELECT eid FROM tombstones WHERE eid = 1",
        "SELECT eid FROM tombstones WHERE eid > 1 ORDER BY eid LIMIT 5",
        "SELECT id FROM kinds WHERE name = 'a'",
        "SELECT eid FROM log WHERE eid = 1 ORDER BY late, counter, hash",
        "SELECT eid FROM log WHERE (eid, late, counter, hash) > (1, 1, 1, 1) ORDER BY eid, late, counter, hash LIMIT 5",
        "SELECT seq FROM bags WHERE link = 1 AND seq = 2",
        "SELECT seq, state FROM bags WHERE link = 1 AND eid = 2 ORDER BY seq",
        "SELECT seq FROM bags INDEXED BY bags_removable
           WHERE link = 1 AND state IN (1, 2) AND seq > 3 ORDER BY seq LIMIT 5",
        "SELECT seq FROM bags INDEXED BY bags_unreadable WHERE link = 1 AND state = 3 ORDER BY seq LIMIT 5",
        "SELECT count(*) FROM bags WHERE link = 1 AND state = 3",
        "SELECT position FROM outbox INDEXED BY outbox_order WHERE link = 1 AND position > 2 ORDER BY position LIMIT 5",
        "SELECT count(*) FROM outbox WHERE link = 1",
        "DELETE FROM outbox WHERE link = 1 AND eid = 2 AND hash = 3",
        "DELETE FROM ents WHERE eid = 1",
    ] {
        let plan = plan(&storage, sql, Vec::new());
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
