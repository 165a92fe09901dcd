//! How long messages take to be merged and questions to be answered, on SQLite: `cargo run --release -p
//! seabag-entdb --example apply_speed -- 100000`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program that measures time, for developers"
)]

use std::time::Instant;

use bytes::Bytes;
use seabag_entdb::{
    Arrivals, Arrived, Database, Direction, Draft, LinkSettings, Message, Query, Selection, Skew, body,
};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;
use serde_json::json;

const START_MS: u64 = 1_767_225_600_000;

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let mut database = Database::open(&path).unwrap();
    let settings = LinkSettings { label: "main".into(), url: "https://host.example".into(), index: 0 };
    let link = database.add_link(settings).unwrap();
    let id = |number: u64| {
        Eid::new(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), START_MS + number).unwrap()
    };
    let message = |number: u64, offset_ms: u64| {
        let parent = data_encoding::BASE64.encode(id(number / 100).as_bytes());
        let envelope = json!({ "$map": [
            ["body", "x".repeat(100)], ["type", "todo"], ["gid", format!("g{}", number % 1_000)],
            ["pid", { "$bytes": parent }],
        ] });
        let body: Bytes = body::from_json(&envelope).unwrap();
        Message { head: MessageHead::new(id(number), offset_ms, offset_ms, Some(&body)), body: Some(body) }
    };
    for (what, offset_ms) in [("insert", 0), ("update", 1), ("repeat", 1)] {
        let mut merging = std::time::Duration::ZERO;
        for first in (0..count).step_by(1_000) {
            let bags = (first..count.min(first + 1_000)).map(|number| {
                (BagSeq(offset_ms * count + number + 1), Arrived::Whole(message(number, offset_ms)))
            });
            let arrivals = Arrivals { bags: bags.collect(), cursor: None };
            let begun = Instant::now();
            database.receive(link, arrivals).unwrap();
            merging += begun.elapsed();
        }
        println!("{what}: {:.0} messages a second", count as f64 / merging.as_secs_f64());
    }
    let begun = Instant::now();
    for number in 0..500 {
        let draft = Draft::new("todo", body::from_json(&json!(number)).unwrap());
        database.put(&id(number), START_MS + count, draft, Skew::Force).unwrap();
    }
    println!("local writes, each synced: {:.0} a second", 500.0 / begun.elapsed().as_secs_f64());
    let kind = || "todo".to_owned();
    let middle = START_MS + count / 2;
    for (what, selection) in [
        ("by id", Selection::One(id(count / 2))),
        ("by type", Selection::of_kind("todo")),
        ("created in a time", Selection::ByType { kind: kind(), created: Some(middle..=middle + 500) }),
        ("updated in a time", Selection::Updated { kind: kind(), range: middle..=middle + 500 }),
        ("of a parent", Selection::Parent { kind: kind(), parent: id(count / 200) }),
        ("in a group", Selection::Group { kind: kind(), group: "g7".into() }),
    ] {
        let query = Query { limit: 100, direction: Direction::Descending, ..Query::new(selection.clone()) };
        let begun = Instant::now();
        let mut found = 0;
        for _ in 0..100 {
            found = database.page(&query).unwrap().ents.len();
        }
        let page = begun.elapsed() / 100;
        let begun = Instant::now();
        let counted = database.count(&selection).unwrap();
        println!("{what}: {found} entities in {page:?}; count {counted} in {:?}", begun.elapsed());
    }
    println!("{} bytes on disk", std::fs::metadata(path).unwrap().len());
}
