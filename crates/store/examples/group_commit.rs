//! Measures the store's own group commit, without a server: producers with one outstanding commit each, every
//! commit one append of 300 bytes. `cargo run --release -p seabag-store --example group_commit -- [directory]
//! [seconds] [memtable MiB]`. The reference line of the server's benchmark.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use seabag_protocol::room::name::{KeyNumber, RoomHash, RoomSeq};
use seabag_protocol::room::record::{Changes, KeyChange, KeyRecord, RoomRecord};
use seabag_protocol::room::value::Value;
use seabag_store::{Commit, LocalStore, Options, Receipt, RoomNumber, Store, StoreError};

const VALUE_BYTES: usize = 300;

/// A room as its machine would hold it. Locked while a commit gets its number and its place.
struct Room {
    number: RoomNumber,
    record: RoomRecord,
}

impl Room {
    fn append(&mut self, value: &Value) -> Commit {
        let record = &mut self.record;
        (record.stored, record.entries) = (record.stored.next(), record.entries + 1);
        record.bytes += value.len() as u64;
        record.reserved = RoomSeq(record.stored.0.next_multiple_of(10_000));
        record.next_key = 1;
        let (key, number) = ("stream".into(), KeyNumber(0));
        let floor = RoomSeq::ZERO;
        let (first, last) = (RoomSeq(1), record.stored);
        let row =
            KeyRecord { number, count: record.entries, bytes: record.bytes, floor, base: None, first, last };
        let changes = Changes {
            room: Some(record.clone()),
            keys: BTreeMap::from([(number, KeyChange { key, record: Some(row) })]),
            rows: BTreeMap::from([((number, last), value.clone())]),
            ..Changes::default()
        };
        Commit { room: self.number, changes, snapshot: false }
    }
}

async fn make_rooms(
    store: &LocalStore,
    count: u64,
    run: u64,
) -> Result<Vec<tokio::sync::Mutex<Room>>, StoreError> {
    let mut rooms = Vec::new();
    for number in 0..count {
        let mut hash = [0; 16];
        hash.iter_mut()
            .zip(run.to_be_bytes().into_iter().chain(number.to_be_bytes()))
            .for_each(|(to, from)| *to = from);
        let record = RoomRecord::default();
        let number = store.create(RoomHash(hash), record.clone()).await?;
        let number = number.ok_or_else(|| StoreError::Damaged("use an empty directory".into()))?;
        rooms.push(tokio::sync::Mutex::new(Room { number, record }));
    }
    Ok(rooms)
}

async fn measure(
    store: Arc<LocalStore>,
    producers: usize,
    rooms_count: u64,
    length: Duration,
) -> Result<(), StoreError> {
    let run = producers as u64 * 1_000 + rooms_count;
    let rooms = Arc::new(make_rooms(&store, rooms_count, run).await?);
    let text = format!("\"{}\"", "x".repeat(VALUE_BYTES - 2));
    let value = Value::from_json(&text).map_err(|error| StoreError::Damaged(format!("{error:?}")))?;
    let (times, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let (started, before) = (Instant::now(), store.statistics());
    let mut tasks = tokio::task::JoinSet::new();
    for producer in 0..producers {
        let (store, rooms, value) = (store.clone(), rooms.clone(), value.clone());
        let (times, done) = (times.clone(), done.clone());
        tasks.spawn(async move {
            let mut mine = Vec::new();
            while started.elapsed() < length {
                let begin = Instant::now();
                let Some(room) = rooms.get(producer % rooms.len()) else { break };
                let receipt: Receipt = {
                    let mut room = room.lock().await;
                    let commit = room.append(&value);
                    store.submit(commit).await?
                };
                receipt.await?;
                mine.push(begin.elapsed());
                done.fetch_add(1, Ordering::Relaxed);
            }
            times.lock().append(&mut mine);
            Ok::<(), StoreError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| StoreError::Stopped(error.to_string()))??;
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut times = std::mem::take(&mut *times.lock());
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let after = store.statistics();
    let per_transaction =
        (after.commits - before.commits) as f64 / (after.transactions - before.transactions).max(1) as f64;
    println!(
        "{producers:>5} producers {rooms_count:>4} rooms {:>9.0} ops/s  p50 {:>7.2} ms  p99 {:>7.2} ms  p99.9 {:>7.2} ms  {per_transaction:>7.1} commits a sync",
        done.load(Ordering::Relaxed) as f64 / seconds,
        at(0.5),
        at(0.99),
        at(0.999),
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory =
        arguments.next().map_or_else(|| std::env::temp_dir().join("seabag-group-commit"), PathBuf::from);
    let seconds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let mut options = Options::default();
    if let Some(mebibytes) = arguments.next() {
        options.memtable_bytes = mebibytes.parse::<u64>()? << 20;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(async {
        let store = Arc::new(LocalStore::open(&directory, &options)?);
        for producers in [1, 64, 256, 1_000, 4_000] {
            for rooms in [1, 100] {
                measure(store.clone(), producers, rooms, Duration::from_secs(seconds)).await?;
            }
        }
        store.close().await
    })?;
    println!("left behind: {}", directory.display());
    Ok(())
}
