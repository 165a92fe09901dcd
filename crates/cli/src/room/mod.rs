//! `seabag room`
use clap::Args;

use crate::exit::Exit;

/// Look after a server.
#[derive(Debug, Args)]
pub(crate) struct Room {}

/// Runs one of the commands.
pub(crate) async fn run(_: Room) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
