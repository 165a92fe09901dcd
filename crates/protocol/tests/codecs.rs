//! The codecs' laws: what is written is read back, in either encoding; a value keeps its numbers and the order of
//! its keys on the way through the other encoding; and no bytes whatever bring a decoder down.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ciborium::value::{Integer, Value as Tree};
use proptest::prelude::*;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{Body, ClientMessage, Push, read_body};
use seabag_protocol::room::name::{Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::{
    Ack, Hello, HelloLimits, KeySummary, ResetReason, ServerMessage, encode_list,
};
use seabag_protocol::room::value::{CBOR_DEPTH_MAX, Encoding, Value};

/// Numbers of every size class; CBOR and JSON write each differently.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..30u64, any::<u8>().prop_map(u64::from), any::<u32>().prop_map(u64::from), any::<u64>()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z]{1,8}",
        "\\PC{0,6}",
        prop::collection::vec(any::<char>(), 0..5).prop_map(|characters| characters.into_iter().collect())
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        number().prop_map(|number| Tree::Integer(number.into())),
        (-(1i128 << 64)..(1i128 << 64)).prop_map(|number| Tree::Integer(Integer::try_from(number).unwrap())),
        any::<f64>().prop_map(Tree::Float),
        any::<f32>().prop_map(|number| Tree::Float(number.into())),
        text().prop_map(Tree::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Tree::Map),
            prop::collection::vec((text().prop_map(Tree::Text), inner.clone()), 0..4).prop_map(Tree::Map),
            // Tags 2 and 3 are big integers, which the reader knows: they have a test of their own.
            (
                prop_oneof![
                    Just(0u64),
                    Just(1),
                    4..30u64,
                    Just(64),
                    any::<u32>().prop_map(|tag| u64::from(tag) + 4)
                ],
                inner
            )
                .prop_map(|(tag, inner)| Tree::Tag(tag, Box::new(inner))),
        ]
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        number().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>()
            .prop_filter("JSON has none other", |number| number.is_finite())
            .prop_map(serde_json::Value::from),
        text().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((text(), inner), 0..5)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn value(encoding: Encoding) -> BoxedStrategy<Value> {
    match encoding {
        Encoding::Json => json()
            .prop_filter_map("null is no value", |json| Value::from_json(&json.to_string()).ok())
            .boxed(),
        Encoding::Cbor => {
            tree().prop_filter_map("null is no value", |tree| Value::from_cbor_tree(&tree).ok()).boxed()
        }
    }
}

fn key() -> impl Strategy<Value = StreamKey> {
    text().prop_map(StreamKey::from)
}

fn seq() -> impl Strategy<Value = RoomSeq> {
    number().prop_map(RoomSeq)
}

fn id() -> impl Strategy<Value = Option<PushId>> {
    prop::option::of(number().prop_map(|number| PushId(number.max(1))))
}

fn epoch() -> impl Strategy<Value = Epoch> {
    "[A-Za-z0-9_-]{1,32}".prop_map(|text| Epoch::parse(&text).unwrap())
}

fn client_message(encoding: Encoding) -> impl Strategy<Value = ClientMessage> {
    let action = prop_oneof![
        Just(Action::Append),
        Just(Action::Relay),
        Just(Action::Replace),
        Just(Action::Close),
        seq().prop_map(|seq| Action::Compact { seq }),
    ];
    let push = (key(), value(encoding), action, id()).prop_map(|(key, value, action, id)| Push {
        key,
        value: Some(value),
        action,
        id,
    });
    let trim = (key(), seq(), id()).prop_map(|(key, seq, id)| Push {
        key,
        value: None,
        action: Action::Compact { seq },
        id,
    });
    let number = || prop::option::of(number());
    prop_oneof![
        4 => push.prop_map(ClientMessage::Push),
        1 => trim.prop_map(ClientMessage::Push),
        1 => (key(), prop::option::of(seq())).prop_map(|(key, after)| ClientMessage::GetStream { key, after }),
        1 => (seq(), prop::option::of(epoch()), number())
            .prop_map(|(after, epoch, limit)| ClientMessage::GetRoom { after, epoch, limit }),
        1 => (prop::option::of(key()), number()).prop_map(|(after, limit)| ClientMessage::Keys { after, limit }),
        1 => (key(), prop::option::of(value(encoding))).prop_map(|(key, value)| ClientMessage::Will { key, value }),
        1 => number().prop_map(|nonce| ClientMessage::Ping { nonce }),
    ]
}

