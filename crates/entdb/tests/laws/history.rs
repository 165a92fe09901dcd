//! What is kept of the past, and what is set aside.

use bytes::Bytes;
use seabag_entdb::{Arrivals, Arrived, Error, Fill, History, Judgement, Outcome, Skew, body};
use seabag_protocol::host::bag::BagSeq;
use serde_json::{Value, json};

use crate::common::{START_MS, World, draft, eid, host, message, update};

fn contents(world: &World, eid: &seabag_protocol::host::eid::Eid) -> Vec<Value> {
    let versions = world.database.history(eid).unwrap();
    let content = |ent: &seabag_entdb::Ent| body::to_json(&ent.body).unwrap();
    versions.iter().map(|version| version.ent.as_ref().map_or(Value::Null, content)).collect()
}

pub(crate) fn a_type_that_keeps_all_has_versions(world: &mut World) {
    assert_eq!(world.database.history_of("note").unwrap(), History::Latest);
    world.database.set_history("note", History::All).unwrap();
    let head = world.database.put_new([1; 8], START_MS, draft("note", json!("a"))).unwrap();
    world.database.put(&head.eid, START_MS + 1, draft("note", json!("b")), Skew::Force).unwrap();
    world.reopen();
    assert_eq!(world.database.history_of("note").unwrap(), History::All);
    world.database.delete(&head.eid, START_MS + 2, Skew::Force).unwrap();
    assert_eq!(contents(world, &head.eid), [Value::Null, json!("b"), json!("a")]);
    // What arrives late finds its place.
    let late = message(&head.eid, 1, 0, Some(crate::common::envelope("note", json!("late"))));
    assert_eq!(world.database.merge(&[late]).unwrap(), [Outcome::Kept]);
    assert_eq!(contents(world, &head.eid), [Value::Null, json!("b"), json!("late"), json!("a")]);
    assert_eq!(world.database.status().unwrap().kept, 3);
    let other = world.database.put_new([2; 8], START_MS, draft("other", json!(1))).unwrap();
    world.database.put(&other.eid, START_MS, draft("other", json!(2)), Skew::Force).unwrap();
    assert_eq!(contents(world, &other.eid), [json!(2)]);
}

pub(crate) fn undo_goes_back_and_forth(world: &mut World) {
    let plain = world.database.put_new([9; 8], START_MS, draft("plain", json!(1))).unwrap();
    assert!(matches!(world.database.undo(&plain.eid, START_MS, Skew::Force), Err(Error::NothingToUndo)));
    world.database.set_history("note", History::All).unwrap();
    let head = world.database.put_new([1; 8], START_MS, draft("note", json!("a"))).unwrap();
    world.database.put(&head.eid, START_MS + 1, draft("note", json!("b")), Skew::Force).unwrap();
    let show =
        |world: &World| world.database.get(&head.eid).unwrap().map(|ent| body::to_json(&ent.body).unwrap());
    let undone = world.database.undo(&head.eid, START_MS + 2, Skew::Force).unwrap();
    assert_eq!((undone.offset_ms, undone.counter), (2, 2));
    assert_eq!(show(world), Some(json!("a")));
    world.database.undo(&head.eid, START_MS + 3, Skew::Force).unwrap();
    assert_eq!(show(world), Some(json!("b")));
    world.database.delete(&head.eid, START_MS + 4, Skew::Force).unwrap();
    world.database.undo(&head.eid, START_MS + 5, Skew::Force).unwrap();
    assert_eq!(show(world), Some(json!("b")));
    // Before the first message there was nothing.
    let only = world.database.put_new([2; 8], START_MS, draft("note", json!("only"))).unwrap();
    let end = world.database.undo(&only.eid, START_MS, Skew::Force).unwrap();
    assert!(end.is_delete() && world.database.get(&only.eid).unwrap().is_none());
}

pub(crate) fn the_past_of_kept_types_is_wanted_and_never_pruned(world: &mut World) {
    world.database.set_history("note", History::All).unwrap();
    let link = world.database.add_link(host(1)).unwrap();
    let eid = eid(1, START_MS);
    let bag = |seq, message| (BagSeq(seq), Arrived::Whole(message));
    let [old, middle, new] = [0, 1, 2].map(|at| update(&eid, at, at, "note", json!(at)));
    let arrivals = Arrivals { bags: vec![bag(3, new.clone()), bag(1, old.clone())], cursor: None };
    let received = world.database.receive(link, arrivals).unwrap();
    assert_eq!(received.outcomes, [Some(Outcome::Applied), Some(Outcome::Kept)]);
    let judged = world.database.judge(&[old.head, middle.head.clone(), new.head]).unwrap();
    assert_eq!(judged, [Judgement::Known, Judgement::Wanted, Judgement::Known]);
    world.database.receive(link, Arrivals { bags: vec![bag(2, middle)], cursor: None }).unwrap();
    // An end, too, keeps what it knows of the type.
    world.database.delete(&eid, START_MS + 9, Skew::Force).unwrap();
    let late = update(&eid, 1, 7, "note", json!("late"));
    assert_eq!(world.database.judge(&[late.head]).unwrap(), [Judgement::Wanted]);
    let end = world.database.outbox(link, 9, 9).unwrap().remove(0).head;
    world.database.pushed(link, &[(end, BagSeq(4))]).unwrap();
    assert_eq!(world.database.prunable(link, 10).unwrap(), []);
    assert_eq!(world.database.waiting(link).unwrap(), 0);
}

