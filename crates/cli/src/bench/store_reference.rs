//! The store alone, in this process: how fast its group commit makes the same rows durable. The only file of
//! this program that knows the store's trait.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use seabag_protocol::room::name::{KeyNumber, RoomHash, RoomSeq};
use seabag_protocol::room::record::{Changes, RoomRecord};
use seabag_protocol::room::value::Value;
use seabag_store::{Commit, Durability, LocalStore, Options, RoomNumber, Store};

use super::report::Latencies;
use crate::exit::usage;
use crate::settings::{DurabilityChoice, parse_durability};

/// Appends rows to a new store until the time is up.
pub(crate) async fn measure(
    parent: &Path,
    durability: &str,
    rooms: usize,
    outstanding: usize,
    filler: String,
    duration: Duration,
) -> anyhow::Result<(Latencies, Duration)> {
    let durability = match parse_durability(durability).map_err(usage)? {
        DurabilityChoice::Sync => Durability::Sync,
        DurabilityChoice::Interval(interval) => Durability::Interval(interval),
        DurabilityChoice::None => Durability::None,
    };
    let directory = tempfile::tempdir_in(parent)?;
    let options = Options { durability, ..Options::default() };
    let store = Arc::new(LocalStore::open(&directory.path().join("data"), &options)?);
    let value =
        Value::from_json(&format!("\"{filler}\"")).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
    let mut numbers = Vec::new();
    for room in 0..rooms {
        numbers.push(create(&store, room).await?);
    }
    let begun = Instant::now();
    let end = begun + duration;
    let mut writers = tokio::task::JoinSet::new();
    for number in numbers {
        writers.spawn(write(Arc::clone(&store), number, value.clone(), outstanding, end));
    }
    let mut latencies = Latencies::new();
    while let Some(written) = writers.join_next().await {
        latencies.add(&written??);
    }
    let elapsed = begun.elapsed();
    store.close().await?;
    Ok((latencies, elapsed))
}

async fn create(store: &LocalStore, room: usize) -> anyhow::Result<RoomNumber> {
    let mut hash = [0; 16];
    for (place, byte) in hash.iter_mut().zip(room.to_be_bytes()) {
        *place = byte;
    }
    store.create(RoomHash(hash), RoomRecord::default()).await?.context("the room was there already")
}

async fn write(
    store: Arc<LocalStore>,
    room: RoomNumber,
    value: Value,
    outstanding: usize,
    end: Instant,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut waiting = VecDeque::new();
    let mut seq = RoomSeq::ZERO;
    loop {
        while waiting.len() < outstanding && Instant::now() < end {
            seq = seq.next();
            let mut changes = Changes { room: Some(RoomRecord::default()), ..Changes::default() };
            changes.rows.insert((KeyNumber(1), seq), value.clone());
            let sent = Instant::now();
            let receipt = store.submit(Commit { room, changes, snapshot: false }).await?;
            waiting.push_back((sent, receipt));
        }
        let Some((sent, receipt)) = waiting.pop_front() else { return Ok(latencies) };
        receipt.await?;
        latencies.record(sent.elapsed());
    }
}
