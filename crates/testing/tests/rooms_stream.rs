//! Reading a room by plain HTTP, against a real server: pages, long polls and event streams.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::time::Duration;

use seabag_testing::events::EventStream;
use seabag_testing::process::{ServerProcess, Setup};
use seabag_testing::socket::{compact, push};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

async fn page(server: &ServerProcess, room: &str, query: &str) -> Value {
    let reply = server.request("GET", &format!("/room/{room}/stream?{query}")).send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

async fn fill(server: &ServerProcess, room: &str, count: u64) {
    let pushes: Vec<_> =
        (1..=count).map(|n| push(if n % 2 == 0 { "even" } else { "odd" }, n, "append")).collect();
    for list in pushes.chunks(1_000) {
        assert_eq!(server.send(room, &Value::from(list)).await.status, 200);
    }
}

fn seqs(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

async fn events(server: &ServerProcess, room: &str, query: &str) -> EventStream {
    let request = server.request("GET", &format!("/room/{room}/stream?{query}"));
    EventStream::open(request).await.expect("a stream")
}

#[tokio::test]
async fn pages_go_through_the_whole_room_in_order() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    assert_eq!(page(&server, &room, "").await["data"], json!([]));
    fill(&server, &room, 2_500).await;
    let all: Vec<_> =
        server.entries(&room).await.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(all, (1..=2_500).collect::<Vec<_>>());
    let first = page(&server, &room, "since=0&limit=3").await;
    assert_eq!((seqs(&first), &first["next"], &first["seq"]), (vec![1, 2, 3], &json!(3), &json!(2_500)));
    let epoch = first["epoch"].as_str().unwrap();
    let next = page(&server, &room, &format!("since={epoch}.3&limit=2&key=odd")).await;
    assert_eq!(seqs(&next), [5]);
    let last = page(&server, &room, &format!("since={epoch}.2499")).await;
    assert_eq!((seqs(&last), &last["next"]), (vec![2_500], &Value::Null));
    let mut since = "0".to_owned();
    let mut odd = Vec::new();
    loop {
        let page = page(&server, &room, &format!("since={since}&key=odd&limit=100")).await;
        odd.extend(seqs(&page));
        let Some(next) = page["next"].as_u64() else { break };
        since = format!("{epoch}.{next}");
    }
    assert_eq!(odd, (1..=2_500).filter(|n| n % 2 == 1).collect::<Vec<_>>());
    assert_eq!(seqs(&page(&server, &room, "key=nothing").await), [0_u64; 0]);
}

#[tokio::test]
async fn a_cursor_of_another_history_is_reset_and_a_bad_one_refused() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 3).await;
    let epoch = page(&server, &room, "").await["epoch"].as_str().unwrap().to_owned();
    let unknown = page(&server, &room, "since=another-epoch.2").await;
    assert_eq!((&unknown["reset"], seqs(&unknown)), (&json!("unknown_epoch"), vec![1, 2, 3]));
    let ahead = page(&server, &room, &format!("since={epoch}.4")).await;
    assert_eq!((&ahead["reset"], seqs(&ahead)), (&json!("ahead"), vec![1, 2, 3]));
    assert_eq!(page(&server, &room, &format!("since={epoch}.3")).await.get("reset"), None);
    for bad in [
        "since=1",
        "since=",
        "since=a.b",
        "since=a.-1",
        "limit=x",
        "limit=-1",
        "wait=x",
        "wait=-1",
        "wait=inf",
    ] {
        let reply = server.request("GET", &format!("/room/{room}/stream?{bad}")).send().await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_parameter"), "{bad}");
    }
    assert_eq!(seqs(&page(&server, &room, "unknown=ignored&limit=0").await), [1], "a page has one at least");
}

