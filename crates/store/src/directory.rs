//! The store's directory: its format file, its lock, and what may lie beside them. Refuses directories that
//! are in use, of another format, or not a store's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::layout::{FIRST_VERSION, FORMAT_VERSION};

const FORMAT: &str = "format";
const LOCK: &str = "lock";
const WATERMARK: &str = "watermark";
const ENGINE: &str = "engine";
/// The first words of the format file; the version and, while the store is unfinished, a word on why follow.
const TITLE: &str = "seabag store";
const CREATING: &str = "creating";
const RESTORING: &str = "restoring";

/// What is in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing, or a store whose making was interrupted before anything could be stored in it.
    Nothing,
    /// A store of this format version, which this program reads.
    Store(u32),
}

/// A directory that this process has locked, until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

/// Makes the directory, if need be, so that only its owner may look into it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Directory {
    /// Locks a directory, making it if need be, and looks at what is in it.
    pub(crate) fn lock(path: &Path) -> Result<(Self, Contents), StoreError> {
        create_private(path).map_err(|error| failed(path, &error))?;
        refuse_foreign(path)?;
        let lock = lock_file(path)?;
        let directory = Self { path: path.to_owned(), _lock: lock };
        let contents = directory.contents()?;
        Ok((directory, contents))
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        let path = self.path.join(FORMAT);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::Nothing),
            read => read.map_err(|error| failed(&path, &error))?,
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let unknown = |what: String| StoreError::UnknownFormat(format!("{}: {what}", path.display()));
        let words = text.strip_prefix(TITLE).filter(|rest| rest.ends_with('\n'));
        let words: Vec<&str> = words.map(|rest| rest.split_whitespace().collect()).unwrap_or_default();
        let (version, state) = match words.as_slice() {
            [version] => (*version, None),
            [version, state] => (*version, Some(*state)),
            _ => return Err(unknown("this is not a store's format file".into())),
        };
        let read = version.parse().ok().filter(|read| (FIRST_VERSION..=FORMAT_VERSION).contains(read));
        let Some(read) = read else {
            return Err(unknown(format!(
                "the store has version {version}, this program reads versions {FIRST_VERSION} to \
                 {FORMAT_VERSION}"
            )));
        };
        match state {
            None => Ok(Contents::Store(read)),
            Some(CREATING) => Ok(Contents::Nothing),
            Some(RESTORING) => Err(unknown("a restore into this directory did not finish".into())),
            Some(other) => Err(unknown(format!("the store is marked as {other:?}"))),
        }
    }

    /// Where the engine's files are.
    pub(crate) fn engine(&self) -> PathBuf {
        self.path.join(ENGINE)
    }

    /// Where the watermark is.
    pub(crate) fn watermark(&self) -> PathBuf {
        self.path.join(WATERMARK)
    }

    /// Begins to make a store. What an interrupted beginning left is removed: nothing was stored in it.
    pub(crate) fn begin(&self, restoring: bool) -> Result<(), StoreError> {
        let state = if restoring { RESTORING } else { CREATING };
        self.write_format(&format!("{TITLE} {FORMAT_VERSION} {state}\n"))?;
        remove(&self.engine(), |path| fs::remove_dir_all(path))?;
        remove(&self.watermark(), |path| fs::remove_file(path))
    }

    /// Marks the store as whole, and of this program's version.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        self.write_format(&format!("{TITLE} {FORMAT_VERSION}\n"))
    }

    /// Removes everything that [`Directory::begin`] and what followed made.
    pub(crate) fn abandon(&self) -> Result<(), StoreError> {
        remove(&self.engine(), |path| fs::remove_dir_all(path))?;
        remove(&self.watermark(), |path| fs::remove_file(path))?;
        remove(&self.path.join(FORMAT), |path| fs::remove_file(path))?;
        self.sync()
    }

    fn write_format(&self, text: &str) -> Result<(), StoreError> {
        let (path, draft) = (self.path.join(FORMAT), self.path.join("format.new"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| failed(&path, &error))?;
        self.sync()
    }

    /// Makes the directory's entries durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        if cfg!(unix) {
            let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
            synced.map_err(|error| failed(&self.path, &error))?;
        }
        Ok(())
    }
}

/// What a directory may hold and still count as empty: our own lock, and what file systems put at their roots.
fn is_incidental(name: &std::ffi::OsStr) -> bool {
    name == LOCK || name == "lost+found"
}

/// Whether nothing is in the directory, or there is none: where a restore may go.
pub(crate) fn is_vacant(path: &Path) -> Result<bool, StoreError> {
    let listed = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        listed => listed.map_err(|error| failed(path, &error))?,
    };
    for entry in listed {
        if !is_incidental(&entry.map_err(|error| failed(path, &error))?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A directory with a format file is a store's. One without may hold only what an interrupted beginning left.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    if path.join(FORMAT).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(|error| failed(path, &error))? {
        let name = entry.map_err(|error| failed(path, &error))?.file_name();
        if !is_incidental(&name) && name != "format.new" {
            let (path, name) = (path.display(), name.display());
            return Err(StoreError::UnknownFormat(format!(
                "{path} holds {name} and is not a store's directory"
            )));
        }
    }
    Ok(())
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(LOCK));
    let file = opened.map_err(|error| failed(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(failed(path, &error)),
    }
}

fn remove(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), StoreError> {
    match how(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> StoreError {
        Directory::lock(path).unwrap_err()
    }

    #[test]
    fn a_directory_with_foreign_files_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("holiday.jpg"), "sun").unwrap();
        assert!(refusal(directory.path()).to_string().contains("holiday.jpg"));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("seabag store 3\n", "version 3"),
            ("seabag store 0\n", "version 0"),
            ("seabag store 1", "not a store"),
            ("", "not a"),
        ] {
            fs::write(directory.path().join(FORMAT), text).unwrap();
            let refusal = refusal(directory.path());
            assert!(matches!(refusal, StoreError::UnknownFormat(_)));
            assert!(refusal.to_string().contains(expected), "{refusal}");
        }
    }

    #[test]
    fn a_directory_in_use_is_refused_and_free_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let (held, contents) = Directory::lock(directory.path()).unwrap();
        assert_eq!(contents, Contents::Nothing);
        assert!(matches!(refusal(directory.path()), StoreError::InUse(_)));
        drop(held);
        Directory::lock(directory.path()).unwrap();
    }

    #[test]
    fn an_interrupted_beginning_counts_as_nothing_and_an_interrupted_restore_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (held, _) = Directory::lock(directory.path()).unwrap();
        held.begin(false).unwrap();
        assert_eq!(held.contents().unwrap(), Contents::Nothing);
        held.finish().unwrap();
        assert_eq!(held.contents().unwrap(), Contents::Store(FORMAT_VERSION));
        fs::write(directory.path().join(FORMAT), "seabag store 1\n").unwrap();
        assert_eq!(held.contents().unwrap(), Contents::Store(1));
        held.begin(true).unwrap();
        assert!(held.contents().unwrap_err().to_string().contains("did not finish"));
    }
}
