//! Rooms come and go, on a real server: out of memory when nobody uses them, off the disk when their time is up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use seabag_testing::events::EventStream;
use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::socket::{Incoming, Opening, push, push_id};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const ALICE: &str = "alice-outbox-0000001";

#[tokio::test]
async fn an_idle_room_leaves_memory_and_comes_back_as_it_was() {
    let server = Setup::new().flag("room-idle-ms", 100).start().await;
    let room = server.new_room().await;
    let mut expected = Vec::new();
    let mut epoch = None;
    for round in 0..10 {
        let mut socket = Opening::native().client(ALICE).connect(&server, &room).await;
        let hello = socket.expect("hello").await;
        assert_eq!(hello["seq"], round * 2, "no number is lost to leaving");
        assert_eq!(hello["last_id"].as_u64().unwrap_or(0), round);
        assert_eq!(
            *epoch.get_or_insert(hello["epoch"].clone()),
            hello["epoch"],
            "the same process, the same epoch"
        );
        socket.send(push_id("k", round, "append", round + 1)).await;
        socket.expect("ack").await;
        socket.send(push("k", "relayed", "relay")).await;
        socket.settle().await;
        expected.push(json!({"key": "k", "value": round, "seq": round * 2 + 1}));
        // Once: what it was before may just be leaving.
        server.wait_for_metric("seabag_rooms_loaded", |rooms| rooms == 1.0).await;
        drop(socket);
        server.wait_for_metric("seabag_rooms_loaded", |rooms| rooms == 0.0).await;
        assert_eq!(server.entries(&room).await, expected);
    }
    let cursor = format!("{}.19", epoch.unwrap().as_str().unwrap());
    server.wait_for_metric("seabag_rooms_loaded", |rooms| rooms == 0.0).await;
    let mut socket = Opening::native().since(&cursor).connect(&server, &room).await;
    socket.expect("hello").await;
    assert_eq!(socket.expect("live").await["seq"], 20);
}

#[tokio::test]
async fn a_room_with_a_reader_stays_in_memory_and_its_reader_hears_what_comes() {
    let server = Setup::new().flag("room-idle-ms", 50).start().await;
    let room = server.new_room().await;
    let mut socket = Opening::native().connect(&server, &room).await;
    socket.expect("hello").await;
    let request = server.request("GET", &format!("/room/{room}/stream"));
    let mut events = EventStream::open(request).await.unwrap();
    assert_eq!(events.event().await.name, "hello");
    for value in 1..=5 {
        sleep(Duration::from_millis(120)).await;
        server.append(&room, "k", json!(value)).await;
        assert_eq!(socket.expect("push").await["value"], value);
        assert_eq!(events.event().await.seq(), value);
    }
}

#[tokio::test]
async fn thousands_of_rooms_are_used_and_none_stays_in_memory() {
    let server = Setup::new().flag("room-idle-ms", 200).flag("idle-rooms-max", 100).start().await;
    let mut rooms = Vec::new();
    let make = |_| async {
        let mut made = Vec::new();
        for number in 0..250 {
            let room = server.new_room().await;
            server.append(&room, "k", json!(number)).await;
            made.push((room, number));
        }
        made
    };
    for made in futures_util::future::join_all((0..8).map(make)).await {
        rooms.extend(made);
    }
    server.wait_for_metric("seabag_rooms_loaded", |loaded| loaded == 0.0).await;
    assert_eq!(server.metric("seabag_store_rooms").await, 2_000.0);
    for (room, number) in rooms.iter().step_by(97) {
        assert_eq!(server.entries(room).await[0]["value"], *number);
    }
    server.wait_for_metric("seabag_rooms_loaded", |loaded| loaded == 0.0).await;
}

#[tokio::test]
async fn asking_for_rooms_that_do_not_exist_leaves_nothing_in_memory() {
    let server = ServerProcess::start().await;
    for number in 0..2_000 {
        let path = format!("/room/nobody-has-made-this-{number:06}/stream");
        assert_eq!(server.request("GET", &path).send().await.status, 404);
    }
    assert_eq!(server.metric("seabag_rooms_loaded").await, 0.0);
    assert_eq!(server.admin("GET", "/stats").send().await.json()["rooms"], 0);
}

#[tokio::test]
async fn clients_racing_with_a_room_that_leaves_memory_lose_nothing() {
    // It leaves at once, so that nearly every request meets it on its way out.
    let server = Setup::new().flag("room-idle-ms", 0).flag("idle-rooms-max", 0).start().await;
    let room = server.new_room().await;
    let write = |writer: u64| {
        let (server, room) = (&server, &room);
        async move {
            let client = format!("writer-{writer}-0000000000");
            for id in 1..=60 {
                if id % 3 == 0 {
                    let mut socket = Opening::native().client(&client).connect(server, room).await;
                    assert_eq!(socket.expect("hello").await["last_id"].as_u64().unwrap_or(0), id - 1);
                    socket.send(push_id(&client, id, "append", id)).await;
                    socket.until("ack").await;
                    assert!(matches!(socket.close().await, Incoming::Closed(1000, _)));
                } else {
                    let request = server.request("POST", &format!("/room/{room}/send"));
                    let request = request.header("seabag-client", &client);
                    let reply = request.json(&push_id(&client, id, "append", id)).send().await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
            }
        }
    };
    futures_util::future::join_all((0..4).map(write)).await;
    let entries = server.entries(&room).await;
    assert_eq!(entries.len(), 240);
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=240).collect::<Vec<_>>(), "leaving gives the unused numbers back");
}

#[tokio::test]
async fn a_room_that_nobody_uses_expires_and_one_with_a_reader_does_not() {
    let server = Setup::new().flag("room-ttl", "5s").flag("room-idle-ms", 100).start().await;
    let (unused, read) = (server.new_room().await, server.new_room().await);
    server.append(&unused, "k", json!(1)).await;
    server.append(&read, "k", json!("kept")).await;
    let mut reader = Opening::native().connect(&server, &read).await;
    reader.expect("hello").await;
    // The server looks every few seconds, and where a room's row lies is a matter of a minute.
    let started = Instant::now();
    while server.metric("seabag_store_rooms").await > 1.0 {
        assert!(started.elapsed() < Duration::from_secs(150), "it does not expire");
        // Reading is what answers pings: one that does not is no reader any more after a minute.
        let heard = reader.next_within(Duration::from_millis(250)).await;
        assert_eq!(heard, None);
    }
    for (method, path) in [("GET", ""), ("GET", "/stream")] {
        let reply = server.request(method, &format!("/room/{unused}{path}")).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_room"));
    }
    assert_eq!(Opening::native().try_connect(&server, &unused).await.expect_err("gone").status, 404);
    server.append(&read, "k", json!("and used")).await;
    assert_eq!(reader.expect("push").await["value"], "and used");
    let values: Vec<Value> = server.entries(&read).await.iter().map(|e| e["value"].clone()).collect();
    assert_eq!(values, [json!("kept"), json!("and used")]);
    drop(reader);
    let started = Instant::now();
    while server.metric("seabag_store_rooms").await > 0.0 {
        assert!(started.elapsed() < Duration::from_secs(150), "it does not expire after its reader left");
        sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(
        server.request("PUT", &format!("/room/{unused}")).send().await.status,
        201,
        "it can be made again"
    );
    assert_eq!(server.entries(&unused).await, Vec::<Value>::new());
    server.assert_keeps(&[&unused, &read]).await;
}
