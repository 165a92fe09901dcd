//! `seabag admin`, `health` and `serve` as the keeper of a server uses them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::io::Write;
use std::path::Path;

use cli_support::{User, wait_until};
use seabag_testing::process::{ServerProcess, Setup};
use serde_json::{Value, json};

/// A server that another one's backup was restored into, by the program.
async fn restored(keeper: &User, backup: &str) -> ServerProcess {
    let data = keeper.path(&format!("{backup}.restored"));
    let data_text = data.display().to_string();
    let told = keeper.run(&["admin", "restore", "--data", &data_text, backup]).good();
    assert!(told.stderr.contains("rows are restored"), "{}", told.stderr);
    let checked = keeper.run(&["admin", "check", "--data", &data_text]).good();
    assert!(checked.stdout.is_empty() && checked.stderr.contains("Nothing is wrong"), "{checked:?}");
    Setup::new().data(&data).start().await
}

/// Whether there is nothing but the lock, which stays.
fn is_vacant(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.into_iter().all(|entry| entry.unwrap().file_name() == "lock")
}

async fn page(server: &ServerProcess, room: &str, since: &str) -> Value {
    server.request("GET", &format!("/room/{room}/stream?since={since}")).send().await.json()
}

#[tokio::test]
async fn a_keeper_sees_the_rooms_by_their_hashes_and_deletes_one() {
    let server = ServerProcess::start().await;
    let keeper = User::of(&server);
    for alias in ["one", "two"] {
        keeper.run(&["room", "new", "--as", alias]).good();
        keeper.run(&["room", "push", alias, "log", "\"some\""]).good();
    }
    let hash =
        |alias| keeper.run(&["room", "info", alias]).good().line()["hash"].as_str().unwrap().to_owned();
    let (one, two) = (hash("one"), hash("two"));
    let listed = keeper.run(&["admin", "rooms"]).good();
    let mut hashes = listed.field("hash");
    let mut expected = vec![json!(one), json!(two)];
    hashes.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(hashes, expected);
    for alias in ["one", "two"] {
        assert!(!listed.stdout.contains(&keeper.id(alias)), "a hash is no way in");
    }
    assert_eq!(keeper.run(&["admin", "rooms", "--unused-for", "1h"]).good().stdout, "");

    let stats = keeper.run(&["admin", "stats", "--json"]).good().line();
    assert!(stats.as_object().unwrap().values().any(|number| *number == json!(2)), "{stats}");
    let table = keeper.run(&["admin", "stats"]).good().stdout;
    assert_eq!(table.lines().count(), stats.as_object().unwrap().len());

    let mut tail = keeper.start(&["room", "tail", "one", "--all"]);
    tail.line();
    keeper.run(&["admin", "delete", &one]).bad(2, "--yes");
    keeper.run(&["admin", "delete", "nonsense", "--yes"]).bad(2, "32 hex digits");
    keeper.run(&["admin", "delete", &one, "--yes"]).good();
    tail.done().bad(1, "room_deleted");
    keeper.run(&["room", "get", "one", "log"]).bad(1, "unknown_room");
    keeper.run(&["room", "get", "two", "log"]).good();
    keeper.run(&["admin", "delete", &one, "--yes"]).bad(1, "unknown_room");
    assert_eq!(keeper.run(&["admin", "rooms"]).good().field("hash"), [json!(two)]);
    // A closed room is the keeper's alone to delete.
    keeper.run(&["room", "push", "two", "log", "0", "--action", "close"]).good();
    keeper.run(&["room", "rm", "two", "--yes"]).bad(1, "closed");
    keeper.run(&["admin", "delete", &two, "--yes"]).good();
}

#[tokio::test]
async fn the_admin_address_is_closed_to_whoever_lacks_its_token() {
    let server = Setup::new().variable("SEABAG_ADMIN_TOKEN", "open sesame").start().await;
    let stranger = User::of(&server);
    let hash = "0".repeat(32);
    let commands: [&[&str]; 4] = [
        &["admin", "stats"],
        &["admin", "rooms"],
        &["admin", "backup", "b"],
        &["admin", "delete", &hash, "--yes"],
    ];
    for words in commands {
        stranger.run(words).bad(1, "token_required");
    }
    let liar = User::of(&server).with("SEABAG_ADMIN_TOKEN", "open barley");
    let told = liar.run(&["admin", "stats"]).bad(1, "token_required");
    assert!(!told.stderr.contains("barley"));
    assert!(!stranger.path("b").exists(), "no file without a backup");

    let keeper = User::of(&server).with("SEABAG_ADMIN_TOKEN", "open sesame");
    keeper.run(&["admin", "stats"]).good();
    let file = stranger.file("token", "open sesame\n");
    stranger.run(&["admin", "backup", "b", "--admin-token-file", &file]).good();
    stranger.run(&["admin", "stats", "--admin-token-file", "missing"]).bad(2, "missing");
    server.assert_keeps(&["sesame", "barley"]).await;
}

