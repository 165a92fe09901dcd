//! Hosts that would make a device do the same again and again, and two processes that sync one file: work ends.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod sync_support;

use bytes::Bytes;
use seabag_client::host::event::Event;
use seabag_client::host::report::{Report, ResetReason};
use seabag_entdb::{Database, LinkSettings};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::path;
use seabag_protocol::host::prune::PruneItem;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;
use seabag_testing::blind_host::HostSettings;
use sync_support::{LABEL, World, account};

const MINUTE_MS: u64 = 60_000;

/// Takes an answer apart and puts it together again.
fn with_items<T>(
    answer: Bytes,
    read: impl Fn(&mut Reader) -> Result<Vec<T>, Status>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Status>,
    change: impl FnOnce(&mut Vec<T>),
) -> Bytes {
    let mut reader = Reader::new(answer);
    let head = ResponseHead::read(&mut reader).unwrap();
    let mut items = if head.status == Status::Success { read(&mut reader).unwrap() } else { Vec::new() };
    change(&mut items);
    let mut out = Vec::new();
    head.write(&mut out).unwrap();
    items.iter().for_each(|item| write(item, &mut out).unwrap());
    out.into()
}

/// One device with a superseded bag at its host, whatever the sessions are like.
fn one_device(live: bool) -> World {
    let mut world = World::new(vec![HostSettings::default()], 1, live);
    world.pass(MINUTE_MS);
    world
}

#[test]
fn a_host_that_denies_what_supersedes_is_not_told_of_it_for_ever() {
    for live in [true, false] {
        let mut world = one_device(live);
        world.devices[0].lines[0].fault = Some(Box::new(|at, answer| {
            Ok(if at == path::PRUNE {
                with_items(answer, PruneItem::read_all, PruneItem::write, |items| {
                    items.iter_mut().for_each(|item| item.status = Status::NotFound);
                })
            } else {
                answer
            })
        }));
        let notes: Vec<_> = (0..5).map(|at| world.put(0, &format!("note {at}"))).collect();
        world.pass(MINUTE_MS);
        notes.iter().for_each(|eid| world.edit(0, eid, "again"));
        world.pass(60 * MINUTE_MS);
        let calls = (world.hosts[0].calls(path::PUSH), world.hosts[0].calls(path::PRUNE));
        assert!(calls.0 < 100 && calls.1 < 100, "live: {live}, {calls:?}");
        world.devices[0].lines[0].fault = None;
        world.tell(0, 0, Event::Online);
        world.pass(60 * MINUTE_MS);
        world.assert_converged();
        assert!(world.hosts[0].bags(&account()).len() >= 5);
    }
}

#[test]
fn a_host_that_never_shows_what_it_takes_is_not_given_it_for_ever() {
    for live in [true, false] {
        let mut world = one_device(live);
        let mut next = 1_000;
        world.devices[0].lines[0].fault = Some(Box::new(move |at, answer| {
            Ok(if at == path::PUSH {
                with_items(answer, PushItem::read_all, PushItem::write, |items| {
                    for item in items {
                        next += 2;
                        item.result = Ok(BagSeq(next));
                    }
                })
            } else {
                answer
            })
        }));
        world.devices[0].lines[0].fault = world.devices[0].lines[0].fault.take().map(|mut change| {
            let hidden: sync_support::Fault = Box::new(move |at, answer| {
                use seabag_protocol::host::peek::PageHead;
                let answer = change(at, answer)?;
                let mut reader = Reader::new(answer.clone());
                let head = ResponseHead::read(&mut reader).unwrap();
                if at != path::PEEK_PAGE || head.status != Status::Success {
                    return Ok(answer);
                }
                // Nothing is there, it says.
                let mut page = PageHead::read(&mut reader).unwrap();
                (page.last, page.through) = (BagSeq::ZERO, BagSeq::ZERO);
                let mut out = Vec::new();
                head.write(&mut out).unwrap();
                page.write(&mut out).unwrap();
                Ok(out.into())
            });
            hidden
        });
        (0..5).for_each(|at| drop(world.put(0, &format!("note {at}"))));
        world.pass(60 * MINUTE_MS);
        let pushes = world.hosts[0].calls(path::PUSH);
        assert!(pushes < 100, "live: {live}, {pushes}");
        world.devices[0].lines[0].fault = None;
        world.tell(0, 0, Event::Online);
        world.pass(60 * MINUTE_MS);
        world.assert_converged();
        assert_eq!(world.hosts[0].bags(&account()).len(), 5);
    }
}

#[test]
fn two_processes_that_sync_one_file_fill_a_wiped_host_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::simple(2);
    for device in &mut world.devices {
        device.database = Database::open(folder.path().join("ents.db")).unwrap();
    }
    let settings = LinkSettings { label: LABEL.into(), url: "http://host-0.test".into(), index: 0 };
    world.devices[0].database.add_link(settings).unwrap();
    (0..2).for_each(|device| world.restart_device(device));
    (0..6).for_each(|at| drop(world.put(at % 2, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    for round in 1..4 {
        world.hosts[0].wipe();
        world.cut(0);
        world.pass(20 * MINUTE_MS);
        world.assert_converged();
        assert_eq!(world.hosts[0].bags(&account()).len(), 6, "round {round}");
    }
    let resets = |device: usize| {
        let reset = |report: &&Report| **report == Report::Reset(ResetReason::AccountGone);
        world.reports(device, 0).iter().filter(reset).count()
    };
    assert_eq!(resets(0) + resets(1), 3, "whoever noticed first did it for both");
    let waiting = world.devices[0].waiting();
    assert_eq!(waiting, 0);
}
