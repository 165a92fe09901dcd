//! `seabag bench idle`: what a connection that says nothing costs the server in memory.

use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Options;
use super::process::ServerProcess;
use super::report::{Report, Row};
use super::wire::Wire;

/// How long the server may settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Memory for each idle connection.
#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// How many connections.
    #[arg(long, default_value_t = 1_000)]
    connections: u64,
}

/// Measures the server and the bare one.
pub(crate) async fn run(options: &Options, command: Idle, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(false).await?;
    let room = server.room().await?;
    report.add(measure(&server, "seabag", &room, command.connections).await?)?;
    let reference = ServerProcess::reference().await?;
    report.add(measure(&reference, "reference", "any", command.connections).await?)
}

async fn measure(process: &ServerProcess, target: &str, room: &str, connections: u64) -> anyhow::Result<Row> {
    // The first connection brings what all share.
    let _first = Wire::join(&process.address, room, "").await?;
    tokio::time::sleep(SETTLE).await;
    let unknown = "the server's memory cannot be read: this needs Linux and a server of its own";
    let before = process.resident_bytes().context(unknown)?;
    let mut wires = Vec::new();
    for _ in 0..connections {
        wires.push(Wire::join(&process.address, room, "").await?);
    }
    tokio::time::sleep(SETTLE).await;
    let after = process.resident_bytes().context(unknown)?;
    drop(wires);
    Ok(Row::new("idle", target)
        .with("connections", connections)
        .with("resident_bytes", after)
        .with("bytes_per_connection", after.saturating_sub(before) / connections.max(1)))
}
