//! Backups: one stream of all rows of one state, framed, with a checksum over the whole. A restore goes into an
//! empty directory, and one that is refused leaves nothing that opens as a store.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use bytes::Bytes;

use crate::directory::{Contents, Directory, is_vacant};
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::{Batch, Engine, Rows};
use crate::layout::Keyspace;
use crate::options::Options;
use crate::watermark::Watermark;
use crate::{LocalStore, StoreError, opening};

const MAGIC: &[u8; 8] = b"SEABAGBK";
/// The version of the stream's framing. What is in the rows has its own version among them.
const VERSION: u32 = 1;
/// Stands where a keyspace's id would: the end follows.
const END: u8 = 0;
/// Bytes written to the engine at once while restoring.
const RESTORE_BATCH_BYTES: usize = 4 << 20;
/// How many rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

/// How far a backup or a restore has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows so far.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl LocalStore {
    /// Writes a backup of the newest durable state while the store goes on. Blocks on the disk and on `out`;
    /// calls `progress` every few thousand rows and at the end.
    pub fn backup(
        &self,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Progress, StoreError> {
        write_backup(&*self.rows()?, out, progress)
    }
}

fn failed(error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("backup: {error}"))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("the backup {what}"))
}

/// Writes and hashes.
struct HashedWriter<'a> {
    out: BufWriter<&'a mut dyn Write>,
    hasher: blake3::Hasher,
}

impl HashedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.out.write_all(bytes).map_err(|error| failed(&error))
    }
}

fn length(bytes: &[u8]) -> Result<[u8; 4], StoreError> {
    let length = u32::try_from(bytes.len()).map_err(|_| damaged("cannot hold a row of 4 GiB"))?;
    Ok(length.to_be_bytes())
}

fn write_backup(
    rows: &dyn Rows,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Progress, StoreError> {
    let mut writer = HashedWriter { out: BufWriter::new(out), hasher: blake3::Hasher::new() };
    writer.write(MAGIC)?;
    writer.write(&VERSION.to_be_bytes())?;
    writer.write(&opening::newest_commit(rows)?.to_be_bytes())?;
    let mut done = Progress::default();
    for keyspace in Keyspace::ALL {
        for row in rows.scan(keyspace, &[], None) {
            let (key, value) = row?;
            writer.write(&[keyspace.id()])?;
            writer.write(&length(&key)?)?;
            writer.write(&length(&value)?)?;
            writer.write(&key)?;
            writer.write(&value)?;
            done.rows += 1;
            done.bytes += (key.len() + value.len()) as u64;
            if done.rows % PROGRESS_ROWS == 0 {
                progress(done);
            }
        }
    }
    writer.write(&[END])?;
    writer.write(&done.rows.to_be_bytes())?;
    let sum = writer.hasher.finalize();
    writer.out.write_all(sum.as_bytes()).and_then(|()| writer.out.flush()).map_err(|error| failed(&error))?;
    progress(done);
    Ok(done)
}

/// Reads and hashes.
struct HashedReader<'a> {
    input: BufReader<&'a mut dyn Read>,
    hasher: blake3::Hasher,
}

impl HashedReader<'_> {
    /// Reads exactly so many bytes. Memory grows with what is there, not with what a length claims.
    fn bytes(&mut self, length: u32) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(u64::from(length)).read_to_end(&mut bytes);
        if read.map_err(|error| failed(&error))? < length as usize {
            return Err(damaged("is truncated"));
        }
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let length = u32::try_from(N).unwrap_or(u32::MAX);
        self.bytes(length)?.try_into().map_err(|_| damaged("is truncated"))
    }

    fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, StoreError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

/// Restores a backup into a directory that is empty or does not exist. Blocks. Refuses a directory that is not
/// empty, and a backup that is truncated, changed, or of another version; then nothing is left that opens as a
/// store.
pub fn restore(
    path: &Path,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<Progress, StoreError> {
    if !is_vacant(path)? {
        return Err(StoreError::Io(format!(
            "{} is not empty; a restore needs an empty directory",
            path.display()
        )));
    }
    let (directory, contents) = Directory::lock(path)?;
    if contents != Contents::Nothing {
        return Err(StoreError::Io(format!("{} became a store in the meantime", path.display())));
    }
    directory.begin(true)?;
    let restored = restore_into(&directory, input, progress);
    match &restored {
        Ok(_) => directory.finish()?,
        Err(_) => directory.abandon()?,
    }
    restored
}

fn restore_into(
    directory: &Directory,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<Progress, StoreError> {
    let mut reader = HashedReader { input: BufReader::new(input), hasher: blake3::Hasher::new() };
    if reader.array()? != *MAGIC {
        return Err(StoreError::UnknownFormat("this is not a backup".into()));
    }
    let version = reader.u32()?;
    if version != VERSION {
        let text = format!("the backup has version {version}, this program reads version {VERSION}");
        return Err(StoreError::UnknownFormat(text));
    }
    let commit = reader.u64()?;
    let engine = EmbeddedEngine::open(&directory.engine(), &Options::default(), None, Box::new(()))?;
    let done = restore_rows(&mut reader, &engine, progress)?;
    if opening::newest_commit(&engine)? != commit {
        return Err(damaged("names another commit than its rows"));
    }
    opening::upgrade(&engine)?;
    Watermark::reset(&directory.watermark(), commit)?;
    Ok(done)
}

fn restore_rows(
    reader: &mut HashedReader<'_>,
    engine: &dyn Engine,
    progress: &mut dyn FnMut(Progress),
) -> Result<Progress, StoreError> {
    let (mut batch, mut done) = (Batch::default(), Progress::default());
    loop {
        let [id] = reader.array()?;
        if id == END {
            break;
        }
        let unknown = || StoreError::UnknownFormat(format!("the backup holds an unknown keyspace, {id}"));
        let keyspace = Keyspace::from_id(id).ok_or_else(unknown)?;
        let (key_length, value_length) = (reader.u32()?, reader.u32()?);
        let (key, value) = (reader.bytes(key_length)?, reader.bytes(value_length)?);
        done.rows += 1;
        done.bytes += (key.len() + value.len()) as u64;
        if key.is_empty() || key.len() > usize::from(u16::MAX) {
            return Err(damaged("holds a key of an impossible length"));
        }
        batch.put(keyspace, key, Bytes::from(value));
        if batch.bytes() >= RESTORE_BATCH_BYTES {
            engine.write(std::mem::take(&mut batch))?;
        }
        if done.rows % PROGRESS_ROWS == 0 {
            progress(done);
        }
    }
    engine.write(batch)?;
    if reader.u64()? != done.rows {
        return Err(damaged("does not hold as many rows as it says"));
    }
    let expected = reader.hasher.finalize();
    if reader.array::<32>()? != *expected.as_bytes() {
        return Err(damaged("fails its checksum"));
    }
    if !reader.bytes(1).is_err_and(|error| matches!(error, StoreError::Damaged(_))) {
        return Err(damaged("goes on behind its end"));
    }
    progress(done);
    Ok(done)
}
