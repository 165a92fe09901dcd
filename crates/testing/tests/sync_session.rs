//! Sessions against hosts that behave: devices converge, whatever happens to hosts and processes in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod sync_support;

use seabag_client::host::event::{Event, Failure};
use seabag_client::host::report::{Report, ResetReason};
use seabag_entdb::History;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::path;
use seabag_testing::blind_host::HostSettings;
use sync_support::{World, account};

const MINUTE_MS: u64 = 60_000;

fn old_kind() -> HostSettings {
    HostSettings { old_kind: true, ..HostSettings::default() }
}

#[test]
fn two_devices_converge_through_a_host() {
    let mut world = World::simple(2);
    let first = world.put(0, "first");
    let second = world.put(1, "second");
    world.pass(MINUTE_MS);
    world.assert_converged();
    world.edit(1, &first, "first, edited");
    world.delete(0, &second);
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(
        world.devices[0].database.get(&first).unwrap(),
        world.devices[1].database.get(&first).unwrap()
    );
    assert!(world.devices[1].database.get(&second).unwrap().is_none());
    assert!(world.has_report(0, |report| *report == Report::InSync));
}

#[test]
fn a_local_write_reaches_a_listener_without_any_list_being_read() {
    let mut world = World::simple(2);
    world.pass(MINUTE_MS);
    let pages = world.hosts[0].calls(path::PEEK_PAGE);
    world.put(0, "short, so that the notice brings it along");
    world.settle();
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 1);
    assert_eq!(world.hosts[0].calls(path::PEEK_PAGE), pages);
    assert_eq!(world.hosts[0].calls(path::PULL), 0);
}

