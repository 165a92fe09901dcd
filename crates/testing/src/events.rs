//! A client of event streams: reads `text/event-stream` as the HTML standard says, one event at a time.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::time::timeout;

use crate::http_client::{Opened, Reply, Request};
use crate::process::DEADLINE;

/// One event, or a comment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its name; empty for an unnamed one.
    pub name: String,
    /// Its id, if it had one.
    pub id: Option<String>,
    /// Its data.
    pub data: String,
    /// A comment's text. Then the rest is empty.
    pub comment: Option<String>,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The number of the entry.
    pub fn seq(&self) -> u64 {
        self.json()["seq"].as_u64().expect("a number")
    }
}

/// An event stream.
#[derive(Debug)]
pub struct EventStream {
    opened: Opened,
    buffer: Vec<u8>,
    waiting: VecDeque<Event>,
    /// `retry:` as it was last given.
    pub retry: Option<String>,
}

impl EventStream {
    /// Opens a stream, or brings the answer that refused it: a status of 0 if there was none.
    pub async fn open(request: Request) -> Result<Self, Reply> {
        let request = request.header("accept", "text/event-stream");
        let opened = timeout(DEADLINE, request.open()).await.expect("in time");
        let nothing =
            |error: std::io::Error| Reply { status: 0, headers: Vec::new(), body: error.to_string().into() };
        let mut opened = opened.map_err(nothing)?;
        if opened.status != 200 {
            let body = opened.chunk().await.expect("a body").unwrap_or_default();
            return Err(Reply { status: opened.status, headers: opened.headers, body });
        }
        Ok(Self { opened, buffer: Vec::new(), waiting: VecDeque::new(), retry: None })
    }

    /// A header of the answer.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.opened.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// The next event or comment; `None` when the stream has ended or was cut.
    pub async fn next_or_comment(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let chunk = timeout(DEADLINE, self.opened.chunk()).await.expect("an event in time");
            self.buffer.extend_from_slice(&chunk.ok()??);
            self.parse();
        }
    }

    /// The next event; `None` when the stream has ended or was cut.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.next_or_comment().await?;
            if event.comment.is_none() {
                return Some(event);
            }
        }
    }

    /// The next event, which there must be.
    pub async fn event(&mut self) -> Event {
        self.next().await.expect("an event")
    }

    /// Reads events until one of this name.
    pub async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let last = event.name == name;
            events.push(event);
            if last {
                return events;
            }
        }
    }

    fn parse(&mut self) {
        while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("UTF-8");
            let mut event = Event::default();
            let mut data = Vec::new();
            for line in block.lines().filter(|line| !line.is_empty()) {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "" => event.comment = Some(value.to_owned()),
                    "event" => event.name = value.to_owned(),
                    "id" => event.id = Some(value.to_owned()),
                    "data" => data.push(value),
                    "retry" => self.retry = Some(value.to_owned()),
                    _ => panic!("what is {line:?}?"),
                }
            }
            event.data = data.join("\n");
            self.waiting.push_back(event);
        }
    }
}
