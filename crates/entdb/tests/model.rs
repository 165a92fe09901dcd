//! Random histories: both storages give the same answers, reopening at any time; and whoever has the same
//! messages has the same entities, in whatever order and however often they came.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{START_MS, World, draft, eid, envelope, host, message};
use proptest::prelude::*;
use seabag_entdb::{
    Arrivals, Arrived, Database, Direction, Draft, Fill, History, LinkId, Message, Outcome, Query, Selection,
    Skew,
};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::prune::PruneReason;
use seabag_protocol::host::record::EpochId;
use serde_json::json;

/// One thing that is done to a database.
#[derive(Clone, Debug)]
enum Step {
    Put { id: u8, now: u64, kind: u8, parent: Option<u8>, group: Option<u8>, skew: Skew },
    Delete { id: u8, now: u64 },
    Undo { id: u8, now: u64 },
    Merge(Vec<Sent>),
    Receive { link: u32, bags: Vec<(u64, Sent, u8)>, cursor: Option<u64> },
    Push { link: u32, max: usize, seq: u64 },
    Prune { link: u32 },
    Lose { link: u32, seq: u64 },
    Postpone { link: u32 },
    Fill { link: u32, max: usize },
    Stage { link: u32, stage: Fill },
    Reset { link: u32 },
    History { kind: u8, history: History },
    AddLink { number: u64 },
    RemoveLink { link: u32 },
    Reopen,
}

/// A message from elsewhere.
#[derive(Clone, Debug)]
struct Sent {
    id: u8,
    offset: u64,
    counter: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Update { kind: u8, value: u8 },
    Delete,
    Malformed(u8),
    OtherForm { kind: u8 },
}

const KINDS: [&str; 3] = ["note", "todo", "tag"];

fn id(id: u8) -> seabag_protocol::host::eid::Eid {
    eid(id, START_MS + u64::from(id % 3))
}

