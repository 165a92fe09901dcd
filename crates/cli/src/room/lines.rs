//! `seabag room push --lines`: every line of standard input becomes one push, many on the way at once, each
//! stored exactly once. The outbox lives in this process's memory, so its client id is fresh at every start.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Write};
use std::time::Duration;

use seabag_protocol::error::Refusal;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{ClientMessage, Push};
use seabag_protocol::room::name::{PushId, StreamKey};
use seabag_protocol::room::server_message::{Hello, ServerMessage};
use seabag_protocol::room::value::{Encoding, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::push::random_client;
use super::value::text_value;
use crate::client::backoff::Backoff;
use crate::client::link::Link;
use crate::client::socket::{Ending, Socket};
use crate::exit::{Exit, coded};
use crate::output;

/// Most pushes without an acknowledgement: a quarter of what the server lets wait on one connection.
const OUTSTANDING_MAX: usize = 256;
/// Most bytes of them.
const OUTSTANDING_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most lines that were read and not yet sent.
const READ_AHEAD: usize = 256;
/// Longest line that is read at all. The server's bound, which is lower, is judged when it is known.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What to do with the lines.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) key: StreamKey,
    pub(crate) action: Action,
    pub(crate) json: bool,
    pub(crate) tee: bool,
    pub(crate) patience: Duration,
}

/// A line as it was read.
enum Input {
    Line { number: u64, bytes: Vec<u8> },
    Failed(String),
}

/// A push that was not acknowledged yet.
struct Unacked {
    id: u64,
    text: String,
    sent: bool,
}

/// The state of the transfer, across connections.
struct Outbox {
    options: Options,
    client: String,
    unacked: VecDeque<Unacked>,
    unacked_bytes: usize,
    next_id: u64,
    acked: u64,
    /// Relays that a lost connection took along: perhaps heard, perhaps not.
    unsure: u64,
    skipped: u64,
    lossy: u64,
    input_ended: bool,
    /// Why the input was not read to its end. What came before is still stored.
    broken: Option<anyhow::Error>,
}

/// Why the transfer stopped.
enum Stop {
    /// The connection ended.
    Ended(Ending),
    /// For good.
    Failed(anyhow::Error),
}

impl From<Ending> for Stop {
    fn from(ending: Ending) -> Self {
        Self::Ended(ending)
    }
}

/// Pushes every line of standard input.
pub(crate) async fn run(link: &Link, options: Options) -> anyhow::Result<Exit> {
    let patience = options.patience;
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let tee = options.tee;
    std::thread::spawn(move || read_lines(&sender, tee));
    let mut outbox = Outbox::new(options);
    let mut backoff = Backoff::default();
    let mut last_good: Option<Instant> = None;
    loop {
        let ending = match outbox.connection(link, &mut receiver, &mut last_good, &mut backoff).await {
            Ok(()) => return outbox.finish(),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Ended(ending)) => ending,
        };
        let wait = backoff.next().max(ending.wait);
        let patient = last_good.is_some_and(|good| good.elapsed() + wait < patience);
        if !ending.again || !patient {
            return Err(outbox.abandoned(&ending));
        }
        output::warning(&format!("{}; trying again in {:.1} s", ending.reason, wait.as_secs_f32()));
        tokio::time::sleep(wait).await;
    }
}

impl Outbox {
    fn new(options: Options) -> Self {
        Self {
            options,
            client: random_client(),
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            next_id: 1,
            acked: 0,
            unsure: 0,
            skipped: 0,
            lossy: 0,
            input_ended: false,
            broken: None,
        }
    }

    /// One connection: from hello until everything is acknowledged, or until it ends.
    async fn connection(
        &mut self,
        link: &Link,
        input: &mut mpsc::Receiver<Input>,
        last_good: &mut Option<Instant>,
        backoff: &mut Backoff,
    ) -> Result<(), Stop> {
        // deliver=keys and no get: this connection hears nothing but its acknowledgements.
        let query = format!("deliver=keys&client={}", self.client);
        let (mut socket, hello) = Socket::open(link, &query).await?;
        *last_good = Some(Instant::now());
        self.resume(&hello).map_err(Stop::Failed)?;
        for waiting in &mut self.unacked {
            socket.feed(waiting.text.clone()).await?;
            waiting.sent = true;
        }
        socket.flush().await?;
        while !(self.input_ended && self.unacked.is_empty()) {
            let room = self.unacked.len() < OUTSTANDING_MAX && self.unacked_bytes < OUTSTANDING_BYTES_MAX;
            tokio::select! {
                biased;
                message = socket.next() => {
                    self.receive(message?).map_err(Stop::Failed)?;
                    *last_good = Some(Instant::now());
                    backoff.reset();
                    if let Some(refusal) = socket.complaint() {
                        output::warning(&format!("the server says: {refusal}"));
                    }
                }
                line = input.recv(), if room && !self.input_ended => {
                    self.send(&mut socket, line, &hello).await?;
                    // Whatever else was read goes out with the same flush.
                    while !self.input_ended
                        && self.unacked.len() < OUTSTANDING_MAX
                        && self.unacked_bytes < OUTSTANDING_BYTES_MAX
                    {
                        let Ok(line) = input.try_recv() else { break };
                        self.send(&mut socket, Some(line), &hello).await?;
                    }
                    socket.flush().await?;
                }
            }
        }
        socket.close().await;
        Ok(())
    }

