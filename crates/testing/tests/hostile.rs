//! Peers that mean harm or do not know better, against a real server. After each the server serves another room
//! as always, and no id of a room shows in its log or metrics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use futures_util::future::join_all;
use seabag_testing::http_client::to_cbor;
use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::raw::{RawSocket, close_code, frame, frames, header};
use seabag_testing::socket::{Incoming, Opening, compact, push, push_id};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

/// Long enough for an answer on a busy machine; a peer that gets none is cut after less.
const PATIENCE: Duration = Duration::from_secs(60);

fn openings() -> [Opening; 4] {
    [Opening::native(), Opening::native_cbor(), Opening::driftdb(), Opening::driftdb_cbor()]
}

#[tokio::test]
async fn a_message_over_the_limit_is_told_and_closed_with_1009_however_large() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    for opening in openings() {
        for bytes in [1 << 20, 3 << 20, 5 << 20, 40 << 20] {
            let mut socket = opening.connect(&server, &room).await;
            let mut last = Incoming::Cut;
            // A peer that is cut while it still sends cannot be told; one that listens is.
            let large = socket.send_frame(Message::text(push("k", "x".repeat(bytes), "append").to_string()));
            let sent = large.await;
            let mut told = Vec::new();
            if sent.is_ok() || bytes <= 3 << 20 {
                (told, last) = socket.drain().await;
            }
            let code = told.last().map(|error| error["code"].clone());
            if bytes <= 3 << 20 {
                assert_eq!(code, Some(json!("too_large")), "{bytes}");
                assert!(matches!(last, Incoming::Closed(1009, _)), "{bytes}: {last:?}");
            } else {
                assert!(matches!(last, Incoming::Closed(1009, _) | Incoming::Cut), "{bytes}: {last:?}");
            }
        }
    }
    assert_eq!(server.entries(&room).await, Vec::<Value>::new());
    server.assert_serves().await;
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn a_frame_that_claims_to_be_huge_is_refused_before_it_comes() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    for length in [u64::MAX >> 1, u64::MAX, 1 << 40, 5 << 20] {
        for native in [true, false] {
            let mut raw = RawSocket::upgrade(&server, &room, native).await;
            raw.send(&header(0x81, length, true)).await.unwrap();
            let (bytes, ended) = raw.read_to_end(PATIENCE).await;
            assert!(ended, "{length}: it waits for what will never come");
            assert!(matches!(close_code(&bytes), Some(1009 | 1002) | None), "{:?}", frames(&bytes));
        }
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn nonsense_of_every_kind_is_an_error_and_nothing_more() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let deep =
        |open: &str, shut: &str, depth: usize| format!("{}1{}", open.repeat(depth), shut.repeat(depth));
    let pushed = |value: String| {
        format!("{{\"type\":\"push\",\"key\":\"k\",\"value\":{value},\"action\":{{\"type\":\"append\"}}}}")
    };
    let texts = [
        "\"".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "{\"type\":null}".to_owned(),
        "{\"type\":\"push\"}".to_owned(),
        "{\"type\":\"push\",\"type\":\"push\"}".to_owned(),
        deep("[", "]", 100_000),
        deep("{\"a\":", "}", 100_000),
        pushed(deep("[", "]", 130)),
        pushed(deep("[", "]", 200_000)),
        pushed(deep("{\"a\":", "}", 100_000)),
        pushed("1e999".to_owned()),
        pushed("\"\\ud800\"".to_owned()),
        pushed("\"\\x\"".to_owned()),
        pushed("01".to_owned()),
        pushed("NaN".to_owned()),
        pushed("null".to_owned()),
        pushed("[1,]".to_owned()),
        "{\"type\":\"ping\",\"nonce\":99999999999999999999999999}".to_owned(),
        "{\"type\":\"ping\",\"nonce\":1e3}".to_owned(),
        "{\"type\":\"get\",\"key\":\"k\",\"seq\":-0}".to_owned(),
        "{\"type\":\"get\",\"key\":[\"k\"]}".to_owned(),
        format!("{{\"type\":\"{}\"}}", "x".repeat(100_000)),
    ];
    let binaries = [
        vec![],
        vec![0x9f; 100_000],
        vec![0x81; 100_000],
        [&vec![0xbf, 0x61, 0x61][..]; 30_000].concat(),
        vec![0xc1; 100_000],
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x7f, 0x61, 0xff],
        vec![0xf6],
        vec![0xff],
        vec![0x1c],
        to_cbor(&push("k", Value::Null, "append")),
        [to_cbor(&push("k", 1, "append")), vec![0x00]].concat(),
        to_cbor(
            &json!({"type": "push", "key": "k", "value": [[1], [1]], "action": {"type": "compact", "seq": -1}}),
        ),
    ];
    let mut frames: Vec<_> = texts.into_iter().map(Message::text).collect();
    frames.extend(binaries.into_iter().map(Message::binary));
    let mut socket = Opening::native().connect(&server, &room).await;
    socket.expect("hello").await;
    for bad in frames {
        let short: String = format!("{bad:?}").chars().take(100).collect();
        socket.send_frame(bad).await.unwrap();
        let error = socket.expect("error").await;
        assert_eq!(error["code"], "bad_message", "{short}");
        let message = error["message"].as_str().unwrap();
        assert!(message.len() < 1_000, "an error as long as the nonsense: {short}");
    }
    socket.send(push("k", "well", "append")).await;
    assert_eq!(socket.expect("push").await["seq"], 1);
    server.assert_serves().await;
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn frames_against_the_rules_end_their_connection_and_no_other() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut witness = Opening::native().connect(&server, &room).await;
    witness.expect("hello").await;
    let ping = json!({"type": "ping"}).to_string();
    let unmasked = [header(0x81, ping.len() as u64, false), ping.clone().into_bytes()].concat();
    let broken: [(&str, Vec<u8>); 10] = [
        ("unmasked", unmasked),
        ("reserved bits", frame(0xf1, ping.as_bytes())),
        ("a reserved opcode", frame(0x83, b"x")),
        ("a reserved control opcode", frame(0x8b, b"x")),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a ping of 126 bytes", frame(0x89, &[0; 126])),
        ("a continuation of nothing", frame(0x80, b"x")),
        ("a new message within one", [frame(0x01, b"{"), frame(0x81, b"}")].concat()),
        ("text that is not UTF-8", frame(0x81, &[b'"', 0xc3, 0x28, 0xff, b'"'])),
        ("a close frame of one byte", frame(0x88, &[3])),
    ];
    for native in [true, false] {
        for (what, bytes) in &broken {
            let mut raw = RawSocket::upgrade(&server, &room, native).await;
            raw.send(bytes).await.unwrap();
            let (_, ended) = raw.read_to_end(PATIENCE).await;
            assert!(ended, "{what}");
        }
    }
    assert_eq!(witness.settle().await, Vec::<Value>::new());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_message_in_many_fragments_with_pings_between_is_one_message() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut raw = RawSocket::upgrade(&server, &room, false).await;
    let message = push("k", "in pieces", "append").to_string();
    let mut bytes = Vec::new();
    let last = message.len() - 1;
    for (at, byte) in message.bytes().enumerate() {
        let first = if at == 0 { 0x01 } else { 0x00 } | if at == last { 0x80 } else { 0 };
        bytes.extend(frame(first, &[byte]));
        bytes.extend(frame(0x89, b"are you there?"));
    }
    bytes.extend(frame(0x88, &1000_u16.to_be_bytes()));
    raw.send(&bytes).await.unwrap();
    let (answer, _) = raw.read_to_end(PATIENCE).await;
    assert!(frames(&answer).contains(&(0x8a, b"are you there?".to_vec())), "the payload is echoed");
    assert_eq!(close_code(&answer), Some(1000));
    assert_eq!(server.entries(&room).await[0]["value"], "in pieces");
}

