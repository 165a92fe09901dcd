//! HTTP as no browser speaks it, against a real server: requests that lie about their length, come in a flood, or
//! never end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::raw::RawSocket;
use seabag_testing::socket::push;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A POST to a room, as bytes.
fn post(room: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /room/{room}/send HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
}

fn whole(room: &str, body: &Value) -> String {
    let body = body.to_string();
    post(room, &format!("content-length: {}\r\n", body.len()), &body)
}

fn statuses(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let found = text.match_indices("HTTP/1.1 ").map(|(at, start)| text[at + start.len()..][..3].to_owned());
    found.collect()
}

/// What has come when there is an answer with a body of a told length, which must be the only one.
async fn first_answer(raw: &mut RawSocket) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return read;
            }
        }
        let mut piece = [0; 4_096];
        let count = timeout(PATIENCE, raw.stream.read(&mut piece)).await.expect("an answer in time").unwrap();
        assert!(count > 0, "it ends within an answer: {text}");
        read.extend_from_slice(&piece[..count]);
    }
}

#[tokio::test]
async fn requests_that_contradict_themselves_are_refused_and_smuggle_nothing() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let body = push("k", "smuggled", "append").to_string();
    let smuggled = whole(&room, &push("k", "smuggled", "append"));
    for headers in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -1\r\n",
        "content-length: 99999999999999999999999\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length : 4\r\n",
        "x\r\n",
        "bad name: x\r\n",
        "x: \u{1}\r\n",
    ] {
        let mut raw = RawSocket::connect(&server).await;
        raw.send(post(&room, headers, &format!("{body}{smuggled}")).as_bytes()).await.unwrap();
        let (answer, ended) = raw.read_to_end(PATIENCE).await;
        assert!(ended, "{headers}");
        assert!(statuses(&answer).iter().all(|status| status.starts_with('4')), "{headers}: {answer:?}");
    }
    assert_eq!(server.entries(&room).await, Vec::<Value>::new());
    // Both lengths: the chunks count, and what follows is no second request.
    let both =
        post(&room, "content-length: 4\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{smuggled}"));
    let mut raw = RawSocket::connect(&server).await;
    raw.send(both.as_bytes()).await.unwrap();
    let answer = first_answer(&mut raw).await;
    assert!(statuses(&answer)[0].starts_with('4'), "{answer:?}");
    server.assert_serves().await;
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn a_body_in_chunks_is_read_and_bounded() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let body = push("k", "in chunks", "append").to_string();
    let chunks: String = body.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect();
    let headers = "transfer-encoding: chunked\r\nconnection: close\r\n";
    let mut raw = RawSocket::connect(&server).await;
    raw.send(post(&room, headers, &format!("{chunks}0\r\n\r\n")).as_bytes()).await.unwrap();
    assert_eq!(statuses(&raw.read_to_end(PATIENCE).await.0), ["200"]);
    assert_eq!(server.entries(&room).await[0]["value"], "in chunks");
    let mut endless = RawSocket::connect(&server).await;
    endless.send(post(&room, headers, "").as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..1_000 {
        // It is cut before the end.
        if endless.send(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let (answer, ended) = endless.read_to_end(PATIENCE).await;
    assert!(ended && statuses(&answer).iter().all(|status| status == "413"), "{:?}", statuses(&answer));
    server.assert_serves().await;
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut raw = RawSocket::connect(&server).await;
    let mut all: String = (0..300).map(|n| whole(&room, &push("k", n, "append"))).collect();
    all.push_str("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    raw.send(all.as_bytes()).await.unwrap();
    let (answer, ended) = raw.read_to_end(PATIENCE).await;
    assert!(ended);
    assert_eq!(statuses(&answer), vec!["200"; 301]);
    let values: Vec<_> = server.entries(&room).await.iter().map(|entry| entry["value"].clone()).collect();
    assert_eq!(values, (0..300).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn too_many_pushes_of_one_connection_are_429_and_leave_it_open() {
    // Fewer than the slowest disk can do: else none would be too many.
    let server = Setup::new().flag("pushes-per-second-max", 2).start().await;
    let room = server.new_room().await;
    let mut raw = RawSocket::connect(&server).await;
    let mut all: String = (0..100).map(|n| whole(&room, &push("k", n, "append"))).collect();
    all.push_str("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    raw.send(all.as_bytes()).await.unwrap();
    let (answer, _) = raw.read_to_end(PATIENCE).await;
    let statuses = statuses(&answer);
    let done = statuses[..100].iter().filter(|status| *status == "200").count();
    let refused = statuses[..100].iter().filter(|status| *status == "429").count();
    assert_eq!((done + refused, statuses[100].as_str()), (100, "200"));
    assert!(done >= 4 && refused > 0, "{done} done, {refused} refused");
    assert!(String::from_utf8_lossy(&answer).contains("retry-after: "));
    assert_eq!(server.entries(&room).await.len(), done);
}

#[tokio::test]
async fn a_connection_that_is_kept_and_not_used_is_let_go() {
    let server = Setup::new().flag("request-ms-max", 3_000).start().await;
    let mut raw = RawSocket::connect(&server).await;
    for _ in 0..2 {
        raw.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_eq!(statuses(&first_answer(&mut raw).await), ["200"]);
    }
    let (_, ended) = raw.read_to_end(PATIENCE).await;
    assert!(ended, "an idle connection keeps its place for ever");
    server.assert_serves().await;
}
