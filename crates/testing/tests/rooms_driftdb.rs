//! The DriftDB dialect over WebSocket, against a real server: what its published clients rely on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{Incoming, Opening, compact, get, push, push_seqs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn both() -> [Opening; 2] {
    [Opening::driftdb(), Opening::driftdb_cbor()]
}

#[tokio::test]
async fn a_connection_hears_what_it_asked_for_and_its_own_echo_before_the_size() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let room = server.new_room().await;
        server.append(&room, "k", json!("old")).await;
        let mut socket = opening.connect(&server, &room).await;
        assert_eq!(socket.protocol, None);
        socket.send(push("k", "unheard", "append")).await;
        assert_eq!(socket.message().await, json!({"type": "stream_size", "key": "k", "size": 2}));
        socket.send(json!({"type": "get", "key": "k"})).await;
        let init = socket.expect("init").await;
        assert_eq!(init["data"], json!([{"value": "old", "seq": 1}, {"value": "unheard", "seq": 2}]));
        socket.send(get("k")).await;
        socket.expect("init").await;
        socket.send(push("k", "heard", "append")).await;
        assert_eq!(socket.message().await, json!({"type": "push", "key": "k", "value": "heard", "seq": 3}));
        assert_eq!(socket.message().await, json!({"type": "stream_size", "key": "k", "size": 3}));
        socket.send(push("k", "r", "relay")).await;
        assert_eq!(socket.expect("push").await["seq"], 4);
        assert_eq!(socket.expect("stream_size").await["size"], 3);
        socket.send(push("other", 1, "relay")).await;
        socket.send(compact("k", "sum", 2)).await;
        assert_eq!(socket.message().await, json!({"type": "stream_size", "key": "k", "size": 2}));
        socket.send(push("k", "all", "replace")).await;
        assert_eq!(socket.expect("push").await["seq"], 6);
        socket.send(json!({"type": "ping"})).await;
        assert_eq!(
            socket.message().await,
            json!({"type": "pong", "nonce": null}),
            "a replace yields no size"
        );
    }
}

#[tokio::test]
async fn deliver_all_hears_the_whole_room_once() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let room = server.new_room().await;
        let mut socket = opening.query("deliver", "all").connect(&server, &room).await;
        socket.send(push("a", 1, "append")).await;
        socket.send(get("a")).await;
        socket.send(get("a")).await;
        socket.send(push("a", 2, "append")).await;
        socket.send(push("b", 3, "relay")).await;
        let told = socket.settle().await;
        assert_eq!(push_seqs(&told), [1, 2, 3]);
        assert_eq!(told.iter().filter(|message| message["type"] == "init").count(), 2);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_an_error_and_then_4500() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let text = |text: &str| Message::text(text.to_owned());
    let bad = [
        text(""),
        text("nonsense"),
        text("{\"type\":\"nothing\"}"),
        text("[\"ping\",5]"),
        text("{\"type\":\"push\",\"key\":\"k\",\"value\":null,\"action\":{\"type\":\"append\"}}"),
        text("{\"type\":\"push\",\"key\":\"k\",\"value\":1,\"action\":\"append\"}"),
        text("{\"type\":\"push\",\"key\":\"k\",\"value\":1,\"action\":{\"type\":\"append\"},\"id\":1}"),
        text("{\"type\":\"push\",\"key\":\"k\",\"value\":1,\"action\":{\"type\":\"close\"}}"),
        text("{\"type\":\"keys\"}"),
        text("{\"type\":\"get\",\"seq\":0}"),
        text("{\"type\":\"will\",\"key\":\"k\",\"value\":1}"),
        Message::binary(vec![0xff, 0xff]),
        Message::binary(Vec::new()),
    ];
    for opening in both() {
        for frame in &bad {
            let mut socket = opening.connect(&server, &room).await;
            // What came before is still answered, in its place.
            socket.send(json!({"type": "ping", "nonce": 1})).await;
            socket.send_frame(frame.clone()).await.unwrap();
            assert_eq!(socket.message().await, json!({"type": "pong", "nonce": 1}));
            let error = socket.expect("error").await;
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
            assert_eq!(error["code"], "bad_message", "{frame:?}");
            let end = socket.next().await;
            assert!(matches!(end, Incoming::Closed(4500, _)), "{frame:?}: {end:?}");
        }
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn frames_are_judged_by_their_type_on_either_kind_of_connection() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let room = server.new_room().await;
        let mut socket = opening.connect(&server, &room).await;
        let ping = json!({"type": "ping", "nonce": 5});
        socket.send_frame(Message::text(ping.to_string())).await.unwrap();
        assert_eq!(socket.expect("pong").await["nonce"], 5);
        let bytes = seabag_testing::http_client::to_cbor(&ping);
        socket.send_frame(Message::binary(bytes)).await.unwrap();
        assert_eq!(socket.expect("pong").await["nonce"], 5);
    }
}

