//! Reading an export file, one message at a time. The index is checked as a whole before anything is opened;
//! after that, an item that cannot be opened stops no other.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use blake3::Hasher;
use bytes::Bytes;
use seabag_protocol::host::bag::Derivation;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::status::Status;
use thiserror::Error;

use super::section::Section;
use super::{ArchiveError, ArchiveKey, FileHead, HEAD_REST_BYTES_MAX, LABEL_BYTES_MAX};
use crate::host_keys::HostKeys;
use crate::seal::{open_sealed_body, open_sealed_head};
use crate::seed::Seed;

/// What goes wrong in a file whose index is whole. Only after `Item` there is more to come.
#[derive(Debug, Error)]
pub enum ItemError {
    /// One message cannot be opened: `DecryptionError`, `HashMismatch`, `InvalidMessage`, or `OutOfBounds` when
    /// the file ends before its body does. The others can.
    #[error("message {item} of the export file: {status}")]
    Item {
        /// Which, counted from 1.
        item: u64,
        /// Why.
        status: Status,
    },
    /// The index makes no sense from here on: whoever signed it wrote it wrongly.
    #[error("the index of the export file, at message {item}: {status}")]
    Index {
        /// At which, counted from 1.
        item: u64,
        /// Why.
        status: Status,
    },
    /// A warning after the last message: the file tells another count than it has. Nothing protects the count,
    /// so anybody may have changed it; all messages that the signed index names were read.
    #[error("the export file tells of {told} messages and has {found}")]
    Count {
        /// The count in the file's head.
        told: u64,
        /// Items in the index.
        found: u64,
    },
    /// The file cannot be read on.
    #[error("the export file: {0}")]
    Input(#[from] io::Error),
}

/// The messages of a file, in its order.
pub struct ArchiveReader<R> {
    input: R,
    seed: Arc<Seed>,
    index: Section,
    bodies: Section,
    /// Bytes of the index that were dealt with.
    position: u64,
    told: u64,
    found: u64,
    /// Nothing more is to come.
    ended: bool,
}

/// An item of the index.
struct Entry {
    derivation: Derivation,
    head: Bytes,
    body_length: u64,
    body_offset: u64,
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Checks a file's form, its key, its signature and the hash of its index, in this order. Its bodies are
    /// looked at as they are read; bytes behind them are ignored.
    pub fn open(mut input: R, seed: Arc<Seed>, key: &ArchiveKey) -> Result<Self, ArchiveError> {
        let file_length = input.seek(SeekFrom::End(0))?;
        let mut front = Section::new(0, file_length);
        let front_max = (LABEL_BYTES_MAX + HEAD_REST_BYTES_MAX) as u64;
        let front = front.read(&mut input, 0, front_max)?;
        let mut reader = Reader::new(front.clone());
        let head = FileHead::read(&mut reader, file_length)?;
        let index_length = reader.varint()?;
        let index_start = (front.len() - reader.rest().len()) as u64;
        if index_length > file_length - index_start {
            return Err(Status::OutOfBounds.into());
        }
        let index = Section::new(index_start, index_length);
        let bodies = bodies(&mut input, index_start + index_length, file_length)?;
        if head.key != *key {
            return Err(ArchiveError::OtherKey { label: head.key.label, index: head.key.index });
        }
        let (position, told, found, ended) = (0, head.count, 0, false);
        let mut archive = Self { input, seed, index, bodies, position, told, found, ended };
        archive.check(&head)?;
        Ok(archive)
    }

    /// How far it is, in bytes of the index: those dealt with, and all.
    pub fn progress(&self) -> (u64, u64) {
        (self.position, self.index.length())
    }

    /// The count in the file's head, which nothing protects.
    pub fn told(&self) -> u64 {
        self.told
    }

