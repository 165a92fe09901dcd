//! `seabag room` against a real server: what users do with rooms, and what becomes of it when servers stop, crash or
//! lose connections on the way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod cli_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cli_support::{User, wait_until};
use seabag_testing::process::{DEADLINE, ServerProcess};
use serde_json::{Value, json};

/// A server, its user, and a room with the alias `build`.
async fn room() -> (ServerProcess, User) {
    let server = ServerProcess::start().await;
    let user = User::of(&server);
    let made = user.run(&["room", "new", "--as", "build"]).good();
    assert_eq!(made.stdout, "", "the id goes into the file of aliases alone");
    (server, user)
}

/// `line 1`, `line 2`, …
fn numbered(count: usize) -> String {
    (1..=count).map(|number| format!("line {number}\n")).collect()
}

fn values(count: usize) -> Vec<Value> {
    (1..=count).map(|number| Value::from(format!("line {number}"))).collect()
}

#[tokio::test]
async fn a_value_comes_from_an_argument_or_from_standard_input_as_json_or_as_text() {
    let (_server, user) = room().await;
    let pushed = user.run(&["room", "push", "build", "note", " { \"a\" : 1 } "]).good();
    assert_eq!(pushed.line(), json!({"key": "note", "seq": 1, "size": 1}));
    user.feed(&["room", "push", "build", "note"], "[1,\n 2]\n").good();
    user.run(&["room", "push", "build", "note", "--text", "say \"hi\""]).good();
    user.feed(&["room", "push", "build", "note", "--text"], "two\nlines\n").good();
    user.run(&["room", "push", "build", "note", "-7"]).good();
    let relayed = user.run(&["room", "push", "build", "note", "8", "--action", "relay"]).good();
    assert_eq!(relayed.line(), json!({"key": "note", "seq": 6, "size": 5}));
    let read = user.run(&["room", "get", "build", "note"]).good();
    assert_eq!(
        read.field("value"),
        [json!({"a": 1}), json!([1, 2]), json!("say \"hi\""), json!("two\nlines"), json!(-7)]
    );
    assert_eq!(read.lines()[0], json!({"key": "note", "value": {"a": 1}, "seq": 1}));
    assert_eq!(user.run(&["room", "get", "build", "note", "--after", "4"]).good().field("seq"), [5]);
    assert_eq!(user.run(&["room", "get", "build", "nothing"]).good().stdout, "");
    user.run(&["room", "push", "build", "note", "9", "--action", "replace"]).good();
    assert_eq!(user.run(&["room", "get", "build", "note"]).good().field("seq"), [7]);
}

#[tokio::test]
async fn every_line_of_a_producer_is_stored_in_order() {
    let (_server, user) = room().await;
    let producer = "for i in $(seq 1 700); do echo \"line $i\"; done";
    user.shell(&format!("{{ {producer}; }} 2>&1 | seabag room push build log --lines")).good();
    assert_eq!(user.run(&["room", "get", "build", "log"]).good().field("value"), values(700));

    let teed = user.feed(&["room", "push", "build", "odd", "--lines", "--tee"], "a\r\n\n b \nlast").good();
    assert_eq!(teed.stdout, "a\r\n\n b \nlast", "what is passed on is not changed");
    assert_eq!(user.run(&["room", "get", "build", "odd"]).good().field("value"), ["a", "", " b ", "last"]);

    user.feed(&["room", "push", "build", "json", "--json-lines"], "{\"n\":1}\n\n[2]\n").good();
    assert_eq!(
        user.run(&["room", "get", "build", "json"]).good().field("value"),
        [json!({"n": 1}), json!([2])]
    );
    user.feed(&["room", "push", "build", "json", "--json-lines"], "3\nno json\n4\n")
        .bad(1, "line 2 is not JSON");
    user.feed(&["room", "push", "build", "empty", "--lines"], "").good();

    let keys = user.run(&["room", "keys", "build"]).good();
    assert_eq!(keys.field("key"), ["json", "log", "odd"]);
    assert_eq!(keys.lines()[1]["size"], 700);
    assert_eq!(keys.lines()[1]["last"], 700);
}

