//! Export and import: all messages to a sealed file and back, batch by batch, so that neither takes more memory than a
//! batch. What is wrong with one message of a file stops no other, and is counted and told.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use seabag_crypto::Seed;
use seabag_crypto::archive::{ArchiveError, ArchiveKey, ArchiveReader, ArchiveWriter, ItemError};
use seabag_entdb::{Database, Message, Outcome};

use crate::chance::{Randomness, nonces};
use crate::error::ClientError;

/// The most messages of one batch.
const BATCH_ITEMS_MAX: usize = 1_000;
/// The most bytes of bodies of one batch, unless one is larger by itself.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most problems that are told one by one; all are counted.
const PROBLEMS_MAX: usize = 100;

/// What an export did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Messages in the file.
    pub messages: u64,
    /// Messages that could not be sealed and are not in it: damaged here.
    pub left_out: u64,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// Messages that are the state of their entities now.
    pub applied: u64,
    /// Messages that are kept besides: of the past, or set aside.
    pub kept: u64,
    /// Messages that were here, or older than what is here.
    pub known: u64,
    /// Messages that could not be opened, or are none.
    pub refused: u64,
    /// What was wrong, of the first hundred.
    pub problems: Vec<String>,
    /// Why the file could not be read to its end; what came before is in the database.
    pub broke_off: Option<ItemError>,
}

/// Writes all messages into a file. `index_place` and `bodies_place` are empty and hold sealed bytes meanwhile.
/// `progress` hears how many messages were written so far.
pub fn export<S: Read + Write + Seek>(
    database: &Mutex<Database>,
    seed: Arc<Seed>,
    (index_place, bodies_place): (S, S),
    out: impl Write,
    chance: &mut dyn Randomness,
    mut progress: impl FnMut(u64),
) -> Result<Exported, ClientError> {
    let mut writer = ArchiveWriter::new(seed, ArchiveKey::default(), index_place, bodies_place);
    let (mut exported, mut after) = (Exported::default(), None);
    loop {
        let page = database.lock().messages(after.as_ref(), BATCH_ITEMS_MAX)?;
        for Message { head, body } in &page.messages {
            match writer.push(head, body.as_deref(), &nonces(chance)) {
                Ok(()) => exported.messages += 1,
                Err(ArchiveError::Refused(_)) => exported.left_out += 1,
                Err(error) => return Err(error.into()),
            }
        }
        progress(exported.messages);
        after = page.next;
        if after.is_none() {
            writer.finish(out)?;
            return Ok(exported);
        }
    }
}

/// Writes all messages into a file of this name, for its owner alone. A file that is there is replaced once the new one
/// is on the disk as a whole.
pub fn export_to_file(
    database: &Mutex<Database>,
    seed: Arc<Seed>,
    path: &Path,
    chance: &mut dyn Randomness,
    progress: impl FnMut(u64),
) -> Result<Exported, ClientError> {
    let (index, bodies) = (Beside::new(path, "index", chance)?, Beside::new(path, "bodies", chance)?);
    let whole = Beside::new(path, "part", chance)?;
    let places = (index.file.try_clone()?, bodies.file.try_clone()?);
    let out = BufWriter::new(whole.file.try_clone()?);
    let exported = export(database, seed, places, out, chance, progress)?;
    whole.file.sync_all()?;
    fs::rename(&whole.path, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(exported)
}

/// A file beside another one, gone when this is dropped.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    fn new(path: &Path, role: &str, chance: &mut dyn Randomness) -> Result<Self, ClientError> {
        let mut random = [0; 8];
        chance.fill(&mut random);
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.{role}", data_encoding::HEXLOWER.encode(&random)));
        let path = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It was renamed, or is of no use any more; nobody can do anything about a failure.
        let _ = fs::remove_file(&self.path);
    }
}

/// Merges a file's messages. What is new waits for every link. `progress` hears how far it is, in bytes of the file's
/// index: those dealt with, and all.
///
/// An error means that nothing was imported, or that the database failed in between; a file that is wrong from some
/// place on is told of in [`Imported::broke_off`].
pub fn import<R: Read + Seek>(
    database: &Mutex<Database>,
    seed: Arc<Seed>,
    key: &ArchiveKey,
    input: R,
    mut progress: impl FnMut(u64, u64),
) -> Result<Imported, ClientError> {
    let mut reader = ArchiveReader::open(input, seed, key)?;
    let (mut imported, mut batch, mut bytes) = (Imported::default(), Vec::new(), 0);
    while let Some(item) = reader.next() {
        match item {
            Ok((head, body)) => {
                bytes += body.as_ref().map_or(0, |body| body.len());
                batch.push(Message { head, body });
            }
            Err(ItemError::Item { item, status }) => imported.refuse(format!("message {item}: {status}")),
            Err(warning @ ItemError::Count { .. }) => imported.tell(warning.to_string()),
            Err(error) => imported.broke_off = Some(error),
        }
        if batch.len() >= BATCH_ITEMS_MAX || bytes >= BATCH_BYTES_MAX {
            imported.merge(database, &mut batch)?;
            bytes = 0;
            let (done, all) = reader.progress();
            progress(done, all);
        }
    }
    imported.merge(database, &mut batch)?;
    let (done, all) = reader.progress();
    progress(done, all);
    Ok(imported)
}

