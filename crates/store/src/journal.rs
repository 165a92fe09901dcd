//! Looks through the engine's journals before the engine opens them, because the engine cuts a journal short at
//! the first damage, without a word (fjall#311). What is missing is refused here while nothing is lost yet; only
//! a torn tail that nobody was promised is cut off. Knows fjall 3.1.13's journal and nothing else of it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::StoreError;
use crate::layout::{META_COMMIT, read_u64};

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TRAILER: &[u8; 4] = b"FJL\x03";
/// Longest value whose bytes are kept while reading: enough for the commit number.
const KEPT_VALUE_BYTES: usize = 8;

/// Checks all journals of a database. `expected` is the newest commit that was acknowledged, if that is known
/// and no loss of it is accepted.
pub(crate) fn inspect(database: &Path, expected: Option<u64>) -> Result<(), StoreError> {
    let mut seen = Seen::default();
    let journals = list(database)?;
    let active = journals.len().saturating_sub(1);
    for (position, path) in journals.iter().enumerate() {
        let Some(torn_at) = read_journal(path, &mut seen)? else { continue };
        if position < active {
            // It was synced whole before the next one began.
            return Err(damaged(path, &format!("is damaged at byte {torn_at}")));
        }
        refuse_shortened(seen.commit, expected)?;
        if seen.commit.is_some() || expected.is_none() {
            tracing::warn!(journal = %path.display(), torn_at, "cut off a torn write that nobody was promised");
            cut(path, torn_at)?;
        }
    }
    refuse_shortened(seen.commit, expected)
}

/// Journals that hold no commit say nothing: everything may have moved on into tables.
fn refuse_shortened(newest: Option<u64>, expected: Option<u64>) -> Result<(), StoreError> {
    match (newest, expected) {
        (Some(found), Some(expected)) if found < expected => Err(StoreError::Shortened { found, expected }),
        _ => Ok(()),
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!("{} {what}", path.display()))
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Io(format!("{}: {error}", path.display()))
}

