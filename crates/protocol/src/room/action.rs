//! What a push does to its stream (seed document, "Actions"; `close` is the native dialect's).

use super::name::RoomSeq;

/// The action of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Broadcast, and add to the stream.
    Append,
    /// Broadcast and number, keep nothing.
    Relay,
    /// Broadcast, and let the value be the whole stream.
    Replace,
    /// Put the value in the place of everything up to a number. Not broadcast, takes no number. Its value may
    /// depend only on that stream's messages up to that number. Without a value it trims (native).
    Compact {
        /// Up to and including this number.
        seq: RoomSeq,
    },
    /// Append as the room's last message: afterwards every push is refused (native).
    Close,
}

impl Action {
    /// The action's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Relay => "relay",
            Self::Replace => "replace",
            Self::Compact { .. } => "compact",
            Self::Close => "close",
        }
    }
}
