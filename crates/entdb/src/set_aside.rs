//! Messages whose body this version cannot read: kept as they are, and tried again by a later version.

use seabag_protocol::host::message::MessageHead;

/// A message that is kept but not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The message's head.
    pub head: MessageHead,
    /// Bytes of its body.
    pub bytes: u64,
    /// What is wrong with the body.
    pub reason: String,
}
