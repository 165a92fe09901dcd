//! What numbers hold: arrivals, pushes, pruning; and hosts that err or lie.

use seabag_entdb::{Arrivals, Arrived, Database, History, Judgement, LinkId, Message, Outcome, Skew};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::prune::{PrunePair, PruneReason};
use seabag_protocol::host::record::EpochId;
use serde_json::json;

use crate::common::{START_MS, World, draft, eid, host, message, update};

fn linked(world: &mut World) -> LinkId {
    world.database.add_link(host(1)).unwrap()
}

fn arrive(database: &mut Database, link: LinkId, seq: u64, arrived: Arrived) -> Option<Outcome> {
    let received =
        database.receive(link, Arrivals { bags: vec![(BagSeq(seq), arrived)], cursor: None }).unwrap();
    received.outcomes[0]
}

fn whole(message: &Message) -> Arrived {
    Arrived::Whole(message.clone())
}

fn unreadable(head: Option<&MessageHead>) -> Arrived {
    Arrived::Unreadable { head: head.cloned(), reason: "it does not open".into() }
}

fn pair(bag: u64, by: u64) -> PrunePair {
    PrunePair { bag: BagSeq(bag), reason: PruneReason::SupersededBy(BagSeq(by)) }
}

fn stored(database: &Database, head: &MessageHead) -> Option<BagSeq> {
    database.durable_at(&head.eid).unwrap()[0].stored
}

pub(crate) fn arrivals_move_the_cursor_and_never_back(world: &mut World) {
    let link = linked(world);
    let cursor = |seq| Some(Cursor { epoch: EpochId([1; 16]), seq: BagSeq(seq) });
    for (sent, kept) in [(3, 3), (9, 9), (5, 9), (9, 9), (10, 10)] {
        world.database.receive(link, Arrivals { bags: Vec::new(), cursor: cursor(sent) }).unwrap();
        world.reopen();
        assert_eq!(world.database.link(link).unwrap().cursor, cursor(kept));
    }
}

pub(crate) fn a_stored_message_waits_no_more(world: &mut World) {
    let link = linked(world);
    let head = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    assert_eq!(stored(&world.database, &head), None);
    world.database.pushed(link, &[(head.clone(), BagSeq(4))]).unwrap();
    assert_eq!(stored(&world.database, &head), Some(BagSeq(4)));
    assert_eq!(world.database.waiting(link).unwrap(), 0);
    // The answer was lost: the bag is seen in a peek instead.
    let other = world.database.put_new([2; 8], START_MS, draft("t", json!(2))).unwrap();
    assert_eq!(arrive(&mut world.database, link, 5, Arrived::Head(other.clone())), Some(Outcome::Known));
    assert_eq!(world.database.waiting(link).unwrap(), 0);
    world.database.pushed(link, &[(other.clone(), BagSeq(5)), (other.clone(), BagSeq(5))]).unwrap();
    assert_eq!(stored(&world.database, &other), Some(BagSeq(5)));
}

pub(crate) fn a_push_of_what_was_superseded_leaves_the_newer_waiting(world: &mut World) {
    let link = linked(world);
    let old = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    let new = world.database.put(&old.eid, START_MS, draft("t", json!(2)), Skew::Force).unwrap();
    let old = [(old, BagSeq(1))];
    assert_eq!(world.database.pushed(link, &old).unwrap(), [true], "that one waits no more");
    assert_eq!(world.database.pushed(link, &old).unwrap(), [true], "nor does it when it is said again");
    assert_eq!(world.database.waiting(link).unwrap(), 1);
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
    world.database.pushed(link, &[(new, BagSeq(2))]).unwrap();
    assert_eq!(world.database.waiting(link).unwrap(), 0);
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(1, 2)]);
}

pub(crate) fn a_bag_is_offered_once_its_superseder_has_a_number(world: &mut World) {
    let link = linked(world);
    let eid = eid(1, START_MS);
    let [a, b, c] = [1, 2, 3].map(|at| update(&eid, at, at, "t", json!(at)));
    arrive(&mut world.database, link, 1, whole(&a));
    let mine = world.database.put(&eid, START_MS + 50, draft("t", json!("mine")), Skew::Force).unwrap();
    assert_eq!(arrive(&mut world.database, link, 2, Arrived::Head(b.head)), Some(Outcome::Superseded));
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
    world.database.pushed(link, &[(mine, BagSeq(3))]).unwrap();
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(1, 3), pair(2, 3)]);
    assert_eq!(world.database.prunable(link, 1).unwrap(), [pair(1, 3)]);
    arrive(&mut world.database, link, 4, whole(&c));
    world.database.pruned(link, &[BagSeq(1), BagSeq(3)]).unwrap();
    world.reopen();
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(2, 3), pair(4, 3)]);
    let theirs = update(&eid, 99, 99, "t", json!("theirs"));
    arrive(&mut world.database, link, 7, whole(&theirs));
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(2, 7), pair(3, 7), pair(4, 7)]);
}

