//! The status byte: how a host answers, and how every decoder of this protocol fails.

use thiserror::Error;

macro_rules! statuses {
    ($($(#[doc = $about:expr])+ $name:ident = $code:expr, $words:expr;)+) => {
        /// What became of a request, an item or a decoding. The codes are the protocol's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
        #[repr(u8)]
        pub enum Status {
            $($(#[doc = $about])+ #[error($words)] $name = $code,)+
        }

        impl Status {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

statuses! {
    /// It worked.
    Success = 0, "success";
    /// A signature does not verify, or its key is not acceptable.
    InvalidSignature = 3, "the signature is not valid";
    /// The two clocks differ by more than the tolerance.
    ClockOutOfSync = 4, "the clocks are out of step";
    /// The host has no such account.
    UserNotRegistered = 5, "the account is not registered";
    /// The host is not set up rightly.
    ServerMisconfigured = 6, "the server is misconfigured";
    /// The request has no body.
    MissingBody = 7, "the body is missing";
    /// The request goes on after its end.
    ExtraBodyContent = 8, "there is something after the end";
    /// Something that must be given is not.
    MissingParam = 9, "a parameter is missing";
    /// Something that was given cannot be.
    InvalidParam = 10, "a parameter is not valid";
    /// The request is refused for what it asks.
    InvalidRequest = 11, "the request is not valid";
    /// The host failed.
    InternalError = 12, "internal error";
    /// There is no such thing, or no such call.
    NotFound = 13, "not found";
    /// Bytes that are not what they should be.
    InvalidMessage = 14, "the message is not valid";
    /// Nothing changed.
    NoChange = 15, "nothing changed";
    /// The database is closed.
    DatabaseClosed = 16, "the database is closed";
    /// The host could not store it.
    StorageError = 17, "it could not be stored";
    /// The database failed.
    DatabaseError = 18, "the database failed";
    /// A body is not the one that its head names.
    HashMismatch = 19, "the body does not match its hash";
    /// Something sealed does not open.
    DecryptionError = 20, "it cannot be opened";
    /// Not made.
    NotImplemented = 21, "not implemented";
    /// No seed.
    MissingSeed = 22, "the seed is missing";
    /// The input ends before the bytes that it promises.
    OutOfBounds = 23, "the input is too short";
    /// The host answered outside the protocol.
    HostError = 24, "the host failed";
    /// The host was not reached.
    CommunicationError = 25, "the host cannot be reached";
    /// A number is longer than eight bytes, or above 2^56-1.
    VarLimitExceeded = 26, "a number is too large";
    /// The host's answer cannot be read.
    InvalidResponse = 27, "the answer is not valid";
    /// The connection was closed.
    ConnectionClosed = 28, "the connection was closed";
}

impl Status {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status of a byte; `None` for one that has no meaning.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
}
