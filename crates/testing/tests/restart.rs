//! Stops, wipes and restores of a real server: readers go on where they were, or are told that they cannot.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use seabag_testing::events::EventStream;
use seabag_testing::process::{DEADLINE, ServerProcess, run_program};
use seabag_testing::raw::RawSocket;
use seabag_testing::socket::{Incoming, Opening, push, push_id};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

const ALICE: &str = "alice-outbox-0000001";

async fn cursor(server: &ServerProcess, room: &str) -> String {
    let page = server.request("GET", &format!("/room/{room}/stream?limit=1")).send().await.json();
    format!("{}.{}", page["epoch"].as_str().unwrap(), page["seq"])
}

/// What a reader with this cursor is told first: `live`, `reset` with its reason, or entries.
async fn told(server: &ServerProcess, room: &str, cursor: &str) -> (String, Value) {
    let mut socket = Opening::native().since(cursor).connect(server, room).await;
    socket.expect("hello").await;
    let message = socket.message().await;
    (message["type"].as_str().unwrap().to_owned(), message["reason"].clone())
}

#[tokio::test]
async fn a_stopping_server_tells_every_reader_when_to_come_back_and_ends_well() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut sockets = Vec::new();
    for number in 0..40 {
        let opening = if number % 2 == 0 { Opening::native() } else { Opening::driftdb() };
        let mut socket = opening.encoded(number % 4 < 2).connect(&server, &room).await;
        socket.settle().await;
        sockets.push(socket);
    }
    let request = server.request("GET", &format!("/room/{room}/stream"));
    let mut events = EventStream::open(request).await.unwrap();
    assert_eq!(events.event().await.name, "hello");
    // Two requests at once: where the first is answered, the second has been read.
    let mut poll = RawSocket::connect(&server).await;
    let requests = ["/healthz", &format!("/room/{room}/stream?wait=30")];
    let requests = requests.map(|path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).concat();
    poll.send(requests.as_bytes()).await.unwrap();
    let mut first = vec![0; b"HTTP/1.1 200".len()];
    timeout(DEADLINE, poll.stream.read_exact(&mut first)).await.expect("in time").unwrap();
    assert_eq!(first, b"HTTP/1.1 200");
    server.terminate();
    for mut socket in sockets {
        let (told, end) = socket.drain().await;
        let error = told.last().expect("an error before the close");
        assert_eq!(error["code"], "going_away");
        assert!(error["retry_ms"].as_u64().is_some_and(|ms| ms > 0));
        assert!(matches!(&end, Incoming::Closed(1001, reason) if reason.contains("retry_ms=")), "{end:?}");
    }
    let error = events.event().await;
    assert_eq!((error.name.as_str(), error.json()["code"].as_str()), ("error", Some("going_away")));
    assert_eq!(events.next().await, None);
    let (rest, ended) = poll.read_to_end(DEADLINE).await;
    let rest = String::from_utf8_lossy(&rest).to_lowercase();
    let (_, polled) = rest.split_once("http/1.1 ").unwrap_or_else(|| panic!("no second answer: {rest}"));
    assert!(ended && polled.starts_with("503 ") && polled.contains("\r\nretry-after: "), "{polled}");
    assert!(server.wait().await.success());
}

#[tokio::test]
async fn a_restart_resets_nobody_and_leaves_no_hole() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut client = Opening::native().client(ALICE).connect(&server, &room).await;
    for id in 1..=5 {
        client.send(push_id("k", id, "append", id)).await;
    }
    server.send(&room, &push("k", "r", "relay")).await;
    client.settle().await;
    let before = cursor(&server, &room).await;
    assert!(server.stop().await.success());
    server.restart().await;
    assert_eq!(told(&server, &room, &before).await.0, "live");
    let mut client = Opening::native().client(ALICE).connect(&server, &room).await;
    let hello = client.expect("hello").await;
    assert_eq!((&hello["last_id"], &hello["seq"]), (&json!(5), &json!(6)));
    client.send(push_id("k", 5, "append", 5)).await;
    assert_eq!(client.expect("ack").await["repeat"], true);
    client.send(push("k", "after", "append")).await;
    assert_eq!(client.expect("push").await["seq"], 7, "a clean stop gives unused numbers back");
    let entries = server.entries(&room).await;
    assert_eq!(entries.len(), 6);
    assert_eq!(told(&server, &room, &before).await.0, "entries");
}