pub(crate) fn a_delete_is_never_offered(world: &mut World) {
    let link = linked(world);
    let eid = eid(1, START_MS);
    let (first, end) = (update(&eid, 1, 1, "t", json!(1)), message(&eid, 2, 2, None));
    arrive(&mut world.database, link, 1, whole(&first));
    arrive(&mut world.database, link, 2, whole(&end));
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(1, 2)]);
    arrive(&mut world.database, link, 3, whole(&end));
    let later = message(&eid, 3, 3, None);
    arrive(&mut world.database, link, 4, whole(&later));
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(1, 4)]);
    let back = update(&eid, 4, 4, "t", json!(2));
    arrive(&mut world.database, link, 5, whole(&back));
    arrive(&mut world.database, link, 2, Arrived::Head(end.head));
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(1, 5)]);
}

pub(crate) fn a_message_under_two_numbers_keeps_the_lower(world: &mut World) {
    let link = linked(world);
    let one = update(&eid(1, START_MS), 1, 1, "t", json!(1));
    for seq in [8, 3, 8, 5, 3] {
        arrive(&mut world.database, link, seq, whole(&one));
    }
    assert_eq!(stored(&world.database, &one.head), Some(BagSeq(3)));
    assert_eq!(world.database.prunable(link, 9).unwrap(), [pair(5, 3), pair(8, 3)]);
    assert_eq!(world.database.waiting(link).unwrap(), 0);
}

pub(crate) fn a_number_that_held_something_else_lets_that_wait_again(world: &mut World) {
    let link = linked(world);
    let mine = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    world.database.pushed(link, &[(mine.clone(), BagSeq(5))]).unwrap();
    // The host lied, or answered for another: number 5 is this.
    let other = update(&eid(2, START_MS), 0, 0, "t", json!(2));
    arrive(&mut world.database, link, 5, whole(&other));
    assert_eq!(stored(&world.database, &mine), None);
    assert_eq!(world.database.outbox(link, 9, 99).unwrap()[0].head, mine);
    assert!(world.database.get(&mine.eid).unwrap().is_some());
    world.database.put(&mine.eid, START_MS, draft("t", json!(3)), Skew::Force).unwrap();
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
}

pub(crate) fn a_push_cannot_claim_a_number_that_was_read(world: &mut World) {
    let link = linked(world);
    let theirs = update(&eid(2, START_MS), 0, 0, "t", json!(2));
    arrive(&mut world.database, link, 5, whole(&theirs));
    let mine = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    world.database.pushed(link, &[(mine.clone(), BagSeq(5))]).unwrap();
    assert_eq!(stored(&world.database, &mine), None);
    assert_eq!(stored(&world.database, &theirs.head), Some(BagSeq(5)));
    assert_eq!(world.database.waiting(link).unwrap(), 1);
    // Nor can a message be stored that is not here.
    let strange = update(&eid(3, START_MS), 0, 0, "t", json!(3));
    world.database.pushed(link, &[(strange.head.clone(), BagSeq(6))]).unwrap();
    assert_eq!(world.database.judge(&[strange.head]).unwrap(), [Judgement::Wanted]);
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
}

pub(crate) fn a_damaged_bag_is_pruned_and_uploaded_again(world: &mut World) {
    let link = linked(world);
    let mine = world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    world.database.pushed(link, &[(mine.clone(), BagSeq(1))]).unwrap();
    assert_eq!(arrive(&mut world.database, link, 1, unreadable(Some(&mine))), None);
    let damaged = PrunePair { bag: BagSeq(1), reason: PruneReason::Damaged };
    assert_eq!(world.database.prunable(link, 9).unwrap(), [damaged]);
    assert_eq!(world.database.waiting(link).unwrap(), 1);
    // The host takes the second upload for the first: it has to be pruned before.
    world.database.pushed(link, &[(mine.clone(), BagSeq(1))]).unwrap();
    assert_eq!((world.database.waiting(link).unwrap(), stored(&world.database, &mine)), (1, None));
    world.database.pruned(link, &[BagSeq(1)]).unwrap();
    world.database.pushed(link, &[(mine.clone(), BagSeq(2))]).unwrap();
    assert_eq!((world.database.waiting(link).unwrap(), stored(&world.database, &mine)), (0, Some(BagSeq(2))));
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
}

