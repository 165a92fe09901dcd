//! `seabag bench fanout`: one publisher, many subscribers, relays. Once as fast as possible, once paced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;

use super::Options;
use super::process::ServerProcess;
use super::report::{Latencies, Report, Row};
use super::wire::Wire;

/// Messages on the way when going as fast as possible: the publisher waits for its own copies.
const OUTSTANDING_MAX: u64 = 128;
/// Deliveries a second when paced: a load that leaves processors idle, so that latency is the server's.
const PACED_DELIVERIES: u64 = 10_000;
/// How long nothing may arrive before the rest counts as lost.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// How every broadcast of this scenario begins; the time of sending follows.
const PREFIX: &str = "{\"type\":\"push\",\"key\":\"b\",\"value\":\"";
/// Digits of the time of sending, nanoseconds.
const STAMP: usize = 16;

/// Relays to many subscribers.
#[derive(Debug, Args)]
pub(crate) struct Fanout {
    /// How many subscribers.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 200, 1000])]
    subscribers: Vec<u64>,
}

/// What the subscribers have seen.
struct Seen {
    started: Instant,
    count: AtomicU64,
    latencies: Mutex<Latencies>,
}

/// Measures the server and the bare one.
pub(crate) async fn run(options: &Options, command: Fanout, report: &mut Report) -> anyhow::Result<()> {
    let server = options.server(false).await?;
    let reference = ServerProcess::reference().await?;
    for &subscribers in &command.subscribers {
        for (target, process) in [("seabag", &server), ("reference", &reference)] {
            for paced in [false, true] {
                report.add(measure(options, process, target, subscribers, paced).await?)?;
            }
        }
    }
    Ok(())
}

async fn measure(
    options: &Options,
    process: &ServerProcess,
    target: &str,
    subscribers: u64,
    paced: bool,
) -> anyhow::Result<Row> {
    // The bare server has one room, whatever its name.
    let room = if target == "reference" { "any".to_owned() } else { process.room().await? };
    let seen = Arc::new(Seen {
        started: Instant::now(),
        count: AtomicU64::new(0),
        latencies: Mutex::new(Latencies::new()),
    });
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..subscribers {
        let wire = Wire::join(&process.address, &room, "").await?;
        readers.spawn(subscribe(wire, Arc::clone(&seen)));
    }
    let mut publisher = Wire::join(&process.address, &room, "").await?;
    let filler = options.filler();
    let filler = filler.get(..filler.len().saturating_sub(STAMP)).unwrap_or_default();
    let message = |seen: &Seen| {
        let stamp = seen.started.elapsed().as_nanos();
        match target {
            // The bare server sends on what it gets.
            "reference" => format!("{PREFIX}{stamp:0STAMP$}{filler}\",\"seq\":1234567}}"),
            _ => format!("{PREFIX}{stamp:0STAMP$}{filler}\",\"action\":{{\"type\":\"relay\"}}}}"),
        }
    };
    let processors = process.processor_seconds();
    let begun = Instant::now();
    let sent = if paced {
        let rate = (PACED_DELIVERIES / subscribers.max(1)).clamp(5, 1_000);
        publish_paced(&mut publisher, rate, options.duration(), || message(&seen)).await?
    } else {
        publish_fast(&mut publisher, options.duration(), || message(&seen)).await?
    };
    let expected = sent * subscribers;
    wait_for(&seen, expected).await;
    let elapsed = begun.elapsed();
    let received = seen.count.load(Ordering::Relaxed);
    readers.abort_all();
    let latencies = seen.latencies.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Row::new("fanout", target)
        .with("subscribers", subscribers)
        .with("mode", if paced { "paced" } else { "full" })
        .rate("messages_per_second", sent, elapsed)
        .rate("deliveries_per_second", received, elapsed)
        .latencies(&latencies)
        .processors(processors, process.processor_seconds(), elapsed)
        .with("lost", expected.saturating_sub(received)))
}

async fn subscribe(mut wire: Wire, seen: Arc<Seen>) -> anyhow::Result<()> {
    loop {
        let mut count = 0;
        // One lock for all that one read brought.
        let mut stamps = Vec::new();
        wire.read(|payload| {
            if payload.starts_with(PREFIX.as_bytes()) {
                count += 1;
                stamps.extend(payload.get(PREFIX.len()..PREFIX.len() + STAMP).and_then(parse_stamp));
            }
        })
        .await?;
        let now = seen.started.elapsed();
        let mut latencies = seen.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        for stamp in stamps {
            latencies.record(now.saturating_sub(stamp));
        }
        drop(latencies);
        seen.count.fetch_add(count, Ordering::Relaxed);
    }
}

fn parse_stamp(digits: &[u8]) -> Option<Duration> {
    Some(Duration::from_nanos(std::str::from_utf8(digits).ok()?.parse().ok()?))
}

async fn publish_fast(
    publisher: &mut Wire,
    duration: Duration,
    message: impl Fn() -> String,
) -> anyhow::Result<u64> {
    let end = Instant::now() + duration;
    let (mut sent, mut returned) = (0, 0);
    while Instant::now() < end {
        while sent - returned < OUTSTANDING_MAX {
            publisher.feed(&message());
            sent += 1;
        }
        publisher.flush().await?;
        publisher.read(|payload| returned += u64::from(payload.starts_with(PREFIX.as_bytes()))).await?;
        // The subscribers share this thread.
        tokio::task::yield_now().await;
    }
    Ok(sent)
}

async fn publish_paced(
    publisher: &mut Wire,
    rate: u64,
    duration: Duration,
    message: impl Fn() -> String,
) -> anyhow::Result<u64> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX));
    let end = Instant::now() + duration;
    let mut sent = 0;
    while Instant::now() < end {
        tokio::select! {
            _ = ticks.tick() => {
                publisher.feed(&message());
                publisher.flush().await?;
                sent += 1;
            }
            read = publisher.read(|_| {}) => read?,
        }
    }
    Ok(sent)
}

async fn wait_for(seen: &Seen, expected: u64) {
    let mut before = 0;
    let mut changed = Instant::now();
    loop {
        let now = seen.count.load(Ordering::Relaxed);
        if now >= expected || changed.elapsed() > QUIET_MAX {
            return;
        }
        if now != before {
            before = now;
            changed = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
