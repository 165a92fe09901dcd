//! Why something is refused: a machine-readable code, words for a person, and what it belongs to.
//! HTTP statuses and WebSocket close codes are the server's business, not this file's.

use std::fmt;

use crate::room::name::{PushId, StreamKey};

/// The codes of docs/rooms.md, "Codes". Clients decide by them, so none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Not JSON or CBOR, wrong shape, null value, number out of range, nested too deep.
    BadMessage,
    /// A known query parameter or header with a value that means nothing.
    BadParameter,
    /// No such room. `PUT /room/{id}` may create it.
    UnknownRoom,
    /// Creation of rooms, or the admin address, asks for a token.
    TokenRequired,
    /// A push with a read-only id.
    ReadOnly,
    /// The room was closed: it takes no more pushes.
    Closed,
    /// A compact above the room's head.
    CompactAhead,
    /// One message over the limit. Terminal for that message.
    TooLarge,
    /// The room has as many keys as it may.
    TooManyKeys,
    /// The room holds as many bytes or entries as it may.
    RoomFull,
    /// The room remembers as many clients as it may, and none is old enough to forget.
    TooManyClients,
    /// Too many pushes a second, or too many new rooms.
    RateLimited,
    /// Storage has stopped, or the server is starting, stopping or full.
    Unavailable,
    /// The server is about to stop: an announcement before the close.
    GoingAway,
    /// Another connection with the same client id took over.
    Replaced,
    /// The room was deleted.
    RoomDeleted,
    /// The room was not used for its time to live.
    RoomExpired,
    /// The account was deleted: only listeners at the host hear this.
    AccountDeleted,
    /// The peer did not read fast enough.
    SlowReader,
    /// The peer did not answer pings.
    SilentPeer,
}

impl Code {
    /// The code as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::BadParameter => "bad_parameter",
            Self::UnknownRoom => "unknown_room",
            Self::TokenRequired => "token_required",
            Self::ReadOnly => "read_only",
            Self::Closed => "closed",
            Self::CompactAhead => "compact_ahead",
            Self::TooLarge => "too_large",
            Self::TooManyKeys => "too_many_keys",
            Self::RoomFull => "room_full",
            Self::TooManyClients => "too_many_clients",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::GoingAway => "going_away",
            Self::Replaced => "replaced",
            Self::RoomDeleted => "room_deleted",
            Self::RoomExpired => "room_expired",
            Self::AccountDeleted => "account_deleted",
            Self::SlowReader => "slow_reader",
            Self::SilentPeer => "silent_peer",
        }
    }
}

impl Code {
    const ALL: [Self; 20] = [
        Self::BadMessage,
        Self::BadParameter,
        Self::UnknownRoom,
        Self::TokenRequired,
        Self::ReadOnly,
        Self::Closed,
        Self::CompactAhead,
        Self::TooLarge,
        Self::TooManyKeys,
        Self::RoomFull,
        Self::TooManyClients,
        Self::RateLimited,
        Self::Unavailable,
        Self::GoingAway,
        Self::Replaced,
        Self::RoomDeleted,
        Self::RoomExpired,
        Self::AccountDeleted,
        Self::SlowReader,
        Self::SilentPeer,
    ];

    /// Reads a code that a server sent.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what a peer is told when something it sent is not done. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// For machines.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The push that was refused, when it had an id.
    pub id: Option<PushId>,
    /// The stream that it was for.
    pub key: Option<StreamKey>,
    /// When to try again, milliseconds.
    pub retry_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with a code and words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), id: None, key: None, retry_ms: None }
    }

    /// The room does not exist. It says no id: that is a secret.
    pub fn unknown_room() -> Self {
        Self::new(Code::UnknownRoom, "there is no such room; its holder can create it with PUT /room/{id}")
    }

    /// A message that cannot be read.
    pub fn bad_message(message: impl Into<String>) -> Self {
        Self::new(Code::BadMessage, message)
    }

    /// The same refusal, about this push.
    pub fn about(mut self, id: Option<PushId>, key: Option<&StreamKey>) -> Self {
        self.id = id;
        self.key = key.cloned();
        self
    }

    /// The same refusal, with a time to try again.
    pub fn retry_after(mut self, milliseconds: u64) -> Self {
        self.retry_ms = Some(milliseconds);
        self
    }
}
