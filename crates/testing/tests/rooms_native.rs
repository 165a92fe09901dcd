//! The native dialect over WebSocket, against a real server, in JSON and in CBOR: the order rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{Incoming, Opening, Socket, compact, get, push, push_id, push_seqs};
use serde_json::{Value, json};

const ALICE: &str = "alice-outbox-0000001";
const BOTH: [bool; 2] = [false, true];

fn native(cbor: bool) -> Opening {
    Opening::native().encoded(cbor)
}

async fn join(opening: Opening, server: &ServerProcess, room: &str) -> (Socket, Value) {
    let mut socket = opening.connect(server, room).await;
    let hello = socket.expect("hello").await;
    (socket, hello)
}

fn cursor(hello: &Value, seq: u64) -> String {
    format!("{}.{seq}", hello["epoch"].as_str().unwrap())
}

fn seqs(entries: &Value) -> Vec<u64> {
    entries["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_connection_is_greeted_and_then_hears_the_whole_room_from_there_on() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let made = server.new_room_body().await;
        let room = made["room"].as_str().unwrap();
        server.append(room, "before", json!(1)).await;
        let (mut reader, hello) = join(native(cbor), &server, made["read_only"].as_str().unwrap()).await;
        assert_eq!(reader.protocol.as_deref(), Some(if cbor { "seabag.v1.cbor" } else { "seabag.v1" }));
        assert_eq!(
            (&hello["seq"], &hello["read_only"], &hello["closed"]),
            (&json!(1), &json!(true), &json!(false))
        );
        assert_eq!((&hello["epoch"], &hello["last_id"]), (&made["epoch"], &Value::Null));
        let limits = json!({"message_bytes": 1 << 20, "key_bytes": 8_192, "pushes_per_second": 100_000});
        assert_eq!(hello["limits"], limits);
        let (mut writer, _) = join(native(!cbor), &server, room).await;
        writer.send(push("a", json!({"x": [1, "ü", 2.5]}), "append")).await;
        writer.send(push("b", true, "relay")).await;
        writer.send(push("a", "c", "replace")).await;
        writer.send(compact("a", "d", 4)).await;
        writer.send(push("end", 0, "close")).await;
        for expected in [
            json!({"type": "push", "key": "a", "value": {"x": [1, "ü", 2.5]}, "seq": 2}),
            json!({"type": "push", "key": "b", "value": true, "seq": 3}),
            json!({"type": "push", "key": "a", "value": "c", "seq": 4}),
            json!({"type": "push", "key": "end", "value": 0, "seq": 5}),
        ] {
            assert_eq!(reader.message().await, expected);
        }
        assert_eq!(reader.settle().await, Vec::<Value>::new());
        let (_, hello) = join(native(cbor), &server, room).await;
        assert_eq!(hello["closed"], true);
    }
}

#[tokio::test]
async fn catching_up_over_many_pages_while_others_write_misses_and_repeats_nothing() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        for start in 0..4 {
            let list: Vec<_> = (0..1_000).map(|n| push("k", start * 1_000 + n, "append")).collect();
            assert_eq!(server.send(&room, &Value::from(list)).await.status, 200);
        }
        let (mut writer, _) = join(Opening::native(), &server, &room).await;
        let writing = tokio::spawn(async move {
            for n in 0..1_500 {
                writer.send(push("live", n, if n % 3 == 0 { "relay" } else { "append" })).await;
            }
            writer.settle().await;
        });
        let (mut reader, _) = join(native(cbor).since("0"), &server, &room).await;
        let told = reader.until("live").await;
        let caught_up: Vec<_> =
            told.iter().filter(|message| message["type"] == "entries").flat_map(seqs).collect();
        let live = told.last().unwrap()["seq"].as_u64().unwrap();
        assert!(told.iter().all(|m| m["type"] != "push" && m.get("next").is_none()));
        assert!(caught_up.windows(2).all(|two| two[0] < two[1]));
        assert_eq!(caught_up[..4_000], (1..=4_000).collect::<Vec<_>>());
        let mut last = live;
        while last < 5_500 {
            let message = reader.expect("push").await;
            assert_eq!(message["seq"], last + 1, "a hole after live");
            last += 1;
        }
        writing.await.unwrap();
        let stored: Vec<_> =
            server.entries(&room).await.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        let before: Vec<_> = stored.into_iter().filter(|seq| *seq <= live).collect();
        assert_eq!(caught_up, before);
    }
}

