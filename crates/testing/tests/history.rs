//! The history checker: it accepts what a right room can have shown to concurrent clients, and rejects a lost
//! acknowledgement, a repeated number, a stale read and their like.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_protocol::limits::Limits;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Effect, Reply};
use seabag_protocol::room::name::{ClientId, Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::server_message::{Ack, ServerMessage};
use seabag_protocol::room::value::Value;
use seabag_testing::chance::Chance;
use seabag_testing::history::{History, Operation, PushKind, Request, Violation, check};
use seabag_testing::model::{Expected, Model};

/// A room that works, asked one thing after the other; the requests around it overlap at random.
struct Recorder {
    model: Model,
    chance: Chance,
    history: History,
    now: u64,
    values: u64,
    ids: [u64; 3],
}

const KEYS: [&str; 3] = ["a", "b", "c"];

impl Recorder {
    fn new(seed: u64) -> Self {
        let epoch = Epoch::parse("e").unwrap();
        Self {
            model: Model::new(&epoch, Limits::default()),
            chance: Chance::new(seed),
            history: History::default(),
            now: 1_000,
            values: 0,
            ids: [0; 3],
        }
    }

    /// Something that happens now, in the midst of its request.
    fn record(&mut self, request: Request, answered: bool) {
        let invoked = self.now - self.chance.below(60);
        let responded = answered.then(|| self.now + self.chance.below(60));
        self.history.operations.push(Operation { invoked, responded, request });
    }

    fn step(&mut self) {
        self.now += 10;
        match self.chance.below(100) {
            0..60 => self.push(),
            60..72 => self.compact(),
            72..90 => self.read_stream(),
            _ => self.read_room(),
        }
    }

    fn push(&mut self) {
        self.values += 1;
        let key = *self.chance.pick(&KEYS);
        let (kind, action) = *self.chance.pick(&[
            (PushKind::Append, Action::Append),
            (PushKind::Append, Action::Append),
            (PushKind::Append, Action::Append),
            (PushKind::Replace, Action::Replace),
            (PushKind::Relay, Action::Relay),
        ]);
        let outbox = self.chance.below(3) as usize;
        let with_id = action != Action::Relay && self.chance.happens(500);
        self.ids[outbox] += u64::from(with_id);
        let id = with_id.then_some(self.ids[outbox]);
        let value = format!("\"{}\"", self.values);
        // A request without an answer may have been done, never or twice with one id.
        let attempts = match self.chance.below(10) {
            0 => 0,
            1 if with_id => 2,
            _ => 1,
        };
        let answered = attempts > 0 && self.chance.happens(900);
        let mut seq = None;
        for _ in 0..attempts {
            let ack = self.apply(key, Some(&value), action, id.map(|id| (outbox, id)));
            seq = ack.and_then(|ack| ack.seq).or(seq);
            let answer = if answered { seq.map(|seq| seq.0) } else { None };
            let id = id.map(|id| (format!("outbox {outbox}"), id));
            let request = Request::Push { key: key.into(), value: value.clone(), kind, id, seq: answer };
            self.record(request, answered);
        }
        if attempts == 0 {
            let request = Request::Push { key: key.into(), value, kind, id: None, seq: None };
            self.record(request, false);
        }
    }

    fn apply(
        &mut self,
        key: &str,
        value: Option<&str>,
        action: Action,
        id: Option<(usize, u64)>,
    ) -> Option<Ack> {
        let value = value.map(|value| Value::from_json(value).unwrap());
        // Without an id there is no acknowledgement: an outbox of its own gives one and changes nothing.
        let (client, id) = id.map_or((format!("nobody-at-all-{:08}", self.now), 1), |(outbox, id)| {
            (format!("client-number-{outbox:04}"), id)
        });
        let push = Push { key: StreamKey::from(key), value, action, id: Some(PushId(id)) };
        let expected = self.model.push(&push, Some(&ClientId::parse(&client).unwrap()), self.now);
        match expected.first() {
            Some(Expected::Effect(Effect::Reply(Reply::Message(ServerMessage::Ack(ack))))) => Some(*ack),
            other => panic!("{other:?}"),
        }
    }

    fn compact(&mut self) {
        self.values += 1;
        let key = *self.chance.pick(&KEYS);
        let seq = self.chance.below(self.model.head().0 + 1);
        let value = self.chance.happens(700).then(|| format!("\"compact {}\"", self.values));
        let done = self.chance.happens(900);
        let answered = done && self.chance.happens(900);
        let mut stale = None;
        if done {
            let ack = self.apply(key, value.as_deref(), Action::Compact { seq: RoomSeq(seq) }, None);
            stale = if answered { ack.map(|ack| ack.stale) } else { None };
        }
        self.record(Request::Compact { key: key.into(), seq, value, stale }, answered);
    }

    fn after(&mut self) -> u64 {
        if self.chance.happens(500) { 0 } else { self.chance.below(self.model.head().0 + 2) }
    }

    fn head(&mut self) -> Option<u64> {
        self.chance.happens(500).then(|| self.model.head().0)
    }

    fn read_stream(&mut self) {
        let (key, after, head) = (*self.chance.pick(&KEYS), self.after(), self.head());
        let stream = self.model.stream(&StreamKey::from(key)).into_iter();
        let entries =
            stream.map(|(seq, value)| (seq.0, text(&value))).filter(|(seq, _)| *seq > after).collect();
        self.record(Request::ReadStream { key: key.into(), after, entries, head }, true);
    }

    fn read_room(&mut self) {
        let (after, head) = (self.after(), self.head());
        let retained = self.model.retained().into_iter();
        let entries = retained.map(|entry| (entry.seq.0, entry.key.as_str().to_owned(), text(&entry.value)));
        let entries = entries.filter(|(seq, ..)| *seq > after).collect();
        self.record(Request::ReadRoom { after, entries, head }, true);
    }
}

fn text(value: &Value) -> String {
    let mut out = Vec::new();
    value.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

fn recorded(seed: u64, steps: usize) -> History {
    let mut recorder = Recorder::new(seed);
    (0..steps).for_each(|_| recorder.step());
    recorder.history
}

#[test]
fn what_a_right_room_shows_is_accepted() {
    for seed in 0..400 {
        let steps = 20 + (seed as usize % 10) * 15;
        let history = recorded(seed, steps);
        assert_eq!(check(&history), Ok(()), "seed {seed}: {:#?}", history.operations);
    }
}

#[test]
fn the_order_of_recording_makes_no_difference() {
    for seed in 0..50 {
        let mut history = recorded(seed, 100);
        history.operations.reverse();
        assert_eq!(check(&history), Ok(()), "seed {seed}");
    }
}

fn append(invoked: u64, responded: u64, value: &str, seq: u64) -> Operation {
    let request = Request::Push {
        key: "k".into(),
        value: value.into(),
        kind: PushKind::Append,
        id: None,
        seq: Some(seq),
    };
    Operation { invoked, responded: Some(responded), request }
}

fn unanswered(mut operation: Operation) -> Operation {
    operation.responded = None;
    match &mut operation.request {
        Request::Push { seq, .. } => *seq = None,
        Request::Compact { stale, .. } => *stale = None,
        _ => {}
    }
    operation
}

fn with_id(mut operation: Operation, number: u64) -> Operation {
    if let Request::Push { id, .. } = &mut operation.request {
        *id = Some(("outbox".into(), number));
    }
    operation
}

fn compact(invoked: u64, responded: u64, seq: u64, value: Option<&str>) -> Operation {
    let request = Request::Compact { key: "k".into(), seq, value: value.map(Into::into), stale: Some(false) };
    Operation { invoked, responded: Some(responded), request }
}

fn read(invoked: u64, responded: u64, entries: &[(u64, &str)]) -> Operation {
    let entries = entries.iter().map(|(seq, value)| (*seq, (*value).to_owned())).collect();
    let request = Request::ReadStream { key: "k".into(), after: 0, entries, head: None };
    Operation { invoked, responded: Some(responded), request }
}

fn checked(operations: Vec<Operation>) -> Result<(), Violation> {
    check(&History { operations })
}

#[test]
fn a_lost_acknowledgement_is_rejected() {
    let lost = checked(vec![append(0, 1, "x", 1), append(2, 3, "y", 2), read(4, 5, &[(2, "y")])]);
    assert_eq!(lost, Err(Violation::Lost { operation: 2, seq: 1 }));
    let last = checked(vec![append(0, 1, "x", 1), read(2, 3, &[])]);
    assert_eq!(last, Err(Violation::StaleRead { operation: 1, seq: 1 }));
}

#[test]
fn a_repeated_number_is_rejected() {
    let acknowledged = checked(vec![append(0, 9, "x", 1), append(0, 9, "y", 1)]);
    assert_eq!(acknowledged, Err(Violation::RepeatedNumber { seq: 1 }));
    let seen = checked(vec![
        append(0, 9, "x", 1),
        unanswered(append(0, 9, "y", 0)),
        read(10, 11, &[(1, "x")]),
        read(10, 11, &[(1, "y")]),
    ]);
    assert_eq!(seen, Err(Violation::RepeatedNumber { seq: 1 }));
}

#[test]
fn a_stale_read_is_rejected() {
    let behind_a_push = checked(vec![append(0, 1, "x", 1), append(2, 3, "y", 2), read(4, 5, &[(1, "x")])]);
    assert_eq!(behind_a_push, Err(Violation::StaleRead { operation: 2, seq: 2 }));
    let overlapping = vec![append(0, 1, "x", 1), append(2, 9, "y", 2), read(4, 5, &[(1, "x")])];
    assert_eq!(checked(overlapping.clone()), Ok(()), "the push may come after the read");
    let seen_by_another =
        [overlapping, vec![read(4, 5, &[(1, "x"), (2, "y")]), read(6, 7, &[(1, "x")])]].concat();
    assert_eq!(checked(seen_by_another), Err(Violation::StaleRead { operation: 4, seq: 2 }));
    let of_a_head = Request::ReadStream { key: "k".into(), after: 5, entries: vec![], head: Some(1) };
    let of_a_head = Operation { invoked: 4, responded: Some(5), request: of_a_head };
    let behind_the_head = checked(vec![append(0, 1, "x", 2), of_a_head]);
    assert_eq!(behind_the_head, Err(Violation::StaleRead { operation: 1, seq: 2 }));
}

#[test]
fn numbers_against_real_time_are_rejected() {
    let pushes = checked(vec![append(0, 1, "x", 2), append(2, 3, "y", 1)]);
    assert_eq!(pushes, Err(Violation::OutOfOrder { operation: 1, seq: 1 }));
    assert_eq!(checked(vec![append(0, 2, "x", 2), append(1, 3, "y", 1)]), Ok(()), "they overlap");
    let outbox = checked(vec![with_id(append(0, 9, "x", 2), 1), with_id(append(0, 9, "y", 1), 2)]);
    assert!(matches!(outbox, Err(Violation::OutOfOrder { .. })), "{outbox:?}");
    let foretold = checked(vec![read(0, 1, &[(1, "x")]), append(2, 3, "x", 1)]);
    assert_eq!(foretold, Err(Violation::Invented { operation: 0, seq: 1 }));
}

#[test]
fn a_push_that_took_effect_twice_is_rejected() {
    let twice = vec![with_id(append(0, 1, "x", 1), 1), read(2, 3, &[(1, "x"), (2, "x")])];
    assert_eq!(checked(twice), Err(Violation::AppliedTwice { key: "k".into(), value: "x".into() }));
    let attempts = vec![
        with_id(unanswered(append(0, 1, "x", 0)), 1),
        with_id(append(4, 5, "x", 1), 1),
        append(2, 3, "y", 2),
    ];
    assert_eq!(checked(attempts), Ok(()), "the first attempt took effect, the second was a repeat");
}

#[test]
fn what_was_compacted_away_does_not_come_back() {
    let pushes = [append(0, 1, "x", 1), append(2, 3, "y", 2), append(4, 5, "z", 3)];
    let history = |compact: Operation, entries: &[(u64, &str)]| {
        checked([&pushes[..], &[compact, read(8, 9, entries)]].concat())
    };
    assert_eq!(history(compact(6, 7, 2, Some("s")), &[(2, "s"), (3, "z")]), Ok(()));
    assert_eq!(history(compact(6, 7, 2, None), &[(3, "z")]), Ok(()));
    let ignored = history(compact(6, 7, 2, Some("s")), &[(1, "x"), (2, "y"), (3, "z")]);
    assert_eq!(ignored, Err(Violation::WrongContents { operation: 4 }));
    let half = history(compact(6, 7, 2, Some("s")), &[(1, "x"), (2, "s"), (3, "z")]);
    assert!(half.is_err(), "{half:?}");
    for entries in [&[(1, "x"), (2, "y"), (3, "z")][..], &[(3, "z")]] {
        let unfinished = history(unanswered(compact(6, 7, 2, None)), entries);
        assert_eq!(unfinished, Ok(()), "without an answer it may have been done or not");
    }
}

/// Breaks a right history somewhere; `None` where there is nothing to break.
fn break_history(history: &mut History, chance: &mut Chance, how: usize) -> Option<()> {
    let last = history.operations.iter().map(|operation| operation.responded.unwrap_or_default()).max()? + 1;
    let acknowledged: Vec<usize> = (0..history.operations.len())
        .filter(|place| matches!(history.operations[*place].request, Request::Push { seq: Some(_), .. }))
        .collect();
    match how {
        // A number comes again, for another value.
        0 => {
            let Request::Push { seq, .. } = history.operations[*chance.pick(&acknowledged)].request.clone()
            else {
                return None;
            };
            history.operations.push(append(last, last + 1, "\"another\"", seq?));
        }
        // A read at the end that has forgotten everything.
        1 => {
            let request = Request::ReadRoom { after: 0, entries: vec![], head: Some(0) };
            history.operations.push(Operation { invoked: last, responded: Some(last + 1), request });
        }
        // A push at the end that is acknowledged, and a read that does not have it.
        2 => {
            let seq = 1_000_000;
            history.operations.push(append(last, last + 1, "\"last\"", seq));
            history.operations.push(read(last + 2, last + 3, &[]));
        }
        // An acknowledged entry disappears from a read of the whole room, and no compact can have taken it.
        _ => {
            let certain = |(seq, key, value): &(u64, String, String)| {
                let is_push = |request: &Request| matches!(request, Request::Push { value: of, seq: Some(_), .. } if of == value);
                let takes = |request: &Request| matches!(request, Request::Compact { key: of, seq: up_to, stale: None | Some(false), .. } if of == key && up_to >= seq);
                let mut requests = history.operations.iter().map(|operation| &operation.request);
                requests.clone().any(is_push) && !requests.any(takes)
            };
            let place = history.operations.iter().rposition(|operation| match &operation.request {
                Request::ReadRoom { after: 0, entries, .. } => entries.iter().rev().skip(1).any(certain),
                _ => false,
            })?;
            let Request::ReadRoom { entries, .. } = &history.operations[place].request else { return None };
            let gone = entries.iter().rev().skip(1).find(|entry| certain(entry)).cloned()?;
            let Request::ReadRoom { entries, .. } = &mut history.operations[place].request else {
                return None;
            };
            entries.retain(|entry| *entry != gone);
        }
    }
    Some(())
}

#[test]
fn a_right_history_that_is_broken_somewhere_is_rejected() {
    let mut broken = [0; 4];
    for seed in 0..200 {
        for (how, count) in broken.iter_mut().enumerate() {
            let mut history = recorded(seed, 80);
            if break_history(&mut history, &mut Chance::new(seed), how).is_some() {
                assert!(check(&history).is_err(), "seed {seed}, broken in the way {how}");
                *count += 1;
            }
        }
    }
    assert!(broken.iter().all(|count| *count > 50), "{broken:?}");
}
