//! `seabag bench durable`: appends and replaces that count once they are on disk. Compared with the store's own
//! group commit in this process, without network, rooms' rules or broadcast.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::Args;
use serde::Deserialize;

use super::Options;
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Latencies, Report, Row};
use super::store_reference;
use super::wire::Wire;
use crate::room::random_client;

/// Durable appends and replaces.
#[derive(Debug, Args)]
pub(crate) struct Durable {
    /// How many rooms at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    rooms: Vec<usize>,
    /// How many pushes of one room may wait for their acknowledgement.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    outstanding: Vec<usize>,
}

/// Measures every combination.
pub(crate) async fn run(options: &Options, command: Durable, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(true).await?;
    let parent = options.data.clone().unwrap_or_else(|| PathBuf::from("."));
    for &rooms in &command.rooms {
        for &outstanding in &command.outstanding {
            for action in ["append", "replace"] {
                report.add(measure(options, &server, rooms, outstanding, action).await?)?;
            }
            report.add(reference(options, &parent, rooms, outstanding).await?)?;
        }
    }
    Ok(())
}

async fn measure(
    options: &Options,
    server: &ServerProcess,
    rooms: usize,
    outstanding: usize,
    action: &str,
) -> anyhow::Result<Row> {
    let mut ids = Vec::new();
    let mut wires = Vec::new();
    for _ in 0..rooms {
        let id = server.room().await?;
        wires.push(
            Wire::join(&server.address, &id, &format!("deliver=keys&client={}", random_client())).await?,
        );
        ids.push(id);
    }
    let processors = server.processor_seconds();
    let begun = Instant::now();
    let end = begun + options.duration();
    let mut writers = tokio::task::JoinSet::new();
    for wire in wires {
        let filler = options.filler();
        let action = action.to_owned();
        writers.spawn(write(wire, end, outstanding, filler, action));
    }
    let mut latencies = Latencies::new();
    while let Some(written) = writers.join_next().await {
        latencies.add(&written??);
    }
    let elapsed = begun.elapsed();
    let processors_after = server.processor_seconds();
    let stored = stored(server, &ids).await?;
    let acknowledged = latencies.count();
    // Each room of replaces keeps one.
    let expected = if action == "append" { acknowledged } else { rooms as u64 };
    Ok(Row::new("durable", "seabag")
        .with("action", action)
        .with("rooms", rooms)
        .with("outstanding", outstanding)
        .rate("pushes_per_second", acknowledged, elapsed)
        .latencies(&latencies)
        .processors(processors, processors_after, elapsed)
        .with("lost", expected.saturating_sub(stored)))
}

async fn write(
    mut wire: Wire,
    end: Instant,
    outstanding: usize,
    filler: String,
    action: String,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut id = 0;
    while Instant::now() < end || !waiting.is_empty() {
        while waiting.len() < outstanding && Instant::now() < end {
            id += 1;
            let text = format!(
                "{{\"type\":\"push\",\"key\":\"b\",\"value\":\"{filler}\",\"action\":{{\"type\":\"{action}\"}},\"id\":{id}}}"
            );
            wire.feed(&text);
            waiting.push_back(Instant::now());
        }
        wire.flush().await?;
        let mut refused = None;
        wire.read(|payload| {
            if payload.starts_with(b"{\"type\":\"ack\"") {
                if let Some(sent) = waiting.pop_front() {
                    latencies.record(sent.elapsed());
                }
            } else if payload.starts_with(b"{\"type\":\"error\"") {
                refused = Some(String::from_utf8_lossy(payload).into_owned());
            }
        })
        .await?;
        if let Some(refused) = refused {
            bail!("a push was refused: {refused}");
        }
    }
    Ok(latencies)
}

/// How many entries the rooms hold.
async fn stored(server: &ServerProcess, ids: &[String]) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Keys {
        data: Vec<Size>,
    }
    #[derive(Deserialize)]
    struct Size {
        size: u64,
    }
    let mut plain = Plain::open(&server.address).await?;
    let mut stored = 0;
    for id in ids {
        let body = plain.post(&format!("/room/{id}/send"), "{\"type\":\"keys\"}").await?;
        let keys: Keys =
            serde_json::from_slice(&body).map_err(|_| anyhow!("the list of keys cannot be read"))?;
        stored += keys.data.iter().map(|key| key.size).sum::<u64>();
    }
    Ok(stored)
}

async fn reference(
    options: &Options,
    parent: &Path,
    rooms: usize,
    outstanding: usize,
) -> anyhow::Result<Row> {
    let duration: Duration = options.duration();
    let (latencies, elapsed) =
        store_reference::measure(parent, &options.durability, rooms, outstanding, options.filler(), duration)
            .await?;
    Ok(Row::new("durable", "store")
        .with("action", "append")
        .with("rooms", rooms)
        .with("outstanding", outstanding)
        .rate("pushes_per_second", latencies.count(), elapsed)
        .latencies(&latencies))
}
