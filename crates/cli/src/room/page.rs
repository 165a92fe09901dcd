//! Reading a room or a stream in pages: `GET /room/{id}/stream`. Each page is asked for when the one before
//! has been dealt with, so no room is too large.

use anyhow::Context;
use reqwest::Method;
use seabag_protocol::room::name::Cursor;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::http::{Http, HttpError};
use crate::client::link::Link;

/// One page.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// The room's current epoch.
    pub(crate) epoch: String,
    /// The room's head.
    pub(crate) seq: u64,
    /// Why the reading began again from 0.
    pub(crate) reset: Option<String>,
    /// The entries, ascending.
    pub(crate) data: Vec<PageEntry>,
    /// Where the next page goes on, if there is more.
    pub(crate) next: Option<u64>,
}

/// One entry; its value stays as the server wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct PageEntry {
    pub(crate) key: String,
    pub(crate) value: Box<RawValue>,
    pub(crate) seq: u64,
}

/// Asks for pages, one after the other.
pub(crate) struct Pages {
    http: Http,
    url: String,
    key: Option<String>,
    since: Option<String>,
}

impl Pages {
    /// Begins behind a cursor; with a key only that stream.
    pub(crate) fn new(http: Http, link: &Link, key: Option<String>, since: &Cursor) -> Self {
        Self { http, url: link.http("/stream"), key, since: Some(since.to_string()) }
    }

    /// The next page; `None` when the last one had no successor.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Page>> {
        let Some(since) = self.since.take() else { return Ok(None) };
        let mut url = format!("{}?since={since}", self.url);
        if let Some(key) = &self.key {
            url.push_str("&key=");
            url.push_str(&percent_encode(key));
        }
        let make = || self.http.request(Method::GET, &url);
        let text = self.http.text_retried(make).await?;
        let page: Page = serde_json::from_str(&text).context("the server's page cannot be read")?;
        self.since = page.next.map(|seq| format!("{}.{seq}", page.epoch));
        Ok(Some(page))
    }
}

/// The cursor at a number of the room's current history.
pub(crate) async fn cursor_at(http: &Http, link: &Link, seq: u64) -> anyhow::Result<Cursor> {
    #[derive(Deserialize)]
    struct Epoch {
        epoch: String,
    }
    if seq == 0 {
        return Ok(Cursor::START);
    }
    let text = http.text_retried(|| http.request(Method::GET, &link.http(""))).await?;
    let answer: Epoch = serde_json::from_str(&text).context("the server's answer cannot be read")?;
    Cursor::parse(&format!("{}.{seq}", answer.epoch)).context("the server's epoch cannot be read")
}

/// Anything but the plainest characters as `%XX`.
pub(crate) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The words for a refused request, for callers that add their own.
pub(crate) fn is_unknown_room(error: &anyhow::Error) -> bool {
    error.downcast_ref::<HttpError>().and_then(HttpError::status) == Some(reqwest::StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_url() {
        assert_eq!(percent_encode("a b/ü&=+"), "a%20b%2F%C3%BC%26%3D%2B");
        assert_eq!(percent_encode(""), "");
    }
}