#[tokio::test]
async fn rooms_are_made_by_whoever_has_the_creation_token() {
    let server = Setup::new().variable("SEABAG_CREATION_TOKEN", "let me in").start().await;
    let user = User::of(&server);
    user.run(&["room", "new", "--as", "a"]).bad(1, "token_required");
    user.run(&["room", "ls"]).good();
    let file = user.file("token", "let me in\n");
    user.run(&["room", "new", "--as", "a", "--creation-token-file", &file]).good();
    user.run(&["room", "push", "a", "log", "1"]).good();
}

#[tokio::test]
async fn a_backup_made_while_clients_write_holds_everything_that_was_acknowledged_before_it() {
    let server = ServerProcess::start().await;
    let keeper = User::of(&server);
    keeper.run(&["room", "new", "--as", "busy"]).good();
    let id = keeper.id("busy");
    let mut push = keeper.start(&["room", "push", "busy", "log", "--lines"]);
    let mut written = 0;
    let mut backups = Vec::new();
    for round in 0..3 {
        for _ in 0..400 {
            written += 1;
            push.write(&format!("line {written}\n"));
        }
        let before = server.entries(&id).await.len();
        let name = format!("backup{round}");
        let told = keeper.run(&["admin", "backup", &name]).good();
        assert!(told.stderr.contains("bytes"), "{}", told.stderr);
        backups.push((name, before));
    }
    push.done().good();
    let piped = keeper.shell("seabag admin backup - > piped").good();
    assert_eq!(piped.stderr, "");
    backups.push(("piped".to_owned(), written));
    for (name, before) in backups {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(keeper.path(&name)).unwrap().permissions().mode() & 0o077;
            assert!(mode == 0 || name == "piped", "others can read {name}");
        }
        let mut other = restored(&keeper, &name).await;
        let entries = other.entries(&id).await;
        assert!(entries.len() >= before, "{name}: {} of {before}", entries.len());
        for (place, entry) in entries.iter().enumerate() {
            assert_eq!(entry["value"], format!("line {}", place + 1), "{name}");
        }
        other.append(&id, "log", json!("goes on")).await;
        assert!(other.stop().await.success());
    }
}

#[tokio::test]
async fn whoever_has_seen_what_a_restored_server_lost_is_told_and_nobody_else() {
    let mut server = ServerProcess::start().await;
    let keeper = User::of(&server);
    keeper.run(&["room", "new", "--as", "a"]).good();
    let id = keeper.id("a");
    for value in ["1", "2", "3"] {
        keeper.run(&["room", "push", "a", "log", value]).good();
    }
    keeper.run(&["admin", "backup", "backup"]).good();
    for value in ["4", "5", "6"] {
        keeper.run(&["room", "push", "a", "log", value]).good();
    }
    let epoch = keeper.run(&["room", "info", "a"]).good().line()["epoch"].as_str().unwrap().to_owned();
    // A later epoch, of which the backup knows nothing.
    server.kill();
    server.restart().await;
    keeper.run(&["room", "push", "a", "log", "7"]).good();
    let later = keeper.run(&["room", "info", "a"]).good().line();
    let later = format!("{}.{}", later["epoch"].as_str().unwrap(), later["seq"]);
    assert!(server.stop().await.success());

    let other = restored(&keeper, "backup").await;
    for seq in 0..=3 {
        let page = page(&other, &id, &format!("{epoch}.{seq}")).await;
        assert_eq!(page["reset"], Value::Null, "{seq}: {page}");
        let values: Vec<_> =
            page["data"].as_array().unwrap().iter().map(|entry| entry["value"].clone()).collect();
        assert_eq!(values, (seq + 1..=3).map(Value::from).collect::<Vec<_>>());
    }
    for seq in 4..=6 {
        let page = page(&other, &id, &format!("{epoch}.{seq}")).await;
        assert_eq!(page["reset"], "ahead", "{seq}: {page}");
        assert_eq!(page["data"].as_array().unwrap().len(), 3);
    }
    assert_eq!(page(&other, &id, &later).await["reset"], "unknown_epoch");

    let reader = User::of(&other).with("SEABAG_ROOM", &id);
    let told = reader.run(&["room", "tail", "--once", "--since", &format!("{epoch}.6")]).good();
    assert!(told.stderr.contains("another history now (ahead)"), "{}", told.stderr);
    assert_eq!(told.field("value"), [1, 2, 3]);
    // New numbers are given out beyond those of the lost history, so the old cursor stays refused.
    let pushed = reader.run(&["room", "push", "log", "8"]).good().line();
    assert!(pushed["seq"].as_u64() > Some(6), "{pushed}");
    assert_eq!(page(&other, &id, &format!("{epoch}.6")).await["reset"], "ahead");
}

