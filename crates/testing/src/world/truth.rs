//! What is true, whatever anyone was told: which messages became durable in which history, and what clients were
//! promised. A wipe or a restore begins another history.

use std::collections::{BTreeMap, BTreeSet};

use seabag_protocol::room::name::Epoch;
use seabag_protocol::room::record::Entry;

use super::client::{self, Client};
use super::server::{Item, Server};

/// A message at its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    seq: u64,
    key: String,
    content: String,
    /// Whether it took its number; what a compact inserts shares one.
    numbered: bool,
}

impl Fact {
    pub(super) fn numbered(entry: &Entry) -> Self {
        Self { numbered: true, ..Self::compacted(entry) }
    }

    pub(super) fn compacted(entry: &Entry) -> Self {
        Self {
            seq: entry.seq.0,
            key: entry.key.as_str().into(),
            content: client::content(&entry.value),
            numbered: false,
        }
    }

    /// As a reader sees it, who can tell only by its content.
    pub(super) fn seen(entry: &Entry) -> Self {
        let fact = Self::compacted(entry);
        Self { numbered: !fact.content.starts_with("[\"snapshot\""), ..fact }
    }
}

/// One history of the room.
#[derive(Clone, Debug, Default)]
struct Generation {
    facts: BTreeSet<Fact>,
    numbers: BTreeMap<u64, Fact>,
    /// Pushes that their clients know to be stored, by what they carry.
    promised: BTreeSet<u64>,
    /// Numbers that were given out twice.
    repeated: Option<String>,
}

/// All histories; the last one is current.
pub(super) struct Truth {
    generations: Vec<Generation>,
    backup: Option<Generation>,
    /// Epochs whose owner crashed, and the newest stored number then: above it a cursor may be refused, because
    /// nobody can tell a relay from what a restored backup lacks.
    lapsed: BTreeMap<String, u64>,
}

impl Default for Truth {
    fn default() -> Self {
        Self { generations: vec![Generation::default()], backup: None, lapsed: BTreeMap::new() }
    }
}

impl Truth {
    pub(super) fn generation(&self) -> usize {
        self.generations.len() - 1
    }

    fn current(&mut self) -> &mut Generation {
        self.generations.last_mut().expect("there always is a history")
    }

    /// These became durable.
    pub(super) fn durable(&mut self, items: &[Item]) {
        let generation = self.current();
        for item in items {
            let Item::Fact(fact) = item else { continue };
            generation.facts.insert(fact.clone());
            if !fact.numbered {
                continue;
            }
            if let Some(before) = generation.numbers.insert(fact.seq, fact.clone()) {
                generation.repeated = Some(format!("one number, two messages: {before:?} and {fact:?}"));
            }
        }
    }

    pub(super) fn backed_up(&mut self) {
        self.backup = Some(self.current().clone());
    }

    pub(super) fn wiped(&mut self) {
        self.generations.push(Generation::default());
        self.backup = None;
    }

    pub(super) fn restored(&mut self) {
        let backup = self.backup.clone().unwrap_or_default();
        self.generations.push(backup);
    }

    /// The process of this epoch crashed when this was the newest stored number.
    pub(super) fn crashed(&mut self, epoch: &Epoch, stored: u64) {
        self.lapsed.insert(epoch.as_str().into(), stored);
    }

    /// Whether a reset is right for a reader of this epoch, although the history is the same.
    pub(super) fn may_reset(&self, epoch: &Epoch, seq: u64) -> bool {
        self.lapsed.get(epoch.as_str()).is_some_and(|stored| seq > *stored)
    }

    /// A client is shown this. Promise 1: it is durable.
    pub(super) fn check_seen(&self, generation: usize, fact: &Fact) -> Result<(), String> {
        let generation = &self.generations[generation];
        if let Some(repeated) = &generation.repeated {
            return Err(repeated.clone());
        }
        if generation.facts.contains(fact) { Ok(()) } else { Err(format!("{fact:?} is not durable")) }
    }

    /// A client may go on with what it has: the server has all of it, or had.
    pub(super) fn check_kept(&self, generation: usize, heard: &BTreeSet<Fact>) -> Result<(), String> {
        // What a compact inserted is no message: whoever has it has what the messages before it say.
        let facts = &self.generations[generation].facts;
        let lost = heard.iter().find(|fact| fact.numbered && !facts.contains(fact));
        lost.map_or(Ok(()), |lost| Err(format!("no reset, but the server has lost {lost:?}")))
    }

    /// A client was told that this push is stored.
    pub(super) fn promise(&mut self, generation: usize, payload: u64) {
        self.generations[generation].promised.insert(payload);
    }

    /// After the world has come to rest.
    pub(super) fn check_end(&self, server: &Server, clients: &[Client]) -> Result<(), String> {
        server.disk().check_sums()?;
        let current = self.generations.last().expect("there always is a history");
        if let Some(repeated) = &current.repeated {
            return Err(repeated.clone());
        }
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        let streams = server.streams();
        let mut expected = BTreeMap::new();
        for (key, entries) in &streams {
            let mut state = client::Stream::default();
            entries.iter().for_each(|entry| state.take(entry));
            for payload in &state.payloads {
                *counts.entry(*payload).or_default() += 1;
            }
            expected.insert(key.as_str().to_owned(), state);
        }
        if let Some((payload, count)) = counts.iter().find(|(_, count)| **count > 1) {
            return Err(format!("push {payload} is there {count} times"));
        }
        // A replaced value is gone and a trimmed one too; the log of a compacted stream has them all.
        for payload in &current.promised {
            if !counts.contains_key(payload) {
                return Err(format!("push {payload} was acknowledged and is gone"));
            }
        }
        for client in clients {
            client.check_end(&expected).map_err(|what| format!("client {}: {what}", client.number()))?;
        }
        Ok(())
    }
}
