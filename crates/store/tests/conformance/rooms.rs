//! Laws of rooms: making, loading, removing, listing, expiring, counting.

use seabag_protocol::room::name::{Epoch, RoomSeq};
use seabag_protocol::room::record::{Changes, EpochRecord, RoomRecord};
use seabag_store::{Commit, Lifetime, RoomNumber, StoreError};

use crate::Backend;
use crate::support::{Model, client, client_record, commit, hash, record, value};

pub(crate) async fn a_created_room_loads_with_every_field(mut backend: Backend) {
    let store = backend.store();
    let epoch = |name: &str, last| EpochRecord { epoch: Epoch::parse(name).unwrap(), last: RoomSeq(last) };
    let full = RoomRecord {
        created_ms: 1,
        touched_ms: u64::MAX,
        stored: RoomSeq(3),
        reserved: RoomSeq(4),
        entries: 5,
        bytes: 6,
        next_key: 7,
        forgotten_floor: RoomSeq(8),
        closed: true,
        lineage: vec![epoch("a", 9), epoch("B-_", u64::MAX)],
    };
    let number = store.create(hash(1), full.clone()).await.unwrap().unwrap();
    let (loaded, room) = store.load(hash(1)).await.unwrap().unwrap();
    assert_eq!((loaded, &room.record), (number, &full));
    assert!(room.keys.is_empty() && room.clients.is_empty());
    assert!(store.load(hash(2)).await.unwrap().is_none());

    let mut model = Model::create(&*store, hash(2)).await;
    for key in ["", "k", "ключ\n"] {
        commit(&*store, model.commit(model.clone().append(key, value("x")))).await;
        let changes = model.append(key, value("x"));
        commit(&*store, model.commit(changes)).await;
    }
    model.check_loaded(&*store, hash(2)).await;
}

pub(crate) async fn a_room_is_created_only_once(mut backend: Backend) {
    let store = backend.store();
    let (first, second) = (store.create(hash(1), record(1)), store.create(hash(1), record(2)));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first.is_some() && second.is_none());
    assert_eq!(store.load(hash(1)).await.unwrap().unwrap().1.record, record(1));
    assert_eq!(store.statistics().rooms, 1);
}

pub(crate) async fn a_removed_room_is_fenced_and_its_successor_shows_nothing_of_it(mut backend: Backend) {
    let store = backend.store();
    let mut old = Model::create(&*store, hash(1)).await;
    for _ in 0..50 {
        let changes = old.append("k", value("old"));
        commit(&*store, old.commit(changes)).await;
    }
    let changes = old.remember(client(1), Some(client_record(1)));
    commit(&*store, old.commit(changes)).await;
    assert!(store.remove(hash(1)).await.unwrap());
    assert!(!store.remove(hash(1)).await.unwrap(), "there is none any more");
    assert!(store.load(hash(1)).await.unwrap().is_none());
    let changes = old.append("k", value("late"));
    let receipt = store.submit(old.commit(changes)).await.unwrap();
    assert!(matches!(receipt.await, Err(StoreError::Fenced)));

    let new = Model::create(&*store, hash(1)).await;
    assert_ne!(new.number, old.number);
    new.check_loaded(&*store, hash(1)).await;
    let receipt = store.submit(old.commit(Changes::default())).await.unwrap();
    assert!(matches!(receipt.await, Err(StoreError::Fenced)), "the old number stays fenced");
}

pub(crate) async fn a_commit_to_a_number_never_given_out_is_fenced(mut backend: Backend) {
    let store = backend.store();
    for number in [0, 1, u64::MAX] {
        let stray = Commit { room: RoomNumber(number), changes: Changes::default(), snapshot: true };
        assert!(matches!(store.submit(stray).await.unwrap().await, Err(StoreError::Fenced)));
    }
}

