//! `seabag ent` without a network: what one person keeps on one device, how it is asked for, and what is said when
//! something is missing. Two devices are in `cli_devices.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::os::unix::fs::PermissionsExt;

use cli_support::{Done, User};
use serde_json::{Value, json};

/// Nothing listens there: the port is reserved and never given out.
const NOBODY: &str = "http://127.0.0.1:1";

/// Writes an entity; its id.
fn put(user: &User, words: &[&str]) -> String {
    let mut all = vec!["ent", "put"];
    all.extend(words);
    user.run(&all).good().stdout.trim().to_owned()
}

fn list(user: &User, words: &[&str]) -> Done {
    let mut all = vec!["ent", "ls", "--json"];
    all.extend(words);
    user.run(&all).good()
}

fn body(user: &User, id: &str) -> Value {
    user.run(&["ent", "get", id, "--json"]).good().line()["body"].clone()
}

#[test]
fn an_entity_is_written_and_read_without_seed_or_network() {
    let user = User::new();
    let id = put(&user, &["todo", "{\"text\":\"milk\",\"done\":false}"]);
    assert_eq!(id.len(), 20);
    let read = user.run(&["ent", "get", &id, "--json"]).good().line();
    assert_eq!(read["id"], id.as_str());
    assert_eq!((&read["type"], &read["counter"]), (&json!("todo"), &json!(0)));
    assert_eq!(read["created"], read["updated"]);
    assert_eq!(read["body"], json!({"text": "milk", "done": false}));
    assert!(read.get("parent").is_none() && read.get("group").is_none());
    let shown = user.run(&["ent", "get", &id]).good().stdout;
    for words in [&id, "todo", "\"text\": \"milk\"", "stored   here\n"] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    let mode = |name: &str| std::fs::metadata(user.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("ents.db"), 0o600, "for its owner alone");
}

#[test]
fn a_body_comes_from_an_argument_a_file_or_standard_input() {
    let user = User::new();
    let file = user.file("note.json", " [1, 2] ");
    assert_eq!(body(&user, &put(&user, &["n", "-5"])), -5);
    assert_eq!(body(&user, &put(&user, &["n", &format!("@{file}")])), json!([1, 2]));
    assert_eq!(body(&user, &put(&user, &["n", "--text", "say \"hi\""])), "say \"hi\"");
    for words in [&["ent", "put", "n"][..], &["ent", "put", "n", "-"]] {
        let id = user.feed(words, "{\"a\":null}\n").good().stdout;
        assert_eq!(body(&user, id.trim()), json!({"a": null}));
    }
    let many = user.feed(&["ent", "put", "line", "--lines"], "1\n\n{\"two\":2}\n").good();
    let ids: Vec<&str> = many.stdout.lines().collect();
    assert_eq!((body(&user, ids[0]), body(&user, ids[1])), (json!(1), json!({"two": 2})));
    let partly = user.feed(&["ent", "put", "line", "--lines"], "3\nfour\n5\n");
    partly.bad(1, "line 2").bad(1, "1 before it are written");
    assert_eq!(list(&user, &["line", "--count"]).line(), json!({"count": 3}));
    let special = "{\"at\":{\"$date\":1767225600000},\"raw\":{\"$bytes\":\"AAE=\"}}";
    let id = put(&user, &["n", special]);
    assert_eq!(body(&user, &id), serde_json::from_str::<Value>(special).unwrap());
}

