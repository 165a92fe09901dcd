//! `seabag room tail`: follows a room, through lost connections and restarts of the server, without a gap and
//! without a repeat.

use clap::Args;
use seabag_protocol::room::name::{Cursor, RoomSeq};
use seabag_protocol::room::record::Entry;
use seabag_protocol::room::server_message::{Hello, ServerMessage};
use serde_json::value::RawValue;

use super::choice::RoomChoice;
use crate::client::backoff::Backoff;
use crate::client::link::Link;
use crate::client::socket::{Ending, Socket};
use crate::exit::{Exit, usage};
use crate::output::{self, EntryLine, Lines};

/// Follow a room as it changes.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room tail [OPTIONS] [ROOM]",
    after_help = "\
One JSON object a line: {\"key\",\"value\",\"seq\"}. Without --all or --since it begins with what comes next.

When the connection is lost the command connects again and goes on exactly where it was. When the server was wiped or \
restored from a backup, it says so on standard error and begins again from the start of what is there. Ctrl-C ends it \
and shows the cursor with which --since goes on.

Examples:
  seabag room tail build
  seabag room tail build --all --key log | jq -r .value
  seabag room tail build --since 6fK2x.1042"
)]
pub(crate) struct Tail {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// Only the stream of this key. Can be given several times.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Begin behind this cursor, as {epoch}.{seq}.
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    since: Option<String>,
    /// Begin with everything that the room holds.
    #[arg(long)]
    all: bool,
    /// End when everything that the room holds has been printed.
    #[arg(long)]
    once: bool,
}

/// Where the reader stands.
#[derive(Clone, Debug, PartialEq)]
struct Position {
    /// Everything up to here has been printed; `None` before the first hello without `--since`.
    cursor: Option<Cursor>,
    /// The epoch of the last hello. It only becomes the cursor's once the server has gone on without a reset:
    /// before that the old cursor is the one that would bring a reset again.
    pending: Option<seabag_protocol::room::name::Epoch>,
}

impl Position {
    fn hello(&mut self, hello: &Hello) {
        match &self.cursor {
            None => self.cursor = Some(Cursor { epoch: Some(hello.epoch.clone()), seq: hello.seq }),
            Some(_) => self.pending = Some(hello.epoch.clone()),
        }
    }

    fn reset(&mut self, epoch: seabag_protocol::room::name::Epoch) {
        self.pending = None;
        self.cursor = Some(Cursor { epoch: Some(epoch), seq: RoomSeq::ZERO });
    }

    fn reached(&mut self, seq: RoomSeq) {
        let cursor = self.cursor.get_or_insert(Cursor::START);
        if let Some(epoch) = self.pending.take() {
            cursor.epoch = Some(epoch);
        }
        cursor.seq = cursor.seq.max(seq);
    }
}

/// Follows the room.
pub(crate) async fn run(command: Tail) -> anyhow::Result<Exit> {
    let (chosen, _) = command.room.resolve([command.first], &[], &[])?;
    let cursor = match (&command.since, command.all || command.once) {
        (Some(text), _) => Some(Cursor::parse(text).map_err(|refusal| usage(refusal.message))?),
        (None, true) => Some(Cursor::START),
        (None, false) => None,
    };
    let mut tail = Follower {
        keys: command.key,
        once: command.once,
        position: Position { cursor, pending: None },
        lines: Lines::stdout(),
        backoff: Backoff::default(),
        connected: false,
    };
    let outcome = tokio::select! {
        outcome = tail.follow(&chosen.link) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    };
    tail.lines.flush()?;
    if let (false, Some(cursor)) = (command.once, &tail.position.cursor) {
        output::note(&format!("To go on from here: --since {cursor}"));
    }
    outcome
}

struct Follower {
    keys: Vec<String>,
    once: bool,
    position: Position,
    lines: Lines,
    backoff: Backoff,
    connected: bool,
}

