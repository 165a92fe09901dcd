//! `seabag ent` between devices, through a real server: two devices of one person converge, whatever happens to the
//! network, the server or one of them; and what a person is told when something is in the way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use cli_support::{Done, User, wait_until};
use seabag_testing::process::{ServerProcess, Setup};
use serde_json::{Value, json};

/// Nothing listens there: the port is reserved and never given out.
const NOBODY: &str = "http://127.0.0.1:1";

fn url(server: &ServerProcess) -> String {
    format!("http://{}", server.address())
}

/// A device with a seed of its own.
fn device() -> User {
    let user = User::new();
    user.run(&["keys", "new"]).good();
    user
}

/// Another device of the same person.
fn sibling(of: &User) -> User {
    let user = User::new();
    let words = of.run(&["keys", "words"]).good().stdout;
    user.feed(&["keys", "new", "--from-words"], words).good();
    user
}

fn link(user: &User, server: &ServerProcess) -> Done {
    user.run(&["ent", "link", &url(server)]).good()
}

fn sync(user: &User) -> Done {
    user.run(&["ent", "sync"]).good()
}

/// Writes an entity; its id.
fn put(user: &User, words: &[&str]) -> String {
    let mut all = vec!["ent", "put"];
    all.extend(words);
    user.run(&all).good().stdout.trim().to_owned()
}

/// Writes an entity and syncs; its id. It syncs for two seconds at most, and says so when they were not enough.
fn put_and_sync(user: &User, words: &[&str]) -> String {
    let mut all = vec!["ent", "put", "--sync"];
    all.extend(words);
    let done = user.run(&all).good();
    if done.stderr.contains("saved here") {
        sync(user);
    }
    done.stdout.trim().to_owned()
}

/// Everything that a device has.
fn all(user: &User) -> Vec<Value> {
    user.run(&["ent", "ls", "--json"]).good().lines()
}

fn bodies(user: &User) -> Vec<Value> {
    let mut bodies: Vec<Value> = all(user).iter().map(|line| line["body"].clone()).collect();
    bodies.sort_by_key(Value::to_string);
    bodies
}

fn status(user: &User) -> Value {
    user.run(&["ent", "status", "--json"]).good().line()
}

/// Everything in a directory tree, as bytes.
fn bytes_below(directory: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => bytes.extend(bytes_below(&entry.path())),
            false => bytes.extend(std::fs::read(entry.path()).unwrap_or_default()),
        }
    }
    bytes
}

#[tokio::test]
async fn two_devices_of_one_seed_converge_after_writing_offline() {
    let server = ServerProcess::start().await;
    let one = device();
    let shared = put(&one, &["note", "\"written before any host was linked\""]);
    let linked = link(&one, &server);
    assert!(linked.stderr.contains("main"), "{}", linked.stderr);
    let two = sibling(&one);
    link(&two, &server);
    assert_eq!(all(&two), all(&one));

    // Each writes while it knows nothing of the other; the later change of one entity wins.
    put(&one, &["--id", &shared, "\"by one\""]);
    put(&two, &["--id", &shared, "\"by two\""]);
    let gone = put(&one, &["note", "\"deleted by two\""]);
    put(&two, &["todo", "2"]);
    sync(&one);
    sync(&two);
    two.run(&["ent", "rm", &gone]).good();
    sync(&two);
    sync(&one);
    assert_eq!(all(&two), all(&one));
    assert_eq!(bodies(&one), [json!("by two"), json!(2)]);
    for user in [&one, &two] {
        let link = &status(user)["links"][0];
        assert_eq!((&link["state"], &link["waiting"]), (&json!("synced"), &json!(0)));
    }
    let shown = one.run(&["ent", "get", &shared]).good().stdout;
    assert!(shown.contains("stored   here, main\n"), "{shown}");
}

#[tokio::test]
async fn the_host_sees_neither_words_nor_types() {
    let mut server = ServerProcess::start().await;
    let one = device();
    put(&one, &["secretive", "\"a very peculiar sentence\"", "--group", "whispering"]);
    link(&one, &server);
    assert!(server.stop().await.success());
    let kept = String::from_utf8_lossy(&bytes_below(server.data())).into_owned();
    for word in ["secretive", "peculiar", "whispering"] {
        assert!(!kept.contains(word), "{word} is on the host's disk");
        assert!(!server.stderr().contains(word));
    }
}

