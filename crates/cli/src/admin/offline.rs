//! `seabag admin restore` and `check`: on the data of a server that does not run.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_store::{Options, StoreError};

use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Restore a backup into an empty directory, offline.
#[derive(Debug, Args)]
#[command(after_help = "\
Clients notice by themselves: a cursor from after the backup belongs to a history that is gone, and gets a reset.

Example:
  seabag admin restore --data /var/lib/seabag /var/backups/seabag-2026-11-22
  zstd -dc seabag.zst | seabag admin restore --data ./restored -")]
pub(crate) struct Restore {
    /// The directory to restore into: empty, or not there yet.
    #[arg(long, value_name = "DIRECTORY", env = "SEABAG_DATA")]
    data: PathBuf,
    /// The backup; - for standard input.
    file: String,
}

/// Read all the data of a stopped server and report what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
It repairs nothing. Exit code 0: nothing was found. 1: something was, or the data cannot be opened; each finding is a \
line of standard output. At most a thousand are listed.

Example:
  seabag admin check --data /var/lib/seabag")]
pub(crate) struct Check {
    /// The directory.
    #[arg(long, value_name = "DIRECTORY", env = "SEABAG_DATA")]
    data: PathBuf,
    /// Open data that lacks commits which were acknowledged.
    #[arg(long)]
    accept_loss: bool,
}

/// Restores a backup.
pub(crate) fn restore(command: Restore) -> anyhow::Result<Exit> {
    let (input, bytes): (Box<dyn Read>, Option<u64>) = if command.file == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(&command.file).with_context(|| format!("cannot read {}", command.file))?;
        let bytes = file.metadata().ok().map(|metadata| metadata.len());
        (Box::new(file), bytes)
    };
    let bar = output::progress(bytes, "bytes");
    let mut input = bar.wrap_read(BufReader::with_capacity(256 * 1024, input));
    let restored = seabag_store::restore(&command.data, &mut input, &mut |_| {});
    bar.finish_and_clear();
    let progress = restored.map_err(explain)?;
    output::note(&format!("{} rows are restored into {}.", progress.rows, command.data.display()));
    Ok(Exit::Done)
}

/// Checks a store.
pub(crate) fn check(command: Check) -> anyhow::Result<Exit> {
    if is_vacant(&command.data) {
        // Opening it would make a new store there, and find it faultless.
        return Err(usage(format!("there is no data in {}", command.data.display())));
    }
    let options = Options { accept_loss: command.accept_loss, ..Options::default() };
    let findings = seabag_store::check(&command.data, &options).map_err(explain)?;
    let mut lines = Lines::stdout();
    for finding in &findings {
        lines.write_raw(format!("{finding}\n").as_bytes())?;
    }
    lines.flush()?;
    match findings.len() {
        0 => {
            output::note("Nothing is wrong.");
            Ok(Exit::Done)
        }
        count => {
            Err(anyhow!("{count} findings: restore the latest backup into another directory and compare"))
        }
    }
}

fn is_vacant(path: &Path) -> bool {
    std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none())
}

fn explain(error: StoreError) -> anyhow::Error {
    let hint = match &error {
        StoreError::InUse(_) => "; stop the server first",
        _ => "",
    };
    anyhow!("{error}{hint}")
}
