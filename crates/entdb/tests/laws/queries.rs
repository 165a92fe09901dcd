//! Questions.

use std::ops::RangeInclusive;

use seabag_entdb::{Direction, Draft, Ent, KindCount, PageCursor, Query, Selection, Skew};
use seabag_protocol::host::eid::Eid;
use serde_json::json;

use crate::common::{START_MS, World, draft, eid, update};

/// Thirty entities of two types, with groups and parents, some created and written in the same moments.
fn thirty(world: &mut World) -> Vec<Ent> {
    for number in 0..30_u8 {
        let eid = eid(number.wrapping_mul(37), START_MS + u64::from(number % 4));
        let content = draft(if number % 3 == 0 { "a" } else { "b" }, json!(number));
        let parent = (number % 5 != 0).then(|| self::eid(number % 2, 7));
        let group = (number % 2 == 0).then(|| format!("g{}", number % 3));
        let now_ms = START_MS + u64::from(number % 6) * 10;
        world.database.put(&eid, now_ms, Draft { parent, group, ..content }, Skew::Force).unwrap();
    }
    world.reopen();
    world.database.page(&Query::new(Selection::All)).unwrap().ents
}

fn selections() -> Vec<Selection> {
    let mut all = vec![Selection::All, Selection::of_kind("nothing"), Selection::One(eid(0, START_MS))];
    for kind in ["a", "b"] {
        let kind = || kind.to_owned();
        let times = [
            0..=u64::MAX,
            START_MS + 1..=START_MS + 2,
            START_MS + 10..=START_MS + 30,
            RangeInclusive::new(5, 4),
        ];
        all.push(Selection::of_kind(kind()));
        all.extend(
            times.iter().map(|range| Selection::ByType { kind: kind(), created: Some(range.clone()) }),
        );
        all.extend(times.iter().map(|range| Selection::Updated { kind: kind(), range: range.clone() }));
        all.extend((0..3).map(|id| Selection::Parent { kind: kind(), parent: eid(id, 7) }));
        all.extend((0..4).map(|id| Selection::Group { kind: kind(), group: format!("g{id}") }));
    }
    all
}

/// What a selection is, worked out from all entities.
fn expected(ents: &[Ent], selection: &Selection) -> Vec<Ent> {
    let mut found: Vec<Ent> = ents.iter().filter(|ent| selection.matches(ent)).cloned().collect();
    found.sort_by_key(|ent| match selection {
        Selection::ByType { .. } => (ent.created_ms, ent.eid.clone()),
        Selection::Updated { .. } => (ent.updated_ms, ent.eid.clone()),
        _ => (0, ent.eid.clone()),
    });
    found
}

fn pages(world: &World, selection: &Selection, direction: Direction, limit: usize) -> Vec<Ent> {
    let mut query = Query { selection: selection.clone(), direction, limit, after: None };
    let mut ents = Vec::new();
    loop {
        let page = world.database.page(&query).unwrap();
        assert!(page.ents.len() <= limit);
        ents.extend(page.ents);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return ents,
        }
    }
}

pub(crate) fn every_selection_has_its_order_in_both_directions(world: &mut World) {
    let ents = thirty(world);
    assert_eq!(ents.len(), 30);
    for selection in selections() {
        let mut expected = expected(&ents, &selection);
        assert_eq!(pages(world, &selection, Direction::Ascending, 100), expected, "{selection:?}");
        expected.reverse();
        assert_eq!(pages(world, &selection, Direction::Descending, 100), expected, "{selection:?}");
    }
}

pub(crate) fn pages_follow_each_other_without_gap_or_repeat(world: &mut World) {
    thirty(world);
    for selection in selections() {
        for direction in [Direction::Ascending, Direction::Descending] {
            let whole = pages(world, &selection, direction, 100);
            for limit in [1, 2, 7] {
                assert_eq!(pages(world, &selection, direction, limit), whole, "{selection:?} {direction:?}");
            }
        }
    }
}

pub(crate) fn a_cursor_outlasts_its_entity_and_can_be_text(world: &mut World) {
    thirty(world);
    let query = Query { limit: 3, ..Query::new(Selection::of_kind("b")) };
    let first = world.database.page(&query).unwrap();
    let text = first.next.unwrap().to_text();
    world.database.delete(&first.ents[2].eid, START_MS, Skew::Force).unwrap();
    let after = Some(PageCursor::from_text(&text).unwrap());
    let rest = world.database.page(&Query { after, limit: 100, ..query }).unwrap();
    assert_eq!(rest.ents.len(), 17);
    for text in ["", "x", "1", "1.zz", ".00", "1.08"] {
        assert!(PageCursor::from_text(text).is_err(), "{text}");
    }
}

