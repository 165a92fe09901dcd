//! What a server says of a room, in both dialects: one shape, one reading, one writing (docs/rooms.md).

use super::fields::{Field, Fields, shorten};
use super::name::{Epoch, PushId, RoomSeq, StreamKey};
use super::record::Entry;
use super::value::{CBOR_DEPTH_MAX, Encoding, Value};
use super::writer::Writer;
use super::{cbor, json};
use crate::error::{Code, Refusal};

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerMessage {
    /// The first message of a native connection.
    Hello(Hello),
    /// The cursor is not of this room's history: what follows starts from 0.
    Reset {
        /// What was wrong with it.
        reason: ResetReason,
        /// The current epoch.
        epoch: Epoch,
        /// The head.
        seq: RoomSeq,
    },
    /// Entries of the whole room, ascending.
    Entries {
        /// The entries.
        data: Vec<Entry>,
        /// `None`: not a page but a part of catching up. Else where the next page goes on, if there is more.
        next: Option<Option<RoomSeq>>,
    },
    /// Catching up is done: every later number arrives as a push.
    Live {
        /// The last number before.
        seq: RoomSeq,
    },
    /// A broadcast.
    Push(Entry),
    /// A push with an id is durable.
    Ack(Ack),
    /// The entries of one stream.
    Init {
        /// The stream.
        key: StreamKey,
        /// Its entries above the number asked for.
        data: Vec<(RoomSeq, Value)>,
    },
    /// How many entries the stream of a push retains, to its sender only.
    StreamSize {
        /// The stream.
        key: StreamKey,
        /// Retained entries.
        size: u64,
    },
    /// One page of keys.
    Keys {
        /// The keys, ascending.
        data: Vec<KeySummary>,
        /// Where the next page goes on, if there is more.
        next: Option<StreamKey>,
    },
    /// A compact took effect (native with `debug=true`).
    Trimmed {
        /// The stream.
        key: StreamKey,
        /// Up to this number.
        seq: RoomSeq,
        /// Retained entries.
        size: u64,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's.
        nonce: Option<u64>,
    },
    /// Something was refused.
    Error(Refusal),
}

/// Tells a native connection where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The current epoch.
    pub epoch: Epoch,
    /// The head at joining.
    pub seq: RoomSeq,
    /// The last id stored for this client; `None`: this client is not remembered.
    pub last_id: Option<PushId>,
    /// Pushes will be refused.
    pub read_only: bool,
    /// The room takes no more pushes.
    pub closed: bool,
    /// What the server accepts.
    pub limits: HelloLimits,
}

/// The limits that a client should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloLimits {
    /// Most bytes of one message.
    pub message_bytes: u64,
    /// Most bytes of one key.
    pub key_bytes: u64,
    /// Most pushes of one connection a second; 0: unlimited.
    pub pushes_per_second: u64,
}

/// Says that a push is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The push's id; `None` only in the answer to an HTTP list whose pushes have none.
    pub id: Option<PushId>,
    /// Its number (for a compact: the compact's); `None` for a repeat whose number is no longer known.
    pub seq: Option<RoomSeq>,
    /// How many entries its stream now retains.
    pub size: u64,
    /// It was a compact at or below the stream's floor: no effect.
    pub stale: bool,
    /// It had been done before: no effect.
    pub repeat: bool,
}

/// One stream in a list of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// The stream.
    pub key: StreamKey,
    /// Retained entries.
    pub size: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// The lowest retained number.
    pub first: RoomSeq,
    /// The highest retained number.
    pub last: RoomSeq,
}

/// Why a cursor was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// Its epoch is not of this room's history, or too old to be remembered.
    UnknownEpoch,
    /// Its number was never given out in that epoch.
    Ahead,
}

impl ResetReason {
    /// The reason on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownEpoch => "unknown_epoch",
            Self::Ahead => "ahead",
        }
    }
}

impl ServerMessage {
    /// Reads a message that a server sent as text. Total.
    pub fn from_json(text: &str) -> Result<Self, Refusal> {
        read_server(&json::read(text, CBOR_DEPTH_MAX)?)
    }

