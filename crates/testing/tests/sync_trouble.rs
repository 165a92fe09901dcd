//! Sessions in trouble: hosts that fail, that are full, whose clock differs. Nothing is lost, it is said, and it goes
//! on by itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod sync_support;

use std::cell::Cell;
use std::rc::Rc;

use seabag_client::host::event::{Event, Failure};
use seabag_client::host::report::Report;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::path;
use seabag_testing::blind_host::HostSettings;
use sync_support::{Fault, World, account, draft};

const MINUTE_MS: u64 = 60_000;

fn dead() -> Fault {
    Box::new(|_, _| Err(Failure::Unreachable("connection refused".into())))
}

fn retries(world: &World) -> Vec<u64> {
    let retry = |report: &Report| match report {
        Report::Trouble { retry_ms, .. } => Some(*retry_ms),
        _ => None,
    };
    world.reports(0, 0).iter().filter_map(retry).collect()
}

#[test]
fn waits_grow_while_a_host_is_down_and_begin_small_again_after_it_was_up() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    world.devices[0].lines[0].fault = Some(dead());
    world.put(0, "waits");
    let begin_ms = world.now_ms;
    world.pass(60 * MINUTE_MS);
    let times = retries(&world);
    assert!((10..30).contains(&times.len()), "{} attempts in an hour", times.len());
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times[0] - begin_ms <= 2_000 && waits.iter().all(|wait| *wait <= 5 * MINUTE_MS));
    assert!(waits.last().unwrap() >= &(2 * MINUTE_MS));
    let trouble = world.devices[0].database.link(world.devices[0].link()).unwrap().trouble.unwrap();
    assert_eq!((trouble.code.as_str(), trouble.since_ms), ("network", begin_ms));
    assert!(trouble.retry_ms.unwrap() > world.now_ms - 5 * MINUTE_MS);

    world.devices[0].lines[0].fault = None;
    world.tell(0, 0, Event::Online);
    world.settle();
    world.assert_converged();
    assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
    world.devices[0].lines[0].fault = Some(dead());
    world.put(0, "another");
    world.pass(200);
    assert!(retries(&world).last().unwrap() - world.now_ms <= 2_000, "the next trouble is a first one");
}

#[test]
fn many_local_writes_do_not_wear_out_a_host_that_is_down() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    world.devices[0].lines[0].fault = Some(dead());
    for at in 0..600 {
        world.put(0, &format!("note {at}"));
        world.pass(100);
    }
    assert!(retries(&world).len() < 20, "{} attempts in a minute", retries(&world).len());
}

#[test]
fn trouble_that_was_there_before_a_restart_keeps_its_beginning() {
    let mut world = World::simple(1);
    world.devices[0].lines[0].fault = Some(dead());
    world.pass(MINUTE_MS);
    let since = |world: &World| {
        world.devices[0].database.link(world.devices[0].link()).unwrap().trouble.map(|it| it.since_ms)
    };
    let began = since(&world);
    world.restart_device(0);
    world.devices[0].lines[0].fault = Some(dead());
    world.pass(MINUTE_MS);
    assert!(began.is_some() && since(&world) == began);
}

#[test]
fn an_answer_that_is_lost_costs_nothing_but_a_repeat() {
    let mut world = World::simple(2);
    world.pass(MINUTE_MS);
    let lost = Rc::new(Cell::new(0));
    let count = Rc::clone(&lost);
    // Without notices, which would tell that it arrived after all.
    world.devices[0].lines[0].listening = false;
    world.devices[0].lines[0].fault = Some(Box::new(move |at, answer| {
        if at == path::PUSH && count.get() < 3 {
            count.set(count.get() + 1);
            return Err(Failure::Silent);
        }
        Ok(answer)
    }));
    world.put(0, "once");
    world.pass(20 * MINUTE_MS);
    assert!(lost.get() >= 1);
    world.assert_converged();
    assert_eq!(world.hosts[0].bags(&account()).len(), 1);
}

#[test]
fn what_the_host_has_no_room_for_waits_and_resumes() {
    let full = HostSettings { bytes_max: 3_000, ..HostSettings::default() };
    let mut world = World::new(vec![full], 2, true);
    for at in 0..30 {
        world.put(0, &format!("note {at}"));
        world.pass(200);
    }
    world.pass(MINUTE_MS);
    let stored = world.hosts[0].bags(&account()).len();
    assert!((5..20).contains(&stored));
    assert_eq!(world.devices[0].waiting(), 30 - stored as u64);
    let trouble = world.devices[0].database.link(world.devices[0].link()).unwrap().trouble.unwrap();
    assert_eq!(trouble.code, "quota");
    assert!(trouble.text.contains("of 3000 bytes"), "{}", trouble.text);
    assert!(world.has_report(0, |report| matches!(report, Report::QuotaReached { quota: 3_000, .. })));

    // The other device still reads, and what it has there shrinks: there is room again.
    assert_eq!(world.devices[1].state().len(), stored);
    world.hosts[0].settings.bytes_max = 100_000;
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 30);
    assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
}

#[test]
fn pruning_makes_room_for_what_was_refused() {
    let full = HostSettings { bytes_max: 800, ..HostSettings::default() };
    let mut world = World::new(vec![full], 1, true);
    let note = world.put(0, "note");
    for at in 0..2 {
        world.pass(200);
        world.edit(0, &note, &format!("edit {at}"));
    }
    world.pass(200);
    world.put(0, "one more");
    world.settle();
    assert_eq!(world.devices[0].waiting(), 1, "{:?}", world.reports(0, 0));
    world.pass(3_000);
    world.assert_converged();
    assert_eq!(world.hosts[0].bags(&account()).len(), 2);
    assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
}