#[tokio::test]
async fn a_line_is_heard_while_its_producer_still_runs() {
    let (_server, user) = room().await;
    let mut tail = user.start(&["room", "tail", "build", "--all"]);
    let mut push = user.start(&["room", "push", "build", "log", "--lines"]);
    for number in 1..=3 {
        push.write(&format!("line {number}\n"));
        assert_eq!(tail.line(), json!({"key": "log", "value": format!("line {number}"), "seq": number}));
    }
    assert!(push.done().good().stderr.contains("3 lines are stored"));
}

#[tokio::test]
async fn a_tail_goes_on_through_restarts_and_crashes_without_a_gap_or_a_repeat() {
    let (mut server, user) = room().await;
    let mut tail = user.start(&["room", "tail", "build", "--all"]);
    let mut expected = Vec::new();
    for round in 0..4 {
        for number in 0..5 {
            let value = format!("\"{round} {number}\"");
            user.run(&["room", "push", "build", "log", &value]).good();
            expected.push(serde_json::from_str::<Value>(&value).unwrap());
        }
        while let Some(value) = expected.first().cloned() {
            assert_eq!(tail.line()["value"], value);
            expected.remove(0);
        }
        match round {
            // What is pushed while the reader has no connection must not be missed.
            0 => assert!(server.stop().await.success()),
            1 => server.kill(),
            2 => assert!(server.stop().await.success()),
            _ => continue,
        }
        server.restart().await;
    }
    tail.signal("INT");
    let done = tail.done().good();
    assert_eq!(done.stdout, "");
    assert!(!done.stderr.contains("another history"), "{}", done.stderr);
    let cursor =
        done.stderr.lines().find_map(|line| line.strip_prefix("To go on from here: --since ")).unwrap();
    user.run(&["room", "push", "build", "log", "\"more\""]).good();
    let rest = user.run(&["room", "tail", "build", "--since", cursor, "--once"]).good();
    assert_eq!(rest.field("value"), ["more"]);
}

#[tokio::test]
async fn a_tail_whose_last_message_was_a_relay_is_told_of_a_crash_and_not_of_an_orderly_stop() {
    let (mut server, user) = room().await;
    user.run(&["room", "push", "build", "log", "1"]).good();
    let mut tail = user.start(&["room", "tail", "build", "--all"]);
    assert_eq!(tail.line()["value"], 1);
    let relay = |tail: &mut cli_support::Running, value: &str| {
        user.run(&["room", "push", "build", "log", value, "--action", "relay"]).good();
        assert_eq!(tail.line()["value"].to_string(), value);
    };
    relay(&mut tail, "2");
    assert!(server.stop().await.success());
    server.restart().await;
    user.run(&["room", "push", "build", "log", "3"]).good();
    assert_eq!(tail.line()["value"], 3, "nothing is told twice");
    relay(&mut tail, "4");
    server.kill();
    server.restart().await;
    assert_eq!(tail.line()["value"], 1, "from the start of what is there");
    assert_eq!(tail.line()["value"], 3);
    tail.signal("INT");
    assert!(tail.done().good().stderr.contains("another history now (ahead)"));
}

#[tokio::test]
async fn a_tail_can_be_asked_for_some_keys_and_for_an_end() {
    let (_server, user) = room().await;
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")] {
        user.run(&["room", "push", "build", key, value]).good();
    }
    let words = ["room", "tail", "build", "--once", "--key", "a", "--key", "c"];
    assert_eq!(user.run(&words).good().field("value"), [1, 3, 4]);
    user.run(&["room", "tail", "build", "--since", "nonsense"]).bad(2, "");
    let foreign = user.run(&["room", "tail", "build", "--once", "--since", "elsewhere.3"]).good();
    assert!(foreign.stderr.contains("another history now (unknown_epoch)"), "{}", foreign.stderr);
    assert_eq!(foreign.lines().len(), 4);
}

