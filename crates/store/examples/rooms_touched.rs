//! Measures the resident memory of a store after its first 1,000 rooms and after 100,000 rooms were made,
//! written to and loaded. `cargo run --release -p seabag-store --example rooms_touched -- [directory] [cache MiB]
//! [memtable MiB]`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use seabag_protocol::room::name::{KeyNumber, RoomHash, RoomSeq};
use seabag_protocol::room::record::{Changes, KeyChange, KeyRecord, RoomRecord, StreamRead};
use seabag_protocol::room::value::Value;
use seabag_store::{Commit, LocalStore, Options, Snapshot, Store, StoreError};

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0
}

/// Makes a room, appends one entry of 300 bytes, loads the room and reads the entry.
async fn touch(store: &LocalStore, number: u64, value: &Value) -> Result<(), StoreError> {
    let mut hash = [0; 16];
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash.iter_mut().zip(spread.to_be_bytes()).for_each(|(to, from)| *to = from);
    let hash = RoomHash(hash);
    let Some(room) = store.create(hash, RoomRecord::default()).await? else { return Ok(()) };
    let (key, seq, bytes) = (KeyNumber(0), RoomSeq(1), value.len() as u64);
    let record =
        KeyRecord { number: key, count: 1, bytes, floor: RoomSeq::ZERO, base: None, first: seq, last: seq };
    let changes = Changes {
        room: Some(RoomRecord {
            stored: seq,
            reserved: seq,
            entries: 1,
            bytes,
            next_key: 1,
            ..RoomRecord::default()
        }),
        keys: BTreeMap::from([(key, KeyChange { key: "stream".into(), record: Some(record.clone()) })]),
        rows: BTreeMap::from([((key, seq), value.clone())]),
        ..Changes::default()
    };
    store.submit(Commit { room, changes, snapshot: false }).await?.await?;
    store.load(hash).await?;
    let read = StreamRead { key: "stream".into(), record: Some(record), after: RoomSeq::ZERO, head: seq };
    let snapshot: Arc<dyn Snapshot> = store.snapshot();
    let found = snapshot.read_stream(room, &read)?;
    assert_eq!(found.len(), 1);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("seabag-rooms-touched"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut options = Options::default();
    let mebibytes = |at: usize| std::env::args().nth(at).map(|text| text.parse::<u64>()).transpose();
    options.cache_bytes = mebibytes(2)?.map_or(options.cache_bytes, |mebibytes| mebibytes << 20);
    options.memtable_bytes = mebibytes(3)?.map_or(options.memtable_bytes, |mebibytes| mebibytes << 20);
    let store = Arc::new(LocalStore::open(&directory, &options)?);
    let value =
        Value::from_json(&format!("\"{}\"", "x".repeat(298))).map_err(|error| format!("{error:?}"))?;
    runtime.block_on(async {
        for end in [1_000, 10_000, 50_000, 100_000_u64] {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..64 {
                let (store, value) = (store.clone(), value.clone());
                tasks.spawn(async move {
                    // Rooms below were touched in an earlier round and are only looked up.
                    for number in (task..end).step_by(64) {
                        touch(&store, number, &value).await?;
                    }
                    Ok::<(), StoreError>(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            println!("{end:>7} rooms: {:>6.1} MiB resident", resident_mib());
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    println!("left behind: {}", directory.display());
    Ok(())
}
