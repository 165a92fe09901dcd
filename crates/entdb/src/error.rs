//! What can go wrong with the database itself. What is wrong with a message is an outcome, not an error.

use crate::link::LinkId;

/// Anything that a call can fail with. None of them holds a body, an id or a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite could not do it: disk full, file locked for too long, file damaged.
    #[error("the database file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file could not be created or opened.
    #[error("the database file: {0}")]
    File(#[from] std::io::Error),
    /// The file is a database of something else.
    #[error("this file is not a Seabag database")]
    NotOurs,
    /// The file was written by a later version of this program.
    #[error(
        "the database has format {found}; this program reads formats up to {known}: please use a newer program"
    )]
    TooNew {
        /// The format of the file.
        found: i64,
        /// The latest format that this program knows.
        known: i64,
    },
    /// A row does not say what rows of its table say.
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    /// With [`Skew::Fail`](crate::Skew::Fail): the entity's state has a later time than now.
    #[error("the clock is behind: the entity was last written {ahead_ms} ms from now")]
    ClockOutOfSync {
        /// How far ahead, in milliseconds.
        ahead_ms: u64,
    },
    /// The time is past [`TIME_MS_MAX`](seabag_protocol::host::eid::TIME_MS_MAX), or the counter past 2^56-1.
    #[error("the time or the counter is past the range of messages")]
    OutOfRange,
    /// A draft's body is not exactly one msgpack value, or is nested too deeply.
    #[error("the body is not one msgpack value: {0}")]
    InvalidBody(&'static str),
    /// An entity of this id is there, or was.
    #[error("there is an entity of this id already")]
    AlreadyExists,
    /// The entity's type keeps its latest message only, so there is nothing to go back to.
    #[error("nothing to undo: no earlier message of this entity is kept")]
    NothingToUndo,
    /// There is no such link; it may have been removed meanwhile.
    #[error("there is no link {0}")]
    UnknownLink(LinkId),
    /// Another process found that the link's host has another history, since this one last
    /// [followed](crate::Database::follow) it: what was to be written is about numbers of the one before.
    #[error("another process found that the host of link {0} has another history")]
    OtherHistory(LinkId),
    /// A label is empty, or longer than [`LABEL_BYTES_MAX`](crate::LABEL_BYTES_MAX). Keys that follow from the empty
    /// label and an index are those that seal bags.
    #[error("the label of a link has 1 to 256 bytes")]
    InvalidLabel,
    /// There is a link with this label, index and address.
    #[error("this host is linked already, with this label and index")]
    AlreadyLinked,
    /// A text that stands for a cursor is none.
    #[error("this is not a cursor that was handed out")]
    InvalidCursor,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