#[test]
fn a_message_that_fits_goes_past_one_that_does_not() {
    let full = HostSettings { bytes_max: 5_000, ..HostSettings::default() };
    let mut world = World::new(vec![full], 1, true);
    let mut large = vec![0xda, 0x20, 0];
    large.extend(vec![b'x'; 0x2000]);
    let device = &mut world.devices[0];
    let message = seabag_entdb::Draft::new("large", large);
    device.database.put_new([1; 8], sync_support::BEGIN_MS, message).unwrap();
    for at in 2..8 {
        device.database.put_new([at; 8], sync_support::BEGIN_MS, draft("small")).unwrap();
    }
    world.tell(0, 0, Event::LocalWrite);
    world.pass(MINUTE_MS);
    assert_eq!(world.hosts[0].bags(&account()).len(), 6);
    assert_eq!(world.devices[0].waiting(), 1);
}

#[test]
fn a_push_that_is_too_large_for_the_host_is_split_and_what_is_too_large_alone_waits() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    world.devices[0].lines[0].fault = Some(Box::new(|at, answer| {
        // Fewer than ten items were pushed if the answer is short.
        if at == path::PUSH && answer.len() > 60 { Err(Failure::Http(413)) } else { Ok(answer) }
    }));
    (0..100).for_each(|at| {
        let id = [at as u8; 8];
        world.devices[0].database.put_new(id, sync_support::BEGIN_MS, draft("x")).unwrap();
    });
    world.tell(0, 0, Event::LocalWrite);
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.hosts[0].bags(&account()).len(), 100);
}

#[test]
fn clocks_that_differ_are_bridged_and_told() {
    for skew_ms in [-3_600_000, -31_000, 31_000, 3_600_000] {
        let mut world = World::simple(1);
        world.pass(MINUTE_MS);
        world.devices[0].skew_ms = skew_ms;
        world.put(0, "by a wrong clock");
        world.add_device();
        world.pass(20 * MINUTE_MS);
        world.tell(0, 0, Event::Online);
        world.pass(MINUTE_MS);
        world.assert_converged();
        assert!(world.has_report(0, |report| *report == Report::ClockSkew { offset_ms: -skew_ms }));
        assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
    }
}

#[test]
fn a_clock_that_is_days_off_is_a_trouble_until_it_is_right() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    world.devices[0].skew_ms = -3 * 24 * 3_600_000;
    world.tell(0, 0, Event::Online);
    world.pass(MINUTE_MS);
    let trouble = world.devices[0].database.link(world.devices[0].link()).unwrap().trouble.unwrap();
    assert_eq!(trouble.code, "clock");
    assert!(trouble.text.contains("259200 s"), "{}", trouble.text);
    world.devices[0].skew_ms = 0;
    world.tell(0, 0, Event::Online);
    world.pass(MINUTE_MS);
    assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
}

#[test]
fn a_link_that_fails_holds_up_no_other() {
    let mut world = World::new(vec![HostSettings::default(), HostSettings::default()], 2, true);
    for device in 0..2 {
        world.devices[device].lines[0].fault = Some(dead());
    }
    world.put(0, "note");
    world.pass(MINUTE_MS);
    assert_eq!(world.devices[1].state().len(), 1);
    assert_eq!(world.hosts[1].bags(&account()).len(), 1);
    for device in 0..2 {
        world.devices[device].lines[0].fault = None;
    }
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.hosts[0].bags(&account()).len(), 1);
}

#[test]
fn a_listener_that_is_cut_off_again_and_again_comes_back_ever_later() {
    let mut world = World::simple(1);
    let opened_before = world.devices[0].lines[0].listening;
    world.pass(MINUTE_MS);
    assert!(!opened_before && world.devices[0].lines[0].listening);
    let mut gaps = Vec::new();
    for _ in 0..12 {
        world.cut(0);
        let cut_ms = world.now_ms;
        while !world.devices[0].lines[0].listening {
            world.pass(500);
        }
        gaps.push(world.now_ms - cut_ms);
    }
    assert!(gaps[0] <= 2_000 && gaps[11] > 60_000, "{gaps:?}");
}

#[test]
fn a_write_while_the_version_before_it_is_on_the_way_is_no_refusal() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    let eid = world.put(0, "on the way");
    world.edit(0, &eid, "written meanwhile");
    world.pass(MINUTE_MS);
    assert!(retries(&world).is_empty(), "nothing was in the way");
    assert_eq!(world.devices[0].waiting(), 0);
    world.assert_converged();
}

#[test]
fn trouble_over_a_refused_message_ends_when_another_process_brought_it_to_the_host() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    world.devices[0].lines[0].listening = false;
    world.devices[0].lines[0].fault = Some(Box::new(|at, mut answer| {
        if at == path::PUSH {
            // The only item: place 0, and a status in place of success and a number.
            let head = answer.len() - 3;
            answer = [&answer[..head], &[0, 24][..]].concat().into();
        }
        Ok(answer)
    }));
    let trouble = |world: &World| world.devices[0].database.link(world.devices[0].link()).unwrap().trouble;
    world.put(0, "refused");
    world.settle();
    assert_eq!(trouble(&world).map(|it| it.code), Some("refused".to_owned()));
    let (link, page) = (world.devices[0].link(), world.devices[0].database.messages(None, 1).unwrap());
    let stored = [(page.messages[0].head.clone(), BagSeq(1))];
    assert_eq!(world.devices[0].database.pushed(link, &stored).unwrap(), [true]);
    world.pass(MINUTE_MS);
    assert_eq!(trouble(&world), None);
}
