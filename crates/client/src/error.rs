//! Why something here cannot go on. What only one host is to blame for is not an error but that link's trouble.

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
}
