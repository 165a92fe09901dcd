//! `POST /room/{id}/send`, against a real server: single messages as DriftDB answers them, lists, CBOR, pushes
//! that happen once, and bodies that cannot be meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_testing::http_client::to_cbor;
use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{compact, get, push, push_id};
use serde_json::{Value, json};

/// A room nobody has made.
const NO_ROOM: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn one_message_by_http_is_answered_as_driftdb_does() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let cases = [
        (push("k", 1, "append"), Value::Null),
        (
            push("k", json!({"a": [1.5, null]}), "append"),
            json!({"type": "stream_size", "key": "k", "size": 2}),
        ),
        (push("k", 3, "relay"), json!({"type": "stream_size", "key": "k", "size": 2})),
        (push("other", 3, "relay"), Value::Null),
        (json!({"type": "ping"}), json!({"type": "pong", "nonce": null})),
        (json!({"type": "ping", "nonce": 7}), json!({"type": "pong", "nonce": 7})),
        (json!({"type": "get", "key": "k", "seq": null}), Value::Null),
        (
            json!({"type": "get", "key": "k"}),
            json!({"type": "init", "key": "k", "data": [{"value": 1, "seq": 1}, {"value": {"a": [1.5, null]}, "seq": 2}]}),
        ),
        (json!({"type": "get", "key": "k", "seq": 9}), json!({"type": "init", "key": "k", "data": []})),
        (json!({"type": "get", "key": "nobody"}), json!({"type": "init", "key": "nobody", "data": []})),
        (compact("k", "sum", 2), Value::Null),
        (push("k", "whole", "replace"), Value::Null),
        (get("k"), json!({"type": "init", "key": "k", "data": [{"value": "whole", "seq": 5}]})),
    ];
    for (body, expected) in cases {
        let reply = server.send(&room, &body).await;
        assert_eq!((reply.status, reply.json()), (200, expected), "{body}");
    }
}

#[tokio::test]
async fn bodies_are_judged_by_their_type_and_size_and_the_body_before_the_room() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let send = |room: &str| server.request("POST", &format!("/room/{room}/send"));
    let good = push("k", 1, "append").to_string();
    for media in ["", "text/plain", "application/x-www-form-urlencoded"] {
        assert_eq!(send(&room).body(media, good.clone()).send().await.status, 415, "{media}");
    }
    for media in ["application/json", "application/json; charset=utf-8", "application/vnd.a+json"] {
        assert_eq!(send(&room).body(media, good.clone()).send().await.status, 200, "{media}");
    }
    for id in [&*room, NO_ROOM] {
        for garbled in ["", "{", "nonsense", "{\"type\":\"ping\"} x", "[1,", "\u{feff}{}"] {
            let reply = send(id).body("application/json", garbled).send().await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "bad_message"), "{garbled}");
        }
        for wrong in [
            "{}",
            "7",
            "null",
            "{\"type\":\"nothing\"}",
            "[\"ping\",5]",
            "{\"type\":\"push\",\"key\":\"k\",\"value\":null,\"action\":{\"type\":\"append\"}}",
            "{\"type\":\"push\",\"key\":\"k\",\"value\":1,\"action\":\"append\"}",
            "{\"type\":\"push\",\"key\":7,\"value\":1,\"action\":{\"type\":\"append\"}}",
            "{\"type\":\"push\",\"value\":1,\"action\":{\"type\":\"append\"}}",
            "{\"type\":\"get\",\"key\":\"k\",\"seq\":-1}",
            "{\"type\":\"get\",\"key\":\"k\",\"seq\":1.0}",
            "{\"type\":\"ping\",\"nonce\":18446744073709551616}",
        ] {
            let reply = send(id).body("application/json", wrong).send().await;
            assert_eq!((reply.status, reply.code().as_str()), (422, "bad_message"), "{wrong}");
        }
    }
    let large = push("k", "x".repeat(1 << 20), "append").to_string();
    let far_larger = push("k", "x".repeat(8 << 20), "append").to_string();
    for body in [large, far_larger] {
        let reply = send(&room).body("application/json", body).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "too_large"));
    }
    let fits = push("k", "x".repeat((1 << 20) - 200), "append").to_string();
    assert_eq!(send(&room).body("application/json", fits).send().await.status, 200);
    server.assert_serves().await;
}