#[tokio::test]
async fn a_backup_is_restored_into_an_empty_directory_only() {
    let server = ServerProcess::start().await;
    let keeper = User::of(&server);
    server.new_room().await;
    keeper.run(&["admin", "backup", "backup"]).good();
    let full = keeper.path("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("mine"), "mine").unwrap();
    let told = keeper.run(&["admin", "restore", "--data", "full", "backup"]);
    told.bad(1, "full");
    let left: Vec<_> = std::fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
    let in_use = server.data().display().to_string();
    keeper.run(&["admin", "restore", "--data", &in_use, "backup"]).bad(1, &in_use);
    keeper.run(&["admin", "check", "--data", &in_use]).bad(1, "stop the server first");
    server.assert_serves().await;
    std::fs::create_dir(keeper.path("empty")).unwrap();
    keeper.run(&["admin", "restore", "--data", "empty", "backup"]).good();
    keeper.run(&["admin", "restore", "--data", "empty", "backup"]).bad(1, "empty");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_by_its_name_and_leaves_nothing_behind() {
    let server = ServerProcess::start().await;
    let keeper = User::of(&server);
    let room = server.new_room().await;
    for number in 0..50 {
        server.append(&room, "log", json!(number)).await;
    }
    keeper.run(&["admin", "backup", "whole"]).good();
    let whole = std::fs::read(keeper.path("whole")).unwrap();
    let mut damaged: Vec<(String, Vec<u8>)> = [0, 1, 10, whole.len() / 2, whole.len() - 1]
        .map(|length| (format!("first-{length}"), whole[..length].to_vec()))
        .into();
    for place in [0, whole.len() / 3, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        damaged.push((format!("flipped-{place}"), bytes));
    }
    damaged.push(("longer".to_owned(), [&whole[..], b"x"].concat()));
    for (name, bytes) in damaged {
        keeper.file(&name, bytes);
        keeper.run(&["admin", "restore", "--data", "restored", &name]).bad(1, &name);
        assert!(is_vacant(&keeper.path("restored")), "{name}");
    }
    keeper.shell("head -c 100 whole | seabag admin restore --data restored -").bad(1, "standard input");
    keeper.shell("seabag admin restore --data restored - < whole").good();
}

#[tokio::test]
async fn a_check_finds_damage_and_says_so_with_its_exit_code() {
    let mut server = ServerProcess::start().await;
    let keeper = User::of(&server);
    let room = server.new_room().await;
    server.append(&room, "log", json!("x".repeat(100_000))).await;
    assert!(server.stop().await.success());
    let data = server.data().display().to_string();
    keeper.run(&["admin", "check", "--data", &data]).good();
    std::fs::write(server.data().join("format"), "seabag store 99\n").unwrap();
    keeper.run(&["admin", "check", "--data", &data]).bad(1, "format");
}

#[tokio::test]
async fn health_is_an_exit_code() {
    let mut server = ServerProcess::start().await;
    let user = User::of(&server);
    let told = user.run(&["health"]).good();
    assert_eq!((told.stdout, told.stderr), (String::new(), String::new()));
    assert!(server.stop().await.success());
    user.run(&["health"]).bad(1, "is not ready");
    // Something else answers there.
    let admin = Setup::new().start().await;
    let url = format!("http://{}", admin.admin_address());
    user.run(&["health", "--server", &url]).bad(1, "404");
}

#[tokio::test]
async fn a_server_that_nobody_can_reach_is_named_with_what_starts_one() {
    let mut server = ServerProcess::start().await;
    let user = User::of(&server);
    user.run(&["room", "new", "--as", "a"]).good();
    assert!(server.stop().await.success());
    let commands: [&[&str]; 6] = [
        &["room", "new"],
        &["room", "push", "a", "log", "1"],
        &["room", "push", "a", "log", "--lines"],
        &["room", "get", "a", "log"],
        &["room", "tail", "a"],
        &["health"],
    ];
    for words in commands {
        let told = user.run(words).bad(1, "`seabag serve`");
        assert!(told.stderr.contains(server.address()), "{}", told.stderr);
    }
    let told = user.run(&["admin", "stats"]).bad(1, "--admin-listen");
    assert!(told.stderr.contains(server.admin_address()), "{}", told.stderr);
}

#[tokio::test]
async fn a_server_starts_from_the_configuration_that_another_one_printed() {
    let user = User::new();
    // A server's start builds the program.
    drop(ServerProcess::start().await);
    let token = user.file("token", "secret\n");
    let words = [
        "serve",
        "--print-config",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--durability",
        "interval:20ms",
        "--admin-listen",
        "127.0.0.1:0",
        "--admin-token-file",
        &token,
        "--room-ttl",
        "30d",
        "--public-url",
        "https://rooms.example.org",
        "--log",
        "warn",
        "--log-format",
        "json",
        "--message-bytes-max",
        "64KiB",
        "--cache-bytes",
        "8MiB",
    ];
    let printed = user.run(&words).good().stdout;
    let file = user.file("printed.toml", &printed);
    assert_eq!(user.run(&["serve", "--config", &file, "--print-config"]).good().stdout, printed);
    let by_variable = User::new().with("SEABAG_CONFIG", &file);
    assert_eq!(by_variable.run(&["serve", "--print-config"]).good().stdout, printed);

    let mut server = user.start(&["serve", "--config", &file, "--ready-file", "ready.json"]);
    let ready = ready(&user);
    let url = ready["url"].as_str().unwrap();
    let admin = format!("http://{}", ready["admin_address"].as_str().unwrap());
    let made = user.run(&["room", "new", "--server", url]).good().line();
    assert!(made["http_url"].as_str().unwrap().starts_with("https://rooms.example.org/room/"), "{made}");
    user.run(&["admin", "stats", "--admin", &admin]).bad(1, "token_required");
    user.run(&["admin", "stats", "--admin", &admin, "--admin-token-file", &token]).good();
    assert_eq!(ready["pid"], server.pid());
    assert!(!server.has_ended());
    server.signal("TERM");
    server.done().good();
}

/// What a server wrote once it listened.
fn ready(user: &User) -> Value {
    let path = user.path("ready.json");
    wait_until("the server listens", || path.exists());
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_server_that_says_it_is_ready_can_be_stopped_in_good_order_from_then_on() {
    drop(ServerProcess::start().await);
    let user = User::new();
    // Nobody reads its standard error, and the pipe is full: it goes no further than to its first words there.
    let (mut unread, stderr) = std::io::pipe().unwrap();
    let mut filler = stderr.try_clone().unwrap();
    let filling = std::thread::spawn(move || filler.write_all(&vec![b'\n'; 1 << 20]));
    let words = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"];
    let server = user.start_telling(&words, stderr);
    assert_eq!(ready(&user)["pid"], server.pid());
    server.signal("TERM");
    let reading = std::thread::spawn(move || std::io::copy(&mut unread, &mut std::io::sink()));
    server.done().good();
    filling.join().unwrap().unwrap();
    reading.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_nothing_says_so() {
    drop(ServerProcess::start().await);
    let user = User::new();
    let server = user.start(&["serve", "--memory", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"]);
    let url = ready(&user)["url"].as_str().unwrap().to_owned();
    let user_there = User::new().with("SEABAG_SERVER", &url);
    user_there.run(&["room", "new", "--as", "a"]).good();
    user_there.run(&["room", "push", "a", "log", "1"]).good();
    server.signal("INT");
    let told = server.done().good();
    assert!(told.stderr.contains("warning: --memory keeps nothing"), "{}", told.stderr);
    assert!(!user.path("seabag-data").exists());
}

#[tokio::test]
async fn a_second_server_on_the_same_data_or_address_is_refused_and_harms_nobody() {
    let server = ServerProcess::start().await;
    let user = User::new();
    let data = server.data().display().to_string();
    let told =
        user.run(&["serve", "--listen", "127.0.0.1:0", "--data", &data]).bad(1, "in use by another process");
    assert!(told.stderr.contains(&data), "{}", told.stderr);
    let other = user.path("other").display().to_string();
    let told =
        user.run(&["serve", "--listen", server.address(), "--data", &other]).bad(1, "cannot listen on");
    assert!(told.stderr.contains(server.address()), "{}", told.stderr);
    server.assert_serves().await;
}
