//! `seabag room push`: one value to a stream, exactly once even when the connection breaks; or with `--lines`
//! every line of standard input (`lines.rs`).

use clap::{Args, ValueEnum};
use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{ClientMessage, Push as PushMessage};
use seabag_protocol::room::name::{PushId, RoomSeq, StreamKey};
use seabag_protocol::room::server_message::{Ack, ServerMessage};
use seabag_protocol::room::value::Encoding;
use serde::Serialize;

use super::choice::RoomChoice;
use super::{lines, value};
use crate::client::http::Http;
use crate::client::link::Link;
use crate::exit::{Exit, usage};
use crate::output;

/// Write to a stream.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room push [OPTIONS] [ROOM] <KEY> [VALUE]",
    after_help = "\
VALUE is JSON; without it, it is read from standard input. --text takes it as it is and makes a JSON string of it.

Prints {\"key\",\"seq\",\"size\"} when the value is durable: its number in the room, and how many entries its \
stream holds. When the connection breaks on the way the push is repeated under the same id, so that it is stored once.

With --lines each line of standard input is one push, as soon as it comes. The command ends when all are durable.

Examples:
  seabag room push build status '{\"passed\":12}' --action replace
  seabag room push build note --text 'what a day'
  make 2>&1 | seabag room push build log --lines
  git log --oneline | SEABAG_ROOM=build seabag room push commits --lines --tee
  tail -f events.ndjson | seabag room push build events --json-lines"
)]
pub(crate) struct Push {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM", allow_negative_numbers = true)]
    first: Option<String>,
    /// The stream's key.
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    second: Option<String>,
    /// The value, in JSON. Without it: from standard input.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    third: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// What the push does to its stream.
    #[arg(long, value_enum, default_value_t = ActionName::Append)]
    action: ActionName,
    /// For --action compact: the value takes the place of everything up to this number.
    #[arg(long, value_name = "SEQ")]
    seq: Option<u64>,
    /// The value is text, not JSON.
    #[arg(long)]
    text: bool,
    /// Push each line of standard input as text.
    #[arg(long, conflicts_with = "text")]
    lines: bool,
    /// Push each line of standard input as JSON.
    #[arg(long, conflicts_with_all = ["text", "lines"])]
    json_lines: bool,
    /// With --lines: pass the lines on to standard output too.
    #[arg(long)]
    tee: bool,
    /// With --lines: how long to go on trying when the server is away, after it was there once.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = crate::settings::units::parse_milliseconds)]
    patience: u64,
}

/// What the push does to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActionName {
    /// Broadcast it and add it to the stream.
    Append,
    /// Broadcast it, and let it be the whole stream.
    Replace,
    /// Broadcast it and keep nothing.
    Relay,
    /// Put it in the place of everything up to --seq.
    Compact,
    /// Append it as the last message of the room, which takes no more pushes afterwards.
    Close,
}

impl ActionName {
    fn with(self, seq: Option<u64>) -> anyhow::Result<Action> {
        match (self, seq) {
            (Self::Compact, Some(seq)) => Ok(Action::Compact { seq: RoomSeq(seq) }),
            (Self::Compact, None) => Err(usage("--action compact needs --seq")),
            (_, Some(_)) => Err(usage("--seq belongs to --action compact")),
            (Self::Append, None) => Ok(Action::Append),
            (Self::Replace, None) => Ok(Action::Replace),
            (Self::Relay, None) => Ok(Action::Relay),
            (Self::Close, None) => Ok(Action::Close),
        }
    }
}

/// Pushes.
pub(crate) async fn run(command: Push) -> anyhow::Result<Exit> {
    let action = command.action.with(command.seq)?;
    let (chosen, mut words) =
        command.room.resolve([command.first, command.second, command.third], &["KEY"], &["VALUE"])?;
    let key = StreamKey::from(words.required("KEY")?);
    let argument = words.optional();
    if command.lines || command.json_lines {
        if argument.is_some() {
            return Err(usage("--lines reads from standard input: there is no VALUE"));
        }
        if !matches!(action, Action::Append | Action::Relay | Action::Replace) {
            return Err(usage("--lines goes with --action append, relay or replace"));
        }
        let options = lines::Options {
            key,
            action,
            json: command.json_lines,
            tee: command.tee,
            patience: std::time::Duration::from_millis(command.patience),
        };
        return lines::run(&chosen.link, options).await;
    }
    let value = value::read(argument, command.text)?;
    let ack = push_once(&chosen.link, key.clone(), Some(value), action).await?;
    print_ack(&key, &ack)?;
    Ok(Exit::Done)
}

/// Pushes one message by HTTP and returns when it is durable.
pub(crate) async fn push_once(
    link: &Link,
    key: StreamKey,
    value: Option<seabag_protocol::room::value::Value>,
    action: Action,
) -> anyhow::Result<Ack> {
    let http = Http::new()?;
    let message = ClientMessage::Push(PushMessage { key, value, action, id: Some(PushId(1)) });
    let body = message.encode(Encoding::Json);
    let client = random_client();
    let make = || {
        http.request(Method::POST, &link.http("/send"))
            .header("Seabag-Client", &client)
            .header("Content-Type", "application/json")
            .body(body.clone())
    };
    // A relay is not remembered by its id, so repeating one could send it twice.
    let text =
        if action == Action::Relay { http.text(make()).await? } else { http.text_retried(make).await? };
    match ServerMessage::from_json(&text) {
        Ok(ServerMessage::Ack(ack)) => Ok(ack),
        Ok(ServerMessage::Error(refusal)) => Err(anyhow::Error::new(refusal)),
        _ => {
            Err(anyhow::anyhow!("the server's answer is no acknowledgement; is it older than this program?"))
        }
    }
}

/// A fresh name for an outbox: 128 random bits.
pub(crate) fn random_client() -> String {
    let mut bits = [0u8; 16];
    // Without randomness from the system a clash is still refused by the server, as another connection's client.
    let _ = getrandom::fill(&mut bits);
    BASE64URL_NOPAD.encode(&bits)
}

#[derive(Serialize)]
struct AckLine<'a> {
    key: &'a str,
    seq: Option<u64>,
    size: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

/// Prints what became of a push.
pub(crate) fn print_ack(key: &StreamKey, ack: &Ack) -> anyhow::Result<()> {
    if ack.stale {
        output::note("Nothing changed: the stream was compacted or replaced beyond that number already.");
    }
    output::print(&AckLine {
        key: key.as_str(),
        seq: ack.seq.map(|seq| seq.0),
        size: ack.size,
        stale: ack.stale,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seabag_protocol::room::name::ClientId;

    #[test]
    fn compact_and_only_compact_needs_a_number() {
        assert!(ActionName::Compact.with(None).is_err());
        assert!(ActionName::Append.with(Some(1)).is_err());
        assert_eq!(ActionName::Compact.with(Some(3)).unwrap(), Action::Compact { seq: RoomSeq(3) });
    }

    #[test]
    fn a_random_client_is_a_client_id() {
        assert!(ClientId::parse(&random_client()).is_ok());
        assert_ne!(random_client(), random_client());
    }
}