    fn check(&mut self, head: &FileHead) -> Result<(), ArchiveError> {
        let public = HostKeys::derive(&self.seed, &head.key.label, head.key.index).public();
        public.verify(&head.index_hash, &head.signature)?;
        let (mut hasher, mut offset) = (Hasher::new(), 0);
        while offset < self.index.length() {
            let bytes = self.index.read_on(&mut self.input, offset)?;
            hasher.update(&bytes);
            offset += bytes.len() as u64;
        }
        if hasher.finalize() == head.index_hash { Ok(()) } else { Err(Status::HashMismatch.into()) }
    }

    /// The next item of the index; an inner error means that the index cannot be followed any further.
    fn entry(&mut self) -> io::Result<Result<Entry, Status>> {
        // The longest that an item can be, beside its sealed head: derivation bytes and three varints.
        const REST_BYTES_MAX: u64 = 8 + 3 * 8;
        let front = self.index.read(&mut self.input, self.position, REST_BYTES_MAX)?;
        let length = match head_length(front) {
            Ok(length) if length <= self.index.length() - self.position => length,
            Ok(_) => return Ok(Err(Status::OutOfBounds)),
            Err(status) => return Ok(Err(status)),
        };
        let bytes = self.index.read(&mut self.input, self.position, REST_BYTES_MAX + length)?;
        let mut reader = Reader::new(bytes.clone());
        let entry = read_entry(&mut reader);
        self.position += (bytes.len() - reader.rest().len()) as u64;
        Ok(entry)
    }

    fn message(&mut self, entry: &Entry) -> io::Result<Result<(MessageHead, Option<Bytes>), Status>> {
        let end = entry.body_offset.saturating_add(entry.body_length);
        if end > self.bodies.length() {
            return Ok(Err(Status::OutOfBounds));
        }
        let body = self.bodies.read(&mut self.input, entry.body_offset, entry.body_length)?;
        Ok(open_sealed_head(&self.seed, &entry.derivation, &entry.head).and_then(|head| {
            let body = open_sealed_body(&self.seed, &entry.derivation, &head, &body)?;
            Ok((head, body))
        }))
    }

    fn end(&mut self, error: ItemError) -> Option<<Self as Iterator>::Item> {
        self.ended = true;
        Some(Err(error))
    }
}

impl<R: Read + Seek> Iterator for ArchiveReader<R> {
    type Item = Result<(MessageHead, Option<Bytes>), ItemError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.position >= self.index.length() {
            self.ended = true;
            let (told, found) = (self.told, self.found);
            return (told != found).then_some(Err(ItemError::Count { told, found }));
        }
        self.found += 1;
        let item = self.found;
        let entry = match self.entry() {
            Ok(Ok(entry)) => entry,
            Ok(Err(status)) => return self.end(ItemError::Index { item, status }),
            Err(error) => return self.end(error.into()),
        };
        match self.message(&entry) {
            Ok(opened) => Some(opened.map_err(|status| ItemError::Item { item, status })),
            Err(error) => self.end(error.into()),
        }
    }
}

/// The section behind the index. If the file is cut inside it, what is there can still be read.
fn bodies<R: Read + Seek>(input: &mut R, start: u64, file_length: u64) -> Result<Section, ArchiveError> {
    let mut rest = Section::new(start, file_length - start);
    let front = rest.read(input, 0, 8)?;
    let mut reader = Reader::new(front.clone());
    let length = reader.varint()?;
    let start = start + (front.len() - reader.rest().len()) as u64;
    Ok(Section::new(start, length.min(file_length - start)))
}

fn head_length(front: Bytes) -> Result<u64, Status> {
    let mut reader = Reader::new(front);
    let _: Derivation = reader.array()?;
    reader.varint()
}

fn read_entry(reader: &mut Reader) -> Result<Entry, Status> {
    let (derivation, head, body_length) = (reader.array()?, reader.var_bytes()?, reader.varint()?);
    let body_offset = if body_length > 0 { reader.varint()? } else { 0 };
    Ok(Entry { derivation, head, body_length, body_offset })
}