#[tokio::test]
async fn a_change_on_one_device_shows_on_another_that_watches() {
    let server = ServerProcess::start().await;
    let one = device();
    link(&one, &server);
    let two = sibling(&one);
    link(&two, &server);
    let mut watch = two.start(&["ent", "watch", "--all", "--json"]);
    let id = put_and_sync(&one, &["note", "1"]);
    let first = watch.line();
    assert_eq!((&first["change"], &first["new"]["body"]), (&json!("created"), &json!(1)));
    put_and_sync(&one, &["--id", &id, "2"]);
    let second = watch.line();
    assert_eq!((&second["old"]["body"], &second["new"]["body"]), (&json!(1), &json!(2)));
    // What is written on the watching device goes up by itself.
    put(&two, &["note", "3"]);
    assert_eq!(watch.line()["new"]["body"], 3);
    let mut follow = one.start(&["ent", "sync", "--follow", "--json"]);
    wait_until("the change of the watching device", || bodies(&one) == [json!(2), json!(3)]);
    // It comes to the database a moment before the program waits for a signal.
    follow.line();
    follow.signal("INT");
    watch.signal("INT");
    follow.done().good();
    watch.done().good();
}

#[tokio::test]
async fn a_host_that_is_away_is_linked_and_reached_later() {
    let mut server = ServerProcess::start().await;
    let one = device();
    put(&one, &["note", "1"]);
    assert!(server.stop().await.success());
    let away = one.run(&["ent", "link", &url(&server)]).bad(1, "cannot be reached");
    assert!(away.stderr.contains("seabag ent sync"), "{}", away.stderr);
    let link = &status(&one)["links"][0];
    assert_eq!((&link["state"], &link["compared"]), (&json!("stuck"), &json!(false)));
    assert_eq!(link["trouble"]["code"], "network");
    let started = put(&one, &["note", "2", "--sync"]);
    assert_eq!(started.len(), 20, "it is written all the same");
    assert_eq!(status(&one)["links"][0]["waiting"], 1);
    one.run(&["ent", "sync"]).bad(1, "cannot be reached");
    server.restart().await;
    sync(&one);
    assert_eq!(status(&one)["links"][0]["state"], "synced");
    let two = sibling(&one);
    self::link(&two, &server);
    assert_eq!(bodies(&two), [1, 2]);
}

#[tokio::test]
async fn a_following_sync_outlives_a_crash_of_the_server() {
    let mut server = ServerProcess::start().await;
    let one = device();
    link(&one, &server);
    let two = sibling(&one);
    link(&two, &server);
    let follow = [one.start(&["ent", "sync", "--follow"]), two.start(&["ent", "sync", "--follow"])];
    for round in 0..3 {
        put(&one, &["note", &round.to_string()]);
        server.kill();
        put(&two, &["note", &(10 + round).to_string()]);
        server.restart().await;
    }
    wait_until("both have all", || bodies(&one).len() == 6 && bodies(&two).len() == 6);
    assert_eq!(all(&one), all(&two));
    for running in follow {
        running.signal("TERM");
        drop(running);
    }
}

#[tokio::test]
async fn a_host_that_asks_for_a_token_gets_it() {
    let home = tempfile::TempDir::new().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "open sesame\n").unwrap();
    let setup = Setup::new().flag("registration", "token").flag("registration-token-file", token.display());
    let server = setup.start().await;
    let one = device();
    put(&one, &["note", "1"]);
    let refused = one.run(&["ent", "link", &url(&server)]).bad(1, "--token-file");
    assert!(!refused.stderr.contains("sesame"));
    let file = token.display().to_string();
    one.run(&["ent", "link", &url(&server), "--token-file", &file]).good();
    assert_eq!(status(&one)["links"][0]["state"], "synced");
    let two = sibling(&one);
    link(&two, &server);
    assert_eq!(bodies(&two), [1], "the account is there: no token is asked for");
}

#[tokio::test]
async fn an_export_of_one_device_is_imported_into_another() {
    let one = device();
    put(&one, &["note", "1"]);
    let deleted = put(&one, &["note", "2"]);
    one.run(&["ent", "rm", &deleted]).good();
    let file = one.path("all.dpl").display().to_string();
    let exported = one.run(&["ent", "export", &file]).good();
    assert!(exported.stderr.contains("2 messages"), "{}", exported.stderr);
    one.run(&["ent", "export", &file]).bad(2, "--force");
    one.run(&["ent", "export", &file, "--force"]).good();
    let bytes = std::fs::read(&file).unwrap();

    let two = sibling(&one);
    two.run(&["ent", "import", &file]).good();
    assert_eq!(all(&two), all(&one));
    let again = two.run(&["ent", "import", &file]).good();
    assert!(again.stderr.contains("0 are new"), "{}", again.stderr);
    put(&two, &["note", "3"]);
    two.run(&["ent", "import", &file]).good();
    assert_eq!(bodies(&two), [1, 3]);

    let stranger = device();
    stranger.run(&["ent", "import", &file]).bad(1, "another seed");
    let cut = one.file("cut.dpl", &bytes[..bytes.len() / 2]);
    two.run(&["ent", "import", &cut]).bad(1, "cut.dpl");
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = one.file("damaged.dpl", damaged);
    let three = sibling(&one);
    three.run(&["ent", "import", &damaged]).bad(1, "1 of 2");
    two.run(&["ent", "import", "missing.dpl"]).bad(1, "missing.dpl");
}

