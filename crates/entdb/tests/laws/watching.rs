//! Live changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seabag_entdb::{Arrivals, Change, LinkId, QUEUE_MAX, Selection, Skew, Watch, WatchEvent};
use serde_json::json;

use crate::common::{START_MS, World, draft, eid, update};

fn next(watch: &mut Watch) -> Change {
    match watch.try_next() {
        Some(WatchEvent::Changed(change)) => (*change).clone(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn a_watch_tells_what_comes_changes_and_leaves(world: &mut World) {
    let mut todos = world.database.watch(Selection::of_kind("todo"));
    let mut recent =
        world.database.watch(Selection::Updated { kind: "todo".into(), range: START_MS + 5..=u64::MAX });
    let head = world.database.put_new([1; 8], START_MS, draft("todo", json!(1))).unwrap();
    let came = next(&mut todos);
    assert!(came.old.is_none() && came.new.as_ref().unwrap().eid == head.eid);
    assert_eq!(recent.try_next(), None);

    world.database.put(&head.eid, START_MS + 5, draft("todo", json!(2)), Skew::Force).unwrap();
    let changed = next(&mut todos);
    assert_eq!((changed.old, changed.new.clone()), (came.new, world.database.get(&head.eid).unwrap()));
    assert_eq!(next(&mut recent).new, changed.new);

    world.database.put(&head.eid, START_MS + 6, draft("done", json!(3)), Skew::Force).unwrap();
    let left = next(&mut todos);
    assert_eq!((left.old.unwrap().kind, left.new.unwrap().kind), ("todo".into(), "done".into()));
    world.database.delete(&head.eid, START_MS + 7, Skew::Force).unwrap();
    assert_eq!(todos.try_next(), None);
}

pub(crate) fn a_transaction_tells_of_each_entity_once(world: &mut World) {
    let mut watch = world.database.watch(Selection::All);
    let (a, b, c) = (eid(1, START_MS), eid(2, START_MS), eid(3, START_MS));
    let batch = [
        update(&a, 0, 0, "t", json!("first")),
        update(&b, 0, 0, "t", json!("b")),
        update(&a, 1, 1, "t", json!("second")),
        update(&c, 0, 0, "t", json!("soon gone")),
        crate::common::message(&c, 1, 1, None),
    ];
    world.database.merge(&batch).unwrap();
    let change = next(&mut watch);
    assert_eq!((change.old, change.new), (None, world.database.get(&a).unwrap()));
    assert_eq!(next(&mut watch).new, world.database.get(&b).unwrap());
    assert_eq!(watch.try_next(), None);
    world.database.merge(&batch).unwrap();
    assert_eq!(watch.try_next(), None);
}

pub(crate) fn a_full_queue_says_that_it_lagged(world: &mut World) {
    let mut watch = world.database.watch(Selection::All);
    let batch: Vec<_> =
        (0..QUEUE_MAX as u64 + 3).map(|id| update(&eid(1, id), 0, 0, "t", json!(id))).collect();
    world.database.merge(&batch).unwrap();
    for _ in 0..QUEUE_MAX {
        next(&mut watch);
    }
    assert_eq!(watch.try_next(), Some(WatchEvent::Lagged(3)));
    assert_eq!(watch.try_next(), None);
    world.database.put_new([7; 8], START_MS, draft("t", json!(1))).unwrap();
    next(&mut watch);
}

pub(crate) fn a_failed_call_tells_nothing(world: &mut World) {
    let mut watch = world.database.watch(Selection::All);
    assert!(world.database.receive(LinkId(9), Arrivals::default()).is_err());
    assert!(world.database.put_new([7; 8], u64::MAX, draft("t", json!(1))).is_err());
    assert_eq!(watch.try_next(), None);
}

pub(crate) fn a_watch_ends_with_its_database(world: &mut World) {
    let mut watch = world.database.watch(Selection::All);
    world.database.put_new([1; 8], START_MS, draft("t", json!(1))).unwrap();
    world.database = seabag_entdb::Database::in_memory();
    assert!(watch.wait(Duration::from_secs(60)).is_some());
    assert!(watch.wait(Duration::from_secs(60)).is_none());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(watch.poll_next(&mut context), Poll::Ready(None));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn a_task_is_woken(world: &mut World) {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut watch = world.database.watch(Selection::of_kind("t"));
    assert_eq!(watch.poll_next(&mut context), Poll::Pending);
    world.database.put_new([1; 8], START_MS, draft("other", json!(1))).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    world.database.put_new([2; 8], START_MS, draft("t", json!(1))).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(watch.poll_next(&mut context).is_ready());
    // A thread that waits is woken as well.
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || watch.wait(Duration::from_secs(60)));
        world.database.put_new([3; 8], START_MS, draft("t", json!(1))).unwrap();
        assert!(matches!(thread.join().unwrap(), Some(WatchEvent::Changed(_))));
    });
}