pub(crate) fn an_update_moves_an_entity_through_every_index(world: &mut World) {
    let full = |kind: &str, parent: Option<Eid>, group: Option<&str>| Draft {
        parent,
        group: group.map(str::to_owned),
        ..draft(kind, json!(0))
    };
    let head = world.database.put_new([1; 8], START_MS, full("a", Some(eid(5, 5)), Some("g"))).unwrap();
    let now_ms = START_MS + 1_000;
    world.database.put(&head.eid, now_ms, full("b", Some(eid(6, 6)), Some("h")), Skew::Force).unwrap();
    let count = |world: &World, selection| world.database.count(&selection).unwrap();
    let parent = |kind: &str, id| Selection::Parent { kind: kind.into(), parent: eid(id, u64::from(id)) };
    let group = |kind: &str, group: &str| Selection::Group { kind: kind.into(), group: group.into() };
    let updated = |from, to| Selection::Updated { kind: "b".into(), range: from..=to };
    assert_eq!(count(world, Selection::of_kind("a")), 0);
    assert_eq!(count(world, Selection::of_kind("b")), 1);
    assert_eq!(
        (count(world, parent("a", 5)), count(world, parent("b", 5)), count(world, parent("b", 6))),
        (0, 0, 1)
    );
    assert_eq!(
        (count(world, group("a", "g")), count(world, group("b", "g")), count(world, group("b", "h"))),
        (0, 0, 1)
    );
    assert_eq!((count(world, updated(0, now_ms - 1)), count(world, updated(now_ms, now_ms))), (0, 1));
    world.database.put(&head.eid, now_ms, full("b", None, None), Skew::Force).unwrap();
    assert_eq!((count(world, parent("b", 6)), count(world, group("b", "h"))), (0, 0));
    world.database.delete(&head.eid, now_ms, Skew::Force).unwrap();
    assert_eq!((count(world, Selection::of_kind("b")), count(world, updated(0, u64::MAX))), (0, 0));
}

pub(crate) fn counts_are_those_of_pages(world: &mut World) {
    thirty(world);
    for selection in selections() {
        let found = pages(world, &selection, Direction::Ascending, 100).len() as u64;
        assert_eq!(world.database.count(&selection).unwrap(), found, "{selection:?}");
    }
}

pub(crate) fn descendants_are_of_every_type_and_cycles_end(world: &mut World) {
    let ids: Vec<Eid> = (0..6).map(|id| eid(id, START_MS)).collect();
    // 0 is the parent of 1 (a) and 2 (b); 1 of 3; 3 of 0 again; 4 of itself; 5 of nobody that is here.
    let parents = [Some(3), Some(0), Some(0), Some(1), Some(4), Some(77)];
    for (number, parent) in parents.iter().enumerate() {
        let parent = parent.map(|parent: u8| eid(parent, START_MS));
        let content = draft(if number % 2 == 0 { "b" } else { "a" }, json!(number));
        world.database.put(&ids[number], START_MS, Draft { parent, ..content }, Skew::Force).unwrap();
    }
    let found = |eid: &Eid, max| {
        let found = world.database.descendants(eid, max).unwrap();
        (found.ents.into_iter().map(|(depth, ent)| (depth, ent.eid.id()[0])).collect::<Vec<_>>(), found.more)
    };
    assert_eq!(found(&ids[0], 10), (vec![(1, 1), (1, 2), (2, 3)], false));
    assert_eq!(found(&ids[0], 2), (vec![(1, 1), (1, 2)], true));
    assert_eq!(found(&ids[4], 10), (vec![], false));
    assert_eq!(found(&eid(77, START_MS), 10), (vec![(1, 5)], false));
}

pub(crate) fn types_are_counted(world: &mut World) {
    thirty(world);
    world.database.merge(&[update(&eid(99, 1), 0, 0, "\u{e9}t\u{e9}", json!(1))]).unwrap();
    let gone = world.database.put_new([0xee; 8], START_MS, draft("gone", json!(1))).unwrap();
    world.database.delete(&gone.eid, START_MS, Skew::Force).unwrap();
    let count = |kind: &str, ents| KindCount { kind: kind.into(), ents };
    assert_eq!(world.database.kinds().unwrap(), [count("a", 10), count("b", 20), count("\u{e9}t\u{e9}", 1)]);
}
