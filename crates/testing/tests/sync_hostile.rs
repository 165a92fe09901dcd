//! Sessions against hosts that lie: what is here is never lost and never changed by it, nothing goes on for ever, and
//! it is told what was seen.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod sync_support;

use bytes::Bytes;
use seabag_client::host::event::{Event, Failure};
use seabag_client::host::report::{Oddity, Report};
use seabag_crypto::Nonces;
use seabag_protocol::host::bag::{Bag, BagSeq};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::path;
use seabag_protocol::host::peek::{PageHead, PeekItem};
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::response::ResponseHead;
use seabag_testing::chance::Chance;
use sync_support::{Fault, World, account, sealer, stranger};

const MINUTE_MS: u64 = 60_000;

/// Takes a page apart and puts it together again.
fn with_page(change: impl Fn(&mut PageHead, &mut Vec<PeekItem>) + 'static) -> Fault {
    Box::new(move |at, answer| {
        if at != path::PEEK_PAGE {
            return Ok(answer);
        }
        let mut reader = Reader::new(answer);
        let head = ResponseHead::read(&mut reader).unwrap();
        let (mut page, mut items) =
            (PageHead::read(&mut reader).unwrap(), PeekItem::read_all(&mut reader).unwrap());
        change(&mut page, &mut items);
        let mut out = Vec::new();
        head.write(&mut out).unwrap();
        page.write(&mut out).unwrap();
        items.iter().for_each(|item| item.write(&mut out).unwrap());
        Ok(out.into())
    })
}

fn with_bodies(change: impl Fn(&mut Vec<PullItem>) + 'static) -> Fault {
    Box::new(move |at, answer| {
        if at != path::PULL {
            return Ok(answer);
        }
        let mut reader = Reader::new(answer);
        let head = ResponseHead::read(&mut reader).unwrap();
        let mut items = PullItem::read_all(&mut reader).unwrap();
        change(&mut items);
        let mut out = Vec::new();
        head.write(&mut out).unwrap();
        items.iter().for_each(|item| item.write(&mut out).unwrap());
        Ok(out.into())
    })
}

fn with_push(change: impl Fn(&mut Vec<PushItem>) + 'static) -> Fault {
    Box::new(move |at, answer| {
        if at != path::PUSH {
            return Ok(answer);
        }
        let mut reader = Reader::new(answer);
        let head = ResponseHead::read(&mut reader).unwrap();
        let mut items = PushItem::read_all(&mut reader).unwrap();
        change(&mut items);
        let mut out = Vec::new();
        head.write(&mut out).unwrap();
        items.iter().for_each(|item| item.write(&mut out).unwrap());
        Ok(out.into())
    })
}