impl Sent {
    fn message(&self) -> Message {
        let body = match &self.content {
            Content::Update { kind, value } => Some(envelope(KINDS[*kind as usize], json!(value))),
            Content::Delete => None,
            Content::Malformed(value) => Some(Bytes::from(vec![0xc1, *value])),
            Content::OtherForm { kind } => {
                let entries = json!({ "$map": [["type", KINDS[*kind as usize]], ["body", 1]] });
                Some(seabag_entdb::body::from_json(&entries).unwrap())
            }
        };
        message(&id(self.id), self.offset, self.counter, body)
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let content = prop_oneof![
        6 => (0..3_u8, 0..4_u8).prop_map(|(kind, value)| Content::Update { kind, value }),
        2 => Just(Content::Delete),
        1 => (0..3_u8).prop_map(Content::Malformed),
        1 => (0..3_u8).prop_map(|kind| Content::OtherForm { kind }),
    ];
    (0..6_u8, 0..8_u64, 0..4_u64, content).prop_map(|(id, offset, counter, content)| Sent {
        id,
        offset,
        counter,
        content,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let link = || 1..5_u32;
    prop_oneof![
        6 => (0..6_u8, 0..10_u64, 0..3_u8, proptest::option::of(0..6_u8), proptest::option::of(0..2_u8), any::<bool>())
            .prop_map(|(id, now, kind, parent, group, force)| Step::Put {
                id, now, kind, parent, group, skew: if force { Skew::Force } else { Skew::Fail },
            }),
        2 => (0..6_u8, 0..10_u64).prop_map(|(id, now)| Step::Delete { id, now }),
        1 => (0..6_u8, 0..10_u64).prop_map(|(id, now)| Step::Undo { id, now }),
        3 => proptest::collection::vec(sent(), 1..5).prop_map(Step::Merge),
        6 => (link(), proptest::collection::vec((1..20_u64, sent(), 0..6_u8), 0..5), proptest::option::of(0..20_u64))
            .prop_map(|(link, bags, cursor)| Step::Receive { link, bags, cursor }),
        4 => (link(), 1..5_usize, 1..20_u64).prop_map(|(link, max, seq)| Step::Push { link, max, seq }),
        2 => link().prop_map(|link| Step::Prune { link }),
        1 => (link(), 1..20_u64).prop_map(|(link, seq)| Step::Lose { link, seq }),
        1 => link().prop_map(|link| Step::Postpone { link }),
        2 => (link(), 1..6_usize).prop_map(|(link, max)| Step::Fill { link, max }),
        1 => (link(), prop_oneof![Just(Fill::Replay), Just(Fill::Upload), Just(Fill::Done)])
            .prop_map(|(link, stage)| Step::Stage { link, stage }),
        1 => link().prop_map(|link| Step::Reset { link }),
        1 => (0..3_u8, any::<bool>()).prop_map(|(kind, all)| Step::History {
            kind, history: if all { History::All } else { History::Latest },
        }),
        2 => (0..4_u64).prop_map(|number| Step::AddLink { number }),
        1 => (1..9_u32).prop_map(|link| Step::RemoveLink { link }),
        2 => Just(Step::Reopen),
    ]
}

/// Does a step, and tells all that it answered.
fn run(world: &mut World, step: &Step) -> String {
    let database = &mut world.database;
    match step {
        Step::Put { id: eid, now, kind, parent, group, skew } => {
            let content = draft(KINDS[*kind as usize], json!(now));
            let (parent, group) = (parent.map(id), group.map(|group| format!("g{group}")));
            format!(
                "{:?}",
                database.put(&id(*eid), START_MS + now, Draft { parent, group, ..content }, *skew)
            )
        }
        Step::Delete { id: eid, now } => {
            format!("{:?}", database.delete(&id(*eid), START_MS + now, Skew::Force))
        }
        Step::Undo { id: eid, now } => format!("{:?}", database.undo(&id(*eid), START_MS + now, Skew::Force)),
        Step::Merge(sent) => {
            let messages: Vec<Message> = sent.iter().map(Sent::message).collect();
            format!("{:?}", database.merge(&messages))
        }
        Step::Receive { link, bags, cursor } => {
            let arrived = |sent: &Sent, how: u8| match how {
                0 => Arrived::Head(sent.message().head),
                1 => Arrived::Unreadable { head: Some(sent.message().head), reason: "closed".into() },
                2 => Arrived::Unreadable { head: None, reason: "shut".into() },
                _ => Arrived::Whole(sent.message()),
            };
            let bags = bags.iter().map(|(seq, sent, how)| (BagSeq(*seq), arrived(sent, *how))).collect();
            let cursor = cursor.map(|seq| Cursor { epoch: EpochId([7; 16]), seq: BagSeq(seq) });
            format!("{:?}", database.receive(LinkId(*link), Arrivals { bags, cursor }))
        }
        Step::Push { link, max, seq } => {
            let waiting = database.outbox(LinkId(*link), *max, 100).unwrap();
            let numbered = waiting.iter().enumerate();
            let stored: Vec<_> =
                numbered.map(|(at, message)| (message.head.clone(), BagSeq(seq + at as u64))).collect();
            format!("{:?} {:?}", waiting, database.pushed(LinkId(*link), &stored))
        }
        Step::Prune { link } => {
            let pairs = database.prunable(LinkId(*link), 3).unwrap();
            let bags: Vec<_> = pairs.iter().map(|pair| pair.bag).collect();
            format!("{:?} {:?}", pairs, database.pruned(LinkId(*link), &bags))
        }
        Step::Lose { link, seq } => format!("{:?}", database.lost(LinkId(*link), &[BagSeq(*seq)])),
        Step::Postpone { link } => {
            let first: Vec<_> = database
                .outbox(LinkId(*link), 1, 0)
                .unwrap()
                .into_iter()
                .map(|message| message.head)
                .collect();
            format!("{:?}", database.postpone(LinkId(*link), &first))
        }
        Step::Fill { link, max } => format!("{:?}", database.fill(LinkId(*link), *max)),
        Step::Stage { link, stage } => format!("{:?}", database.set_stage(LinkId(*link), *stage)),
        Step::Reset { link } => format!("{:?}", database.reset(LinkId(*link), EpochId([*link as u8; 16]))),
        Step::History { kind, history } => {
            format!("{:?}", database.set_history(KINDS[*kind as usize], *history))
        }
        Step::AddLink { number } => format!("{:?}", database.add_link(host(*number))),
        Step::RemoveLink { link } => format!("{:?}", database.remove_link(LinkId(*link))),
        Step::Reopen => {
            world.reopen();
            String::new()
        }
    }
}

/// All that can be asked of a database.
fn everything(database: &Database) -> Vec<String> {
    let mut told =
        vec![format!("{:?}", database.status().unwrap()), format!("{:?}", database.kinds().unwrap())];
    told.push(format!("{:?} {:?}", database.messages(None, 1_000).unwrap(), database.set_aside().unwrap()));
    for eid in (0..6).map(id) {
        told.push(format!("{:?} {:?}", database.get(&eid).unwrap(), database.history(&eid).unwrap()));
        told.push(format!(
            "{:?} {:?}",
            database.durable_at(&eid).unwrap(),
            database.descendants(&eid, 4).unwrap()
        ));
    }
    for link in database.links().unwrap() {
        told.push(format!("{link:?} {:?}", database.outbox(link.id, 1_000, 1_000_000).unwrap()));
        told.push(format!(
            "{:?} {:?}",
            database.prunable(link.id, 99).unwrap(),
            database.unreadable(link.id, 99)
        ));
    }
    for kind in KINDS.map(str::to_owned) {
        told.push(format!("{:?}", database.history_of(&kind).unwrap()));
        let range = START_MS + 2..=START_MS + 6;
        for selection in [
            Selection::ByType { kind: kind.clone(), created: Some(START_MS..=START_MS + 1) },
            Selection::Updated { kind: kind.clone(), range },
            Selection::Parent { kind: kind.clone(), parent: id(2) },
            Selection::Group { kind: kind.clone(), group: "g1".into() },
        ] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let query = Query { direction, limit: 2, ..Query::new(selection.clone()) };
                told.push(format!("{:?}", database.page(&query).unwrap()));
            }
            told.push(format!("{:?}", database.count(&selection).unwrap()));
        }
    }
    told
}

/// What must hold at every moment: a message is either stored under a number or waits, at a link that is past its
/// replay and was filled, unless its bag is superseded; and what is offered for pruning is never what is held.
fn check(database: &Database) {
    for at in (0..6).flat_map(|eid| database.durable_at(&id(eid)).unwrap()) {
        assert!(at.stored.is_none() || !at.waiting, "what is stored does not wait");
    }
    for link in database.links().unwrap() {
        let held: Vec<_> = (0..6)
            .flat_map(|eid| database.durable_at(&id(eid)).unwrap())
            .filter(|at| at.link == link.id)
            .filter_map(|at| at.stored)
            .collect();
        for pair in database.prunable(link.id, 1_000).unwrap() {
            assert!(!held.contains(&pair.bag), "{pair:?} is the only copy of what it holds");
            if let PruneReason::SupersededBy(by) = pair.reason {
                assert!(held.contains(&by), "{pair:?}, of which the second holds no winner");
            }
        }
        let waiting = database.outbox(link.id, 1_000, 1_000_000).unwrap();
        assert_eq!(
            waiting.len() as u64,
            database.waiting(link.id).unwrap(),
            "something waits that is not here"
        );
        for message in waiting {
            message.head.check_body(message.body.as_deref()).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn both_storages_answer_alike(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut memory, mut sqlite) = (World::memory(), World::sqlite());
        for world in [&mut memory, &mut sqlite] {
            world.database.add_link(host(0)).unwrap();
            world.database.add_link(host(1)).unwrap();
        }
        for (number, step) in steps.iter().enumerate() {
            prop_assert_eq!(run(&mut memory, step), run(&mut sqlite, step), "step {}: {:?}", number, step);
            check(&memory.database);
        }
        prop_assert_eq!(everything(&memory.database), everything(&sqlite.database));
        // Filled, every link has or gets everything.
        for link in memory.database.links().unwrap() {
            memory.database.set_stage(link.id, Fill::Upload).unwrap();
            while memory.database.fill(link.id, 3).unwrap() {}
        }
        for at in (0..6).flat_map(|eid| memory.database.durable_at(&id(eid)).unwrap()) {
            prop_assert!(at.stored.is_some() || at.waiting);
        }
    }
}

proptest! {
    #[test]
    fn the_same_messages_make_the_same_entities(
        sent in proptest::collection::vec(sent(), 1..20), order in any::<u64>(), repeats in 0..3_usize,
    ) {
        let messages: Vec<Message> = sent.iter().map(Sent::message).collect();
        let mut shuffled = messages.clone();
        for _ in 0..repeats {
            shuffled.extend(messages.iter().cloned());
        }
        let mut state = order | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let (mut one, mut two) = (Database::in_memory(), Database::in_memory());
        one.merge(&messages).unwrap();
        for batch in shuffled.chunks(3) {
            two.merge(batch).unwrap();
        }
        let ents = |database: &Database| database.page(&Query::new(Selection::All)).unwrap().ents;
        prop_assert_eq!(ents(&one), ents(&two));
        // And they hand on the same messages: winners, ends, and what is set aside.
        prop_assert_eq!(one.messages(None, 1_000).unwrap().messages, two.messages(None, 1_000).unwrap().messages);
        // A local write wins in both, and everywhere.
        let mine = two.put(&id(0), START_MS, draft("note", json!("mine")), Skew::Force).unwrap();
        let whole = two.messages(None, 1_000).unwrap().messages;
        let mine = whole.into_iter().find(|message| message.head == mine).unwrap();
        prop_assert_eq!(one.merge(&[mine]).unwrap(), [Outcome::Applied]);
    }
}
