//! Our own vectors of merging, `vectors/host/merge.json`, for every implementation: ties above all. They are made
//! here, always the same ones; `SEABAG_WRITE_VECTORS=1` writes them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{envelope, message, vectors};
use data_encoding::HEXLOWER;
use seabag_entdb::{Message, body};
use seabag_protocol::host::eid::{Eid, TIME_MS_MAX};
use serde_json::{Value, json};

const CREATED_MS: u64 = 1_767_225_600_000;

fn update(eid: &Eid, offset_ms: u64, counter: u64, content: &str) -> Message {
    message(eid, offset_ms, counter, Some(envelope("t", json!(content))))
}

fn delete(eid: &Eid, offset_ms: u64, counter: u64) -> Message {
    message(eid, offset_ms, counter, None)
}

/// Two updates of equal time and counter, for which the order of head hashes is (or is not) that of body hashes.
fn tie(eid: &Eid, agree: bool) -> [Message; 2] {
    let found = (0..)
        .map(|number| [update(eid, 10, 1, "x"), update(eid, 10, 1, &format!("y{number}"))])
        .find(|[a, b]| {
            let by_head = a.head.hash().unwrap() < b.head.hash().unwrap();
            let by_body = a.head.body_hash < b.head.body_hash;
            (by_head == by_body) == agree
        });
    found.unwrap()
}

/// An update and a delete of equal time and counter, the delete with the greater (or lesser) head hash.
fn tie_with_delete(eid: &Eid, delete_wins: bool) -> [Message; 2] {
    let end = delete(eid, 10, 1);
    let found = (0..).map(|number| update(eid, 10, 1, &format!("z{number}")));
    let wins = |update: &Message| (end.head.hash().unwrap() > update.head.hash().unwrap()) == delete_wins;
    let update = found.into_iter().find(wins).unwrap();
    [update, end]
}

/// As [`tie`], but ordered otherwise when hashes are read as text of the other case or as little-endian numbers.
fn tie_of_bytes(eid: &Eid) -> [Message; 2] {
    let reversed = |message: &Message| {
        let mut hash = message.head.hash().unwrap().0;
        hash.reverse();
        hash
    };
    let pairs = (0..).map(|number| [update(eid, 10, 1, "x"), update(eid, 10, 1, &format!("r{number}"))]);
    pairs
        .into_iter()
        .find(|[a, b]| (a.head.hash().unwrap() < b.head.hash().unwrap()) != (reversed(a) < reversed(b)))
        .unwrap()
}

fn cases() -> Vec<Value> {
    let eid = Eid::new(b"SEABAG01", CREATED_MS).unwrap();
    let other_form =
        body::from_json(&json!({ "$map": [["type", "t"], ["body", "other form"], ["more", 1]] })).unwrap();
    let singleton = Eid::singleton("settings");
    let last = Eid::new(b"SEABAG02", TIME_MS_MAX).unwrap();
    let list: Vec<(&str, Vec<Message>)> = vec![
        ("equal time and counter: head hash and body hash agree", tie(&eid, true).to_vec()),
        ("equal time and counter: head hash and body hash disagree", tie(&eid, false).to_vec()),
        ("equal time and counter: hashes are compared from their first byte", tie_of_bytes(&eid).to_vec()),
        ("equal time and counter: a delete with the greater hash wins", tie_with_delete(&eid, true).to_vec()),
        (
            "equal time and counter: an update with the greater hash wins",
            tie_with_delete(&eid, false).to_vec(),
        ),
        ("two deletes of equal time: the counter decides", vec![delete(&eid, 10, 1), delete(&eid, 10, 2)]),
        ("the same delete twice", vec![delete(&eid, 10, 1), delete(&eid, 10, 1)]),
        ("equal time: the counter decides", vec![update(&eid, 10, 2, "two"), update(&eid, 10, 1, "one")]),
        (
            "equal time: a delete with the greater counter wins",
            vec![update(&eid, 10, 1, "a"), delete(&eid, 10, 2)],
        ),
        (
            "equal time: an update with the greater counter wins",
            vec![delete(&eid, 10, 1), update(&eid, 10, 2, "b")],
        ),
        (
            "a later update beats a delete of a higher counter",
            vec![delete(&eid, 10, 9), update(&eid, 11, 1, "late")],
        ),
        (
            "a later delete beats an update of a higher counter",
            vec![update(&eid, 10, 9, "a"), delete(&eid, 11, 1)],
        ),
        (
            "an update from before a delete does not come back",
            vec![update(&eid, 0, 0, "a"), delete(&eid, 20, 2), update(&eid, 10, 1, "late to arrive")],
        ),
        (
            "four of one time, one counter: the greatest hash",
            vec![
                update(&eid, 5, 3, "p"),
                update(&eid, 5, 3, "q"),
                delete(&eid, 5, 3),
                update(&eid, 5, 3, "r"),
            ],
        ),
        (
            "an envelope of another form keeps its hash",
            vec![message(&eid, 10, 1, Some(other_form)), update(&eid, 10, 1, "usual form")],
        ),
        (
            "counters are compared as numbers of 53 bits",
            vec![update(&eid, 10, (1 << 53) - 1, "greater"), update(&eid, 10, (1 << 53) - 2, "less")],
        ),
        (
            "an entity of its own kind",
            vec![update(&singleton, CREATED_MS, 0, "a"), update(&singleton, CREATED_MS + 1, 1, "b")],
        ),
        ("the last moment that there is", vec![update(&last, 0, 0, "a"), update(&last, 0, 1, "b")]),
    ];
    list.iter().map(|(name, messages)| case(name, messages)).collect()
}

fn case(name: &str, messages: &[Message]) -> Value {
    let rank = |message: &Message| message.head.rank().unwrap();
    let winner =
        (0..messages.len()).max_by_key(|index| (rank(&messages[*index]), std::cmp::Reverse(*index))).unwrap();
    json!({
        "name": name,
        "eid": HEXLOWER.encode(messages[0].head.eid.as_bytes()),
        "messages": messages.iter().map(|message| json!({
            "kind": if message.head.is_delete() { "delete" } else { "upsert" },
            "off": message.head.offset_ms,
            "ctr": message.head.counter,
            "value": content(message),
            "body": message.body.as_deref().map(|body| HEXLOWER.encode(body)),
            "body_hash": message.head.body_hash.map(|hash| HEXLOWER.encode(&hash)),
            "head": HEXLOWER.encode(&message.head.encode().unwrap()),
            "head_hash": HEXLOWER.encode(&message.head.hash().unwrap().0),
        })).collect::<Vec<_>>(),
        "total_order_winner": winner,
        "total_order_final": content(&messages[winner]),
    })
}

fn content(message: &Message) -> Value {
    let value = |body: &Bytes| {
        let envelope = body::to_json(body).unwrap();
        envelope["body"].clone()
    };
    message.body.as_ref().map_or(Value::Null, value)
}

#[test]
fn the_vectors_of_merging_are_those_that_are_made_here() {
    let made = json!({
        "about": "Messages of one entity, and the index of the one that is its state once all have arrived, in any \
                  order: the greatest by (time, counter, BLAKE3 of the encoded head, byte by byte). A delete is a \
                  message like any other. total_order_final is the content that is shown, null for none.",
        "cases": cases(),
    });
    if std::env::var_os("SEABAG_WRITE_VECTORS").is_some() {
        let path = format!("{}/../../vectors/host/merge.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
    }
    assert_eq!(vectors("merge"), made);
}