#[tokio::test]
async fn the_published_clients_doubled_query_still_connects() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut socket = Opening::driftdb_cbor().query("x", "1?cbor=true").connect(&server, &room).await;
    socket.send(get("k")).await;
    assert_eq!(socket.expect("init").await["data"], json!([]));
}

#[tokio::test]
async fn a_watching_connection_gets_every_stream_whole_and_relays_as_they_are() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let room = server.new_room().await;
        for key in 0..100 {
            server.append(&room, &format!("k{key}"), json!(key)).await;
        }
        let mut socket = opening.query("debug", "true").connect(&server, &room).await;
        let mut keys = Vec::new();
        for _ in 0..100 {
            let init = socket.expect("init").await;
            assert_eq!(init["data"].as_array().unwrap().len(), 1);
            keys.push(init["key"].as_str().unwrap().to_owned());
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 100);
        server.append(&room, "k1", json!("more")).await;
        let init = socket.expect("init").await;
        assert_eq!((&init["key"], &init["data"][1]["value"]), (&json!("k1"), &json!("more")));
        server.send(&room, &push("k2", "r", "relay")).await;
        assert_eq!(socket.expect("push").await["value"], "r");
        server.send(&room, &compact("k1", "both", 101)).await;
        let init = socket.expect("init").await;
        assert_eq!(init["data"], json!([{"value": "both", "seq": 101}]));
        server.send(&room, &push("k3", "new", "replace")).await;
        assert_eq!(socket.expect("init").await["data"], json!([{"value": "new", "seq": 103}]));
        assert_eq!(socket.settle().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn nothing_of_a_burst_is_lost_by_its_sender_or_by_others() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let room = server.new_room().await;
        let mut writer = opening.connect(&server, &room).await;
        let mut reader = opening.connect(&server, &room).await;
        for socket in [&mut writer, &mut reader] {
            socket.send(get("k")).await;
            socket.expect("init").await;
        }
        writer.send_all((0..4_000).map(|n| push("k", n, if n % 2 == 0 { "append" } else { "relay" }))).await;
        let expected: Vec<_> = (1..=4_000).collect();
        assert_eq!(push_seqs(&writer.settle().await), expected);
        assert_eq!(push_seqs(&reader.settle().await), expected);
    }
}

#[tokio::test]
async fn cbor_that_json_cannot_say_reaches_both_kinds_of_client() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut json = Opening::driftdb().connect(&server, &room).await;
    let mut cbor = Opening::driftdb_cbor().connect(&server, &room).await;
    for socket in [&mut json, &mut cbor] {
        socket.send(get("k")).await;
        socket.expect("init").await;
    }
    // {"type": "push", "key": "k", "value": {[1]: h'0102'}, "action": {"type": "append"}}: a map whose key is
    // a list cut every JSON client off, and the room with them.
    let mut bytes = vec![0xa4];
    bytes.extend([&[0x64][..], b"type", &[0x64], b"push", &[0x63], b"key", &[0x61], b"k"].concat());
    bytes.extend([&[0x65][..], b"value", &[0xa1, 0x81, 0x01, 0xd8, 0x40, 0x42, 1, 2]].concat());
    bytes.extend([&[0x66][..], b"action", &[0xa1, 0x64], b"type", &[0x66], b"append"].concat());
    json.send_frame(Message::binary(bytes)).await.unwrap();
    assert_eq!(json.expect("push").await["value"], json!({"cbor:8101": [1, 2]}));
    let init = server.send(&room, &get("k")).await;
    assert_eq!((init.status, &init.json()["data"][0]["value"]), (200, &json!({"cbor:8101": [1, 2]})));
    let seen = server.request("GET", &format!("/room/{room}/stream")).send().await;
    assert_eq!(seen.json()["data"][0]["value"], json!({"cbor:8101": [1, 2]}));
}

#[tokio::test]
async fn a_read_only_id_reads_and_its_pushes_are_refused() {
    let server = ServerProcess::start().await;
    for opening in both() {
        let made = server.new_room_body().await;
        let mut socket = opening.connect(&server, made["read_only"].as_str().unwrap()).await;
        socket.send(get("k")).await;
        socket.expect("init").await;
        socket.send(push("k", 1, "append")).await;
        assert_eq!(socket.expect("error").await["code"], "read_only");
        server.append(made["room"].as_str().unwrap(), "k", json!("heard")).await;
        assert_eq!(socket.expect("push").await["value"], "heard");
    }
}
