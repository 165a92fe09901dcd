//! Reading a room in pages: `GET /room/{id}/stream`. Each page is asked for when the one before
//! has been dealt with, so no room is too large.

use anyhow::Context;
use reqwest::Method;
use seabag_protocol::room::name::Cursor;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::http::Http;
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
    since: Option<String>,
}

impl Pages {
    /// Begins behind a cursor.
    pub(crate) fn new(http: Http, link: &Link, since: &Cursor) -> Self {
        Self { http, url: link.http("/stream"), since: Some(since.to_string()) }
    }

    /// The next page; `None` when the last one had no successor.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Page>> {
        let Some(since) = self.since.take() else { return Ok(None) };
        let url = format!("{}?since={since}", self.url);
        let make = || self.http.request(Method::GET, &url);
        let text = self.http.text_retried(make).await?;
        let page: Page = serde_json::from_str(&text).context("the server's page cannot be read")?;
        self.since = page.next.map(|seq| format!("{}.{seq}", page.epoch));
        Ok(Some(page))
    }
}
