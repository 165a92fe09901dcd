//! The shared vectors of `vectors/rooms`, which other implementations read as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use data_encoding::HEXLOWER;
use seabag_protocol::room::client_message::ClientMessage;
use seabag_protocol::room::name::RoomId;
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::Encoding;
use serde_json::Value as Json;

fn vectors(name: &str) -> Vec<Json> {
    let path = format!("{}/../../vectors/rooms/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The field as text. JSON is kept as text in the vectors, for its exact form matters.
fn text<'a>(vector: &'a Json, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {vector}"))
}

#[test]
fn client_messages_are_written_and_read_as_the_vectors_say() {
    for vector in vectors("client_messages") {
        let message = ClientMessage::from_json(text(&vector, "json")).unwrap();
        let cbor = message.encode(Encoding::Cbor);
        assert_eq!(String::from_utf8(message.encode(Encoding::Json)).unwrap(), text(&vector, "json"));
        assert_eq!(HEXLOWER.encode(&cbor), text(&vector, "cbor"), "{}", text(&vector, "json"));
        assert_eq!(ClientMessage::from_cbor(&cbor).unwrap().encode(Encoding::Cbor), cbor);
    }
}

#[test]
fn server_messages_are_written_and_read_as_the_vectors_say() {
    for vector in vectors("server_messages") {
        let message = ServerMessage::from_json(text(&vector, "json")).unwrap();
        let cbor = message.encode(Encoding::Cbor);
        assert_eq!(String::from_utf8(message.encode(Encoding::Json)).unwrap(), text(&vector, "json"));
        assert_eq!(HEXLOWER.encode(&cbor), text(&vector, "cbor"), "{}", text(&vector, "json"));
        assert_eq!(ServerMessage::from_cbor(&cbor).unwrap().encode(Encoding::Cbor), cbor);
    }
}

#[test]
fn what_is_no_message_is_refused_in_both_encodings() {
    for vector in vectors("refused") {
        let refusal = match vector["cbor"].as_str() {
            Some(hex) => ClientMessage::from_cbor(&HEXLOWER.decode(hex.as_bytes()).unwrap()).unwrap_err(),
            None => ClientMessage::from_json(text(&vector, "json")).unwrap_err(),
        };
        assert_eq!(refusal.code.as_str(), text(&vector, "code"), "{vector}");
    }
}

#[test]
fn cbor_values_become_json_as_the_vectors_say() {
    for vector in vectors("cbor_to_json") {
        // A push in CBOR whose value is the vector's.
        let mut push = Vec::new();
        push.extend_from_slice(b"\xa4\x64type\x64push\x63key\x61k\x63seq\x01\x65value");
        push.extend_from_slice(&HEXLOWER.decode(text(&vector, "cbor").as_bytes()).unwrap());
        let message = ServerMessage::from_cbor(&push).unwrap();
        let expected = format!("{{\"type\":\"push\",\"key\":\"k\",\"value\":{},\"seq\":1}}", text(&vector, "json"));
        assert_eq!(String::from_utf8(message.encode(Encoding::Json)).unwrap(), expected);
    }
}

#[test]
fn read_only_ids_and_hashes_are_derived_as_the_vectors_say() {
    for vector in vectors("room_ids") {
        let id = RoomId::parse(text(&vector, "room")).unwrap();
        assert_eq!(id.read_only().reveal(), text(&vector, "read_only"));
        assert_eq!(id.read_only().hash().to_hex(), text(&vector, "hash"));
    }
}
