//! `seabag room keys`: the streams of a room, page by page.

use clap::Args;
use seabag_protocol::room::client_message::ClientMessage;
use seabag_protocol::room::name::StreamKey;
use seabag_protocol::room::server_message::{KeySummary, ServerMessage};
use serde::Serialize;

use super::choice::RoomChoice;
use super::get::{ask, unexpected};
use crate::client::http::Http;
use crate::client::link::Link;
use crate::exit::Exit;
use crate::output::Lines;

/// List a room's streams.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room keys [OPTIONS] [ROOM]",
    after_help = "\
One JSON object a line, in order of the keys: {\"key\",\"size\",\"bytes\",\"first\",\"last\"}: how many entries the stream \
holds, the bytes of their values, and their lowest and highest number.

Example:
  seabag room keys build | jq -r 'select(.size > 100) | .key'"
)]
pub(crate) struct Keys {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    size: u64,
    bytes: u64,
    first: u64,
    last: u64,
}

/// Prints the streams.
pub(crate) async fn run(command: Keys) -> anyhow::Result<Exit> {
    let (chosen, _) = command.room.resolve([command.first], &[], &[])?;
    let mut lines = Lines::stdout();
    each(&Http::new()?, &chosen.link, |summary| {
        lines.write(&Line {
            key: summary.key.as_str(),
            size: summary.size,
            bytes: summary.bytes,
            first: summary.first.0,
            last: summary.last.0,
        })
    })
    .await?;
    lines.flush()?;
    Ok(Exit::Done)
}

/// Calls `take` with every stream of the room.
pub(crate) async fn each(
    http: &Http,
    link: &Link,
    mut take: impl FnMut(&KeySummary) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after: Option<StreamKey> = None;
    loop {
        let question = ClientMessage::Keys { after: after.clone(), limit: None };
        let ServerMessage::Keys { data, next } = ask(http, link, &question).await? else {
            return Err(unexpected());
        };
        data.iter().try_for_each(&mut take)?;
        match next {
            // A page that does not go on would be asked for again and again.
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => return Ok(()),
        }
    }
}
