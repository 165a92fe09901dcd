//! `kill -9` under load, again and again, against a real server: what was acknowledged is there once, no number
//! is given out twice, and nobody ever saw what a crash took back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use seabag_testing::chance::Chance;
use seabag_testing::events::EventStream;
use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{Incoming, Opening, push, push_id};
use serde_json::{Value, json};
use tokio::time::sleep;

const ROUNDS: u64 = 24;
/// A machine with a slow disk has more rounds, until something was tried.
const ROUNDS_MAX: u64 = 500;
/// Pushes of one writer that wait for their acknowledgement.
const WINDOW: u64 = 25;

#[derive(Default)]
struct Seen {
    /// Everything that anybody was ever shown, by number: key and value.
    shown: Mutex<BTreeMap<u64, (String, Value)>>,
    /// Where readers were told that they stand: by `live`, by the end of a page, by the id of an event.
    told: Mutex<BTreeSet<u64>>,
}

impl Seen {
    fn note(&self, entry: &Value) {
        let seq = entry["seq"].as_u64().unwrap();
        let what = (entry["key"].as_str().unwrap().to_owned(), entry["value"].clone());
        let mut all = self.shown.lock().unwrap();
        if let Some(before) = all.get(&seq) {
            assert_eq!(*before, what, "the number {seq} was given to two messages");
        }
        all.insert(seq, what);
    }

    /// A crash resets only who had heard relays behind the newest stored entry: nobody can tell any more whether
    /// that is what they were (docs/guarantees.md). Readers are also told where they stand, behind all stored entries: a
    /// number there that nobody was shown was a relay that nobody heard.
    fn assert_relay(&self, cursor: &str) {
        let seq = seq_of(cursor);
        let key = self.shown.lock().unwrap().get(&seq).map(|(key, _)| key.clone());
        let relayed = match &key {
            Some(key) => key == "relay",
            None => self.told.lock().unwrap().contains(&seq),
        };
        assert!(relayed, "a crash reset the reader at {cursor}, which was stored under {key:?}");
    }

    fn tell(&self, seq: u64) {
        self.told.lock().unwrap().insert(seq);
    }

    fn note_all(&self, message: &Value) {
        match message["type"].as_str() {
            Some("push") => self.note(message),
            Some("entries") => message["data"].as_array().unwrap().iter().for_each(|entry| self.note(entry)),
            Some("live") => self.tell(message["seq"].as_u64().unwrap()),
            Some("error") => panic!("{message}"),
            _ => {}
        }
    }
}

fn seq_of(cursor: &str) -> u64 {
    cursor.rsplit('.').next().unwrap().parse().unwrap()
}

/// A writer that survives its server.
struct Outbox {
    client: String,
    by_http: bool,
    sent: u64,
    acked: BTreeMap<u64, u64>,
}

impl Outbox {
    fn message(&self, id: u64) -> Value {
        push_id(&self.client, format!("{}:{id}", self.client), "append", id)
    }

    fn note(&mut self, ack: &Value) {
        let id = ack["id"].as_u64().unwrap();
        match ack["seq"].as_u64() {
            Some(seq) => {
                let before = self.acked.insert(id, seq);
                assert!(before.is_none_or(|before| before == seq), "{id} was done twice");
            }
            None => assert_eq!(ack["repeat"], true, "{ack}"),
        }
    }

    async fn run(&mut self, server: &ServerProcess, room: &str, seen: &Seen) {
        if self.by_http {
            self.run_http(server, room).await
        } else {
            self.run_socket(server, room, seen).await
        };
    }

    /// Until the server is gone.
    async fn run_socket(&mut self, server: &ServerProcess, room: &str, seen: &Seen) -> Option<()> {
        let mut socket = Opening::native().client(&self.client).try_connect(server, room).await.ok()?;
        let Incoming::Message(hello) = socket.next().await else { return None };
        let last = hello["last_id"].as_u64().unwrap_or(0);
        let known = self.acked.keys().max().copied().unwrap_or(0);
        assert!(last >= known, "{known} was acknowledged and {last} is remembered");
        for id in last + 1..=self.sent {
            socket.try_send(self.message(id)).await.ok()?;
        }
        let mut waiting = self.sent - last;
        loop {
            while waiting < WINDOW {
                self.sent += 1;
                waiting += 1;
                socket.try_send(self.message(self.sent)).await.ok()?;
                if self.sent.is_multiple_of(3) {
                    let relay = push("relay", format!("relay {}:{}", self.client, self.sent), "relay");
                    socket.try_send(relay).await.ok()?;
                }
            }
            let Incoming::Message(message) = socket.next().await else { return None };
            if message["type"] == "ack" {
                self.note(&message);
                waiting -= 1;
            }
            seen.note_all(&message);
        }
    }

