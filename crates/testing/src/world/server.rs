//! The server of the simulated world: the real machine and the real sessions over a naive disk with group
//! commit. It applies, commits, then sends; what is not synced dies with the process.

use std::collections::BTreeMap;

use seabag_protocol::limits::Limits;
use seabag_protocol::room::client_message::Push;
use seabag_protocol::room::machine::{Command, Effect, Joined, Reply, Room};
use seabag_protocol::room::name::{Access, Epoch, RoomSeq, StreamKey};
use seabag_protocol::room::record::{Changes, Entry};
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::session::{Options, Received, Session, catch_up};
use seabag_protocol::room::value::Encoding;

use super::Fault;
use super::client::Opening;
use super::network::ConnectionId;
use super::truth;
use crate::chance::Chance;
use crate::naive_store::NaiveStore;

/// Something that waits for its batch to be durable.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A message has this number, or a compact put it there.
    Fact(truth::Fact),
    Send(ConnectionId, ServerMessage),
    /// The connection is to be sent its next page.
    CatchUp(ConnectionId),
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Joining,
    CatchingUp(RoomSeq),
    Live,
}

struct Peer {
    session: Session,
    phase: Phase,
}

struct Process {
    number: u64,
    room: Room,
    /// The store with everything applied, synced or not: reads show it, and wait for it.
    latest: NaiveStore,
    peers: BTreeMap<ConnectionId, Peer>,
    /// Changes that were taken and wait for the next batch.
    taken: Vec<Changes>,
    waiting: Vec<Item>,
    syncing: Option<(Vec<Changes>, Vec<Item>)>,
}

/// The server and its disk.
pub(super) struct Server {
    disk: NaiveStore,
    backup: Option<NaiveStore>,
    process: Option<Process>,
    processes: u64,
    limits: Limits,
    fault: Option<Fault>,
    reap: bool,
}

impl Server {
    pub(super) fn new(fault: Option<Fault>, chance: &mut Chance) -> Self {
        // Small, so that a short run reaches every one of them.
        let limits = Limits {
            reserved_numbers: *chance.pick(&[1, 3, 12, 4_096]),
            page_entries_max: chance.between(1, 16),
            ..Limits::default()
        };
        let reap = chance.happens(500);
        let disk = NaiveStore::new(Room::new_record(&epoch(0), 0), reap);
        Self { disk, backup: None, process: None, processes: 0, limits, fault, reap }
    }

