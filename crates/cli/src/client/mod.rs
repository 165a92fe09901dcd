//! Talking to a server: HTTP for single questions, a WebSocket for streams. What a room's id is used for ends
//! here: no error of this module shows a URL.

pub(crate) mod backoff;
pub(crate) mod http;
pub(crate) mod link;
pub(crate) mod socket;

/// The server unless another is named.
pub(crate) const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";
