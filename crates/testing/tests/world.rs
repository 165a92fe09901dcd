//! The simulated world over many seeds: with the real machine every promise holds, and with a fault built in the
//! world's checks notice. `SEABAG_SEEDS` sets how many seeds, `SEABAG_SEED` the first one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use seabag_testing::chance::seeds;
use seabag_testing::world::{Fault, Settings, World};

#[test]
fn one_seed_run_twice_gives_the_same_trace() {
    for seed in [0, 1, 2, 99] {
        let (once, twice) =
            (World::run(Settings::new(seed)).unwrap(), World::run(Settings::new(seed)).unwrap());
        assert!(once.trace.len() > 500);
        assert_eq!(once, twice);
    }
    assert_ne!(World::run(Settings::new(1)).unwrap(), World::run(Settings::new(2)).unwrap());
}

#[test]
fn every_promise_holds_for_every_seed() {
    let mut troubles: BTreeMap<&str, u64> = BTreeMap::new();
    let mut resets = 0;
    for seed in seeds(300) {
        let report = World::run(Settings::new(seed)).unwrap();
        report.troubles.into_iter().for_each(|(kind, count)| *troubles.entry(kind).or_default() += count);
        resets += report.resets;
    }
    println!("troubles {troubles:?}, resets {resets}");
    for kind in ["cut", "evict", "crash", "restart", "wipe", "live backup", "restore"] {
        assert!(troubles.contains_key(kind), "no seed had a {kind}");
    }
    assert!(resets > 0, "no seed had a reset");
}

#[test]
fn many_clients_and_a_long_run_keep_every_promise() {
    for seed in 0..3 {
        World::run(Settings { clients: 12, pushes: 1_000, ..Settings::new(seed) }).unwrap();
    }
}

/// How many of the seeds notice the fault, and what the first of them says.
fn check(fault: Fault, says: &[&str]) {
    let mut noticed = Vec::new();
    for seed in 0..60 {
        if let Err(violation) = World::run(Settings { fault: Some(fault), ..Settings::new(seed) }) {
            noticed.push(violation.what);
        }
    }
    let expected = |what: &String| says.iter().any(|says| what.contains(says));
    println!("{fault:?}: noticed by {} of 60 seeds, first: {:?}", noticed.len(), noticed.first());
    assert!(noticed.iter().any(expected), "{fault:?} was not noticed as it should be: {noticed:?}");
    assert!(noticed.iter().all(expected), "{fault:?} was noticed by accident: {noticed:?}");
}

#[test]
fn sending_before_it_is_durable_is_noticed() {
    check(
        Fault::ReleaseBeforeSync,
        &["is not durable", "has lost", "a reset, but", "was acknowledged and is gone"],
    );
}

#[test]
fn numbers_that_come_again_after_a_crash_are_noticed() {
    check(
        Fault::ReuseNumbersAfterCrash,
        &["one number, two messages", "a reset, but", "comes after", " after "],
    );
}

#[test]
fn a_forgotten_table_of_clients_is_noticed() {
    check(Fault::ForgetClients, &[" times"]);
}

#[test]
fn a_message_dropped_in_silence_is_noticed() {
    check(Fault::DropABroadcast, &["comes after"]);
}

#[test]
fn a_forgotten_lineage_is_noticed() {
    check(Fault::ForgetLineage, &["a reset, but the history is the same"]);
}
