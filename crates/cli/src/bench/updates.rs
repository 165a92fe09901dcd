//! `seabag bench updates`: what a host has on its disk after very many updates of the same entities, when their
//! devices prune: batches of updates, each followed by a prune of what it supersedes. Compared with the bytes of the
//! bags that are kept, which is the least that any host could have.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use seabag_client::clock::now_ms;
use seabag_crypto::Sealer;
use seabag_protocol::host::bag::{Bag, BagSeq};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::{self, EpochAnswer};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::prune::{PruneItem, PrunePair, PruneReason};
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::status::Status;
use seabag_protocol::host::{path, peek, push};

use super::Options;
use super::bags::{call, timestamp};
use super::plain::Plain;
use super::process::ServerProcess;
use super::report::{Report, Row};
use super::sealing::{bench_seed, counted_nonces};

/// When the entities were created, milliseconds since 1970.
const CREATED_MS: u64 = 1_767_225_600_000;
/// Measurements on the way.
const ROWS: u64 = 10;

/// Bytes on a host's disk after many updates.
#[derive(Debug, Args)]
pub(crate) struct Updates {
    /// Updates in all.
    #[arg(long, default_value_t = 1_000_000)]
    updates: u64,
    /// Entities that are updated, in turn.
    #[arg(long, default_value_t = 1_000)]
    entities: u64,
    /// Updates in a push, and pairs in the prune behind it: at most as many as there are entities.
    #[arg(long, default_value_t = 100)]
    batch: u64,
    /// Never prune, as devices of the old kind do.
    #[arg(long)]
    keep_all: bool,
    /// How long the host rests before the last measurements, seconds.
    #[arg(long, default_value_t = 30)]
    rest: u64,
}

/// Measures.
pub(crate) async fn run(options: &Options, command: Updates, report: &mut Report) -> anyhow::Result<()> {
    ensure!(command.batch > 0 && command.batch <= command.entities, "a batch has each entity once at most");
    let mut server = options.server(true).await?;
    let data = server.data().context("the disk of a server elsewhere cannot be measured")?;
    let mut device = Device::register(options, &server).await?;
    let mut written = 0;
    while written < command.entities {
        let count = command.batch.min(command.entities - written);
        device.update(written..written + count, command.entities, false).await?;
        written += count;
    }
    let (begun, step) = (Instant::now(), (command.updates / ROWS).max(1));
    let (mut updates, mut told) = (0, 0);
    report.add(device.row(&data, "created", updates)?)?;
    while updates < command.updates {
        let count = command.batch.min(command.updates - updates);
        let first = command.entities + updates;
        device.update(first..first + count, command.entities, !command.keep_all).await?;
        updates += count;
        if updates / step > told {
            told = updates / step;
            let row = device.row(&data, "updated", updates)?;
            report.add(row.rate("updates_per_second", updates, begun.elapsed()))?;
        }
    }
    tokio::time::sleep(Duration::from_secs(command.rest)).await;
    // The host has let go of a connection that was idle for so long.
    device.plain = Plain::open(&server.address).await?;
    let kept = device.kept_at_host().await?;
    let missing = device.kept.values().filter(|(seq, _)| !kept.contains(seq)).count();
    let rested = device.row(&data, "rested", updates)?;
    report.add(rested.with("bags_at_host", kept.len()).with("lost", missing))?;
    server.stop().await?;
    report.add(device.row(&data, "stopped", updates)?)
}

/// A device: its connection, and which bag of each entity it wants kept.
struct Device {
    plain: Plain,
    sealer: Sealer,
    origin: String,
    body_bytes: usize,
    epoch: EpochId,
    kept: HashMap<u64, (BagSeq, u64)>,
    nonces: u64,
}

impl Device {
    async fn register(options: &Options, server: &ServerProcess) -> anyhow::Result<Self> {
        let mut device = Self {
            plain: Plain::open(&server.address).await?,
            sealer: Sealer::new(bench_seed(), "bench updates", 0),
            origin: format!("http://{}", server.address),
            body_bytes: options.bytes,
            epoch: EpochId([0; 16]),
            kept: HashMap::new(),
            nonces: 0,
        };
        let mut request = Vec::new();
        timestamp(&device.sealer)?.write(&mut request)?;
        call(&mut device.plain, path::USER, &request).await?;
        let asked = epoch::request(&timestamp(&device.sealer)?, None)?;
        let mut answer = call(&mut device.plain, path::EPOCH, &asked).await?;
        device.epoch = EpochAnswer::read(&mut answer)?.epoch;
        Ok(device)
    }