#[tokio::test]
async fn what_was_acknowledged_while_the_server_stopped_is_there() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut client = Opening::native().client(ALICE).connect(&server, &room).await;
    client.send_all((1..=20_000).map(|id| push_id("k", id, "append", id))).await;
    client.until("ack").await;
    server.terminate();
    let (told, end) = client.drain().await;
    let acked =
        told.iter().filter(|m| m["type"] == "ack").filter_map(|m| m["id"].as_u64()).max().unwrap_or(1);
    assert!(matches!(end, Incoming::Closed(1001, _)), "{end:?}");
    assert!(server.wait().await.success());
    server.restart().await;
    let stored = server.entries(&room).await;
    assert!(stored.len() as u64 >= acked, "{acked} were acknowledged, {} are there", stored.len());
    let values: Vec<_> = stored.iter().map(|entry| entry["value"].as_u64().unwrap()).collect();
    assert_eq!(values, (1..=stored.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_wiped_server_is_noticed_when_its_room_is_made_again() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    for n in 0..3 {
        server.append(&room, "k", json!(n)).await;
    }
    let before = cursor(&server, &room).await;
    assert!(server.stop().await.success());
    fs::remove_dir_all(server.data()).unwrap();
    server.restart().await;
    assert_eq!(server.request("GET", &format!("/room/{room}")).send().await.status, 404);
    assert_eq!(Opening::native().try_connect(&server, &room).await.expect_err("gone").status, 404);
    assert_eq!(server.request("PUT", &format!("/room/{room}")).send().await.status, 201);
    for n in 0..5 {
        server.append(&room, "k", json!(n)).await;
    }
    assert_eq!(told(&server, &room, &before).await, ("reset".to_owned(), json!("unknown_epoch")));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn an_old_copy_of_the_data_is_noticed_by_those_who_had_seen_more() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    server.append(&room, "k", json!("old")).await;
    assert!(server.stop().await.success());
    let saved = server.home().join("saved");
    copy(server.data(), &saved);
    server.restart().await;
    let old = cursor(&server, &room).await;
    for n in 0..5 {
        server.append(&room, "k", json!(n)).await;
    }
    let newer = cursor(&server, &room).await;
    assert!(server.stop().await.success());
    fs::remove_dir_all(server.data()).unwrap();
    fs::rename(&saved, server.data()).unwrap();
    server.restart().await;
    assert_eq!(told(&server, &room, &newer).await, ("reset".to_owned(), json!("unknown_epoch")));
    let _ = old;
    assert_eq!(server.entries(&room).await.len(), 1);
}

#[tokio::test]
async fn a_restored_backup_of_a_running_server_is_noticed_by_those_who_had_seen_more() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    server.append(&room, "k", json!("in the backup")).await;
    let in_backup = cursor(&server, &room).await;
    let backup = server.admin("GET", "/backup").send().await;
    assert_eq!(backup.status, 200);
    let file = server.home().join("backup");
    fs::write(&file, &backup.body).unwrap();
    // The same process goes on, and within the numbers that it had reserved by then.
    for n in 0..5 {
        server.append(&room, "k", json!(n)).await;
    }
    let newer = cursor(&server, &room).await;
    server.kill();
    fs::remove_dir_all(server.data()).unwrap();
    let (data, file) = (server.data().to_str().unwrap(), file.to_str().unwrap());
    let restored = run_program(&["admin", "restore", "--data", data, file]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    server.restart().await;
    assert_eq!(server.entries(&room).await.len(), 1);
    assert_eq!(told(&server, &room, &newer).await.0, "reset", "they hold what the server lost");
    assert_eq!(told(&server, &room, &in_backup).await.0, "live", "and these hold nothing more");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_does_not_start() {
    let server = ServerProcess::start().await;
    let data = server.data().to_str().unwrap();
    let second = run_program(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
    assert!(!second.status.success());
    assert!(!second.stderr.is_empty(), "it says why");
    server.assert_serves().await;
}
