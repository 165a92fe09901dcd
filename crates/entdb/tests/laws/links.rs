//! Links, the outbox, filling.

use seabag_entdb::{Arrivals, Arrived, Error, Fill, LinkId, Message, Outcome, Skew, Trouble};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::record::EpochId;
use serde_json::json;

use crate::common::{START_MS, World, draft, eid, host, message, update};

fn whole(bags: &[(u64, &Message)]) -> Arrivals {
    let bags = bags.iter().map(|(seq, message)| (BagSeq(*seq), Arrived::Whole((*message).clone()))).collect();
    Arrivals { bags, cursor: None }
}

fn waiting(world: &World, link: LinkId) -> Vec<Message> {
    world.database.outbox(link, 1_000, 1_000_000).unwrap()
}

pub(crate) fn links_are_added_once_and_removed_whole(world: &mut World) {
    let first = world.database.add_link(host(1)).unwrap();
    assert!(matches!(world.database.add_link(host(1)), Err(Error::AlreadyLinked)));
    let second = world.database.add_link(host(u64::MAX)).unwrap();
    world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    world.database.receive(second, whole(&[(1, &update(&eid(5, 5), 0, 0, "t", json!(5)))])).unwrap();
    world.reopen();
    let links = world.database.links().unwrap();
    assert_eq!(
        links.iter().map(|link| (link.id, &link.settings)).collect::<Vec<_>>(),
        [(first, &host(1)), (second, &host(u64::MAX))]
    );
    assert!(links.iter().all(|link| link.stage == Fill::Replay && link.cursor.is_none()));
    world.database.remove_link(second).unwrap();
    assert!(matches!(world.database.remove_link(second), Err(Error::UnknownLink(_))));
    assert!(matches!(world.database.pushed(second, &[]), Err(Error::UnknownLink(_))));
    let third = world.database.add_link(host(u64::MAX)).unwrap();
    assert!(third > second);
    assert_eq!(world.database.waiting(third).unwrap(), 0);
    assert_eq!(world.database.status().unwrap().ents, 2);
}

pub(crate) fn trouble_and_stage_are_remembered(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let trouble = Trouble {
        code: "quota".into(),
        text: "full".into(),
        since_ms: START_MS,
        retry_ms: Some(START_MS + 1),
    };
    world.database.set_trouble(link, Some(trouble.clone())).unwrap();
    world.database.set_stage(link, Fill::Done).unwrap();
    world.reopen();
    let found = world.database.link(link).unwrap();
    assert_eq!((found.trouble, found.stage), (Some(trouble), Fill::Done));
    world.database.set_trouble(link, None).unwrap();
    assert_eq!(world.database.link(link).unwrap().trouble, None);
    assert!(world.database.link(LinkId(99)).is_err());
}

pub(crate) fn a_newer_write_takes_the_place_of_the_waiting_one(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let head = world.database.put_new([1; 8], START_MS, draft("t", json!("a"))).unwrap();
    let newer = world.database.put(&head.eid, START_MS, draft("t", json!("b")), Skew::Force).unwrap();
    assert_eq!(waiting(world, link).iter().map(|message| &message.head).collect::<Vec<_>>(), [&newer]);
    // What arrives from the host itself is greater: nothing is left to upload.
    let theirs = update(&head.eid, 100, 9, "t", json!("c"));
    world.database.receive(link, whole(&[(1, &theirs)])).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 0);
}

pub(crate) fn the_outbox_is_bounded_by_items_and_bytes(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    for id in 0..5 {
        world.database.put_new([id; 8], START_MS, draft("t", json!("x".repeat(100)))).unwrap();
    }
    let all = waiting(world, link);
    let bytes = all[0].body.as_ref().unwrap().len();
    assert_eq!(all.len(), 5);
    assert_eq!(world.database.outbox(link, 2, 1_000_000).unwrap(), all[..2]);
    assert_eq!(world.database.outbox(link, 10, 3 * bytes).unwrap(), all[..3]);
    assert_eq!(world.database.outbox(link, 10, 3 * bytes - 1).unwrap(), all[..2]);
    assert_eq!(world.database.outbox(link, 10, 1).unwrap(), all[..1]);
    assert_eq!(world.database.outbox(link, 0, 1_000).unwrap(), []);
}

pub(crate) fn what_is_postponed_goes_to_the_end(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let heads: Vec<_> =
        (0..3).map(|id| world.database.put_new([id; 8], START_MS, draft("t", json!(id))).unwrap()).collect();
    world.database.postpone(link, &heads[..1]).unwrap();
    let order: Vec<_> = waiting(world, link).into_iter().map(|message| message.head).collect();
    assert_eq!(order, [heads[1].clone(), heads[2].clone(), heads[0].clone()]);
    world.database.pushed(link, &[(heads[1].clone(), BagSeq(1))]).unwrap();
    world.database.postpone(link, &heads).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 2);
}

