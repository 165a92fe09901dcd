//! What is kept of an entity's past: per type, the latest message only or all of them.

use seabag_protocol::host::message::MessageHead;

use crate::Ent;

/// What a type keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// The latest message of each entity.
    #[default]
    Latest,
    /// Every message: uploaded, never pruned, and an entity can go back.
    All,
}

/// One message of an entity's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The message's head.
    pub head: MessageHead,
    /// The entity as this message had it; `None`: the message is its end.
    pub ent: Option<Ent>,
}
