//! Measures a store's bytes on disk while bags are pushed by the hundred and the hundred that each push
//! supersedes are pruned. `cargo run --release -p seabag-store --example bags_pruned -- [updates] [directory]`

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::machine::{Account, Bounds, CheckedBag, register};
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::record::ProcessId;
use seabag_store::{AccountCommit, AccountNumber, LocalStore, Options, Store, StoreError};

const ENTITIES: usize = 1_000;
const BATCH: usize = 100;
const BODY_BYTES: usize = 300;

/// Bytes that the file system has given to the files below a directory.
fn disk_bytes(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        // Tables come and go meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes +=
            if metadata.is_dir() { disk_bytes(&entry.path()).unwrap_or(0) } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// A bag whose bytes no other has, as ciphertext has none in common.
fn bag(number: u64) -> CheckedBag {
    let mut bytes = vec![0; 64 + 60 + BODY_BYTES];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut bytes);
    let body = bytes.split_off(64 + 60);
    let head = bytes.split_off(64);
    let mut signature = [0; 64];
    signature.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    let sealed = SealedHead { signature, derivation: number.to_be_bytes(), head: head.into() };
    CheckedBag { bag: Bag { sealed, body: body.into() }, signed: true }
}

async fn commit(store: &LocalStore, number: AccountNumber, account: &mut Account) -> Result<(), StoreError> {
    let changes = account.take_changes();
    store.submit_account(AccountCommit { account: number, changes }).await?.await.map(drop)
}

/// Pushes the next versions of a hundred entities, and prunes those before.
async fn update(
    store: &LocalStore,
    number: AccountNumber,
    account: &mut Account,
    newest: &mut [BagSeq],
    done: u64,
) -> Result<(), StoreError> {
    let bags: Vec<_> = (0..BATCH as u64).map(|at| bag(done + at)).collect();
    let identities: Vec<_> = bags.iter().map(|bag| bag.bag.identity()).collect();
    let found = store.snapshot().find_bags(number, &identities)?;
    assert!(found.iter().all(Option::is_none));
    let (items, _) = account.push(bags, done, |_| None);
    commit(store, number, account).await?;
    let mut pairs = Vec::new();
    for (item, slot) in items.iter().zip(newest) {
        let Ok(seq) = item.result else { continue };
        let old = std::mem::replace(slot, seq);
        if old > BagSeq::ZERO {
            pairs.push(PrunePair { bag: old, reason: PruneReason::SupersededBy(seq) });
        }
    }
    let asked: Vec<_> = pairs.iter().map(|pair| pair.bag).collect();
    let held = store.snapshot().held_bags(number, &asked)?;
    let held: std::collections::HashMap<_, _> = asked.into_iter().zip(held).collect();
    let newest_held = account.record().last;
    let lookup = |seq| match held.get(&seq) {
        Some(found) => *found,
        // The superseding bags were pushed a moment ago.
        None => held.values().flatten().next().copied().filter(|_| seq <= newest_held),
    };
    account.prune(&pairs, done, lookup);
    commit(store, number, account).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let updates: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let directory = std::env::args()
        .nth(2)
        .map_or_else(|| std::env::temp_dir().join("seabag-bags-pruned"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (store, key, process) =
        (LocalStore::open(&directory, &Options::default())?, PublicKey([1; 32]), ProcessId([1; 16]));
    let begun = Instant::now();
    runtime.block_on(async {
        store.create_account(key, register(&process, [0; 8], 0)).await?;
        let Some((number, record)) = store.snapshot().account(&key)? else { return Ok(()) };
        let mut account = Account::new(record, &process, Bounds { bytes_max: 0, lineage_max: 64 });
        let mut newest = vec![BagSeq::ZERO; ENTITIES];
        let mut peak = 0;
        for round in 0..updates / BATCH as u64 {
            let at = round as usize * BATCH % ENTITIES;
            let slots = newest.get_mut(at..at + BATCH).unwrap_or_default();
            update(&store, number, &mut account, slots, round * BATCH as u64).await?;
            if (round + 1) % 20 == 0 {
                peak = disk_bytes(&directory).unwrap_or_default().max(peak);
            }
            if (round + 1) % (updates / BATCH as u64 / 10).max(1) == 0 {
                let done = (round + 1) * BATCH as u64;
                let bytes = disk_bytes(&directory).unwrap_or_default();
                let working = account.record().bytes;
                println!(
                    "{done} updates: {bytes} bytes, {peak} at most, {working} kept; {:?}",
                    begun.elapsed()
                );
            }
        }
        Ok::<(), StoreError>(())
    })?;
    for _ in 0..5 {
        std::thread::sleep(Duration::from_secs(6));
        println!("at rest: {} bytes", disk_bytes(&directory)?);
    }
    runtime.block_on(store.close())?;
    drop(store);
    println!("closed: {} bytes", disk_bytes(&directory)?);
    drop(LocalStore::open(&directory, &Options::default())?);
    println!("opened and closed again: {} bytes", disk_bytes(&directory)?);
    Ok(())
}
