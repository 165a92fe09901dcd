//! One connection's side of the rules: what its dialect lets it say, and what it hears. Pure, like the machine
//! whose commands it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action::Action;
use super::client_message::{ClientMessage, Push};
use super::machine::{Command, Joined};
use super::name::{Access, ClientId, Cursor, RoomSeq, StreamKey};
use super::record::Entry;
use super::server_message::{Hello, HelloLimits, ServerMessage};
use super::value::{Encoding, Value};
use crate::error::{Code, Refusal};
use crate::limits::Limits;
use crate::rate::Rate;

/// Subprotocol of the native dialect in JSON.
pub const SUBPROTOCOL_JSON: &str = "seabag.v1";
/// Subprotocol of the native dialect in CBOR.
pub const SUBPROTOCOL_CBOR: &str = "seabag.v1.cbor";
/// What a subscription counts beside its key.
const SUBSCRIPTION_BYTES: u64 = 64;
/// The greatest number of the native dialect: JavaScript's greatest exact integer.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Whose language a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The published DriftDB clients'.
    DriftDb,
    /// Ours.
    Native,
}

/// Which broadcasts a connection hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// All of the room, from joining on (seed document).
    All,
    /// Those of the streams that it asked for with get (upstream since 2023, which its clients rely on).
    Keys,
}

/// How a connection was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its language.
    pub dialect: Dialect,
    /// How the server's messages to it are written. Its own are judged by frame type.
    pub encoding: Encoding,
    /// What it hears.
    pub deliver: Deliver,
    /// Where it goes on from.
    pub since: Option<Cursor>,
    /// Its outbox, for exactly-once pushes.
    pub client: Option<ClientId>,
    /// Whether it watches the streams themselves.
    pub debug: bool,
    /// What its id allows.
    pub access: Access,
}

impl Options {
    /// Reads the offered subprotocols (`Sec-WebSocket-Protocol`, comma-separated) and the query. Unknown names are
    /// ignored; a known one with a value that means nothing is `bad_parameter`.
    pub fn parse<'a>(
        offered: &str,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
        access: Access,
    ) -> Result<Self, Refusal> {
        let spoken = offered.split(',').map(str::trim).find_map(|name| match name {
            SUBPROTOCOL_JSON => Some(Encoding::Json),
            SUBPROTOCOL_CBOR => Some(Encoding::Cbor),
            _ => None,
        });
        let native = spoken.is_some();
        let mut options = Self {
            dialect: if native { Dialect::Native } else { Dialect::DriftDb },
            encoding: spoken.unwrap_or(Encoding::Json),
            deliver: if native { Deliver::All } else { Deliver::Keys },
            since: None,
            client: None,
            debug: false,
            access,
        };
        for (name, value) in query {
            match name {
                "cbor" if native => return Err(cross_dialect("cbor", "DriftDB")),
                "since" | "client" if !native => return Err(cross_dialect(name, "native")),
                "cbor" => {
                    options.encoding = if parse_flag(name, value)? { Encoding::Cbor } else { Encoding::Json }
                }
                "debug" => options.debug = parse_flag(name, value)?,
                "deliver" => options.deliver = parse_deliver(value)?,
                "since" => options.since = Some(Cursor::parse(value)?),
                "client" => options.client = Some(ClientId::parse(value)?),
                _ => {}
            }
        }
        if access == Access::ReadOnly {
            // Who may not write has no outbox: it shall neither displace a writer nor learn how far it is.
            options.client = None;
        }
        if options.since.is_some() && options.deliver == Deliver::Keys {
            return Err(Refusal::new(Code::BadParameter, "since needs deliver=all"));
        }
        Ok(options)
    }

    /// The subprotocol to echo.
    pub fn subprotocol(&self) -> Option<&'static str> {
        match (self.dialect, self.encoding) {
            (Dialect::DriftDb, _) => None,
            (Dialect::Native, Encoding::Json) => Some(SUBPROTOCOL_JSON),
            (Dialect::Native, Encoding::Cbor) => Some(SUBPROTOCOL_CBOR),
        }
    }
}

