//! A simulated world: one room on one server, clients with outboxes and cursors, a network that delays and cuts,
//! a disk that syncs late, crashes, restarts, wipes and restores. No threads and no clock: everything follows
//! from one seed, so a failure is repeated by its seed.
//!
//! ```
//! use seabag_testing::world::{Settings, World};
//! let report = World::run(Settings::new(1)).unwrap();
//! assert_eq!(World::run(Settings::new(1)).unwrap().trace, report.trace);
//! ```

mod client;
mod network;
mod server;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use client::Client;
use network::{ConnectionId, Network};
use seabag_protocol::room::server_message::ServerMessage;
use server::{Item, Server};
use truth::Truth;

pub use crate::violation::Violation;

use crate::chance::Chance;

/// Things that a run does at most, so that a world that never comes to rest is a failure and not a hang.
const STEPS_MAX: usize = 200_000;

/// Something built wrong on purpose, to show that the world's checks notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Effects go out before they are durable.
    ReleaseBeforeSync,
    /// After a crash the room goes on behind its last stored entry and not behind its reservation.
    ReuseNumbersAfterCrash,
    /// The table of clients does not survive the process.
    ForgetClients,
    /// A message to one reader is dropped, as by a full queue, and the connection goes on.
    DropABroadcast,
    /// The epochs are lost with the process.
    ForgetLineage,
}

/// What kind of run it is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Everything follows from it.
    pub seed: u64,
    /// How many clients; every fourth only watches.
    pub clients: usize,
    /// How many pushes they make before the world comes to rest.
    pub pushes: u64,
    /// What is built wrong.
    pub fault: Option<Fault>,
}

impl Settings {
    /// The everyday run of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, clients: 5, pushes: 150, fault: None }
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything that happened, a line each.
    pub trace: Vec<String>,
    /// How often which kind of trouble struck.
    pub troubles: BTreeMap<&'static str, u64>,
    /// Resets that clients were told of.
    pub resets: u64,
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A client looks at what it should do.
    Tick(usize),
    /// A connection attempt reaches the server.
    Arrive(ConnectionId),
    ToServer(ConnectionId, Vec<u8>),
    ToClient(ConnectionId, Vec<u8>),
    ServerLearnsEnd(ConnectionId),
    ClientLearnsEnd(ConnectionId),
    /// The disk is done with a batch of this process.
    Synced(u64),
    /// A connection of this process is ready for its next page.
    CatchUp(u64, ConnectionId),
    /// Something goes wrong.
    Trouble,
    /// The server's process starts.
    Start,
}

/// The world.
pub struct World {
    chance: Chance,
    now_ms: u64,
    /// What will happen, by time and then in the order in which it was planned.
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    network: Network,
    server: Server,
    clients: Vec<Client>,
    truth: Truth,
    /// Clients that have nothing left to do unless their connection ends.
    asleep: BTreeSet<usize>,
    pushes_left: u64,
    report: Report,
}

impl World {
    /// Lives through one run and checks every promise on the way and at the end.
    pub fn run(settings: Settings) -> Result<Report, Violation> {
        let mut world = Self::new(settings);
        match world.live() {
            Ok(()) => Ok(world.report),
            Err(what) => Err(Violation { seed: settings.seed, what, trace: world.report.trace }),
        }
    }

    fn new(settings: Settings) -> Self {
        let mut chance = Chance::new(settings.seed);
        let clients = (0..settings.clients).map(|number| Client::new(number, &mut chance)).collect();
        let report = Report { trace: Vec::new(), troubles: BTreeMap::new(), resets: 0 };
        let mut world = Self {
            server: Server::new(settings.fault, &mut chance),
            chance,
            now_ms: 0,
            events: BTreeMap::new(),
            planned: 0,
            network: Network::default(),
            clients,
            truth: Truth::default(),
            asleep: BTreeSet::new(),
            pushes_left: settings.pushes,
            report,
        };
        world.server.start();
        for client in 0..settings.clients {
            world.plan_between(0, 20, Event::Tick(client));
        }
        world.plan_between(50, 200, Event::Trouble);
        world
    }

