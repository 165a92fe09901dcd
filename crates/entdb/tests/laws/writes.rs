//! Local writes and merging.

use bytes::Bytes;
use seabag_entdb::{Database, Draft, Error, Judgement, Message, Outcome, Selection, Skew, body};
use seabag_protocol::host::eid::{Eid, TIME_MS_MAX};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::status::Status;
use serde_json::json;

use crate::common::{START_MS, World, draft, eid, envelope, host, message, update};

pub(crate) fn a_write_is_read_back_and_waits_for_every_link(world: &mut World) {
    let links = [world.database.add_link(host(1)).unwrap(), world.database.add_link(host(2)).unwrap()];
    let parent = eid(9, 5);
    let content = draft("todo", json!({ "title": "milk", "done": false }));
    let whole = Draft { parent: Some(parent.clone()), group: Some("2026".into()), ..content.clone() };
    let head = world.database.put_new([1; 8], START_MS, whole).unwrap();
    world.reopen();
    let ent = world.database.get(&head.eid).unwrap().unwrap();
    assert_eq!((ent.kind.as_str(), ent.group.as_deref(), ent.parent), ("todo", Some("2026"), Some(parent)));
    assert_eq!((ent.created_ms, ent.updated_ms, ent.counter), (START_MS, START_MS, 0));
    assert_eq!(ent.body, content.body);
    for link in links {
        let waiting = world.database.outbox(link, 10, 10_000).unwrap();
        assert_eq!(waiting.iter().map(|message| &message.head).collect::<Vec<_>>(), [&head]);
        waiting[0].head.check_body(waiting[0].body.as_deref()).unwrap();
    }
}

pub(crate) fn an_id_that_was_used_is_not_created_again(world: &mut World) {
    let head = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    let again = world.database.put_new([1; 8], START_MS, draft("t", json!(2)));
    assert!(matches!(again, Err(Error::AlreadyExists)));
    world.database.delete(&head.eid, START_MS, Skew::Force).unwrap();
    let again = world.database.put_new([1; 8], START_MS, draft("t", json!(3)));
    assert!(matches!(again, Err(Error::AlreadyExists)));
}

pub(crate) fn a_local_write_wins_over_a_clock_ahead(world: &mut World) {
    let eid = eid(1, START_MS);
    world.database.merge(&[update(&eid, 90_000, 7, "t", json!("ahead"))]).unwrap();
    let refused = world.database.put(&eid, START_MS + 10, draft("t", json!("no")), Skew::Fail);
    assert!(matches!(refused, Err(Error::ClockOutOfSync { ahead_ms: 89_990 })));
    let refused = world.database.delete(&eid, START_MS + 10, Skew::Fail);
    assert!(matches!(refused, Err(Error::ClockOutOfSync { .. })));

    let head = world.database.put(&eid, START_MS + 10, draft("t", json!("yes")), Skew::Force).unwrap();
    assert_eq!((head.offset_ms, head.counter), (90_001, 8));
    assert_eq!(body::to_json(&world.database.get(&eid).unwrap().unwrap().body).unwrap(), json!("yes"));
    // Two in one millisecond are in order as well.
    let next = world.database.put(&eid, START_MS + 10, draft("t", json!("more")), Skew::Force).unwrap();
    assert_eq!((next.offset_ms, next.counter), (90_002, 9));
    let fine = world.database.put(&eid, START_MS + 100_000, draft("t", json!("now")), Skew::Fail).unwrap();
    assert_eq!((fine.offset_ms, fine.counter), (100_000, 10));
}

pub(crate) fn an_entity_of_the_future_has_no_negative_offset(world: &mut World) {
    let eid = eid(1, START_MS + 5_000);
    let refused = world.database.put(&eid, START_MS, draft("t", json!(1)), Skew::Fail);
    assert!(matches!(refused, Err(Error::ClockOutOfSync { ahead_ms: 5_000 })));
    let head = world.database.put(&eid, START_MS, draft("t", json!(1)), Skew::Force).unwrap();
    assert_eq!((head.offset_ms, head.counter), (0, 0));
    let head = world.database.put(&eid, START_MS, draft("t", json!(2)), Skew::Force).unwrap();
    assert_eq!((head.offset_ms, head.counter), (1, 1));
}

pub(crate) fn the_last_moment_is_followed_by_counters(world: &mut World) {
    let eid = eid(1, START_MS);
    let last = TIME_MS_MAX - START_MS;
    world.database.merge(&[update(&eid, last, 3, "t", json!("last"))]).unwrap();
    let head = world.database.put(&eid, START_MS, draft("t", json!("after")), Skew::Force).unwrap();
    assert_eq!((head.offset_ms, head.counter), (last, 4));
    let far = world.database.put(&eid, TIME_MS_MAX + 1, draft("t", json!(0)), Skew::Force);
    assert!(matches!(far, Err(Error::OutOfRange)));
    world.database.merge(&[update(&eid, last, (1 << 53) - 1, "t", json!("end"))]).unwrap();
    let stuck = world.database.put(&eid, START_MS, draft("t", json!(0)), Skew::Force);
    assert!(matches!(stuck, Err(Error::OutOfRange)));
}

pub(crate) fn what_is_not_one_value_is_not_written(world: &mut World) {
    for bytes in [&b""[..], b"\xc1", b"\x01\x02", b"\x92\x01", b"\xa5abc"] {
        let refused = world.database.put_new([1; 8], START_MS, Draft::new("t", bytes.to_vec()));
        assert!(matches!(refused, Err(Error::InvalidBody(_))), "{bytes:?}");
    }
    let deep = [vec![0x91; 200], vec![0xc0]].concat();
    assert!(world.database.put_new([1; 8], START_MS, Draft::new("t", deep)).is_err());
    assert_eq!(world.database.count(&Selection::All).unwrap(), 0);
}