    /// Reads a message that a server sent as a binary frame. Total.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, Refusal> {
        read_server(&cbor::read(bytes)?)
    }

    /// Writes the message. Field order is upstream's.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        let mut writer = Writer::new(encoding, self.size_hint());
        write_server(self, &mut writer);
        writer.finish()
    }

    fn size_hint(&self) -> usize {
        match self {
            Self::Push(entry) => 64 + entry.key.as_str().len() + entry.value.len(),
            Self::Entries { data, .. } => {
                64 + data.iter().map(|entry| 48 + entry.key.as_str().len() + entry.value.len()).sum::<usize>()
            }
            Self::Init { data, .. } => 64 + data.iter().map(|(_, value)| 32 + value.len()).sum::<usize>(),
            _ => 128,
        }
    }
}

/// Writes several answers as one list (HTTP: the acks of a list of pushes).
pub fn encode_list(messages: &[ServerMessage], encoding: Encoding) -> Vec<u8> {
    let mut writer = Writer::new(encoding, 64 * messages.len() + 8);
    writer.list(messages.len());
    for message in messages {
        write_server(message, &mut writer);
    }
    writer.end_list();
    writer.finish()
}

/// Writes a page of the room as HTTP answers it: `{"epoch","seq","reset"?,"data","next"}`.
pub fn encode_page(
    epoch: &Epoch,
    head: RoomSeq,
    reset: Option<ResetReason>,
    data: &[Entry],
    next: Option<RoomSeq>,
    encoding: Encoding,
) -> Vec<u8> {
    let mut writer =
        Writer::new(encoding, 128 + data.iter().map(|entry| 64 + entry.value.len()).sum::<usize>());
    writer.map(4 + usize::from(reset.is_some()));
    writer.text_field("epoch", epoch.as_str());
    writer.number_field("seq", head.0);
    if let Some(reason) = reset {
        writer.text_field("reset", reason.as_str());
    }
    write_entries(data, &mut writer);
    writer.optional_number_field("next", next.map(|seq| seq.0));
    writer.end_map();
    writer.finish()
}

fn write_entries(data: &[Entry], writer: &mut Writer) {
    writer.name("data");
    writer.list(data.len());
    for entry in data {
        writer.map(3);
        writer.text_field("key", entry.key.as_str());
        writer.value_field("value", &entry.value);
        writer.number_field("seq", entry.seq.0);
        writer.end_map();
    }
    writer.end_list();
}

fn write_server(message: &ServerMessage, writer: &mut Writer) {
    match message {
        ServerMessage::Hello(hello) => write_hello(hello, writer),
        ServerMessage::Reset { reason, epoch, seq } => {
            writer.map(4);
            writer.text_field("type", "reset");
            writer.text_field("reason", reason.as_str());
            writer.text_field("epoch", epoch.as_str());
            writer.number_field("seq", seq.0);
            writer.end_map();
        }
        ServerMessage::Entries { data, next } => {
            writer.map(2 + usize::from(next.is_some()));
            writer.text_field("type", "entries");
            write_entries(data, writer);
            if let Some(next) = next {
                writer.optional_number_field("next", next.map(|seq| seq.0));
            }
            writer.end_map();
        }
        ServerMessage::Live { seq } => {
            writer.map(2);
            writer.text_field("type", "live");
            writer.number_field("seq", seq.0);
            writer.end_map();
        }
        ServerMessage::Push(entry) => {
            writer.map(4);
            writer.text_field("type", "push");
            writer.text_field("key", entry.key.as_str());
            writer.value_field("value", &entry.value);
            writer.number_field("seq", entry.seq.0);
            writer.end_map();
        }
        ServerMessage::Ack(ack) => write_ack(ack, writer),
        ServerMessage::Init { key, data } => {
            writer.map(3);
            writer.text_field("type", "init");
            writer.text_field("key", key.as_str());
            writer.name("data");
            writer.list(data.len());
            for (seq, value) in data {
                writer.map(2);
                writer.value_field("value", value);
                writer.number_field("seq", seq.0);
                writer.end_map();
            }
            writer.end_list();
            writer.end_map();
        }
        ServerMessage::StreamSize { key, size } => {
            writer.map(3);
            writer.text_field("type", "stream_size");
            writer.text_field("key", key.as_str());
            writer.number_field("size", *size);
            writer.end_map();
        }
        ServerMessage::Keys { data, next } => write_keys(data, next.as_ref(), writer),
        ServerMessage::Trimmed { key, seq, size } => {
            writer.map(4);
            writer.text_field("type", "trimmed");
            writer.text_field("key", key.as_str());
            writer.number_field("seq", seq.0);
            writer.number_field("size", *size);
            writer.end_map();
        }
        ServerMessage::Pong { nonce } => {
            writer.map(2);
            writer.text_field("type", "pong");
            writer.optional_number_field("nonce", *nonce);
            writer.end_map();
        }
        ServerMessage::Error(refusal) => write_error(refusal, writer),
    }
}