impl Imported {
    fn merge(&mut self, database: &Mutex<Database>, batch: &mut Vec<Message>) -> Result<(), ClientError> {
        if batch.is_empty() {
            return Ok(());
        }
        for outcome in database.lock().merge(batch)? {
            match outcome {
                Outcome::Applied => self.applied += 1,
                Outcome::Kept | Outcome::SetAside => self.kept += 1,
                Outcome::Known | Outcome::Superseded => self.known += 1,
                Outcome::Refused(status) => self.refuse(status.to_string()),
            }
        }
        batch.clear();
        Ok(())
    }

    fn refuse(&mut self, problem: String) {
        self.refused += 1;
        self.tell(problem);
    }

    fn tell(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use seabag_entdb::{Draft, Skew};

    use super::*;
    use crate::chance::tests::Steps;

    fn seed() -> Arc<Seed> {
        Arc::new(Seed::from_bytes(&[9; 32]))
    }

    fn database(notes: u64) -> Mutex<Database> {
        let mut database = Database::in_memory();
        for at in 0..notes {
            let head = database
                .put_new(at.to_be_bytes(), 1_000 + at, Draft::new("note", b"\xa1x".to_vec()))
                .unwrap();
            if at % 10 == 0 {
                database.delete(&head.eid, 5_000, Skew::Force).unwrap();
            }
        }
        Mutex::new(database)
    }

    fn file(database: &Mutex<Database>) -> Vec<u8> {
        let mut out = Vec::new();
        let places = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
        export(database, seed(), places, &mut out, &mut Steps(1), |_| ()).unwrap();
        out
    }

    fn read(into: &Mutex<Database>, file: &[u8]) -> Result<Imported, ClientError> {
        import(into, seed(), &ArchiveKey::default(), Cursor::new(file), |_, _| ())
    }

    fn all(database: &Mutex<Database>) -> Vec<Message> {
        database.lock().messages(None, 10_000).unwrap().messages
    }

    #[test]
    fn what_is_exported_comes_back_ends_included_and_again_changes_nothing() {
        let (from, into) = (database(2_345), Mutex::new(Database::in_memory()));
        let file = file(&from);
        let imported = read(&into, &file).unwrap();
        assert_eq!((imported.applied, imported.refused), (2_345, 0));
        assert!(all(&from) == all(&into) && imported.broke_off.is_none());
        assert_eq!(read(&into, &file).unwrap().known, 2_345);
    }

    #[test]
    fn one_damaged_message_stops_no_other() {
        let (from, into) = (database(50), Mutex::new(Database::in_memory()));
        let mut file = file(&from);
        *file.last_mut().unwrap() ^= 1;
        let imported = read(&into, &file).unwrap();
        assert_eq!((imported.applied, imported.refused, imported.problems.len()), (49, 1, 1));
    }

    #[test]
    fn a_file_that_is_cut_or_of_another_seed_is_refused() {
        let (from, into) = (database(50), Mutex::new(Database::in_memory()));
        let file = file(&from);
        for length in 0..200 {
            assert!(read(&into, &file[..length]).is_err());
        }
        let other = Arc::new(Seed::from_bytes(&[10; 32]));
        assert!(import(&into, other, &ArchiveKey::default(), Cursor::new(&file), |_, _| ()).is_err());
        assert!(all(&into).is_empty());
    }

    #[test]
    fn a_file_appears_under_its_name_as_a_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.dpl");
        let from = database(25);
        let mut seen = Vec::new();
        let exported = export_to_file(&from, seed(), &path, &mut Steps(3), |count| seen.push(count)).unwrap();
        assert_eq!((exported.messages, seen), (25, vec![25]));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["notes.dpl"]);
        let into = Mutex::new(Database::in_memory());
        assert_eq!(read(&into, &fs::read(&path).unwrap()).unwrap().applied, 25);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
