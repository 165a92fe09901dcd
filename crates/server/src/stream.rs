//! `GET /room/{id}/stream`: a page of the room as JSON, a long poll for the next, or all of it as an event stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use parking_lot::Mutex;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::machine::{Command, Reply};
use seabag_protocol::room::name::{Cursor, Epoch, RoomAddress, RoomHash, RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::{ResetReason, ServerMessage, encode_page};
use seabag_protocol::room::session::{Deliver, Dialect, Options, Session};
use seabag_protocol::room::value::Encoding;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::clock::now_ms;
use crate::feed::{Feed, Outgoing};
use crate::http::{encoded, refuse};
use crate::ring::Event;

/// Pages that a filtered read goes through for one answer, before it hands back a cursor to go on from.
const FILTERED_PAGES_MAX: usize = 16;

/// What was asked for.
struct Query {
    since: Option<Cursor>,
    key: Option<StreamKey>,
    limit: Option<u64>,
    wait: Duration,
}

/// The route.
pub(crate) async fn get_stream(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let wants_events = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream")));
    let answer = async {
        let address = RoomAddress::parse(&id)?;
        let mut query = parse(&app, query.as_deref().unwrap_or_default())?;
        if wants_events {
            if let Some(last) = headers.get("last-event-id").and_then(|last| last.to_str().ok()) {
                query.since = Some(Cursor::parse(last)?);
            }
            events(&app, &address, query).await
        } else {
            page(&app, &address, query).await
        }
    };
    answer.await.unwrap_or_else(|refusal| refuse(&app, &refusal))
}

fn parse(app: &App, query: &str) -> Result<Query, Refusal> {
    let mut parsed = Query { since: None, key: None, limit: None, wait: Duration::ZERO };
    let number = |name: &str, value: &str| {
        value
            .parse::<u64>()
            .map_err(|_| Refusal::new(Code::BadParameter, format!("{name} must be a whole number")))
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "since" => parsed.since = Some(Cursor::parse(&value)?),
            "key" => parsed.key = Some(StreamKey::from(&*value)),
            "limit" => parsed.limit = Some(number("limit", &value)?),
            "wait" => {
                let wait_ms = parse_wait_ms(&value)?;
                parsed.wait = Duration::from_millis(wait_ms.min(app.limits.long_poll_ms_max));
            }
            _ => {}
        }
    }
    Ok(parsed)
}

/// Seconds, with a fraction if need be.
fn parse_wait_ms(value: &str) -> Result<u64, Refusal> {
    let bad = || Refusal::new(Code::BadParameter, "wait must be a number of seconds");
    let seconds: f64 = value.parse().map_err(|_| bad())?;
    if !(0.0..=1e9).contains(&seconds) {
        return Err(bad());
    }
    Ok(Duration::from_secs_f64(seconds).as_millis().try_into().unwrap_or(u64::MAX))
}

/// One page as it stands at its place in the order.
struct Page {
    epoch: Epoch,
    head: RoomSeq,
    reset: Option<ResetReason>,
    entries: Vec<Entry>,
    next: Option<RoomSeq>,
}

async fn page(app: &App, address: &RoomAddress, query: Query) -> Result<Response, Refusal> {
    let until = Instant::now() + query.wait;
    let mut cursor = query.since.clone().unwrap_or(Cursor::START);
    let mut reset = None;
    let mut pages = 0;
    loop {
        let mut page = read_page(app, address.hash(), &cursor, query.limit).await?;
        reset = reset.or(page.reset);
        let reached = page.next.unwrap_or(page.head);
        if let Some(key) = &query.key {
            page.entries.retain(|entry| entry.key == *key);
        }
        pages += 1;
        let over = if page.next.is_some() { pages >= FILTERED_PAGES_MAX } else { Instant::now() >= until };
        if !page.entries.is_empty() || over {
            let body = encode_page(&page.epoch, page.head, reset, &page.entries, page.next, Encoding::Json);
            return Ok(encoded(Encoding::Json, body));
        }
        cursor = Cursor { epoch: Some(page.epoch.clone()), seq: reached };
        if page.next.is_none() {
            wait_for_more(app, address, &cursor, until).await?;
        }
    }
}

async fn read_page(app: &App, hash: RoomHash, cursor: &Cursor, limit: Option<u64>) -> Result<Page, Refusal> {
    let command = Command::GetRoom { cursor: cursor.clone(), limit };
    let answers = app.registry.send(hash, command, None).await?;
    let due =
        answers.into_iter().next().ok_or_else(|| crate::status::unavailable("the room gave no answer"))?;
    let page = app.reader().read_room(&due).await?;
    let Reply::ReadRoom { read, epoch, reset } = due.reply else {
        return Err(crate::status::unavailable("the room gave another answer"));
    };
    Ok(Page { epoch, head: read.head, reset, entries: page.entries, next: page.next })
}

