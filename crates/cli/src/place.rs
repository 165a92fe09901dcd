//! Where this user's files are: names of rooms and the seed among the configuration, entities among the data. All
//! of them belong to their owner alone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::usage;

/// Where what the user decided is kept: `SEABAG_HOME`, or `seabag` in `XDG_CONFIG_HOME` or `~/.config`.
pub(crate) fn configuration() -> anyhow::Result<PathBuf> {
    directory("XDG_CONFIG_HOME", ".config")
}

/// Where what the user wrote is kept: `SEABAG_HOME`, or `seabag` in `XDG_DATA_HOME` or `~/.local/share`.
pub(crate) fn data() -> anyhow::Result<PathBuf> {
    directory("XDG_DATA_HOME", ".local/share")
}

fn directory(name: &str, below_home: &str) -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("SEABAG_HOME")
        .or_else(|| variable(name).map(|place| place.join("seabag")))
        .or_else(|| variable("HOME").map(|home| home.join(below_home).join("seabag")))
        .ok_or_else(|| usage("there is no place for this user's files: set SEABAG_HOME or HOME"))
}

/// Makes a directory, and those above it, that only its owner can enter. One that is there stays as it is.
#[cfg(unix)]
pub(crate) fn create_private_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory, and those above it. One that is there stays as it is.
#[cfg(not(unix))]
pub(crate) fn create_private_directory(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}

/// Whether others than the owner may read or write a file, by its mode.
#[cfg(unix)]
pub(crate) fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

/// Whether others than the owner may read or write a file: unknown here.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}