fn write_hello(hello: &Hello, writer: &mut Writer) {
    writer.map(7);
    writer.text_field("type", "hello");
    writer.text_field("epoch", hello.epoch.as_str());
    writer.number_field("seq", hello.seq.0);
    writer.optional_number_field("last_id", hello.last_id.map(|id| id.0));
    writer.flag_field("read_only", hello.read_only);
    writer.flag_field("closed", hello.closed);
    writer.name("limits");
    writer.map(3);
    writer.number_field("message_bytes", hello.limits.message_bytes);
    writer.number_field("key_bytes", hello.limits.key_bytes);
    writer.number_field("pushes_per_second", hello.limits.pushes_per_second);
    writer.end_map();
    writer.end_map();
}

fn write_ack(ack: &Ack, writer: &mut Writer) {
    writer.map(4 + usize::from(ack.stale) + usize::from(ack.repeat));
    writer.text_field("type", "ack");
    writer.optional_number_field("id", ack.id.map(|id| id.0));
    writer.optional_number_field("seq", ack.seq.map(|seq| seq.0));
    writer.number_field("size", ack.size);
    if ack.stale {
        writer.flag_field("stale", true);
    }
    if ack.repeat {
        writer.flag_field("repeat", true);
    }
    writer.end_map();
}

fn write_keys(data: &[KeySummary], next: Option<&StreamKey>, writer: &mut Writer) {
    writer.map(3);
    writer.text_field("type", "keys");
    writer.name("data");
    writer.list(data.len());
    for summary in data {
        writer.map(5);
        writer.text_field("key", summary.key.as_str());
        writer.number_field("size", summary.size);
        writer.number_field("bytes", summary.bytes);
        writer.number_field("first", summary.first.0);
        writer.number_field("last", summary.last.0);
        writer.end_map();
    }
    writer.end_list();
    writer.name("next");
    match next {
        Some(key) => writer.text(key.as_str()),
        None => writer.null(),
    }
    writer.end_map();
}

fn write_error(refusal: &Refusal, writer: &mut Writer) {
    let extra = [refusal.id.is_some(), refusal.key.is_some(), refusal.retry_ms.is_some()];
    writer.map(3 + extra.iter().filter(|given| **given).count());
    writer.text_field("type", "error");
    writer.text_field("code", refusal.code.as_str());
    writer.text_field("message", &refusal.message);
    if let Some(id) = refusal.id {
        writer.number_field("id", id.0);
    }
    if let Some(key) = &refusal.key {
        writer.text_field("key", key.as_str());
    }
    if let Some(retry_ms) = refusal.retry_ms {
        writer.number_field("retry_ms", retry_ms);
    }
    writer.end_map();
}

