//! Checks what concurrent clients saw of one room: is there one order that explains it all, and does it agree with
//! real time? The room's numbers name the order, so the check needs no search and takes polynomial time.
//!
//! Record one [`Operation`] for each request, with the time before it was sent and the time after its answer came
//! (any clock that all clients share; a counter will do), and give every push and every compact a value of its
//! own: reads are matched to them by key and value. A request without an answer may or may not have been done, at most once.

use std::collections::{BTreeMap, BTreeSet};

/// What clients did to one room and saw of it, in any order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// All requests.
    pub operations: Vec<Operation>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Before it was sent.
    pub invoked: u64,
    /// After its answer came; `None`: none came, and it may or may not have been done.
    pub responded: Option<u64>,
    /// What was asked and answered.
    pub request: Request,
}

/// What was asked and, where there was an answer, what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// An append, a replace or a relay.
    Push {
        /// The stream.
        key: String,
        /// Differs from the value of every other push.
        value: String,
        /// What it does.
        kind: PushKind,
        /// The outbox and its number for the push. Attempts with the same id are one push.
        id: Option<(String, u64)>,
        /// The number of the answer; `None` without an answer, or when a repeat's number was forgotten.
        seq: Option<u64>,
    },
    /// A compact, or without a value a trim. One that was refused does not belong into a history.
    Compact {
        /// The stream.
        key: String,
        /// Up to this number.
        seq: u64,
        /// What takes the place. Differs from the value of every push.
        value: Option<String>,
        /// Whether the answer said that it came too late to have an effect; `None` without an answer, or when it
        /// was acknowledged as a repeat.
        stale: Option<bool>,
    },
    /// A read of one stream.
    ReadStream {
        /// The stream.
        key: String,
        /// Strictly above this.
        after: u64,
        /// Numbers and values.
        entries: Vec<(u64, String)>,
        /// The room's head, if the answer said it.
        head: Option<u64>,
    },
    /// A read of the whole room, all pages of which show one state.
    ReadRoom {
        /// Strictly above this.
        after: u64,
        /// Numbers, keys and values.
        entries: Vec<(u64, String, String)>,
        /// The room's head, if the answer said it.
        head: Option<u64>,
    },
}

/// The actions that take a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// Broadcast and kept.
    Append,
    /// Broadcast and kept in the place of all before.
    Replace,
    /// Broadcast only.
    Relay,
}

/// Why no order explains a history. Operations are named by their place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two messages have this number, or two values were seen in the place of one compact.
    RepeatedNumber {
        /// The number.
        seq: u64,
    },
    /// One push has two numbers.
    AppliedTwice {
        /// Its stream.
        key: String,
        /// Its value.
        value: String,
    },
    /// A push got a number at or below one that was known before it was sent, or the ids of an outbox and their
    /// numbers do not rise together.
    OutOfOrder {
        /// The push.
        operation: usize,
        /// Its number.
        seq: u64,
    },
    /// A read shows what nobody had sent by then.
    Invented {
        /// The read.
        operation: usize,
        /// The number that it shows.
        seq: u64,
    },
    /// A read shows a state older than one that was known before it was sent.
    StaleRead {
        /// The read.
        operation: usize,
        /// A number that it should have known.
        seq: u64,
    },
    /// A read lacks a message that nothing has superseded.
    Lost {
        /// The read.
        operation: usize,
        /// The message's number.
        seq: u64,
    },
    /// A read's entries do not rise, or show what was superseded before it was sent.
    WrongContents {
        /// The read.
        operation: usize,
    },
}

/// Whether one order explains the history.
pub fn check(history: &History) -> Result<(), Violation> {
    let mut checker = Checker::default();
    checker.gather_pushes(history)?;
    checker.gather_compacts(history);
    checker.number_pushes_by_reads(history)?;
    checker.check_outboxes()?;
    checker.sweep(history)
}

/// A push with all attempts at it.
#[derive(Debug)]
struct Push {
    first_operation: usize,
    invoked: u64,
    kind: PushKind,
    outbox: Option<(String, u64)>,
    seq: Option<u64>,
}