    /// Trouble strikes while there is something left to push; then the world comes to rest.
    fn live(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            let Some(((now_ms, _), event)) = self.events.pop_first() else {
                return self.truth.check_end(&self.server, &self.clients);
            };
            self.now_ms = now_ms;
            self.happen(event)?;
        }
        Err("the world does not come to rest".into())
    }

    fn chaotic(&self) -> bool {
        self.pushes_left > 0
    }

    fn plan(&mut self, at_ms: u64, event: Event) {
        self.events.insert((at_ms, self.planned), event);
        self.planned += 1;
    }

    fn plan_between(&mut self, low_ms: u64, high_ms: u64, event: Event) {
        let at_ms = self.now_ms + self.chance.between(low_ms, high_ms);
        self.plan(at_ms, event);
    }

    fn trace(&mut self, line: impl fmt::Display) {
        self.report.trace.push(format!("{:6} {line}", self.now_ms));
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Tick(client) => self.tick(client),
            Event::Arrive(connection) => self.arrive(connection),
            Event::ToServer(connection, frame) => self.server_receives(connection, &frame),
            Event::ToClient(connection, frame) => self.client_receives(connection, &frame)?,
            Event::ServerLearnsEnd(connection) => {
                if self.network.end_at_server(connection) {
                    self.server.end(connection, self.now_ms, &mut self.chance);
                    self.after_server();
                }
            }
            Event::ClientLearnsEnd(connection) => {
                if self.network.end_at_client(connection) {
                    let client = self.network.client_of(connection);
                    self.trace(format_args!("client {client} learns that {connection} ended"));
                    self.clients[client].lost(connection);
                    if self.asleep.remove(&client) {
                        self.plan_between(5, 60, Event::Tick(client));
                    }
                }
            }
            Event::Synced(process) => {
                if let Some(items) = self.server.synced(process) {
                    self.trace("synced");
                    self.release(items, true);
                    self.after_server();
                }
            }
            Event::CatchUp(process, connection) => {
                self.server.catch_up(process, connection, self.now_ms, &mut self.chance);
                self.after_server();
            }
            Event::Trouble => self.trouble(),
            Event::Start => {
                self.server.start();
                self.trace(format_args!("the server starts in {}", self.server.epoch()));
                self.after_server();
            }
        }
        Ok(())
    }

    fn tick(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.is_idle() {
            let connection = self.network.open(number, self.truth.generation());
            client.connect(connection);
            self.trace(format_args!("client {number} opens {connection}"));
            self.plan_between(1, 30, Event::Arrive(connection));
            // Sometimes it loses patience and tries again, and both attempts arrive, in either order.
            if self.chaotic() && self.chance.happens(100) {
                let second = self.network.open(number, self.truth.generation());
                self.network.end_at_client(connection);
                self.clients[number].connect(second);
                self.trace(format_args!("client {number} gives up {connection} and opens {second}"));
                self.plan_between(1, 30, Event::Arrive(second));
                self.plan_between(1, 200, Event::ServerLearnsEnd(connection));
            }
        } else if self.pushes_left > 0 && self.clients[number].writes() && self.chance.happens(700) {
            self.pushes_left -= 1;
            let line = self.clients[number].make_push(&mut self.chance);
            self.trace(format_args!("client {number} {line}"));
        }
        if self.chaotic()
            && let Some((connection, frame)) = self.clients[number].ask(&mut self.chance)
        {
            self.send_to_server(connection, frame);
        }
        self.send_outbox(number);
        if self.chaotic() || !self.clients[number].at_rest() {
            self.plan_between(5, 60, Event::Tick(number));
        } else {
            self.asleep.insert(number);
        }
    }

    fn send_outbox(&mut self, number: usize) {
        for (connection, frame) in self.clients[number].due() {
            self.send_to_server(connection, frame);
        }
    }

    fn send_to_server(&mut self, connection: ConnectionId, frame: Vec<u8>) {
        if self.lose(connection) {
            return;
        }
        let delay = self.chance.between(1, 25);
        if let Some(at_ms) = self.network.arrival_at_server(connection, self.now_ms + delay) {
            self.plan(at_ms, Event::ToServer(connection, frame));
        }
    }

    /// Now and then a connection breaks with a frame, which is then lost with all behind it.
    fn lose(&mut self, connection: ConnectionId) -> bool {
        if !self.chaotic() || !self.chance.happens(6) {
            return false;
        }
        self.cut(connection);
        true
    }

    fn cut(&mut self, connection: ConnectionId) {
        self.trace(format_args!("{connection} is cut"));
        self.network.cut(connection);
        self.plan_between(1, 300, Event::ServerLearnsEnd(connection));
        self.plan_between(1, 100, Event::ClientLearnsEnd(connection));
    }

    fn arrive(&mut self, connection: ConnectionId) {
        let client = self.network.client_of(connection);
        // The cursor is that of the attempt, as it stood in its URL.
        let Some(opening) = self.clients[client].opening(connection) else { return };
        if !self.server.running() {
            self.trace(format_args!("{connection} finds no server"));
            self.plan_between(1, 30, Event::ClientLearnsEnd(connection));
            return;
        }
        self.network.accept(connection, self.truth.generation());
        self.trace(format_args!("{connection} arrives: since {:?}", opening.since));
        for replaced in self.server.accept(connection, &opening, self.now_ms, &mut self.chance) {
            self.trace(format_args!("{replaced} is replaced by {connection}"));
            self.close(replaced);
        }
        self.after_server();
    }

    /// The server closes a connection: what was sent before still arrives.
    fn close(&mut self, connection: ConnectionId) {
        self.network.end_at_server(connection);
        let at_ms = self.now_ms + self.chance.between(1, 25);
        if let Some(at_ms) = self.network.arrival_at_client(connection, at_ms) {
            self.plan(at_ms, Event::ClientLearnsEnd(connection));
        }
    }

    fn server_receives(&mut self, connection: ConnectionId, frame: &[u8]) {
        if !self.network.open_at_server(connection) || !self.server.running() {
            return;
        }
        let line = self.server.receive(connection, frame, self.now_ms, &mut self.chance);
        self.trace(format_args!("{connection} to server: {line}"));
        self.after_server();
    }

    fn client_receives(&mut self, connection: ConnectionId, frame: &[u8]) -> Result<(), String> {
        if !self.network.open_at_client(connection) {
            return Ok(());
        }
        let number = self.network.client_of(connection);
        let generation = self.network.generation_of(connection);
        let client = &mut self.clients[number];
        let message = client.decode(frame)?;
        let line = client::describe(&message);
        self.report.trace.push(format!("{:6} {connection} to client {number}: {line}", self.now_ms));
        if matches!(message, ServerMessage::Reset { .. }) {
            self.report.resets += 1;
        }
        client
            .receive(connection, generation, message, &mut self.truth)
            .map_err(|what| format!("client {number}: {what}, told {line}"))?;
        self.send_outbox(number);
        Ok(())
    }

    /// The server may have something to write, or, built wrong, something to send at once.
    fn after_server(&mut self) {
        let early = self.server.take_early();
        self.release(early, false);
        if let Some(process) = self.server.begin_sync() {
            self.plan_between(1, 20, Event::Synced(process));
        }
    }

    fn release(&mut self, items: Vec<Item>, durable: bool) {
        if durable {
            self.truth.durable(&items);
        }
        for item in items {
            match item {
                Item::Fact { .. } => {}
                Item::Send(connection, message) => {
                    let frame = self.clients[self.network.client_of(connection)].encode(&message);
                    self.send_to_client(connection, frame);
                }
                Item::CatchUp(connection) => {
                    let process = self.server.process_number();
                    self.plan_between(0, 30, Event::CatchUp(process, connection));
                }
            }
        }
    }

    fn send_to_client(&mut self, connection: ConnectionId, frame: Vec<u8>) {
        if !self.network.open_at_server(connection) || self.lose(connection) {
            return;
        }
        let delay = self.chance.between(1, 25);
        if let Some(at_ms) = self.network.arrival_at_client(connection, self.now_ms + delay) {
            self.plan(at_ms, Event::ToClient(connection, frame));
        }
    }

    fn crash(&mut self) {
        let epoch = self.server.epoch();
        let facts = self.server.crash(&mut self.chance);
        self.truth.durable(&facts);
        self.truth.crashed(&epoch, self.server.disk().record().stored.0);
    }

    fn trouble(&mut self) {
        if !self.chaotic() {
            return;
        }
        self.plan_between(20, 250, Event::Trouble);
        if !self.server.running() {
            return;
        }
        let (kind, down) = match self.chance.below(100) {
            0..35 => {
                let open = self.network.open_connections();
                if !open.is_empty() {
                    let connection = *self.chance.pick(&open);
                    self.cut(connection);
                }
                ("cut", false)
            }
            35..40 => {
                self.server.back_up();
                self.truth.backed_up();
                ("live backup", false)
            }
            40..50 => {
                let items = self.server.evict(self.now_ms);
                self.release(items, true);
                ("evict", false)
            }
            50..75 => {
                self.crash();
                ("crash", true)
            }
            75..90 => {
                let items = self.server.stop(self.now_ms);
                self.release(items, true);
                self.server.back_up();
                self.truth.backed_up();
                ("restart", true)
            }
            90..94 => {
                self.server.crash(&mut self.chance);
                self.server.wipe();
                self.truth.wiped();
                ("wipe", true)
            }
            _ => {
                self.crash();
                if !self.server.restore() {
                    ("crash", true)
                } else {
                    self.truth.restored();
                    ("restore", true)
                }
            }
        };
        *self.report.troubles.entry(kind).or_default() += 1;
        self.trace(format_args!("trouble: {kind}"));
        if down {
            for connection in self.network.open_connections() {
                self.close(connection);
            }
            self.plan_between(1, 150, Event::Start);
        }
        self.after_server();
    }
}
