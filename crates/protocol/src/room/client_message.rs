//! What a client says to a room, in both dialects: one shape, one reading, one writing (docs/rooms.md). Which
//! of it a connection may say is `session.rs`'s business.

use super::action::Action;
use super::fields::{Field, Fields, shorten, wrong};
use super::name::{Epoch, PushId, RoomSeq, StreamKey};
use super::value::{CBOR_DEPTH_MAX, Encoding, JSON_DEPTH_MAX, Value};
use super::writer::Writer;
use super::{cbor, json};
use crate::error::Refusal;

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// Something for a stream.
    Push(Push),
    /// Asks for one stream's entries above a number; `None` only subscribes.
    GetStream {
        /// The stream.
        key: StreamKey,
        /// Entries strictly above this.
        after: Option<RoomSeq>,
    },
    /// Asks for one page of the whole room (native).
    GetRoom {
        /// Entries strictly above this.
        after: RoomSeq,
        /// The epoch in which the client met that number; absent, it is taken to be of this history.
        epoch: Option<Epoch>,
        /// Most entries.
        limit: Option<u64>,
    },
    /// Asks for one page of the room's keys (native).
    Keys {
        /// Keys strictly above this.
        after: Option<StreamKey>,
        /// Most keys.
        limit: Option<u64>,
    },
    /// What to relay when this connection ends (native). `None` clears.
    Will {
        /// The stream.
        key: StreamKey,
        /// What to relay.
        value: Option<Value>,
    },
    /// Asks for a pong.
    Ping {
        /// Comes back in the pong.
        nonce: Option<u64>,
    },
}

/// One push.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// The stream.
    pub key: StreamKey,
    /// What to send; absent only in a compact that trims.
    pub value: Option<Value>,
    /// What to do with it.
    pub action: Action,
    /// The outbox's number for it (native).
    pub id: Option<PushId>,
}

impl ClientMessage {
    /// Reads a message from a text frame or a JSON body. Total.
    pub fn from_json(text: &str) -> Result<Self, Refusal> {
        read_client(&json::read(text, JSON_DEPTH_MAX)?)
    }

    /// Reads a message from a binary frame. Total.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, Refusal> {
        read_client(&cbor::read(bytes)?)
    }

    /// Writes the message.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        let mut writer = Writer::new(encoding, 128);
        write_client(self, &mut writer);
        writer.finish()
    }
}

/// Reads an HTTP body: one message, or a list of them (pushes only; the caller checks).
pub fn read_body(bytes: &[u8], encoding: Encoding) -> Result<Body, Refusal> {
    match encoding {
        Encoding::Json => {
            let text =
                std::str::from_utf8(bytes).map_err(|_| Refusal::bad_message("the body is not UTF-8"))?;
            if !is_list(bytes, encoding) {
                return ClientMessage::from_json(text).map(Body::One);
            }
            json::read_list(text)?
                .iter()
                .map(|raw| ClientMessage::from_json(raw.get()))
                .collect::<Result<_, _>>()
                .map(Body::List)
        }
        Encoding::Cbor if is_list(bytes, encoding) => cbor::read_list(bytes)?
            .iter()
            .map(|tree| read_client(&tree.nested(CBOR_DEPTH_MAX)?))
            .collect::<Result<_, _>>()
            .map(Body::List),
        Encoding::Cbor => ClientMessage::from_cbor(bytes).map(Body::One),
    }
}

/// Whether a body begins a list.
pub fn is_list(bytes: &[u8], encoding: Encoding) -> bool {
    match encoding {
        Encoding::Json => bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['),
        Encoding::Cbor => cbor::is_list(bytes),
    }
}

/// Whether a body that was refused is at least in its format, so that only its shape is wrong.
pub fn is_well_formed(bytes: &[u8], encoding: Encoding) -> bool {
    match encoding {
        Encoding::Json => serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok(),
        Encoding::Cbor => cbor::is_well_formed(bytes),
    }
}

/// What an HTTP body holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One message.
    One(ClientMessage),
    /// Several, to be done together.
    List(Vec<ClientMessage>),
}

/// A refusal names the push, where its id and key can be read, so that its sender knows what not to resend.
fn read_client<F: Field>(fields: &Fields<F>) -> Result<ClientMessage, Refusal> {
    read_type(fields).map_err(|refusal| {
        let id = fields.push_id().ok().flatten();
        refusal.about(id, fields.key().ok().as_ref())
    })
}

