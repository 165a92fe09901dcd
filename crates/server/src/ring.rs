//! A room's fan-out: one ring of recent messages, a position for each reader. A message is encoded at most once
//! for each encoding, by the first reader that needs it, and its bytes are shared.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use parking_lot::RwLock;
use seabag_protocol::room::name::{RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::Encoding;

/// One thing that happened in a room's order.
#[derive(Debug)]
pub(crate) enum Event {
    /// A broadcast.
    Push(Shared),
    /// A compact took effect.
    Trimmed {
        /// The stream.
        key: StreamKey,
        /// Up to this number.
        seq: RoomSeq,
        /// Retained entries.
        size: u64,
    },
}

/// A broadcast and its encoded forms.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) entry: Entry,
    /// Whether a stream retains it.
    pub(crate) stored: bool,
    json: OnceLock<Utf8Bytes>,
    cbor: OnceLock<Bytes>,
}

impl Shared {
    pub(crate) fn new(entry: Entry, stored: bool) -> Self {
        Self { entry, stored, json: OnceLock::new(), cbor: OnceLock::new() }
    }

    fn encode(&self, encoding: Encoding) -> Vec<u8> {
        ServerMessage::Push(self.entry.clone()).encode(encoding)
    }

    /// The push as JSON text.
    pub(crate) fn json(&self) -> Utf8Bytes {
        let encode = || text(self.encode(Encoding::Json));
        self.json.get_or_init(encode).clone()
    }

    /// The push as a WebSocket frame.
    pub(crate) fn frame(&self, encoding: Encoding) -> Message {
        match encoding {
            Encoding::Json => Message::Text(self.json()),
            Encoding::Cbor => Message::Binary(self.cbor.get_or_init(|| self.encode(encoding).into()).clone()),
        }
    }
}

/// Encoded JSON as the text that it is.
pub(crate) fn text(bytes: Vec<u8>) -> Utf8Bytes {
    // The encoder writes only UTF-8.
    Utf8Bytes::try_from(Bytes::from(bytes)).unwrap_or_default()
}

/// The ring. Positions count its events from the room's loading and never go back.
#[derive(Debug)]
pub(crate) struct Ring {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Arc<Event>>,
    /// The position of the first event that is still here.
    base: u64,
    bytes: usize,
}

impl Inner {
    fn end(&self) -> u64 {
        self.base + self.events.len() as u64
    }
}

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingBounds {
    /// Events that it keeps whatever happens.
    pub(crate) messages_min: usize,
    /// Bytes of events that it keeps whatever happens.
    pub(crate) bytes_min: usize,
    /// Most bytes that it keeps for readers who lag.
    pub(crate) bytes_max: usize,
}

/// What a reader gets at its position.
pub(crate) enum Batch {
    /// The events from there on, perhaps not all, and the position behind them.
    Events(Vec<Arc<Event>>, u64),
    /// The events there are gone: the reader was too slow.
    Overflow,
}

fn weight(event: &Event) -> usize {
    match event {
        Event::Push(shared) => 128 + shared.entry.key.as_str().len() + 2 * shared.entry.value.len(),
        Event::Trimmed { key, .. } => 64 + key.as_str().len(),
    }
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self { inner: RwLock::new(Inner::default()) }
    }

    /// Adds an event. The position behind it.
    pub(crate) fn push(&self, event: Event) -> u64 {
        let mut inner = self.inner.write();
        inner.bytes += weight(&event);
        inner.events.push_back(Arc::new(event));
        inner.end()
    }

    /// The position behind the newest event.
    pub(crate) fn end(&self) -> u64 {
        self.inner.read().end()
    }

    /// Drops what no reader at or behind `slowest` needs, and what exceeds the bounds. The position of the first
    /// event that is kept.
    pub(crate) fn trim(&self, slowest: u64, bounds: RingBounds) -> u64 {
        let mut inner = self.inner.write();
        while let Some(front) = inner.events.front() {
            let dispensable = inner.events.len() > bounds.messages_min || inner.bytes > bounds.bytes_min;
            // The newest stays however large it is: nobody is slow who has not had a chance to take it.
            let excessive = inner.bytes > bounds.bytes_max && inner.events.len() > 1;
            if !(excessive || (dispensable && inner.base < slowest)) {
                break;
            }
            let weight = weight(front);
            inner.bytes -= weight;
            inner.events.pop_front();
            inner.base += 1;
        }
        inner.base
    }

    /// Whether the events from this position on are all here.
    pub(crate) fn reaches(&self, position: u64) -> bool {
        self.inner.read().base <= position
    }

    /// The events from a position on: at most so many, and none behind the one that passes `bytes_max`.
    pub(crate) fn read(&self, position: u64, events_max: usize, bytes_max: usize) -> Batch {
        let inner = self.inner.read();
        let Some(skip) = position.checked_sub(inner.base) else { return Batch::Overflow };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(inner.events.len());
        let mut bytes = 0;
        let fits = |event: &&Arc<Event>| {
            let fits = bytes < bytes_max;
            bytes += weight(event);
            fits
        };
        let events: Vec<_> = inner.events.range(skip..).take(events_max).take_while(fits).cloned().collect();
        let end = position + events.len() as u64;
        Batch::Events(events, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_protocol::room::value::Value;

    #[test]
    fn a_batch_is_bounded_in_bytes_and_never_empty_while_there_is_something() {
        let ring = Ring::new();
        for seq in 1..=10 {
            let value = Value::from_json(&format!("\"{}\"", "x".repeat(1_000))).unwrap();
            let entry = Entry { key: StreamKey::from("k"), seq: RoomSeq(seq), value };
            ring.push(Event::Push(Shared::new(entry, true)));
        }
        for (bytes_max, expected) in [(1, 1), (2_500, 2), (usize::MAX, 10)] {
            let Batch::Events(events, end) = ring.read(0, 100, bytes_max) else { panic!("all are here") };
            assert_eq!((events.len(), end), (expected, expected as u64));
        }
    }
}