#[derive(Debug)]
struct Compact {
    seq: u64,
    value: Option<String>,
    invoked: u64,
}

#[derive(Default)]
struct Checker {
    /// By key and value.
    pushes: BTreeMap<(String, String), Push>,
    /// By key.
    compacts: BTreeMap<String, Vec<Compact>>,
    /// What has which number.
    numbers: BTreeMap<u64, (String, String)>,
    /// By key: the numbered messages that streams keep.
    streams: BTreeMap<String, BTreeMap<u64, (PushKind, String)>>,
    /// What was seen in the place of a compact.
    bases: BTreeMap<(String, u64), String>,
}

/// What was known before an operation was sent.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Some state at this number or above was seen, or such a number was given out.
    position: u64,
    /// By key: everything up to this number had been compacted.
    fronts: BTreeMap<String, u64>,
}

impl Checker {
    fn gather_pushes(&mut self, history: &History) -> Result<(), Violation> {
        for (place, operation) in history.operations.iter().enumerate() {
            let Request::Push { key, value, kind, id, seq } = &operation.request else { continue };
            let name = (key.clone(), value.clone());
            let push = self.pushes.entry(name.clone()).or_insert(Push {
                first_operation: place,
                invoked: operation.invoked,
                kind: *kind,
                outbox: id.clone(),
                seq: None,
            });
            if operation.invoked < push.invoked {
                (push.first_operation, push.invoked) = (place, operation.invoked);
            }
            if let Some(seq) = seq {
                self.number(name, *seq)?;
            }
        }
        Ok(())
    }

    /// This push has this number.
    fn number(&mut self, name: (String, String), seq: u64) -> Result<(), Violation> {
        let push = self.pushes.get_mut(&name).expect("it was gathered");
        if push.seq.is_some_and(|known| known != seq) {
            return Err(Violation::AppliedTwice { key: name.0, value: name.1 });
        }
        push.seq = Some(seq);
        if push.kind != PushKind::Relay {
            self.streams.entry(name.0.clone()).or_default().insert(seq, (push.kind, name.1.clone()));
        }
        match self.numbers.insert(seq, name.clone()) {
            Some(before) if before != name => Err(Violation::RepeatedNumber { seq }),
            _ => Ok(()),
        }
    }

    fn gather_compacts(&mut self, history: &History) {
        for operation in &history.operations {
            if let Request::Compact { key, seq, value, stale: None | Some(false) } = &operation.request {
                let compact = Compact { seq: *seq, value: value.clone(), invoked: operation.invoked };
                self.compacts.entry(key.clone()).or_default().push(compact);
            }
        }
    }

    /// A push that was never acknowledged but is seen was done, and this is its number.
    fn number_pushes_by_reads(&mut self, history: &History) -> Result<(), Violation> {
        for (place, operation) in history.operations.iter().enumerate() {
            let Some(responded) = operation.responded else { continue };
            for (seq, key, value) in entries(&operation.request) {
                let name = (key.to_owned(), value.to_owned());
                let sent = self.pushes.get(&name).is_some_and(|push| push.invoked <= responded);
                let compacted = self.compacts.get(key).is_some_and(|compacts| {
                    let same =
                        |compact: &Compact| compact.seq == seq && compact.value.as_deref() == Some(value);
                    compacts.iter().any(|compact| same(compact) && compact.invoked <= responded)
                });
                if compacted {
                    let before = self.bases.insert((key.to_owned(), seq), value.to_owned());
                    if before.is_some_and(|before| before != value) {
                        return Err(Violation::RepeatedNumber { seq });
                    }
                } else if sent {
                    self.number(name, seq)?;
                } else {
                    return Err(Violation::Invented { operation: place, seq });
                }
            }
        }
        Ok(())
    }

