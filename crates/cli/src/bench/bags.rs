//! `seabag bench bags`: a host under load. PUSH is compared with checking the same signatures on all processors
//! and doing nothing else; PEEK and PULL with a bare server that answers as many bytes; a notice with nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use data_encoding::HEXLOWER;
use seabag_client::clock::now_ms;
use seabag_crypto::Sealer;
use seabag_protocol::host::auth::SignedTimestamp;
use seabag_protocol::host::bag::{Bag, BagSeq};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;
use seabag_protocol::host::{path, peek, pull, push};

use super::Options;
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Latencies, Report, Row};
use super::sealing::{bag, bench_seed};
use super::wire::Wire;

/// Bags sealed beforehand for each second of a measurement, over all connections: more than two processors can
/// check.
const BAGS_A_SECOND: usize = 24_000;
/// A signed timestamp is good for 30 seconds; it is renewed well before.
const TIMESTAMP_GOOD: Duration = Duration::from_secs(10);
/// Notices that are timed.
const NOTICES: u64 = 1_000;

/// PUSH, PEEK, PULL and notices.
#[derive(Debug, Args)]
pub(crate) struct Bags {
    /// Bags in each PUSH.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    batches: Vec<usize>,
    /// Connections at once, each with an account of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    connections: Vec<usize>,
    /// Bags of the account that is listed and fetched.
    #[arg(long, default_value_t = 10_000)]
    stored: usize,
}

/// Measures everything.
pub(crate) async fn run(options: &Options, command: Bags, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(true).await?;
    let mut index = 0;
    for &batch in &command.batches {
        for &connections in &command.connections {
            let mut writers = Vec::new();
            for _ in 0..connections {
                index += 1;
                let bags = BAGS_A_SECOND * options.duration().as_secs() as usize / connections;
                writers.push(Writer::prepare(options, &server, index, batch, bags.max(batch)).await?);
            }
            report.add(checks_alone(options, batch, &writers)?)?;
            report.add(pushes(&server, options, batch, connections, writers).await?)?;
        }
    }
    reads(options, &server, command.stored, report).await?;
    report.add(notices(options, &server).await?)
}

pub(super) fn timestamp(sealer: &Sealer) -> anyhow::Result<SignedTimestamp> {
    Ok(sealer.keys().timestamp(now_ms())?)
}

/// Reads the head of an answer, and refuses anything but success.
pub(super) async fn call(plain: &mut Plain, path: &str, request: &[u8]) -> anyhow::Result<Reader> {
    let mut answer = Reader::new(plain.post_bytes(path, request).await?);
    let head = ResponseHead::read(&mut answer)?;
    ensure!(head.status == Status::Success, "{path}: {}", head.status);
    Ok(answer)
}

/// One connection with an account, and requests that are ready to be sent.
struct Writer {
    plain: Plain,
    sealer: Sealer,
    batches: Vec<Vec<Bag>>,
}

impl Writer {
    async fn prepare(
        options: &Options,
        server: &ServerProcess,
        index: u64,
        batch: usize,
        bags: usize,
    ) -> anyhow::Result<Self> {
        let sealer = Sealer::new(bench_seed(), "bench", index);
        let body = vec![b'x'; options.bytes];
        let mut plain = Plain::open(&server.address).await?;
        let mut request = Vec::new();
        timestamp(&sealer)?.write(&mut request)?;
        call(&mut plain, path::USER, &request).await?;
        let mut batches = Vec::new();
        for first in (0..bags).step_by(batch) {
            let sealed = (first..first + batch).map(|number| bag(&sealer, number as u64, &body));
            batches.push(sealed.collect::<anyhow::Result<Vec<_>>>()?);
        }
        Ok(Self { plain, sealer, batches })
    }
}

async fn pushes(
    server: &ServerProcess,
    options: &Options,
    batch: usize,
    connections: usize,
    writers: Vec<Writer>,
) -> anyhow::Result<Row> {
    let processors = server.processor_seconds();
    let begun = Instant::now();
    let end = begun + options.duration();
    let mut running = tokio::task::JoinSet::new();
    for writer in writers {
        running.spawn(write(writer, end));
    }
    let (mut latencies, mut stored) = (Latencies::new(), 0);
    while let Some(written) = running.join_next().await {
        let (timed, count) = written??;
        latencies.add(&timed);
        stored += count;
    }
    let elapsed = begun.elapsed();
    Ok(Row::new("push", "seabag")
        .with("batch", batch)
        .with("connections", connections)
        .rate("bags_per_second", stored, elapsed)
        .latencies(&latencies)
        .processors(processors, server.processor_seconds(), elapsed)
        .with("lost", (latencies.count() * batch as u64).saturating_sub(stored)))
}

