//! What concurrent clients of a real server see of one room, over WebSocket and HTTP, through cut connections
//! and crashes, is explained by one order: their histories go through the checker of `history`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use seabag_testing::chance::Chance;
use seabag_testing::history::{History, Operation, PushKind, Request, check};
use seabag_testing::process::ServerProcess;
use seabag_testing::socket::{Incoming, Opening, Socket, compact, get, push_id};
use serde_json::Value;
use tokio::time::sleep;

const KEYS: [&str; 3] = ["a", "b", "c"];
const STEPS: u64 = 120;

/// What all clients did, on one clock.
#[derive(Default)]
struct Recorder {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation>>,
    /// The highest number that anybody was told, for compacts that are not ahead.
    head: AtomicU64,
}

impl Recorder {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn answered(&self, invoked: u64, request: Request) {
        let responded = Some(self.now());
        self.operations.lock().unwrap().push(Operation { invoked, responded, request });
    }

    /// Notes a push or a compact before it is sent: whatever becomes of its client, it may have been done.
    fn begin(&self, request: Request) -> usize {
        let invoked = self.now();
        let mut operations = self.operations.lock().unwrap();
        operations.push(Operation { invoked, responded: None, request });
        operations.len() - 1
    }

    fn finish(&self, place: usize, request: Request) {
        let responded = Some(self.now());
        let mut operations = self.operations.lock().unwrap();
        operations[place].responded = responded;
        operations[place].request = request;
    }

    fn told(&self, seq: u64) {
        self.head.fetch_max(seq, Ordering::SeqCst);
    }

    fn check(self) {
        let operations = self.operations.into_inner().unwrap();
        let count = operations.len();
        let history = History { operations };
        if let Err(violation) = check(&history) {
            for (place, operation) in history.operations.iter().enumerate() {
                println!("{place}: {operation:?}");
            }
            panic!("no order explains {count} operations: {violation:?}");
        }
        println!("{count} operations");
    }
}

fn kind_name(kind: PushKind) -> &'static str {
    match kind {
        PushKind::Append => "append",
        PushKind::Replace => "replace",
        PushKind::Relay => "relay",
    }
}

/// A push as it is sent and recorded.
#[derive(Clone)]
struct Attempt {
    key: &'static str,
    value: String,
    kind: PushKind,
    id: u64,
}

struct Client<'a> {
    server: &'a ServerProcess,
    room: &'a str,
    recorder: &'a Recorder,
    name: String,
    chance: Chance,
    next_id: u64,
    http: bool,
    socket: Option<Socket>,
    /// A push whose connection was lost before its answer.
    unsure: Option<Attempt>,
}