pub(crate) fn every_version_of_a_kept_type_waits(world: &mut World) {
    world.database.set_history("note", History::All).unwrap();
    let link = world.database.add_link(host(1)).unwrap();
    let head = world.database.put_new([1; 8], START_MS, draft("note", json!("a"))).unwrap();
    let second = world.database.put(&head.eid, START_MS + 1, draft("note", json!("b")), Skew::Force).unwrap();
    let waiting = world.database.outbox(link, 9, 9_999).unwrap();
    assert_eq!(
        waiting.iter().map(|message| message.head.clone()).collect::<Vec<_>>(),
        [head.clone(), second.clone()]
    );
    world.database.pushed(link, &[(head.clone(), BagSeq(1))]).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 1);
    world.database.pushed(link, &[(second, BagSeq(2))]).unwrap();
    // A host that is filled gets the past as well.
    let other = world.database.add_link(host(2)).unwrap();
    world.database.set_stage(other, Fill::Upload).unwrap();
    while world.database.fill(other, 1).unwrap() {}
    assert_eq!(world.database.waiting(other).unwrap(), 2);
    world.database.fill(link, 10).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 0);
}

pub(crate) fn dropping_the_past_supersedes_it(world: &mut World) {
    world.database.set_history("note", History::All).unwrap();
    let link = world.database.add_link(host(1)).unwrap();
    let head = world.database.put_new([1; 8], START_MS, draft("note", json!("a"))).unwrap();
    world.database.pushed(link, &[(head.clone(), BagSeq(1))]).unwrap();
    let second = world.database.put(&head.eid, START_MS + 1, draft("note", json!("b")), Skew::Force).unwrap();
    let third = world.database.put(&head.eid, START_MS + 2, draft("note", json!("c")), Skew::Force).unwrap();
    world.database.set_history("note", History::Latest).unwrap();
    assert_eq!(world.database.status().unwrap().kept, 0);
    assert_eq!(contents(world, &head.eid), [json!("c")]);
    assert_eq!(world.database.judge(&[second]).unwrap(), [Judgement::Superseded]);
    assert_eq!(world.database.waiting(link).unwrap(), 1);
    world.database.pushed(link, &[(third, BagSeq(3))]).unwrap();
    assert_eq!(world.database.prunable(link, 10).unwrap().len(), 1);
}

pub(crate) fn what_cannot_be_read_is_set_aside_and_counts(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let eid = eid(1, START_MS);
    let good = update(&eid, 1, 1, "t", json!("good"));
    let strange = message(&eid, 50, 5, Some(Bytes::from_static(b"\x81\xa4type\x05")));
    let bag = |seq, message: &seabag_entdb::Message| (BagSeq(seq), Arrived::Whole(message.clone()));
    let arrivals = Arrivals { bags: vec![bag(1, &good), bag(2, &strange)], cursor: None };
    let received = world.database.receive(link, arrivals).unwrap();
    assert_eq!(received.outcomes, [Some(Outcome::Applied), Some(Outcome::SetAside)]);
    world.reopen();
    let aside = world.database.set_aside().unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!((&aside[0].head, aside[0].reason.is_empty()), (&strange.head, false));
    assert_eq!(body::to_json(&world.database.get(&eid).unwrap().unwrap().body).unwrap(), json!("good"));
    assert_eq!(world.database.merge(std::slice::from_ref(&strange)).unwrap(), [Outcome::Known]);
    assert_eq!(world.database.judge(std::slice::from_ref(&strange.head)).unwrap(), [Judgement::Known]);
    // It does not supersede what can be read.
    let between = update(&eid, 20, 2, "t", json!("between"));
    assert_eq!(world.database.judge(std::slice::from_ref(&between.head)).unwrap(), [Judgement::Wanted]);
    assert_eq!(world.database.merge(&[between]).unwrap(), [Outcome::Applied]);
    // A local write is greater than it, and ends it.
    let head = world.database.put(&eid, START_MS, draft("t", json!("mine")), Skew::Force).unwrap();
    assert_eq!((head.offset_ms, head.counter), (51, 6));
    assert!(world.database.set_aside().unwrap().is_empty());
    assert_eq!(world.database.merge(&[strange]).unwrap(), [Outcome::Superseded]);
}

pub(crate) fn a_message_set_aside_never_prunes_a_good_one(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let eid = eid(1, START_MS);
    let good = update(&eid, 1, 1, "t", json!("good"));
    let strange = message(&eid, 50, 5, Some(Bytes::from_static(b"\xc1")));
    let bag = |seq, message: &seabag_entdb::Message| (BagSeq(seq), Arrived::Whole(message.clone()));
    for bags in [vec![bag(2, &strange), bag(1, &good)], vec![bag(1, &good), bag(2, &strange)]] {
        world.database.receive(link, Arrivals { bags, cursor: None }).unwrap();
        assert_eq!(world.database.prunable(link, 10).unwrap(), []);
    }
    // The other host is given both.
    let other = world.database.add_link(host(2)).unwrap();
    assert!(!world.database.fill(other, 10).unwrap());
    assert_eq!(world.database.outbox(other, 9, 999).unwrap(), [good, strange]);
    // Only something that can be read and is greater than both supersedes both.
    let mine = world.database.put(&eid, START_MS, draft("t", json!("mine")), Skew::Force).unwrap();
    assert_eq!(world.database.prunable(link, 10).unwrap(), []);
    world.database.pushed(link, &[(mine, BagSeq(3))]).unwrap();
    assert_eq!(world.database.prunable(link, 10).unwrap().len(), 2);
}
