//! The one table from codes to HTTP statuses and WebSocket close codes (docs/rooms.md, "Codes").

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::host::status::Status;
use seabag_store::StoreError;

use crate::host::Why;

/// The HTTP status of a code.
pub(crate) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::BadMessage => StatusCode::UNPROCESSABLE_ENTITY,
        Code::BadParameter => StatusCode::BAD_REQUEST,
        Code::UnknownRoom | Code::RoomDeleted | Code::RoomExpired | Code::AccountDeleted => {
            StatusCode::NOT_FOUND
        }
        Code::TokenRequired => StatusCode::UNAUTHORIZED,
        Code::ReadOnly => StatusCode::FORBIDDEN,
        Code::Closed | Code::CompactAhead | Code::Replaced => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::TooManyKeys | Code::RoomFull | Code::TooManyClients => StatusCode::INSUFFICIENT_STORAGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::GoingAway | Code::SlowReader | Code::SilentPeer => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// The close code that ends a connection for a code. 4100 to 4499 mean: connect again; 4500 to 4999: do not.
pub fn close_code(code: Code) -> u16 {
    match code {
        Code::GoingAway => 1001,
        Code::TooLarge => 1009,
        Code::SlowReader => 4100,
        Code::RateLimited => 4101,
        Code::Unavailable => 4102,
        Code::SilentPeer => 4104,
        Code::Replaced => 4501,
        Code::RoomDeleted | Code::UnknownRoom | Code::AccountDeleted => 4502,
        Code::RoomExpired => 4503,
        Code::TokenRequired | Code::ReadOnly => 4504,
        Code::BadMessage
        | Code::BadParameter
        | Code::Closed
        | Code::CompactAhead
        | Code::TooManyKeys
        | Code::RoomFull
        | Code::TooManyClients => 4500,
    }
}

/// The HTTP status around an answer of the host: what the status byte says, it says alone.
pub(crate) fn host_http_status(why: Why) -> StatusCode {
    match why {
        Why::Status => StatusCode::OK,
        Why::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Why::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Why::TooSlow => StatusCode::REQUEST_TIMEOUT,
    }
}

/// What a listener is told that may not listen, as text.
pub(crate) fn listening_refused(status: Status) -> Response {
    let code = match status {
        Status::InternalError | Status::StorageError => StatusCode::SERVICE_UNAVAILABLE,
        Status::HostError => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNAUTHORIZED,
    };
    (code, format!("{status}\n")).into_response()
}

/// A refusal as an HTTP answer: `{"code","message",…}` with the code's status.
pub(crate) fn respond(refusal: &Refusal) -> Response {
    respond_with(http_status(refusal.code), refusal)
}

/// The same with another status.
pub(crate) fn respond_with(status: StatusCode, refusal: &Refusal) -> Response {
    let mut body = serde_json::json!({ "code": refusal.code.as_str(), "message": refusal.message });
    if let Some(fields) = body.as_object_mut() {
        if let Some(id) = refusal.id {
            fields.insert("id".into(), id.0.into());
        }
        if let Some(key) = &refusal.key {
            fields.insert("key".into(), key.as_str().into());
        }
        if let Some(retry_ms) = refusal.retry_ms {
            fields.insert("retry_ms".into(), retry_ms.into());
        }
    }
    let mut response = (status, Json(body)).into_response();
    if let Some(retry_ms) = refusal.retry_ms {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry_ms.div_ceil(1_000).max(1)));
    }
    response
}

/// What a peer is told when the store fails. The reason is for the log: it may name files.
pub(crate) fn store_refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Fenced => Refusal::new(Code::RoomDeleted, "the room was deleted"),
        _ => unavailable("storage has stopped"),
    }
}

/// Something that may pass.
pub(crate) fn unavailable(message: &str) -> Refusal {
    Refusal::new(Code::Unavailable, message).retry_after(2_000)
}
