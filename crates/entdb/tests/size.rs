//! Bytes on disk: an entity costs no more than the arithmetic of the seed document allows, before indexes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use std::path::Path;

use bytes::Bytes;
use common::START_MS;
use rusqlite::Connection;
use seabag_entdb::{Database, Message, Selection};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

const ENTS: u64 = 2_000;

/// What an entity looks like: lengths of its content (N), type (T) and group (G), and whether it has all else.
struct Shape {
    content: usize,
    kind: usize,
    group: Option<usize>,
}

/// Bytes of pages of a table and of all its indexes, by SQLite's own count.
fn pages(path: &Path) -> (u64, u64) {
    let connection = Connection::open(path).unwrap();
    let sum = |condition: &str| {
        let sql = format!("SELECT sum(pgsize) FROM dbstat WHERE {condition}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
    };
    (sum("name = 'ents'"), sum("name LIKE 'ents_%' OR name LIKE 'sqlite_autoindex_ents%'"))
}

/// A byte stream that looks random and is always the same.
fn random(seed: u64) -> [u8; 8] {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state ^ (state >> 31)).to_be_bytes()
}

/// Bytes of one entity in its table, and in its indexes.
fn measure(shape: &Shape) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ents.db");
    let mut database = Database::open(&path).unwrap();
    let parent = Eid::new(&random(u64::MAX), START_MS).unwrap();
    let full = shape.group.is_some();
    let messages: Vec<Message> = (0..ENTS)
        .map(|number| {
            let eid = Eid::new(&random(number), START_MS + number * 1_000).unwrap();
            let content = match u8::try_from(shape.content - 2) {
                Ok(length) => [&[0xc4, length][..], &vec![7; shape.content - 2]].concat(),
                Err(_) => {
                    [&[0xc5], &(shape.content as u16 - 3).to_be_bytes()[..], &vec![7; shape.content - 3]]
                        .concat()
                }
            };
            let mut body = vec![0x84];
            let text = |text: &str| [&[0xa0 | text.len() as u8], text.as_bytes()].concat();
            body.extend(
                [text("body"), content, text("type"), text(&"t".repeat(shape.kind)), text("gid")].concat(),
            );
            body.extend(shape.group.map_or(vec![0xc0], |length| text(&"g".repeat(length))));
            body.extend(text("pid"));
            body.extend(if full { [&[0xc4, 15][..], parent.as_bytes()].concat() } else { vec![0xc0] });
            // A year after its creation, the thousandth message.
            let (offset_ms, counter) = if full { (31_536_000_000 + number, 1_000) } else { (0, 0) };
            let head = MessageHead::new(eid, offset_ms, counter, Some(&body));
            Message { head, body: Some(Bytes::from(body)) }
        })
        .collect();
    messages.chunks(1_000).for_each(|chunk| drop(database.merge(chunk).unwrap()));
    assert_eq!(database.count(&Selection::of_kind("t".repeat(shape.kind))).unwrap(), ENTS);
    drop(database);
    let (table, indexes) = pages(&path);
    (table as f64 / ENTS as f64, indexes as f64 / ENTS as f64)
}

#[test]
fn an_entity_costs_no_more_than_the_seed_document_allows() {
    for content in [4, 20, 250] {
        let kind = 4;
        let (table, indexes) = measure(&Shape { content, kind, group: None });
        let allowed = (50 + content + kind) as f64;
        println!("smallest, N={content} T={kind}: {table:.1} of {allowed} bytes, indexes {indexes:.1}");
        assert!(table <= allowed, "{table} of {allowed}");

        let group = 10;
        let (table, indexes) = measure(&Shape { content, kind, group: Some(group) });
        let allowed = (86 + content + kind + group) as f64;
        println!(
            "fullest, N={content} T={kind} G={group}: {table:.1} of {allowed} bytes, indexes {indexes:.1}"
        );
        assert!(table <= allowed, "{table} of {allowed}");
    }
}

#[test]
fn what_a_large_entity_costs_beyond_that_is_the_unused_end_of_its_page() {
    const PAGE: f64 = 4096.0;
    for content in [500, 1_000, 2_000] {
        let (table, _) = measure(&Shape { content, kind: 4, group: None });
        let allowed = (50 + content + 4) as f64;
        let of_a_page = PAGE / (PAGE / allowed).floor();
        println!("N={content}: {table:.1} of {allowed} bytes, {of_a_page:.1} with the rest of a page");
        assert!(table <= of_a_page * 1.01, "{table} of {of_a_page}");
    }
}
