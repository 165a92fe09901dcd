//! `seabag ent export` and `import`: everything in one file, sealed with the seed.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use parking_lot::Mutex;
use seabag_client::archive::{self, Imported};
use seabag_client::chance::SystemRandomness;
use seabag_client::error::ClientError;
use seabag_crypto::archive::{ArchiveError, ArchiveKey};
use seabag_protocol::host::status::Status;
use serde::Serialize;

use super::local::Choice;
use super::sync;
use super::table::plain;
use crate::exit::{Exit, usage};
use crate::output;

/// Write everything into one sealed file.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds every message that is here: what entities are, that others were deleted, and what types keep of their \
past. It is sealed with the seed, for its owner alone, and appears only when it is whole. It is the export file (.dpl) \
of DIPLOMATIC.

Example:
  seabag ent export entities-2026-11-22.dpl")]
pub(crate) struct Export {
    /// The file.
    file: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// Take in what an export holds.
#[derive(Debug, Args)]
#[command(after_help = "\
What is newer here stays as it is, and what is new waits for every linked host. Messages that cannot be read are \
counted and left out, and the rest is taken; then the exit code is 1.

A file that another program signed with a label and index of its own is refused until they are named.

Example:
  seabag ent import entities-2026-11-22.dpl")]
pub(crate) struct Import {
    /// The file.
    file: PathBuf,
    /// The label of the keypair that signed the file.
    #[arg(long, default_value = "export")]
    label: String,
    /// The index of that keypair.
    #[arg(long, value_name = "N", default_value_t = 0)]
    index: u64,
    #[command(flatten)]
    sync: sync::After,
}

#[derive(Serialize)]
struct ExportedLine {
    messages: u64,
    left_out: u64,
}

#[derive(Serialize)]
struct ImportedLine<'a> {
    new: u64,
    kept: u64,
    known: u64,
    refused: u64,
    whole: bool,
    problems: &'a [String],
}

/// Writes the file.
pub(crate) fn export(command: Export, choice: &Choice) -> anyhow::Result<Exit> {
    let (database, seed) = choice.open_with_seed()?;
    let path = &command.file;
    if !command.force && path.symlink_metadata().is_ok() {
        return Err(usage(format!("there is a file {} already: --force replaces it", path.display())));
    }
    let bar = output::progress(None, "messages");
    let exported = archive::export_to_file(
        &Mutex::new(database),
        Arc::new(seed),
        path,
        &mut SystemRandomness,
        |count| {
            bar.set_position(count);
        },
    );
    bar.finish_and_clear();
    let exported = exported.with_context(|| format!("cannot write {}", path.display()))?;
    if choice.json {
        output::print(&ExportedLine { messages: exported.messages, left_out: exported.left_out })?;
    } else {
        output::note(&format!("{} messages are in {}.", exported.messages, path.display()));
    }
    if exported.left_out > 0 {
        return Err(anyhow!("{} messages are damaged here and could not be written", exported.left_out));
    }
    Ok(Exit::Done)
}

/// Reads the file.
pub(crate) async fn import(command: Import, choice: &Choice) -> anyhow::Result<Exit> {
    let (database, seed) = choice.open_with_seed()?;
    let path = &command.file;
    let key =
        ArchiveKey::new(&command.label, command.index).map_err(|_| usage("a label has 1 to 256 bytes"))?;
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bar = output::progress(None, "bytes of the index");
    let input = BufReader::with_capacity(256 * 1024, file);
    let imported =
        archive::import(&Mutex::new(database), Arc::new(seed), &key, input, |done, _| bar.set_position(done));
    bar.finish_and_clear();
    let imported = imported.map_err(|error| explain(path, error))?;
    let outcome = tell(path, &imported, choice.json);
    command.sync.run(choice).await?;
    outcome
}

fn tell(path: &Path, imported: &Imported, json: bool) -> anyhow::Result<Exit> {
    let Imported { applied, kept, known, refused, problems, broke_off } = imported;
    if json {
        output::print(&ImportedLine {
            new: *applied,
            kept: *kept,
            known: *known,
            refused: *refused,
            whole: broke_off.is_none(),
            problems,
        })?;
    } else {
        let all = applied + kept + known + refused;
        let past = if *kept > 0 { format!(", {kept} are kept of the past") } else { String::new() };
        output::note(&format!("Of {all} messages {applied} are new{past}; the others bring nothing."));
    }
    for problem in problems {
        output::warning(&plain(problem));
    }
    let path = path.display();
    match broke_off {
        Some(error) => {
            Err(anyhow!("{path} could not be read to its end: {error}; what came before is taken"))
        }
        None if *refused > 0 => {
            let all = applied + kept + known + refused;
            Err(anyhow!("{refused} of {all} messages in {path} could not be read; the rest is taken"))
        }
        None => Ok(Exit::Done),
    }
}

fn explain(path: &Path, error: ClientError) -> anyhow::Error {
    let path = path.display();
    match error {
        ClientError::Archive(ArchiveError::Refused(Status::InvalidSignature)) => {
            anyhow!(
                "{path} was sealed with another seed, or changed: `seabag keys show` tells which seed this is"
            )
        }
        ClientError::Archive(ArchiveError::Refused(status)) => {
            anyhow!("{path} is no whole export file: {status}")
        }
        ClientError::Archive(ArchiveError::OtherKey { label, index }) => usage(format!(
            "{path} is no export file, or was made under the label {label:?} and index {index}: if that is right, --label and --index say so"
        )),
        error => anyhow::Error::new(error).context(format!("cannot import {path}")),
    }
}