#[tokio::test]
async fn a_long_poll_ends_with_the_next_entry_or_with_its_time() {
    let server = Setup::new().flag("long-poll-ms-max", 5_000).start().await;
    let room = server.new_room().await;
    fill(&server, &room, 1).await;
    let epoch = page(&server, &room, "").await["epoch"].as_str().unwrap().to_owned();
    let empty = page(&server, &room, &format!("since={epoch}.1&wait=0.05")).await;
    assert_eq!((seqs(&empty), &empty["seq"]), (vec![], &json!(1)));
    let started = Instant::now();
    let bounded = page(&server, &room, &format!("since={epoch}.1&wait=999999")).await;
    assert_eq!(seqs(&bounded), [0_u64; 0]);
    assert!(started.elapsed() >= Duration::from_secs(4), "it came back before its time");
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 1).await;
    let epoch = page(&server, &room, "").await["epoch"].as_str().unwrap().to_owned();
    let query = format!("since={epoch}.1&wait=60&key=even");
    let poll = page(&server, &room, &query);
    let write = async {
        sleep(Duration::from_millis(100)).await;
        server.send(&room, &push("even", "a relay is not stored", "relay")).await;
        server.append(&room, "odd", json!("another key")).await;
        server.append(&room, "even", json!("this")).await;
    };
    let (polled, ()) = tokio::join!(poll, write);
    assert_eq!((seqs(&polled), &polled["data"][0]["value"]), (vec![4], &json!("this")));
    let at_once = page(&server, &room, &format!("since={epoch}.1&wait=5")).await;
    assert_eq!(seqs(&at_once), [3, 4]);
}

#[tokio::test]
async fn a_long_poll_ends_when_its_room_is_deleted() {
    let server = ServerProcess::start().await;
    for head_start_ms in [100, 1_000, 10_000, 25_000] {
        let room = server.new_room().await;
        let request = server.request("GET", &format!("/room/{room}/stream?wait=30"));
        let poll = tokio::spawn(request.send());
        sleep(Duration::from_millis(head_start_ms)).await;
        assert_eq!(server.request("DELETE", &format!("/room/{room}")).send().await.status, 204);
        let reply = poll.await.unwrap();
        // A poll that comes too late on a busy machine finds no room: it is tried again with more time.
        if reply.code() != "unknown_room" {
            assert_eq!((reply.status, reply.code().as_str()), (404, "room_deleted"));
            return;
        }
    }
    panic!("no poll was there in time");
}

#[tokio::test]
async fn an_event_stream_without_a_cursor_is_live_from_its_hello_on() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 2).await;
    let mut stream = events(&server, &room, "").await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("access-control-allow-origin"), Some("*"));
    let hello = stream.event().await;
    assert_eq!((hello.name.as_str(), hello.json()["seq"].as_u64()), ("hello", Some(2)));
    assert_eq!(stream.retry.as_deref(), Some("1000"));
    let epoch = hello.json()["epoch"].as_str().unwrap().to_owned();
    assert_eq!(hello.id, Some(format!("{epoch}.2")));
    server.append(&room, "k", json!({"a": "line\nbreak"})).await;
    server.send(&room, &push("k", "relayed", "relay")).await;
    let entry = stream.event().await;
    assert_eq!((entry.name.as_str(), entry.id), ("", Some(format!("{epoch}.3"))));
    let data: Value = serde_json::from_str(&entry.data).unwrap();
    assert_eq!(data, json!({"type": "push", "key": "k", "value": {"a": "line\nbreak"}, "seq": 3}));
    let relay = stream.event().await;
    assert_eq!((relay.seq(), relay.id), (4, Some(format!("{epoch}.4"))));
}

