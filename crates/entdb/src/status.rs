//! The state of a database and its links, as data.

use seabag_protocol::host::bag::BagSeq;

use crate::{Link, LinkId};

/// What a database has, and how its links are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// Entities.
    pub ents: u64,
    /// Entities that ended.
    pub tombstones: u64,
    /// Messages of the past that types keep.
    pub kept: u64,
    /// Messages that this version cannot read.
    pub set_aside: u64,
    /// The links, oldest first.
    pub links: Vec<LinkStatus>,
}

/// How a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The link itself.
    pub link: Link,
    /// Messages that wait to be uploaded.
    pub waiting: u64,
    /// Bags that could not be opened.
    pub unreadable: u64,
}

/// Whether a link's host has an entity's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The link.
    pub link: LinkId,
    /// The host's number for it; `None`: the host is not known to have it.
    pub stored: Option<BagSeq>,
    /// Whether it waits to be uploaded.
    pub waiting: bool,
}

/// A bag that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The host's number for it.
    pub seq: BagSeq,
    /// Why, for people.
    pub reason: String,
}
