//! What a session hears and what it asks for. The driver does the asking, and understands none of it.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::report::Report;

/// Tells a call from those before it, so that a late answer to one that was given up is not taken for another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Why a call brought no answer. The texts name no address, no token and nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The host was not reached, or the connection broke.
    #[error("the host cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing moved for too long.
    #[error("the host does not answer")]
    Silent,
    /// An HTTP status other than success.
    #[error("the host answered with HTTP status {0}: is it a Seabag host?")]
    Http(u16),
    /// The answer is longer than any right one could be.
    #[error("the host's answer is longer than {0} bytes")]
    TooLarge(u64),
}

/// What happens to a session.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// It may begin.
    Start,
    /// A call was answered, or failed.
    Response {
        /// Which call.
        call: CallId,
        /// The answer's body.
        result: Result<Bytes, Failure>,
    },
    /// The notices are open: what is stored from now on will be heard.
    NoticesOpened,
    /// A frame of notices.
    Notice(Bytes),
    /// The notices are closed, or could not be opened.
    NoticesClosed,
    /// Something was written here.
    LocalWrite,
    /// The time that the session asked to be woken at has come.
    Wake,
    /// The network may be back: no need to wait longer.
    Online,
    /// Look at every bag of the host, and mend what is damaged.
    Audit,
    /// Remove the account from the host, with all its bags.
    DeleteAccount,
    /// It shall end.
    Stop,
}

/// What a session asks of its driver.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this. Never a second call before the first one's response.
    Call {
        /// What the response names.
        call: CallId,
        /// Where to.
        path: &'static str,
        /// The whole body.
        body: Bytes,
        /// Whether the token for registration goes along, if there is one.
        token: bool,
        /// The longest answer to read, bytes.
        answer_bytes_max: u64,
    },
    /// Open the notices; what was open before is closed.
    OpenNotices {
        /// The query of the address. It signs in: it is not for logs.
        query: String,
    },
    /// Close the notices.
    CloseNotices,
    /// Wake the session at this time, milliseconds since 1970, and at no time asked for before.
    WakeAt(u64),
    /// Something that someone may want to know.
    Report(Report),
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => formatter.write_str("Start"),
            Self::Response { call, result: Ok(body) } => {
                write!(formatter, "Response({}, {} bytes)", call.0, body.len())
            }
            Self::Response { call, result: Err(failure) } => {
                write!(formatter, "Response({}, {failure})", call.0)
            }
            Self::NoticesOpened => formatter.write_str("NoticesOpened"),
            Self::Notice(frame) => write!(formatter, "Notice({} bytes)", frame.len()),
            Self::NoticesClosed => formatter.write_str("NoticesClosed"),
            Self::LocalWrite => formatter.write_str("LocalWrite"),
            Self::Wake => formatter.write_str("Wake"),
            Self::Online => formatter.write_str("Online"),
            Self::Audit => formatter.write_str("Audit"),
            Self::DeleteAccount => formatter.write_str("DeleteAccount"),
            Self::Stop => formatter.write_str("Stop"),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { call, path, body, .. } => {
                write!(formatter, "Call({}, {path}, {} bytes)", call.0, body.len())
            }
            Self::OpenNotices { .. } => formatter.write_str("OpenNotices(..)"),
            Self::CloseNotices => formatter.write_str("CloseNotices"),
            Self::WakeAt(at_ms) => write!(formatter, "WakeAt({at_ms})"),
            Self::Report(report) => write!(formatter, "Report({report:?})"),
        }
    }
}
