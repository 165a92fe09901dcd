//! A connection: frames in any order, through the session's rules and the room's, and every answer written.

use std::collections::BTreeMap;

use seabag_protocol::error::Refusal;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{Access, Epoch};
use seabag_protocol::room::record::StoredRoom;
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::session::{Dialect, Options, Received, Session};
use seabag_protocol::room::value::Encoding;

const CLIENT: &str = "0123456789abcdef";

/// First byte: how the connection is opened. Then lines, each a text frame; one that starts with `#` is a binary
/// frame in hex.
pub fn session(bytes: &[u8]) {
    let Some((&how, rest)) = bytes.split_first() else { return };
    let mut session = open(how);
    let mut room = new_room();
    let joined = apply(&mut room, session.join());
    let Some(Effect::Reply(Reply::Joined(joined))) = joined.first() else { panic!("{joined:?}") };
    assert_eq!(session.hello(joined).is_some(), session.options().dialect == Dialect::Native);
    for (now_ms, line) in rest.split(|byte| *byte == b'\n').enumerate() {
        let now_ms = now_ms as u64;
        let received = match line.strip_prefix(b"#") {
            Some(hex) => session.receive_binary(&from_hex(hex), now_ms),
            None => match std::str::from_utf8(line) {
                Ok(text) => session.receive_text(text, now_ms),
                Err(_) => continue,
            },
        };
        match received {
            Received::Command(command) => {
                let before = room.head();
                let effects = apply(&mut room, command);
                check(&mut session, &effects);
                if session.options().access == Access::ReadOnly {
                    assert_eq!(room.head(), before, "a read-only connection wrote");
                }
            }
            Received::Done => {}
            Received::End(refusal) => {
                write(&ServerMessage::Error(refusal));
                break;
            }
        }
    }
    for will in session.end() {
        assert_eq!(session.options().access, Access::Write);
        apply(&mut room, will);
    }
}

fn open(how: u8) -> Session {
    let offered = ["", "seabag.v1", "seabag.v1.cbor"][usize::from(how & 3) % 3];
    let native = !offered.is_empty();
    let mut query = Vec::new();
    if how & 4 != 0 {
        query.push(("deliver", if how & 8 != 0 { "all" } else { "keys" }));
    }
    if how & 16 != 0 {
        query.push(("debug", "true"));
    }
    if native && how & 32 != 0 {
        query.push(("client", CLIENT));
    }
    let access = if how & 64 != 0 { Access::ReadOnly } else { Access::Write };
    let options = Options::parse(offered, query, access).expect("a good way to open a connection");
    let limits = Limits { message_bytes_max: 4_096, key_bytes_max: 64, ..Limits::default() };
    Session::new(options, limits, 0)
}

fn new_room() -> Room {
    let epoch = Epoch::parse("e").expect("an epoch");
    let record = Room::new_record(&epoch, 0);
    let stored = StoredRoom { record, keys: BTreeMap::new(), clients: BTreeMap::new() };
    Room::load(stored, &epoch, Limits { key_bytes_max: 64, ..Limits::default() })
}

fn apply(room: &mut Room, command: Command) -> Vec<Effect> {
    let effects = room.apply(command, 0);
    room.take_changes(0);
    effects
}

fn check(session: &mut Session, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::Broadcast { entry, stored } => {
                if session.hears(entry, *stored) {
                    write(&ServerMessage::Push(entry.clone()));
                }
            }
            Effect::Reply(Reply::Message(message)) => write(message),
            Effect::Reply(Reply::Subscribed(key)) => session.subscribe(key),
            Effect::Reply(Reply::ReadStream(read)) => session.subscribe(&read.key),
            Effect::Reply(_) | Effect::Trimmed { .. } => {}
        }
    }
}

fn write(message: &ServerMessage) {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let bytes = message.encode(encoding);
        let read: Result<ServerMessage, Refusal> = match encoding {
            Encoding::Json => ServerMessage::from_json(std::str::from_utf8(&bytes).expect("UTF-8")),
            Encoding::Cbor => ServerMessage::from_cbor(&bytes),
        };
        // Values with no JSON form are the business of the targets for values.
        if !matches!(message, ServerMessage::Push(_)) {
            assert_eq!(read.as_ref(), Ok(message));
        }
    }
}

fn from_hex(hex: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    hex.chunks(2).map(|pair| pair.iter().fold(0, |sum, byte| (sum << 4) | digit(*byte))).collect()
}