fn cross_dialect(name: &str, dialect: &str) -> Refusal {
    Refusal::new(Code::BadParameter, format!("{name} belongs to the {dialect} dialect"))
}

/// `true` or `false`. The published npm client appends `?cbor=true` to a URL that already ends in it when it
/// reconnects; the server splits such a query, so nothing of that is seen here.
fn parse_flag(name: &str, value: &str) -> Result<bool, Refusal> {
    value.parse().map_err(|_| Refusal::new(Code::BadParameter, format!("{name} must be true or false")))
}

fn parse_deliver(value: &str) -> Result<Deliver, Refusal> {
    match value {
        "all" => Ok(Deliver::All),
        "keys" => Ok(Deliver::Keys),
        _ => Err(Refusal::new(Code::BadParameter, "deliver must be all or keys")),
    }
}

/// What becomes of something received.
#[derive(Clone, Debug)]
pub enum Received {
    /// To be applied by the room.
    Command(Command),
    /// Done: nothing to apply and nothing to say.
    Done,
    /// The connection ends with this refusal, behind the answers that are still due.
    End(Refusal),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    options: Options,
    limits: Arc<Limits>,
    rate: Rate,
    subscribed: BTreeSet<StreamKey>,
    /// What they count, for keys that the room does not know can be asked for without end.
    subscribed_bytes: u64,
    wills: BTreeMap<StreamKey, Value>,
}

