//! `seabag ent export` and `import`: everything in one file, sealed with the seed.

use std::path::PathBuf;

use clap::Args;

/// Write everything into one sealed file.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds every message that is here: what entities are, that others were deleted, and what types keep of their \
past. It is sealed with the seed, and appears only when it is whole. It is the export file (.dpl) of DIPLOMATIC.

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
What is newer here stays as it is, and what is new waits for every linked host. Items that cannot be read are counted \
and left out, and the rest is taken; then the exit code is 1.

Example:
  seabag ent import entities-2026-11-22.dpl")]
pub(crate) struct Import {
    /// The file.
    file: PathBuf,
}
