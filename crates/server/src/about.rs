//! What a client may know before it knows a room: which program this is, and what it asks of those who make rooms or
//! accounts. Never a token, an address or a number of anything.

use serde_json::json;

use crate::settings::{Registration, Settings};

/// The answer of `GET /about`, the same as long as the server runs.
pub(crate) fn about(settings: &Settings) -> serde_json::Value {
    json!({
        "name": "seabag",
        "version": env!("CARGO_PKG_VERSION"),
        "creation": if settings.creation_token.is_some() { "token" } else { "open" },
        "registration": match settings.registration {
            Registration::Open => "open",
            Registration::Token(_) => "token",
            Registration::Closed => "closed",
        },
    })
}