    fn check_outboxes(&self) -> Result<(), Violation> {
        let mut outboxes: BTreeMap<&str, BTreeMap<u64, &Push>> = BTreeMap::new();
        for push in self.pushes.values().filter(|push| push.seq.is_some()) {
            if let Some((outbox, id)) = &push.outbox {
                outboxes.entry(outbox).or_default().insert(*id, push);
            }
        }
        for pushes in outboxes.values() {
            let mut last = 0;
            for push in pushes.values() {
                let seq = push.seq.unwrap_or_default();
                if seq <= last {
                    return Err(Violation::OutOfOrder { operation: push.first_operation, seq });
                }
                last = seq;
            }
        }
        Ok(())
    }

    /// Goes through time once. What an answer shows counts for all that is sent after it.
    fn sweep(&self, history: &History) -> Result<(), Violation> {
        // At the same time a request comes before an answer, so that the two overlap.
        let mut moments: Vec<(u64, bool, usize)> = Vec::new();
        for (place, operation) in history.operations.iter().enumerate() {
            moments.push((operation.invoked, false, place));
            moments.extend(operation.responded.map(|responded| (responded, true, place)));
        }
        moments.sort_unstable();
        let mut known = Known::default();
        let mut known_at: BTreeMap<usize, Known> = BTreeMap::new();
        for (_, answered, place) in moments {
            let operation = &history.operations[place];
            if !answered {
                known_at.insert(place, known.clone());
                self.check_number(place, &operation.request, &known)?;
                continue;
            }
            let before = known_at.remove(&place).unwrap_or_default();
            let shown = self.check_answer(place, operation, &before)?;
            known.position = known.position.max(shown.position);
            for (key, front) in shown.fronts {
                let known = known.fronts.entry(key).or_default();
                *known = front.max(*known);
            }
        }
        Ok(())
    }

    /// A push has a number above all that was known before its first attempt.
    fn check_number(&self, place: usize, request: &Request, known: &Known) -> Result<(), Violation> {
        let Request::Push { key, value, .. } = request else { return Ok(()) };
        let push = &self.pushes[&(key.clone(), value.clone())];
        match push.seq {
            Some(seq) if seq <= known.position && push.first_operation == place => {
                Err(Violation::OutOfOrder { operation: place, seq })
            }
            _ => Ok(()),
        }
    }

    /// What everybody knows once this answer is there.
    fn check_answer(&self, place: usize, operation: &Operation, before: &Known) -> Result<Known, Violation> {
        let mut shown = Known::default();
        match &operation.request {
            Request::Push { key, seq, kind, .. } => {
                shown.position = seq.unwrap_or_default();
                if let (Some(seq), PushKind::Replace) = (seq, kind) {
                    shown.fronts.insert(key.clone(), *seq);
                }
            }
            Request::Compact { key, seq, stale, .. } => {
                shown.position = *seq;
                if *stale == Some(false) {
                    shown.fronts.insert(key.clone(), *seq);
                }
            }
            Request::ReadStream { key, after, entries, head } => {
                let last = entries.last().map(|(seq, _)| *seq).unwrap_or_default();
                shown.position = position(place, last, *head, before)?;
                let entries: Vec<_> = entries.iter().map(|(seq, value)| (*seq, value.as_str())).collect();
                self.check_stream(place, operation, key, *after, &entries, before, &mut shown)?;
            }
            Request::ReadRoom { after, entries, head } => {
                let last = entries.last().map(|(seq, ..)| *seq).unwrap_or_default();
                shown.position = position(place, last, *head, before)?;
                if !entries.is_sorted_by(|left, right| left.0 <= right.0) {
                    return Err(Violation::WrongContents { operation: place });
                }
                let keys = self.streams.keys().chain(self.compacts.keys());
                let keys: BTreeSet<&String> = keys.chain(entries.iter().map(|(_, key, _)| key)).collect();
                for key in keys {
                    let of_key = entries.iter().filter(|(_, of, _)| of == key);
                    let of_key: Vec<_> = of_key.map(|(seq, _, value)| (*seq, value.as_str())).collect();
                    self.check_stream(place, operation, key, *after, &of_key, before, &mut shown)?;
                }
            }
        }
        Ok(shown)
    }