#[tokio::test]
async fn streams_are_compacted_and_trimmed() {
    let (_server, user) = room().await;
    user.feed(&["room", "push", "build", "log", "--lines"], numbered(5)).good();
    let compacted = user.run(&["room", "compact", "build", "log", "3", "{\"lines\":3}"]).good();
    assert_eq!(compacted.line(), json!({"key": "log", "seq": 3, "size": 3}));
    let read = user.run(&["room", "get", "build", "log"]).good();
    assert_eq!(read.field("value"), [json!({"lines": 3}), json!("line 4"), json!("line 5")]);
    let stale = user.feed(&["room", "compact", "build", "log", "2"], "0").good();
    assert_eq!(stale.line()["stale"], true);
    user.run(&["room", "compact", "build", "log", "6", "0"]).bad(1, "compact_ahead");
    user.run(&["room", "compact", "build", "log", "many", "0"]).bad(2, "no number");
    assert_eq!(user.run(&["room", "trim", "build", "log", "4"]).good().line()["size"], 1);
    user.run(&["room", "trim", "build", "log", "5"]).good();
    assert_eq!(
        user.run(&["room", "keys", "build"]).good().stdout,
        "",
        "a stream without entries is no stream"
    );
}

#[tokio::test]
async fn a_room_is_described_without_its_secrets() {
    let (server, user) = room().await;
    user.feed(&["room", "push", "build", "log", "--lines"], numbered(3)).good();
    user.run(&["room", "push", "build", "status", "1"]).good();
    let told = user.run(&["room", "info", "build"]).good();
    let id = user.id("build");
    assert!(!told.stdout.contains(&id));
    let info = told.line();
    let wanted = json!({
        "name": "build", "server": format!("http://{}", server.address()), "access": "write",
        "seq": 4, "closed": false, "keys": 2, "entries": 4,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&info[name], value, "{name}");
    }
    let cursor = format!("{}.{}", info["epoch"].as_str().unwrap(), info["seq"]);
    assert_eq!(user.run(&["room", "tail", "build", "--once", "--since", &cursor]).good().stdout, "");
    let shown = user.run(&["room", "info", "build", "--show-ids"]).good().line();
    assert_eq!(shown["id"], id.as_str());
    let reader = user.file("reader", shown["read_only_id"].as_str().unwrap());
    let reader = format!("@{reader}");
    assert_eq!(user.run(&["room", "info", "--room", &reader]).good().line()["access"], "read-only");
    assert_eq!(user.run(&["room", "get", "--room", &reader, "log"]).good().lines().len(), 3);
    user.run(&["room", "push", "--room", &reader, "log", "1"]).bad(1, "read_only");
    user.feed(&["room", "push", "--room", &reader, "log", "--lines"], "1\n").bad(1, "read-only");
    let by_variable = user.with("SEABAG_ROOM", &id);
    assert_eq!(by_variable.run(&["room", "get", "log"]).good().lines().len(), 3);
    by_variable.run(&["room", "get", "build", "log"]).bad(2, "SEABAG_ROOM");
}