    pub(super) fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        self.processes += 1;
        let mut stored = self.disk.load();
        match self.fault {
            Some(Fault::ReuseNumbersAfterCrash) => stored.record.reserved = stored.record.stored,
            Some(Fault::ForgetClients) => stored.clients.clear(),
            Some(Fault::ForgetLineage) => stored.record.lineage.clear(),
            _ => {}
        }
        self.process = Some(Process {
            number: self.processes,
            room: Room::load(stored, &epoch(self.processes), self.limits),
            latest: self.disk.clone(),
            peers: BTreeMap::new(),
            taken: Vec::new(),
            waiting: Vec::new(),
            syncing: None,
        });
    }

    pub(super) fn running(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn epoch(&self) -> Epoch {
        epoch(self.processes)
    }

    pub(super) fn process_number(&self) -> u64 {
        self.processes
    }

    /// What is on disk: at the end of a run, everything.
    pub(super) fn disk(&self) -> &NaiveStore {
        &self.disk
    }

    /// Every stream of the disk, whole.
    pub(super) fn streams(&self) -> BTreeMap<StreamKey, Vec<Entry>> {
        let keys = self.disk.load().keys.into_iter();
        let read = |(key, record): (StreamKey, _)| {
            let head = RoomSeq(u64::MAX);
            let read = seabag_protocol::room::record::StreamRead {
                key: key.clone(),
                record: Some(record),
                after: RoomSeq::ZERO,
                head,
            };
            let entries = self.disk.read_stream(&read).into_iter();
            let entries = entries.map(|(seq, value)| Entry { key: key.clone(), seq, value }).collect();
            (key, entries)
        };
        keys.map(read).collect()
    }

    /// A connection arrives. Those of the same client are closed first; which those are.
    pub(super) fn accept(
        &mut self,
        connection: ConnectionId,
        opening: &Opening,
        now_ms: u64,
        chance: &mut Chance,
    ) -> Vec<ConnectionId> {
        let options = Options::parse(opening.subprotocol, opening.query(), Access::Write)
            .expect("clients open connections as they should");
        let Some(process) = &mut self.process else { return Vec::new() };
        let same = |peer: &Peer| options.client.is_some() && peer.session.options().client == options.client;
        let replaced: Vec<_> =
            process.peers.iter().filter(|(_, peer)| same(peer)).map(|(connection, _)| *connection).collect();
        for replaced in &replaced {
            self.end(*replaced, now_ms, chance);
        }
        let session = Session::new(options, self.limits, now_ms);
        let join = session.join();
        if let Some(process) = &mut self.process {
            process.peers.insert(connection, Peer { session, phase: Phase::Joining });
        }
        self.apply(join, Some(connection), now_ms, chance);
        replaced
    }

    /// A frame arrives. Says in a line what it was.
    pub(super) fn receive(
        &mut self,
        connection: ConnectionId,
        frame: &[u8],
        now_ms: u64,
        chance: &mut Chance,
    ) -> String {
        let Some(peer) = self.process.as_mut().and_then(|process| process.peers.get_mut(&connection)) else {
            return "nobody there".into();
        };
        let received = match peer.session.options().encoding {
            Encoding::Json => {
                let text = std::str::from_utf8(frame).expect("JSON is UTF-8");
                peer.session.receive_text(text, now_ms)
            }
            Encoding::Cbor => peer.session.receive_binary(frame, now_ms),
        };
        let line = format!("{received:?}");
        if let Received::Command(command) = received {
            self.apply(command, Some(connection), now_ms, chance);
        }
        line
    }

    /// A connection has ended: its wills come due.
    pub(super) fn end(&mut self, connection: ConnectionId, now_ms: u64, chance: &mut Chance) {
        let Some(process) = &mut self.process else { return };
        let Some(mut peer) = process.peers.remove(&connection) else { return };
        for will in peer.session.end() {
            self.apply(will, None, now_ms, chance);
        }
    }

    /// The next page of a connection that catches up.
    pub(super) fn catch_up(
        &mut self,
        process: u64,
        connection: ConnectionId,
        now_ms: u64,
        chance: &mut Chance,
    ) {
        let peers =
            self.process.as_ref().filter(|running| running.number == process).map(|running| &running.peers);
        let Some(Phase::CatchingUp(after)) =
            peers.and_then(|peers| peers.get(&connection)).map(|peer| peer.phase)
        else {
            return;
        };
        self.apply(catch_up(after), Some(connection), now_ms, chance);
    }

    fn apply(&mut self, command: Command, from: Option<ConnectionId>, now_ms: u64, chance: &mut Chance) {
        let fault = self.fault;
        let Some(process) = &mut self.process else { return };
        let (command, pushed) = match command {
            Command::Push { push, client, .. } => {
                process.take_changes(now_ms);
                let survey = process.room.survey_for(&push).map(|range| process.latest.survey(range));
                (Command::Push { push: push.clone(), client, survey }, Some(push))
            }
            other => (other, None),
        };
        for effect in process.room.apply(command, now_ms) {
            match effect {
                Effect::Broadcast { entry, stored } => process.broadcast(entry, stored, fault, chance),
                Effect::Trimmed { seq, .. } => process.trimmed(pushed.as_ref(), seq),
                Effect::Reply(reply) => process.reply(reply, from, now_ms),
            }
        }
    }

    /// What a server that is built wrong sends before it is durable.
    pub(super) fn take_early(&mut self) -> Vec<Item> {
        match &mut self.process {
            Some(process) if self.fault == Some(Fault::ReleaseBeforeSync) => {
                let (facts, early) =
                    process.waiting.drain(..).partition(|item| matches!(item, Item::Fact { .. }));
                process.waiting = facts;
                early
            }
            _ => Vec::new(),
        }
    }

    /// Begins a batch if there is something to write or to wait for. The process whose batch it is.
    pub(super) fn begin_sync(&mut self) -> Option<u64> {
        let process = self.process.as_mut()?;
        if process.syncing.is_some() {
            return None;
        }
        process.take_changes(0);
        if process.taken.is_empty() && process.waiting.is_empty() {
            return None;
        }
        process.syncing = Some((std::mem::take(&mut process.taken), std::mem::take(&mut process.waiting)));
        Some(process.number)
    }

    /// The batch of this process is durable: what it releases.
    pub(super) fn synced(&mut self, process: u64) -> Option<Vec<Item>> {
        let running = self.process.as_mut().filter(|running| running.number == process)?;
        let (changes, items) = running.syncing.take()?;
        changes.iter().for_each(|changes| self.disk.commit(changes));
        Some(items)
    }

    /// Everything applied becomes durable at once: what it releases.
    fn sync_all(&mut self, now_ms: u64) -> Vec<Item> {
        let Some(process) = &mut self.process else { return Vec::new() };
        process.take_changes(now_ms);
        let (mut changes, mut items) = process.syncing.take().unwrap_or_default();
        changes.append(&mut process.taken);
        items.append(&mut process.waiting);
        changes.iter().for_each(|changes| self.disk.commit(changes));
        items
    }

    /// The room leaves memory and comes back at once.
    pub(super) fn evict(&mut self, now_ms: u64) -> Vec<Item> {
        let items = self.sync_all(now_ms);
        let Some(process) = &mut self.process else { return items };
        self.disk.commit(&process.room.retire(now_ms));
        process.room = Room::load(self.disk.load(), process.room.epoch(), self.limits);
        process.latest = self.disk.clone();
        items
    }

    /// The process ends in order.
    pub(super) fn stop(&mut self, now_ms: u64) -> Vec<Item> {
        let items = self.sync_all(now_ms);
        if let Some(mut process) = self.process.take() {
            self.disk.commit(&process.room.retire(now_ms));
        }
        items
    }

    /// The process dies. A batch that was being synced may have reached the disk: what it then made true.
    pub(super) fn crash(&mut self, chance: &mut Chance) -> Vec<Item> {
        let Some((changes, items)) = self.process.take().and_then(|process| process.syncing) else {
            return Vec::new();
        };
        if chance.happens(500) {
            return Vec::new();
        }
        changes.iter().for_each(|changes| self.disk.commit(changes));
        items
    }

    /// The disk is lost, and the room is made again under its id.
    pub(super) fn wipe(&mut self) {
        self.processes += 1;
        self.disk = NaiveStore::new(Room::new_record(&epoch(self.processes), 0), self.reap);
        self.backup = None;
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.disk.clone());
    }

    /// The disk goes back to the backup. Whether there was one.
    pub(super) fn restore(&mut self) -> bool {
        let found = self.backup.clone();
        self.disk = found.clone().unwrap_or_else(|| self.disk.clone());
        found.is_some()
    }
}

