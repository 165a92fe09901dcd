//! The simulated world of entities over many seeds: all devices end with the same, nothing is lost on the way, and
//! with a fault built in the world's checks notice. `SEABAG_SEEDS` sets how many seeds, `SEABAG_SEED` the first one,
//! `SEABAG_TRACE` how many lines of a failure are shown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use seabag_testing::chance::seeds;
use seabag_testing::ents_world::{Fault, Settings, World};

#[test]
fn one_seed_run_twice_gives_the_same_trace() {
    for seed in [0, 1, 9] {
        let (once, twice) =
            (World::run(Settings::new(seed)).unwrap(), World::run(Settings::new(seed)).unwrap());
        assert!(once.trace.len() > 100);
        assert_eq!(once, twice);
    }
    assert_ne!(World::run(Settings::new(1)).unwrap(), World::run(Settings::new(2)).unwrap());
}

/// Runs worlds, goes on after a failure so that all of them are told, and adds up what happened.
fn run(settings: impl Fn(u64) -> Settings, everyday: u64) -> BTreeMap<String, u64> {
    let (mut counts, mut failures): (BTreeMap<String, u64>, Vec<_>) = Default::default();
    for seed in seeds(everyday) {
        match World::run(settings(seed)) {
            Ok(report) => {
                let troubles = report.troubles.into_iter().map(|(kind, count)| (kind.to_owned(), count));
                let sizes = [("messages".to_owned(), report.messages), ("steps".to_owned(), report.steps)];
                for (kind, count) in troubles.chain(report.reports).chain(sizes) {
                    *counts.entry(kind).or_default() += count;
                }
            }
            Err(violation) => {
                println!("seed {seed}: {}", violation.what);
                failures.push(violation);
            }
        }
    }
    println!("{counts:?}");
    let seeds: Vec<_> = failures.iter().map(|failure| failure.seed).collect();
    assert!(failures.is_empty(), "{} seeds fail: {seeds:?}; the first: {:?}", seeds.len(), failures[0]);
    counts
}

#[test]
fn every_device_ends_with_the_same_and_nothing_is_lost() {
    let counts = run(Settings::new, 60);
    for kind in [
        "crash",
        "crash within a step",
        "full disk",
        "host restart",
        "wipe",
        "backup",
        "restore",
        "cut",
        "network down",
        "clock",
        "late link",
        "unlink",
        "quota",
        "audit",
        "device lost",
        "upgrade",
        "Pruned",
        "Filled",
        "Reset(OtherHistory)",
        "ClockSkew",
        "QuotaReached",
    ] {
        assert!(counts.contains_key(kind), "no seed had {kind}");
    }
}

#[test]
fn a_hostile_host_harms_nobody_but_itself() {
    let counts = run(Settings::hostile, 30);
    for kind in ["Odd", "Unreadable", "Mended"] {
        assert!(counts.contains_key(kind), "no seed had {kind}");
    }
}

/// How many of the seeds notice the fault, and what the first of them says.
fn check(fault: Fault, seeds: u64, says: &[&str]) {
    let mut noticed = Vec::new();
    for seed in 0..seeds {
        if let Err(violation) = World::run(Settings { fault: Some(fault), ..Settings::new(seed) }) {
            noticed.push(violation.what);
        }
    }
    let expected = |what: &String| says.iter().any(|says| what.contains(says));
    println!("{fault:?}: noticed by {} of {seeds} seeds, first: {:?}", noticed.len(), noticed.first());
    assert!(noticed.iter().any(expected), "{fault:?} was not noticed as it should be: {noticed:?}");
    assert!(noticed.iter().all(expected), "{fault:?} was noticed by accident: {noticed:?}");
}

#[test]
fn pruning_what_supersedes_is_noticed() {
    check(Fault::PruneSupersedingToo, 10, &["host"]);
}

#[test]
fn an_acknowledgement_before_the_sync_is_noticed() {
    check(Fault::AcknowledgeBeforeSync, 10, &["host"]);
}

#[test]
fn a_forgotten_outbox_is_noticed() {
    check(Fault::ForgetOutbox, 20, &["in the end", "ends with", "lost"]);
}

#[test]
fn ties_broken_by_arrival_are_noticed() {
    check(Fault::FirstArrivalWinsTies, 20, &["lost", "ends with", "shows"]);
}

#[test]
fn a_cursor_that_moves_before_what_it_stands_for_is_noticed() {
    check(Fault::CursorBeforeStore, 30, &["ends with", "in the end", "lost", "superseded"]);
}