#[tokio::test]
async fn an_account_is_deleted_by_who_types_its_label() {
    let server = ServerProcess::start().await;
    let one = device();
    put(&one, &["note", "1"]);
    link(&one, &server);
    one.run(&["ent", "delete-account", "other"]).bad(2, "there are: main");
    one.run(&["ent", "delete-account", "main"]).bad(2, "--yes");
    one.run(&["ent", "delete-account", "main", "--yes"]).good();
    assert_eq!(status(&one)["links"], json!([]));
    assert_eq!(bodies(&one), [1], "here it stays");
    let two = sibling(&one);
    link(&two, &server);
    assert_eq!(bodies(&two), Vec::<Value>::new(), "there it is gone");
}

#[tokio::test]
async fn links_have_labels_and_are_forgotten_by_them() {
    let (home, away) = (ServerProcess::start().await, ServerProcess::start().await);
    let one = device();
    put(&one, &["note", "1"]);
    link(&one, &home);
    link(&one, &home);
    one.run(&["ent", "link", &url(&away)]).bad(2, "--label NAME");
    one.run(&["ent", "link", &url(&away), "--label", "second"]).good();
    let two = sibling(&one);
    two.run(&["ent", "link", &url(&away), "--label", "second"]).good();
    assert_eq!(bodies(&two), [1], "a host that is linked later gets what was there before");
    one.run(&["ent", "unlink", "second"]).good();
    one.run(&["ent", "unlink", "second"]).bad(2, "there are: main");
    for (wrong, expected) in
        [("host.example.org", "https://"), ("ftp://x", "https://"), ("http://x/path", "no path")]
    {
        one.run(&["ent", "link", wrong]).bad(2, expected);
    }
    // The keys of an empty label are those that seal bags.
    one.run(&["ent", "link", &url(&away), "--label", ""]).bad(2, "1 to 256 bytes");
    one.run(&["keys", "show", "--label", ""]).bad(2, "not empty");
}

#[tokio::test]
async fn a_wiped_host_is_filled_again_and_nothing_deleted_returns() {
    let mut server = ServerProcess::start().await;
    let one = device();
    let gone = put(&one, &["note", "1"]);
    put(&one, &["note", "2"]);
    link(&one, &server);
    let two = sibling(&one);
    link(&two, &server);
    one.run(&["ent", "rm", &gone]).good();
    sync(&one);
    assert!(server.stop().await.success());
    std::fs::remove_dir_all(server.data()).unwrap();
    server.restart().await;
    let told = sync(&one);
    assert!(told.stderr.contains("again"), "it is said: {}", told.stderr);
    sync(&two);
    let three = sibling(&one);
    link(&three, &server);
    for user in [&one, &two, &three] {
        assert_eq!(bodies(user), [2]);
    }
}

#[tokio::test]
async fn an_audit_ends_and_every_command_with_json_prints_lines_of_json() {
    let server = ServerProcess::start().await;
    let one = device();
    let id = put(&one, &["note", "1", "--group", "g"]);
    link(&one, &server);
    let file = one.path("all.dpl").display().to_string();
    for words in [
        &["ent", "sync"][..],
        &["ent", "sync", "--audit"],
        &["ent", "put", "note", "2", "--sync"],
        &["ent", "get", &id],
        &["ent", "ls"],
        &["ent", "ls", "--count"],
        &["ent", "tree"],
        &["ent", "history", &id],
        &["ent", "keep", "note", "all"],
        &["ent", "status"],
        &["ent", "export", &file],
        &["ent", "import", &file],
        &["ent", "rm", &id],
        &["ent", "undo", &id],
        &["keys", "show"],
    ] {
        let done = one.run(&[words, &["--json"]].concat()).good();
        assert!(!done.lines().is_empty(), "{words:?}");
    }
}

#[tokio::test]
async fn without_a_seed_or_a_link_it_says_what_to_do() {
    let user = User::new();
    for command in
        [&["ent", "sync"][..], &["ent", "link", NOBODY], &["ent", "export", "x"], &["ent", "import", "x"]]
    {
        user.run(command).bad(2, "seabag keys new");
    }
    user.run(&["keys", "new"]).good();
    user.run(&["ent", "sync"]).bad(2, "seabag ent link URL");
    let note = user.run(&["ent", "put", "note", "1", "--sync"]).good();
    assert!(note.stderr.contains("seabag ent link URL"), "{}", note.stderr);
}
