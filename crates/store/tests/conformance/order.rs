//! Laws of order: receipts, snapshots, the queue, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seabag_protocol::room::record::Changes;
use seabag_store::{Commit, Health, Options, StoreError};

use crate::Backend;
use crate::support::{Model, commit, commit_snapshot, hash, value};

pub(crate) async fn receipts_resolve_in_the_order_of_their_commits(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let resolved = Arc::new(AtomicU64::new(0));
    let mut watchers = Vec::new();
    for number in 0..200 {
        let changes = room.append("k", value("x"));
        let receipt = store.submit(room.commit(changes)).await.unwrap();
        let resolved = resolved.clone();
        watchers.push(async move {
            receipt.await.unwrap();
            assert_eq!(resolved.fetch_add(1, Ordering::Relaxed), number);
        });
    }
    for watcher in watchers {
        watcher.await;
    }
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn a_snapshot_holds_exactly_what_was_committed_before_it(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let mut waiting = Vec::new();
    for number in 0..60 {
        let changes = match number % 4 {
            3 => room.replace("b", value(&number.to_string())),
            2 => room.compact("a", room.head, Some(value("c"))),
            _ => room.append("a", value(&number.to_string())),
        };
        let asked = Commit { snapshot: true, ..room.commit(changes) };
        // All are submitted before the first is durable.
        waiting.push((room.clone(), store.submit(asked).await.unwrap()));
    }
    for (then, receipt) in waiting {
        then.check(&*receipt.await.unwrap().snapshot.unwrap());
    }
}

pub(crate) async fn snapshots_without_a_write_between_are_the_same_state(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let changes = room.append("k", value("x"));
    commit(&*store, room.commit(changes)).await;
    let first = commit_snapshot(&*store, &room, Changes::default()).await;
    let second = commit_snapshot(&*store, &room, Changes::default()).await;
    assert!(Arc::ptr_eq(&first, &second));
    room.check(&*first);
    let changes = room.append("k", value("y"));
    room.check(&*commit_snapshot(&*store, &room, changes).await);
}

pub(crate) async fn a_snapshot_does_not_change_while_the_room_is_removed_and_reaped(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    for _ in 0..300 {
        let changes = room.append("k", value("x"));
        commit(&*store, room.commit(changes)).await;
    }
    let snapshot = commit_snapshot(&*store, &room, Changes::default()).await;
    store.remove(hash(1)).await.unwrap();
    while store.statistics().reaped_rows < 601 {
        room.check_pages(&*snapshot, 100, usize::MAX);
        tokio::task::yield_now().await;
    }
    room.check(&*snapshot);
}

pub(crate) async fn an_empty_commit_waits_for_those_before_it(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    for _ in 0..100 {
        let changes = room.append("k", value("x"));
        let _unwatched = store.submit(room.commit(changes)).await.unwrap();
    }
    commit(&*store, room.commit(Changes::default())).await;
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn a_full_queue_waits_rather_than_fails(mut backend: Backend) {
    let options = Options { queue_operations_max: 4, queue_bytes_max: 300, ..Options::default() };
    let store = backend.store_with(&options);
    let mut room = Model::create(&*store, hash(1)).await;
    let mut receipts = Vec::new();
    for _ in 0..100 {
        let changes = room.append("k", value(&"x".repeat(200)));
        receipts.push(store.submit(room.commit(changes)).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn commits_before_the_close_are_done_and_later_ones_refused(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let mut receipts = Vec::new();
    for _ in 0..50 {
        let changes = room.append("k", value("x"));
        receipts.push(store.submit(room.commit(changes)).await.unwrap());
    }
    store.close().await.unwrap();
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let late = store.submit(room.commit(Changes::default())).await;
    assert!(matches!(late, Err(StoreError::Stopped(_))));
    assert!(matches!(store.create(hash(2), room.record.clone()).await, Err(StoreError::Stopped(_))));
    assert!(matches!(store.load(hash(1)).await, Err(StoreError::Stopped(_))));
    let read = store.snapshot().read_stream(room.number, &room.plan_stream("k", 0));
    assert!(matches!(read, Err(StoreError::Stopped(_))));
    assert_eq!(*store.watch().borrow(), Health::Running, "an orderly end is no failure");
    store.close().await.unwrap();
}