pub(crate) fn what_cannot_be_opened_is_counted(world: &mut World) {
    let link = linked(world);
    let unknown = update(&eid(1, START_MS), 0, 0, "t", json!(1));
    assert_eq!(arrive(&mut world.database, link, 1, unreadable(None)), None);
    assert_eq!(arrive(&mut world.database, link, 2, unreadable(Some(&unknown.head))), None);
    let mut forged = unknown.clone();
    forged.body = None;
    assert!(matches!(arrive(&mut world.database, link, 3, whole(&forged)), Some(Outcome::Refused(_))));
    world.reopen();
    assert_eq!(world.database.status().unwrap().links[0].unreadable, 3);
    let listed = world.database.unreadable(link, 9).unwrap();
    assert_eq!(listed.iter().map(|bag| bag.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(listed.iter().all(|bag| !bag.reason.is_empty()));
    assert_eq!(world.database.prunable(link, 9).unwrap(), []);
    // Its message comes another way: now the bag is known to be damaged.
    world.database.merge(std::slice::from_ref(&unknown)).unwrap();
    world.database.pushed(link, &[(unknown.head, BagSeq(2))]).unwrap();
    assert_eq!(world.database.prunable(link, 9).unwrap().len(), 1);
    assert_eq!(world.database.waiting(link).unwrap(), 1);
}

pub(crate) fn a_host_that_makes_up_bags_without_end_fills_no_disk(world: &mut World) {
    let link = linked(world);
    let mut bags: Vec<_> = (1..=3_000).map(|seq| (BagSeq(seq), unreadable(None))).collect();
    world.database.receive(link, Arrivals { bags: bags.split_off(2_000), cursor: None }).unwrap();
    world.database.receive(link, Arrivals { bags, cursor: None }).unwrap();
    assert_eq!(world.database.status().unwrap().links[0].unreadable, 1_000);
    // What can be opened is taken in all the same.
    let good = update(&eid(1, START_MS), 0, 0, "t", json!(1));
    assert_eq!(arrive(&mut world.database, link, 3_001, whole(&good)), Some(Outcome::Applied));
}

pub(crate) fn a_head_whose_body_is_needed_holds_the_cursor(world: &mut World) {
    let link = linked(world);
    let eid = eid(1, START_MS);
    let (old, new) = (update(&eid, 1, 1, "t", json!(1)), update(&eid, 2, 2, "t", json!(2)));
    arrive(&mut world.database, link, 2, whole(&new));
    assert_eq!(world.database.judge(std::slice::from_ref(&old.head)).unwrap(), [Judgement::Superseded]);
    world.database.set_history("t", History::All).unwrap();
    let cursor = Some(Cursor { epoch: EpochId([1; 16]), seq: BagSeq(2) });
    let arrivals = Arrivals { bags: vec![(BagSeq(1), Arrived::Head(old.head.clone()))], cursor };
    let received = world.database.receive(link, arrivals).unwrap();
    assert_eq!((received.outcomes, received.missing), (vec![None], vec![BagSeq(1)]));
    assert_eq!(world.database.link(link).unwrap().cursor, None);
    let arrivals = Arrivals { bags: vec![(BagSeq(1), whole(&old))], cursor };
    let received = world.database.receive(link, arrivals).unwrap();
    assert_eq!((received.outcomes, received.missing), (vec![Some(Outcome::Kept)], vec![]));
    assert_eq!(world.database.link(link).unwrap().cursor, cursor);
}

pub(crate) fn what_was_lost_waits_again(world: &mut World) {
    let link = linked(world);
    let one = update(&eid(1, START_MS), 1, 1, "t", json!(1));
    arrive(&mut world.database, link, 1, whole(&one));
    world.database.lost(link, &[BagSeq(1), BagSeq(77)]).unwrap();
    assert_eq!(stored(&world.database, &one.head), None);
    assert_eq!(world.database.outbox(link, 9, 99).unwrap(), std::slice::from_ref(&one));
    world.database.pushed(link, &[(one.head.clone(), BagSeq(2))]).unwrap();
    assert_eq!(stored(&world.database, &one.head), Some(BagSeq(2)));
}

pub(crate) fn heads_are_judged(world: &mut World) {
    let eid = eid(1, START_MS);
    let [a, b] = ["a", "b"].map(|content| update(&eid, 5, 5, "t", json!(content)));
    let (less, greater) = if a.head.hash().unwrap() < b.head.hash().unwrap() { (a, b) } else { (b, a) };
    let heads = [less.head.clone(), greater.head.clone(), update(&eid, 4, 9, "t", json!(0)).head];
    assert_eq!(world.database.judge(&heads).unwrap(), [Judgement::Wanted; 3]);
    world.database.merge(std::slice::from_ref(&less)).unwrap();
    let judged = world.database.judge(&heads).unwrap();
    assert_eq!(judged, [Judgement::Known, Judgement::Wanted, Judgement::Superseded]);
    assert_eq!(world.database.merge(&[greater, less]).unwrap(), [Outcome::Applied, Outcome::Superseded]);
    let judged = world.database.judge(&heads).unwrap();
    assert_eq!(judged, [Judgement::Superseded, Judgement::Known, Judgement::Superseded]);
}
