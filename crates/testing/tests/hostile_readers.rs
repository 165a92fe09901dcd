//! Peers that do not read, do not answer or are too many, against a real server: others notice nothing, and what
//! such a peer can make the server hold is bounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use seabag_testing::process::Setup;
use seabag_testing::raw::{RawSocket, close_code};
use seabag_testing::socket::{Incoming, Opening, push, push_seqs};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(60);

/// Memory of a process, in bytes. `None` where the system does not say.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? * 1_024)
}

#[tokio::test]
async fn who_never_reads_is_let_go_and_others_notice_nothing() {
    let setup = Setup::new().flag("ring-bytes-max", 256 * 1024).flag("write-stall-ms", 4_000);
    let server = setup.flag("ring-bytes-min", 1_000).flag("ring-messages-min", 1).start().await;
    let room = server.new_room().await;
    let mut stalled = Vec::new();
    for number in 0..20 {
        let opening =
            if number % 2 == 0 { Opening::native() } else { Opening::driftdb().query("deliver", "all") };
        stalled.push(opening.connect(&server, &room).await);
    }
    let mut reader = Opening::native().connect(&server, &room).await;
    let mut writer = Opening::native().connect(&server, &room).await;
    for socket in [&mut reader, &mut writer] {
        socket.expect("hello").await;
    }
    let before = memory(server.pid());
    // Paced by its own echo: more than any socket buffers, many times the ring.
    let filler = "x".repeat(30_000);
    for seq in 1..=1_000_u64 {
        writer.send(push("k", filler.clone(), "relay")).await;
        for socket in [&mut writer, &mut reader] {
            let heard = socket.expect("push").await;
            assert_eq!(heard["seq"], seq, "one who reads is not made to suffer");
        }
    }
    if let (Some(before), Some(after)) = (before, memory(server.pid())) {
        let grown = after.saturating_sub(before);
        assert!(grown < 100 << 20, "30 MB were sent to 20 who do not read, and memory grew by {grown}");
    }
    server.wait_for_metric("seabag_readers", |readers| readers <= 2.0).await;
    for mut socket in stalled {
        let (told, end) = socket.drain().await;
        let seqs = push_seqs(&told);
        assert!(seqs.windows(2).all(|two| two[0] + 1 == two[1]), "a hole before the end");
        match end {
            Incoming::Closed(4100, reason) => assert!(reason.starts_with("slow_reader"), "{reason}"),
            end => assert_eq!(end, Incoming::Cut),
        }
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn a_slow_reader_that_comes_back_misses_nothing_that_is_stored() {
    // Not even one message fits, which is no reason to send away those who read.
    let setup = Setup::new().flag("ring-bytes-max", 64 * 1024).flag("write-stall-ms", 4_000);
    let server = setup.flag("ring-bytes-min", 1_000).flag("ring-messages-min", 1).start().await;
    let room = server.new_room().await;
    let mut slow = Opening::native().connect(&server, &room).await;
    let hello = slow.expect("hello").await;
    let mut writer = Opening::native().connect(&server, &room).await;
    writer.expect("hello").await;
    let filler = "x".repeat(50_000);
    for _ in 0..400 {
        writer.send(push("k", filler.clone(), "append")).await;
        writer.until("push").await;
    }
    server.wait_for_metric("seabag_readers", |readers| readers <= 1.0).await;
    let (told, _) = slow.drain().await;
    let mut seen = push_seqs(&told);
    let cursor = format!("{}.{}", hello["epoch"].as_str().unwrap(), seen.last().copied().unwrap_or(0));
    let mut back = Opening::native().since(&cursor).connect(&server, &room).await;
    let told = back.until("live").await;
    let rest = told.iter().filter(|message| message["type"] == "entries");
    seen.extend(rest.flat_map(|page| page["data"].as_array().unwrap()).map(|e| e["seq"].as_u64().unwrap()));
    assert_eq!(seen, (1..=400).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_stream_or_an_answer_that_is_never_read_is_cut() {
    let setup = Setup::new().flag("ring-bytes-max", 64 * 1024).flag("write-stall-ms", 4_000);
    let server = setup.flag("connections-max", 8).start().await;
    let room = server.new_room().await;
    for _ in 0..40 {
        assert_eq!(
            server.send(&room, &Value::from(vec![push("k", "x".repeat(30_000), "append"); 100])).await.status,
            200
        );
    }
    let mut idle = Vec::new();
    for accept in ["text/event-stream", "application/json"] {
        for _ in 0..2 {
            let mut raw = RawSocket::connect(&server).await;
            let request =
                format!("GET /room/{room}/stream?since=0 HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n");
            // Asked for again and again, so that the answers fill every buffer on the way.
            let times = if accept == "application/json" { 30 } else { 1 };
            raw.send(request.repeat(times).as_bytes()).await.unwrap();
            idle.push(raw);
        }
    }
    server.wait_for_metric("seabag_connections", |open| open >= 5.0).await;
    server.wait_for_metric("seabag_connections", |open| open <= 1.0).await;
    server.assert_serves().await;
    for mut raw in idle {
        assert!(raw.read_to_end(PATIENCE).await.1);
    }
}

#[tokio::test]
async fn a_silent_peer_is_told_4104_and_one_that_answers_pings_stays() {
    let setup = Setup::new().flag("ping-interval-ms", 100).flag("silent-peer-ms", 5_000);
    let server = setup.start().await;
    let room = server.new_room().await;
    let started = Instant::now();
    let mut raw = RawSocket::upgrade(&server, &room, true).await;
    let mut alive = Opening::native().connect(&server, &room).await;
    alive.expect("hello").await;
    let (bytes, ended) = tokio::select! {
        // Reading is what answers pings.
        heard = alive.next() => panic!("who answers is sent away: {heard:?}"),
        silent = raw.read_to_end(PATIENCE) => silent,
    };
    assert!(ended && started.elapsed() >= Duration::from_secs(5));
    assert_eq!(close_code(&bytes), Some(4104), "{:?}", String::from_utf8_lossy(&bytes));
    assert_eq!(alive.settle().await, Vec::<Value>::new());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_peer_that_vanishes_behind_half_a_connection_is_let_go() {
    let setup = Setup::new().flag("ping-interval-ms", 100).flag("silent-peer-ms", 4_000);
    let server = setup.start().await;
    let room = server.new_room().await;
    let mut watcher = Opening::native().connect(&server, &room).await;
    watcher.expect("hello").await;
    let mut quiet = RawSocket::upgrade(&server, &room, true).await;
    let will = json!({"type": "will", "key": "gone", "value": "quiet"}).to_string();
    quiet.send(&seabag_testing::raw::frame(0x81, will.as_bytes())).await.unwrap();
    // Its socket stays open and says nothing: the server alone can tell.
    assert_eq!(watcher.expect("push").await["value"], "quiet");
    let half = RawSocket::upgrade(&server, &room, true).await;
    let half = half.stream.into_std().unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    server.wait_for_metric("seabag_readers", |readers| readers <= 1.0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn too_many_connections_wait_and_come_in_when_others_leave() {
    let server = Setup::new().flag("connections-max", 10).start().await;
    let room = server.new_room().await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(Opening::driftdb().connect(&server, &room).await);
    }
    // Ten, and the one that asks; the one that made the room has left.
    server.wait_for_metric("seabag_connections", |open| open == 11.0).await;
    let mut waiting = Box::pin(server.new_room());
    let early = tokio::time::timeout(Duration::from_millis(500), &mut waiting).await;
    assert!(early.is_err(), "an eleventh got in");
    sockets.pop();
    waiting.await;
    server.assert_serves().await;
    drop(sockets);
    server.wait_for_metric("seabag_connections", |open| open <= 1.0).await;
    for _ in 0..30 {
        Opening::native().connect(&server, &room).await.close().await;
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn who_connects_and_leaves_at_once_leaves_nothing_behind() {
    let server = Setup::new().flag("room-idle-ms", 100).start().await;
    let room = server.new_room().await;
    for round in 0..100 {
        let mut raw = RawSocket::connect(&server).await;
        let request = format!(
            "GET /room/{room}/connect HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let part = request.len() * round / 99;
        raw.send(&request.as_bytes()[..part]).await.unwrap();
        if round % 2 == 0 {
            raw.stream.set_zero_linger().unwrap();
        }
    }
    server.wait_for_metric("seabag_readers", |readers| readers == 0.0).await;
    server.wait_for_metric("seabag_connections", |open| open <= 1.0).await;
    server.wait_for_metric("seabag_rooms_loaded", |rooms| rooms == 0.0).await;
    sleep(Duration::from_millis(10)).await;
    server.assert_serves().await;
}