fn entry(encoding: Encoding) -> impl Strategy<Value = Entry> {
    (key(), seq(), value(encoding)).prop_map(|(key, seq, value)| Entry { key, seq, value })
}

fn hello() -> impl Strategy<Value = Hello> {
    let limits = (number(), number(), number()).prop_map(|(message_bytes, key_bytes, pushes_per_second)| {
        HelloLimits { message_bytes, key_bytes, pushes_per_second }
    });
    let last_id = prop::option::of(number().prop_map(PushId));
    (epoch(), seq(), last_id, any::<bool>(), any::<bool>(), limits).prop_map(
        |(epoch, seq, last_id, read_only, closed, limits)| Hello {
            epoch,
            seq,
            last_id,
            read_only,
            closed,
            limits,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let code = prop::sample::select(vec![Code::BadMessage, Code::Closed, Code::RoomFull, Code::RateLimited]);
    (code, text(), id(), prop::option::of(key()), prop::option::of(number()))
        .prop_map(|(code, message, id, key, retry_ms)| Refusal { code, message, id, key, retry_ms })
}

fn server_message(encoding: Encoding) -> impl Strategy<Value = ServerMessage> {
    let entries = prop::collection::vec(entry(encoding), 0..4);
    let init = prop::collection::vec((seq(), value(encoding)), 0..4);
    let summary = (key(), number(), number(), seq(), seq())
        .prop_map(|(key, size, bytes, first, last)| KeySummary { key, size, bytes, first, last });
    let reason = prop_oneof![Just(ResetReason::Ahead), Just(ResetReason::UnknownEpoch)];
    let ack = (id(), prop::option::of(seq()), number(), any::<bool>(), any::<bool>())
        .prop_map(|(id, seq, size, stale, repeat)| Ack { id, seq, size, stale, repeat });
    prop_oneof![
        hello().prop_map(ServerMessage::Hello),
        (reason, epoch(), seq()).prop_map(|(reason, epoch, seq)| ServerMessage::Reset { reason, epoch, seq }),
        (entries, prop::option::of(prop::option::of(seq())))
            .prop_map(|(data, next)| ServerMessage::Entries { data, next }),
        seq().prop_map(|seq| ServerMessage::Live { seq }),
        entry(encoding).prop_map(ServerMessage::Push),
        ack.prop_map(ServerMessage::Ack),
        (key(), init).prop_map(|(key, data)| ServerMessage::Init { key, data }),
        (key(), number()).prop_map(|(key, size)| ServerMessage::StreamSize { key, size }),
        (prop::collection::vec(summary, 0..3), prop::option::of(key()))
            .prop_map(|(data, next)| ServerMessage::Keys { data, next }),
        (key(), seq(), number()).prop_map(|(key, seq, size)| ServerMessage::Trimmed { key, seq, size }),
        prop::option::of(number()).prop_map(|nonce| ServerMessage::Pong { nonce }),
        refusal().prop_map(ServerMessage::Error),
    ]
}

fn as_json(value: &Value) -> String {
    let mut out = Vec::new();
    value.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

fn as_tree(value: &Value) -> Tree {
    let mut out = Vec::new();
    value.write_cbor(&mut out);
    ciborium::from_reader(out.as_slice()).unwrap()
}

/// JSON in which an object is the list of its pairs, so that order and repeats count, and a number its value.
fn pairs(text: &str) -> String {
    format!("{:?}", serde_json::from_str::<Tree>(text).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn a_client_message_in_json_is_read_as_it_was_written(message in client_message(Encoding::Json)) {
        let text = String::from_utf8(message.encode(Encoding::Json)).unwrap();
        prop_assert!(!text.contains('\n'), "a raw newline would split a line");
        prop_assert_eq!(ClientMessage::from_json(&text), Ok(message), "{}", text);
    }

    #[test]
    fn a_client_message_in_cbor_is_read_as_it_was_written(message in client_message(Encoding::Cbor)) {
        prop_assert_eq!(ClientMessage::from_cbor(&message.encode(Encoding::Cbor)), Ok(message));
    }

    #[test]
    fn a_server_message_in_json_is_read_as_it_was_written(message in server_message(Encoding::Json)) {
        let text = String::from_utf8(message.encode(Encoding::Json)).unwrap();
        prop_assert!(!text.contains('\n'), "a raw newline would split a line");
        prop_assert_eq!(ServerMessage::from_json(&text), Ok(message), "{}", text);
    }

    #[test]
    fn a_server_message_in_cbor_is_read_as_it_was_written(message in server_message(Encoding::Cbor)) {
        prop_assert_eq!(ServerMessage::from_cbor(&message.encode(Encoding::Cbor)), Ok(message));
    }

    #[test]
    fn any_message_reaches_a_peer_of_the_other_encoding(
        (from_json, from_cbor) in (server_message(Encoding::Json), server_message(Encoding::Cbor)),
    ) {
        let cbor = from_json.encode(Encoding::Cbor);
        prop_assert!(ServerMessage::from_cbor(&cbor).is_ok());
        let text = String::from_utf8(from_cbor.encode(Encoding::Json)).unwrap();
        // NaN and the infinities are null in JSON, which no value is.
        match ServerMessage::from_json(&text) {
            Ok(_) => {}
            Err(refusal) => prop_assert!(refusal.message.contains("null"), "{}: {}", refusal, text),
        }
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn lists_are_read_as_they_were_written(
        messages in prop::collection::vec(client_message(Encoding::Cbor), 0..4),
        answers in prop::collection::vec(server_message(Encoding::Json), 0..4),
    ) {
        let mut body = vec![0x80 | messages.len() as u8];
        messages.iter().for_each(|message| body.extend(message.encode(Encoding::Cbor)));
        prop_assert_eq!(read_body(&body, Encoding::Cbor), Ok(Body::List(messages)));
        let text = String::from_utf8(encode_list(&answers, Encoding::Json)).unwrap();
        let items: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(items.len(), answers.len());
    }

    #[test]
    fn json_keeps_numbers_and_key_order_on_the_way_through_cbor(json in value(Encoding::Json)) {
        let text = as_json(&json);
        let returned = as_json(&Value::from_cbor_tree(&as_tree(&json)).unwrap());
        prop_assert_eq!(pairs(&text), pairs(&returned), "{} became {}", text, returned);
    }

    #[test]
    fn json_objects_keep_repeated_keys_in_order(names in prop::collection::vec("[ab$]{1}", 0..6)) {
        let pairs: Vec<_> = names.iter().enumerate().map(|(at, name)| format!("\"{name}\":{at}")).collect();
        let text = format!("{{{}}}", pairs.join(","));
        let json = Value::from_json(&text).unwrap();
        let returned = as_json(&Value::from_cbor_tree(&as_tree(&json)).unwrap());
        prop_assert_eq!(returned, text);
    }

    #[test]
    fn white_space_between_tokens_makes_no_difference(json in json()) {
        let (tight, wide) = (json.to_string(), serde_json::to_string_pretty(&json).unwrap());
        match (Value::from_json(&tight), Value::from_json(&format!(" \r\n\t{wide}\n"))) {
            (Ok(tight_value), Ok(wide_value)) => {
                prop_assert_eq!(as_json(&tight_value), tight);
                prop_assert_eq!(tight_value, wide_value);
            }
            (Err(_), Err(_)) => prop_assert!(json.is_null()),
            (tight, wide) => prop_assert!(false, "{:?} and {:?}", tight, wide),
        }
    }

    #[test]
    fn big_integers_survive_between_cbor_peers(negative in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..16)) {
        let tree = Tree::Tag(if negative { 3 } else { 2 }, Box::new(Tree::Bytes(bytes)));
        let value = Value::from_cbor_tree(&tree).unwrap();
        let message = ServerMessage::Push(Entry { key: StreamKey::from("k"), seq: RoomSeq(1), value: value.clone() });
        let Ok(ServerMessage::Push(entry)) = ServerMessage::from_cbor(&message.encode(Encoding::Cbor)) else {
            return Err(TestCaseError::fail("it is refused"));
        };
        // Leading zeros may go; the number may not.
        prop_assert_eq!(as_tree(&entry.value), as_tree(&value));
    }

    #[test]
    fn decoders_survive_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_everything(&bytes);
    }

    #[test]
    fn decoders_survive_messages_with_bytes_changed(
        message in client_message(Encoding::Cbor),
        answer in server_message(Encoding::Json),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for mut bytes in [message.encode(Encoding::Cbor), message.encode(Encoding::Json),
                          answer.encode(Encoding::Cbor), answer.encode(Encoding::Json)] {
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                if let Some(changed) = bytes.get_mut(place) {
                    *changed = *byte;
                }
            }
            decode_everything(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            decode_everything(&bytes);
        }
    }
}

fn decode_everything(bytes: &[u8]) {
    let _ = ClientMessage::from_cbor(bytes);
    let _ = ServerMessage::from_cbor(bytes);
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let _ = read_body(bytes, encoding);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ClientMessage::from_json(text);
        let _ = ServerMessage::from_json(text);
        let _ = Value::from_json(text);
    }
}

#[test]
fn decoders_survive_endless_nesting() {
    for opening in [
        &b"["[..],
        b"{\"a\":",
        b"\x81",
        b"\xa1\x00",
        b"\xc1",
        b"\x9f",
        b"\xbf\x00",
        b"\xd8\x40",
        b"\x5f",
        b"\x7f",
    ] {
        let nested = opening.repeat(500_000 / opening.len());
        decode_everything(&nested);
        let mut cbor = b"\xa3\x64type\x64push\x63key\x61k\x65value".to_vec();
        cbor.extend_from_slice(&nested);
        decode_everything(&cbor);
        let mut json =
            b"{\"type\":\"push\",\"key\":\"k\",\"action\":{\"type\":\"append\"},\"value\":".to_vec();
        json.extend_from_slice(&nested);
        decode_everything(&json);
    }
}

#[test]
fn decoders_survive_lengths_that_promise_too_much() {
    for major in [0x5bu8, 0x7b, 0x9b, 0xbb] {
        for length in [u64::MAX, 1 << 62, 1 << 40, 1 << 32] {
            let mut bytes = vec![major];
            bytes.extend_from_slice(&length.to_be_bytes());
            decode_everything(&bytes);
            let mut field = b"\xa1\x65value".to_vec();
            field.extend_from_slice(&bytes);
            decode_everything(&field);
        }
    }
}

fn nested(depth: usize) -> Result<Value, Refusal> {
    Value::from_cbor_tree(&(0..depth).fold(Tree::Bool(true), |inner, _| Tree::Array(vec![inner])))
}

fn push_of(value: Value) -> ServerMessage {
    ServerMessage::Push(Entry { key: StreamKey::from("k"), seq: RoomSeq(1), value })
}

fn accepted_by_the_server(value: &Value) -> bool {
    let push =
        Push { key: StreamKey::from("k"), value: Some(value.clone()), action: Action::Append, id: None };
    ClientMessage::from_cbor(&ClientMessage::Push(push).encode(Encoding::Cbor)).is_ok()
}

#[test]
fn every_value_that_the_server_accepts_can_be_read_in_a_page() {
    let accepted = |depth: &usize| nested(*depth).is_ok_and(|value| accepted_by_the_server(&value));
    let depth = (1..=CBOR_DEPTH_MAX + 9).rev().find(accepted).unwrap();
    assert_eq!(depth, CBOR_DEPTH_MAX);
    let value = nested(depth).unwrap();
    let entry = Entry { key: StreamKey::from("k"), seq: RoomSeq(1), value: value.clone() };
    let page = ServerMessage::Entries { data: vec![entry], next: None };
    assert!(ServerMessage::from_cbor(&push_of(value).encode(Encoding::Cbor)).is_ok());
    let read = ServerMessage::from_cbor(&page.encode(Encoding::Cbor));
    assert!(read.is_ok(), "at depth {depth}: {read:?}");
}

#[test]
fn every_value_that_the_server_accepts_can_be_read_by_a_peer_of_either_encoding() {
    let value = nested(200).unwrap();
    assert!(accepted_by_the_server(&value));
    let text = String::from_utf8(push_of(value).encode(Encoding::Json)).unwrap();
    assert!(ServerMessage::from_json(&text).is_ok());
}

#[test]
fn no_value_becomes_null_on_its_way_to_a_peer() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Value::from_cbor_tree(&Tree::Float(number)).is_err(), "{number} is null in JSON");
        let inside = Value::from_cbor_tree(&Tree::Array(vec![Tree::Float(number)])).unwrap();
        let text = String::from_utf8(push_of(inside).encode(Encoding::Json)).unwrap();
        assert!(ServerMessage::from_json(&text).is_ok(), "{text}");
    }
}

#[test]
fn integers_of_any_length_are_values() {
    let tree = Tree::Tag(2, Box::new(Tree::Bytes(vec![1; 20])));
    assert!(accepted_by_the_server(&Value::from_cbor_tree(&tree).unwrap()));
}
