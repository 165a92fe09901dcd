//! `seabag bench first-sync`: a new device fetches, checks, opens and stores everything that a host has. Compared
//! with what cannot be left out: checking as many signatures, in this process and on one processor.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use parking_lot::Mutex;
use seabag_client::{Engine, EngineOptions};
use seabag_crypto::Sealer;
use seabag_entdb::{Database, LinkSettings};

use super::Options;
use super::ents::messages;
use super::process::ServerProcess;
use super::report::{Report, Row};
use super::sealing::{bag, bench_seed};

/// As long as the two syncs may take.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// The first sync of an empty device.
#[derive(Debug, Args)]
pub(crate) struct FirstSync {
    /// How many entities.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    entities: Vec<u64>,
}

/// Measures every size.
pub(crate) async fn run(options: &Options, command: FirstSync, report: &mut Report) -> anyhow::Result<()> {
    for entities in command.entities {
        let server = options.server(true).await?;
        let parent = options.data.clone().unwrap_or_else(|| PathBuf::from("."));
        let place = tempfile::tempdir_in(parent)?;
        let mut writer = Database::in_memory();
        link(&mut writer, &server)?;
        for first in (0..entities).step_by(1_000) {
            writer.merge(&messages(options, first, (entities - first).min(1_000))?)?;
        }
        report.add(sync("upload", Arc::new(Mutex::new(writer)), entities).await?)?;
        let mut reader = Database::open(place.path().join("ents.db"))?;
        link(&mut reader, &server)?;
        let reader = Arc::new(Mutex::new(reader));
        let row = sync("first sync", Arc::clone(&reader), entities).await?;
        let stored = reader.lock().status()?.ents;
        report.add(row.with("lost", entities.saturating_sub(stored)))?;
        report.add(signatures(entities)?)?;
    }
    Ok(())
}

fn link(database: &mut Database, server: &ServerProcess) -> anyhow::Result<()> {
    let url = format!("http://{}", server.address);
    database.add_link(LinkSettings { label: "bench".into(), url, index: 0 })?;
    Ok(())
}

async fn sync(name: &str, database: Arc<Mutex<Database>>, entities: u64) -> anyhow::Result<Row> {
    let begun = Instant::now();
    let outcome = Engine::sync_once(database, bench_seed(), EngineOptions::default(), DEADLINE).await?;
    let elapsed = begun.elapsed();
    ensure!(outcome.iter().all(|link| link.waiting == 0), "the sync did not end: {outcome:?}");
    Ok(Row::new(name, "seabag")
        .with("entities", entities)
        .with("seconds", (elapsed.as_secs_f64() * 100.0).round() / 100.0)
        .rate("entities_per_second", entities, elapsed))
}

fn signatures(entities: u64) -> anyhow::Result<Row> {
    let sealer = Sealer::new(bench_seed(), "bench", 0);
    let (bag, key) = (bag(&sealer, 1, b"body")?, sealer.keys().public());
    let begun = Instant::now();
    for _ in 0..entities {
        black_box(bag.sealed.check(&key))?;
    }
    Ok(Row::new("first sync", "checks alone").with("entities", entities).rate(
        "entities_per_second",
        entities,
        begun.elapsed(),
    ))
}