    /// Drops what the server has, and finds out whether the rest may be sent again (docs/rooms.md, "Exactly-once").
    fn resume(&mut self, hello: &Hello) -> anyhow::Result<()> {
        if hello.read_only {
            return Err(anyhow::anyhow!("this id of the room is read-only"));
        }
        let sent = self.unacked.iter().filter(|waiting| waiting.sent).count();
        match hello.last_id {
            Some(last) => {
                while self.unacked.front().is_some_and(|waiting| waiting.id <= last.0) {
                    self.forget_first();
                }
            }
            // A replace may be repeated: the last one counts. A relay is never sent again.
            None if sent > 0 && self.options.action == Action::Append => {
                return Err(coded(
                    Exit::Uncertain,
                    format!(
                        "the server does not remember this command: of the lines sent, {} are stored for sure and \
                         the next {sent} may or may not be",
                        self.acked
                    ),
                ));
            }
            None => {}
        }
        if self.options.action == Action::Relay {
            while self.unacked.front().is_some_and(|waiting| waiting.sent) {
                self.forget_first();
                self.acked -= 1;
                self.unsure += 1;
            }
        }
        Ok(())
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.unacked.pop_front() {
            self.unacked_bytes = self.unacked_bytes.saturating_sub(first.text.len());
            self.acked += 1;
        }
    }

    fn receive(&mut self, message: ServerMessage) -> anyhow::Result<()> {
        match message {
            ServerMessage::Ack(ack) => {
                let Some(id) = ack.id else { return Ok(()) };
                while self.unacked.front().is_some_and(|waiting| waiting.id <= id.0) {
                    self.forget_first();
                }
                Ok(())
            }
            ServerMessage::Error(refusal) => Err(self.refused(refusal)),
            _ => Ok(()),
        }
    }

    fn refused(&self, refusal: Refusal) -> anyhow::Error {
        let id = refusal.id.map_or(0, |id| id.0);
        anyhow::anyhow!("push {id} was refused ({refusal}); {} before it are stored", self.acked)
    }

    async fn send(&mut self, socket: &mut Socket, input: Option<Input>, hello: &Hello) -> Result<(), Stop> {
        let (number, bytes) = match input {
            None => {
                self.input_ended = true;
                return Ok(());
            }
            Some(Input::Failed(reason)) => {
                self.stop_reading(anyhow::anyhow!("cannot read standard input: {reason}"));
                return Ok(());
            }
            Some(Input::Line { number, bytes }) => (number, bytes),
        };
        let value = match self.value(number, &bytes) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.stop_reading(error);
                return Ok(());
            }
        };
        let push = Push {
            key: self.options.key.clone(),
            value: Some(value),
            action: self.options.action,
            id: Some(PushId(self.next_id)),
        };
        let text = ClientMessage::Push(push).encode(Encoding::Json);
        if text.len() as u64 > hello.limits.message_bytes {
            let most = hello.limits.message_bytes;
            output::warning(&format!(
                "line {number} is left out: the server takes messages up to {most} bytes"
            ));
            self.skipped += 1;
            return Ok(());
        }
        // The encoder writes JSON from text.
        let text = String::from_utf8_lossy(&text).into_owned();
        self.unacked_bytes += text.len();
        self.unacked.push_back(Unacked { id: self.next_id, text: text.clone(), sent: true });
        self.next_id += 1;
        socket.feed(text).await?;
        Ok(())
    }

    /// Reads no further. What was read before is sent and waited for as usual.
    fn stop_reading(&mut self, error: anyhow::Error) {
        self.input_ended = true;
        self.broken = Some(error);
    }

    /// The line as a value; `None` when it is left out.
    fn value(&mut self, number: u64, bytes: &[u8]) -> anyhow::Result<Option<Value>> {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            if self.lossy == 0 {
                output::warning(&format!("line {number} is not UTF-8: what cannot be read became \u{fffd}"));
            }
            self.lossy += 1;
        }
        if !self.options.json {
            return text_value(&text).map(Some);
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        Value::from_json(&text).map(Some).map_err(|refusal| {
            anyhow::anyhow!("line {number} is not JSON ({}); --lines sends lines as text", refusal.message)
        })
    }

    fn finish(&self) -> anyhow::Result<Exit> {
        if let Some(error) = &self.broken {
            return Err(anyhow::anyhow!("{error:#}; the {} lines before it are stored", self.acked));
        }
        if self.lossy > 1 {
            output::warning(&format!("{} lines were not UTF-8", self.lossy));
        }
        if self.unsure > 0 {
            let text = format!("{} relays were on the way when a connection was lost", self.unsure);
            return Err(coded(Exit::Uncertain, text));
        }
        if self.skipped > 0 {
            return Err(anyhow::anyhow!("{} lines are stored, {} were too long", self.acked, self.skipped));
        }
        if !self.options.tee {
            output::note(&format!("{} lines are stored.", self.acked));
        }
        Ok(Exit::Done)
    }

    fn abandoned(&self, ending: &Ending) -> anyhow::Error {
        let sent = self.unacked.iter().filter(|waiting| waiting.sent).count();
        if sent == 0 {
            return anyhow::anyhow!("{}; {} lines are stored", ending.reason, self.acked);
        }
        let text = format!(
            "{}; {} lines are stored for sure, the next {sent} may or may not be",
            ending.reason, self.acked
        );
        coded(Exit::Uncertain, text)
    }
}

