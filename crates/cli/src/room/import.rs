//! `seabag room import`: appends an export's entries to a room, in order, in lists that are stored whole or not
//! at all. Each push has an id made of the export's name and its line, so a second try stores nothing twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{ClientMessage, Push};
use seabag_protocol::room::name::{PushId, StreamKey};
use seabag_protocol::room::value::{Encoding, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::choice::RoomChoice;
use super::export::{End, FORMAT, Header};
use super::push::random_client;
use crate::client::http::{Http, HttpError};
use crate::client::link::Link;
use crate::exit::{Exit, coded};
use crate::output;

/// Most pushes in one list: half of what a server takes by default.
const LIST_PUSHES_MAX: usize = 500;
/// About the most bytes of one list: a quarter of what a server takes by default.
const LIST_BYTES_MAX: usize = 1024 * 1024;
/// Longest line.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Append an export's entries to a room.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room import [OPTIONS] [ROOM] [FILE]",
    after_help = "\
Reads what `room export` wrote, or any NDJSON of {\"key\",\"value\"}. Keys and their order are kept, numbers are new. \
Without FILE it is read from standard input.

When an import was cut, run it again: entries that are stored already are not stored twice (the server remembers that \
for a day at least). That needs the export's header; lines without one are imported anew each time.

Examples:
  seabag room import archive build.ndjson
  seabag room export old | seabag room import new"
)]
pub(crate) struct Import {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    /// The file; - or nothing for standard input.
    #[arg(value_name = "FILE")]
    second: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
}

#[derive(Deserialize)]
struct EntryLine {
    key: String,
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct AckLine {
    #[serde(default)]
    repeat: bool,
}

/// Imports.
pub(crate) async fn run(command: Import) -> anyhow::Result<Exit> {
    let (chosen, mut words) = command.room.resolve([command.first, command.second], &[], &["FILE"])?;
    let path = words.optional().filter(|path| path != "-");
    let (input, bytes): (Box<dyn Read>, Option<u64>) = match &path {
        None => (Box::new(io::stdin().lock()), None),
        Some(path) => {
            let file = File::open(Path::new(path)).with_context(|| format!("cannot read {path}"))?;
            let bytes = file.metadata().ok().map(|metadata| metadata.len());
            (Box::new(file), bytes)
        }
    };
    let mut import = Importer {
        http: Http::new()?,
        link: chosen.link,
        client: random_client(),
        whole: None,
        list: Vec::new(),
        list_bytes: 0,
        entries: 0,
        repeats: 0,
        bar: output::progress(bytes, "bytes"),
    };
    import.read(BufReader::with_capacity(256 * 1024, input)).await?;
    import.bar.finish_and_clear();
    let stored = import.entries - import.repeats;
    match import.repeats {
        0 => output::note(&format!("{stored} entries are stored.")),
        repeats => {
            output::note(&format!("{stored} entries are stored, {repeats} were there from an earlier try."))
        }
    }
    Ok(Exit::Done)
}

struct Importer {
    http: Http,
    link: Link,
    /// The outbox's name: the export's own, so that a repeat is recognized.
    client: String,
    /// Whether the input began with a header, and if so whether its end mark was seen.
    whole: Option<bool>,
    /// Encoded pushes that wait to be sent.
    list: Vec<Vec<u8>>,
    list_bytes: usize,
    entries: u64,
    repeats: u64,
    bar: indicatif::ProgressBar,
}

impl Importer {
    async fn read(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        let mut line = String::new();
        for number in 1u64.. {
            line.clear();
            let read = (&mut input)
                .take(LINE_BYTES_MAX)
                .read_line(&mut line)
                .with_context(|| format!("cannot read line {number}"))?;
            if read == 0 {
                break;
            }
            self.bar.inc(read as u64);
            if !line.trim().is_empty() {
                self.take(number, &line)?;
            }
            if self.list.len() >= LIST_PUSHES_MAX || self.list_bytes >= LIST_BYTES_MAX {
                self.send().await?;
            }
        }
        self.send().await?;
        if self.whole == Some(false) {
            bail!("the export was cut: its end mark is missing. What there was of it is stored");
        }
        Ok(())
    }

    fn take(&mut self, number: u64, line: &str) -> anyhow::Result<()> {
        if number == 1
            && let Ok(header) = serde_json::from_str::<Header>(line)
        {
            if header.seabag != FORMAT || header.version != 1 {
                bail!("this is an export of another version");
            }
            // The header's name has the form of a client id, since this program made it.
            self.client = header.export;
            self.whole = Some(false);
            return Ok(());
        }
        if self.whole == Some(false)
            && let Ok(end) = serde_json::from_str::<End>(line)
        {
            if end.entries != self.entries {
                bail!("the export was damaged: it had {} entries, here are {}", end.entries, self.entries);
            }
            self.whole = Some(true);
            return Ok(());
        }
        let entry: EntryLine = serde_json::from_str(line)
            .with_context(|| format!("line {number} is no object with key and value"))?;
        let value = Value::from_json(entry.value.get())
            .map_err(|refusal| anyhow::anyhow!("line {number}: {}", refusal.message))?;
        self.entries += 1;
        let push = Push {
            key: StreamKey::from(entry.key),
            value: Some(value),
            action: Action::Append,
            id: Some(PushId(self.entries)),
        };
        let encoded = ClientMessage::Push(push).encode(Encoding::Json);
        self.list_bytes += encoded.len();
        self.list.push(encoded);
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        if self.list.is_empty() {
            return Ok(());
        }
        let mut body = Vec::with_capacity(self.list_bytes + self.list.len() + 2);
        body.push(b'[');
        body.extend(self.list.join(b",".as_slice()));
        body.push(b']');
        let body = bytes::Bytes::from(body);
        let make = || {
            self.http
                .request(Method::POST, &self.link.http("/send"))
                .header("Seabag-Client", &self.client)
                .header("Content-Type", "application/json")
                .body(body.clone())
        };
        let first = self.entries - self.list.len() as u64 + 1;
        let text = self.http.text_retried(make).await.map_err(|error| self.stopped(first, error))?;
        let acks: Vec<AckLine> = serde_json::from_str(&text).context("the server's answer cannot be read")?;
        self.repeats += acks.iter().filter(|ack| ack.repeat).count() as u64;
        self.list.clear();
        self.list_bytes = 0;
        Ok(())
    }

    fn stopped(&self, first: u64, error: HttpError) -> anyhow::Error {
        let before = first - 1;
        let last = self.entries;
        match error {
            HttpError::Broken(_) => coded(
                Exit::Uncertain,
                format!(
                    "{error}; {before} entries are stored, {first} to {last} may be. Run the import again"
                ),
            ),
            _ => {
                anyhow::anyhow!("entries {first} to {last} are not stored, {before} before them are: {error}")
            }
        }
    }
}