#[tokio::test]
async fn cbor_bodies_are_answered_in_cbor() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let path = format!("/room/{room}/send");
    let cases = [
        (push("k", json!({"n": -7, "f": 1.5, "t": "ü"}), "append"), Value::Null),
        (push("k", 2, "append"), json!({"type": "stream_size", "key": "k", "size": 2})),
        (
            get("k"),
            json!({"type": "init", "key": "k", "data": [
                {"value": {"n": -7, "f": 1.5, "t": "ü"}, "seq": 1}, {"value": 2, "seq": 2}]}),
        ),
    ];
    for (body, expected) in cases {
        let reply = server.request("POST", &path).cbor(&body).send().await;
        assert_eq!(reply.header("content-type"), Some("application/cbor"));
        assert_eq!((reply.status, reply.cbor()), (200, expected), "{body}");
    }
    let list = json!([push("k", 3, "append"), push("k", 4, "append")]);
    let acks = server.request("POST", &path).cbor(&list).send().await.cbor();
    assert_eq!((&acks[0]["seq"], &acks[1]["seq"]), (&json!(3), &json!(4)), "{acks}");
    let bytes = [&[0xa1, 0x64][..], b"type", &[0x5f]].concat();
    for bad in [vec![], vec![0xff], vec![0xa1], bytes, to_cbor(&push("k", Value::Null, "append"))] {
        let reply = server.request("POST", &path).body("application/cbor", bad.clone()).send().await;
        assert!(matches!(reply.status, 400 | 422), "{bad:?} {reply:?}");
        assert_eq!(reply.code(), "bad_message");
    }
}

#[tokio::test]
async fn a_list_of_pushes_is_done_whole_or_not_at_all_with_consecutive_numbers() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    server.append(&room, "k", json!(0)).await;
    let list = json!([
        push("a", 1, "append"),
        push("b", 2, "relay"),
        push("a", 3, "append"),
        push("c", 4, "replace")
    ]);
    let reply = server.send(&room, &list).await;
    let acks = reply.json();
    let seqs: Vec<_> = acks.as_array().unwrap().iter().map(|ack| ack["seq"].as_u64().unwrap()).collect();
    assert_eq!((reply.status, seqs), (200, vec![2, 3, 4, 5]), "{acks}");
    let before = server.entries(&room).await;
    let bad_ends = [
        (compact("a", 0, 1_000), 409, "compact_ahead"),
        (push("a", Value::Null, "append"), 422, "bad_message"),
        (json!({"type": "ping"}), 422, "bad_message"),
        (push(&"k".repeat(9_000), 1, "append"), 422, "bad_message"),
    ];
    for (bad, status, code) in bad_ends {
        let reply = server.send(&room, &json!([push("a", 9, "append"), bad])).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{reply:?}");
    }
    let long = Value::from(vec![push("a", 1, "append"); 1_001]);
    let reply = server.send(&room, &long).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "too_large"));
    let heavy = Value::from(vec![push("a", "x".repeat(700_000), "append"); 7]);
    let reply = server.send(&room, &heavy).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "too_large"));
    assert_eq!(server.entries(&room).await, before, "nothing of them was done");
    let longest = Value::from(vec![push("a", 1, "append"); 1_000]);
    assert_eq!(server.send(&room, &longest).await.json().as_array().unwrap().len(), 1_000);
    assert_eq!(server.send(&room, &json!([])).await.json(), json!([]));
}