fn read_server<F: Field>(fields: &Fields<F>) -> Result<ServerMessage, Refusal> {
    Ok(match fields.text("type")?.as_str() {
        "hello" => ServerMessage::Hello(read_hello(fields)?),
        "reset" => ServerMessage::Reset {
            reason: match fields.text("reason")?.as_str() {
                "ahead" => ResetReason::Ahead,
                _ => ResetReason::UnknownEpoch,
            },
            epoch: required_epoch(fields)?,
            seq: fields.seq()?,
        },
        "entries" => {
            let next = match fields.get("next") {
                None => None,
                Some(_) => Some(fields.optional_number("next")?.map(RoomSeq)),
            };
            ServerMessage::Entries {
                data: fields
                    .items("data")?
                    .iter()
                    .map(|item| read_entry(fields, item))
                    .collect::<Result<_, _>>()?,
                next,
            }
        }
        "live" => ServerMessage::Live { seq: fields.seq()? },
        "push" => {
            ServerMessage::Push(Entry { key: fields.key()?, seq: fields.seq()?, value: fields.value()? })
        }
        "ack" => ServerMessage::Ack(Ack {
            id: fields.push_id()?,
            seq: fields.optional_number("seq")?.map(RoomSeq),
            size: fields.number("size")?,
            stale: fields.flag("stale")?,
            repeat: fields.flag("repeat")?,
        }),
        "init" => {
            let read = |item: &F| {
                let item = fields.inside(item)?;
                Ok((item.seq()?, item.value()?))
            };
            ServerMessage::Init {
                key: fields.key()?,
                data: fields.items("data")?.iter().map(read).collect::<Result<_, Refusal>>()?,
            }
        }
        "stream_size" => ServerMessage::StreamSize { key: fields.key()?, size: fields.number("size")? },
        "keys" => read_keys(fields)?,
        "trimmed" => {
            ServerMessage::Trimmed { key: fields.key()?, seq: fields.seq()?, size: fields.number("size")? }
        }
        "pong" => ServerMessage::Pong { nonce: fields.optional_number("nonce")? },
        "error" => ServerMessage::Error(read_error(fields)?),
        other => return Err(Refusal::bad_message(format!("unknown type {}", shorten(other)))),
    })
}

fn required_epoch<F: Field>(fields: &Fields<F>) -> Result<Epoch, Refusal> {
    fields.epoch()?.ok_or_else(|| Refusal::bad_message("the field epoch is missing"))
}

fn read_entry<F: Field>(fields: &Fields<F>, item: &F) -> Result<Entry, Refusal> {
    let item = fields.inside(item)?;
    Ok(Entry { key: item.key()?, seq: item.seq()?, value: item.value()? })
}

fn read_hello<F: Field>(fields: &Fields<F>) -> Result<Hello, Refusal> {
    let limits = fields.get("limits").ok_or_else(|| Refusal::bad_message("the field limits is missing"))?;
    let limits = fields.inside(limits)?;
    Ok(Hello {
        epoch: required_epoch(fields)?,
        seq: fields.seq()?,
        last_id: fields.optional_number("last_id")?.map(PushId),
        read_only: fields.flag("read_only")?,
        closed: fields.flag("closed")?,
        limits: HelloLimits {
            message_bytes: limits.number("message_bytes")?,
            key_bytes: limits.number("key_bytes")?,
            pushes_per_second: limits.number("pushes_per_second")?,
        },
    })
}

fn read_keys<F: Field>(fields: &Fields<F>) -> Result<ServerMessage, Refusal> {
    let read = |item: &F| {
        let item = fields.inside(item)?;
        Ok(KeySummary {
            key: item.key()?,
            size: item.number("size")?,
            bytes: item.number("bytes")?,
            first: RoomSeq(item.number("first")?),
            last: RoomSeq(item.number("last")?),
        })
    };
    Ok(ServerMessage::Keys {
        data: fields.items("data")?.iter().map(read).collect::<Result<_, Refusal>>()?,
        next: fields.optional_text("next")?.map(StreamKey::from),
    })
}

fn read_error<F: Field>(fields: &Fields<F>) -> Result<Refusal, Refusal> {
    let code = fields.optional_text("code")?;
    Ok(Refusal {
        code: code.as_deref().and_then(Code::parse).unwrap_or(Code::BadMessage),
        message: fields.text("message")?,
        id: fields.push_id()?,
        key: fields.optional_text("key")?.map(StreamKey::from),
        retry_ms: fields.optional_number("retry_ms")?,
    })
}
