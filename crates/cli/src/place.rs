//! Where this user's files are: names of rooms and the seed among the configuration, entities among the data. All
//! of them belong to their owner alone.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

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

/// Puts a file in the place of another, for its owner alone: after a crash it is the old or the new one.
pub(crate) fn replace_private_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> anyhow::Result<()> {
        // Such files belong to their owner alone from the first moment.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Makes a directory if need be and takes a lock in it, until the file is dropped: two commands at once must not lose
/// what the other one wrote.
pub(crate) fn lock(directory: &Path, name: &str) -> anyhow::Result<File> {
    create_private_directory(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(name);
    let open = || -> std::io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().with_context(|| format!("cannot lock {}", path.display()))
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