#[tokio::test]
async fn many_writers_and_readers_all_see_one_order_without_a_hole() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut connections = Vec::new();
    for number in 0..6 {
        connections.push(join(native(number % 2 == 1), &server, &room).await.0);
    }
    let run = connections.into_iter().enumerate().map(|(number, mut socket)| {
        tokio::spawn(async move {
            let actions = ["append", "relay", "replace"];
            socket.send_all((0..200).map(|n| push(&format!("k{number}"), n, actions[n % 3]))).await;
            let mut heard = Vec::new();
            while heard.len() < 1_200 {
                let message = socket.message().await;
                if message["type"] == "push" {
                    heard.push((
                        message["seq"].as_u64().unwrap(),
                        message["key"].to_string(),
                        message["value"].clone(),
                    ));
                }
            }
            heard
        })
    });
    let run: Vec<_> = run.collect();
    let mut all = Vec::new();
    for task in run {
        all.push(task.await.unwrap());
    }
    let numbers: Vec<_> = all[0].iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(numbers, (1..=1_200).collect::<Vec<_>>());
    assert!(all.iter().all(|heard| *heard == all[0]), "two readers saw different orders");
}

#[tokio::test]
async fn an_ack_comes_before_ones_own_push_and_a_stream_size_only_without_an_id() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        let (mut socket, _) = join(native(cbor).client(ALICE), &server, &room).await;
        socket.send(push_id("k", "a", "append", 1)).await;
        assert_eq!(socket.message().await, json!({"type": "ack", "id": 1, "seq": 1, "size": 1}));
        assert_eq!(socket.expect("push").await["seq"], 1);
        socket.send(push_id("k", "b", "append", 2)).await;
        assert_eq!(socket.expect("ack").await["size"], 2);
        assert_eq!(socket.expect("push").await["seq"], 2);
        socket.send(push("k", "c", "append")).await;
        assert_eq!(socket.expect("push").await["seq"], 3);
        assert_eq!(socket.message().await, json!({"type": "stream_size", "key": "k", "size": 3}));
        socket.send(push_id("k", "r", "relay", 3)).await;
        assert_eq!(socket.expect("ack").await["seq"], 4);
        assert_eq!(socket.expect("push").await["seq"], 4);
        let mut sum = compact("k", "ab", 2);
        sum["id"] = 4.into();
        socket.send(sum.clone()).await;
        assert_eq!(socket.message().await, json!({"type": "ack", "id": 4, "seq": 2, "size": 2}));
        sum["id"] = 5.into();
        socket.send(sum).await;
        assert_eq!(
            socket.message().await,
            json!({"type": "ack", "id": 5, "seq": 2, "size": 2, "stale": true})
        );
        assert_eq!(socket.settle().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_get_holds_exactly_what_came_before_it_and_repeated_gets_deliver_once() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        for deliver in ["all", "keys"] {
            let room = server.new_room().await;
            let (mut socket, _) = join(native(cbor).query("deliver", deliver), &server, &room).await;
            let mut messages = Vec::new();
            for n in 0..30 {
                messages.push(push("k", n, "append"));
                if n % 10 == 4 {
                    messages.push(get("k"));
                }
            }
            socket.send_all(messages).await;
            let told = socket.settle().await;
            let mut pushed = 0;
            for message in &told {
                match message["type"].as_str().unwrap() {
                    "push" => pushed = message["seq"].as_u64().unwrap(),
                    "init" => {
                        let held = seqs(message);
                        let last = *held.last().unwrap();
                        assert!(pushed == last || pushed == 0, "a push behind the get came before its init");
                        assert_eq!(held, (1..=last).collect::<Vec<_>>());
                        pushed = last;
                    }
                    _ => {}
                }
            }
            let expected: Vec<_> = if deliver == "all" { (1..=30).collect() } else { (6..=30).collect() };
            assert_eq!(push_seqs(&told), expected, "{deliver}: each push once");
        }
    }
}