pub(crate) async fn one_fenced_commit_harms_no_other(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let first = room.append("k", value("1"));
    let first = store.submit(room.commit(first)).await.unwrap();
    let stray = Commit { room: RoomNumber(99), changes: Changes::default(), snapshot: false };
    let stray = store.submit(stray).await.unwrap();
    let second = room.append("k", value("2"));
    let second = store.submit(room.commit(second)).await.unwrap();
    assert!(first.await.is_ok());
    assert!(matches!(stray.await, Err(StoreError::Fenced)));
    assert!(second.await.is_ok());
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn clients_are_remembered_and_forgotten(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    for number in 0..5 {
        let mut record = client_record(number);
        record.seq = record.seq.filter(|_| number != 3);
        let changes = room.remember(client(number), Some(record));
        commit(&*store, room.commit(changes)).await;
    }
    room.check_loaded(&*store, hash(1)).await;
    let changes = room.remember(client(2), None);
    commit(&*store, room.commit(changes)).await;
    let changes = room.remember(client(4), Some(client_record(40)));
    commit(&*store, room.commit(changes)).await;
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn rooms_are_listed_in_order_and_in_pages(mut backend: Backend) {
    let store = backend.store();
    for number in 0..25 {
        store.create(hash(number), record(number)).await.unwrap().unwrap();
    }
    let mut expected: Vec<_> = (0..25).map(|number| (hash(number), record(number))).collect();
    expected.sort_by_key(|(hash, _)| *hash);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.rooms(after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.hash);
        found.extend(page.into_iter().map(|room| (room.hash, room.record)));
    }
    assert_eq!(found, expected);
}

const MINUTE_MS: u64 = 60_000;

pub(crate) async fn a_room_expires_when_its_time_is_up_and_not_before(mut backend: Backend) {
    let store = backend.store();
    let lifetime = Lifetime { open_ms: Some(100 * MINUTE_MS), closed_ms: None };
    let mut room = Model::create(&*store, hash(1)).await;
    room.record.touched_ms = 50 * MINUTE_MS;
    let changes = room.append("k", value("x"));
    commit(&*store, room.commit(changes)).await;
    store.create(hash(2), RoomRecord { closed: true, ..record(0) }).await.unwrap();
    for minute in [0, 2, 99, 101, 149] {
        assert!(store.expired(minute * MINUTE_MS, lifetime, 10).await.unwrap().is_empty(), "minute {minute}");
    }
    let mut expired = Vec::new();
    for minute in 150..=152 {
        expired.extend(store.expired(minute * MINUTE_MS, lifetime, 10).await.unwrap());
    }
    expired.dedup();
    assert_eq!(expired, [hash(1)], "counted from when it was last touched; the closed one stays");
    assert!(store.remove(hash(1)).await.unwrap());
    assert!(store.expired(200 * MINUTE_MS, lifetime, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_room_that_is_not_removed_does_not_hide_the_others_that_expire(mut backend: Backend) {
    let store = backend.store();
    for number in 0..10 {
        store.create(hash(number), record(0)).await.unwrap();
    }
    let lifetime = Lifetime { open_ms: Some(1), closed_ms: Some(1) };
    let mut expired = Vec::new();
    for _ in 0..4 {
        expired.extend(store.expired(10, lifetime, 3).await.unwrap());
    }
    expired.sort();
    let mut all: Vec<_> = (0..10).map(hash).collect();
    all.sort();
    assert_eq!(expired, all);
    assert_eq!(store.expired(2 * MINUTE_MS, lifetime, 100).await.unwrap().len(), 10, "they come up again");
}

pub(crate) async fn statistics_count_what_happened(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let before = store.statistics();
    for _ in 0..3 {
        let changes = room.append("k", value("x"));
        commit(&*store, room.commit(changes)).await;
    }
    let after = store.statistics();
    assert_eq!((after.rooms, after.queued), (1, 0));
    assert_eq!((after.commits - before.commits, after.transactions - before.transactions), (3, 3));
    assert!(after.operations > before.operations && after.bytes > before.bytes);
    assert!(after.commit_nanoseconds > before.commit_nanoseconds);
    store.remove(hash(1)).await.unwrap();
    assert_eq!(store.statistics().rooms, 0);
}