/// A world whose second device meets the fault from its first call on, and the eight notes that the first one has.
fn with_fault(fault: Fault) -> World {
    let mut world = World::simple(1);
    (0..8).for_each(|at| drop(world.put(0, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.add_device();
    world.devices[1].lines[0].fault = Some(fault);
    world.put(1, "of its own");
    world.pass(5 * MINUTE_MS);
    world
}

/// The host is honest again, and an audit looks at all of it: everything is everywhere.
fn assert_heals(mut world: World, messages: usize) {
    for device in 0..world.devices.len() {
        world.devices[device].lines[0].fault = None;
        world.tell(device, 0, Event::Online);
        world.tell(device, 0, Event::Audit);
    }
    world.pass(30 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[0].state().len(), messages);
}

fn odd(world: &World, oddity: Oddity) -> bool {
    world.has_report(1, |report| matches!(report, Report::Odd { oddity: seen, .. } if *seen == oddity))
}

#[test]
fn bags_with_a_wrong_signature_are_set_aside_and_the_others_come() {
    let world = with_fault(with_page(|_, items| {
        items.iter_mut().filter(|item| item.seq.0 <= 3).for_each(|item| item.sealed.signature[7] ^= 1);
    }));
    assert_eq!(world.devices[1].state().len(), 6);
    assert!(odd(&world, Oddity::ForeignBag));
    let status = world.devices[1].database.status().unwrap();
    assert_eq!(status.links[0].unreadable, 3);
    assert_heals(world, 9);
}

#[test]
fn bags_of_another_account_are_not_taken() {
    let head =
        MessageHead::new(seabag_protocol::host::eid::Eid::new(b"stranger", 5).unwrap(), 0, 0, Some(b"\xa1x"));
    let bag = stranger().seal(&head, Some(b"\xa1x"), &Nonces { head: [1; 24], body: [2; 24] }).unwrap();
    let world = with_fault(with_page(move |_, items| {
        items.iter_mut().filter(|item| item.seq.0 == 2).for_each(|item| item.sealed = bag.sealed.clone());
    }));
    assert_eq!(world.devices[1].state().len(), 8);
    assert!(odd(&world, Oddity::ForeignBag));
    assert_heals(world, 9);
}

#[test]
fn bags_with_other_derivation_bytes_do_not_open() {
    let world = with_fault(with_page(|_, items| {
        items.iter_mut().for_each(|item| item.sealed.derivation[0] ^= 1);
    }));
    assert!(odd(&world, Oddity::Unopenable));
    assert_eq!(world.devices[1].state().len(), 1);
    assert_heals(world, 9);
}

#[test]
fn bodies_in_each_others_places_are_not_taken() {
    let world = with_fault(with_bodies(|items| {
        let (first, second) = (items[0].body.clone(), items[1].body.clone());
        (items[0].body, items[1].body) = (second, first);
    }));
    assert!(odd(&world, Oddity::Unopenable));
    assert_eq!(world.devices[1].state().len(), 7);
    assert_heals(world, 9);
}

#[test]
fn bodies_that_nobody_asked_for_and_empty_ones_are_not_taken() {
    let world = with_fault(with_bodies(|items| {
        items.push(PullItem { seq: BagSeq(77), body: Bytes::from_static(b"unasked") });
        items[0].body = Bytes::new();
    }));
    assert!(odd(&world, Oddity::UnaskedBody));
    assert_eq!(world.devices[1].state().len(), 8);
    assert_heals(world, 9);
}

#[test]
fn bodies_that_are_withheld_are_told_of_once_the_list_still_shows_their_bags() {
    let world = with_fault(with_bodies(|items| items.retain(|item| item.seq.0 % 2 == 0)));
    assert!(odd(&world, Oddity::BodyWithheld));
    assert_eq!(world.devices[1].state().len(), 5);
    assert_eq!(world.devices[1].database.status().unwrap().links[0].unreadable, 4);
    assert_heals(world, 9);
}

#[test]
fn a_bag_that_was_pruned_between_list_and_fetch_is_no_trouble() {
    let mut world = World::simple(1);
    (0..3).for_each(|at| drop(world.put(0, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.add_device();
    while world.hosts[0].calls(path::PEEK_PAGE) == 0 || world.devices[1].lines[0].calls.is_empty() {
        world.answer(1, 0);
    }
    world.hosts[0].lose(&account(), BagSeq(2));
    world.pass(MINUTE_MS);
    assert!(!odd(&world, Oddity::BodyWithheld));
    assert!(world.has_report(1, |report| *report == Report::InSync));
}

#[test]
fn numbers_in_any_order_and_numbers_twice_change_nothing() {
    let world = with_fault(with_page(|page, items| {
        items.reverse();
        let more = items.clone();
        items.extend(more);
        if let Some(item) = items.first().cloned() {
            items.push(PeekItem { seq: BagSeq(page.through.0 + 50), ..item.clone() });
            items.push(PeekItem { seq: BagSeq(0), ..item });
        }
    }));
    assert!(odd(&world, Oddity::NumbersOutOfOrder));
    world.assert_converged();
    assert_heals(world, 9);
}

#[test]
fn bags_under_wrong_numbers_change_nothing_here() {
    let world = with_fault(with_page(|_, items| {
        let sealed: Vec<_> = items.iter().map(|item| item.sealed.clone()).rev().collect();
        items.iter_mut().zip(sealed).for_each(|(item, sealed)| item.sealed = sealed);
    }));
    assert_heals(world, 9);
}

#[test]
fn bags_that_are_left_out_come_with_an_audit() {
    let world = with_fault(with_page(|_, items| items.retain(|item| item.seq.0 > 4)));
    assert_eq!(world.devices[1].state().len(), 5);
    assert_heals(world, 9);
}

#[test]
fn pages_that_do_not_advance_are_a_trouble_and_not_a_loop() {
    let stuck: [fn(&mut PageHead, &mut Vec<PeekItem>); 4] = [
        |page, items| {
            page.through = BagSeq(0);
            items.clear();
        },
        |page, _| page.through = BagSeq(page.last.0 + 5),
        |page, items| {
            page.last = BagSeq(1 << 50);
            page.through = BagSeq(page.through.0.max(8) + 1);
            items.clear();
        },
        |page, _| page.last = BagSeq(0),
    ];
    for change in stuck {
        let world = with_fault(with_page(change));
        let trouble = world.devices[1].database.link(world.devices[1].link()).unwrap().trouble;
        assert_eq!(trouble.map(|trouble| trouble.code), Some("answer".to_owned()));
        assert!(world.hosts[0].calls(path::PEEK_PAGE) < 1_000, "{}", world.hosts[0].calls(path::PEEK_PAGE));
        assert_heals(world, 9);
    }
}

#[test]
fn a_history_that_is_another_every_time_is_a_trouble_and_not_a_loop() {
    let world = with_fault(Box::new(|at, answer| {
        let mut answer = answer.to_vec();
        if at == path::EPOCH {
            *answer.last_mut().unwrap() = 0;
        }
        Ok(answer.into())
    }));
    assert!(world.hosts[0].calls(path::EPOCH) < 500, "{}", world.hosts[0].calls(path::EPOCH));
    assert_heals(world, 9);
}

#[test]
fn forged_answers_to_a_push_lose_nothing() {
    let forgeries: [fn(&mut Vec<PushItem>); 7] = [
        |items| items.iter_mut().for_each(|item| item.index += 100),
        |items| items.iter_mut().for_each(|item| item.result = Ok(BagSeq(0))),
        |items| items.iter_mut().for_each(|item| item.result = Ok(BagSeq(3))),
        |items| items.iter_mut().for_each(|item| item.result = Ok(BagSeq(1 << 52))),
        |items| items.clear(),
        |items| items.extend(items.clone()),
        |items| {
            let refused = Err(seabag_protocol::host::status::Status::InvalidSignature);
            items.iter_mut().for_each(|item| item.result = refused);
        },
    ];
    for (at, forgery) in forgeries.into_iter().enumerate() {
        let mut world = with_fault(with_push(forgery));
        (0..4).for_each(|at| drop(world.put(1, &format!("more {at}"))));
        world.pass(5 * MINUTE_MS);
        assert!(world.hosts[0].calls(path::PUSH) < 60, "{at}: {}", world.hosts[0].calls(path::PUSH));
        assert_eq!(world.devices[1].state().len(), 13, "forgery {at}");
        assert_heals(world, 13);
    }
}

#[test]
fn answers_that_never_end_are_not_read_to_their_end() {
    let world = with_fault(Box::new(|_, answer| {
        // Beyond what any call but the oldest list may answer.
        let mut answer = answer.to_vec();
        answer.resize(17 * 1024 * 1024, 0);
        Ok(answer.into())
    }));
    assert!(world.has_report(1, |report| {
        matches!(report, Report::Trouble { code: "answer", text, .. } if text.contains("longer than"))
    }));
    assert_heals(world, 9);
}

#[test]
fn notices_that_are_broken_forged_or_far_ahead_change_nothing() {
    let mut world = World::simple(2);
    world.put(0, "note");
    world.pass(MINUTE_MS);
    let eid = seabag_protocol::host::eid::Eid::new(b"forged", 1).unwrap();
    let head = MessageHead::new(eid, 0, 0, Some(b"\xa1x"));
    let Bag { sealed, body } =
        stranger().seal(&head, Some(b"\xa1x"), &Nonces { head: [3; 24], body: [4; 24] }).unwrap();
    for seq in [0, 1, 2, 3, 1 << 40] {
        let mut frame = Vec::new();
        let item = NoticeItem { seq: BagSeq(seq), sealed: sealed.clone(), body: body.clone() };
        item.write(&mut frame).unwrap();
        world.tell(1, 0, Event::Notice(frame.clone().into()));
        frame.truncate(frame.len() / 2);
        world.tell(1, 0, Event::Notice(frame.into()));
        world.tell(1, 0, Event::Notice(Bytes::new()));
        world.pass(1_000);
    }
    (0..3_000).for_each(|_| world.tell(1, 0, Event::Notice(Bytes::from_static(b"\xff\xff"))));
    world.pass(MINUTE_MS);
    assert_eq!(world.devices[1].state().len(), 1);
    assert!(odd(&world, Oddity::BrokenNotice) && odd(&world, Oddity::ForeignBag));
    world.put(0, "after all that");
    world.pass(20 * MINUTE_MS);
    assert_heals(world, 2);
}

#[test]
fn a_bag_that_a_device_of_the_account_sealed_wrongly_stops_nobody() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    // Its head has a time past the range, which honest devices do not make.
    let eid = seabag_protocol::host::eid::Eid::new(b"future", 9_000_000_000_000_000).unwrap();
    let head = MessageHead::new(eid, 0, 0, Some(b"\xa1x"));
    let bag = sealer().seal(&head, Some(b"\xa1x"), &Nonces { head: [5; 24], body: [6; 24] }).unwrap();
    let auth = sealer().keys().timestamp(world.now_ms).unwrap();
    let push = seabag_protocol::host::push::request(&auth, &[bag]).unwrap();
    world.hosts[0].answer(path::PUSH, None, push.into(), world.now_ms);
    world.put(0, "note");
    world.add_device();
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 1);
    assert_eq!(world.devices[1].database.status().unwrap().links[0].unreadable, 1);
}

/// Answers damaged in every way that chance comes upon.
#[test]
fn whatever_a_host_answers_nothing_is_lost() {
    let seeds = std::env::var("SEABAG_SEEDS").map_or(8, |text| text.parse().expect("a number"));
    for seed in 0..seeds {
        let mut world = World::simple(2);
        let mut chance = Chance::new(seed);
        let notes: Vec<_> = (0..6).map(|at| world.put(at % 2, &format!("note {at}"))).collect();
        world.pass(MINUTE_MS);
        world.devices[1].lines[0].fault = Some(Box::new(move |_, answer| damaged(answer, &mut chance)));
        for at in 0..40 {
            world.now_ms += 7;
            match at % 4 {
                0 => drop(world.put(at % 2, &format!("new {at}"))),
                1 => world.edit(1, &notes[at % 6], &format!("edit {at}")),
                2 => world.edit(0, &notes[at % 6], &format!("edit {at}")),
                _ => world.tell(1, 0, Event::Online),
            }
            world.pass(5_000);
        }
        let before = world.devices[1].state();
        world.restart_device(1);
        let own: Vec<_> = world.devices[1].state();
        assert!(own == before, "seed {seed}");
        assert_heals(world, 16);
    }
}

fn damaged(answer: Bytes, chance: &mut Chance) -> Result<Bytes, Failure> {
    let mut bytes = answer.to_vec();
    let place = chance.below(bytes.len().max(1) as u64) as usize;
    match chance.below(10) {
        0 => return Err(Failure::Silent),
        1 => return Err(Failure::Http(500)),
        2 => bytes.truncate(place),
        3 => bytes[place] ^= 1 << chance.below(8),
        4 => bytes.extend_from_slice(&answer[place..]),
        5 => drop(bytes.drain(place..place + (answer.len() - place).min(3))),
        6 => bytes[0] = chance.below(30) as u8,
        _ => {}
    }
    Ok(bytes.into())
}