#[tokio::test]
async fn delivery_by_keys_hears_only_the_keys_that_were_asked_for() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let (mut socket, _) = join(Opening::native().query("deliver", "keys"), &server, &room).await;
    socket.send(push("other", 1, "append")).await;
    socket.send(json!({"type": "get", "key": "mine", "seq": null})).await;
    socket.send(push("mine", 2, "append")).await;
    socket.send(push("mine", 3, "relay")).await;
    socket.send(push("other", 4, "relay")).await;
    let told = socket.settle().await;
    assert_eq!(push_seqs(&told), [2, 3]);
    assert!(told.iter().all(|message| message["type"] != "init"), "only subscribing brings no init");
}

#[tokio::test]
async fn rooms_and_keys_can_be_read_page_by_page() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        let (mut socket, hello) = join(native(cbor), &server, &room).await;
        socket.send_all((0..25).map(|n| push(&format!("k{:02}", n % 10), n, "append"))).await;
        socket.settle().await;
        let (mut after, mut all) = (0, Vec::new());
        loop {
            socket.send(json!({"type": "get", "seq": after, "epoch": hello["epoch"], "limit": 10})).await;
            let page = socket.expect("entries").await;
            all.extend(seqs(&page));
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => break assert_eq!(page["next"], Value::Null),
            }
        }
        assert_eq!(all, (1..=25).collect::<Vec<_>>());
        socket.send(json!({"type": "keys", "limit": 6})).await;
        let first = socket.expect("keys").await;
        assert_eq!(
            first["data"][5],
            json!({"key": "k05", "size": 2, "bytes": if cbor { 2 } else { 3 }, "first": 6, "last": 16})
        );
        socket.send(json!({"type": "keys", "after": first["next"]})).await;
        let rest = socket.expect("keys").await;
        assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next"]), (4, &Value::Null));
        for (epoch, seq, reason) in
            [("elsewhere", 1, "unknown_epoch"), (hello["epoch"].as_str().unwrap(), 26, "ahead")]
        {
            socket.send(json!({"type": "get", "seq": seq, "epoch": epoch})).await;
            let reset = socket.expect("reset").await;
            assert_eq!((&reset["reason"], &reset["seq"]), (&json!(reason), &json!(25)));
            assert_eq!(seqs(&socket.expect("entries").await).len(), 25);
        }
    }
}

#[tokio::test]
async fn a_cursor_goes_on_and_one_of_another_history_is_reset_first() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        for n in 1..=3 {
            server.append(&room, "k", json!(n)).await;
        }
        let (_, hello) = join(native(cbor), &server, &room).await;
        let (mut socket, _) = join(native(cbor).since(&cursor(&hello, 2)), &server, &room).await;
        assert_eq!(seqs(&socket.expect("entries").await), [3]);
        assert_eq!(socket.expect("live").await["seq"], 3);
        let (mut current, _) = join(native(cbor).since(&cursor(&hello, 3)), &server, &room).await;
        assert_eq!(current.expect("live").await["seq"], 3);
        for (bad, reason) in [("another.1".to_owned(), "unknown_epoch"), (cursor(&hello, 4), "ahead")] {
            let (mut socket, hello) = join(native(cbor).since(&bad), &server, &room).await;
            let reset = socket.expect("reset").await;
            assert_eq!(reset, json!({"type": "reset", "reason": reason, "epoch": hello["epoch"], "seq": 3}));
            assert_eq!(seqs(&socket.expect("entries").await), [1, 2, 3]);
            socket.expect("live").await;
        }
    }
}

