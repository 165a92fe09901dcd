//! What the native dialect promises beyond order, against a real server: pushes that happen once, wills, trims,
//! and what becomes of what was sent just before a goodbye.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{Incoming, Opening, Socket, compact, push, push_id, push_seqs};
use serde_json::{Value, json};

const ALICE: &str = "alice-outbox-0000001";

async fn join(opening: Opening, server: &ServerProcess, room: &str) -> (Socket, Value) {
    let mut socket = opening.connect(server, room).await;
    let hello = socket.expect("hello").await;
    (socket, hello)
}

async fn values(server: &ServerProcess, room: &str) -> Vec<Value> {
    server.entries(room).await.iter().map(|entry| entry["value"].clone()).collect()
}

#[tokio::test]
async fn pushes_sent_again_after_a_cut_happen_once() {
    let server = ServerProcess::start().await;
    for cbor in [false, true] {
        let room = server.new_room().await;
        let opening = Opening::native().encoded(cbor).client(ALICE);
        let mut sent = 0;
        for _ in 0..10 {
            let (mut socket, hello) = join(opening.clone(), &server, &room).await;
            let last = hello["last_id"].as_u64().unwrap_or(0);
            assert!(last <= sent);
            // As after a crash of the sender's own: everything again from the beginning, and some more.
            sent += 30;
            socket.send_all((1..=sent).map(|id| push_id("k", id, "append", id))).await;
            // Cut at some point of the answers.
            for _ in 0..sent % 70 {
                socket.message().await;
            }
        }
        let (mut socket, hello) = join(opening.clone(), &server, &room).await;
        let last = hello["last_id"].as_u64().unwrap();
        socket.send_all((last + 1..=sent).map(|id| push_id("k", id, "append", id))).await;
        socket.settle().await;
        assert_eq!(values(&server, &room).await, (1..=sent).map(Value::from).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_repeat_is_acknowledged_as_one_and_a_refused_id_is_used_up() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let (mut socket, _) = join(Opening::native().client(ALICE), &server, &room).await;
    socket.send(push_id("k", "a", "append", 3)).await;
    socket.send(push_id("k", "a", "append", 3)).await;
    socket.send(push_id("k", "z", "append", 1)).await;
    assert_eq!(socket.expect("ack").await["seq"], 1);
    assert_eq!(socket.expect("push").await["seq"], 1);
    let repeat = json!({"type": "ack", "id": 3, "seq": 1, "size": 1, "repeat": true});
    assert_eq!(socket.message().await, repeat);
    let older = socket.expect("ack").await;
    assert_eq!((&older["seq"], &older["repeat"]), (&Value::Null, &json!(true)));
    let mut refused = compact("k", 0, 99);
    refused["id"] = 4.into();
    socket.send(refused).await;
    let error = socket.expect("error").await;
    assert_eq!(
        (&error["code"], &error["id"], &error["key"]),
        (&json!("compact_ahead"), &json!(4), &json!("k"))
    );
    socket.send(push_id("k", "never", "append", 4)).await;
    let used_up = socket.expect("ack").await;
    assert_eq!((&used_up["repeat"], &used_up["seq"]), (&json!(true), &Value::Null));
    socket.send(push_id("k", "r", "relay", 5)).await;
    socket.until("push").await;
    let (_, hello) = join(Opening::native().client(ALICE), &server, &room).await;
    assert_eq!(hello["last_id"], 4, "relays are not remembered");
    assert_eq!(values(&server, &room).await, [json!("a")]);
}

#[tokio::test]
async fn a_second_connection_of_one_outbox_displaces_the_first() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let opening = Opening::native().client(ALICE);
    // None of them reads or leaves in between, so that the server still knows them all.
    let (mut first, _) = join(opening.clone(), &server, &room).await;
    let (mut second, _) = join(opening.clone(), &server, &room).await;
    let (mut third, _) = join(opening.clone(), &server, &room).await;
    let (mut other, _) = join(Opening::native().client("another-outbox-00001"), &server, &room).await;
    for displaced in [&mut first, &mut second] {
        let (told, end) = displaced.drain().await;
        assert_eq!(told.last().unwrap()["code"], "replaced");
        assert!(matches!(end, Incoming::Closed(4501, _)), "{end:?}");
    }
    third.send(push_id("k", 1, "append", 1)).await;
    third.expect("ack").await;
    assert_eq!(push_seqs(&other.until("push").await), [1]);
}

#[tokio::test]
async fn a_will_is_relayed_however_its_connection_ends_and_not_when_it_was_cleared() {
    let server = ServerProcess::start().await;
    for cbor in [false, true] {
        let room = server.new_room().await;
        let (mut watcher, _) = join(Opening::native().encoded(cbor), &server, &room).await;
        for ending in ["cut", "closed", "reset"] {
            let (mut socket, _) = join(Opening::native().encoded(cbor), &server, &room).await;
            socket.send(json!({"type": "will", "key": "first", "value": "overwritten"})).await;
            socket.send(json!({"type": "will", "key": "gone", "value": {"who": ending}})).await;
            socket.send(json!({"type": "will", "key": "first", "value": null})).await;
            socket.send(push("here", ending, "relay")).await;
            socket.settle().await;
            match ending {
                "closed" => drop(socket.close().await),
                "cut" => drop(socket),
                _ => {
                    let stream = socket.into_stream();
                    stream.set_zero_linger().unwrap();
                }
            }
            assert_eq!(watcher.expect("push").await["key"], "here");
            let will = watcher.expect("push").await;
            assert_eq!((&will["key"], &will["value"]["who"]), (&json!("gone"), &json!(ending)));
        }
        let (mut socket, _) = join(Opening::native().encoded(cbor), &server, &room).await;
        for number in 0..9 {
            socket.send(json!({"type": "will", "key": number.to_string(), "value": 1})).await;
        }
        let told = socket.settle().await;
        assert_eq!((told.len(), &told[0]["code"]), (1, &json!("too_many_keys")));
        for number in 0..8 {
            socket.send(json!({"type": "will", "key": number.to_string(), "value": null})).await;
        }
        socket.settle().await;
        drop(socket);
        assert_eq!(server.entries(&room).await, Vec::<Value>::new(), "wills are relayed, not stored");
        assert_eq!(watcher.settle().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_will_comes_behind_all_that_its_connection_had_sent() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let (mut watcher, _) = join(Opening::native(), &server, &room).await;
    for round in 0..20 {
        let (mut socket, _) = join(Opening::native(), &server, &room).await;
        socket.send(json!({"type": "will", "key": "gone", "value": round})).await;
        socket.send_all((0..300).map(|n| push("here", n, if n % 2 == 0 { "relay" } else { "append" }))).await;
        socket.close().await;
        let mut here = 0;
        loop {
            let message = watcher.expect("push").await;
            match message["key"].as_str() {
                Some("here") => here += 1,
                _ => break assert_eq!(message["value"], round),
            }
        }
        assert_eq!(here, 300, "the rest came after the will");
    }
}

#[tokio::test]
async fn what_was_sent_before_a_goodbye_is_done_however_much_it_was() {
    let server = ServerProcess::start().await;
    for opening in [Opening::driftdb(), Opening::native(), Opening::driftdb_cbor()] {
        let room = server.new_room().await;
        let mut socket = opening.connect(&server, &room).await;
        socket.send_all((0..6_000).map(|n| push("k", n, "append"))).await;
        let end = socket.close().await;
        assert!(matches!(end, Incoming::Closed(1000, _)), "the goodbye was not answered: {end:?}");
        let stored = server.entries(&room).await.len();
        assert_eq!(stored, 6_000, "{opening:?}");
    }
}

#[tokio::test]
async fn a_watching_connection_hears_of_trims() {
    let server = ServerProcess::start().await;
    for cbor in [false, true] {
        let room = server.new_room().await;
        let (mut watcher, _) =
            join(Opening::native().encoded(cbor).query("debug", "true"), &server, &room).await;
        let (mut plain, _) = join(Opening::native(), &server, &room).await;
        for n in 0..4 {
            server.append(&room, "k", json!(n)).await;
        }
        server.send(&room, &compact("k", "sum", 3)).await;
        server.send(&room, &compact("k", "stale", 3)).await;
        server
            .send(&room, &json!({"type": "push", "key": "k", "action": {"type": "compact", "seq": 4}}))
            .await;
        server.append(&room, "k", json!("after")).await;
        let told = watcher.settle().await;
        let kinds: Vec<_> = told.iter().map(|message| message["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["push", "push", "push", "push", "trimmed", "trimmed", "push"]);
        assert_eq!(told[4], json!({"type": "trimmed", "key": "k", "seq": 3, "size": 2}));
        assert_eq!(told[5], json!({"type": "trimmed", "key": "k", "seq": 4, "size": 0}));
        assert_eq!(push_seqs(&plain.settle().await), [1, 2, 3, 4, 5]);
    }
}
