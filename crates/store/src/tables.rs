//! Looks through the manifests and tables of the engine before the engine opens them: it trusts their lengths,
//! and deletes what a damaged manifest does not name. Knows the files of lsm-tree 3.1 and nothing else of them.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::StoreError;

const TRAILER_BYTES: u64 = 38;
const TRAILER_MAGIC: &[u8; 4] = b"SFA!";
const CONTENTS_MAGIC: &[u8; 4] = b"TOC!";
/// Longest table of contents of a file: it has a few dozen sections at most.
const CONTENTS_BYTES_MAX: u64 = 64 << 10;

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Manifests whole, and of tables what says where things are: a start does not grow with the data.
    Outlines,
    /// Every byte of every table.
    Everything,
}

/// Checks all manifests and tables of a database. `finished` is the number of the last keyspace that has any rows,
/// if that is known: those above it were being made when something interrupted that, and may be incomplete. The
/// engine deletes them if they are.
pub(crate) fn inspect(database: &Path, depth: Depth, finished: Option<usize>) -> Result<(), StoreError> {
    let folder = database.join("keyspaces");
    for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
        let keyspace = entry.map_err(|error| failed(&folder, &error))?.path();
        let number = keyspace.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let unfinished = finished.zip(number).is_some_and(|(last, number): (usize, usize)| number > last);
        if keyspace.is_dir() && !unfinished {
            inspect_keyspace(&keyspace, depth)?;
        }
    }
    Ok(())
}

fn inspect_keyspace(keyspace: &Path, depth: Depth) -> Result<(), StoreError> {
    for (path, sum) in listed_tables(keyspace)? {
        let mut file = File::open(&path).map_err(|error| failed(&path, &error))?;
        read_contents(&mut file, &path)?;
        if depth == Depth::Everything && hash(&mut file, &path)? != sum {
            return Err(damaged(&path, "fails its checksum"));
        }
    }
    Ok(())
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!("{} {what}", path.display()))
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::NotFound => damaged(path, "is missing"),
        std::io::ErrorKind::UnexpectedEof => damaged(path, "is too short"),
        _ => StoreError::Io(format!("{}: {error}", path.display())),
    }
}

fn hash(file: &mut File, path: &Path) -> Result<u128, StoreError> {
    let (mut sum, mut piece) = (Xxh3::new(), vec![0; 1 << 16]);
    file.seek(SeekFrom::Start(0)).map_err(|error| failed(path, &error))?;
    loop {
        let read = file.read(&mut piece).map_err(|error| failed(path, &error))?;
        match piece.get(..read) {
            Some(part) if read > 0 => sum.update(part),
            _ => return Ok(sum.digest128()),
        }
    }
}

/// The tables that the present manifest names, with their checksums. The manifest itself is checked against
/// the one file that is replaced as a whole.
fn listed_tables(keyspace: &Path) -> Result<Vec<(PathBuf, u128)>, StoreError> {
    let pointer_path = keyspace.join("current");
    let pointer = fs::read(&pointer_path).map_err(|error| failed(&pointer_path, &error))?;
    let mut fields = Fields(&pointer);
    let (version, sum, kind) = (fields.u64(), fields.u128(), fields.u8());
    let (Some(version), Some(sum), Some(0), []) = (version, sum, kind, fields.0) else {
        return Err(damaged(&pointer_path, "does not read back"));
    };
    let path = keyspace.join(format!("v{version}"));
    let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
    if xxh3_128(&bytes) != sum {
        return Err(damaged(&path, "fails its checksum"));
    }
    let mut file = File::open(&path).map_err(|error| failed(&path, &error))?;
    let sections = read_contents(&mut file, &path)?;
    let unreadable = || damaged(&path, "does not read back");
    let tables = sections.iter().find(|section| section.name == b"tables").ok_or_else(unreadable)?;
    let start = usize::try_from(tables.position).map_err(|_| unreadable())?;
    let length = usize::try_from(tables.length).map_err(|_| unreadable())?;
    let end = start.checked_add(length).ok_or_else(unreadable)?;
    let numbers = read_tables(bytes.get(start..end).ok_or_else(unreadable)?).ok_or_else(unreadable)?;
    let folder = keyspace.join("tables");
    Ok(numbers.into_iter().map(|(number, sum)| (folder.join(number.to_string()), sum)).collect())
}

fn read_tables(section: &[u8]) -> Option<Vec<(u64, u128)>> {
    let (mut fields, mut tables) = (Fields(section), Vec::new());
    for _ in 0..fields.u8()? {
        for _ in 0..fields.u8()? {
            for _ in 0..fields.u32()? {
                let (number, _kind, sum, _seqno) =
                    (fields.u64()?, fields.u8()?, fields.u128()?, fields.u64()?);
                tables.push((number, sum));
            }
        }
    }
    Some(tables)
}

/// A named part of a file.
struct Section {
    name: Vec<u8>,
    position: u64,
    length: u64,
}

/// Reads the table of contents at the end of a file, and checks it.
fn read_contents(file: &mut File, path: &Path) -> Result<Vec<Section>, StoreError> {
    let unreadable = || damaged(path, "has an unreadable table of contents");
    let length = file.metadata().map_err(|error| failed(path, &error))?.len();
    let trailer_at = length.checked_sub(TRAILER_BYTES).ok_or_else(unreadable)?;
    let trailer = read_at(file, path, trailer_at, TRAILER_BYTES)?;
    let mut fields = Fields(&trailer);
    let head = (fields.take(4), fields.u8(), fields.u8());
    let (sum, position, contents_length) = (fields.u128(), fields.u64(), fields.u64());
    let (Some(sum), Some(position), Some(contents_length)) = (sum, position, contents_length) else {
        return Err(unreadable());
    };
    let fits =
        position.checked_add(contents_length) == Some(trailer_at) && contents_length <= CONTENTS_BYTES_MAX;
    if head != (Some(TRAILER_MAGIC.as_slice()), Some(1), Some(0)) || !fits {
        return Err(unreadable());
    }
    let contents = read_at(file, path, position, contents_length)?;
    if xxh3_128(&contents) != sum {
        return Err(unreadable());
    }
    read_sections(&contents).filter(|sections| fit(sections, position)).ok_or_else(unreadable)
}

fn fit(sections: &[Section], end: u64) -> bool {
    sections.iter().all(|section| section.position.checked_add(section.length).is_some_and(|to| to <= end))
}

fn read_at(file: &mut File, path: &Path, position: u64, length: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| damaged(path, "is too long"))?];
    let read = file.seek(SeekFrom::Start(position)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|error| failed(path, &error))?;
    Ok(bytes)
}

fn read_sections(contents: &[u8]) -> Option<Vec<Section>> {
    let mut fields = Fields(contents);
    if fields.take(4)? != CONTENTS_MAGIC {
        return None;
    }
    let mut sections = Vec::new();
    for _ in 0..fields.u32()? {
        let (position, length) = (fields.u64()?, fields.u64()?);
        let name_length = usize::from(fields.u16()?);
        sections.push(Section { name: fields.take(name_length)?.to_vec(), position, length });
    }
    Some(sections)
}

/// Little-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}