    /// Pushes updates of these numbers, each of the entity whose turn it is, and prunes what they supersede.
    async fn update(
        &mut self,
        numbers: std::ops::Range<u64>,
        entities: u64,
        prune: bool,
    ) -> anyhow::Result<()> {
        let bags =
            numbers.clone().map(|number| self.seal(number, entities)).collect::<anyhow::Result<Vec<_>>>()?;
        let request = push::request(&timestamp(&self.sealer)?, &bags)?;
        let mut answer = call(&mut self.plain, path::PUSH, &request).await?;
        let items = push::PushItem::read_all(&mut answer)?;
        ensure!(items.len() == bags.len(), "{} items for {} bags", items.len(), bags.len());
        let mut pairs = Vec::new();
        for ((number, bag), item) in numbers.zip(&bags).zip(items) {
            let seq = item.result.map_err(|status| anyhow::anyhow!("a bag was refused: {status}"))?;
            let before = self.kept.insert(number % entities, (seq, bag_bytes(bag)?));
            if let (true, Some((before, _))) = (prune, before) {
                pairs.push(PrunePair { bag: before, reason: PruneReason::SupersededBy(seq) });
            }
        }
        self.prune(&pairs).await
    }

    fn seal(&mut self, number: u64, entities: u64) -> anyhow::Result<Bag> {
        let (entity, update) = (number % entities, number / entities);
        let body = format!("{number:0width$}", width = self.body_bytes.max(20)).into_bytes();
        let eid = Eid::new(&entity.to_be_bytes(), CREATED_MS)?;
        let head = MessageHead::new(eid, update * 1_000, update, Some(&body));
        self.nonces += 1;
        Ok(self.sealer.seal(&head, Some(&body), &counted_nonces(self.nonces))?)
    }

    async fn prune(&mut self, pairs: &[PrunePair]) -> anyhow::Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let mut body = Vec::new();
        pairs.iter().try_for_each(|pair| pair.write(&mut body))?;
        let signed = self.sealer.keys().call(path::PRUNE, &self.origin, &self.epoch, now_ms(), &body)?;
        let mut request = Vec::new();
        signed.write(&mut request)?;
        request.extend_from_slice(&body);
        let mut answer = call(&mut self.plain, path::PRUNE, &request).await?;
        let items = PruneItem::read_all(&mut answer)?;
        let refused = items.iter().filter(|item| item.status != Status::Success).count();
        ensure!(items.len() == pairs.len() && refused == 0, "{refused} pairs were refused");
        Ok(())
    }

    /// The numbers of all bags that the host has.
    async fn kept_at_host(&mut self) -> anyhow::Result<std::collections::HashSet<BagSeq>> {
        let request = peek::request(&timestamp(&self.sealer)?, BagSeq::ZERO)?;
        let mut answer = call(&mut self.plain, path::PEEK, &request).await?;
        Ok(peek::PeekItem::read_all(&mut answer)?.into_iter().map(|item| item.seq).collect())
    }

    fn row(&self, data: &Path, step: &str, updates: u64) -> anyhow::Result<Row> {
        let kept: u64 = self.kept.values().map(|(_, bytes)| bytes).sum();
        Ok(Row::new("updates", "seabag")
            .with("step", step)
            .with("updates", updates)
            .with("entities", self.kept.len())
            .with("kept_bytes", kept)
            .with("disk_bytes", disk_bytes(data)?))
    }
}

fn bag_bytes(bag: &Bag) -> anyhow::Result<u64> {
    let mut bytes = Vec::new();
    bag.write(&mut bytes)?;
    Ok(bytes.len() as u64)
}

/// What a directory and all below it take of the disk. Files that go away meanwhile count as nothing.
fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk_bytes(&entry.path()).unwrap_or(0) } else { on_disk(&metadata) };
    }
    Ok(bytes)
}

#[cfg(unix)]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // In units of 512 bytes on every system, whatever its blocks.
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