    async fn run_http(&mut self, server: &ServerProcess, room: &str) -> Option<()> {
        loop {
            let unsure = self.acked.keys().max().copied().unwrap_or(0) + 1;
            self.sent = self.sent.max(unsure);
            let list: Vec<_> = (unsure..=self.sent).map(|id| self.message(id)).collect();
            let request = server.request("POST", &format!("/room/{room}/send"));
            let request = request.header("seabag-client", &self.client).json(&Value::from(list));
            let reply = request.try_send().await.ok()?;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.json().as_array().unwrap().iter().for_each(|ack| self.note(ack));
            self.sent += 1;
        }
    }
}

/// Follows the room over WebSocket from a cursor that it keeps.
async fn follow(server: &ServerProcess, room: &str, cursor: &mut String, cbor: bool, seen: &Seen) {
    let opening = Opening::native().encoded(cbor).since(cursor);
    let Ok(mut socket) = opening.try_connect(server, room).await else { return };
    let Incoming::Message(hello) = socket.next().await else { return };
    let epoch = hello["epoch"].as_str().unwrap().to_owned();
    let mut last = 0;
    while let Incoming::Message(message) = socket.next().await {
        if message["type"] == "reset" {
            seen.assert_relay(cursor);
        }
        seen.note_all(&message);
        let heard = match message["type"].as_str() {
            Some("push" | "live") => message["seq"].as_u64(),
            Some("entries") => message["data"].as_array().unwrap().last().map(|e| e["seq"].as_u64().unwrap()),
            _ => None,
        };
        if let Some(seq) = heard {
            assert!(seq >= last, "numbers went back");
            last = seq;
            *cursor = format!("{epoch}.{seq}");
        }
    }
}

/// Follows the room as an event stream.
async fn listen(server: &ServerProcess, room: &str, last_id: &mut String, seen: &Seen) {
    let request = server.request("GET", &format!("/room/{room}/stream?since=0"));
    let request = request.header("last-event-id", last_id);
    let Ok(mut stream) = EventStream::open(request).await else { return };
    // Its id is where the reader stands, which is what the next connection is to begin with.
    let Some(_hello) = stream.next().await else { return };
    while let Some(event) = stream.next().await {
        assert_ne!(event.name, "error", "{event:?}");
        if event.name == "reset" {
            seen.assert_relay(last_id);
        }
        if event.name.is_empty() {
            seen.note(&event.json());
        }
        if let Some(id) = event.id {
            seen.tell(seq_of(&id));
            *last_id = id;
        }
    }
}

/// Reads page after page.
async fn read(server: &ServerProcess, room: &str, since: &mut String, seen: &Seen) {
    loop {
        let request = server.request("GET", &format!("/room/{room}/stream?since={since}&wait=1"));
        let Ok(reply) = request.try_send().await else { return };
        assert_eq!(reply.status, 200, "{reply:?}");
        let page = reply.json();
        if page.get("reset").is_some() {
            seen.assert_relay(since);
        }
        let data = page["data"].as_array().unwrap();
        data.iter().for_each(|entry| seen.note(entry));
        let reached = page["next"].as_u64().or(page["seq"].as_u64()).unwrap();
        seen.tell(reached);
        *since = format!("{}.{reached}", page["epoch"].as_str().unwrap());
    }
}