/// Waits until something stored may have come behind the cursor, or the time is up.
async fn wait_for_more(
    app: &App,
    address: &RoomAddress,
    cursor: &Cursor,
    until: Instant,
) -> Result<(), Refusal> {
    let mut feed = join(app, address, Some(cursor.clone())).await?;
    let mut batch = Vec::new();
    while timeout_at(until, feed.ready()).await.is_ok() {
        feed.take(&mut batch).await;
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::End(refusal) => return Err(refusal),
                Outgoing::Message(ServerMessage::Entries { .. }) => return Ok(()),
                Outgoing::Event(event) if matches!(&*event, Event::Push(push) if push.stored) => {
                    return Ok(());
                }
                Outgoing::Event(_) | Outgoing::Message(_) => {}
            }
        }
    }
    Ok(())
}

async fn join(app: &App, address: &RoomAddress, since: Option<Cursor>) -> Result<Feed, Refusal> {
    let options = Options {
        dialect: Dialect::Native,
        encoding: Encoding::Json,
        deliver: Deliver::All,
        since,
        client: None,
        debug: false,
        access: address.access(),
    };
    let session = Arc::new(Mutex::new(Session::new(options, Arc::clone(&app.limits), now_ms())));
    app.registry.join(address.hash(), session).await
}

/// An event stream under way.
struct Events {
    feed: Feed,
    key: Option<StreamKey>,
    comment_every: Duration,
    comment_at: Instant,
    ended: bool,
    readers: prometheus_client::metrics::gauge::Gauge,
    sent: prometheus_client::metrics::counter::Counter,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

async fn events(app: &App, address: &RoomAddress, query: Query) -> Result<Response, Refusal> {
    let feed = join(app, address, query.since).await?;
    let comment_every = Duration::from_millis(app.limits.sse_comment_ms.max(1));
    app.metrics.readers.inc();
    let events = Events {
        feed,
        key: query.key,
        comment_every,
        comment_at: Instant::now() + comment_every,
        ended: false,
        readers: app.metrics.readers.clone(),
        sent: app.metrics.sent.clone(),
    };
    let body = stream::unfold(events, |mut events| async {
        let chunk = events.next().await?;
        Some((Ok::<_, Infallible>(chunk), events))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

impl Events {
    /// The next bytes of the stream: all that waits, or a comment when nothing does.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut text = String::new();
        let mut batch = Vec::new();
        while text.is_empty() {
            if timeout_at(self.comment_at, self.feed.ready()).await.is_err() {
                text.push_str(": still here\n\n");
                break;
            }
            self.feed.take(&mut batch).await;
            for outgoing in batch.drain(..) {
                self.write(outgoing, &mut text);
            }
        }
        self.comment_at = Instant::now() + self.comment_every;
        Some(text.into())
    }

    fn write(&mut self, outgoing: Outgoing, text: &mut String) {
        match outgoing {
            Outgoing::Event(event) => {
                if let Event::Push(push) = &*event
                    && self.wants(&push.entry.key)
                {
                    self.write_entry(Some(push.entry.seq), push.json().as_str(), text);
                }
            }
            Outgoing::Message(ServerMessage::Entries { data, .. }) => {
                let mut data = data.into_iter().filter(|entry| self.wants(&entry.key)).peekable();
                while let Some(entry) = data.next() {
                    let seq = entry.seq;
                    // Two streams' entries may share a number: only the last of them is where a reader goes on.
                    let cursor = data.peek().is_none_or(|next| next.seq > seq).then_some(seq);
                    self.write_entry(cursor, &json(&ServerMessage::Push(entry)), text);
                }
            }
            Outgoing::Message(message) => match &message {
                ServerMessage::Hello(hello) => {
                    text.push_str(&format!("retry: 1000\nid: {}\n", self.feed.cursor_at_joining(hello.seq)));
                    named("hello", &json(&message), text);
                }
                ServerMessage::Reset { .. } => named("reset", &json(&message), text),
                ServerMessage::Live { .. } => named("live", &json(&message), text),
                _ => {}
            },
            Outgoing::End(refusal) => {
                named("error", &json(&ServerMessage::Error(refusal)), text);
                self.ended = true;
            }
        }
    }

    fn wants(&self, key: &StreamKey) -> bool {
        self.key.as_ref().is_none_or(|wanted| wanted == key)
    }

    /// An unnamed event. Its id is where a reader goes on after a cut; without one that stays where it was.
    fn write_entry(&self, cursor: Option<RoomSeq>, data: &str, text: &mut String) {
        self.sent.inc();
        if let Some(seq) = cursor {
            text.push_str(&format!("id: {}\n", self.feed.cursor(seq)));
        }
        text.push_str(&format!("data: {data}\n\n"));
    }
}

fn json(message: &ServerMessage) -> String {
    // The encoder writes only UTF-8, and never a raw newline.
    String::from_utf8(message.encode(Encoding::Json)).unwrap_or_default()
}

fn named(event: &str, data: &str, text: &mut String) {
    text.push_str(&format!("event: {event}\ndata: {data}\n\n"));
}
