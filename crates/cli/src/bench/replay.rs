//! `seabag bench replay`: many readers catch up at once, each with a room of its own. Compared with the bare
//! server, which sends ready-made pages of the same size.

use std::time::{Duration, Instant};

use clap::Args;

use super::Options;
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Report, Row};
use super::wire::{Wire, find};

/// Pushes in one list while the rooms are filled.
const LIST_PUSHES: usize = 500;

/// Replay of rooms with many entries.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// How many rooms, each with one reader.
    #[arg(long, default_value_t = 20)]
    rooms: usize,
    /// How many entries in each.
    #[arg(long, default_value_t = 10_000)]
    entries: usize,
}

/// What one reader has seen.
struct Caught {
    entries: u64,
    elapsed: Duration,
}

/// Fills the rooms and reads them.
pub(crate) async fn run(options: &Options, command: Replay, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(true).await?;
    let reference = ServerProcess::reference().await?;
    let mut paths = Vec::new();
    for _ in 0..command.rooms {
        let room = server.room().await?;
        fill(&server, &room, command.entries, &options.filler()).await?;
        paths.push(format!("/room/{room}/connect?since=0"));
    }
    report.add(measure(&server, "seabag", &paths, command.entries).await?)?;
    let path = format!("/replay/connect?entries={}&bytes={}", command.entries, options.bytes);
    let paths = vec![path; command.rooms];
    report.add(measure(&reference, "reference", &paths, command.entries).await?)
}

async fn fill(server: &ServerProcess, room: &str, entries: usize, filler: &str) -> anyhow::Result<()> {
    let push = format!(
        "{{\"type\":\"push\",\"key\":\"b\",\"value\":\"{filler}\",\"action\":{{\"type\":\"append\"}}}}"
    );
    let mut plain = Plain::open(&server.address).await?;
    let mut left = entries;
    while left > 0 {
        let count = left.min(LIST_PUSHES);
        left -= count;
        let list = vec![push.as_str(); count].join(",");
        plain.post(&format!("/room/{room}/send"), &format!("[{list}]")).await?;
    }
    Ok(())
}

async fn measure(
    process: &ServerProcess,
    target: &str,
    paths: &[String],
    entries: usize,
) -> anyhow::Result<Row> {
    let processors = process.processor_seconds();
    let begun = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for path in paths {
        let (address, path) = (process.address.clone(), path.clone());
        readers.spawn(async move { catch_up(&address, &path).await });
    }
    let (mut received, mut slowest) = (0, Duration::ZERO);
    while let Some(caught) = readers.join_next().await {
        let caught = caught??;
        received += caught.entries;
        slowest = slowest.max(caught.elapsed);
    }
    let elapsed = begun.elapsed();
    let expected = (paths.len() * entries) as u64;
    Ok(Row::new("replay", target)
        .with("rooms", paths.len())
        .with("entries", entries)
        .rate("entries_per_second", received, elapsed)
        .with("slowest_ms", u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX))
        .processors(processors, process.processor_seconds(), elapsed)
        .with("lost", expected.saturating_sub(received)))
}

async fn catch_up(address: &str, path: &str) -> anyhow::Result<Caught> {
    let begun = Instant::now();
    let mut wire = Wire::open(address, path).await?;
    let (mut entries, mut live) = (0, false);
    while !live {
        wire.read(|payload| {
            if payload.starts_with(b"{\"type\":\"entries\"") {
                entries += count(payload, b"\"seq\":");
            } else {
                live |= payload.starts_with(b"{\"type\":\"live\"");
            }
        })
        .await?;
    }
    Ok(Caught { entries, elapsed: begun.elapsed() })
}

/// How often `needle` occurs. The filler of this scenario never holds it.
fn count(mut bytes: &[u8], needle: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(place) = find(bytes, needle) {
        count += 1;
        bytes = bytes.get(place + needle.len()..).unwrap_or_default();
    }
    count
}
