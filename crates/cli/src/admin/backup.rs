//! `seabag admin backup`: a consistent copy of everything, from a server that goes on meanwhile.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use clap::Args;
use reqwest::{Method, Response};

use super::address::AdminAddress;
use crate::client::http::{HttpError, describe};
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Write a backup of one moment while the server goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
FILE appears only when the backup is whole and on disk, and replaces one of the same name. It holds what the server \
holds: keep it as private. `seabag admin restore` reads it.

Examples:
  seabag admin backup /var/backups/seabag-$(date +%F)
  seabag admin backup - | zstd > seabag.zst")]
pub(crate) struct Backup {
    /// Where to write it; - for standard output.
    file: String,
    #[command(flatten)]
    address: AdminAddress,
}

/// Asks for a backup and writes it.
pub(crate) async fn run(command: Backup) -> anyhow::Result<Exit> {
    let to_stdout = command.file == "-";
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(usage("a backup is no text: send it to a file or a pipe"));
    }
    let keeper = command.address.open()?;
    let response = keeper.http.send(keeper.request(Method::GET, "/backup")).await?;
    if to_stdout {
        let mut lines = Lines::stdout();
        copy(response, |chunk| lines.write_raw(chunk)).await?;
        lines.flush()?;
    } else {
        to_file(response, Path::new(&command.file)).await?;
    }
    Ok(Exit::Done)
}

async fn to_file(response: Response, path: &Path) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = || format!("cannot write {}", path.display());
    // Readable by its owner alone from the first byte.
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(place)?;
    let bytes = copy(response, |chunk| file.write_all(chunk).with_context(place)).await?;
    file.as_file().sync_all().with_context(place)?;
    file.persist(path).with_context(place)?;
    sync_directory(directory).with_context(place)?;
    output::note(&format!("The backup is in {} ({bytes} bytes).", path.display()));
    Ok(())
}

/// Without this a loss of power could undo the renaming.
#[cfg(unix)]
fn sync_directory(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

async fn copy(
    mut response: Response,
    mut write: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let bar = output::progress(response.content_length(), "bytes");
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::Broken(describe(error)))? {
        write(&chunk)?;
        bytes += chunk.len() as u64;
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    Ok(bytes)
}