pub(crate) fn what_one_link_brings_waits_for_the_others(world: &mut World) {
    let links: Vec<_> = (0..3).map(|number| world.database.add_link(host(number)).unwrap()).collect();
    world.database.set_stage(links[1], Fill::Done).unwrap();
    let theirs = update(&eid(1, START_MS), 0, 0, "t", json!(1));
    world.database.receive(links[0], whole(&[(1, &theirs)])).unwrap();
    assert_eq!(waiting(world, links[0]), []);
    assert_eq!(waiting(world, links[1]), std::slice::from_ref(&theirs));
    // The third is being replayed, and filled after that.
    assert_eq!(waiting(world, links[2]), []);
    // The second turns out to have it.
    world.database.receive(links[1], whole(&[(7, &theirs)])).unwrap();
    assert_eq!(waiting(world, links[1]), []);
    let durable = world.database.durable_at(&eid(1, START_MS)).unwrap();
    let stored: Vec<_> = durable.iter().map(|at| (at.stored, at.waiting)).collect();
    assert_eq!(stored, [(Some(BagSeq(1)), false), (Some(BagSeq(7)), false), (None, false)]);
    // An end goes the same way.
    let end = message(&eid(1, START_MS), 5, 5, None);
    world.database.receive(links[1], whole(&[(8, &end)])).unwrap();
    assert_eq!(waiting(world, links[0]).len() + 1, 1);
    world.database.set_stage(links[0], Fill::Done).unwrap();
    let later = message(&eid(1, START_MS), 6, 6, None);
    world.database.receive(links[1], whole(&[(9, &later)])).unwrap();
    assert_eq!(waiting(world, links[0]), [later]);
}

pub(crate) fn an_import_waits_for_every_link(world: &mut World) {
    let links: Vec<_> = (0..2).map(|number| world.database.add_link(host(number)).unwrap()).collect();
    let known = update(&eid(1, START_MS), 0, 0, "t", json!(1));
    world.database.receive(links[0], whole(&[(1, &known)])).unwrap();
    let new = update(&eid(2, START_MS), 0, 0, "t", json!(2));
    let outcomes = world.database.merge(&[known, new.clone()]).unwrap();
    assert_eq!(outcomes, [Outcome::Known, Outcome::Applied]);
    for link in links {
        assert_eq!(waiting(world, link), std::slice::from_ref(&new));
    }
}

pub(crate) fn a_new_link_is_filled_with_what_it_lacks(world: &mut World) {
    let mut messages: Vec<_> = (0..20).map(|id| update(&eid(id, START_MS), 0, 0, "t", json!(id))).collect();
    messages.extend((20..25).map(|id| message(&eid(id, START_MS), 9, 9, None)));
    world.database.merge(&messages).unwrap();
    let link = world.database.add_link(host(1)).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 0);
    // The replay shows that the host has half of them.
    let held: Vec<_> =
        messages.iter().step_by(2).enumerate().map(|(at, message)| (at as u64 + 1, message)).collect();
    world.database.receive(link, whole(&held)).unwrap();
    world.database.set_stage(link, Fill::Upload).unwrap();
    let mut steps = 1;
    while world.database.fill(link, 4).unwrap() {
        world.reopen();
        steps += 1;
    }
    assert!(steps >= 7, "{steps}");
    let lacking: Vec<_> = messages.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(waiting(world, link), lacking);
    assert!(!world.database.fill(link, 100).unwrap());
    // Beginning anew finds nothing more.
    world.database.set_stage(link, Fill::Upload).unwrap();
    assert!(!world.database.fill(link, 100).unwrap());
    assert_eq!(waiting(world, link), lacking);
}

pub(crate) fn a_reset_forgets_numbers_and_fills_again(world: &mut World) {
    let link = world.database.add_link(host(1)).unwrap();
    let theirs = update(&eid(1, START_MS), 0, 0, "t", json!(1));
    let cursor = Some(Cursor { epoch: EpochId([1; 16]), seq: BagSeq(5) });
    world.database.receive(link, Arrivals { cursor, ..whole(&[(5, &theirs)]) }).unwrap();
    world.database.set_stage(link, Fill::Done).unwrap();
    let mine = world.database.put_new([2; 8], START_MS, draft("t", json!(2))).unwrap();
    world.database.reset(link, EpochId([2; 16])).unwrap();
    world.reopen();
    let found = world.database.link(link).unwrap();
    assert_eq!(found.cursor, Some(Cursor { epoch: EpochId([2; 16]), seq: BagSeq::ZERO }));
    assert_eq!(found.stage, Fill::Replay);
    assert_eq!(world.database.durable_at(&theirs.head.eid).unwrap()[0].stored, None);
    world.database.set_stage(link, Fill::Upload).unwrap();
    assert!(!world.database.fill(link, 100).unwrap());
    let heads: Vec<_> = waiting(world, link).into_iter().map(|message| message.head).collect();
    assert_eq!(heads, [mine, theirs.head]);
}

pub(crate) fn a_label_is_neither_empty_nor_endless(world: &mut World) {
    for length in [0, 257, 100_000] {
        let settings = seabag_entdb::LinkSettings { label: "x".repeat(length), ..host(1) };
        assert!(matches!(world.database.add_link(settings), Err(Error::InvalidLabel)), "{length}");
    }
    assert_eq!(world.database.links().unwrap(), []);
    world.database.add_link(seabag_entdb::LinkSettings { label: "x".repeat(256), ..host(1) }).unwrap();
}
