//! `seabag bench http`: appends by HTTP, one request each, over connections that are kept. Compared with the
//! bare server, which answers at once and stores nothing.

use std::time::Instant;

use clap::Args;

use super::Options;
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Latencies, Report, Row};

/// Appends by HTTP.
#[derive(Debug, Args)]
pub(crate) struct Posts {
    /// How many connections at once, to one room.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
}

/// Measures the server and the bare one.
pub(crate) async fn run(options: &Options, command: Posts, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(true).await?;
    let reference = ServerProcess::reference().await?;
    for &connections in &command.connections {
        let room = server.room().await?;
        report.add(measure(options, &server, "seabag", &room, connections).await?)?;
        report.add(measure(options, &reference, "reference", "any", connections).await?)?;
    }
    Ok(())
}

async fn measure(
    options: &Options,
    process: &ServerProcess,
    target: &str,
    room: &str,
    connections: usize,
) -> anyhow::Result<Row> {
    let path = format!("/room/{room}/send");
    let body = format!(
        "{{\"type\":\"push\",\"key\":\"b\",\"value\":\"{}\",\"action\":{{\"type\":\"append\"}}}}",
        options.filler()
    );
    let processors = process.processor_seconds();
    let begun = Instant::now();
    let end = begun + options.duration();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let mut plain = Plain::open(&process.address).await?;
        let (path, body) = (path.clone(), body.clone());
        writers.spawn(async move {
            let mut latencies = Latencies::new();
            while Instant::now() < end {
                let sent = Instant::now();
                plain.post(&path, &body).await?;
                latencies.record(sent.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Latencies::new();
    while let Some(written) = writers.join_next().await {
        latencies.add(&written??);
    }
    let elapsed = begun.elapsed();
    Ok(Row::new("http", target)
        .with("connections", connections)
        .rate("pushes_per_second", latencies.count(), elapsed)
        .latencies(&latencies)
        .processors(processors, process.processor_seconds(), elapsed))
}
