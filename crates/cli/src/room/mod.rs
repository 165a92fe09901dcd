//! `seabag room`: everything that a holder of a room does with it. One file a command.

mod aliases;
mod book;
mod choice;
mod compact;
mod export;
mod get;
mod import;
mod info;
mod keys;
mod lines;
mod new;
mod page;
mod push;
mod remove;
mod tail;
mod value;

use clap::{Args, Subcommand};

use crate::exit::Exit;
pub(crate) use push::random_client;

/// Create rooms, write to them, read and follow them.
#[derive(Debug, Args)]
#[command(after_help = "\
A room is a set of streams, each with a key. Every message has a number in the room's one order.

Rooms are named by aliases. A room's id is a secret and never an argument.

Examples:
  seabag room new --as build
  seabag room push build status '{\"passed\":12}' --action replace
  make 2>&1 | seabag room push build log --lines
  seabag room get build status
  seabag room tail build --all")]
pub(crate) struct Room {
    #[command(subcommand)]
    command: RoomCommand,
}

#[derive(Debug, Subcommand)]
enum RoomCommand {
    /// Make a room.
    New(new::New),
    /// Give a room that exists an alias.
    Add(book::Add),
    /// List the aliases.
    Ls(book::List),
    /// Forget an alias. The room stays.
    Forget(book::Forget),
    /// Write to a stream.
    Push(push::Push),
    /// Read a stream.
    Get(get::Get),
    /// Follow a room as it changes.
    Tail(tail::Tail),
    /// List a room's streams.
    Keys(keys::Keys),
    /// Put one value in the place of a stream's entries up to a number.
    Compact(compact::Compact),
    /// Drop a stream's entries up to a number.
    Trim(compact::Trim),
    /// Show what a room is like.
    Info(info::Info),
    /// Write a whole room to a file.
    Export(export::Export),
    /// Append an export's entries to a room.
    Import(import::Import),
    /// Delete a room on its server, for everybody who uses it.
    Rm(remove::Remove),
}

/// Runs one of the commands.
pub(crate) async fn run(room: Room) -> anyhow::Result<Exit> {
    match room.command {
        RoomCommand::New(command) => new::run(command).await,
        RoomCommand::Add(command) => book::add(command),
        RoomCommand::Ls(command) => book::list(command),
        RoomCommand::Forget(command) => book::forget(command),
        RoomCommand::Push(command) => push::run(command).await,
        RoomCommand::Get(command) => get::run(command).await,
        RoomCommand::Tail(command) => tail::run(command).await,
        RoomCommand::Keys(command) => keys::run(command).await,
        RoomCommand::Compact(command) => compact::compact(command).await,
        RoomCommand::Trim(command) => compact::trim(command).await,
        RoomCommand::Info(command) => info::run(command).await,
        RoomCommand::Export(command) => export::run(command).await,
        RoomCommand::Import(command) => import::run(command).await,
        RoomCommand::Rm(command) => remove::run(command).await,
    }
}
