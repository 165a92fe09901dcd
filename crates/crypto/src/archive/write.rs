//! Writing an export file, one message at a time. The file's head needs the hash of the index, and the index
//! comes before the bodies: so both wait in spools, such as unnamed temporary files, until all messages are in.

use std::io::{Read, Seek, Write};
use std::sync::Arc;

use blake3::Hasher;
use seabag_protocol::host::bytes::{put_var_bytes, put_varint};
use seabag_protocol::host::message::MessageHead;

use super::spool::Spool;
use super::{ArchiveError, ArchiveKey, FileHead};
use crate::seal::{Nonces, Sealer};
use crate::seed::Seed;

/// Takes messages and then writes the file. What waits in the spools is sealed already.
pub struct ArchiveWriter<S> {
    key: ArchiveKey,
    sealer: Sealer,
    index: Spool<S>,
    bodies: Spool<S>,
    /// Of the index so far.
    index_hash: Hasher,
    count: u64,
}

impl<S: Read + Write + Seek> ArchiveWriter<S> {
    /// With two empty places to keep the sections at until the end.
    pub fn new(seed: Arc<Seed>, key: ArchiveKey, index_place: S, bodies_place: S) -> Self {
        let sealer = Sealer::new(seed, &key.label, key.index);
        let (index, bodies) = (Spool::new(index_place), Spool::new(bodies_place));
        Self { key, sealer, index, bodies, index_hash: Hasher::new(), count: 0 }
    }

    /// Adds a message. After `Refused` it is left out and the others go on; after `Input` the file is lost.
    pub fn push(
        &mut self,
        head: &MessageHead,
        body: Option<&[u8]>,
        nonces: &Nonces,
    ) -> Result<(), ArchiveError> {
        let parts = self.sealer.seal_parts(head, body, nonces)?;
        let mut item = Vec::with_capacity(parts.head.len() + 32);
        item.extend_from_slice(&parts.derivation);
        put_var_bytes(&mut item, &parts.head)?;
        put_varint(&mut item, parts.body.len() as u64)?;
        if !parts.body.is_empty() {
            put_varint(&mut item, self.bodies.length())?;
        }
        self.bodies.append(&parts.body)?;
        self.index.append(&item)?;
        self.index_hash.update(&item);
        self.count += 1;
        Ok(())
    }

    /// Messages added so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes the file. To have it on the disk before its name is, is up to the caller.
    pub fn finish(self, mut out: impl Write) -> Result<(), ArchiveError> {
        let index_hash: [u8; 32] = self.index_hash.finalize().into();
        let signature = self.sealer.keys().sign(&index_hash);
        let mut front = FileHead { key: self.key, count: self.count, index_hash, signature }.encode()?;
        put_varint(&mut front, self.index.length())?;
        out.write_all(&front)?;
        self.index.copy_to(&mut out)?;
        let mut between = Vec::new();
        put_varint(&mut between, self.bodies.length())?;
        out.write_all(&between)?;
        self.bodies.copy_to(&mut out)?;
        Ok(out.flush()?)
    }
}
