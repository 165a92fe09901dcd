//! `seabag room info`: what a room is like, without its secrets.

use clap::Args;
use serde::Serialize;

use super::choice::RoomChoice;
use super::keys;
use crate::client::http::Http;
use crate::client::socket::Socket;
use crate::exit::Exit;
use crate::output;

/// Show what a room is like.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room info [OPTIONS] [ROOM]",
    after_help = "\
One JSON object: where the room is, what one may do there, its epoch and head (the cursor of now is \
{epoch}.{seq}), and how much it holds.

Examples:
  seabag room info build
  seabag room info build --show-ids | jq -r .read_only_id     an id to give to readers"
)]
pub(crate) struct Info {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// Show the ids too: whoever sees one can use the room.
    #[arg(long)]
    show_ids: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    server: &'a str,
    access: &'a str,
    epoch: &'a str,
    seq: u64,
    closed: bool,
    keys: u64,
    entries: u64,
    bytes: u64,
    message_bytes_max: u64,
    /// What the server's administrator calls the room: no secret, and no way in.
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only_id: Option<&'a str>,
}

/// Prints what the room is like.
pub(crate) async fn run(command: Info) -> anyhow::Result<Exit> {
    let (chosen, _) = command.room.resolve([command.first], &[], &[])?;
    let (socket, hello) = Socket::open(&chosen.link, "deliver=keys")
        .await
        .map_err(crate::client::socket::Ending::into_error)?;
    socket.close().await;
    let (mut count, mut entries, mut bytes) = (0, 0, 0);
    keys::each(&Http::new()?, &chosen.link, |summary| {
        count += 1;
        entries += summary.size;
        bytes += summary.bytes;
        Ok(())
    })
    .await?;
    let address = &chosen.link.address;
    let write_id = address.write.as_ref().map(|id| id.reveal());
    output::print(&Line {
        name: &chosen.name,
        server: &chosen.link.server,
        access: if hello.read_only { "read-only" } else { "write" },
        epoch: hello.epoch.as_str(),
        seq: hello.seq.0,
        closed: hello.closed,
        keys: count,
        entries,
        bytes,
        message_bytes_max: hello.limits.message_bytes,
        hash: address.hash().to_hex(),
        id: write_id.filter(|_| command.show_ids),
        read_only_id: command.show_ids.then(|| address.read_only.reveal()),
    })?;
    Ok(Exit::Done)
}