/// Reads lines on a thread of its own, since standard input cannot be waited for. Ends with the input, or when
/// nobody takes the lines any more.
fn read_lines(sender: &mpsc::Sender<Input>, tee: bool) {
    let mut input = std::io::stdin().lock();
    let mut number = 0;
    let mut passed_on = tee;
    loop {
        let mut bytes = Vec::new();
        let failure = match (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(read) if read as u64 == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') => {
                Some(format!("a line is longer than {LINE_BYTES_MAX} bytes"))
            }
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = failure {
            let _ = sender.blocking_send(Input::Failed(reason));
            return;
        }
        if passed_on {
            let mut out = std::io::stdout().lock();
            // A closed output ends the copy, not the transfer.
            passed_on = out.write_all(&bytes).and_then(|()| out.flush()).is_ok();
        }
        number += 1;
        trim_line_end(&mut bytes);
        if sender.blocking_send(Input::Line { number, bytes }).is_err() {
            return;
        }
    }
}

fn trim_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_protocol::room::name::{Epoch, RoomSeq};
    use seabag_protocol::room::server_message::{Ack, HelloLimits};

    fn outbox(action: Action, sent: u64) -> Outbox {
        let options = Options {
            key: StreamKey::from("log"),
            action,
            json: false,
            tee: false,
            patience: Duration::from_secs(1),
        };
        let mut outbox = Outbox::new(options);
        for id in 1..=sent {
            outbox.unacked.push_back(Unacked { id, text: "x".into(), sent: true });
        }
        outbox.next_id = sent + 1;
        outbox
    }

    fn hello(last_id: Option<u64>) -> Hello {
        Hello {
            epoch: Epoch::parse("e").unwrap(),
            seq: RoomSeq(0),
            last_id: last_id.map(PushId),
            read_only: false,
            closed: false,
            limits: HelloLimits { message_bytes: 1_000, key_bytes: 100, pushes_per_second: 0 },
        }
    }

    fn waiting(outbox: &Outbox) -> Vec<u64> {
        outbox.unacked.iter().map(|waiting| waiting.id).collect()
    }

    #[test]
    fn a_reconnect_resends_what_the_server_does_not_have() {
        let mut outbox = outbox(Action::Append, 5);
        outbox.resume(&hello(Some(3))).unwrap();
        assert_eq!(waiting(&outbox), [4, 5]);
    }

    #[test]
    fn appends_to_a_server_that_forgot_are_uncertain_and_not_repeated() {
        let error = outbox(Action::Append, 2).resume(&hello(None)).unwrap_err();
        assert_eq!(crate::exit::judge(&error).0, Exit::Uncertain);
        let mut replaces = outbox(Action::Replace, 2);
        replaces.resume(&hello(None)).unwrap();
        assert_eq!(waiting(&replaces), [1, 2]);
        let mut relays = outbox(Action::Relay, 2);
        relays.resume(&hello(Some(1))).unwrap();
        assert_eq!(waiting(&relays), Vec::<u64>::new());
    }

    #[test]
    fn an_acknowledgement_settles_all_before_it() {
        let mut outbox = outbox(Action::Append, 3);
        let ack = Ack { id: Some(PushId(2)), seq: Some(RoomSeq(9)), size: 1, stale: false, repeat: false };
        outbox.receive(ServerMessage::Ack(ack)).unwrap();
        assert_eq!((waiting(&outbox), outbox.acked), (vec![3], 2));
        let mut refusal = Refusal::new(seabag_protocol::error::Code::Closed, "closed");
        refusal.id = Some(PushId(3));
        assert!(outbox.receive(ServerMessage::Error(refusal)).is_err());
    }

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        for (line, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a\r", "a\r"), ("\n", ""), (" a ", " a ")] {
            let mut bytes = line.as_bytes().to_vec();
            trim_line_end(&mut bytes);
            assert_eq!(bytes, expected.as_bytes());
        }
    }
}