fn read_type<F: Field>(fields: &Fields<F>) -> Result<ClientMessage, Refusal> {
    match fields.text("type")?.as_str() {
        "push" => read_push(fields).map(ClientMessage::Push),
        "get" if fields.get("key").is_none() => Ok(ClientMessage::GetRoom {
            after: fields.seq()?,
            epoch: fields.epoch()?,
            limit: fields.optional_number("limit")?,
        }),
        "get" => {
            let after = match fields.get("seq") {
                None => Some(RoomSeq::ZERO),
                Some(_) => fields.optional_number("seq")?.map(RoomSeq),
            };
            Ok(ClientMessage::GetStream { key: fields.key()?, after })
        }
        "keys" => Ok(ClientMessage::Keys {
            after: fields.optional_text("after")?.map(StreamKey::from),
            limit: fields.optional_number("limit")?,
        }),
        "will" => {
            let value =
                fields.get("value").ok_or_else(|| Refusal::bad_message("the field value is missing"))?;
            let value = if value.is_null() { None } else { Some(value.to_value(fields.depth_max())?) };
            Ok(ClientMessage::Will { key: fields.key()?, value })
        }
        "ping" => Ok(ClientMessage::Ping { nonce: fields.optional_number("nonce")? }),
        other => Err(Refusal::bad_message(format!("unknown type {}", shorten(other)))),
    }
}

fn read_push<F: Field>(fields: &Fields<F>) -> Result<Push, Refusal> {
    let key = fields.key()?;
    let action = fields.get("action").ok_or_else(|| Refusal::bad_message("the field action is missing"))?;
    let action = fields.inside(action).map_err(|_| wrong("action", "an object with a type"))?;
    let action = match action.text("type")?.as_str() {
        "append" => Action::Append,
        "relay" => Action::Relay,
        "replace" => Action::Replace,
        "compact" => Action::Compact { seq: action.seq()? },
        "close" => Action::Close,
        other => return Err(Refusal::bad_message(format!("unknown action {}", shorten(other)))),
    };
    let trims = matches!(action, Action::Compact { .. }) && fields.get("value").is_none();
    let value = if trims { None } else { Some(fields.value()?) };
    Ok(Push { key, value, action, id: fields.push_id()? })
}

fn write_client(message: &ClientMessage, writer: &mut Writer) {
    match message {
        ClientMessage::Push(push) => write_push(push, writer),
        ClientMessage::GetStream { key, after } => {
            writer.map(3);
            writer.text_field("type", "get");
            writer.text_field("key", key.as_str());
            writer.optional_number_field("seq", after.map(|seq| seq.0));
            writer.end_map();
        }
        ClientMessage::GetRoom { after, epoch, limit } => {
            writer.map(2 + usize::from(epoch.is_some()) + usize::from(limit.is_some()));
            writer.text_field("type", "get");
            writer.number_field("seq", after.0);
            if let Some(epoch) = epoch {
                writer.text_field("epoch", epoch.as_str());
            }
            if let Some(limit) = limit {
                writer.number_field("limit", *limit);
            }
            writer.end_map();
        }
        ClientMessage::Keys { after, limit } => {
            writer.map(1 + usize::from(after.is_some()) + usize::from(limit.is_some()));
            writer.text_field("type", "keys");
            if let Some(after) = after {
                writer.text_field("after", after.as_str());
            }
            if let Some(limit) = limit {
                writer.number_field("limit", *limit);
            }
            writer.end_map();
        }
        ClientMessage::Will { key, value } => {
            writer.map(3);
            writer.text_field("type", "will");
            writer.text_field("key", key.as_str());
            writer.name("value");
            match value {
                Some(value) => writer.value(value),
                None => writer.null(),
            }
            writer.end_map();
        }
        ClientMessage::Ping { nonce } => {
            writer.map(2);
            writer.text_field("type", "ping");
            writer.optional_number_field("nonce", *nonce);
            writer.end_map();
        }
    }
}

fn write_push(push: &Push, writer: &mut Writer) {
    writer.map(3 + usize::from(push.value.is_some()) + usize::from(push.id.is_some()));
    writer.text_field("type", "push");
    writer.text_field("key", push.key.as_str());
    if let Some(value) = &push.value {
        writer.value_field("value", value);
    }
    writer.name("action");
    if let Action::Compact { seq } = push.action {
        writer.map(2);
        writer.text_field("type", push.action.as_str());
        writer.number_field("seq", seq.0);
    } else {
        writer.map(1);
        writer.text_field("type", push.action.as_str());
    }
    writer.end_map();
    if let Some(id) = push.id {
        writer.number_field("id", id.0);
    }
    writer.end_map();
}