#[tokio::test]
async fn floods_of_pings_and_unsolicited_pongs_are_borne() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut witness = Opening::native().connect(&server, &room).await;
    witness.expect("hello").await;
    let mut raw = RawSocket::upgrade(&server, &room, false).await;
    raw.send(&frame(0x8a, b"nobody asked")).await.unwrap();
    let (_, ended) = raw.read_to_end(Duration::from_millis(200)).await;
    assert!(!ended, "a pong is no reason to leave");
    let mut answers = Vec::new();
    for _ in 0..100 {
        let pings: Vec<_> = (0..200).flat_map(|n: u32| frame(0x89, &n.to_be_bytes())).collect();
        let pongs: Vec<_> = (0..200).flat_map(|_| frame(0x8a, b"still nobody")).collect();
        raw.send(&[pings, pongs].concat()).await.unwrap();
        // A frame may be read in two parts: only all of them together can be counted.
        let (part, ended) = raw.read_to_end(Duration::from_millis(2)).await;
        assert!(!ended, "a flood of pings is no reason to leave");
        answers.extend(part);
    }
    raw.send(&frame(0x81, push("k", "after the flood", "append").to_string().as_bytes())).await.unwrap();
    assert_eq!(witness.expect("push").await["value"], "after the flood");
    let count = |answers: &[u8]| frames(answers).iter().filter(|(first, _)| *first == 0x8a).count();
    let started = Instant::now();
    while count(&answers) == 0 && started.elapsed() < PATIENCE {
        let (part, ended) = raw.read_to_end(Duration::from_millis(200)).await;
        assert!(!ended);
        answers.extend(part);
    }
    let (part, ended) = raw.read_to_end(Duration::from_millis(200)).await;
    assert!(!ended);
    answers.extend(part);
    let pongs = count(&answers);
    assert!((1..=20_000).contains(&pongs), "20,000 pings brought {pongs} pongs");
    server.assert_serves().await;
}