#[test]
fn a_change_replaces_the_body_and_keeps_the_rest_unless_told() {
    let user = User::new();
    let list_id = put(&user, &["list", "\"groceries\""]);
    let id = put(&user, &["todo", "1", "--parent", &list_id, "--group", "home"]);
    let change = |words: &[&str]| {
        let mut all = vec!["ent", "put", "--json", "--id", &id];
        all.extend(words);
        user.run(&all).good().line()
    };
    let changed = change(&["2"]);
    assert_eq!(changed["body"], 2);
    assert_eq!((&changed["type"], &changed["group"]), (&json!("todo"), &json!("home")));
    assert_eq!((&changed["parent"], &changed["counter"]), (&json!(list_id), &json!(1)));
    assert!(changed["updated"].as_u64() > changed["created"].as_u64());
    assert_eq!(change(&["done", "3", "--group", "past"])["group"], "past");
    let bare = change(&["4", "--no-group", "--no-parent"]);
    assert!(bare.get("group").is_none() && bare.get("parent").is_none() && bare["type"] == "done");
    let unknown = "CAECAwQFBgcIgPD5zcgz";
    user.run(&["ent", "put", "--id", unknown, "1"]).bad(2, "give its type before the body");
    assert_eq!(put(&user, &["--id", unknown, "todo", "1"]), unknown);
}