fn epoch(process: u64) -> Epoch {
    Epoch::parse(&format!("process-{process}")).expect("an epoch may be called so")
}

impl Process {
    fn take_changes(&mut self, now_ms: u64) {
        let changes = self.room.take_changes(now_ms);
        if !changes.is_empty() {
            self.latest.commit(&changes);
            self.taken.push(changes);
        }
    }

    fn broadcast(&mut self, entry: Entry, stored: bool, fault: Option<Fault>, chance: &mut Chance) {
        self.waiting.push(Item::Fact(truth::Fact::numbered(&entry)));
        for (connection, peer) in &self.peers {
            let dropped = fault == Some(Fault::DropABroadcast) && chance.happens(5);
            if peer.phase == Phase::Live && peer.session.hears(&entry, stored) && !dropped {
                self.waiting.push(Item::Send(*connection, ServerMessage::Push(entry.clone())));
            }
        }
    }

    fn trimmed(&mut self, push: Option<&Push>, seq: RoomSeq) {
        if let Some(Push { key, value: Some(value), .. }) = push {
            let entry = Entry { key: key.clone(), seq, value: value.clone() };
            self.waiting.push(Item::Fact(truth::Fact::compacted(&entry)));
        }
    }

    fn reply(&mut self, reply: Reply, from: Option<ConnectionId>, now_ms: u64) {
        let Some(connection) = from else { return };
        match reply {
            Reply::Message(message) => self.waiting.push(Item::Send(connection, message)),
            Reply::Joined(joined) => self.joined(connection, &joined),
            Reply::ReadRoom { read, .. } => {
                self.take_changes(now_ms);
                let page = self.latest.read_room(&read);
                if !page.entries.is_empty() {
                    let entries = ServerMessage::Entries { data: page.entries, next: None };
                    self.waiting.push(Item::Send(connection, entries));
                }
                let phase = match page.next {
                    Some(next) => Phase::CatchingUp(next),
                    None => Phase::Live,
                };
                self.set_phase(connection, phase);
            }
            Reply::ReadStream(read) => {
                self.take_changes(now_ms);
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.session.subscribe(&read.key);
                }
                let init = ServerMessage::Init { data: self.latest.read_stream(&read), key: read.key };
                self.waiting.push(Item::Send(connection, init));
            }
            other => panic!("the clients of this world ask for nothing that answers {other:?}"),
        }
    }

    fn joined(&mut self, connection: ConnectionId, joined: &Joined) {
        let Some(hello) = self.peers.get(&connection).and_then(|peer| peer.session.hello(joined)) else {
            return;
        };
        self.waiting.push(Item::Send(connection, hello));
        if let Some(reason) = joined.reset {
            let reset = ServerMessage::Reset { reason, epoch: joined.epoch.clone(), seq: joined.head };
            self.waiting.push(Item::Send(connection, reset));
        }
        match joined.since {
            Some(after) => self.set_phase(connection, Phase::CatchingUp(after)),
            None => self.set_phase(connection, Phase::Live),
        }
    }

    fn set_phase(&mut self, connection: ConnectionId, phase: Phase) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let catching_up = peer.session.options().since.is_some();
        peer.phase = phase;
        match phase {
            Phase::CatchingUp(_) => self.waiting.push(Item::CatchUp(connection)),
            Phase::Live if catching_up => {
                let live = ServerMessage::Live { seq: self.room.head() };
                self.waiting.push(Item::Send(connection, live));
            }
            _ => {}
        }
    }
}
