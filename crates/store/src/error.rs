//! What can go wrong with storage.

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or a sync failed earlier. Nothing is acknowledged from then on; the process must end.
    #[error("storage has stopped: {0}")]
    Stopped(String),
    /// The room was removed, or another owner took it over, since the caller loaded it.
    #[error("the room is no longer this owner's")]
    Fenced,
    /// Bytes on disk are not what this program wrote.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The data was written in a format that this program does not know.
    #[error("unknown format: {0}")]
    UnknownFormat(String),
    /// The newest durable commits are missing from the data (docs/format.md, "Watermark").
    #[error(
        "the data ends at commit {found} but commit {expected} was acknowledged; --accept-loss opens it all the same"
    )]
    Shortened {
        /// The newest commit in the data.
        found: u64,
        /// The newest commit that was durable.
        expected: u64,
    },
    /// Another process has the data open.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// Reading or writing failed.
    #[error("input or output failed: {0}")]
    Io(String),
}
