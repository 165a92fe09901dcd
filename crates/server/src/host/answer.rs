//! What goes out: the response head, then the answer. Always 200, but for what is refused for its size or rate, and
//! always with the headers that let any page of the web call the host.

use std::io;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use seabag_protocol::host::response::{ResponseHead, Subscription};
use seabag_protocol::host::status::Status;

use super::Host;
use super::outflow::Outflow;
use crate::clock::now_ms;
use crate::status::host_http_status;

/// A call that worked.
pub(crate) struct Reply {
    pub(crate) subscription: Subscription,
    pub(crate) body: Body,
}

impl Reply {
    /// With a body that is whole.
    pub(crate) fn of(subscription: Subscription, body: Vec<u8>) -> Self {
        Self { subscription, body: Body::Whole(body.into()) }
    }
}

/// What follows the head.
pub(crate) enum Body {
    /// These bytes.
    Whole(Bytes),
    /// More than one piece, read while they are sent.
    Pieces(Outflow),
}

/// A call that did not work.
pub(crate) struct Failed {
    pub(crate) status: Status,
    pub(crate) why: Why,
    subscription: Subscription,
}

/// Why, where the status byte does not say it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// As the status says.
    Status,
    /// The request has more bytes than one may.
    TooLarge,
    /// Too many requests; in so many milliseconds another may come.
    RateLimited(u64),
    /// The request's body did not arrive in time.
    TooSlow,
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self { status, why: Why::Status, subscription: Subscription::default() }
    }
}

impl Failed {
    /// Refused by the frame, not by the call.
    pub(crate) fn by_frame(why: Why) -> Self {
        Self { status: Status::HostError, why, subscription: Subscription::default() }
    }

    /// Too many requests.
    pub(crate) fn rate_limited(retry_ms: u64) -> Self {
        Self::by_frame(Why::RateLimited(retry_ms))
    }

    /// The same, telling the account what it has.
    pub(crate) fn of(self, subscription: Subscription) -> Self {
        Self { subscription, ..self }
    }
}

/// The answer to a request.
pub(crate) fn respond(host: &Host, received_ms: u64, replied: Result<Reply, Failed>) -> Response {
    let (status, why, subscription, body) = match replied {
        Ok(reply) => (Status::Success, Why::Status, reply.subscription, reply.body),
        Err(failed) => (failed.status, failed.why, failed.subscription, Body::Whole(Bytes::new())),
    };
    let head = ResponseHead { status, received_ms, sent_ms: now_ms(), subscription };
    let mut bytes = Vec::with_capacity(64);
    if head.write(&mut bytes).is_err() {
        return envelope(StatusCode::INTERNAL_SERVER_ERROR, HttpBody::empty());
    }
    let body = match body {
        Body::Whole(body) if body.is_empty() => HttpBody::from(bytes),
        Body::Whole(body) => {
            bytes.extend_from_slice(&body);
            HttpBody::from(bytes)
        }
        Body::Pieces(outflow) => {
            let head = stream::iter([Ok::<_, io::Error>(Bytes::from(bytes))]);
            let stall = Duration::from_millis(host.limits().write_stall_ms.max(1));
            HttpBody::from_stream(head.chain(outflow.send(stall)))
        }
    };
    let mut response = envelope(host_http_status(why), body);
    if let Why::RateLimited(retry_ms) = why {
        let seconds = HeaderValue::from(retry_ms.div_ceil(1_000).max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// The answer to a browser that asks whether it may call.
pub(crate) fn preflight() -> Response {
    envelope(StatusCode::OK, HttpBody::empty())
}

fn envelope(status: StatusCode, body: HttpBody) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        // Upstream names none: it has no registration that is guarded.
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