#[tokio::test]
async fn an_export_is_imported_into_another_room_once_however_often_it_is_tried() {
    let (_server, user) = room().await;
    // More than two of the lists in which entries travel.
    user.feed(&["room", "push", "build", "log", "--lines"], numbered(1_200)).good();
    user.run(&["room", "push", "build", "status", "{\"done\":true}"]).good();
    user.run(&["room", "compact", "build", "log", "200", "\"earlier\""]).good();
    let kept = |room: &str| {
        let tail = user.run(&["room", "tail", room, "--once"]).good();
        tail.lines().iter().map(|line| (line["key"].clone(), line["value"].clone())).collect::<Vec<_>>()
    };
    let original = kept("build");
    assert_eq!(original.len(), 1_002);

    user.run(&["room", "new", "--as", "copy"]).good();
    user.run(&["room", "export", "build", "build.ndjson"]).good();
    let whole = std::fs::read_to_string(user.path("build.ndjson")).unwrap();
    assert!(whole.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    // The first try is cut in the middle.
    let half: String = whole.lines().take(700).map(|line| format!("{line}\n")).collect();
    user.feed(&["room", "import", "copy"], half).bad(1, "the export was cut");
    let again = user.run(&["room", "import", "copy", "build.ndjson"]).good();
    assert!(again.stderr.contains("699 were there"), "{}", again.stderr);
    assert_eq!(kept("copy"), original);
    user.run(&["room", "import", "copy", "build.ndjson"]).good();
    assert_eq!(kept("copy"), original, "a third try stores nothing");

    user.run(&["room", "new", "--as", "piped"]).good();
    user.shell("set -o pipefail; seabag room export build | seabag room import piped").good();
    assert_eq!(kept("piped"), original);
    let plain = "{\"key\":\"a\",\"value\":1}\n\n{\"key\":\"b\",\"value\":[2]}\n";
    user.feed(&["room", "import", "piped"], plain).good();
    assert_eq!(kept("piped").len(), 1_004, "lines without a header are taken too");
    user.feed(&["room", "import", "piped"], "no entry\n").bad(1, "line 1");
    user.run(&["room", "import", "piped", "missing.ndjson"]).bad(1, "missing.ndjson");
}

#[tokio::test]
async fn a_deleted_room_is_gone_for_everybody_and_its_alias_is_free() {
    let (server, user) = room().await;
    let id = user.id("build");
    let mut tail = user.start(&["room", "tail", "build", "--all"]);
    user.run(&["room", "push", "build", "log", "1"]).good();
    tail.line();
    user.run(&["room", "rm", "build"]).bad(2, "--yes");
    user.run(&["room", "get", "build", "log"]).good();
    user.run(&["room", "rm", "build", "--yes"]).good();
    tail.done().bad(1, "room_deleted");
    user.run(&["room", "get", "build", "log"]).bad(2, "no room build");
    user.run(&["room", "new", "--as", "build"]).good();
    assert_eq!(server.request("GET", &format!("/room/{id}")).send().await.status, 404);
    let file = format!("@{}", user.file("id", &id));
    user.run(&["room", "get", "--room", &file, "log"]).bad(1, "unknown_room");
    user.run(&["room", "tail", "--room", &file]).bad(1, "unknown_room");
    user.run(&["room", "rm", "--room", &file, "--yes"]).good();
}

#[tokio::test]
async fn no_room_id_shows_in_the_arguments_of_a_process_that_runs() {
    let (_server, user) = room().await;
    let id = user.id("build");
    let file = format!("@{}", user.file("id", &id));
    let by_variable = User::new().with("SEABAG_SERVER", &server_of(&user)).with("SEABAG_ROOM", &id);
    // Every other run of these tests is looked at too, at its start and at its end.
    for mut tail in [
        user.start(&["room", "tail", "build", "--all"]),
        user.start(&["room", "tail", "--room", &file, "--all"]),
        by_variable.start(&["room", "tail", "--all"]),
    ] {
        user.run(&["room", "push", "build", "log", "1"]).good();
        tail.line();
        let seen = tail.arguments();
        assert!(seen.contains("tail") && !seen.contains(&id), "{seen}");
        tail.signal("INT");
        assert!(!tail.done().good().stderr.contains(&id));
    }
}

fn server_of(user: &User) -> String {
    let listed = user.run(&["room", "ls", "--json"]).good();
    listed.line()["server"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn lines_are_stored_once_each_and_in_order_though_the_server_is_killed_again_and_again() {
    let (mut server, user) = room().await;
    let id = user.id("build");
    let mut push = user.start(&["room", "push", "build", "log", "--lines"]);
    let mut written = 0;
    for _ in 0..4 {
        let before = server.entries(&id).await.len();
        for _ in 0..500 {
            written += 1;
            push.write(&format!("line {written}\n"));
        }
        // Some of them are stored, others are on the way.
        let started = Instant::now();
        while server.entries(&id).await.len() == before {
            assert!(started.elapsed() < DEADLINE, "nothing is stored");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        for _ in 0..100 {
            written += 1;
            push.write(&format!("line {written}\n"));
        }
        server.restart().await;
    }
    let done = push.done().good();
    assert!(done.stderr.contains(&format!("{written} lines are stored")), "{}", done.stderr);
    assert_eq!(user.run(&["room", "get", "build", "log"]).good().field("value"), values(written));
}

/// Listens in front of a server and treats each connection as told. What was read of the client comes out.
struct Between {
    address: SocketAddr,
    heard: Receiver<usize>,
}

#[derive(Clone, Copy)]
enum Treatment {
    /// Passes everything on.
    Pass,
    /// Passes the request on, and closes instead of passing on the answer.
    DropAnswer,
    /// Passes the WebSocket's handshake on, hears the messages behind it, and closes.
    CutBehindHandshake,
}

impl Between {
    /// One treatment for each connection, in this order; then nobody listens any more.
    fn new(server: &str, treatments: &'static [Treatment]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, heard) = channel();
        let server = server.to_owned();
        std::thread::spawn(move || {
            for treatment in treatments {
                let (client, _) = listener.accept().unwrap();
                let server = TcpStream::connect(&server).unwrap();
                for stream in [&client, &server] {
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                }
                // The receiver may have seen enough.
                let _ = send.send(treat(*treatment, client, server));
            }
        });
        Self { address, heard }
    }
}

fn treat(treatment: Treatment, mut client: TcpStream, mut server: TcpStream) -> usize {
    let mut buffer = vec![0; 64 * 1024];
    let mut pass = |from: &mut TcpStream, to: &mut TcpStream| {
        let count = from.read(&mut buffer).unwrap_or(0);
        if to.write_all(&buffer[..count]).is_err() { 0 } else { count }
    };
    match treatment {
        Treatment::Pass => {
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            while pass(&mut client, &mut server) > 0 {}
            0
        }
        Treatment::DropAnswer => {
            pass(&mut client, &mut server);
            server.read(&mut buffer).unwrap_or(0)
        }
        Treatment::CutBehindHandshake => {
            pass(&mut client, &mut server);
            // The answer and the hello.
            let mut told = Vec::new();
            while !told.windows(7).any(|seven| seven == b"\"hello\"") {
                let count = server.read(&mut buffer).unwrap();
                told.extend_from_slice(&buffer[..count]);
                client.write_all(&buffer[..count]).unwrap();
            }
            client.read(&mut buffer).unwrap_or(0)
        }
    }
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_stored_once() {
    let (server, user) = room().await;
    let between = Between::new(server.address(), &[Treatment::DropAnswer, Treatment::Pass]);
    let id = user.id("build");
    let roundabout = User::new().with("SEABAG_ROOM", &format!("http://{}/room/{id}", between.address));
    let pushed = roundabout.run(&["room", "push", "log", "1"]).good();
    assert!(between.heard.recv_timeout(DEADLINE).unwrap() > 0, "the first answer was on its way");
    assert_eq!(pushed.line()["seq"], 1);
    assert_eq!(server.entries(&id).await.len(), 1);
}

#[tokio::test]
async fn a_relay_whose_answer_is_lost_is_not_repeated() {
    let (server, user) = room().await;
    let mut tail = user.start(&["room", "tail", "build"]);
    let between = Between::new(server.address(), &[Treatment::DropAnswer, Treatment::Pass]);
    let id = user.id("build");
    let roundabout = User::new().with("SEABAG_ROOM", &format!("http://{}/room/{id}", between.address));
    // The tail must hear from here on.
    wait_until("the tail is there", || {
        user.run(&["room", "push", "build", "log", "0"]).good();
        tail.try_line().is_some()
    });
    roundabout.run(&["room", "push", "log", "1", "--action", "relay"]).bad(4, "broke");
    user.run(&["room", "push", "build", "log", "2"]).good();
    let mut heard = vec![tail.line()["value"].clone()];
    while heard.last() != Some(&json!(2)) {
        heard.push(tail.line()["value"].clone());
    }
    assert_eq!(heard.iter().filter(|value| **value == json!(1)).count(), 1, "{heard:?}");
}

#[tokio::test]
async fn lines_that_were_on_the_way_when_a_server_went_for_good_are_reported_as_uncertain() {
    let (server, user) = room().await;
    let between = Between::new(server.address(), &[Treatment::CutBehindHandshake]);
    let id = user.id("build");
    let roundabout = User::new().with("SEABAG_ROOM", &format!("http://{}/room/{id}", between.address));
    let words = ["room", "push", "log", "--lines", "--patience", "1s"];
    let done =
        roundabout.feed(&words, "one\n").bad(4, "0 lines are stored for sure, the next 1 may or may not be");
    assert!(between.heard.recv_timeout(DEADLINE).unwrap() > 0);
    assert!(!done.stderr.contains(&id));
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_ends_a_command_quietly() {
    let (_server, user) = room().await;
    // More than a pipe holds.
    user.feed(&["room", "push", "build", "log", "--lines"], numbered(20_000)).good();
    for words in ["get build log", "export build", "tail build --once", "tail build --all"] {
        let done = user.shell(&format!("set -o pipefail; seabag room {words} | head -1")).good();
        assert_eq!(done.stdout.lines().count(), 1, "{words}");
        let noise = done.stderr.lines().find(|line| !line.starts_with("To go on from here"));
        assert_eq!(noise, None, "{words}");
    }
    let words = "seabag room push build teed --lines --tee";
    let done = user.shell(&format!("set -o pipefail; seq 1 20000 | {words} | head -1")).good();
    assert_eq!(done.stdout, "1\n");
    let keys = user.run(&["room", "keys", "build"]).good();
    assert_eq!(keys.lines()[1]["size"], 20_000, "the copy ended, the transfer did not");
}

#[tokio::test]
async fn what_the_server_refuses_is_a_failure_with_its_code() {
    let (_server, user) = room().await;
    let large = user.file("large", format!("\"{}\"", "x".repeat(2_000_000)));
    let large = std::fs::read_to_string(large).unwrap();
    user.feed(&["room", "push", "build", "log"], &large).bad(1, "too_large");
    let lines = format!("one\n{}\nthree\n", "x".repeat(2_000_000));
    let done = user.feed(&["room", "push", "build", "log", "--lines"], lines).bad(1, "line 2 is left out");
    assert!(done.stderr.contains("2 lines are stored, 1 were too long"), "{}", done.stderr);
    user.run(&["room", "push", "build", "log", "\"bye\"", "--action", "close"]).good();
    user.run(&["room", "push", "build", "log", "1"]).bad(1, "closed");
    user.feed(&["room", "push", "build", "log", "--lines"], "1\n").bad(1, "closed");
    user.run(&["room", "rm", "build", "--yes"]).bad(1, "closed");
    assert_eq!(user.run(&["room", "info", "build"]).good().line()["closed"], true);
    assert_eq!(user.run(&["room", "get", "build", "log"]).good().field("value"), ["one", "three", "bye"]);
}

#[tokio::test]
async fn a_new_room_without_an_alias_is_printed_and_can_be_added_elsewhere() {
    let (_server, user) = room().await;
    let made = user.run(&["room", "new"]).good();
    let id = made.line()["room"].as_str().unwrap().to_owned();
    assert!(!made.stderr.contains(&id));
    user.feed(&["room", "add", "other"], &made.stdout).good();
    assert_eq!(user.id("other"), id);
    user.run(&["room", "new", "--as", "build"]).bad(2, "there is a room build already");
    let readers = user.run(&["room", "new", "--as", "third", "--read-only"]).good();
    assert!(readers.line()["room"].as_str().unwrap().starts_with("ro."));
}
