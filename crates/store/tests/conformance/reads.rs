//! Laws of reads: streams, pages, surveys, and what garbage must not change.

use std::collections::BTreeMap;

use seabag_protocol::room::name::{KeyNumber, RoomSeq};
use seabag_protocol::room::record::{Changes, SurveyRange};
use seabag_protocol::room::value::Value;
use seabag_store::{Options, Store, StoreError};

use crate::Backend;
use crate::support::{Model, commit, commit_snapshot, hash, value};

/// A room with these actions done: `a` append, `r` replace, `.` relay, on the key that follows.
async fn room_of(store: &dyn Store, script: &[(char, &str)]) -> Model {
    let mut room = Model::create(store, hash(1)).await;
    for (action, key) in script {
        let text = format!("{key}{}", room.head);
        let changes = match action {
            'a' => room.append(key, value(&text)),
            'r' => room.replace(key, value(&text)),
            _ => {
                room.relay();
                Changes::default()
            }
        };
        commit(store, room.commit(changes)).await;
    }
    room
}

async fn all_reaped(store: &dyn Store, rows: u64) {
    while store.statistics().reaped_rows < rows {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn a_replace_takes_the_place_of_everything_before_it(mut backend: Backend) {
    let store = backend.store();
    let script = [('a', "k"), ('a', "k"), ('r', "k"), ('a', "k"), ('r', "other"), ('r', "other")];
    let room = room_of(&*store, &script).await;
    room.check_loaded(&*store, hash(1)).await;
    let found = store.snapshot().read_stream(room.number, &room.plan_stream("k", 0)).unwrap();
    assert_eq!(found.iter().map(|(seq, _)| seq.0).collect::<Vec<_>>(), [3, 4]);
    all_reaped(&*store, 2).await;
    room.check_loaded(&*store, hash(1)).await;
}

pub(crate) async fn a_compact_hides_rows_at_once_and_they_are_reaped_later(mut backend: Backend) {
    let store = backend.store();
    let mut room = room_of(&*store, &[('a', "k"); 700]).await;
    let changes = room.compact("k", RoomSeq(600), Some(value("so far")));
    commit(&*store, room.commit(changes)).await;
    room.check_loaded(&*store, hash(1)).await;
    all_reaped(&*store, 600).await;
    room.check_loaded(&*store, hash(1)).await;
    let everything = SurveyRange { number: KeyNumber(0), after: RoomSeq::ZERO, before: RoomSeq(700) };
    let left = store.snapshot().survey(room.number, everything).unwrap();
    assert!(left.first >= Some(RoomSeq(601)) || store.statistics().reaped_rows == 600);
}

pub(crate) async fn readers_see_no_difference_while_garbage_is_reaped(mut backend: Backend) {
    let store = backend.store_with(&Options { reap_rows_per_second: 5_000, ..Options::default() });
    let mut room = room_of(&*store, &[('a', "a"); 400]).await;
    let changes = room.append("b", value("x"));
    commit(&*store, room.commit(changes)).await;
    let changes = room.compact("a", RoomSeq(390), Some(value("so far")));
    let snapshot = commit_snapshot(&*store, &room, changes).await;
    let mut reaped = 0;
    while reaped < 390 {
        reaped = store.statistics().reaped_rows;
        room.check_pages(&*snapshot, 4, usize::MAX);
        // Writes go on, and later snapshots hold less garbage than earlier ones.
        let changes = room.append("c", value("later"));
        let later = commit_snapshot(&*store, &room, changes).await;
        room.check_pages(&*later, 7, usize::MAX);
        let forgotten = room.compact("c", room.head, None);
        commit(&*store, room.commit(forgotten)).await;
    }
    room.check(&*store.snapshot());
}

pub(crate) async fn a_stream_trimmed_to_nothing_is_forgotten(mut backend: Backend) {
    let store = backend.store();
    let mut room = room_of(&*store, &[('a', "k"), ('r', "b"), ('a', "k"), ('a', "b")]).await;
    for key in ["k", "b"] {
        let changes = room.compact(key, room.head, None);
        commit(&*store, room.commit(changes)).await;
        room.check_loaded(&*store, hash(1)).await;
    }
    assert!(room.entries().is_empty());
    let changes = room.append("k", value("again"));
    commit(&*store, room.commit(changes)).await;
    room.check_loaded(&*store, hash(1)).await;
    assert_eq!(room.keys["k"].number, KeyNumber(2), "a name that comes back gets another number");
}

pub(crate) async fn pages_keep_entries_of_equal_number_together(mut backend: Backend) {
    let store = backend.store();
    let script = [('a', "a"), ('a', "b"), ('a', "c"), ('a', "d"), ('a', "a"), ('a', "b")];
    let mut room = room_of(&*store, &script).await;
    for key in ["a", "b", "c"] {
        let changes = room.compact(key, RoomSeq(4), Some(value(key)));
        commit(&*store, room.commit(changes)).await;
    }
    room.check_loaded(&*store, hash(1)).await;
    let page =
        store.snapshot().read_room(room.number, &room.plan_room(RoomSeq::ZERO, 1, usize::MAX)).unwrap();
    assert_eq!(page.entries.len(), 4, "three bases and a row share number 4");
    assert_eq!(page.next, Some(RoomSeq(4)));
}

pub(crate) async fn pages_of_bases_only_of_rows_only_and_of_both_mixed(mut backend: Backend) {
    let scripts: [&[(char, &str)]; 4] = [
        &[],
        &[('r', "a"), ('r', "b"), ('.', ""), ('r', "c"), ('r', "a"), ('.', "")],
        &[('a', "a"), ('a', "b"), ('.', ""), ('a', "a"), ('a', "a"), ('a', "a"), ('a', "b"), ('a', "a")],
        &[('r', "a"), ('a', "b"), ('a', "a"), ('r', "c"), ('.', ""), ('a', "c"), ('r', "b"), ('a', "a")],
    ];
    for script in scripts {
        let store = backend.store();
        room_of(&*store, script).await.check_loaded(&*store, hash(1)).await;
    }
}

pub(crate) async fn pages_end_at_their_limits(mut backend: Backend) {
    let store = backend.store();
    let room = room_of(&*store, &[('a', "k"); 10]).await;
    let snapshot = store.snapshot();
    let page = |after, limit, bytes| {
        let page = snapshot.read_room(room.number, &room.plan_room(RoomSeq(after), limit, bytes)).unwrap();
        (page.entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), page.next.map(|seq| seq.0))
    };
    assert_eq!(page(0, 3, usize::MAX), (vec![1, 2, 3], Some(3)));
    assert_eq!(
        page(0, 10, usize::MAX),
        ((1..=10).collect(), None),
        "nothing follows a page that is just full"
    );
    assert_eq!(page(8, 3, usize::MAX), (vec![9, 10], None));
    assert_eq!(page(10, 3, usize::MAX), (vec![], None));
    // Each value is four bytes: the page ends behind the entry that reaches the bound.
    assert_eq!(page(0, 100, 5), (vec![1, 2], Some(2)));
    assert_eq!(page(0, 100, 0), (vec![1], Some(1)), "a page holds at least one entry");
}

pub(crate) async fn a_page_never_goes_beyond_a_cut_list_of_bases(mut backend: Backend) {
    let store = backend.store();
    let script = [('r', "a"), ('r', "b"), ('a', "x"), ('r', "c"), ('a', "x"), ('r', "d"), ('a', "x")];
    let room = room_of(&*store, &script).await;
    let mut plan = room.plan_room(RoomSeq::ZERO, 3, usize::MAX);
    assert_eq!(
        plan.bases.iter().map(|(seq, _)| seq.0).collect::<Vec<_>>(),
        [1, 2, 4],
        "d's base is not listed"
    );
    let page = store.snapshot().read_room(room.number, &plan).unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
    // As many bases as the limit, and no limit that would end the page earlier: it ends at the last of them.
    plan.after = RoomSeq(2);
    plan.limit = 1;
    plan.bases.drain(..2);
    let page = store.snapshot().read_room(room.number, &plan).unwrap();
    assert_eq!((page.entries.len(), page.next), (1, Some(RoomSeq(3))));
    room.check(&*store.snapshot());
}

pub(crate) async fn a_read_ends_at_the_head_of_its_plan(mut backend: Backend) {
    let store = backend.store();
    let mut room = room_of(&*store, &[('a', "k"), ('a', "k")]).await;
    let (stream, page) = (room.plan_stream("k", 0), room.plan_room(RoomSeq::ZERO, 10, usize::MAX));
    let changes = room.append("k", value("later"));
    let snapshot = commit_snapshot(&*store, &room, changes).await;
    assert_eq!(snapshot.read_stream(room.number, &stream).unwrap().len(), 2);
    assert_eq!(snapshot.read_room(room.number, &page).unwrap().entries.len(), 2);
    let unknown = room.plan_stream("never used", 0);
    assert!(snapshot.read_stream(room.number, &unknown).unwrap().is_empty());
}

pub(crate) async fn a_survey_counts_strictly_between_its_bounds(mut backend: Backend) {
    let store = backend.store();
    let script = [('r', "k"), ('a', "k"), ('a', "other"), ('a', "k"), ('a', "k")];
    let room = room_of(&*store, &script).await;
    let survey = |after, before| {
        let range = SurveyRange { number: KeyNumber(0), after: RoomSeq(after), before: RoomSeq(before) };
        let survey = store.snapshot().survey(room.number, range).unwrap();
        (survey.count, survey.bytes, survey.first.map(|seq| seq.0))
    };
    assert_eq!(survey(1, 6), (3, 12, Some(2)));
    assert_eq!(survey(2, 5), (1, 4, Some(4)));
    assert_eq!(survey(0, 2), (0, 0, None), "the base is no row");
    assert_eq!(survey(4, 4), (0, 0, None));
    assert_eq!(survey(4, 2), (0, 0, None));
}

pub(crate) async fn a_base_that_is_not_the_planned_one_is_damage(mut backend: Backend) {
    let store = backend.store();
    let room = room_of(&*store, &[('a', "k"), ('r', "k")]).await;
    let mut plan = room.plan_stream("k", 0);
    plan.record.as_mut().unwrap().base = Some(RoomSeq(1));
    let snapshot = store.snapshot();
    assert!(matches!(snapshot.read_stream(room.number, &plan), Err(StoreError::Damaged(_))));
    let mut plan = room.plan_room(RoomSeq::ZERO, 10, usize::MAX);
    plan.bases[0].0 = RoomSeq(1);
    assert!(matches!(snapshot.read_room(room.number, &plan), Err(StoreError::Damaged(_))));
}

pub(crate) async fn both_encodings_and_large_values_come_back_as_they_were(mut backend: Backend) {
    let store = backend.store();
    let mut room = Model::create(&*store, hash(1)).await;
    let tree = ciborium_tree();
    let large = value(&"x".repeat(5 << 20));
    for value in [Value::from_cbor_tree(&tree).unwrap(), large, value("small")] {
        let appended = room.append("k", value.clone());
        commit(&*store, room.commit(appended)).await;
        let replaced = room.replace("r", value);
        commit(&*store, room.commit(replaced)).await;
    }
    room.check_loaded(&*store, hash(1)).await;
    let mut batch = Changes::default();
    let mut rows = BTreeMap::new();
    for _ in 0..1_000 {
        let changes = room.append("k", value("many"));
        rows.extend(changes.rows.clone());
        batch = Changes { rows: rows.clone(), ..changes };
    }
    commit(&*store, room.commit(batch)).await;
    room.check_loaded(&*store, hash(1)).await;
}

fn ciborium_tree() -> ciborium::value::Value {
    ciborium::value::Value::Bytes(vec![0, 255, 10])
}