#[tokio::test]
async fn an_event_stream_goes_on_exactly_where_it_was_cut() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 2_300).await;
    let mut stream = events(&server, &room, "since=0").await;
    let hello = stream.event().await;
    let epoch = hello.json()["epoch"].as_str().unwrap().to_owned();
    assert_eq!((hello.name.as_str(), hello.id), ("hello", Some(format!("{epoch}.0"))), "it has nothing yet");
    let mut seen = Vec::new();
    for _ in 0..1_500 {
        let event = stream.event().await;
        seen.push(event.seq());
        if seen.len() == 1_500 {
            let last_id = event.id.unwrap();
            drop(stream);
            server.append(&room, "k", json!("while away")).await;
            // What the browser remembers beats what the page was made with.
            let request = server.request("GET", &format!("/room/{room}/stream?since=0"));
            stream = EventStream::open(request.header("last-event-id", &last_id)).await.unwrap();
            break;
        }
    }
    assert_eq!(stream.event().await.name, "hello");
    let rest = stream.until("live").await;
    assert_eq!(rest.last().unwrap().seq(), 2_301);
    seen.extend(rest[..rest.len() - 1].iter().map(|event| event.seq()));
    assert_eq!(seen, (1..=2_301).collect::<Vec<_>>());
    server.append(&room, "k", json!("live")).await;
    assert_eq!(stream.event().await.seq(), 2_302);
}

#[tokio::test]
async fn an_event_stream_says_reset_when_its_cursor_is_of_another_history() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 2).await;
    let mut stream = events(&server, &room, "since=another.1").await;
    let told = stream.until("live").await;
    let names: Vec<_> = told.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["hello", "reset", "", "", "live"]);
    assert_eq!(told[1].json()["reason"], "unknown_epoch");
    assert_eq!((told[2].seq(), told[3].seq()), (1, 2));
}

#[tokio::test]
async fn an_event_stream_can_hear_one_key_only() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 10).await;
    let mut stream = events(&server, &room, "since=0&key=odd").await;
    let told = stream.until("live").await;
    let seen: Vec<_> = told.iter().filter(|event| event.name.is_empty()).map(|event| event.seq()).collect();
    assert_eq!(seen, [1, 3, 5, 7, 9]);
    server.append(&room, "even", json!(1)).await;
    server.append(&room, "odd", json!(1)).await;
    assert_eq!(stream.event().await.seq(), 12);
}

#[tokio::test]
async fn an_idle_event_stream_gets_comments() {
    let server = Setup::new().flag("sse-comment-ms", 50).start().await;
    let room = server.new_room().await;
    let mut stream = events(&server, &room, "").await;
    assert_eq!(stream.event().await.name, "hello");
    for _ in 0..3 {
        assert!(stream.next_or_comment().await.expect("a comment").comment.is_some());
    }
    server.append(&room, "k", json!(1)).await;
    assert_eq!(stream.event().await.seq(), 1);
}

#[tokio::test]
async fn an_event_stream_ends_with_the_reason_when_its_room_goes() {
    let server = ServerProcess::start().await;
    let made = server.new_room_body().await;
    let (room, reader) = (made["room"].as_str().unwrap(), made["read_only"].as_str().unwrap());
    let mut stream = events(&server, reader, "").await;
    let hello = stream.event().await;
    assert_eq!(hello.json()["read_only"], true);
    assert_eq!(server.request("DELETE", &format!("/room/{room}")).send().await.status, 204);
    let error = stream.event().await;
    assert_eq!((error.name.as_str(), error.json()["code"].as_str()), ("error", Some("room_deleted")));
    assert_eq!(stream.next().await, None);
    let request = server.request("GET", &format!("/room/{room}/stream"));
    let refused = EventStream::open(request).await.expect_err("no stream");
    assert_eq!((refused.status, refused.code().as_str()), (404, "unknown_room"));
    server.assert_keeps(&[room, reader]).await;
}

#[tokio::test]
async fn compacted_streams_are_read_in_the_rooms_order() {
    let server = ServerProcess::start().await;
    let room = server.new_room().await;
    fill(&server, &room, 6).await;
    server.send(&room, &compact("odd", "odd up to 3", 3)).await;
    server.send(&room, &push("even", "even in one", "replace")).await;
    let mut stream = events(&server, &room, "since=0").await;
    let told = stream.until("live").await;
    let seen: Vec<_> = told
        .iter()
        .filter(|event| event.name.is_empty())
        .map(|e| (e.seq(), e.json()["value"].clone()))
        .collect();
    assert_eq!(seen, [(3, json!("odd up to 3")), (5, json!(5)), (7, json!("even in one"))]);
}
