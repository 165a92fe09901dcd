//! `seabag room export`: a whole room as NDJSON: a header, the entries in order, and an end mark, so that a
//! cut file is told from a whole one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use seabag_protocol::room::name::Cursor;
use serde::{Deserialize, Serialize};

use super::choice::RoomChoice;
use super::page::{Page, Pages};
use super::push::random_client;
use crate::client::http::Http;
use crate::exit::Exit;
use crate::output::{self, EntryLine, Lines};

/// What the header's first field says.
pub(crate) const FORMAT: &str = "room-export";

/// Write a whole room to a file.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room export [OPTIONS] [ROOM] [FILE]",
    after_help = "\
NDJSON: a header, then one {\"key\",\"value\",\"seq\"} a line in order, then {\"end\":true,\"entries\":N}. The file \
appears only when it is whole. Without FILE it goes to standard output. The room may be written to meanwhile.

Examples:
  seabag room export build build.ndjson
  seabag room export build | gzip > build.ndjson.gz"
)]
pub(crate) struct Export {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    /// The file; - or nothing for standard output.
    #[arg(value_name = "FILE")]
    second: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// [`FORMAT`].
    pub(crate) seabag: String,
    /// 1.
    pub(crate) version: u64,
    /// Names this export, so that importing it twice into one room stores it once.
    pub(crate) export: String,
    /// The room's epoch when the export began.
    pub(crate) epoch: String,
    /// The room's head when the export began.
    pub(crate) seq: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// True.
    pub(crate) end: bool,
    /// How many entries came before.
    pub(crate) entries: u64,
}

/// Exports the room.
pub(crate) async fn run(command: Export) -> anyhow::Result<Exit> {
    let (chosen, mut words) = command.room.resolve([command.first, command.second], &[], &["FILE"])?;
    let pages = Pages::new(Http::new()?, &chosen.link, &Cursor::START);
    match words.optional().filter(|path| path != "-").map(PathBuf::from) {
        None => {
            write(pages, Lines::stdout()).await?;
        }
        Some(path) => to_file(pages, &path).await?,
    }
    Ok(Exit::Done)
}

async fn to_file(pages: Pages, path: &Path) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = || format!("cannot write {}", path.display());
    // Such a file can be read by its owner alone: it holds what the room holds.
    let file = tempfile::NamedTempFile::new_in(directory).with_context(place)?;
    let entries = write(pages, Lines::new(file.reopen().with_context(place)?)).await?;
    file.as_file().sync_all().with_context(place)?;
    file.persist(path).with_context(place)?;
    output::note(&format!("{entries} entries are in {}.", path.display()));
    Ok(())
}

async fn write(mut pages: Pages, mut lines: Lines) -> anyhow::Result<u64> {
    let mut entries = 0;
    let mut bar = None;
    while let Some(page) = pages.next().await? {
        let bar = match &bar {
            Some(bar) => bar,
            None => {
                lines.write(&header(&page))?;
                bar.insert(output::progress(Some(page.seq), "numbers"))
            }
        };
        if let Some(reason) = &page.reset {
            // What was written belongs to a history that is gone.
            anyhow::bail!("the room's history changed during the export ({reason}); export it again");
        }
        for entry in &page.data {
            lines.write(&EntryLine { key: &entry.key, value: &entry.value, seq: entry.seq })?;
            bar.set_position(entry.seq);
        }
        entries += page.data.len() as u64;
    }
    lines.write(&End { end: true, entries })?;
    lines.flush()?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(entries)
}

fn header(page: &Page) -> Header {
    Header {
        seabag: FORMAT.to_owned(),
        version: 1,
        export: random_client(),
        epoch: page.epoch.clone(),
        seq: page.seq,
    }
}
