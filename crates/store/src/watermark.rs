//! The watermark: a small file outside the engine that holds the newest durable commit number. A plain write
//! after every transaction survives the end of the process; a sync at most once a second bounds what a power
//! cut takes. Two slots take turns, each with a checksum, so that a torn write leaves the other one.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::StoreError;

/// Bytes of one slot: the magic, the commit number, the checksum.
const SLOT_BYTES: usize = 32;
/// Where the second slot begins: in another sector, so that one torn sector cannot take both.
const SLOT_DISTANCE: u64 = 512;
const MAGIC: &[u8; 8] = b"SBAGWTM1";
/// How often the file is synced at most.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// The open file.
pub(crate) struct Watermark {
    file: File,
    next_slot: u64,
    unsynced: bool,
    last_sync: Instant,
}

impl Watermark {
    /// Makes the file, or overwrites both of its slots, with this number; synced.
    pub(crate) fn reset(path: &Path, commit: u64) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = opened.map_err(|error| failed(&error))?;
        let mut watermark = Self { file, next_slot: 0, unsynced: false, last_sync: Instant::now() };
        watermark.write(commit)?;
        watermark.write(commit)?;
        watermark.sync()?;
        Ok(watermark)
    }

    /// Opens the file and reads the newest number: `None` when there is no whole slot in it, or no file.
    pub(crate) fn open(path: &Path) -> Result<Option<(Self, u64)>, StoreError> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| failed(&error))?,
        };
        let mut bytes = Vec::new();
        let read = (&mut file).take(2 * SLOT_DISTANCE).read_to_end(&mut bytes);
        read.map_err(|error| failed(&error))?;
        let second = usize::try_from(SLOT_DISTANCE).ok().and_then(|at| bytes.get(at..));
        let slots = [read_slot(&bytes), second.and_then(read_slot)];
        let newest = match slots {
            [Some(first), Some(second)] if first > second => Some((first, 1)),
            [_, Some(second)] => Some((second, 0)),
            [Some(first), None] => Some((first, 1)),
            [None, None] => None,
        };
        Ok(newest.map(|(commit, next_slot)| {
            (Self { file, next_slot, unsynced: false, last_sync: Instant::now() }, commit)
        }))
    }

    /// Notes that everything up to this commit is durable.
    pub(crate) fn advance(&mut self, commit: u64) -> Result<(), StoreError> {
        self.write(commit)?;
        if self.last_sync.elapsed() >= SYNC_INTERVAL { self.sync() } else { Ok(()) }
    }

    /// Syncs the file if anything was written.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced {
            self.file.sync_data().map_err(|error| failed(&error))?;
            self.unsynced = false;
        }
        self.last_sync = Instant::now();
        Ok(())
    }

    fn write(&mut self, commit: u64) -> Result<(), StoreError> {
        let slot = slot(commit);
        let written = self.file.seek(SeekFrom::Start(self.next_slot * SLOT_DISTANCE));
        written.and_then(|_| self.file.write_all(&slot)).map_err(|error| failed(&error))?;
        self.next_slot = 1 - self.next_slot;
        self.unsynced = true;
        Ok(())
    }
}

fn slot(commit: u64) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let fields = MAGIC.iter().copied().chain(commit.to_be_bytes());
    slot.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    let sum = blake3::hash(slot.get(..16).unwrap_or_default());
    slot.iter_mut().skip(16).zip(sum.as_bytes()).for_each(|(to, from)| *to = *from);
    slot
}

fn read_slot(bytes: &[u8]) -> Option<u64> {
    let commit = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
    (bytes.get(..SLOT_BYTES)? == slot(commit)).then_some(commit)
}

fn failed(error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("watermark: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<u64> {
        Watermark::open(path).unwrap().map(|(_, commit)| commit)
    }

    #[test]
    fn the_newest_number_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watermark");
        assert_eq!(read(&path), None);
        let mut watermark = Watermark::reset(&path, 7).unwrap();
        assert_eq!(read(&path), Some(7));
        for commit in 8..12 {
            watermark.advance(commit).unwrap();
            assert_eq!(read(&path), Some(commit));
        }
        let (mut watermark, _) = Watermark::open(&path).unwrap().unwrap();
        watermark.advance(12).unwrap();
        assert_eq!(read(&path), Some(12));
        Watermark::reset(&path, 3).unwrap();
        assert_eq!(read(&path), Some(3), "a reset leaves no older, greater number behind");
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("watermark");
        let mut watermark = Watermark::reset(&path, 7).unwrap();
        watermark.advance(8).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..SLOT_BYTES {
            let mut torn = whole.clone();
            torn[at] ^= 0x10;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(read(&path), Some(7), "byte {at}");
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path), if length < SLOT_BYTES { None } else { Some(8) }, "length {length}");
        }
    }
}
