//! `seabag room get`: one stream's entries, as of one moment.

use clap::Args;
use reqwest::Method;
use seabag_protocol::room::client_message::ClientMessage;
use seabag_protocol::room::name::{RoomSeq, StreamKey};
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::value::Encoding;
use serde_json::value::RawValue;

use super::choice::RoomChoice;
use crate::client::http::Http;
use crate::client::link::Link;
use crate::exit::Exit;
use crate::output::{EntryLine, Lines};

/// Read a stream.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room get [OPTIONS] [ROOM] <KEY>",
    after_help = "\
One JSON object a line: {\"key\",\"value\",\"seq\"}. A key that holds nothing prints nothing.

Examples:
  seabag room get build log
  seabag room get build log --after 120
  seabag room get build log | jq -r .value"
)]
pub(crate) struct Get {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    /// The stream's key.
    #[arg(value_name = "KEY")]
    second: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// Only entries above this number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

/// Prints the stream.
pub(crate) async fn run(command: Get) -> anyhow::Result<Exit> {
    let (chosen, mut words) = command.room.resolve([command.first, command.second], &["KEY"], &[])?;
    let key = StreamKey::from(words.required("KEY")?);
    let question = ClientMessage::GetStream { key, after: Some(RoomSeq(command.after)) };
    let ServerMessage::Init { key, data } = ask(&Http::new()?, &chosen.link, &question).await? else {
        return Err(unexpected());
    };
    let mut lines = Lines::stdout();
    for (seq, value) in data {
        let mut json = Vec::with_capacity(value.len());
        value.write_json(&mut json);
        let value: &RawValue = serde_json::from_slice(&json)?;
        lines.write(&EntryLine { key: key.as_str(), value, seq: seq.0 })?;
    }
    lines.flush()?;
    Ok(Exit::Done)
}

/// Asks the room something that changes nothing, so it may be asked again.
pub(crate) async fn ask(http: &Http, link: &Link, question: &ClientMessage) -> anyhow::Result<ServerMessage> {
    let body = question.encode(Encoding::Json);
    let make = || {
        http.request(Method::POST, &link.http("/send"))
            .header("Content-Type", "application/json")
            .body(body.clone())
    };
    let text = http.text_retried(make).await?;
    ServerMessage::from_json(&text).map_err(|_| unexpected())
}

/// The server said something, but not an answer to the question.
pub(crate) fn unexpected() -> anyhow::Error {
    anyhow::anyhow!("the server's answer cannot be read; is it of another version?")
}