async fn write(mut writer: Writer, end: Instant) -> anyhow::Result<(Latencies, u64)> {
    let (mut latencies, mut stored) = (Latencies::new(), 0);
    let (mut auth, mut signed) = (timestamp(&writer.sealer)?, Instant::now());
    for bags in &writer.batches {
        if Instant::now() >= end {
            break;
        }
        if signed.elapsed() > TIMESTAMP_GOOD {
            (auth, signed) = (timestamp(&writer.sealer)?, Instant::now());
        }
        let request = push::request(&auth, bags)?;
        let sent = Instant::now();
        let mut answer = call(&mut writer.plain, path::PUSH, &request).await?;
        latencies.record(sent.elapsed());
        let items = push::PushItem::read_all(&mut answer)?;
        stored += items.iter().filter(|item| item.result.is_ok()).count() as u64;
    }
    Ok((latencies, stored))
}

/// The reference: the signatures of the same requests, on all processors, and nothing else.
fn checks_alone(options: &Options, batch: usize, writers: &[Writer]) -> anyhow::Result<Row> {
    let writer = writers.first().context("no connection was asked for")?;
    let key = writer.sealer.keys().public();
    let auth = timestamp(&writer.sealer)?;
    let (begun, most) = (Instant::now(), options.duration() / 2);
    let threads = std::thread::available_parallelism()?.get();
    let check = || {
        let mut checked = 0_u64;
        for bags in writer.batches.iter().cycle() {
            if begun.elapsed() > most || auth.check_signature().is_err() {
                break;
            }
            checked += bags.iter().filter(|bag| bag.sealed.check(&key).is_ok()).count() as u64;
        }
        checked
    };
    let checked = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(check)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    Ok(Row::new("push", "checks alone").with("batch", batch).with("connections", writers.len()).rate(
        "bags_per_second",
        checked,
        begun.elapsed(),
    ))
}

async fn reads(
    options: &Options,
    server: &ServerProcess,
    stored: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut writer = Writer::prepare(options, server, 0, 1_000.min(stored), stored).await?;
    let auth = timestamp(&writer.sealer)?;
    for bags in std::mem::take(&mut writer.batches) {
        call(&mut writer.plain, path::PUSH, &push::request(&auth, &bags)?).await?;
    }
    let auth = timestamp(&writer.sealer)?;
    let numbers: Vec<BagSeq> = (1..=stored as u64).map(BagSeq).collect();
    let reference = ServerProcess::reference().await?;
    let calls = [
        ("peek", path::PEEK, peek::request(&auth, BagSeq::ZERO)?),
        ("pull", path::PULL, pull::request(&auth, &numbers)?),
        ("peek, nothing new", path::PEEK, peek::request(&auth, BagSeq(stored as u64))?),
    ];
    for (name, path, request) in calls {
        let answer = call(&mut writer.plain, path, &request).await?;
        let bytes = answer.rest().len();
        let items = match name {
            "peek" => peek::PeekItem::read_all(&mut answer.clone())?.len(),
            "pull" => pull::PullItem::read_all(&mut answer.clone())?.len(),
            _ => 0,
        };
        ensure!(items == stored || items == 0, "{name} showed {items} of {stored} bags");
        report.add(repeat(options, server, "seabag", name, path, &request, (items, bytes)).await?)?;
        let bare = format!("/bytes/{}", bytes + 17);
        report
            .add(repeat(options, &reference, "bare server", name, &bare, &request, (items, bytes)).await?)?;
    }
    Ok(())
}

async fn repeat(
    options: &Options,
    process: &ServerProcess,
    target: &str,
    name: &str,
    path: &str,
    request: &[u8],
    (items, bytes): (usize, usize),
) -> anyhow::Result<Row> {
    let mut plain = Plain::open(&process.address).await?;
    let mut latencies = Latencies::new();
    let begun = Instant::now();
    while begun.elapsed() < options.duration() {
        let sent = Instant::now();
        let answer = plain.post_bytes(path, request).await?;
        latencies.record(sent.elapsed());
        ensure!(answer.len() > bytes, "an answer of {} bytes", answer.len());
    }
    Ok(Row::new(name, target)
        .with("bytes", bytes)
        .rate("items_per_second", latencies.count() * items as u64, begun.elapsed())
        .latencies(&latencies))
}

/// From sending a bag to hearing of it on another connection of the account.
async fn notices(options: &Options, server: &ServerProcess) -> anyhow::Result<Row> {
    let mut writer = Writer::prepare(options, server, u64::from(u32::MAX), 1, NOTICES as usize).await?;
    let mut asked = Vec::new();
    timestamp(&writer.sealer)?.write(&mut asked)?;
    let mut listener = Wire::open(&server.address, &format!("/?t={}", HEXLOWER.encode(&asked))).await?;
    let mut latencies = Latencies::new();
    let auth = timestamp(&writer.sealer)?;
    for bags in &writer.batches {
        let request = push::request(&auth, bags)?;
        let sent = Instant::now();
        let heard = async {
            let mut heard = Duration::ZERO;
            listener.read_one(|_| heard = sent.elapsed()).await?;
            anyhow::Ok(heard)
        };
        let (heard, answered) = tokio::join!(heard, call(&mut writer.plain, path::PUSH, &request));
        answered?;
        latencies.record(heard?);
    }
    Ok(Row::new("notice", "seabag").with("lost", NOTICES - latencies.count()).latencies(&latencies))
}
