//! `seabag room compact` and `trim`: what a stream holds up to a number becomes one value, or nothing.

use clap::Args;
use seabag_protocol::room::action::Action;
use seabag_protocol::room::name::{RoomSeq, StreamKey};

use super::choice::RoomChoice;
use super::push::{print_ack, push_once};
use super::value;
use crate::exit::{Exit, usage};

/// Put one value in the place of a stream's entries up to a number.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room compact [OPTIONS] [ROOM] <KEY> <SEQ> [VALUE]",
    after_help = "\
The value may depend only on this stream's entries up to SEQ, so that whoever reads later sees the same state as who \
read before. Nothing is broadcast. At or below an earlier compact nothing happens, and the answer says \"stale\".

Example, a log that becomes its number of lines:
  seq=$(seabag room get build log | tail -1 | jq .seq)
  seabag room get build log | jq -s --argjson seq $seq 'map(select(.seq <= $seq)) | length' |
    seabag room compact build log $seq"
)]
pub(crate) struct Compact {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM", allow_negative_numbers = true)]
    first: Option<String>,
    /// The stream's key.
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    second: Option<String>,
    /// The number of the last entry that the value stands for.
    #[arg(value_name = "SEQ", allow_negative_numbers = true)]
    third: Option<String>,
    /// The value, in JSON. Without it: from standard input.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    fourth: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// The value is text, not JSON.
    #[arg(long)]
    text: bool,
}

/// Drop a stream's entries up to a number.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room trim [OPTIONS] [ROOM] <KEY> <SEQ>",
    after_help = "\
A stream that is trimmed to nothing vanishes from the list of keys.

Example:
  seabag room trim build log 1200"
)]
pub(crate) struct Trim {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    /// The stream's key.
    #[arg(value_name = "KEY")]
    second: Option<String>,
    /// The number of the last entry to drop.
    #[arg(value_name = "SEQ")]
    third: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
}

/// Compacts.
pub(crate) async fn compact(command: Compact) -> anyhow::Result<Exit> {
    let (chosen, mut words) = command.room.resolve(
        [command.first, command.second, command.third, command.fourth],
        &["KEY", "SEQ"],
        &["VALUE"],
    )?;
    let key = StreamKey::from(words.required("KEY")?);
    let seq = parse_seq(&words.required("SEQ")?)?;
    let value = value::read(words.optional(), command.text)?;
    let ack = push_once(&chosen.link, key.clone(), Some(value), Action::Compact { seq }).await?;
    print_ack(&key, &ack)?;
    Ok(Exit::Done)
}

/// Trims.
pub(crate) async fn trim(command: Trim) -> anyhow::Result<Exit> {
    let (chosen, mut words) =
        command.room.resolve([command.first, command.second, command.third], &["KEY", "SEQ"], &[])?;
    let key = StreamKey::from(words.required("KEY")?);
    let seq = parse_seq(&words.required("SEQ")?)?;
    let ack = push_once(&chosen.link, key.clone(), None, Action::Compact { seq }).await?;
    print_ack(&key, &ack)?;
    Ok(Exit::Done)
}

fn parse_seq(text: &str) -> anyhow::Result<RoomSeq> {
    text.parse().map(RoomSeq).map_err(|_| usage(format!("{text:?} is no number of an entry")))
}
