//! Faults that were found by running worlds, each as the rule that it broke.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use bytes::Bytes;
use seabag_entdb::{Database, Draft, History, LinkSettings, Message, Skew};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::message::MessageHead;

const NOW_MS: u64 = 1_767_225_600_000;

fn draft(kind: &str) -> Draft {
    Draft::new(kind, b"\xa4text".to_vec())
}

#[test]
fn a_past_that_no_type_keeps_any_more_is_dropped_though_the_entity_changed_its_type() {
    let mut database = Database::in_memory();
    database.set_history("log", History::All).unwrap();
    let eid = database.put_new(*b"8 random", NOW_MS, draft("task")).unwrap().eid;
    database.put(&eid, NOW_MS + 1, draft("log"), Skew::Force).unwrap();
    database.put(&eid, NOW_MS + 2, draft("note"), Skew::Force).unwrap();
    database.set_history("task", History::All).unwrap();
    database.set_history("task", History::Latest).unwrap();
    assert_eq!(database.history(&eid).unwrap().len(), 3, "another type's setting changes nothing");
    database.set_history("log", History::Latest).unwrap();
    assert_eq!(database.history(&eid).unwrap().len(), 1);
}

#[test]
fn a_past_that_cannot_be_read_is_dropped_with_the_rest() {
    let mut database = Database::in_memory();
    database.set_history("log", History::All).unwrap();
    let eid = database.put_new(*b"8 random", NOW_MS, draft("log")).unwrap().eid;
    let body = Bytes::from_static(b"not an envelope");
    let head = MessageHead::new(eid.clone(), 1, 1, Some(&body));
    database.merge(&[Message { head, body: Some(body) }]).unwrap();
    database.put(&eid, NOW_MS + 2, draft("log"), Skew::Force).unwrap();
    assert_eq!(database.set_aside().unwrap().len(), 1);
    database.set_history("log", History::Latest).unwrap();
    assert_eq!(database.set_aside().unwrap().len(), 0);
}

#[test]
fn nothing_is_pruned_on_the_word_of_a_history_that_is_doubted() {
    let mut database = Database::in_memory();
    let settings = LinkSettings { label: "host".into(), url: "http://host.test".into(), index: 0 };
    let link = database.add_link(settings).unwrap();
    let first = database.put_new(*b"8 random", NOW_MS, draft("note")).unwrap();
    database.pushed(link, &[(first.clone(), BagSeq(5))]).unwrap();
    let second = database.put(&first.eid, NOW_MS + 1, draft("note"), Skew::Force).unwrap();
    database.pushed(link, &[(second, BagSeq(6))]).unwrap();
    assert_eq!(database.prunable(link, 10).unwrap().len(), 1);
    // The host went back to a backup of four bags, and somebody else's new bag has number 5 now.
    assert_eq!(database.doubt(link, BagSeq(4), 10).unwrap(), [BagSeq(6)]);
    assert_eq!(database.prunable(link, 10).unwrap(), []);
}
