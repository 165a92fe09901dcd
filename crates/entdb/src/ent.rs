//! Entities, and the messages that make them.

use std::fmt;

use bytes::Bytes;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

/// A message in plain: its head, and the envelope (msgpack) that the head names.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Which entity, when, and which body.
    pub head: MessageHead,
    /// The envelope; `None`: the entity's end. Empty bytes count as none.
    pub body: Option<Bytes>,
}

/// An entity, as its winning message has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ent {
    /// Its id.
    pub eid: Eid,
    /// Its type.
    pub kind: String,
    /// The entity that it belongs to. Nothing checks that there is one.
    pub parent: Option<Eid>,
    /// The group that it is in.
    pub group: Option<String>,
    /// When it was created, milliseconds since 1970: part of its id.
    pub created_ms: u64,
    /// When it was last written, milliseconds since 1970.
    pub updated_ms: u64,
    /// How many messages its last writer knew before.
    pub counter: u64,
    /// Its content: one msgpack value, as it was written.
    pub body: Bytes,
}

/// What a local write says of an entity: all of it, every time.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub kind: String,
    /// The entity that it belongs to.
    pub parent: Option<Eid>,
    /// The group that it is in.
    pub group: Option<String>,
    /// Its content: one msgpack value.
    pub body: Bytes,
}

/// What to do when an entity's state was written later than now, by a clock ahead of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skew {
    /// Write one millisecond after it.
    #[default]
    Force,
    /// Refuse, with [`Error::ClockOutOfSync`](crate::Error::ClockOutOfSync).
    Fail,
}

impl Draft {
    /// Of this type, with this content, without parent and group.
    pub fn new(kind: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { kind: kind.into(), parent: None, group: None, body: body.into() }
    }
}

// Bodies are what the whole system keeps secret: Debug shows their lengths.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_ref().map(Bytes::len);
        formatter.debug_struct("Message").field("head", &self.head).field("body_bytes", &body).finish()
    }
}

impl fmt::Debug for Ent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ent")
            .field("eid", &self.eid)
            .field("kind", &self.kind)
            .field("parent", &self.parent)
            .field("group", &self.group)
            .field("updated_ms", &self.updated_ms)
            .field("counter", &self.counter)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Draft")
            .field("kind", &self.kind)
            .field("parent", &self.parent)
            .field("group", &self.group)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
