//! Faults that the room machine once had, each as the law that it broke.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_protocol::error::Code;
use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Reply, Room};
use seabag_protocol::room::name::{ClientId, Cursor, Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::Value;
use seabag_testing::naive_store::NaiveStore;

fn room(limits: Limits) -> (Room, NaiveStore) {
    let epoch = Epoch::parse("a").unwrap();
    let store = NaiveStore::new(Room::new_record(&epoch, 0), true);
    (Room::load(store.load(), &epoch, limits), store)
}

fn push(key: &str, action: Action) -> Push {
    Push { key: StreamKey::from(key), value: Some(Value::from_json("1").unwrap()), action, id: None }
}

fn apply(room: &mut Room, push: Push) -> Vec<Effect> {
    room.apply(Command::Push { push, client: None, survey: None }, 0)
}

fn refused(effects: &[Effect]) -> Option<Code> {
    match effects {
        [Effect::Reply(Reply::Message(ServerMessage::Error(refusal)))] => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn a_list_is_checked_whole_even_behind_a_relay_with_an_id() {
    let (mut room, _) = room(Limits::default());
    let relay = Push { id: Some(PushId(5)), ..push("a", Action::Relay) };
    let ahead = Push { id: Some(PushId(3)), ..push("b", Action::Compact { seq: RoomSeq(1_000) }) };
    let client = Some(ClientId::parse("client-number-0001").unwrap());
    let effects = room.apply(Command::PushList { pushes: vec![(relay, None), (ahead, None)], client }, 0);
    assert_eq!(refused(&effects), Some(Code::CompactAhead), "{effects:?}");
}

#[test]
fn pages_lose_no_entry_when_streams_were_compacted_at_the_same_number() {
    let (mut room, mut store) = room(Limits::default());
    for key in ["a", "b"] {
        apply(&mut room, push(key, Action::Append));
    }
    for key in ["a", "b"] {
        apply(&mut room, push(key, Action::Compact { seq: RoomSeq(2) }));
    }
    store.commit(&room.take_changes(0));
    let (mut cursor, mut found) = (Cursor::START, 0);
    for _ in 0..4 {
        let effects = room.apply(Command::GetRoom { cursor: cursor.clone(), limit: Some(1) }, 0);
        let [Effect::Reply(Reply::ReadRoom { read, .. })] = &effects[..] else { panic!("{effects:?}") };
        let page = store.read_room(read);
        found += page.entries.len();
        let Some(next) = page.next else { break };
        cursor.seq = next;
    }
    assert_eq!(found, 2);
}

#[test]
fn compacts_cannot_grow_a_room_beyond_its_limits() {
    let limits = Limits { room_entries_max: 2, room_bytes_max: 10, ..Limits::default() };
    let (mut room, _) = room(limits);
    apply(&mut room, push("a", Action::Append));
    apply(&mut room, push("a", Action::Append));
    for key in ["b", "c", "d"] {
        apply(&mut room, push(key, Action::Compact { seq: RoomSeq(2) }));
    }
    let large = Some(Value::from_json(&format!("\"{}\"", "x".repeat(1_000))).unwrap());
    apply(&mut room, Push { value: large, ..push("a", Action::Compact { seq: RoomSeq(2) }) });
    let (entries, bytes) = room.size();
    assert!(entries <= 2 && bytes <= 10, "{entries} entries, {bytes} bytes");
}

#[test]
fn a_room_above_its_limits_can_be_compacted() {
    let epoch = Epoch::parse("a").unwrap();
    let (mut before, mut store) = room(Limits::default());
    for _ in 0..5 {
        apply(&mut before, push("a", Action::Append));
    }
    store.commit(&before.retire(0));
    let mut room = Room::load(store.load(), &epoch, Limits { room_entries_max: 3, ..Limits::default() });
    let effects = apply(&mut room, push("a", Action::Compact { seq: RoomSeq(5) }));
    assert_eq!(refused(&effects), None, "the refusal itself says: compact or trim some stream");
}

#[test]
fn a_cursor_from_after_a_backup_is_reset_once_the_backup_is_restored() {
    let (mut room, mut store) = room(Limits::default());
    apply(&mut room, push("a", Action::Append));
    store.commit(&room.take_changes(0));
    let backup = store.clone();
    apply(&mut room, push("a", Action::Append));
    store.commit(&room.take_changes(0));
    // A reader has number 2, durably acknowledged and broadcast; then the server goes back to the backup.
    let cursor = Cursor { epoch: Epoch::parse("a"), seq: RoomSeq(2) };
    let mut restored = Room::load(backup.load(), &Epoch::parse("b").unwrap(), Limits::default());
    let effects = restored.apply(Command::Join { since: Some(cursor), client: None, list_keys: false }, 0);
    let [Effect::Reply(Reply::Joined(joined))] = &effects[..] else { panic!("{effects:?}") };
    assert!(
        joined.reset.is_some(),
        "the reader keeps a message that the server has lost, and nobody is told"
    );
}

#[test]
fn trims_of_unknown_keys_use_up_nothing() {
    let (mut room, _) = room(Limits::default());
    for _ in 0..3 {
        apply(&mut room, push("relayed", Action::Relay));
        let trim = Action::Compact { seq: room.head() };
        apply(&mut room, Push { value: None, ..push("unknown", trim) });
    }
    assert_eq!(room.take_changes(0).room.map(|record| record.next_key), Some(0));
}

#[test]
fn a_survey_stays_right_when_the_changes_are_taken_to_be_surveyed() {
    let (mut room, mut store) = room(Limits::default());
    for _ in 0..1_100 {
        apply(&mut room, push("a", Action::Append));
    }
    store.commit(&room.take_changes(0));
    for _ in 0..100 {
        apply(&mut room, push("a", Action::Append));
    }
    let compact = push("a", Action::Compact { seq: RoomSeq(10) });
    let range = room.survey_for(&compact).expect("the number is far behind the head");
    // The answer must come from a state that holds everything applied so far.
    store.commit(&room.take_changes(0));
    let survey = Some(store.survey(range));
    room.apply(Command::Push { push: compact, client: None, survey }, 0);
    store.commit(&room.take_changes(0));
    assert_eq!(store.check_sums(), Ok(()));
}

#[test]
fn a_page_of_keys_is_bounded_in_bytes() {
    let limits = Limits::default();
    let (mut room, _) = room(limits);
    for number in 0..200 {
        let long = format!("{number:08}").repeat(1_000);
        assert_eq!(refused(&apply(&mut room, push(&long, Action::Append))), None);
    }
    let effects = room.apply(Command::Keys { after: None, limit: None }, 0);
    let [Effect::Reply(Reply::Message(ServerMessage::Keys { data, next }))] = &effects[..] else {
        panic!("{effects:?}")
    };
    let bytes: usize = data.iter().map(|summary| summary.key.as_str().len()).sum();
    assert!(bytes as u64 <= limits.page_bytes_max + limits.key_bytes_max, "{bytes} bytes, next {next:?}");
}

#[test]
fn a_clean_restart_resets_nobody_even_at_the_end_of_a_reservation() {
    let limits = Limits { reserved_numbers: 1, ..Limits::default() };
    let (mut before, mut store) = room(limits);
    apply(&mut before, push("a", Action::Relay));
    apply(&mut before, push("a", Action::Relay));
    store.commit(&before.retire(0));
    let cursor = Cursor { epoch: Epoch::parse("a"), seq: RoomSeq(2) };
    let mut after = Room::load(store.load(), &Epoch::parse("b").unwrap(), limits);
    let effects = after.apply(Command::Join { since: Some(cursor), client: None, list_keys: false }, 0);
    let [Effect::Reply(Reply::Joined(joined))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(joined.reset, None);
}