/// The journals, oldest first.
fn list(database: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(database).map_err(|error| failed(database, &error))? {
        let path = entry.map_err(|error| failed(database, &error))?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jnl")) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let number: Option<u64> = stem.and_then(|stem| stem.parse().ok());
            journals.push((number.ok_or_else(|| damaged(&path, "is no journal of ours"))?, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn cut(path: &Path, length: u64) -> Result<(), StoreError> {
    let file = OpenOptions::new().write(true).open(path).map_err(|error| failed(path, &error))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(|error| failed(path, &error))
}

/// The newest that was read so far, in whichever journal.
#[derive(Default)]
struct Seen {
    commit: Option<u64>,
    /// The engine's own numbers of batches. Its checksum leaves them out, and it sorts by them.
    seqno: Option<u64>,
}

impl Seen {
    /// Takes a batch in: what is wrong with its place, if anything.
    fn take(&mut self, batch: Batch) -> Option<String> {
        if self.seqno.is_some_and(|before| batch.seqno <= before) {
            return Some("has a batch out of order".into());
        }
        self.seqno = Some(batch.seqno);
        let (Some(commit), before) = (batch.commit, self.commit) else { return None };
        self.commit = Some(commit);
        let gap = before.filter(|before| before.checked_add(1) != Some(commit));
        gap.map(|before| format!("goes on with commit {commit} after commit {before}"))
    }
}

/// A whole batch.
struct Batch {
    seqno: u64,
    /// The store's commit number, if it is in the batch.
    commit: Option<u64>,
}

/// Reads a journal to the end of its last whole batch. Commits must follow each other without a gap. Returns
/// where that end is if something follows there that is no batch.
fn read_journal(path: &Path, seen: &mut Seen) -> Result<Option<u64>, StoreError> {
    let file = File::open(path).map_err(|error| failed(path, &error))?;
    let mut reader = BatchReader { reader: BufReader::with_capacity(1 << 16, file), position: 0 };
    loop {
        let begin = reader.position;
        match reader.batch() {
            Ok(batch) => {
                if let Some(problem) = seen.take(batch) {
                    return Err(damaged(path, &problem));
                }
            }
            Err(Broken::Io(error)) => return Err(failed(path, &error)),
            Err(Broken::Nothing) => return Ok(None),
            Err(Broken::Torn) => return Ok(Some(begin)),
        }
    }
}

/// Why no batch could be read.
enum Broken {
    /// The file ends here, or nothing was written from here on.
    Nothing,
    /// Something is here that is no whole batch.
    Torn,
    Io(std::io::Error),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::Torn } else { Self::Io(error) }
    }
}

struct BatchReader {
    reader: BufReader<File>,
    position: u64,
}

impl BatchReader {
    /// Reads one batch.
    fn batch(&mut self) -> Result<Batch, Broken> {
        let mut tag = [0];
        if self.reader.read(&mut tag)? == 0 {
            return Err(Broken::Nothing);
        }
        self.position += 1;
        match tag {
            // The space that was reserved ahead.
            [0] => return Err(Broken::Nothing),
            [TAG_START] => {}
            _ => return Err(Broken::Torn),
        }
        let count = u32::from_le_bytes(self.array()?);
        let seqno = u64::from_le_bytes(self.array()?);
        let (mut sum, mut commit) = (Xxh3::new(), None);
        for _ in 0..count {
            commit = self.item(&mut sum)?.or(commit);
        }
        let [tag] = self.array()?;
        let expected = u64::from_le_bytes(self.array()?);
        let trailer: [u8; 4] = self.array()?;
        let whole = tag == TAG_END && expected == sum.digest() && trailer == *TRAILER;
        if whole { Ok(Batch { seqno, commit }) } else { Err(Broken::Torn) }
    }

    /// Reads one item: the commit number, if it is the row of that.
    fn item(&mut self, sum: &mut Xxh3) -> Result<Option<u64>, Broken> {
        // Tag, kind, compression, keyspace, length of the key, of the value, and of the value on disk.
        let head: [u8; 21] = self.array()?;
        let [tag, kind, compression, .., k0, k1, v0, v1, v2, v3, d0, d1, d2, d3] = head;
        let on_disk = u32::from_le_bytes([d0, d1, d2, d3]);
        if tag != TAG_ITEM || kind > 1 || compression != 0 || on_disk != u32::from_le_bytes([v0, v1, v2, v3])
        {
            return Err(Broken::Torn);
        }
        sum.update(&head);
        let key = self.pass(u64::from(u16::from_le_bytes([k0, k1])), sum)?;
        let value = self.pass(u64::from(on_disk), sum)?;
        Ok(if key == META_COMMIT { read_u64(&value) } else { None })
    }

    /// Reads so many bytes in small pieces and keeps them if they are few.
    fn pass(&mut self, length: u64, sum: &mut Xxh3) -> Result<Vec<u8>, Broken> {
        let (mut left, mut kept) = (length, Vec::new());
        let mut piece = [0; 4_096];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let Some(part) = piece.get_mut(..most) else { break };
            self.reader.read_exact(part)?;
            sum.update(part);
            if length <= KEPT_VALUE_BYTES as u64 {
                kept.extend_from_slice(part);
            }
            left -= most as u64;
        }
        self.position += length;
        Ok(kept)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(seqno: u64, commit: u64) -> Vec<u8> {
        let items: [(&[u8], &[u8]); 2] =
            [(b"some row", b"of any value"), (META_COMMIT, &commit.to_be_bytes())];
        let (mut out, mut sum) = (vec![TAG_START], Xxh3::new());
        out.extend((items.len() as u32).to_le_bytes());
        out.extend(seqno.to_le_bytes());
        for (key, value) in items {
            let mut item = vec![TAG_ITEM, 0, 0];
            item.extend(1_u64.to_le_bytes());
            item.extend((key.len() as u16).to_le_bytes());
            item.extend((value.len() as u32).to_le_bytes());
            item.extend((value.len() as u32).to_le_bytes());
            item.extend([key, value].concat());
            sum.update(&item);
            out.extend(item);
        }
        out.push(TAG_END);
        out.extend(sum.digest().to_le_bytes());
        out.extend(TRAILER);
        out
    }

    fn batches(numbers: std::ops::RangeInclusive<u64>) -> Vec<u8> {
        numbers.flat_map(|number| batch(number + 100, number)).collect()
    }

    /// What the inspection of these journals says, and what it leaves of the last of them.
    fn inspected(journals: &[Vec<u8>], expected: Option<u64>) -> (Result<(), StoreError>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = |number: usize| directory.path().join(format!("{number}.jnl"));
        for (number, bytes) in journals.iter().enumerate() {
            // Past nine, so that the order of numbers is not that of names.
            fs::write(path(number + 9), bytes).unwrap();
        }
        let said = inspect(directory.path(), expected);
        (said, fs::read(path(journals.len() + 8)).unwrap())
    }

    fn is_damage(journals: &[Vec<u8>], expected: u64) -> bool {
        matches!(inspected(journals, Some(expected)).0, Err(StoreError::Damaged(_)))
    }

    #[test]
    fn whole_journals_pass_with_and_without_reserved_space() {
        inspected(&[batches(1..=3), batches(4..=6)], Some(6)).0.unwrap();
        inspected(&[[batches(1..=3), vec![0; 99]].concat(), batches(4..=6)], Some(6)).0.unwrap();
        inspected(&[vec![]], Some(6)).0.unwrap();
    }

    #[test]
    fn a_gap_between_journals_or_within_one_is_damage() {
        assert!(is_damage(&[batches(1..=3), batches(5..=6)], 6));
        assert!(is_damage(&[[batches(1..=2), batches(4..=6)].concat()], 6));
        assert!(is_damage(&[[batch(7, 1), batch(6, 2)].concat()], 2), "out of the engine's order");
        let torn = batches(1..=3);
        assert!(
            is_damage(&[torn[..torn.len() - 1].to_vec(), batches(4..=6)], 6),
            "only the newest may be torn"
        );
    }

    #[test]
    fn a_torn_tail_that_nobody_was_promised_is_cut_off() {
        let (whole, tail) = (batches(1..=3), batch(104, 4));
        for length in 0..tail.len() {
            let (said, left) = inspected(&[[&whole, &tail[..length]].concat()], Some(3));
            said.unwrap();
            assert_eq!(left, whole, "{length} bytes of it");
        }
        let mut changed = tail;
        changed[40] ^= 1;
        let (said, left) = inspected(&[[whole.clone(), changed].concat()], Some(3));
        said.unwrap();
        assert_eq!(left, whole);
    }

    #[test]
    fn a_journal_that_lacks_what_was_promised_is_refused_untouched() {
        let torn = [batches(1..=3), b"\x01torn".to_vec()].concat();
        let (said, left) = inspected(std::slice::from_ref(&torn), Some(4));
        assert!(matches!(said, Err(StoreError::Shortened { found: 3, expected: 4 })));
        assert_eq!(left, torn);
        assert!(inspected(&[torn], None).0.is_ok(), "unless the loss is accepted");
    }
}