impl Follower {
    async fn follow(&mut self, link: &Link) -> anyhow::Result<Exit> {
        loop {
            let ending = match self.connection(link).await? {
                None => return Ok(Exit::Done),
                Some(ending) => ending,
            };
            self.lines.flush()?;
            // An address that never answered is more likely wrong than resting.
            if !ending.again || !self.connected {
                return Err(ending.into_error());
            }
            let wait = self.backoff.next().max(ending.wait);
            output::warning(&format!("{}; connecting again in {:.1} s", ending.reason, wait.as_secs_f32()));
            tokio::time::sleep(wait).await;
        }
    }

    /// One connection, until it ends; `None`: all has been printed that was asked for.
    async fn connection(&mut self, link: &Link) -> anyhow::Result<Option<Ending>> {
        let query = self.position.cursor.as_ref().map(|cursor| format!("since={cursor}")).unwrap_or_default();
        let (mut socket, hello) = match Socket::open(link, &query).await {
            Ok(opened) => opened,
            Err(ending) => return Ok(Some(ending)),
        };
        if self.connected {
            output::note("Connected again.");
        }
        self.connected = true;
        self.position.hello(&hello);
        loop {
            let message = match tokio::time::timeout(std::time::Duration::ZERO, socket.next()).await {
                Ok(message) => message,
                Err(_) => {
                    // Nothing waits: let readers see what was written before waiting for more.
                    self.lines.flush()?;
                    socket.next().await
                }
            };
            match message {
                Err(ending) => return Ok(Some(ending)),
                Ok(message) => {
                    self.backoff.reset();
                    if self.take(message)? && self.once {
                        socket.close().await;
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether catching up is complete.
    fn take(&mut self, message: ServerMessage) -> anyhow::Result<bool> {
        match message {
            ServerMessage::Entries { data, .. } => {
                for entry in data {
                    self.print(&entry)?;
                }
            }
            ServerMessage::Push(entry) => self.print(&entry)?,
            ServerMessage::Live { seq } => {
                self.position.reached(seq);
                return Ok(true);
            }
            ServerMessage::Reset { reason, epoch, .. } => {
                self.lines.flush()?;
                output::warning(&format!(
                    "the room has another history now ({}): what follows is all that it holds",
                    reason.as_str()
                ));
                self.position.reset(epoch);
            }
            _ => {}
        }
        Ok(false)
    }

    fn print(&mut self, entry: &Entry) -> anyhow::Result<()> {
        if self.keys.is_empty() || self.keys.iter().any(|key| key == entry.key.as_str()) {
            let mut json = Vec::with_capacity(entry.value.len());
            entry.value.write_json(&mut json);
            let value: &RawValue = serde_json::from_slice(&json)?;
            self.lines.write(&EntryLine { key: entry.key.as_str(), value, seq: entry.seq.0 })?;
        }
        self.position.reached(entry.seq);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_protocol::room::name::Epoch;
    use seabag_protocol::room::server_message::HelloLimits;

    fn epoch(name: &str) -> Epoch {
        Epoch::parse(name).unwrap()
    }

    fn hello(name: &str, seq: u64) -> Hello {
        Hello {
            epoch: epoch(name),
            seq: RoomSeq(seq),
            last_id: None,
            read_only: false,
            closed: false,
            limits: HelloLimits { message_bytes: 1, key_bytes: 1, pushes_per_second: 0 },
        }
    }

    fn at(position: &Position) -> String {
        position.cursor.as_ref().unwrap().to_string()
    }

    #[test]
    fn a_tail_without_a_cursor_stands_at_the_head_of_its_first_hello() {
        let mut position = Position { cursor: None, pending: None };
        position.hello(&hello("a", 7));
        assert_eq!(at(&position), "a.7");
        position.reached(RoomSeq(8));
        assert_eq!(at(&position), "a.8");
    }

    #[test]
    fn a_new_epoch_counts_only_once_no_reset_came() {
        let mut position = Position { cursor: Some(Cursor::parse("a.7").unwrap()), pending: None };
        position.hello(&hello("b", 9));
        assert_eq!(at(&position), "a.7", "the connection may end before its reset arrives");
        position.reached(RoomSeq(8));
        assert_eq!(at(&position), "b.8");
        position.hello(&hello("c", 3));
        position.reset(epoch("c"));
        assert_eq!(at(&position), "c.0");
    }
}