impl Session {
    /// A connection that was just opened.
    pub fn new(options: Options, limits: impl Into<Arc<Limits>>, now_ms: u64) -> Self {
        let limits = limits.into();
        let rate = Rate::new(limits.pushes_per_second_max, now_ms);
        Self {
            options,
            limits,
            rate,
            subscribed: BTreeSet::new(),
            subscribed_bytes: 0,
            wills: BTreeMap::new(),
        }
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The command with which it joins its room.
    pub fn join(&self) -> Command {
        Command::Join {
            since: self.options.since.clone(),
            client: self.options.client.clone(),
            list_keys: self.options.debug && self.options.dialect == Dialect::DriftDb,
        }
    }

    /// The first message of a native connection.
    pub fn hello(&self, joined: &Joined) -> Option<ServerMessage> {
        (self.options.dialect == Dialect::Native).then(|| {
            ServerMessage::Hello(Hello {
                epoch: joined.epoch.clone(),
                seq: joined.head,
                last_id: joined.last_id,
                read_only: self.options.access == Access::ReadOnly,
                closed: joined.closed,
                limits: HelloLimits {
                    message_bytes: self.limits.message_bytes_max,
                    key_bytes: self.limits.key_bytes_max,
                    pushes_per_second: self.limits.pushes_per_second_max,
                },
            })
        })
    }

    /// Takes a text frame.
    pub fn receive_text(&mut self, text: &str, now_ms: u64) -> Received {
        match self.size_refusal(text.len()) {
            Some(refusal) => Received::End(refusal),
            None => self.receive(ClientMessage::from_json(text), now_ms),
        }
    }

    /// Takes a binary frame.
    pub fn receive_binary(&mut self, bytes: &[u8], now_ms: u64) -> Received {
        match self.size_refusal(bytes.len()) {
            Some(refusal) => Received::End(refusal),
            None => self.receive(ClientMessage::from_cbor(bytes), now_ms),
        }
    }

    fn size_refusal(&self, bytes: usize) -> Option<Refusal> {
        let most = self.limits.message_bytes_max;
        (bytes as u64 > most)
            .then(|| Refusal::new(Code::TooLarge, format!("a message may have {most} bytes")))
    }

    /// Takes a message, or the reason why it could not be read.
    pub fn receive(&mut self, message: Result<ClientMessage, Refusal>, now_ms: u64) -> Received {
        match message.and_then(|message| self.check_dialect(message)) {
            Ok(message) => self.accept(message, now_ms).unwrap_or_else(answer),
            // DriftDB's clients get the error and then the end, as from upstream; ours go on.
            Err(refusal) if self.options.dialect == Dialect::DriftDb => Received::End(refusal),
            Err(refusal) => answer(refusal),
        }
    }

    fn check_dialect(&self, message: ClientMessage) -> Result<ClientMessage, Refusal> {
        if self.options.dialect == Dialect::Native {
            let numbers = match &message {
                ClientMessage::Push(Push { action: Action::Compact { seq }, id, .. }) => {
                    [Some(seq.0), id.map(|id| id.0)]
                }
                ClientMessage::Push(push) => [push.id.map(|id| id.0), None],
                ClientMessage::GetStream { after, .. } => [after.map(|seq| seq.0), None],
                ClientMessage::GetRoom { after, limit, .. } => [Some(after.0), *limit],
                ClientMessage::Keys { limit, .. } => [*limit, None],
                ClientMessage::Ping { nonce } => [*nonce, None],
                ClientMessage::Will { .. } => [None, None],
            };
            let too_great = numbers.into_iter().flatten().any(|number| number > NUMBER_MAX);
            return if too_great {
                Err(Refusal::bad_message("a number is above 2^53 - 1"))
            } else {
                Ok(message)
            };
        }
        let native_only = match &message {
            ClientMessage::Push(push) => {
                push.id.is_some() || push.value.is_none() || push.action == Action::Close
            }
            ClientMessage::GetRoom { .. } | ClientMessage::Keys { .. } | ClientMessage::Will { .. } => true,
            ClientMessage::GetStream { .. } | ClientMessage::Ping { .. } => false,
        };
        if native_only {
            return Err(Refusal::bad_message("this message needs the subprotocol seabag.v1"));
        }
        Ok(message)
    }

    fn accept(&mut self, message: ClientMessage, now_ms: u64) -> Result<Received, Refusal> {
        let command = match message {
            ClientMessage::Push(push) => return self.accept_push(push, now_ms),
            ClientMessage::GetStream { key, after } => {
                self.check_key(&key)?;
                self.check_subscription(&key)?;
                Command::GetStream { key, after }
            }
            ClientMessage::GetRoom { after, epoch, limit } => {
                Command::GetRoom { cursor: Cursor { epoch, seq: after }, limit }
            }
            ClientMessage::Keys { after, limit } => Command::Keys { after, limit },
            ClientMessage::Ping { nonce } => Command::Answer(ServerMessage::Pong { nonce }),
            ClientMessage::Will { key, value } => {
                self.set_will(key, value)?;
                return Ok(Received::Done);
            }
        };
        Ok(Received::Command(command))
    }

    fn accept_push(&mut self, push: Push, now_ms: u64) -> Result<Received, Refusal> {
        if self.options.access == Access::ReadOnly {
            return Err(read_only().about(push.id, Some(&push.key)));
        }
        if let Err(retry_ms) = self.rate.take(1, now_ms) {
            // Closing rather than refusing: nothing later may overtake this push.
            let refusal = Refusal::new(Code::RateLimited, "too many pushes a second").retry_after(retry_ms);
            return Ok(Received::End(refusal.about(push.id, Some(&push.key))));
        }
        if push.id.is_some() && self.options.client.is_none() {
            return Err(
                Refusal::bad_message("an id needs the parameter client").about(push.id, Some(&push.key))
            );
        }
        Ok(Received::Command(Command::Push { push, client: self.options.client.clone(), survey: None }))
    }

    fn check_key(&self, key: &StreamKey) -> Result<(), Refusal> {
        let most = self.limits.key_bytes_max;
        let fits = key.as_str().len() as u64 <= most;
        if fits { Ok(()) } else { Err(Refusal::bad_message(format!("the key is longer than {most} bytes"))) }
    }

    fn check_subscription(&self, key: &StreamKey) -> Result<(), Refusal> {
        let most = self.limits.subscribed_bytes_max;
        let fits = self.subscribed_bytes.saturating_add(subscription_bytes(key)) <= most;
        if self.options.deliver == Deliver::All || fits || self.subscribed.contains(key) {
            return Ok(());
        }
        let message = format!("the keys that a connection hears may have {most} bytes");
        Err(Refusal::new(Code::TooManyKeys, message).about(None, Some(key)))
    }

    fn set_will(&mut self, key: StreamKey, value: Option<Value>) -> Result<(), Refusal> {
        if self.options.access == Access::ReadOnly {
            return Err(read_only().about(None, Some(&key)));
        }
        self.check_key(&key)?;
        let Some(value) = value else {
            self.wills.remove(&key);
            return Ok(());
        };
        if !self.wills.contains_key(&key) && self.wills.len() as u64 >= self.limits.wills_max {
            let message = format!("a connection may have {} wills", self.limits.wills_max);
            return Err(Refusal::new(Code::TooManyKeys, message).about(None, Some(&key)));
        }
        self.wills.insert(key, value);
        Ok(())
    }

    /// From here on the connection hears a stream. Called in the place of its get's answer, so that no push of
    /// the stream comes before that answer and none after it is missed.
    pub fn subscribe(&mut self, key: &StreamKey) {
        if self.options.deliver == Deliver::Keys && !self.subscribed.contains(key) {
            self.subscribed_bytes += subscription_bytes(key);
            self.subscribed.insert(key.clone());
        }
    }

    /// Whether the connection hears this broadcast as a push. One that watches streams hears of what is stored
    /// by fresh `init`s instead, unless it asked for the stream as well.
    pub fn hears(&self, entry: &Entry, stored: bool) -> bool {
        let watches = self.options.debug && self.options.dialect == Dialect::DriftDb;
        match self.options.deliver {
            Deliver::All => true,
            Deliver::Keys => self.subscribed.contains(&entry.key) || (watches && !stored),
        }
    }

    /// Whether stored changes reach the connection as fresh `init`s (DriftDB's debug).
    pub fn watches_streams(&self) -> bool {
        self.options.debug && self.options.dialect == Dialect::DriftDb
    }

    /// Whether the connection hears of compacts (native debug).
    pub fn hears_trims(&self) -> bool {
        self.options.debug && self.options.dialect == Dialect::Native
    }

    /// The connection has ended, for whatever reason: what to push for it.
    pub fn end(&mut self) -> Vec<Command> {
        let wills = std::mem::take(&mut self.wills);
        let relay = |(key, value)| Push { key, value: Some(value), action: Action::Relay, id: None };
        wills.into_iter().map(relay).map(|push| Command::Push { push, client: None, survey: None }).collect()
    }
}

fn subscription_bytes(key: &StreamKey) -> u64 {
    SUBSCRIPTION_BYTES.saturating_add(key.as_str().len() as u64)
}

fn answer(refusal: Refusal) -> Received {
    Received::Command(Command::Answer(ServerMessage::Error(refusal)))
}

fn read_only() -> Refusal {
    Refusal::new(Code::ReadOnly, "this id may read and not write")
}

/// Where a connection goes on from once it has joined: the entries that it still has to be sent.
pub fn catch_up(after: RoomSeq) -> Command {
    Command::GetRoom { cursor: Cursor { epoch: None, seq: after }, limit: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(offered: &str, query: &[(&str, &str)]) -> Result<Options, Refusal> {
        Options::parse(offered, query.iter().copied(), Access::Write)
    }

    fn session(offered: &str) -> Session {
        Session::new(parse(offered, &[]).unwrap(), Limits::default(), 0)
    }

    #[test]
    fn the_subprotocol_chooses_the_dialect_and_parameters_the_rest() {
        let old = parse("", &[("cbor", "true"), ("utm", "x")]).unwrap();
        assert_eq!(
            (old.dialect, old.encoding, old.deliver, old.subprotocol()),
            (Dialect::DriftDb, Encoding::Cbor, Deliver::Keys, None)
        );
        let new = parse("chat, seabag.v1.cbor", &[("since", "e.5"), ("client", "0123456789abcdef")]).unwrap();
        assert_eq!(
            (new.dialect, new.deliver, new.subprotocol()),
            (Dialect::Native, Deliver::All, Some("seabag.v1.cbor"))
        );
        assert_eq!(parse("", &[("deliver", "all")]).unwrap().deliver, Deliver::All);
    }

    #[test]
    fn a_reader_has_no_outbox_to_take_over() {
        let query = [("client", "0123456789abcdef")];
        let parse = |access| Options::parse("seabag.v1", query, access).unwrap();
        assert!(parse(Access::Write).client.is_some());
        assert!(parse(Access::ReadOnly).client.is_none());
    }

    #[test]
    fn parameters_that_mean_nothing_are_refused() {
        for (offered, query) in [
            ("", ("cbor", "1")),
            ("", ("cbor", "")),
            ("", ("debug", "yes")),
            ("", ("deliver", "some")),
            ("", ("since", "0")),
            ("", ("client", "0123456789abcdef")),
            ("seabag.v1", ("cbor", "true")),
            ("seabag.v1", ("since", "5")),
            ("seabag.v1", ("client", "short")),
        ] {
            assert_eq!(parse(offered, &[query]).unwrap_err().code, Code::BadParameter, "{offered} {query:?}");
        }
        assert!(parse("seabag.v1", &[("since", "0"), ("deliver", "keys")]).is_err());
    }

    #[test]
    fn native_messages_end_a_driftdb_connection_and_bad_ones_leave_a_native_one_open() {
        let native_only = [
            "{\"type\":\"keys\"}",
            "{\"type\":\"get\",\"seq\":0}",
            "nonsense",
            "{\"type\":\"push\",\"key\":\"\",\"value\":null,\"action\":{\"type\":\"append\"}}",
        ];
        for text in native_only {
            let Received::End(refusal) = session("").receive_text(text, 0) else {
                panic!("{text} must end it")
            };
            assert_eq!(refusal.code, Code::BadMessage);
        }
        for text in [
            "nonsense",
            "[\"ping\",5]",
            "{\"type\":\"ping\",\"nonce\":9007199254740992}",
            "{\"type\":\"ping\",\"nonce\":1.0}",
        ] {
            let received = session("seabag.v1").receive_text(text, 0);
            assert!(
                matches!(received, Received::Command(Command::Answer(ServerMessage::Error(_)))),
                "{text}: {received:?}"
            );
        }
    }

    #[test]
    fn wills_are_bounded_replaceable_and_come_due_at_the_end() {
        let mut session = session("seabag.v1");
        for number in 0..9 {
            session.receive_text(&format!("{{\"type\":\"will\",\"key\":\"{number}\",\"value\":1}}"), 0);
        }
        session.receive_text("{\"type\":\"will\",\"key\":\"0\",\"value\":null}", 0);
        assert_eq!((session.end().len(), session.end().len()), (7, 0));
    }

    #[test]
    fn a_connection_hears_no_more_keys_than_it_may_and_those_it_has_go_on() {
        let limits = Limits { subscribed_bytes_max: 2 * 65, ..Limits::default() };
        let mut session = Session::new(parse("", &[]).unwrap(), limits, 0);
        for (key, goes) in [("a", true), ("b", true), ("c", false), ("a", true)] {
            let received = session.receive_text(&format!("{{\"type\":\"get\",\"key\":\"{key}\"}}"), 0);
            let went = matches!(received, Received::Command(Command::GetStream { .. }));
            assert_eq!(went, goes, "{key}: {received:?}");
            if went {
                session.subscribe(&StreamKey::from(key));
            }
        }
    }

    #[test]
    fn a_flood_of_pushes_ends_the_connection_with_a_time_to_come_back() {
        let limits = Limits { pushes_per_second_max: 1, ..Limits::default() };
        let mut session = Session::new(parse("", &[]).unwrap(), limits, 0);
        let push = "{\"type\":\"push\",\"key\":\"k\",\"value\":1,\"action\":{\"type\":\"relay\"}}";
        assert!(matches!(session.receive_text(push, 0), Received::Command(_)));
        assert!(matches!(session.receive_text(push, 0), Received::Command(_)));
        let Received::End(refusal) = session.receive_text(push, 0) else { panic!("must end") };
        assert_eq!((refusal.code, refusal.retry_ms), (Code::RateLimited, Some(1_000)));
    }
}
