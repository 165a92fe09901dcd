//! `seabag bench ents`: the local database. Applying messages is compared with bare inserts of rows of the same
//! size into SQLite, without merging and without indexes; a query with fetching one entity by its id.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use seabag_entdb::{Database, Draft, Message, Query, Selection};
use seabag_protocol::host::eid::Eid;

use super::Options;
use super::report::{Latencies, Report, Row};

/// Messages applied in one transaction.
const BATCH: usize = 1_000;
/// When the first entity of a measurement was created.
const FIRST_MS: u64 = 1_767_225_600_000;
/// Each query is asked so often.
const ASKED: u64 = 2_000;
/// Entities on a page that a query asks for.
const PAGE: usize = 100;

/// The local database of entities.
#[derive(Debug, Args)]
pub(crate) struct Ents {
    /// How many entities.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
    entities: Vec<u64>,
}

/// Measures every size.
pub(crate) fn run(options: &Options, command: Ents, report: &mut Report) -> anyhow::Result<()> {
    let parent = options.data.clone().unwrap_or_else(|| PathBuf::from("."));
    for entities in command.entities {
        let place = tempfile::tempdir_in(&parent)?;
        apply(options, place.path(), entities, report)?;
        report.add(bare_inserts(options, place.path(), entities)?)?;
        queries(place.path(), entities, report)?;
    }
    Ok(())
}

/// The entity of a number: one of ten types, with a parent for each hundred and a group for each thousand.
fn draft(options: &Options, number: u64) -> anyhow::Result<Draft> {
    // A msgpack string of two length bytes.
    let length = u16::try_from(options.bytes.saturating_sub(3)).context("bodies of at most 64 KiB here")?;
    let mut body = vec![0xda];
    body.extend_from_slice(&length.to_be_bytes());
    body.resize(body.len() + usize::from(length), b'x');
    let mut draft = Draft::new(kind(number), body);
    draft.parent = Some(eid(number - number % 100)?);
    draft.group = Some(group(number));
    Ok(draft)
}

fn kind(number: u64) -> String {
    format!("type {}", number % 10)
}

fn group(number: u64) -> String {
    format!("group {}", number / 1_000)
}

fn created_ms(number: u64) -> u64 {
    FIRST_MS + number * 10
}

fn eid(number: u64) -> anyhow::Result<Eid> {
    Ok(Eid::new(&scattered(number), created_ms(number))?)
}

/// Bytes as random as an id's, and the same every time.
fn scattered(number: u64) -> [u8; 8] {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// The messages of so many new entities, at most 1,000.
pub(crate) fn messages(options: &Options, first: u64, count: u64) -> anyhow::Result<Vec<Message>> {
    let mut writer = Database::in_memory();
    for number in first..first + count {
        writer.put_new(scattered(number), created_ms(number), draft(options, number)?)?;
    }
    Ok(writer.messages(None, BATCH)?.messages)
}

fn apply(options: &Options, place: &Path, entities: u64, report: &mut Report) -> anyhow::Result<()> {
    let path = place.join("ents.db");
    let mut database = Database::open(&path)?;
    let mut seconds = std::time::Duration::ZERO;
    for first in (0..entities).step_by(BATCH) {
        let batch = messages(options, first, (entities - first).min(BATCH as u64))?;
        let begun = Instant::now();
        database.merge(&batch)?;
        seconds += begun.elapsed();
    }
    drop(database);
    let bytes = std::fs::metadata(&path)?.len();
    report.add(
        Row::new("apply", "seabag")
            .with("entities", entities)
            .rate("entities_per_second", entities, seconds)
            .with("bytes_per_entity", bytes / entities.max(1)),
    )?;
    // One write at a time, as a person makes them: each is on disk when it returns.
    let mut database = Database::open(&path)?;
    let mut latencies = Latencies::new();
    for number in 0..ASKED {
        let begun = Instant::now();
        database.put_new(scattered(entities + number), created_ms(number), draft(options, number)?)?;
        latencies.record(begun.elapsed());
    }
    report.add(Row::new("put", "seabag").with("entities", entities).latencies(&latencies))
}

fn bare_inserts(options: &Options, place: &Path, entities: u64) -> anyhow::Result<Row> {
    let mut bare = rusqlite::Connection::open(place.join("bare.db"))?;
    bare.pragma_update(None, "journal_mode", "WAL")?;
    bare.execute_batch("CREATE TABLE bare (id BLOB PRIMARY KEY, body BLOB) WITHOUT ROWID")?;
    let body = vec![b'x'; options.bytes];
    let begun = Instant::now();
    for first in (0..entities).step_by(BATCH) {
        let transaction = bare.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO bare VALUES (?1, ?2)")?;
            for number in first..(first + BATCH as u64).min(entities) {
                insert.execute((eid(number)?.as_bytes(), &body))?;
            }
        }
        transaction.commit()?;
    }
    Ok(Row::new("apply", "bare inserts").with("entities", entities).rate(
        "entities_per_second",
        entities,
        begun.elapsed(),
    ))
}

/// The selection that a number asks for.
type Choose = fn(u64) -> anyhow::Result<Selection>;

fn queries(place: &Path, entities: u64, report: &mut Report) -> anyhow::Result<()> {
    let database = Database::open(place.join("ents.db"))?;
    let asked: [(&str, Choose); 6] = [
        ("by id", |number| Ok(Selection::One(eid(number)?))),
        ("by type", |number| Ok(Selection::of_kind(kind(number)))),
        ("created between", |number| {
            let created = created_ms(number)..=created_ms(number + 1_000);
            Ok(Selection::ByType { kind: kind(number), created: Some(created) })
        }),
        ("updated between", |number| {
            let range = created_ms(number)..=created_ms(number + 1_000);
            Ok(Selection::Updated { kind: kind(number), range })
        }),
        ("by parent", |number| {
            Ok(Selection::Parent { kind: kind(number), parent: eid(number - number % 100)? })
        }),
        ("by group", |number| Ok(Selection::Group { kind: kind(number), group: group(number) })),
    ];
    for (name, selection) in asked {
        let (mut latencies, mut found) = (Latencies::new(), 0);
        for turn in 0..ASKED {
            let number =
                scattered(turn).iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)) % entities;
            let query = Query { limit: PAGE, ..Query::new(selection(number)?) };
            let begun = Instant::now();
            let page = database.page(&query)?;
            latencies.record(begun.elapsed());
            ensure!(!page.ents.is_empty(), "the query {name} found nothing");
            found += page.ents.len() as u64;
        }
        report.add(
            Row::new("query", name)
                .with("entities", entities)
                .with("found", found / ASKED)
                .latencies(&latencies),
        )?;
    }
    let mut latencies = Latencies::new();
    for turn in 0..ASKED / 100 {
        let begun = Instant::now();
        database.count(&Selection::of_kind(kind(turn)))?;
        latencies.record(begun.elapsed());
    }
    report.add(Row::new("query", "count of a type").with("entities", entities).latencies(&latencies))
}
