//! The rows. An entity's row is its winning message: head and body can be made from it again, byte for byte.

use bytes::Bytes;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

use super::Hash;
use crate::envelope::{self, Envelope};
use crate::{Ent, Error, Link, Message, Result};

/// The greatest message of an entity, of those that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    /// Its state.
    Ent(EntRow),
    /// Its end.
    Tombstone(TombstoneRow),
}

/// An entity.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EntRow {
    pub(crate) eid: Eid,
    pub(crate) kind: String,
    pub(crate) parent: Option<Eid>,
    pub(crate) group: Option<String>,
    pub(crate) offset_ms: u64,
    pub(crate) counter: u64,
    /// The content.
    pub(crate) body: Bytes,
    /// The envelope around it, if that is not what [`envelope::encode_parts`] makes: its hash is part of the
    /// message. The content is kept beside it, so that reading an entity never depends on a reader.
    pub(crate) raw: Option<Bytes>,
}

/// The end of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TombstoneRow {
    pub(crate) eid: Eid,
    pub(crate) offset_ms: u64,
    pub(crate) counter: u64,
    /// Its last known type: whether its past is kept.
    pub(crate) kind: Option<String>,
}

/// Where a row of the log is: in the order of its entity's messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogKey {
    pub(crate) eid: Eid,
    pub(crate) offset_ms: u64,
    pub(crate) counter: u64,
    pub(crate) hash: Hash,
}

/// A message that is not its entity's state: of a past that is kept, or one that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub(crate) key: LogKey,
    /// The envelope; `None`: an end.
    pub(crate) body: Option<Bytes>,
    /// Why it cannot be read, if so.
    pub(crate) aside: Option<Aside>,
}

/// Why a message is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) reason: String,
    /// The reader that last tried.
    pub(crate) reader: u32,
}

/// Which message of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    /// Its winner, whichever that is by then.
    Winner,
    /// This one of the log.
    Logged(Hash),
}

/// What a number of a link holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BagRow {
    /// The entity; `None` where not even the head could be read.
    pub(crate) eid: Option<Eid>,
    pub(crate) state: BagState,
}

/// What a bag is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BagState {
    /// It has this message of its entity.
    Holds(Which),
    /// It has a message that is not needed any more; or one that a lower number has too.
    Superseded,
    /// It cannot be opened, and its message is here.
    Damaged,
    /// It cannot be opened, for this reason.
    Unreadable(String),
}

/// A link, and how far filling it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkRow {
    pub(crate) link: Link,
    /// A place in the walk through all messages; empty: the start.
    pub(crate) filled: Vec<u8>,
    /// How often its numbers were forgotten: numbers are of one history only.
    pub(crate) history: u64,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) position: u64,
    pub(crate) eid: Eid,
    pub(crate) which: Which,
}

impl EntRow {
    /// The row of a message whose body was read.
    pub(crate) fn new(head: &MessageHead, raw: &Bytes, envelope: Envelope) -> Self {
        let canonical = envelope.encode() == *raw;
        Self {
            eid: head.eid.clone(),
            kind: envelope.kind,
            parent: envelope.parent,
            group: envelope.group,
            offset_ms: head.offset_ms,
            counter: head.counter,
            body: envelope.body,
            raw: (!canonical).then(|| raw.clone()),
        }
    }

    /// The message's body.
    pub(crate) fn envelope(&self) -> Bytes {
        self.raw.clone().unwrap_or_else(|| {
            let parent = self.parent.as_ref().map(Eid::as_bytes);
            envelope::encode_parts(&self.kind, parent, self.group.as_deref(), &self.body)
        })
    }

    /// The entity.
    pub(crate) fn ent(self) -> Ent {
        let created_ms = self.eid.created_ms();
        Ent {
            eid: self.eid,
            kind: self.kind,
            parent: self.parent,
            group: self.group,
            created_ms,
            updated_ms: created_ms.saturating_add(self.offset_ms),
            counter: self.counter,
            body: self.body,
        }
    }
}

impl Winner {
    pub(crate) fn eid(&self) -> &Eid {
        match self {
            Self::Ent(row) => &row.eid,
            Self::Tombstone(row) => &row.eid,
        }
    }

    /// Offset and counter: the order of an entity's messages but for ties.
    pub(crate) fn stamp(&self) -> (u64, u64) {
        match self {
            Self::Ent(row) => (row.offset_ms, row.counter),
            Self::Tombstone(row) => (row.offset_ms, row.counter),
        }
    }

    /// The type, or the last known one.
    pub(crate) fn kind(&self) -> Option<&str> {
        match self {
            Self::Ent(row) => Some(&row.kind),
            Self::Tombstone(row) => row.kind.as_deref(),
        }
    }

    pub(crate) fn is_delete(&self) -> bool {
        matches!(self, Self::Tombstone(_))
    }

    /// The message that it is.
    pub(crate) fn message(&self) -> Message {
        let (offset_ms, counter) = self.stamp();
        let body = match self {
            Self::Ent(row) => Some(row.envelope()),
            Self::Tombstone(_) => None,
        };
        Message { head: MessageHead::new(self.eid().clone(), offset_ms, counter, body.as_deref()), body }
    }

    /// The message's identity.
    pub(crate) fn hash(&self) -> Result<Hash> {
        self.message().head.hash().map_err(|_| Error::Damaged("an entity whose head cannot be encoded"))
    }

    /// The entity; `None` of an end.
    pub(crate) fn ent(self) -> Option<Ent> {
        match self {
            Self::Ent(row) => Some(row.ent()),
            Self::Tombstone(_) => None,
        }
    }
}

impl LogRow {
    /// The message that it is.
    pub(crate) fn message(&self) -> Message {
        let LogKey { eid, offset_ms, counter, .. } = &self.key;
        Message {
            head: MessageHead::new(eid.clone(), *offset_ms, *counter, self.body.as_deref()),
            body: self.body.clone(),
        }
    }
}

impl std::fmt::Debug for EntRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EntRow")
            .field("eid", &self.eid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