#[tokio::test]
async fn heads_and_bodies_that_trickle_in_are_cut() {
    let server = Setup::new().flag("request-ms-max", 3_000).start().await;
    let room = server.new_room().await;
    let mut silent = RawSocket::connect(&server).await;
    let mut head = RawSocket::connect(&server).await;
    let mut body = RawSocket::connect(&server).await;
    let mut long = RawSocket::connect(&server).await;
    let mut nonsense = RawSocket::connect(&server).await;
    head.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let start = format!(
        "POST /room/{room}/send HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    body.send(start.as_bytes()).await.unwrap();
    // It may be cut in the middle.
    let _ = long.send(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)).as_bytes()).await;
    nonsense.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n").await.unwrap();
    for _ in 0..20 {
        sleep(Duration::from_millis(200)).await;
        let _ = head.send(b"y").await;
    }
    for (what, raw) in [
        ("silence", &mut silent),
        ("a head", &mut head),
        ("a body", &mut body),
        ("a path", &mut long),
        ("TLS", &mut nonsense),
    ] {
        let (_, ended) = raw.read_to_end(PATIENCE).await;
        assert!(ended, "{what} is waited for without end");
    }
    server.assert_serves().await;
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn what_a_room_cannot_hold_is_refused_with_a_code() {
    let setup =
        Setup::new().flag("room-keys-max", 3).flag("room-clients-max", 2).flag("room-bytes-max", 1_000);
    let server = setup.flag("room-entries-max", 20).start().await;
    let room = server.new_room().await;
    for key in ["a", "b", "c"] {
        server.append(&room, key, json!(1)).await;
    }
    let refused = |status: u16, code: &'static str, body: Value| {
        let (server, room) = (&server, &room);
        async move {
            let reply = server.send(room, &body).await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{body}");
        }
    };
    refused(507, "too_many_keys", push("d", 1, "append")).await;
    refused(507, "too_many_keys", push("d", 1, "replace")).await;
    refused(507, "room_full", push("a", "x".repeat(1_000), "append")).await;
    refused(409, "compact_ahead", compact("a", 1, 4)).await;
    assert_eq!(server.send(&room, &push("d", 1, "relay")).await.status, 200, "a relay is not kept");
    for value in 0..17 {
        server.append(&room, "a", json!(value)).await;
    }
    refused(507, "room_full", push("a", 1, "append")).await;
    assert_eq!(server.send(&room, &compact("a", 0, 20)).await.status, 200, "and a compact makes room");
    server.append(&room, "a", json!("fits again")).await;
    for (client, status) in
        [("client-0000000000001", 200), ("client-0000000000002", 200), ("client-0000000000003", 507)]
    {
        let request = server.request("POST", &format!("/room/{room}/send")).header("seabag-client", client);
        let reply = request.json(&push_id("a", 1, "append", 1)).send().await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let mut third = Opening::native().client("client-0000000000003").connect(&server, &room).await;
    third.expect("hello").await;
    third.send(push_id("a", 1, "append", 1)).await;
    let error = third.expect("error").await;
    assert_eq!((&error["code"], &error["id"]), (&json!("too_many_clients"), &json!(1)));
    server.assert_serves().await;
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn too_many_pushes_close_with_4101_and_too_many_rooms_are_429() {
    let setup = Setup::new().flag("pushes-per-second-max", 50).flag("rooms-created-per-second-max", 2);
    let server = setup.start().await;
    let room = server.new_room().await;
    for opening in openings() {
        let mut socket = opening.connect(&server, &room).await;
        socket.send_all((0..500).map(|n| push("k", n, "relay"))).await;
        let (told, end) = socket.drain().await;
        let error = told.last().unwrap();
        assert_eq!(error["code"], "rate_limited");
        assert!(error["retry_ms"].as_u64().is_some_and(|ms| ms > 0));
        assert!(matches!(&end, Incoming::Closed(4101, reason) if reason.contains("retry_ms=")), "{end:?}");
    }
    let replies = join_all((0..20).map(|_| server.request("POST", "/new").send())).await;
    let refused = replies.into_iter().find(|reply| reply.status != 200).expect("some were too many");
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    sleep(Duration::from_millis(refused.json()["retry_ms"].as_u64().unwrap() + 1_000)).await;
    server.assert_serves().await;
}
