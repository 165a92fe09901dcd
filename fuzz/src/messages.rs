//! Messages of clients and servers: what can be read can be written, and is read as the same again.

use std::fmt::Debug;

use seabag_protocol::error::Refusal;
use seabag_protocol::room::client_message::{Body, ClientMessage, Push, read_body};
use seabag_protocol::room::name::RoomSeq;
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::Encoding;

use crate::values::{is_json, json_depth};

trait Message: Sized + Debug + PartialEq {
    fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, Refusal>;
    fn write(&self, encoding: Encoding) -> Vec<u8>;
}

impl Message for ClientMessage {
    fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, Refusal> {
        match encoding {
            Encoding::Json => Self::from_json(utf8(bytes)?),
            Encoding::Cbor => Self::from_cbor(bytes),
        }
    }
    fn write(&self, encoding: Encoding) -> Vec<u8> {
        self.encode(encoding)
    }
}

impl Message for ServerMessage {
    fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, Refusal> {
        match encoding {
            Encoding::Json => Self::from_json(utf8(bytes)?),
            Encoding::Cbor => Self::from_cbor(bytes),
        }
    }
    fn write(&self, encoding: Encoding) -> Vec<u8> {
        self.encode(encoding)
    }
}

/// A text frame of a client.
pub fn client_json(bytes: &[u8]) {
    check::<ClientMessage>(bytes, Encoding::Json);
    if let Ok(ClientMessage::Push(push)) = ClientMessage::read(bytes, Encoding::Json) {
        pass_on(push, Encoding::Json);
    }
}

/// A binary frame of a client.
pub fn client_cbor(bytes: &[u8]) {
    check::<ClientMessage>(bytes, Encoding::Cbor);
    if let Ok(ClientMessage::Push(push)) = ClientMessage::read(bytes, Encoding::Cbor) {
        pass_on(push, Encoding::Cbor);
    }
}

/// What a server takes it can also pass on, in every message that carries values.
fn pass_on(push: Push, encoding: Encoding) {
    let Some(value) = push.value else { return };
    let entry = Entry { key: push.key.clone(), seq: RoomSeq(1), value: value.clone() };
    for message in [
        ServerMessage::Push(entry.clone()),
        ServerMessage::Init { key: push.key, data: vec![(RoomSeq(1), value)] },
        ServerMessage::Entries { data: vec![entry], next: None },
    ] {
        check_read(&message, encoding);
    }
}

/// A text frame of a server.
pub fn server_json(bytes: &[u8]) {
    check::<ServerMessage>(bytes, Encoding::Json);
}

/// A binary frame of a server.
pub fn server_cbor(bytes: &[u8]) {
    check::<ServerMessage>(bytes, Encoding::Cbor);
}

/// The body of an HTTP request, in either encoding: one message or a list.
pub fn http_body(bytes: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        match read_body(bytes, encoding) {
            Ok(Body::One(message)) => check_read(&message, encoding),
            Ok(Body::List(messages)) => messages.iter().for_each(|message| check_read(message, encoding)),
            Err(refusal) => check_refusal(&refusal),
        }
    }
}

fn check<M: Message>(bytes: &[u8], encoding: Encoding) {
    match M::read(bytes, encoding) {
        Ok(message) => check_read(&message, encoding),
        Err(refusal) => check_refusal(&refusal),
    }
}

fn check_read<M: Message>(message: &M, encoding: Encoding) {
    let written = message.write(encoding);
    assert_eq!(M::read(&written, encoding).as_ref(), Ok(message), "what was written is read as the same");

    let other = if encoding == Encoding::Json { Encoding::Cbor } else { Encoding::Json };
    let crossed = message.write(other);
    if other == Encoding::Json {
        let text = std::str::from_utf8(&crossed).expect("JSON is UTF-8");
        assert!(is_json(text), "not JSON: {text:?}");
        assert!(!text.contains('\n') && !text.contains('\r'), "a raw line break: {text:?}");
        // CBOR holds what JSON's readers refuse: nesting beyond theirs, and NaN as a whole value, which becomes
        // null.
        let odd = json_depth(text) > 127 || text.contains(r#""value":null"#);
        if odd {
            return;
        }
    }
    let read = M::read(&crossed, other)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&crossed)));
    assert_eq!(read.write(other), crossed, "the second writing differs");
}

/// A refusal goes back to whoever sent the bytes: it must be a message that can be sent, of bounded size.
fn check_refusal(refusal: &Refusal) {
    assert!(refusal.message.len() < 1_024, "a refusal of {} bytes", refusal.message.len());
    let message = ServerMessage::Error(refusal.clone());
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let written = message.write(encoding);
        assert_eq!(ServerMessage::read(&written, encoding).as_ref(), Ok(&message));
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::bad_message("not UTF-8"))
}