#[tokio::test]
async fn one_may_push_while_catching_up() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    for _ in 0..3 {
        server.send(&room, &Value::from(vec![push("k", "x".repeat(1_000), "append"); 1_000])).await;
    }
    let mut socket = native(false).since("0").client(ALICE).connect(&server, &room).await;
    socket.send_all((1..=50).map(|id| push_id("mine", id, "append", id))).await;
    let told = socket.settle().await;
    let acked: Vec<_> =
        told.iter().filter(|m| m["type"] == "ack").map(|m| m["id"].as_u64().unwrap()).collect();
    assert_eq!(acked, (1..=50).collect::<Vec<_>>());
    let mut told = told;
    if !told.iter().any(|message| message["type"] == "live") {
        told.extend(socket.until("live").await);
        told.extend(socket.settle().await);
    }
    let mut heard: Vec<_> = told.iter().filter(|m| m["type"] == "entries").flat_map(seqs).collect();
    heard.extend(push_seqs(&told));
    assert_eq!(heard, (1..=3_050).collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_openings_are_refused_before_the_upgrade() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let bad = [
        Opening::native().query("since", "x"),
        Opening::native().query("since", ""),
        Opening::native().query("since", "0").query("deliver", "keys"),
        Opening::native().query("deliver", "some"),
        Opening::native().query("client", "short"),
        Opening::native().query("debug", "1"),
        Opening::native().query("cbor", "true"),
        Opening::driftdb().query("since", "0"),
        Opening::driftdb().query("client", ALICE),
        Opening::driftdb().query("cbor", "1"),
        Opening::driftdb().query("cbor", ""),
        Opening::driftdb().query("debug", "yes"),
    ];
    for opening in bad {
        let refused = opening.try_connect(&server, &room).await.expect_err("refused");
        assert_eq!(refused.status, 400, "{opening:?}");
    }
    for opening in [Opening::native(), Opening::driftdb(), Opening::driftdb_cbor()] {
        for id in ["AAAAAAAAAAAAAAAAAAAAAA", "ro.AAAAAAAAAAAAAAAAAAAAAA", "guessable"] {
            assert_eq!(opening.try_connect(&server, id).await.expect_err("refused").status, 404);
        }
    }
    let plain = server.request("GET", &format!("/room/{room}/connect")).send().await;
    assert!(matches!(plain.status, 400 | 426), "{plain:?}");
    for (offered, chosen) in
        [("seabag.v1.cbor, seabag.v1", Some("seabag.v1.cbor")), ("other, seabag.v1", Some("seabag.v1"))]
    {
        let socket = Opening::native().offer(offered).connect(&server, &room).await;
        assert_eq!(socket.protocol.as_deref(), chosen);
    }
    Opening::native().query("unknown", "ignored").connect(&server, &room).await;
    server.assert_keeps(&[&room, ALICE]).await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_an_error_and_the_native_connection_goes_on() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        let (mut socket, _) = join(native(cbor), &server, &room).await;
        let mut nothing = push("k", 1, "append");
        nothing["value"] = Value::Null;
        let mut unsigned = push_id("k", 1, "append", 1);
        unsigned["id"] = json!(-1);
        for (bad, code) in [
            (json!({}), "bad_message"),
            (json!(["ping", 5]), "bad_message"),
            (json!({"type": "nothing"}), "bad_message"),
            (nothing, "bad_message"),
            (unsigned, "bad_message"),
            (push_id("k", 1, "append", 1), "bad_message"),
            (push("k", 1, "explode"), "bad_message"),
            (json!({"type": "ping", "nonce": 9_007_199_254_740_992_u64}), "bad_message"),
            (json!({"type": "get", "key": "k", "seq": "1"}), "bad_message"),
            (push(&"k".repeat(8_193), 1, "append"), "bad_message"),
            (compact("k", 1, 5), "compact_ahead"),
        ] {
            socket.send(bad.clone()).await;
            let error = socket.expect("error").await;
            assert_eq!(error["code"], code, "{bad}");
        }
        socket.send(push("k", 1, "append")).await;
        assert_eq!(socket.expect("push").await["seq"], 1, "refusals take no number");
    }
}

#[tokio::test]
async fn a_deleted_room_closes_its_connections_with_4502() {
    let server = ServerProcess::start().await;
    for cbor in BOTH {
        let room = server.new_room().await;
        let (mut socket, _) = join(native(cbor), &server, &room).await;
        assert_eq!(server.request("DELETE", &format!("/room/{room}")).send().await.status, 204);
        let (told, end) = socket.drain().await;
        assert_eq!(told.last().unwrap()["code"], "room_deleted");
        assert!(matches!(&end, Incoming::Closed(4502, reason) if reason == "room_deleted"), "{end:?}");
        assert_eq!(native(cbor).try_connect(&server, &room).await.expect_err("gone").status, 404);
    }
}