pub(crate) fn a_delete_leaves_a_tombstone(world: &mut World) {
    assert_eq!(world.database.delete(&eid(1, START_MS), START_MS, Skew::Force).unwrap(), None);
    let head = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    let end = world.database.delete(&head.eid, START_MS, Skew::Force).unwrap().unwrap();
    assert_eq!((end.offset_ms, end.counter, end.length), (1, 1, 0));
    world.reopen();
    assert_eq!(world.database.get(&head.eid).unwrap(), None);
    assert_eq!(world.database.delete(&head.eid, START_MS, Skew::Force).unwrap(), None);
    let old = update(&head.eid, 0, 0, "t", json!("late"));
    assert_eq!(world.database.merge(&[old]).unwrap(), [Outcome::Superseded]);
    assert_eq!(world.database.get(&head.eid).unwrap(), None);
    let status = world.database.status().unwrap();
    assert_eq!((status.ents, status.tombstones), (0, 1));
    let again = world.database.put(&head.eid, START_MS, draft("t", json!(2)), Skew::Force).unwrap();
    assert_eq!((again.offset_ms, again.counter), (2, 2));
    let status = world.database.status().unwrap();
    assert_eq!((status.ents, status.tombstones), (1, 0));
}

pub(crate) fn messages_that_cannot_be_are_refused_and_stop_nothing(world: &mut World) {
    let (far, near) = (eid(1, TIME_MS_MAX), eid(2, START_MS));
    let mut forged = update(&near, 1, 1, "t", json!("forged"));
    forged.body = Some(envelope("t", json!("other")));
    let mut bodiless = update(&near, 1, 1, "t", json!("gone"));
    bodiless.body = None;
    let with_body = Message { body: Some(Bytes::from_static(b"x")), ..message(&near, 2, 2, None) };
    let huge = message(&Eid::new(&[3; 8], START_MS).unwrap(), 0, 1 << 56, None);
    let batch = [
        update(&far, 1, 0, "t", json!("too late")),
        forged,
        bodiless,
        with_body,
        huge,
        update(&near, 0, 0, "t", json!("good")),
    ];
    let refused = Outcome::Refused(Status::HashMismatch);
    let outcomes = world.database.merge(&batch).unwrap();
    assert_eq!(outcomes[0], Outcome::Refused(Status::InvalidParam));
    assert_eq!(outcomes[1..4], [refused, refused, refused]);
    assert!(matches!(outcomes[4], Outcome::Refused(_)));
    assert_eq!(outcomes[5], Outcome::Applied);
    let judged = world.database.judge(&[batch[0].head.clone(), batch[5].head.clone()]).unwrap();
    assert_eq!(judged, [Judgement::Refused(Status::InvalidParam), Judgement::Known]);
    assert_eq!(world.database.status().unwrap().ents, 1);
}

pub(crate) fn an_unusual_envelope_is_kept_byte_for_byte(world: &mut World) {
    let eid = eid(1, START_MS);
    let raw =
        body::from_json(&json!({ "$map": [["type", "t"], ["more", [1, 2]], ["body", "x"], ["gid", "g"]] }));
    let arrived = message(&eid, 3, 1, Some(raw.unwrap()));
    assert_eq!(world.database.merge(std::slice::from_ref(&arrived)).unwrap(), [Outcome::Applied]);
    world.reopen();
    let ent = world.database.get(&eid).unwrap().unwrap();
    assert_eq!((ent.kind.as_str(), ent.group.as_deref(), &ent.body[..]), ("t", Some("g"), &b"\xa1x"[..]));
    assert_eq!(world.database.messages(None, 10).unwrap().messages, std::slice::from_ref(&arrived));
    assert_eq!(world.database.merge(&[arrived]).unwrap(), [Outcome::Known]);
    // The next write is in the usual form.
    world.database.put(&eid, START_MS + 9, draft("t", json!("y")), Skew::Force).unwrap();
    let all = world.database.messages(None, 10).unwrap().messages;
    assert_eq!(all[0].body.as_ref().unwrap(), &envelope("t", json!("y")));
}

pub(crate) fn all_messages_can_be_taken_to_another_database(world: &mut World) {
    for id in 0..25 {
        let head = world.database.put_new([id; 8], START_MS, draft("t", json!(id))).unwrap();
        if id % 5 == 0 {
            world.database.delete(&head.eid, START_MS, Skew::Force).unwrap();
        }
    }
    world.database.merge(&[message(&eid(200, START_MS), 0, 0, Some(Bytes::from_static(b"\xc1")))]).unwrap();
    let mut copy = Database::in_memory();
    let mut after = None;
    let mut pages = 0;
    loop {
        let page = world.database.messages(after.as_ref(), 7).unwrap();
        assert!(page.messages.len() <= 7);
        copy.merge(&page.messages).unwrap();
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, 4);
    assert_eq!(
        copy.messages(None, 100).unwrap().messages,
        world.database.messages(None, 100).unwrap().messages
    );
    let (ours, theirs) = (world.database.status().unwrap(), copy.status().unwrap());
    assert_eq!(
        (theirs.ents, theirs.tombstones, theirs.set_aside),
        (ours.ents, ours.tombstones, ours.set_aside)
    );
    assert_eq!((ours.ents, ours.tombstones, ours.set_aside), (20, 5, 1));
    let heads: Vec<MessageHead> = Vec::new();
    assert!(copy.judge(&heads).unwrap().is_empty());
}