#[tokio::test]
async fn a_client_id_makes_http_pushes_happen_once() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let path = format!("/room/{room}/send");
    let send = |client: &'static str, body: Value| {
        server.request("POST", &path).header("seabag-client", client).json(&body).send()
    };
    let (alice, bob) = ("alice-00000000000000", "bob-0000000000000000");
    let first = send(alice, push_id("k", "a", "append", 5)).await.json();
    assert_eq!(first, json!({"type": "ack", "id": 5, "seq": 1, "size": 1}));
    let again = send(alice, push_id("k", "a", "append", 5)).await.json();
    assert_eq!(again, json!({"type": "ack", "id": 5, "seq": 1, "size": 1, "repeat": true}));
    let older = send(alice, push_id("k", "z", "append", 3)).await.json();
    assert_eq!((&older["repeat"], &older["seq"]), (&json!(true), &Value::Null));
    assert_eq!(send(bob, push_id("k", "b", "append", 5)).await.json()["seq"], 2);
    let list = json!([push_id("k", "a", "append", 5), push_id("k", "c", "append", 6)]);
    let acks = send(alice, list.clone()).await.json();
    assert_eq!((&acks[0]["repeat"], &acks[1]["seq"]), (&json!(true), &json!(3)));
    assert_eq!(send(alice, list).await.json()[1]["repeat"], true);
    let refused = send(alice, compact_id("k", 900, 7)).await;
    assert_eq!((refused.status, &refused.json()["id"]), (409, &json!(7)));
    let used_up = send(alice, push_id("k", "late", "append", 7)).await.json();
    assert_eq!((&used_up["repeat"], &used_up["seq"]), (&json!(true), &Value::Null), "its id is used up");
    assert_eq!(server.entries(&room).await.len(), 3);
    for bad in ["short", "has space has space", "päivää-päivää-päivää"] {
        let reply = server.request("POST", &path).header("seabag-client", bad);
        let reply = reply.json(&push_id("k", 1, "append", 1)).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_parameter"), "{bad}");
    }
    let nobody = server.send(&room, &push_id("k", 1, "append", 8)).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (422, "bad_message"), "an id needs a client");
    server.assert_keeps(&[&room, alice]).await;
}

fn compact_id(key: &str, seq: u64, id: u64) -> Value {
    let mut message = compact(key, 0, seq);
    message["id"] = id.into();
    message
}

#[tokio::test]
async fn compacts_are_checked_and_leave_what_came_later() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    for value in 1..=5 {
        server.append(&room, "k", json!(value)).await;
    }
    let ahead = server.send(&room, &compact("k", 0, 6)).await;
    assert_eq!((ahead.status, ahead.code().as_str()), (409, "compact_ahead"));
    let done = server.send(&room, &compact("k", "sum of 1 to 3", 3)).await.json();
    assert_eq!(done, json!({"type": "stream_size", "key": "k", "size": 3}));
    for stale in [1, 3] {
        assert_eq!(server.send(&room, &compact("k", "old", stale)).await.status, 200);
    }
    let init = server.send(&room, &get("k")).await.json();
    let seen: Vec<_> =
        init["data"].as_array().unwrap().iter().map(|e| (e["seq"].clone(), e["value"].clone())).collect();
    assert_eq!(seen, [(json!(3), json!("sum of 1 to 3")), (json!(4), json!(4)), (json!(5), json!(5))]);
    let trim = json!({"type": "push", "key": "k", "action": {"type": "compact", "seq": 5}});
    assert_eq!(server.send(&room, &trim).await.status, 200);
    assert_eq!(server.entries(&room).await, Vec::<Value>::new());
    assert_eq!(server.send(&room, &compact("k", "stale", 5)).await.status, 200);
    assert_eq!(server.entries(&room).await, Vec::<Value>::new(), "its floor outlives the stream");
    server.append(&room, "k", json!(6)).await;
    assert_eq!(server.entries(&room).await[0]["seq"], 6);
}