#[test]
fn a_device_that_was_away_reads_only_what_it_missed() {
    let mut world = World::simple(1);
    (0..30).for_each(|at| drop(world.put(0, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.add_device();
    world.pass(MINUTE_MS);
    world.assert_converged();
    let pulls = world.hosts[0].calls(path::PULL);
    world.restart_device(1);
    world.pass(MINUTE_MS);
    assert_eq!(world.hosts[0].calls(path::PULL), pulls, "bodies that are here are not fetched again");
    world.assert_converged();
}

#[test]
fn thousands_of_messages_go_in_pages_and_batches() {
    let mut world = World::simple(1);
    for at in 0..2_500 {
        let device = &mut world.devices[0];
        let id = (at as u64).to_be_bytes();
        device.database.put_new(id, world.now_ms, sync_support::draft("many")).unwrap();
    }
    world.tell(0, 0, Event::LocalWrite);
    world.pass(MINUTE_MS);
    assert_eq!(world.hosts[0].calls(path::PUSH), 3);
    world.add_device();
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.hosts[0].calls(path::PULL), 3);
    assert_eq!(world.devices[1].state().len(), 2_500);
}

#[test]
fn superseded_bags_are_pruned_and_deletes_stay() {
    let mut world = World::simple(2);
    let (kept, gone) = (world.put(0, "kept"), world.put(0, "gone"));
    world.pass(MINUTE_MS);
    for at in 0..10 {
        world.now_ms += 10;
        world.edit(at % 2, &kept, &format!("edit {at}"));
        world.edit(at % 2, &gone, &format!("edit {at}"));
        world.pass(200);
    }
    world.delete(1, &gone);
    world.pass(10 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.hosts[0].bags(&account()).len(), 2, "one state and one end");
    world.add_device();
    world.pass(MINUTE_MS);
    world.assert_converged();
}

#[test]
fn a_wiped_host_is_filled_by_whoever_has_something_and_nothing_deleted_returns() {
    let mut world = World::simple(3);
    let gone = world.put(0, "gone");
    (0..20).for_each(|at| drop(world.put(at % 3, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.delete(2, &gone);
    world.pass(MINUTE_MS);
    let before = world.devices[0].state();
    world.hosts[0].wipe();
    world.cut(0);
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert!(world.devices[0].state() == before);
    assert_eq!(world.hosts[0].bags(&account()).len(), before.len(), "{:?}", world.reports(0, 0));
    assert!(world.has_report(0, |report| matches!(report, Report::Reset(_))));
}

#[test]
fn a_host_restored_from_a_backup_is_filled_again() {
    for pushes_between in [0, 1, 5, 12] {
        let mut world = World::simple(3);
        (0..5).for_each(|at| drop(world.put(at % 3, &format!("before {at}"))));
        world.pass(MINUTE_MS);
        let backup = world.hosts[0].backup();
        (0..10).for_each(|at| drop(world.put(at % 3, &format!("after {at}"))));
        world.pass(MINUTE_MS);
        world.hosts[0].restore(&backup);
        // A device that knows nothing of it pushes first: numbers are given out a second time.
        world.add_device();
        world.settle();
        (0..pushes_between).for_each(|at| drop(world.put(3, &format!("between {at}"))));
        world.settle();
        world.cut(0);
        world.pass(20 * MINUTE_MS);
        world.assert_converged();
        assert_eq!(world.devices[0].state().len(), 15 + pushes_between);
        assert_eq!(world.hosts[0].bags(&account()).len(), 15 + pushes_between);
    }
}

/// What was pushed beyond the stored cursor is known to be there on the host's word alone.
#[test]
fn a_push_that_a_restore_took_back_is_pushed_again_though_the_cursor_is_still_good() {
    let mut world = World::simple(1);
    world.put(0, "read");
    world.pass(MINUTE_MS);
    world.restart_device(0);
    world.pass(MINUTE_MS);
    let backup = world.hosts[0].backup();
    world.put(0, "pushed, and not read back");
    world.settle();
    assert_eq!(world.hosts[0].bags(&account()).len(), 2);
    world.hosts[0].restore(&backup);
    world.restart_device(0);
    world.pass(20 * MINUTE_MS);
    assert!(!world.has_report(0, |report| matches!(report, Report::Reset(_))), "the cursor is good");
    assert_eq!(world.hosts[0].bags(&account()).len(), 2);
    world.assert_converged();
}

#[test]
fn a_host_of_the_old_kind_serves_all_the_same() {
    let mut world = World::new(vec![old_kind()], 2, true);
    let note = world.put(0, "note");
    world.pass(MINUTE_MS);
    (0..5).for_each(|at| {
        world.now_ms += 1;
        world.edit(at % 2, &note, &format!("edit {at}"));
    });
    world.pass(MINUTE_MS);
    world.assert_converged();
    world.restart_device(1);
    world.put(0, "more");
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 2);
    assert_eq!(world.hosts[0].calls(path::PRUNE), 0);
    assert!(!world.has_report(1, |report| matches!(report, Report::Reset(_))));
}

#[test]
fn a_host_of_the_old_kind_that_was_wiped_or_went_back_is_noticed() {
    for pushes_between in [0, 3, 12] {
        let mut world = World::new(vec![old_kind()], 2, true);
        (0..5).for_each(|at| drop(world.put(at % 2, &format!("before {at}"))));
        world.pass(MINUTE_MS);
        let backup = world.hosts[0].backup();
        (0..8).for_each(|at| drop(world.put(at % 2, &format!("after {at}"))));
        world.pass(20 * MINUTE_MS);
        world.hosts[0].restore(&backup);
        world.add_device();
        world.settle();
        (0..pushes_between).for_each(|at| drop(world.put(2, &format!("between {at}"))));
        world.settle();
        world.cut(0);
        world.pass(20 * MINUTE_MS);
        world.assert_converged();
        assert_eq!(world.devices[0].state().len(), 13 + pushes_between);
        let back = |report: &Report| *report == Report::Reset(ResetReason::NumbersGoBack);
        assert!(world.has_report(0, back) || world.has_report(1, back));
    }
}

#[test]
fn a_host_of_the_old_kind_that_lost_the_account_is_filled_again() {
    let mut world = World::new(vec![old_kind()], 2, true);
    (0..5).for_each(|at| drop(world.put(at % 2, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.hosts[0].wipe();
    world.cut(0);
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert!(world.hosts[0].bags(&account()).len() >= 5);
    assert!(world.has_report(0, |report| *report == Report::Reset(ResetReason::AccountGone)));
}

#[test]
fn a_host_that_learned_the_further_calls_is_read_anew() {
    let mut world = World::new(vec![old_kind()], 2, true);
    (0..5).for_each(|at| drop(world.put(at % 2, &format!("note {at}"))));
    world.pass(20 * MINUTE_MS);
    world.hosts[0].settings.old_kind = false;
    world.hosts[0].restart();
    world.cut(0);
    world.put(0, "more");
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 6);
}

#[test]
fn two_hosts_have_all_of_it_and_a_host_that_is_linked_later_too() {
    let mut world = World::new(vec![HostSettings::default(), old_kind()], 2, true);
    (0..6).for_each(|at| drop(world.put(at % 2, &format!("note {at}"))));
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    for host in 0..2 {
        assert!(world.hosts[host].bags(&account()).len() >= 6);
    }
}

#[test]
fn what_came_from_one_host_goes_to_the_other() {
    let mut world = World::new(vec![HostSettings::default(), HostSettings::default()], 2, true);
    world.pass(MINUTE_MS);
    // The second device does not reach the first host any more, the first one not the second.
    let dead =
        || -> sync_support::Fault { Box::new(|_, _| Err(seabag_client::host::event::Failure::Silent)) };
    world.devices[1].lines[0].fault = Some(dead());
    world.devices[1].lines[0].listening = false;
    world.put(0, "from the first");
    world.pass(MINUTE_MS);
    assert_eq!(world.devices[1].state().len(), 1, "through the second host");
    world.devices[1].lines[0].fault = None;
    world.tell(1, 0, Event::Online);
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
}

#[test]
fn one_run_brings_both_sides_together_and_ends() {
    let mut world = World::new(vec![HostSettings::default()], 2, false);
    world.put(0, "one");
    world.put(1, "two");
    world.settle();
    world.tell(0, 0, Event::Online);
    world.settle();
    world.assert_converged();
    for device in 0..2 {
        assert_eq!(world.reports(device, 0).last(), Some(&Report::InSync));
        assert_eq!(world.devices[device].lines[0].wake_ms, None);
    }
}

#[test]
fn an_audit_mends_what_the_host_damaged() {
    let mut world = World::simple(2);
    (0..6).for_each(|at| drop(world.put(0, &format!("note {at}"))));
    world.pass(MINUTE_MS);
    world.hosts[0].tamper(&account(), BagSeq(3), |bag| {
        let mut body = bag.body.to_vec();
        body[45] ^= 1;
        bag.body = body.into();
    });
    world.tell(0, 0, Event::Audit);
    world.pass(MINUTE_MS);
    assert!(world.has_report(0, |report| *report == Report::Mended { bags: 1 }), "{:?}", world.reports(0, 0));
    assert!(!world.hosts[0].bags(&account()).contains_key(&BagSeq(3)));
    assert_eq!(world.hosts[0].bags(&account()).len(), 6);
    world.add_device();
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[2].state().len(), 6);
}

#[test]
fn an_account_is_removed_on_request_and_nothing_here_is() {
    let mut world = World::simple(1);
    world.put(0, "stays here");
    world.pass(MINUTE_MS);
    world.tell(0, 0, Event::DeleteAccount);
    world.settle();
    assert!(world.hosts[0].record(&account()).is_none());
    assert!(world.has_report(0, |report| *report == Report::AccountDeleted));
    assert_eq!(world.devices[0].state().len(), 1);
    world.pass(20 * MINUTE_MS);
    assert!(world.hosts[0].record(&account()).is_none(), "a session that ended does nothing");
}

#[test]
fn a_guarded_host_is_told_the_token() {
    let guarded = HostSettings { token: Some("token".into()), ..HostSettings::default() };
    let mut world = World::new(vec![guarded], 1, true);
    world.put(0, "note");
    world.pass(MINUTE_MS);
    let trouble = world.devices[0].database.link(world.devices[0].link()).unwrap().trouble.unwrap();
    assert_eq!(trouble.code, "refused");
    assert_eq!(trouble.since_ms, sync_support::BEGIN_MS);
    world.devices[0].lines[0].token = Some("token".into());
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[0].database.link(world.devices[0].link()).unwrap().trouble, None);
}

#[test]
fn a_clock_that_is_put_back_keeps_nothing_waiting() {
    let mut world = World::simple(2);
    world.devices[0].skew_ms = 6 * 60 * MINUTE_MS as i64;
    world.put(0, "by a clock that is hours ahead");
    world.pass(MINUTE_MS);
    world.put(0, "just pushed");
    world.devices[0].skew_ms = 0;
    world.put(0, "by a clock that is right again");
    world.pass(20 * MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[1].state().len(), 3);
}

#[test]
fn a_device_that_keeps_the_past_does_not_fight_over_it_with_one_that_does_not() {
    let mut world = World::simple(2);
    world.devices[0].database.set_history("note", History::All).unwrap();
    let eid = world.put(0, "first");
    for at in 0..3 {
        world.now_ms += 10;
        world.edit(0, &eid, &format!("edit {at}"));
        world.pass(30 * MINUTE_MS);
    }
    let pushes = world.hosts[0].calls(path::PUSH);
    world.pass(120 * MINUTE_MS);
    assert_eq!(world.hosts[0].calls(path::PUSH), pushes);
    assert_eq!(world.devices[0].database.history(&eid).unwrap().len(), 4);
    assert_eq!(world.devices[1].database.get(&eid).unwrap(), world.devices[0].database.get(&eid).unwrap());
}

#[test]
fn an_audit_that_is_asked_for_while_a_call_is_under_way_is_done() {
    let mut world = World::simple(1);
    world.put(0, "something");
    world.pass(MINUTE_MS);
    world.tell(0, 0, Event::Online);
    assert!(!world.devices[0].lines[0].calls.is_empty(), "a call is under way");
    world.tell(0, 0, Event::Audit);
    let pulls = world.hosts[0].calls(path::PULL);
    world.pass(MINUTE_MS);
    assert_eq!(world.hosts[0].calls(path::PULL), pulls + 1);
    assert_eq!(world.reports(0, 0).last(), Some(&Report::InSync));
}

#[test]
fn a_trouble_that_is_over_is_taken_back_though_the_disk_was_full_at_first() {
    let mut world = World::simple(1);
    world.pass(MINUTE_MS);
    let trouble = |world: &World| world.devices[0].database.link(world.devices[0].link()).unwrap().trouble;
    world.devices[0].lines[0].fault = Some(Box::new(|_, _| Err(Failure::Silent)));
    world.pass(15 * MINUTE_MS);
    world.devices[0].lines[0].fault = None;
    assert!(trouble(&world).is_some());
    world.devices[0].full = true;
    world.devices[0].database.fail_after(Some(0));
    world.pass(15 * MINUTE_MS);
    assert!(trouble(&world).is_some());
    world.devices[0].database.fail_after(None);
    world.pass(15 * MINUTE_MS);
    assert_eq!(trouble(&world), None);
}

#[test]
fn what_notices_have_shown_need_not_be_shown_again_by_a_list() {
    let mut world = World::simple(2);
    world.pass(MINUTE_MS);
    // Notices come late, and in order: another's bag, and then what was just pushed here.
    world.put(1, "another's");
    let mut frames = world.answer_and_hold_notices(1, 0);
    world.put(0, "ours");
    frames.extend(world.answer_and_hold_notices(0, 0));
    frames.into_iter().for_each(|frame| world.tell(0, 0, Event::Notice(frame)));
    world.settle();
    // One is missed, so that the list is looked at.
    world.now_ms += 1_000;
    world.put(1, "a third one");
    world.answer_and_hold_notices(1, 0);
    world.now_ms += 1_000;
    world.put(1, "a fourth one");
    let pushes = world.hosts[0].calls(path::PUSH);
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.hosts[0].calls(path::PUSH), pushes + 1, "the fourth one");
}

#[test]
fn what_is_asked_for_while_the_last_list_is_on_its_way_is_looked_for_after_it() {
    for event in [Event::Online, Event::NoticesOpened] {
        let mut world = World::simple(2);
        world.pass(MINUTE_MS);
        world.put(1, "listed");
        world.answer_and_hold_notices(1, 0);
        world.tell(0, 0, Event::Online);
        world.answer(0, 0);
        let (call, path, body, _) = world.devices[0].lines[0].calls.pop_front().unwrap();
        assert_eq!(path, path::PEEK_PAGE, "a list is on its way");
        let now_ms = world.now_ms;
        let answer = world.hosts[0].answer(path, None, body, now_ms);
        // Stored after the host listed, and before anybody could hear of it.
        world.now_ms += 1_000;
        world.put(1, "not listed");
        world.answer_and_hold_notices(1, 0);
        world.tell(0, 0, event);
        world.tell(0, 0, Event::Response { call, result: Ok(answer) });
        world.settle();
        assert_eq!(world.devices[0].state().len(), 2);
        world.assert_converged();
    }
}

#[test]
fn a_host_of_the_old_kind_is_not_read_anew_for_what_comes_up_while_its_list_is_on_its_way() {
    let mut world = World::new(vec![old_kind()], 2, true);
    world.put(0, "read before");
    world.pass(MINUTE_MS);
    world.put(1, "listed");
    world.answer_and_hold_notices(1, 0);
    world.tell(0, 0, Event::Notice(vec![0xff].into()));
    world.now_ms += 1_000;
    world.tell(0, 0, Event::Wake);
    world.now_ms += 1_000;
    world.tell(0, 0, Event::Wake);
    assert_eq!(world.devices[0].lines[0].calls[0].1, path::PEEK, "a list is on its way");
    world.tell(0, 0, Event::Online);
    world.settle();
    world.pass(MINUTE_MS);
    world.assert_converged();
    assert_eq!(world.devices[0].state().len(), 2);
    assert!(!world.has_report(0, |report| matches!(report, Report::Reset(_))));
}
