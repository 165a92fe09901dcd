//! The export file (`.dpl`): messages sealed with the seed, outside any host. Both ways it is the reference
//! program's file. Neither writing nor reading holds more in memory than one message and a few windows.
//!
//! | part | bytes |
//! |---|---|
//! | head | label with its length, key index, count of items (varints), BLAKE3 of the index (32), signature of that hash (64) |
//! | index | its length, then for each item: derivation bytes (8), sealed head with its length, length of the sealed body and, unless that is 0, its offset among the bodies |
//! | bodies | their length, then the sealed bodies |
//!
//! The signature covers the index, and through it the sealed heads. A head holds its body's hash. The count is
//! covered by nothing, and so it is compared with what is found, and a difference is reported.

mod read;
mod section;
mod spool;
mod write;

use std::io;

use seabag_protocol::host::bytes::{Reader, put_var_bytes, put_varint};
use seabag_protocol::host::status::Status;
use thiserror::Error;

pub use read::{ArchiveReader, ItemError};
pub use write::ArchiveWriter;

/// Most bytes of a file's label. Nobody agreed to it; upstream writes no other label than "export".
const LABEL_BYTES_MAX: usize = 256;

/// More bytes than any file's head has, beside its label.
const HEAD_REST_BYTES_MAX: usize = 128;

/// Which keypair signs a file: a label and an index. By default "export" and 0, as upstream writes always.
///
/// A file names its own, and upstream derives whatever keypair a file asks for. Here the caller says which it
/// expects, and a file of another is refused before anything is derived, with its label and index in the error,
/// so that a person can allow that very one. So no file makes a program use a host's keypair, or the empty
/// label, whose keypairs are bag keys as well, unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveKey {
    label: String,
    index: u64,
}

impl ArchiveKey {
    /// Of this label and index. `InvalidParam` for an empty label, and for one of more than 256 bytes.
    pub fn new(label: &str, index: u64) -> Result<Self, Status> {
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return Err(Status::InvalidParam);
        }
        Ok(Self { label: label.to_owned(), index })
    }
}

impl Default for ArchiveKey {
    fn default() -> Self {
        Self { label: "export".to_owned(), index: 0 }
    }
}

/// Why a file cannot be written, or not be read at all.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The file, or the spool, cannot be read or written.
    #[error("the export file: {0}")]
    Input(#[from] io::Error),
    /// Its bytes are not those of a file that this seed signed; or a message cannot be sealed. `InvalidSignature`
    /// also when another seed signed it, `HashMismatch` when its index was changed, `InvalidMessage`,
    /// `OutOfBounds` and `VarLimitExceeded` when it is no such file or is cut.
    #[error("the export file: {0}")]
    Refused(#[from] Status),
    /// The file names a keypair that the caller did not ask for.
    #[error("the export file is signed with the key {label:?}, index {index}")]
    OtherKey {
        /// The label that the file names; a stranger may have chosen it.
        label: String,
        /// The index that the file names.
        index: u64,
    },
}

/// What a file begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileHead {
    key: ArchiveKey,
    /// How many items there are, if the file is to be believed.
    count: u64,
    /// BLAKE3 of the index.
    index_hash: [u8; 32],
    /// Ed25519 of that hash.
    signature: [u8; 64],
}

impl FileHead {
    /// Reads one from the front of what may be a part of the file, of this length in all.
    fn read(reader: &mut Reader, file_length: u64) -> Result<Self, Status> {
        let label_length = reader.clone().varint()?;
        if label_length > LABEL_BYTES_MAX as u64 && label_length <= file_length {
            return Err(Status::InvalidParam);
        }
        let key = ArchiveKey { label: reader.var_string()?, index: reader.varint()? };
        let count = reader.varint()?;
        Ok(Self { key, count, index_hash: reader.array()?, signature: reader.array()? })
    }

    fn encode(&self) -> Result<Vec<u8>, Status> {
        let mut out = Vec::new();
        put_var_bytes(&mut out, self.key.label.as_bytes())?;
        put_varint(&mut out, self.key.index)?;
        put_varint(&mut out, self.count)?;
        out.extend_from_slice(&self.index_hash);
        out.extend_from_slice(&self.signature);
        Ok(out)
    }
}
