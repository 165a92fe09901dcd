//! Tells what the real rules make of some input, for the tests of implementations in other languages: JSON lines on
//! standard input, one answer a line on standard output. Whatever a line holds, it is answered, if only with `error`.
//!
//! - `{"op":"merge","messages":[{"head":HEX,"body":HEX|null}]}`: applied in this order to an empty database. Answer:
//!   `outcomes`, `ents`, `tombstones`, `set_aside`, and every message that is kept.
//! - `{"op":"room","commands":[{"client":TEXT?,"id":NUMBER?,"key":TEXT,"value":JSON,"action":…}]}`: pushes to an empty
//!   room, written as in its native dialect. Answer: `replies` to each, `broadcasts` in order, and at the end each
//!   key's retained stream in `keys`.

use std::io::{BufRead, Write};

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use seabag_entdb::{Database, Ent, Message, MessageCursor, Outcome, PageCursor, Query, Selection};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::client_message::{ClientMessage, Push};
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, Epoch, RoomSeq, StreamKey};
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::{Encoding, Value as RoomValue};
use seabag_testing::naive_store::NaiveStore;
use serde_json::{Map, Value, json};

type Answer = Result<Value, String>;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Answer {
    let asked: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match field(&asked, "op")?.as_str() {
        Some("merge") => merge(list(&asked, "messages")?),
        Some("room") => room(list(&asked, "commands")?),
        _ => Err("op is merge or room".into()),
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    value.get(name).ok_or_else(|| format!("there is no {name}"))
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], String> {
    field(value, name)?.as_array().map(Vec::as_slice).ok_or_else(|| format!("{name} is no list"))
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let text = value.as_str().ok_or("bytes are hexadecimal digits")?;
    HEX.decode(text.as_bytes()).map_err(|error| error.to_string())
}

fn merge(sent: &[Value]) -> Answer {
    let messages = sent.iter().map(read_message).collect::<Result<Vec<_>, _>>()?;
    let mut database = Database::in_memory();
    let outcomes = database.merge(&messages).map_err(|error| error.to_string())?;
    let status = database.status().map_err(|error| error.to_string())?;
    Ok(json!({
        "outcomes": outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "ents": ents(&database)?,
        "tombstones": status.tombstones,
        "set_aside": status.set_aside,
        "messages": kept(&database)?,
    }))
}

fn read_message(sent: &Value) -> Result<Message, String> {
    let head = MessageHead::decode(bytes(field(sent, "head")?)?).map_err(|status| format!("{status:?}"))?;
    let body = field(sent, "body")?;
    let body = if body.is_null() { None } else { Some(bytes(body)?.into()) };
    Ok(Message { head, body })
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(status) => format!("{status:?}"),
        other => format!("{other:?}"),
    }
}

fn ents(database: &Database) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let mut after: Option<PageCursor> = None;
    loop {
        let query = Query { after, ..Query::new(Selection::All) };
        let page = database.page(&query).map_err(|error| error.to_string())?;
        all.extend(page.ents.iter().map(show_ent));
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn show_ent(ent: &Ent) -> Value {
    json!({
        "eid": HEX.encode(ent.eid.as_bytes()),
        "type": ent.kind,
        "parent": ent.parent.as_ref().map(|parent| HEX.encode(parent.as_bytes())),
        "group": ent.group,
        "created": ent.created_ms,
        "updated": ent.updated_ms,
        "counter": ent.counter,
        "body": HEX.encode(&ent.body),
    })
}

fn kept(database: &Database) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let mut after: Option<MessageCursor> = None;
    loop {
        let page = database.messages(after.as_ref(), 1_000).map_err(|error| error.to_string())?;
        for message in &page.messages {
            let head = message.head.encode().map_err(|status| format!("{status:?}"))?;
            let body = message.body.as_deref().map(|body| HEX.encode(body));
            all.push(json!({ "head": HEX.encode(&head), "body": body }));
        }
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn room(commands: &[Value]) -> Answer {
    let epoch = Epoch::parse("oracle").ok_or("the epoch is one")?;
    let mut store = NaiveStore::new(Room::new_record(&epoch, 0), true);
    let mut room = Room::load(store.load(), &epoch, Limits::default());
    let (mut replies, mut broadcasts) = (Vec::new(), Vec::new());
    for command in commands {
        let (push, client) = match read_push(command) {
            Ok(read) => read,
            Err(error) => {
                replies.push(json!([{ "error": error }]));
                continue;
            }
        };
        let survey = room.survey_for(&push).map(|range| store.survey(range));
        let effects = room.apply(Command::Push { push, client, survey }, 0);
        store.commit(&room.take_changes(0));
        replies.push(effects.iter().filter_map(reply).collect());
        broadcasts.extend(effects.iter().filter_map(broadcast));
    }
    Ok(json!({ "replies": replies, "broadcasts": broadcasts, "keys": streams(&mut room, &store) }))
}

/// A push as it is on the wire, but for `client`.
fn read_push(command: &Value) -> Result<(Push, Option<ClientId>), String> {
    let mut fields = command.as_object().cloned().ok_or("a command is an object")?;
    let client = match fields.remove("client") {
        None | Some(Value::Null) => None,
        Some(client) => {
            let text = client.as_str().ok_or("client is text")?;
            Some(ClientId::parse(text).map_err(|refusal| format!("{refusal:?}"))?)
        }
    };
    fields.insert("type".into(), "push".into());
    let message = ClientMessage::from_json(&Value::Object(fields).to_string());
    match message.map_err(|refusal| format!("{refusal:?}"))? {
        ClientMessage::Push(push) => Ok((push, client)),
        _ => Err("it is not a push".into()),
    }
}

fn reply(effect: &Effect) -> Option<Value> {
    let Effect::Reply(Reply::Message(message)) = effect else { return None };
    Some(written(message))
}

fn written(message: &ServerMessage) -> Value {
    serde_json::from_slice(&message.encode(Encoding::Json)).unwrap_or_default()
}

fn broadcast(effect: &Effect) -> Option<Value> {
    let Effect::Broadcast { entry, stored } = effect else { return None };
    let (key, seq, value) = (entry.key.as_str(), entry.seq.0, plain(&entry.value));
    Some(json!({ "key": key, "seq": seq, "value": value, "stored": stored }))
}

fn plain(value: &RoomValue) -> Value {
    let mut bytes = Vec::new();
    value.write_json(&mut bytes);
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// What each key retains, as a reader is given it.
fn streams(room: &mut Room, store: &NaiveStore) -> Value {
    let keys: Vec<StreamKey> = store.load().keys.into_keys().collect();
    let mut streams = Map::new();
    for key in keys {
        let get = Command::GetStream { key: key.clone(), after: Some(RoomSeq::ZERO) };
        for effect in room.apply(get, 0) {
            if let Effect::Reply(Reply::ReadStream(read)) = effect {
                let entries = store.read_stream(&read).into_iter();
                let entries = entries.map(|(seq, value)| json!({ "seq": seq.0, "value": plain(&value) }));
                streams.insert(key.as_str().to_owned(), entries.collect());
            }
        }
    }
    Value::Object(streams)
}
