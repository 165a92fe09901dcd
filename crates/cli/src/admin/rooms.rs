//! `seabag admin rooms` and `delete`: rooms as their server's keeper knows them, by the hashes of their ids.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use seabag_protocol::room::name::RoomHash;
use serde::{Deserialize, Serialize};

use super::address::AdminAddress;
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// List the rooms, by their hashes.
#[derive(Debug, Args)]
#[command(after_help = "\
One JSON object a line. A hash is no way into its room; `seabag room info` shows it to the room's holder.

Examples:
  seabag admin rooms | jq -r 'select(.bytes > 100000000) | .hash'
  seabag admin rooms --unused-for 2160h")]
pub(crate) struct Rooms {
    /// Only rooms that nobody has used for this time.
    #[arg(long, value_name = "DURATION", value_parser = crate::settings::units::parse_milliseconds)]
    unused_for: Option<u64>,
    #[command(flatten)]
    address: AdminAddress,
}

/// Delete a room by its hash, for everybody who uses it.
#[derive(Debug, Args)]
#[command(after_help = "\
Closed rooms too, which their holders cannot delete.

Example:
  seabag admin delete 3f9a0c5be2d14768a1b0c9d8e7f60512 --yes")]
pub(crate) struct Delete {
    /// The hash: 32 hex digits.
    hash: String,
    /// Really.
    #[arg(long, short, required = true)]
    yes: bool,
    #[command(flatten)]
    address: AdminAddress,
}

#[derive(Deserialize)]
struct Page {
    rooms: Vec<Row>,
    next: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Row {
    hash: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Prints every room.
pub(crate) async fn list(command: Rooms) -> anyhow::Result<Exit> {
    let keeper = command.address.open()?;
    let mut lines = Lines::stdout();
    let mut query = String::new();
    loop {
        let text =
            keeper.http.text_retried(|| keeper.request(Method::GET, &format!("/rooms{query}"))).await?;
        let page: Page = serde_json::from_str(&text).context("the server's list cannot be read")?;
        for row in page.rooms.iter().filter(|row| is_wanted(row, command.unused_for)) {
            lines.write(row)?;
        }
        lines.flush()?;
        match page.next {
            Some(next) => query = format!("?after={next}"),
            None => return Ok(Exit::Done),
        }
    }
}

fn is_wanted(row: &Row, unused_for: Option<u64>) -> bool {
    let Some(unused_for) = unused_for else { return true };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
    let touched = row.rest.get("touched_ms").and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
    u128::from(touched) + u128::from(unused_for) <= now
}

/// Deletes a room.
pub(crate) async fn delete(command: Delete) -> anyhow::Result<Exit> {
    let hash = RoomHash::from_hex(&command.hash)
        .ok_or_else(|| usage("a room's hash has 32 hex digits; `seabag admin rooms` lists them"))?;
    debug_assert!(command.yes, "the flag is required");
    let keeper = command.address.open()?;
    let path = format!("/rooms/{}", hash.to_hex());
    keeper.http.send(keeper.request(Method::DELETE, &path)).await?;
    output::note("The room is deleted.");
    Ok(Exit::Done)
}
