//! Why something here cannot go on. What only one host is to blame for is not an error but that link's trouble.

use seabag_crypto::archive::ArchiveError;
use thiserror::Error;

use crate::host::address::AddressError;

/// Why something failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// An address that is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The HTTP client could not be set up.
    #[error("cannot set up HTTP: {0}")]
    Http(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] seabag_entdb::Error),
    /// An export file cannot be written, or not be read at all.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file could not be made, written or put in its place.
    #[error("the file cannot be read or written")]
    File(#[from] std::io::Error),
    /// The program is about to end.
    #[error("the program is about to end")]
    Stopped,
    /// There is no such link, or it does not run.
    #[error("there is no such link, or it does not run")]
    NoSuchLink,
}