#[test]
fn lists_have_an_order_ends_and_pages() {
    let user = User::new();
    let parent = put(&user, &["list", "0"]);
    for number in 0..5 {
        let group = if number % 2 == 0 { "even" } else { "odd" };
        put(&user, &["n", &number.to_string(), "--group", group, "--parent", &parent]);
    }
    let bodies = |words: &[&str]| list(&user, words).field("body");
    assert_eq!(bodies(&["n"]), [0, 1, 2, 3, 4]);
    assert_eq!(bodies(&["n", "--reverse"]), [4, 3, 2, 1, 0]);
    assert_eq!(bodies(&[]).len(), 6);
    let sorted = |words: &[&str]| {
        let mut found: Vec<u64> = bodies(words).iter().map(|body| body.as_u64().unwrap()).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(sorted(&["n", "--group", "odd"]), [1, 3]);
    assert_eq!(sorted(&["n", "--parent", &parent]), [0, 1, 2, 3, 4]);
    assert_eq!(list(&user, &["n", "--group", "odd", "--count"]).line(), json!({"count": 2}));
    assert_eq!(user.run(&["ent", "ls", "n", "--count"]).good().stdout, "5\n");

    let mut after: Option<String> = None;
    let mut read = Vec::new();
    loop {
        let mut words = vec!["n", "--limit", "2"];
        if let Some(cursor) = &after {
            words.extend(["--after", cursor]);
        }
        let page = list(&user, &words);
        read.extend(page.field("body"));
        match page.stderr.trim().strip_prefix("There are more: --after ") {
            Some(cursor) => after = Some(cursor.to_owned()),
            None => break,
        }
    }
    assert_eq!(read, [0, 1, 2, 3, 4]);

    let times = list(&user, &["n"]).field("created");
    let between = format!("{}..{}", times[1], times[3]);
    assert_eq!(bodies(&["n", "--created", &between]), [1, 2, 3]);
    let first = list(&user, &["n"]).lines()[0]["id"].as_str().unwrap().to_owned();
    put(&user, &["--id", &first, "9"]);
    assert_eq!(bodies(&["n", "--updated", "1h..", "--reverse", "--limit", "1"]), [9], "by the last change");
    assert_eq!(bodies(&["n", "--created", "2030-01-01.."]), Vec::<Value>::new());
}

#[test]
fn a_table_is_for_people_and_lets_no_control_character_through() {
    let user = User::new();
    let id = put(&user, &["note", "--text", "a\u{1b}[2Jb\u{202e}c"]);
    for words in [&["ent", "ls"][..], &["ent", "get", &id], &["ent", "tree"], &["ent", "history", &id]] {
        let shown = user.run(words).good().stdout;
        assert!(
            shown.contains("note") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
    let table = user.run(&["ent", "ls"]).good().stdout;
    assert!(table.starts_with("ID "), "{table}");
    assert!(!table.contains("GROUP"), "a column that nobody fills is not shown: {table}");
    assert_eq!(body(&user, &id), "a\u{1b}[2Jb\u{202e}c", "programs get what was written");
}

#[test]
fn a_tree_shows_what_belongs_to_what() {
    let user = User::new();
    let root = put(&user, &["list", "\"groceries\""]);
    let milk = put(&user, &["todo", "\"milk\"", "--parent", &root]);
    put(&user, &["remark", "\"the blue one\"", "--parent", &milk]);
    put(&user, &["todo", "\"bread\"", "--parent", &root]);
    let other = put(&user, &["list", "\"work\""]);
    let drawn = user.run(&["ent", "tree"]).good().stdout;
    let shape: Vec<String> = drawn.lines().map(|line| line.replace(char::is_alphanumeric, "")).collect();
    assert_eq!(shape.len(), 5, "{drawn}");
    let lines = |words: &[&str]| {
        let mut all = vec!["ent", "tree", "--json"];
        all.extend(words);
        let done = user.run(&all).good();
        let depths = done.field("depth");
        depths.into_iter().zip(done.field("body")).map(|pair| json!([pair.0, pair.1])).collect::<Vec<_>>()
    };
    let groceries =
        [json!([0, "groceries"]), json!([1, "milk"]), json!([2, "the blue one"]), json!([1, "bread"])];
    assert_eq!(lines(&[&root]), groceries);
    assert_eq!(lines(&[&other]), [json!([0, "work"])]);
    assert_eq!(lines(&["todo"]).len(), 3, "what is above a type is not drawn");
    let one = user.run(&["ent", "tree", &root]).good().stdout;
    let marks: Vec<&str> = one.lines().map(|line| line.split('C').next().unwrap()).collect();
    assert_eq!(marks, ["", "├─ ", "│  └─ ", "└─ "]);
}

#[test]
fn a_type_that_keeps_its_past_can_go_back() {
    let user = User::new();
    let id = put(&user, &["note", "1"]);
    let hint = user.run(&["ent", "history", &id]).good();
    assert!(hint.stderr.contains("seabag ent keep note all"), "{}", hint.stderr);
    put(&user, &["--id", &id, "2"]);
    user.run(&["ent", "undo", &id]).bad(1, "seabag ent keep TYPE all");

    assert_eq!(user.run(&["ent", "keep", "note"]).good().stdout, "note  latest\n");
    user.run(&["ent", "keep", "note", "all"]).good();
    put(&user, &["--id", &id, "3"]);
    assert_eq!(user.run(&["ent", "undo", &id, "--json"]).good().line()["body"], 2);
    user.run(&["ent", "rm", &id]).good();
    user.run(&["ent", "get", &id]).bad(1, "it was deleted");
    user.run(&["ent", "undo", &id]).good();
    assert_eq!(body(&user, &id), 2, "a deleted entity comes back");
    let past = user.run(&["ent", "history", &id, "--json"]).good();
    assert_eq!(past.field("body"), [json!(2), Value::Null, json!(2), json!(3), json!(2)]);
    user.run(&["ent", "keep", "note", "latest"]).good();
    assert_eq!(user.run(&["ent", "history", &id, "--json"]).good().lines().len(), 1);
}

#[test]
fn what_is_deleted_is_gone_and_what_is_not_there_is_said() {
    let user = User::new();
    let (one, two) = (put(&user, &["n", "1"]), put(&user, &["n", "2"]));
    let missing = "CAECAwQFBgcIgPD5zcgz";
    let removed = user.run(&["ent", "rm", &one, missing, &two]);
    assert_eq!((removed.code, removed.stdout.as_str()), (1, format!("{one}\n{two}\n").as_str()));
    assert!(removed.stderr.contains(missing), "{}", removed.stderr);
    assert_eq!(list(&user, &[]).stdout, "");
    user.run(&["ent", "rm", &one]).bad(1, "there is no entity");
    user.run(&["ent", "get", missing]).bad(1, "there is no entity");
    let status = user.run(&["ent", "status", "--json"]).good().line();
    assert_eq!((&status["entities"], &status["deleted"]), (&json!(0), &json!(2)));
}

#[test]
fn every_refusal_says_what_to_do() {
    let user = User::new();
    let empty = user.run(&["ent", "ls"]).good();
    assert!(empty.stdout.is_empty() && empty.stderr.contains("seabag ent put"), "{empty:?}");
    let id = put(&user, &["note", "1"]);
    let other = user.run(&["ent", "ls", "todo"]).good();
    assert!(other.stderr.contains("note"), "the types that there are: {}", other.stderr);
    let not_ours = user.file("not.db", "this is a text file, and a longer one than a header of a database");
    let cases: [(&[&str], i32, &str); 12] = [
        (&["ent", "link", NOBODY], 2, "seabag keys new"),
        (&["ent", "put", "note", "milk"], 2, "--text"),
        (&["ent", "put"], 2, "TYPE"),
        (&["ent", "put", "note", "@missing.json"], 1, "missing.json"),
        (&["ent", "get", "milk"], 2, "seabag ent ls"),
        (&["ent", "ls", "note", "--created", "yesterday"], 2, "2026-11-22"),
        (&["ent", "ls", "note", "--after", "x"], 2, "--after"),
        (&["ent", "ls", "--group", "g"], 2, "TYPE"),
        (&["ent", "unlink", "main"], 2, "seabag ent link"),
        (&["ent", "ls", "--database", &not_ours], 1, "--database"),
        (&["ent", "undo", &id], 1, "seabag ent keep"),
        (&["ent", "keep", "note", "some"], 2, "all, latest"),
    ];
    for (words, code, expected) in cases {
        user.run(words).bad(code, expected);
    }
    let status = user.run(&["ent", "status"]).good();
    assert!(status.stderr.contains("seabag ent link"), "{}", status.stderr);
}

#[test]
fn a_database_stays_with_the_seed_that_it_was_first_used_with() {
    let user = User::new();
    put(&user, &["note", "1"]);
    user.run(&["keys", "new"]).good();
    put(&user, &["note", "2"]);
    let user = user.with("SEABAG_SEED", &"ab".repeat(32));
    let refused = user.run(&["ent", "put", "note", "3"]).bad(2, "belongs to the seed with the fingerprint");
    assert!(refused.stderr.contains("--seed-file") && refused.stderr.contains("--database"));
    user.run(&["ent", "link", NOBODY]).bad(2, "belongs to the seed");
    assert_eq!(list(&user, &["--count"]).line(), json!({"count": 2}), "reading needs no seed");
    put(&user, &["note", "3", "--database", "other.db"]);
    let user = user.with("SEABAG_SEED", "");
    put(&user, &["note", "4"]);
    std::fs::set_permissions(user.path("seed"), std::fs::Permissions::from_mode(0o644)).unwrap();
    user.run(&["ent", "put", "note", "5"]).bad(2, "chmod 600");
    list(&user, &[]);
}

#[test]
fn a_watcher_hears_what_other_commands_write_with_old_and_new() {
    let user = User::new();
    let id = put(&user, &["note", "1"]);
    let mut watch = user.start(&["ent", "watch", "note", "--all", "--offline", "--json"]);
    let first = watch.line();
    assert_eq!((&first["change"], &first["old"]), (&json!("created"), &Value::Null));
    put(&user, &["todo", "\"of another type\""]);
    put(&user, &["--id", &id, "2"]);
    let changed = watch.line();
    assert_eq!(changed["change"], "updated");
    assert_eq!((&changed["old"]["body"], &changed["new"]["body"]), (&json!(1), &json!(2)));
    user.run(&["ent", "rm", &id]).good();
    let gone = watch.line();
    assert_eq!((&gone["change"], &gone["id"]), (&json!("deleted"), &json!(id)));
    assert_eq!((&gone["old"]["body"], &gone["new"]), (&json!(2), &Value::Null));
    watch.signal("INT");
    watch.done().good();
}
