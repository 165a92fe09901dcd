//! `seabag keys`: a seed is made once, kept for its owner alone, carried over by its words, and shown only to who
//! asks for it by name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::os::unix::fs::PermissionsExt;

use cli_support::User;
use serde_json::Value;

/// A seed that is no secret, and its words, from the standard's own list of examples (all bits zero).
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn zero_words() -> String {
    format!("{}art", "abandon ".repeat(23))
}

fn seed_of(user: &User) -> String {
    user.run(&["keys", "show", "--secret"]).good().stdout
}

fn fingerprint(user: &User) -> Value {
    user.run(&["keys", "show", "--json"]).good().line()["fingerprint"].clone()
}

#[test]
fn a_seed_is_made_once_for_its_owner_alone() {
    let user = User::new();
    user.run(&["keys", "show"]).bad(2, "seabag keys new");
    let made = user.run(&["keys", "new"]).good();
    assert_eq!(made.stdout, "");
    assert!(made.stderr.contains("seabag keys words"), "{}", made.stderr);
    let mode = std::fs::metadata(user.path("seed")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let seed = seed_of(&user);
    assert_eq!(seed.trim().len(), 64);
    user.run(&["keys", "new"]).bad(2, "never overwritten");
    user.feed(&["keys", "new", "--from-words"], zero_words()).bad(2, "never overwritten");
    assert_eq!(seed_of(&user), seed);
    assert_ne!(
        seed_of(&{
            let other = User::new();
            other.run(&["keys", "new"]).good();
            other
        }),
        seed
    );
}

#[test]
fn the_words_of_one_device_give_another_the_same_seed() {
    let (one, two) = (User::new(), User::new());
    one.run(&["keys", "new"]).good();
    let words = one.run(&["keys", "words"]).good().stdout;
    assert_eq!(words.split_whitespace().count(), 24);
    // As a person types them.
    let typed = words.to_uppercase().replace(' ', "  \n");
    two.feed(&["keys", "new", "--from-words"], typed).good();
    assert_eq!(seed_of(&one), seed_of(&two));
    let account = |user: &User, label: &str| {
        user.run(&["keys", "show", "--label", label, "--json"]).good().line()["account"].clone()
    };
    assert_eq!(account(&one, "main"), account(&two, "main"));
    assert_ne!(account(&one, "main"), account(&one, "other"));
}

#[test]
fn words_that_are_wrong_are_refused_without_being_repeated() {
    let user = User::new();
    let cases = [
        (zero_words().replace("art", "zoo"), "do not fit together"),
        (zero_words().replacen("abandon", "abandonned", 1), "word 1 is not in the list"),
        ("abandon art".to_owned(), "here are 2"),
        (String::new(), "neither a word nor a digit"),
        ("a ".repeat(10_000), "too long"),
    ];
    for (words, expected) in cases {
        let done = user.feed(&["keys", "new", "--from-words"], words);
        assert_ne!(done.code, 0);
        assert!(done.stderr.contains(expected) && !done.stderr.contains("abandon"), "{}", done.stderr);
        assert!(!user.path("seed").exists(), "nothing is written");
    }
}

#[test]
fn a_seed_that_others_can_read_is_refused_with_the_command_that_helps() {
    let user = User::new();
    user.run(&["keys", "new"]).good();
    let path = user.path("seed");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = user.run(&["keys", "show"]).bad(2, "other users can read");
    let (_, command) = refused.stderr.trim().rsplit_once(": ").unwrap();
    assert!(command.starts_with("chmod 600 "), "{command}");
    user.shell(command).good();
    user.run(&["keys", "show"]).good();
}

#[test]
fn the_seed_comes_from_a_flag_that_names_a_file_or_from_variables() {
    let user = User::new();
    user.run(&["keys", "new"]).good();
    let own = fingerprint(&user);
    let user = user.with("SEABAG_SEED", ZERO);
    let zero = fingerprint(&user);
    assert_ne!(own, zero);
    assert!(user.run(&["keys", "show"]).good().stdout.contains("variable SEABAG_SEED"));
    assert_eq!(user.run(&["keys", "words"]).good().stdout.trim(), zero_words());
    let file = user.path("seed").display().to_string();
    let shown = user.run(&["keys", "show", "--json", "--seed-file", &file]).good().line();
    assert_eq!(shown["fingerprint"], own, "a flag goes before a variable");

    let user = user.with("SEABAG_SEED", &zero_words());
    assert_eq!(fingerprint(&user), zero, "words are as good as digits");
    let user = user.with("SEABAG_SEED", "not a seed at all");
    let refused = user.run(&["keys", "show"]).bad(2, "SEABAG_SEED holds no seed");
    assert!(!refused.stderr.contains("not a seed at all"));

    let user = user.with("SEABAG_SEED", "").with("SEABAG_SEED_FILE", "elsewhere/seed");
    user.run(&["keys", "show"]).bad(2, "elsewhere/seed");
    user.feed(&["keys", "new", "--from-words"], ZERO).good();
    assert_eq!(fingerprint(&user), zero);
    assert!(user.path("elsewhere/seed").exists());
}

#[test]
fn only_who_asks_for_the_seed_sees_it() {
    let user = User::new();
    user.run(&["keys", "new"]).good();
    let seed = seed_of(&user);
    let words = user.run(&["keys", "words"]).good().stdout;
    for command in [&["keys", "show"][..], &["keys", "show", "--json"], &["keys", "new"]] {
        let done = user.run(command);
        for output in [&done.stdout, &done.stderr] {
            assert!(!output.contains(seed.trim()) && !output.contains(words.trim()), "{command:?}");
        }
    }
}
