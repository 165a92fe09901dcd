//! A client of the simulated world: an outbox whose pushes have ids, a cursor, and what it makes of the streams.
//! It checks by itself whatever one connection can show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{ClientMessage, Push};
use seabag_protocol::room::name::{Epoch, PushId, RoomSeq, StreamKey};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::{Ack, Hello, ServerMessage};
use seabag_protocol::room::session::{SUBPROTOCOL_CBOR, SUBPROTOCOL_JSON};
use seabag_protocol::room::value::{Encoding, Value};

use super::network::ConnectionId;
use super::truth::{Fact, Truth};
use crate::chance::Chance;

/// Streams that are appended to and compacted.
const LOGS: [&str; 3] = ["log", "chat", ""];
/// Streams that are replaced.
const REGISTERS: [&str; 2] = ["title", "colour"];
/// The stream that is appended to and trimmed.
const NEWS: &str = "news";

/// What a value says, in one form whatever it was sent in.
pub(super) fn content(value: &Value) -> String {
    let mut json = Vec::new();
    value.write_json(&mut json);
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// A message in a line.
pub(super) fn describe(message: &ServerMessage) -> String {
    let entry = |entry: &Entry| format!("{}:{:?}={}", entry.seq, entry.key.as_str(), content(&entry.value));
    match message {
        ServerMessage::Push(pushed) => format!("push {}", entry(pushed)),
        ServerMessage::Entries { data, .. } => {
            format!("entries {}", data.iter().map(entry).collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

/// What a client makes of one stream: what was pushed, in order, since its last whole value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) payloads: Vec<u64>,
    seqs: Vec<u64>,
}

impl Stream {
    pub(super) fn take(&mut self, entry: &Entry) {
        let text = content(&entry.value);
        let (kind, mut payloads): (String, Vec<u64>) =
            serde_json::from_str(&text).expect("all values of this world have this shape");
        match kind.as_str() {
            "add" => self.payloads.append(&mut payloads),
            "set" | "snapshot" => *self = Self { payloads, seqs: Vec::new() },
            _ => return,
        }
        self.seqs.push(entry.seq.0);
    }
}

/// How a connection is opened.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) subprotocol: &'static str,
    pub(super) since: Option<String>,
    client: Option<String>,
    /// Whether it hears only the streams that it asks for.
    by_keys: bool,
}

impl Opening {
    pub(super) fn query(&self) -> Vec<(&str, &str)> {
        let since = self.since.as_deref().map(|since| ("since", since));
        let client = self.client.as_deref().map(|client| ("client", client));
        let deliver = self.by_keys.then_some(("deliver", "keys"));
        since.into_iter().chain(client).chain(deliver).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the hello.
    Opening,
    CatchingUp,
    Live,
}

#[derive(Clone, Debug)]
struct Waiting {
    push: Push,
    payload: Option<u64>,
    /// The connection on which it was last sent.
    sent_on: Option<ConnectionId>,
}

/// A client.
pub(super) struct Client {
    number: usize,
    encoding: Encoding,
    /// Whether it writes and keeps state; the others hear what comes and keep nothing.
    writes: bool,
    openings: BTreeMap<ConnectionId, Opening>,
    connection: Option<(ConnectionId, Phase)>,
    /// Where it stands, and in which history of the world it came there.
    cursor: Option<(Epoch, u64, usize)>,
    /// The epoch of the current connection.
    epoch: Option<Epoch>,
    /// A cursor was sent, and it is not known yet whether it is good.
    unchecked: bool,
    /// The epoch in which it last was catching up, until it is live. What it then skipped was superseded by what it
    /// would have read later. A restore can take that back, so it does not go on there under another owner.
    catching_up_in: Option<Epoch>,
    /// The last number on the current connection, once it is live.
    last_seq: u64,
    outbox: VecDeque<Waiting>,
    last_id: u64,
    /// The connection that has this client's will.
    will_on: Option<ConnectionId>,
    /// Of the current connection: by stream, the last number that a watcher heard, from its `init` on.
    asked: BTreeMap<String, u64>,
    streams: BTreeMap<String, Stream>,
    /// All that this client has heard since its last reset.
    heard: BTreeSet<Fact>,
}

impl Client {
    pub(super) fn new(number: usize, chance: &mut Chance) -> Self {
        Self {
            number,
            encoding: if chance.happens(500) { Encoding::Json } else { Encoding::Cbor },
            writes: number % 4 != 3,
            openings: BTreeMap::new(),
            connection: None,
            cursor: None,
            epoch: None,
            unchecked: false,
            catching_up_in: None,
            last_seq: 0,
            outbox: VecDeque::new(),
            last_id: 0,
            will_on: None,
            asked: BTreeMap::new(),
            streams: BTreeMap::new(),
            heard: BTreeSet::new(),
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_none()
    }

    /// Nothing is left to do but to listen.
    pub(super) fn at_rest(&self) -> bool {
        self.outbox.is_empty() && matches!(self.connection, Some((_, Phase::Live)))
    }

    pub(super) fn connect(&mut self, connection: ConnectionId) {
        let since = match &self.cursor {
            Some((epoch, seq, _)) => format!("{epoch}.{seq}"),
            None => "0".into(),
        };
        let opening = Opening {
            subprotocol: if self.encoding == Encoding::Json { SUBPROTOCOL_JSON } else { SUBPROTOCOL_CBOR },
            since: self.writes.then_some(since),
            client: self.writes.then(|| format!("client-number-{:04}", self.number)),
            by_keys: !self.writes && self.openings.len().is_multiple_of(2),
        };
        self.openings.insert(connection, opening);
        self.connection = Some((connection, Phase::Opening));
        self.asked.clear();
    }

    fn by_keys(&self) -> bool {
        let opening = self.connection.and_then(|(connection, _)| self.openings.get(&connection));
        opening.is_some_and(|opening| opening.by_keys)
    }

    /// A watcher asks for a stream now and then.
    pub(super) fn ask(&self, chance: &mut Chance) -> Option<(ConnectionId, Vec<u8>)> {
        let (connection, phase) = self.connection?;
        if self.writes || phase != Phase::Live || !chance.happens(300) {
            return None;
        }
        let key = StreamKey::from(*chance.pick(&[LOGS[0], LOGS[1], REGISTERS[0]]));
        let get = ClientMessage::GetStream { key, after: Some(RoomSeq::ZERO) };
        Some((connection, get.encode(self.encoding)))
    }

    pub(super) fn opening(&self, connection: ConnectionId) -> Option<Opening> {
        self.openings.get(&connection).cloned()
    }

    pub(super) fn lost(&mut self, connection: ConnectionId) {
        if self.connection.is_some_and(|(current, _)| current == connection) {
            self.connection = None;
        }
    }

    /// Makes a push and puts it into the outbox. Says in a line what it is.
    pub(super) fn make_push(&mut self, chance: &mut Chance) -> String {
        self.last_id += 1;
        // Unique among all pushes of all clients.
        let payload = self.last_id * 100 + self.number as u64;
        let live = matches!(self.connection, Some((_, Phase::Live)));
        let cursor = self.cursor.as_ref().map_or(0, |(_, seq, _)| *seq);
        let log = *chance.pick(&LOGS);
        let one = |kind: &str| Some(format!("[\"{kind}\",[{payload}]]"));
        let (key, text, action) = match chance.below(100) {
            0..50 => (log, one("add"), Action::Append),
            50..65 => (*chance.pick(&REGISTERS), one("set"), Action::Replace),
            65..75 => ("cursor", one("relay"), Action::Relay),
            75..85 => (NEWS, one("add"), Action::Append),
            // A snapshot is made of what was heard up to the cursor: that is the contract of a compact.
            85..95 if live && cursor > 0 => {
                let payloads =
                    self.streams.get(log).map(|stream| stream.payloads.clone()).unwrap_or_default();
                (log, Some(format!("[\"snapshot\",{payloads:?}]")), Action::Compact { seq: RoomSeq(cursor) })
            }
            95..98 if live && cursor > 3 => {
                (NEWS, None, Action::Compact { seq: RoomSeq(chance.between(1, cursor)) })
            }
            _ => (log, one("add"), Action::Append),
        };
        let promised = matches!(action, Action::Append) && key != NEWS;
        let line = format!("makes push {} {key:?} {action:?} {text:?}", self.last_id);
        let value = text.map(|text| self.value(&text));
        let push = Push { key: StreamKey::from(key), value, action, id: Some(PushId(self.last_id)) };
        self.outbox.push_back(Waiting { push, payload: promised.then_some(payload), sent_on: None });
        line
    }

    /// The same value in the client's own encoding.
    fn value(&self, text: &str) -> Value {
        let value = Value::from_json(text).expect("the text is JSON");
        if self.encoding == Encoding::Json {
            return value;
        }
        let push = Push { key: "".into(), value: Some(value), action: Action::Append, id: None };
        match ClientMessage::from_cbor(&ClientMessage::Push(push).encode(Encoding::Cbor)) {
            Ok(ClientMessage::Push(Push { value: Some(value), .. })) => value,
            other => panic!("a push in CBOR is read as {other:?}"),
        }
    }

    /// What is to be sent now. Nothing goes out before the hello has said what is stored already.
    pub(super) fn due(&mut self) -> Vec<(ConnectionId, Vec<u8>)> {
        let Some((connection, phase)) = self.connection else { return Vec::new() };
        // While catching up a reset may still be on its way, and compacts would hit another history.
        if phase == Phase::Opening || self.unchecked {
            return Vec::new();
        }
        let mut frames = Vec::new();
        if self.will_on != Some(connection) {
            self.will_on = Some(connection);
            let value = Some(self.value(&format!("[\"relay\",[{}]]", self.number)));
            let will = ClientMessage::Will { key: "cursor".into(), value };
            frames.push((connection, will.encode(self.encoding)));
        }
        for waiting in self.outbox.iter_mut().filter(|waiting| waiting.sent_on != Some(connection)) {
            waiting.sent_on = Some(connection);
            let message = ClientMessage::Push(waiting.push.clone());
            frames.push((connection, message.encode(self.encoding)));
        }
        frames
    }

    /// What the server says to this client, as bytes.
    pub(super) fn encode(&self, message: &ServerMessage) -> Vec<u8> {
        message.encode(self.encoding)
    }

    /// Bytes of the server.
    pub(super) fn decode(&self, frame: &[u8]) -> Result<ServerMessage, String> {
        let message = match self.encoding {
            Encoding::Json => {
                ServerMessage::from_json(std::str::from_utf8(frame).map_err(|error| error.to_string())?)
            }
            Encoding::Cbor => ServerMessage::from_cbor(frame),
        };
        message.map_err(|refusal| refusal.to_string())
    }

    /// Takes a message of the current connection and checks it.
    pub(super) fn receive(
        &mut self,
        connection: ConnectionId,
        generation: usize,
        message: ServerMessage,
        truth: &mut Truth,
    ) -> Result<(), String> {
        let Some((current, phase)) = self.connection.filter(|(current, _)| *current == connection) else {
            return Ok(());
        };
        let decides = matches!(message, ServerMessage::Hello(_) | ServerMessage::Reset { .. });
        if self.unchecked && !decides {
            self.unchecked = false;
            truth.check_kept(generation, &self.heard)?;
            if let Some((_, _, came_there)) = &mut self.cursor {
                *came_there = generation;
            }
        }
        match (phase, message) {
            (Phase::Opening, ServerMessage::Hello(hello)) => {
                let other_owner = self.catching_up_in.as_ref().is_some_and(|epoch| *epoch != hello.epoch);
                if other_owner && self.cursor.is_some() {
                    self.start_again();
                    self.connection = None;
                    return Ok(());
                }
                let phase = if self.writes { Phase::CatchingUp } else { Phase::Live };
                self.catching_up_in = self.writes.then(|| hello.epoch.clone());
                self.connection = Some((current, phase));
                self.hello(&hello, generation, truth);
                Ok(())
            }
            (Phase::CatchingUp, ServerMessage::Reset { .. }) if self.unchecked => {
                self.reset(generation, truth)
            }
            (Phase::CatchingUp, ServerMessage::Entries { data, next: None }) => {
                data.iter().try_for_each(|entry| {
                    let cursor = self.cursor.as_ref().map_or(0, |(_, seq, _)| *seq);
                    // Two streams can have been compacted at one number.
                    if entry.seq.0 < cursor {
                        return Err(format!("entry {} after {cursor}", entry.seq));
                    }
                    self.take(entry, generation, truth)
                })
            }
            (Phase::CatchingUp, ServerMessage::Live { seq }) => {
                self.connection = Some((current, Phase::Live));
                self.catching_up_in = None;
                self.last_seq = seq.0;
                Ok(())
            }
            (Phase::Live, ServerMessage::Init { key, data }) => self.init(&key, &data, generation, truth),
            (Phase::Live, ServerMessage::Push(entry)) => {
                self.check_asked(&entry)?;
                if entry.seq.0 != self.last_seq + 1 && !self.by_keys() {
                    return Err(format!("push {} comes after {}", entry.seq, self.last_seq));
                }
                self.last_seq = entry.seq.0;
                self.check_echo(&entry)?;
                self.take(&entry, generation, truth)
            }
            (Phase::CatchingUp | Phase::Live, ServerMessage::Ack(ack)) => self.acked(&ack, generation, truth),
            (phase, other) => Err(format!("while {phase:?} comes {}", describe(&other))),
        }
    }

    /// An `init` shows its place in the order: all of the stream that was heard before, nothing that comes after.
    fn init(
        &mut self,
        key: &StreamKey,
        data: &[(RoomSeq, Value)],
        generation: usize,
        truth: &Truth,
    ) -> Result<(), String> {
        for (seq, value) in data {
            let entry = Entry { key: key.clone(), seq: *seq, value: value.clone() };
            truth.check_seen(generation, &Fact::seen(&entry))?;
        }
        let last = data.last().map_or(0, |(seq, _)| seq.0);
        let heard = self.asked.get(key.as_str()).copied().unwrap_or_default();
        if last < heard {
            return Err(format!("an init ends at {last}, but {heard} was heard before"));
        }
        if last > self.last_seq && !self.by_keys() {
            return Err(format!(
                "an init ends at {last}, but the last number before it was {}",
                self.last_seq
            ));
        }
        self.asked.insert(key.as_str().into(), last);
        Ok(())
    }

    /// With delivery by keys no push of a stream precedes its `init`, and with any none that the `init` had follows.
    fn check_asked(&mut self, entry: &Entry) -> Result<(), String> {
        let by_keys = self.by_keys();
        let fact = Fact::seen(entry);
        match self.asked.get_mut(entry.key.as_str()) {
            Some(last) if entry.seq.0 <= *last => Err(format!("{fact:?} comes after an init up to {last}")),
            None if by_keys => Err(format!("{fact:?} comes without having been asked for")),
            Some(last) => {
                *last = entry.seq.0;
                Ok(())
            }
            None => {
                let kept = LOGS.iter().chain(&REGISTERS).any(|kept| *kept == entry.key.as_str());
                self.asked.extend(kept.then(|| (entry.key.as_str().to_owned(), entry.seq.0)));
                Ok(())
            }
        }
    }

    fn hello(&mut self, hello: &Hello, generation: usize, truth: &mut Truth) {
        self.epoch = Some(hello.epoch.clone());
        self.last_seq = hello.seq.0;
        self.unchecked = self.writes;
        let last_id = hello.last_id.map_or(0, |id| id.0);
        // What the server has is stored; relays that were sent are gone and are not sent again.
        let stored = |waiting: &Waiting| waiting.push.id.is_some_and(|id| id.0 <= last_id);
        for waiting in self.outbox.iter().filter(|waiting| stored(waiting)) {
            waiting.payload.iter().for_each(|payload| truth.promise(generation, *payload));
        }
        self.outbox.retain(|waiting| {
            let sent_relay = waiting.push.action == Action::Relay && waiting.sent_on.is_some();
            !stored(waiting) && !sent_relay
        });
    }

    fn reset(&mut self, generation: usize, truth: &Truth) -> Result<(), String> {
        self.unchecked = false;
        let wrong = self.cursor.as_ref().is_none_or(|(epoch, seq, came_there)| {
            *came_there == generation && !truth.may_reset(epoch, *seq)
        });
        if wrong {
            return Err("a reset, but the history is the same".into());
        }
        self.start_again();
        Ok(())
    }

    /// Forgets everything that was heard and reads from the start.
    fn start_again(&mut self) {
        self.cursor = None;
        self.catching_up_in = None;
        self.streams.clear();
        self.heard.clear();
        // Their numbers mean something else in this history.
        self.outbox.retain(|waiting| !matches!(waiting.push.action, Action::Compact { .. }));
    }

    fn take(&mut self, entry: &Entry, generation: usize, truth: &mut Truth) -> Result<(), String> {
        let fact = Fact::seen(entry);
        truth.check_seen(generation, &fact)?;
        if !self.writes {
            return Ok(());
        }
        self.heard.insert(fact);
        let epoch = self.epoch.clone().ok_or("something comes before the hello")?;
        self.cursor = Some((epoch, entry.seq.0, generation));
        self.streams.entry(entry.key.as_str().to_owned()).or_default().take(entry);
        Ok(())
    }

    /// An acknowledgement comes before the sender's own copy.
    fn check_echo(&self, entry: &Entry) -> Result<(), String> {
        let echo = self.outbox.iter().find(|waiting| {
            let same = waiting.push.value.as_ref().map(content) == Some(content(&entry.value));
            same && waiting.sent_on == self.connection.map(|(connection, _)| connection)
        });
        echo.map_or(Ok(()), |waiting| Err(format!("the echo of {:?} precedes its ack", waiting.push.id)))
    }

    fn acked(&mut self, ack: &Ack, generation: usize, truth: &mut Truth) -> Result<(), String> {
        let waiting = self.outbox.pop_front().ok_or("an ack for nothing")?;
        if waiting.push.id != ack.id {
            return Err(format!("{ack:?}, but push {:?} is next", waiting.push.id));
        }
        waiting.payload.iter().for_each(|payload| truth.promise(generation, *payload));
        Ok(())
    }

    /// After the world has come to rest, everybody has what the server has.
    pub(super) fn check_end(&self, expected: &BTreeMap<String, Stream>) -> Result<(), String> {
        if !self.at_rest() {
            return Err(format!("is not at rest: {:?}, {} wait", self.connection, self.outbox.len()));
        }
        if !self.writes {
            return Ok(());
        }
        for key in LOGS.iter().chain(&REGISTERS) {
            let mine = self.streams.get(*key).map(|stream| &stream.payloads[..]).unwrap_or_default();
            let servers = expected.get(*key).map(|stream| &stream.payloads[..]).unwrap_or_default();
            if mine != servers {
                return Err(format!("{key:?} is {mine:?} and at the server {servers:?}"));
            }
        }
        // Of a trimmed stream the client may know more, but nothing else since.
        let empty = Stream::default();
        let (mine, servers) =
            (self.streams.get(NEWS).unwrap_or(&empty), expected.get(NEWS).unwrap_or(&empty));
        let kept = mine.seqs.iter().zip(&mine.payloads);
        let since = servers.seqs.first().copied().unwrap_or(u64::MAX);
        let mine: Vec<_> = kept.filter(|(seq, _)| **seq >= since).map(|(_, payload)| *payload).collect();
        if mine == servers.payloads { Ok(()) } else { Err(format!("{NEWS:?} is {mine:?}, not {servers:?}")) }
    }
}