impl Client<'_> {
    async fn run(mut self) {
        for _ in 0..STEPS {
            while !self.http && self.socket.is_none() {
                self.connect().await;
            }
            let key = *self.chance.pick(&KEYS);
            match self.chance.below(10) {
                0..=4 => self.push(key).await,
                5 => self.compact(key).await,
                6 | 7 => self.read_room().await,
                _ => self.read_stream(key).await,
            }
        }
    }

    async fn connect(&mut self) {
        let deliver = if self.chance.happens(500) { "all" } else { "keys" };
        let opening = Opening::native().encoded(self.chance.happens(500)).client(&self.name);
        let opened = opening.query("deliver", deliver).try_connect(self.server, self.room).await;
        match opened {
            Ok(mut socket) => {
                if let Incoming::Message(hello) = socket.next().await {
                    assert_eq!(hello["type"], "hello");
                    self.socket = Some(socket);
                }
            }
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }

    /// Sends a message and brings its answer: an ack, an init. `None`: the connection is lost, perhaps by choice.
    async fn ask(&mut self, message: Value) -> Option<Value> {
        if self.http {
            let request = self.server.request("POST", &format!("/room/{}/send", self.room));
            let reply = request.header("seabag-client", &self.name).json(&message).try_send().await;
            match reply {
                Ok(reply) if reply.status == 200 => return Some(reply.json()),
                Ok(reply) => assert_eq!(reply.status, 503, "{reply:?}"),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            return None;
        }
        let cut = self.chance.happens(40);
        let mut socket = self.socket.take()?;
        socket.try_send(message).await.ok()?;
        if cut {
            return None;
        }
        while let Incoming::Message(answer) = socket.next().await {
            match answer["type"].as_str() {
                Some("push" | "stream_size") => {}
                Some("error") => assert!(matches!(answer["code"].as_str(), Some("unavailable")), "{answer}"),
                _ => {
                    self.socket = Some(socket);
                    return Some(answer);
                }
            }
        }
        None
    }

    async fn push(&mut self, key: &'static str) {
        let attempt = match self.unsure.take() {
            Some(unsure) => unsure,
            None => {
                self.next_id += 1;
                let kind = *self.chance.pick(&[
                    PushKind::Append,
                    PushKind::Append,
                    PushKind::Replace,
                    PushKind::Relay,
                ]);
                Attempt { key, value: format!("{}:{}", self.name, self.next_id), kind, id: self.next_id }
            }
        };
        let Attempt { key, value, kind, id } = attempt.clone();
        let message = push_id(key, value.clone(), kind_name(kind), id);
        let id = Some((self.name.clone(), id));
        let request =
            |seq| Request::Push { key: key.into(), value: value.clone(), kind, id: id.clone(), seq };
        let place = self.recorder.begin(request(None));
        match self.ask(message).await {
            Some(ack) => {
                assert_eq!(ack["type"], "ack", "{ack}");
                let seq = ack["seq"].as_u64();
                self.recorder.told(seq.unwrap_or(0));
                self.recorder.finish(place, request(seq));
            }
            // Relays are never sent again.
            None => self.unsure = (kind != PushKind::Relay).then_some(attempt),
        }
    }

    async fn compact(&mut self, key: &'static str) {
        let head = self.recorder.head.load(Ordering::SeqCst);
        if head == 0 || self.unsure.is_some() {
            return;
        }
        let seq = self.chance.between(1, head);
        self.next_id += 1;
        let value = format!("compact {}:{}", self.name, self.next_id);
        let mut message = compact(key, value.clone(), seq);
        message["id"] = self.next_id.into();
        let value = if self.chance.happens(200) {
            message.as_object_mut().unwrap().remove("value");
            None
        } else {
            Some(value)
        };
        let request = |stale| Request::Compact { key: key.into(), seq, value: value.clone(), stale };
        let place = self.recorder.begin(request(None));
        if let Some(ack) = self.ask(message).await {
            assert_eq!(ack["type"], "ack", "{ack}");
            self.recorder.finish(place, request(Some(ack["stale"] == true)));
        }
    }

    async fn read_stream(&mut self, key: &'static str) {
        let after = if self.chance.happens(500) { 0 } else { self.recorder.head.load(Ordering::SeqCst) / 2 };
        let invoked = self.recorder.now();
        let mut message = get(key);
        message["seq"] = after.into();
        let Some(init) = self.ask(message).await else { return };
        assert_eq!(init["type"], "init", "{init}");
        let entry =
            |entry: &Value| (entry["seq"].as_u64().unwrap(), entry["value"].as_str().unwrap().to_owned());
        let entries: Vec<_> = init["data"].as_array().unwrap().iter().map(entry).collect();
        self.recorder.answered(invoked, Request::ReadStream { key: key.into(), after, entries, head: None });
    }

    async fn read_room(&mut self) {
        let invoked = self.recorder.now();
        let request = self.server.request("GET", &format!("/room/{}/stream?since=0", self.room));
        let Ok(reply) = request.try_send().await else { return };
        if reply.status != 200 {
            return;
        }
        let page = reply.json();
        assert_eq!(page["next"], Value::Null, "one page holds it all");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entry =
            |entry: &Value| (entry["seq"].as_u64().unwrap(), text(&entry["key"]), text(&entry["value"]));
        let entries: Vec<_> = page["data"].as_array().unwrap().iter().map(entry).collect();
        let head = page["seq"].as_u64();
        self.recorder.answered(invoked, Request::ReadRoom { after: 0, entries, head });
    }
}

fn clients<'a>(
    server: &'a ServerProcess,
    room: &'a str,
    recorder: &'a Recorder,
    seed: u64,
    ids: &BTreeMap<usize, u64>,
) -> Vec<Client<'a>> {
    let client = |number: usize| Client {
        server,
        room,
        recorder,
        name: format!("client-{seed}-{number}-000000"),
        chance: Chance::new(seed * 100 + number as u64),
        next_id: ids.get(&number).copied().unwrap_or(0),
        http: number % 3 == 2,
        socket: None,
        unsure: None,
    };
    (0..6).map(client).collect()
}

#[tokio::test]
async fn one_order_explains_what_concurrent_clients_see() {
    let server = ServerProcess::start().await;
    for seed in 1..=8 {
        let room = server.new_room().await;
        let recorder = Recorder::default();
        let all = clients(&server, &room, &recorder, seed, &BTreeMap::new());
        join_all(all.into_iter().map(Client::run)).await;
        println!("seed {seed}");
        recorder.check();
    }
}

#[tokio::test]
async fn one_order_explains_what_clients_see_through_crashes() {
    let mut server = ServerProcess::start().await;
    for seed in 11..=14 {
        let room = server.new_room().await;
        let recorder = Recorder::default();
        let mut chance = Chance::new(seed);
        let mut ids = BTreeMap::new();
        for _ in 0..4 {
            // Each life of the server has its clients' first steps; ids go on, so that none is used twice.
            let all = clients(&server, &room, &recorder, seed, &ids);
            let work = join_all(all.into_iter().map(Client::run));
            let kill = async {
                sleep(Duration::from_millis(chance.between(50, 300))).await;
                server.signal("KILL");
            };
            tokio::select! {
                _ = work => {}
                () = async { kill.await; sleep(Duration::from_millis(200)).await } => {}
            }
            for number in 0..6 {
                *ids.entry(number).or_insert(0) += 1_000;
            }
            if server.ended_with().is_none() {
                server.kill();
            }
            server.restart().await;
        }
        println!("seed {seed}");
        recorder.check();
    }
}