    /// Whether a stream can have looked like this at the read's position: some front (nothing, the last replace, or
    /// a compact that may have taken effect) and every message behind it.
    #[allow(clippy::too_many_arguments, reason = "what a read is, and what was known before and is after")]
    fn check_stream(
        &self,
        place: usize,
        operation: &Operation,
        key: &str,
        after: u64,
        entries: &[(u64, &str)],
        before: &Known,
        shown: &mut Known,
    ) -> Result<(), Violation> {
        if !entries.is_sorted_by(|left, right| left.0 < right.0)
            || entries.iter().any(|(seq, _)| *seq <= after)
        {
            return Err(Violation::WrongContents { operation: place });
        }
        let nothing = BTreeMap::new();
        let stream = self.streams.get(key).unwrap_or(&nothing);
        let so_far = || stream.range(..=shown.position);
        let replaced = so_far().rev().find(|(_, (kind, _))| *kind == PushKind::Replace);
        let replaced = replaced.map_or(0, |(seq, _)| *seq);
        let known_front = before.fronts.get(key).copied().unwrap_or_default();
        // The front's number, and the value that a compact put there.
        let mut fronts = vec![(replaced, None)];
        for compact in self.compacts.get(key).into_iter().flatten() {
            let sent = operation.responded.is_some_and(|responded| compact.invoked <= responded);
            if sent && compact.seq >= replaced {
                fronts.push((compact.seq, Some(compact.value.as_deref())));
            }
        }
        let mut best: Option<u64> = None;
        for (front, value) in &fronts {
            let base = value.flatten().map(|value| (*front, value));
            // A replace is a message of the stream; what a compact covers is not.
            let from = if value.is_some() { front.saturating_add(1) } else { *front };
            let behind =
                so_far().filter(|(seq, _)| **seq >= from).map(|(seq, (_, value))| (*seq, value.as_str()));
            let expected = base.into_iter().chain(behind).filter(|(seq, _)| *seq > after);
            // Above what it wants, a read shows nothing of the front.
            let possible = *front >= known_front || known_front <= after;
            if possible && expected.eq(entries.iter().copied()) {
                best = Some(best.map_or(*front, |best| best.min(*front)));
            }
        }
        if let Some(front) = best {
            // What it shows of the front, later reads must not take back.
            if after < front {
                shown.fronts.insert(key.to_owned(), front);
            }
            return Ok(());
        }
        Err(blame(place, entries, so_far().map(|(seq, _)| *seq).filter(|seq| *seq > after.max(replaced))))
    }
}

/// Why a stream cannot have looked like this, in the words that help most.
fn blame(place: usize, entries: &[(u64, &str)], mut expected: impl Iterator<Item = u64>) -> Violation {
    let shown: BTreeSet<u64> = entries.iter().map(|(seq, _)| *seq).collect();
    let last = shown.last().copied().unwrap_or_default();
    match expected.find(|seq| !shown.contains(seq)) {
        Some(seq) if seq > last => Violation::StaleRead { operation: place, seq },
        Some(seq) => Violation::Lost { operation: place, seq },
        None => Violation::WrongContents { operation: place },
    }
}

/// The position of a read: at least all that was known before it was sent, and all that it shows.
fn position(place: usize, last: u64, head: Option<u64>, before: &Known) -> Result<u64, Violation> {
    let Some(head) = head else { return Ok(last.max(before.position)) };
    if head < before.position {
        return Err(Violation::StaleRead { operation: place, seq: before.position });
    }
    if head < last { Err(Violation::WrongContents { operation: place }) } else { Ok(head) }
}

fn entries(request: &Request) -> Vec<(u64, &str, &str)> {
    match request {
        Request::ReadStream { key, entries, .. } => {
            entries.iter().map(|(seq, value)| (*seq, key.as_str(), value.as_str())).collect()
        }
        Request::ReadRoom { entries, .. } => {
            entries.iter().map(|(seq, key, value)| (*seq, key.as_str(), value.as_str())).collect()
        }
        _ => Vec::new(),
    }
}
