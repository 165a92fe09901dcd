//! The vectors that were recorded from the reference program: envelopes, and who wins.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{eid, message, unhex, vectors};
use seabag_entdb::{Database, Draft, Message, Outcome, Selection, Skew, body};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;
use serde_json::{Value, json};

/// The ways that the vectors write what JSON has no form for are ours, but for what is not there.
fn plain(value: &Value) -> Option<&Value> {
    if value.is_null() || value.get("$undefined").is_some() { None } else { Some(value) }
}

/// Bytes are hex in the vectors, and base64 in our JSON.
fn ours(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(ours).collect(),
        Value::Object(entries) if entries.contains_key("$bytes") => {
            json!({ "$bytes": data_encoding::BASE64.encode(&unhex(&entries["$bytes"])) })
        }
        other => other.clone(),
    }
}

#[test]
fn envelopes_are_read_and_written_as_the_vectors_have_them() {
    for (number, case) in vectors("entdb_body")["encode"].as_array().unwrap().iter().enumerate() {
        let (hex, source, name) = (unhex(&case["hex"]), &case["source"], &case["name"]);
        let mut database = Database::in_memory();
        let read = eid(number as u8, 1_000);
        let arrived = message(&read, 0, 0, Some(hex.clone().into()));
        assert_eq!(database.merge(&[arrived]).unwrap(), [Outcome::Applied], "{name}");

        let ent = database.get(&read).unwrap().unwrap();
        assert_eq!(body::to_json(&ent.body).unwrap(), ours(&source["body"]), "{name}");
        assert_eq!(ent.kind, source["type"], "{name}");
        assert_eq!(ent.group.as_deref(), plain(&source["gid"]).and_then(Value::as_str), "{name}");
        let parent = plain(&source["pid"]).map(|parent| unhex(&parent["$bytes"]));
        assert_eq!(ent.parent.as_ref().map(Eid::as_bytes), parent.as_deref(), "{name}");

        let draft = Draft { kind: ent.kind, parent: ent.parent, group: ent.group, body: ent.body };
        let written = eid(number as u8, 2_000);
        database.put(&written, 2_000, draft, Skew::Force).unwrap();
        let all = database.messages(None, 10).unwrap().messages;
        let ours = all.iter().find(|message| message.head.eid == written).unwrap();
        assert_eq!(ours.body.as_deref(), Some(&hex[..]), "{name}");
    }
}

#[test]
fn envelopes_of_other_forms_are_read_or_set_aside() {
    for (number, case) in vectors("entdb_body")["decode"].as_array().unwrap().iter().enumerate() {
        let name = case["name"].as_str().unwrap();
        let mut database = Database::in_memory();
        let eid = eid(number as u8, 1_000);
        let bytes = if case["hex"].is_null() { None } else { Some(Bytes::from(unhex(&case["hex"]))) };
        let arrived =
            Message { head: MessageHead::new(eid.clone(), 5, 1, bytes.as_deref()), body: bytes.clone() };
        let outcome = database.merge(std::slice::from_ref(&arrived)).unwrap()[0];
        let ent = database.get(&eid).unwrap();
        // The reference program takes a type of any sort; here a type is text, and the message is kept.
        let readable = case["status"]["code"] == 0 && !name.starts_with("type is a number");
        match case["kind"].as_str().filter(|_| readable) {
            Some("delete") => assert_eq!((outcome, ent), (Outcome::Applied, None), "{name}"),
            Some(_) => {
                let ent = ent.unwrap();
                assert_eq!(json!(ent.kind), case["op"]["type"], "{name}");
                assert_eq!(body::to_json(&ent.body).unwrap(), case["op"]["body"], "{name}");
                assert_eq!(ent.group.as_deref(), plain(&case["op"]["gid"]).and_then(Value::as_str), "{name}");
            }
            None => assert_eq!((outcome, ent), (Outcome::SetAside, None), "{name}"),
        }
        // Whatever form it has, it can be handed on byte for byte.
        let kept = &database.messages(None, 10).unwrap().messages[0];
        assert_eq!(kept.head, arrived.head, "{name}");
        assert_eq!(kept.body, bytes.filter(|bytes| !bytes.is_empty()), "{name}");
    }
}

#[test]
fn the_greatest_message_wins_in_every_order_of_arrival() {
    for file in ["lww", "merge"] {
        for case in vectors(file)["cases"].as_array().unwrap() {
            let eid = Eid::decode(unhex(&case["eid"])).unwrap();
            let messages: Vec<Message> =
                case["messages"].as_array().unwrap().iter().map(read_message).collect();
            let winner = &messages[case["total_order_winner"].as_u64().unwrap() as usize];
            for order in permutations(messages.len()) {
                let mut database = Database::in_memory();
                for index in &order {
                    database.merge(&[messages[*index].clone()]).unwrap();
                }
                let all = database.messages(None, 10).unwrap().messages;
                assert_eq!(all, std::slice::from_ref(winner), "{} {order:?}", case["name"]);
                let shown = database.get(&eid).unwrap();
                let shown = shown.map(|ent| body::to_json(&ent.body).unwrap());
                let expected = Some(case["total_order_final"].clone()).filter(|value| !value.is_null());
                assert_eq!(shown, expected, "{} {order:?}", case["name"]);
                let count = database.count(&Selection::All).unwrap();
                assert_eq!(count, u64::from(!winner.head.is_delete()));
            }
        }
    }
}

fn read_message(case: &Value) -> Message {
    let head = MessageHead::decode(unhex(&case["head"])).unwrap();
    assert_eq!(head.hash().unwrap().0.to_vec(), unhex(&case["head_hash"]));
    let body = if case["body"].is_null() { None } else { Some(Bytes::from(unhex(&case["body"]))) };
    Message { head, body }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, count - 1);
            all.push(longer);
        }
    }
    all
}
