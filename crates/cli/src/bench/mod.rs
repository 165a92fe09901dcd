//! `seabag bench`: measures a server, and in the same run a reference that does only the least that the task
//! needs, so that a number says something about the server and not about the machine.

mod bags;
mod durable;
mod ents;
mod fanout;
mod first_sync;
mod idle;
mod plain;
mod posts;
mod process;
mod reference;
mod replay;
mod report;
mod rooms;
mod sealing;
mod store_reference;
mod updates;
mod wire;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::{Exit, usage};
use crate::settings::parse_url;
use process::ServerProcess;
use report::Report;

/// Measure a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --server a server of its own is started as a child process: in memory, or with --data on the disk of that \
directory (in a new directory there, removed afterwards). `durable` needs a disk and uses the current directory's \
unless told otherwise.

One JSON object a measurement on standard output, a table on standard error. Every scenario measures its reference in \
the same run, with the same client. The client shares the machine's processors with the server: numbers are lower \
bounds. Measure a release build on an idle machine.

Examples:
  seabag bench fanout
  seabag bench --seconds 10 durable > durable.ndjson
  seabag bench --server http://127.0.0.1:8080 http")]
pub(crate) struct Bench {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    scenario: Scenario,
}

/// What all scenarios share.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Measure this server (http only) instead of one of its own.
    #[arg(long, value_name = "URL", value_parser = parse_url, global = true)]
    server: Option<String>,
    /// Put the server's data on the disk of this directory.
    #[arg(long, value_name = "DIRECTORY", global = true)]
    data: Option<PathBuf>,
    /// When a push counts as done, as in `seabag serve`.
    #[arg(long, value_name = "MODE", default_value = "sync", global = true)]
    durability: String,
    /// How long each measurement lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, global = true)]
    seconds: u64,
    /// Bytes of each value.
    #[arg(long, value_name = "BYTES", default_value_t = 100, global = true)]
    bytes: usize,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Relays to 10, 200 and 1000 subscribers: as fast as possible, and paced for latency.
    Fanout(fanout::Fanout),
    /// Durable appends and replaces, from 1 and 100 rooms, with 1 and 16 on the way.
    Durable(durable::Durable),
    /// Appends by HTTP, one request each.
    Http(posts::Posts),
    /// Replay of rooms with many entries by many readers at once.
    Replay(replay::Replay),
    /// Memory of the server for each idle connection.
    Idle(idle::Idle),
    /// Rooms created a second, and memory for each loaded room.
    Rooms(rooms::Rooms),
    /// PUSH, PEEK and PULL of sealed bags, and how soon a notice comes.
    Bags(bags::Bags),
    /// Sealing and opening of bags, in this process.
    Sealing(sealing::Sealing),
    /// The local database of entities: applying messages, and the queries.
    Ents(ents::Ents),
    /// The first sync of an empty device.
    FirstSync(first_sync::FirstSync),
    /// Bytes on a host's disk after very many updates of the same entities, with pruning.
    #[command(hide = true)]
    Updates(updates::Updates),
    /// The bare server that the others are compared with.
    #[command(hide = true)]
    Reference(reference::Reference),
}

/// Runs one scenario.
pub(crate) async fn run(bench: Bench) -> anyhow::Result<Exit> {
    let options = bench.options;
    let mut report = Report::new(matches!(bench.scenario, Scenario::Reference(_)));
    match bench.scenario {
        Scenario::Fanout(command) => fanout::run(&options, command, &mut report).await?,
        Scenario::Durable(command) => durable::run(&options, command, &mut report).await?,
        Scenario::Http(command) => posts::run(&options, command, &mut report).await?,
        Scenario::Replay(command) => replay::run(&options, command, &mut report).await?,
        Scenario::Idle(command) => idle::run(&options, command, &mut report).await?,
        Scenario::Rooms(command) => rooms::run(&options, command, &mut report).await?,
        Scenario::Bags(command) => bags::run(&options, command, &mut report).await?,
        Scenario::Sealing(command) => sealing::run(&options, command, &mut report)?,
        Scenario::Ents(command) => ents::run(&options, command, &mut report)?,
        Scenario::FirstSync(command) => first_sync::run(&options, command, &mut report).await?,
        Scenario::Updates(command) => updates::run(&options, command, &mut report).await?,
        Scenario::Reference(command) => reference::run(command).await?,
    }
    report.finish()
}

impl Options {
    /// The server to measure: the one that was named, or one of our own.
    async fn server(&self, disk: bool) -> anyhow::Result<ServerProcess> {
        if let Some(url) = &self.server {
            let address = url.strip_prefix("http://").ok_or_else(|| usage("bench speaks http only"))?;
            return Ok(ServerProcess::foreign(address));
        }
        let parent = match (&self.data, disk) {
            (Some(parent), _) => Some(parent.clone()),
            (None, true) => Some(PathBuf::from(".")),
            (None, false) => None,
        };
        ServerProcess::start(parent.as_deref(), &self.durability).await
    }

    fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds.max(1))
    }

    /// A JSON string of the wanted length, as a value.
    fn filler(&self) -> String {
        "x".repeat(self.bytes.saturating_sub(2))
    }
}