fn check(entries: &[Value], outboxes: &[Outbox], seen: &Seen) {
    entries.iter().for_each(|entry| seen.note(entry));
    let stored: BTreeMap<u64, &Value> =
        entries.iter().map(|e| (e["seq"].as_u64().unwrap(), &e["value"])).collect();
    assert_eq!(stored.len(), entries.len(), "a number twice");
    let values: BTreeSet<_> = entries.iter().map(|entry| entry["value"].to_string()).collect();
    assert_eq!(values.len(), entries.len(), "a push was done twice");
    for outbox in outboxes {
        for (id, seq) in &outbox.acked {
            let expected = json!(format!("{}:{id}", outbox.client));
            assert_eq!(stored.get(seq), Some(&&expected), "{expected} was acknowledged as {seq}");
        }
        let mine: Vec<u64> = entries
            .iter()
            .filter(|entry| entry["key"] == outbox.client.as_str())
            .map(|entry| entry["value"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(mine, (1..=mine.len() as u64).collect::<Vec<_>>(), "an outbox's order or a hole in it");
    }
    for (seq, (key, value)) in seen.shown.lock().unwrap().iter() {
        if key != "relay" {
            assert_eq!(stored.get(seq), Some(&value), "{seq} was seen and is gone");
        }
    }
}

#[tokio::test]
async fn nothing_that_anybody_saw_is_taken_back_by_a_crash() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    let seen = Seen::default();
    let mut chance = Chance::new(20_261);
    let outbox = |number: usize| Outbox {
        client: format!("writer-{number}-00000000000"),
        by_http: number == 3,
        sent: 0,
        acked: BTreeMap::new(),
    };
    let mut outboxes: Vec<_> = (0..4).map(outbox).collect();
    let mut cursors = ["0".to_owned(), "0".to_owned(), "0".to_owned(), "0".to_owned()];
    let mut acked = 0;
    let mut round = 0;
    while round < ROUNDS || (acked <= 100 && round < ROUNDS_MAX) {
        round += 1;
        let [json, cbor, events, pages] = &mut cursors;
        let writers = join_all(outboxes.iter_mut().map(|outbox| outbox.run(&server, &room, &seen)));
        let killer = async {
            sleep(Duration::from_millis(chance.between(20, 400))).await;
            server.signal("KILL");
        };
        tokio::join!(
            writers,
            follow(&server, &room, json, false, &seen),
            follow(&server, &room, cbor, true, &seen),
            listen(&server, &room, events, &seen),
            read(&server, &room, pages, &seen),
            killer,
        );
        server.wait().await;
        server.restart().await;
        check(&server.entries(&room).await, &outboxes, &seen);
        let now: usize = outboxes.iter().map(|outbox| outbox.acked.len()).sum();
        println!("round {round}: {now} acknowledged, {} seen", seen.shown.lock().unwrap().len());
        acked = now;
    }
    assert!(acked > 100, "hardly anything was tried");
    server.assert_keeps(&[&room]).await;
}

#[tokio::test]
async fn a_crash_while_rooms_are_made_loses_none_that_was_told() {
    let mut server = ServerProcess::start().await;
    let mut rooms: Vec<(String, Value)> = Vec::new();
    for _ in 0..5 {
        let made = Cell::new(0);
        let make = async {
            loop {
                let Ok(reply) = server.request("POST", "/new").try_send().await else { return };
                let room = reply.json()["room"].as_str().unwrap().to_owned();
                let path = format!("/room/{room}/send");
                let first = json!(format!("first of {}", rooms.len()));
                rooms.push((room, Value::Null));
                let Ok(reply) =
                    server.request("POST", &path).json(&push("k", first.clone(), "replace")).try_send().await
                else {
                    return;
                };
                assert_eq!(reply.status, 200);
                rooms.last_mut().unwrap().1 = first;
                made.set(made.get() + 1);
            }
        };
        let kill = async {
            sleep(Duration::from_millis(250)).await;
            // On a slow disk that was not enough for anything. What is asked for ends in time or fails.
            while made.get() < 3 {
                sleep(Duration::from_millis(10)).await;
            }
            server.signal("KILL");
        };
        tokio::join!(make, kill);
        server.wait().await;
        server.restart().await;
        for (room, first) in &rooms {
            let entries = server.entries(room).await;
            if !first.is_null() {
                assert_eq!(&entries[0]["value"], first);
            }
        }
    }
    assert!(rooms.len() > 10, "hardly anything was tried");
}

#[tokio::test]
async fn relays_never_reuse_a_number_across_crashes() {
    let mut server = ServerProcess::start().await;
    let room = server.new_room().await;
    let mut last = 0;
    for _ in 0..6 {
        let mut socket = Opening::native().connect(&server, &room).await;
        let hello = socket.expect("hello").await;
        assert!(hello["seq"].as_u64().unwrap() >= last);
        // More than one reserved block, at times.
        socket.send_all((0..5_000).map(|n| push("k", n, "relay"))).await;
        for _ in 0..last % 4_900 + 100 {
            let seq = socket.expect("push").await["seq"].as_u64().unwrap();
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        server.kill();
        while let Incoming::Message(message) = socket.next().await {
            last = last.max(message["seq"].as_u64().unwrap());
        }
        server.restart().await;
    }
}
