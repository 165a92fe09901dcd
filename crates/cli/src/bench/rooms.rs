//! `seabag bench rooms`: rooms made a second, each durable, and what a loaded room costs in memory. Compared
//! with the bare server answering as many requests.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use super::Options;
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Latencies, Report, Row};

/// Rooms that are made before memory is read the first time, so that what all share is there.
const WARM_UP: usize = 100;

/// Rooms created a second, and memory for each loaded room.
#[derive(Debug, Args)]
pub(crate) struct Rooms {
    /// How many rooms.
    #[arg(long, default_value_t = 10_000)]
    rooms: usize,
    /// How many connections ask for them.
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

#[derive(Deserialize)]
struct Created {
    room: String,
}

/// Measures the server and the bare one.
pub(crate) async fn run(options: &Options, command: Rooms, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(true).await?;
    load(&server, &create(&server, WARM_UP, 1).await?.0).await?;
    let begun = Instant::now();
    let processors = server.processor_seconds();
    let (ids, latencies) = create(&server, command.rooms, command.connections).await?;
    let elapsed = begun.elapsed();
    report.add(
        Row::new("rooms", "seabag")
            .with("connections", command.connections)
            .rate("rooms_per_second", ids.len() as u64, elapsed)
            .latencies(&latencies)
            .processors(processors, server.processor_seconds(), elapsed)
            .with("lost", command.rooms.saturating_sub(ids.len())),
    )?;
    let before = server.resident_bytes();
    load(&server, &ids).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    if let (Some(before), Some(after)) = (before, server.resident_bytes()) {
        let each = after.saturating_sub(before) / (ids.len() as u64).max(1);
        report.add(
            Row::new("loaded_rooms", "seabag")
                .with("rooms", ids.len())
                .with("resident_bytes", after)
                .with("bytes_per_room", each),
        )?;
    }
    let reference = ServerProcess::reference().await?;
    let begun = Instant::now();
    let latencies = ask_reference(&reference, command.rooms, command.connections).await?;
    report.add(
        Row::new("rooms", "reference")
            .with("connections", command.connections)
            .rate("rooms_per_second", latencies.count(), begun.elapsed())
            .latencies(&latencies),
    )
}

async fn create(
    server: &ServerProcess,
    rooms: usize,
    connections: usize,
) -> anyhow::Result<(Vec<String>, Latencies)> {
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..connections {
        let share = rooms / connections + usize::from(worker < rooms % connections);
        let mut plain = Plain::open(&server.address).await?;
        workers.spawn(async move {
            let (mut ids, mut latencies) = (Vec::with_capacity(share), Latencies::new());
            for _ in 0..share {
                let asked = Instant::now();
                let body = plain.post("/new", "").await?;
                latencies.record(asked.elapsed());
                ids.push(serde_json::from_slice::<Created>(&body)?.room);
            }
            anyhow::Ok((ids, latencies))
        });
    }
    let (mut ids, mut latencies) = (Vec::with_capacity(rooms), Latencies::new());
    while let Some(made) = workers.join_next().await {
        let (some, times) = made??;
        ids.extend(some);
        latencies.add(&times);
    }
    Ok((ids, latencies))
}

/// Looks at every room, which loads it. The server was told to keep loaded rooms.
async fn load(server: &ServerProcess, ids: &[String]) -> anyhow::Result<()> {
    let mut plain = Plain::open(&server.address).await?;
    for id in ids {
        plain.get(&format!("/room/{id}")).await?;
    }
    Ok(())
}

async fn ask_reference(
    process: &ServerProcess,
    requests: usize,
    connections: usize,
) -> anyhow::Result<Latencies> {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let mut plain = Plain::open(&process.address).await?;
        workers.spawn(async move {
            let mut latencies = Latencies::new();
            for _ in 0..requests / connections {
                let asked = Instant::now();
                plain.post("/room/any/send", "").await?;
                latencies.record(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Latencies::new();
    while let Some(times) = workers.join_next().await {
        latencies.add(&times??);
    }
    Ok(latencies)
}
