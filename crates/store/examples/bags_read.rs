//! Measures pushes of 1,000 bags, a look for 1,000 bags that are not kept, and PEEK and PULL of 10,000, each in
//! memory and on disk. `cargo run --release -p seabag-store --example bags_read`

use std::time::Instant;

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::machine::{Account, Bounds, CheckedBag, register};
use seabag_protocol::host::record::ProcessId;
use seabag_store::{AccountCommit, LocalStore, Options, Store, StoreError};

const PUSHES: u64 = 10;
const BAGS: u64 = 1_000;

fn bag(number: u64) -> CheckedBag {
    let mut derivation = [0; 8];
    blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(&mut derivation);
    let sealed = SealedHead { signature: [7; 64], derivation, head: vec![5; 60].into() };
    CheckedBag { bag: Bag { sealed, body: vec![9; 300].into() }, signed: true }
}

async fn measure(store: &LocalStore, name: &str) -> Result<(), StoreError> {
    let (key, process) = (PublicKey([1; 32]), ProcessId([1; 16]));
    store.create_account(key, register(&process, [0; 8], 0)).await?;
    let Some((number, record)) = store.snapshot().account(&key)? else { return Ok(()) };
    let mut account = Account::new(record, &process, Bounds { bytes_max: 0, lineage_max: 64 });
    let bags: Vec<Vec<_>> =
        (0..PUSHES).map(|push| (0..BAGS).map(|at| bag(push * BAGS + at)).collect()).collect();
    let begun = Instant::now();
    for bags in bags {
        account.push(bags, 1, |_| None);
        let changes = account.take_changes();
        store.submit_account(AccountCommit { account: number, changes }).await?.await?;
    }
    println!("{name}: push of {BAGS}: {:?}", begun.elapsed() / PUSHES as u32);
    let snapshot = store.snapshot();
    let missing: Vec<_> = (0..BAGS).map(|at| bag(1 << 40 | at).bag.identity()).collect();
    let begun = Instant::now();
    assert!(snapshot.find_bags(number, &missing)?.iter().all(Option::is_none));
    println!("{name}: find {BAGS} that are not kept: {:?}", begun.elapsed());
    let begun = Instant::now();
    let heads = snapshot.peek(number, BagSeq::ZERO, usize::MAX, usize::MAX)?;
    println!("{name}: peek {}: {:?}", heads.len(), begun.elapsed());
    let seqs: Vec<_> = heads.iter().map(|item| item.seq).collect();
    let begun = Instant::now();
    let (bodies, _) = snapshot.bodies(number, &seqs, usize::MAX)?;
    println!("{name}: pull {}: {:?}", bodies.len(), begun.elapsed());
    let backwards: Vec<_> = seqs.iter().rev().copied().collect();
    let begun = Instant::now();
    let (bodies, _) = snapshot.bodies(number, &backwards, usize::MAX)?;
    println!("{name}: pull {} backwards: {:?}", bodies.len(), begun.elapsed());
    store.close().await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("seabag-bags-read-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(measure(&LocalStore::in_memory(&Options::default())?, "memory"))?;
    runtime.block_on(measure(&LocalStore::open(&directory, &Options::default())?, "disk"))?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
