//! `seabag admin`: what the keeper of a server does. Backup, numbers and deletion ask the admin address of a
//! running server; restore and check work on the data of a stopped one.

mod address;
mod backup;
mod offline;
mod rooms;
mod stats;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::client::http::HttpError;
use crate::exit::Exit;

/// Look after a server.
#[derive(Debug, Args)]
#[command(after_help = "\
The server's admin address is set with `seabag serve --admin-listen`. If it asks for a token: SEABAG_ADMIN_TOKEN or \
--admin-token-file. `restore` and `check` need no server, and refuse data that a server has open.

Examples:
  seabag admin backup /var/backups/seabag-$(date +%F)
  seabag admin restore --data /var/lib/seabag /var/backups/seabag-2026-11-22
  seabag admin check --data /var/lib/seabag")]
pub(crate) struct Admin {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Write a backup of one moment while the server goes on.
    Backup(backup::Backup),
    /// Restore a backup into an empty directory, offline.
    Restore(offline::Restore),
    /// Read all the data of a stopped server and report what is wrong.
    Check(offline::Check),
    /// Show the server's numbers.
    Stats(stats::Stats),
    /// List the rooms, by their hashes.
    Rooms(rooms::Rooms),
    /// Delete a room by its hash, for everybody who uses it.
    Delete(rooms::Delete),
}

/// Runs one of the commands.
pub(crate) async fn run(admin: Admin) -> anyhow::Result<Exit> {
    let outcome = match admin.command {
        AdminCommand::Backup(command) => backup::run(command).await,
        AdminCommand::Restore(command) => offline::restore(command),
        AdminCommand::Check(command) => offline::check(command),
        AdminCommand::Stats(command) => stats::run(command).await,
        AdminCommand::Rooms(command) => rooms::list(command).await,
        AdminCommand::Delete(command) => rooms::delete(command).await,
    };
    outcome.map_err(|error| match error.downcast_ref::<HttpError>() {
        Some(HttpError::NotSent { .. }) => {
            anyhow!("{error} The admin address is off unless --admin-listen sets it.")
        }
        _ => error,
    })
}
