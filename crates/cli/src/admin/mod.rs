//! `seabag admin`: what the keeper of a server does.

use clap::Args;

use crate::exit::Exit;

/// Look after a server.
#[derive(Debug, Args)]
pub(crate) struct Admin {}

/// Runs one of the commands.
pub(crate) async fn run(_: Admin) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
