//! What the database of entities reads: envelopes, and contents as JSON. Whatever a message's body is, it is kept
//! byte for byte, and what can be read of it can be shown and written again.

use bytes::Bytes;
use seabag_entdb::{Database, Message, Outcome, body};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

/// Any bytes, merged as the body of a message.
pub fn envelope(bytes: &[u8]) {
    let body = (!bytes.is_empty()).then(|| Bytes::copy_from_slice(bytes));
    let eid = Eid::new(b"12345678", 1).expect("in range");
    let message = Message { head: MessageHead::new(eid.clone(), 2, 3, body.as_deref()), body };
    let mut database = Database::in_memory();
    let outcome = database.merge(std::slice::from_ref(&message)).expect("memory does not fail");
    let ent = database.get(&eid).expect("memory does not fail");
    assert_eq!(
        outcome,
        [if bytes.is_empty() || ent.is_some() { Outcome::Applied } else { Outcome::SetAside }]
    );
    let page = database.messages(None, 9).expect("memory does not fail");
    assert!(page.messages == [message.clone()], "it is kept as it came");
    assert_eq!(database.merge(&[message]).expect("memory does not fail"), [Outcome::Known]);
    let Some(ent) = ent else { return };
    let json = body::to_json(&ent.body).expect("the content of an entity is one value");
    if let Ok(again) = body::from_json(&json) {
        assert_eq!(body::to_json(&again).as_ref(), Ok(&json), "what was written says the same");
    }
}

/// Any text that is JSON, as the content of an entity.
pub fn ent_json(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let Ok(content) = body::from_json(&value) else { return };
    let json = body::to_json(&content).expect("what was written is one value");
    let again = body::from_json(&json).expect("what was shown can be written");
    assert_eq!(again, content);
    let text = json.to_string();
    assert!(!text.contains('\n'), "a line of JSON is one line");
    // A reader of JSON has a bound for its depth, which what stands for other things may go beyond.
    if let Ok(parsed) = serde_json::from_str::<serde_json::Value>(&text) {
        assert_eq!(parsed, json);
    }
}
