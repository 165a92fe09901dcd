//! `seabag ent`: a person's entities on this device, and how they reach the others. One file a command.

mod archive;
mod body;
mod delete_account;
mod get;
mod history;
mod id;
mod link;
mod list;
mod local;
mod moment;
mod owner;
mod put;
mod remove;
mod report;
mod show;
mod status;
mod sync;
mod table;
mod tokens;
mod tree;
mod watch;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use local::Choice;

/// Keep entities on this device, and sync them with your others.
#[derive(Debug, Args)]
#[command(after_help = "\
An entity has an id, a type, a body of any JSON, and may belong to another entity and to a group. All of them are in a \
database on this device: every command but the syncing ones works without a network.

A host carries changes between your devices and cannot read them: they are sealed with keys that follow from your \
seed (`seabag keys`).

Examples:
  seabag ent put todo '{\"text\":\"milk\"}'
  seabag ent ls todo
  seabag ent link https://host.example.org
  seabag ent sync --follow")]
pub(crate) struct Ent {
    #[command(subcommand)]
    command: EntCommand,
    #[command(flatten)]
    choice: Choice,
}

#[derive(Debug, Subcommand)]
enum EntCommand {
    /// Link a host.
    Link(link::Link),
    /// Forget a host. Entities stay, here and there.
    Unlink(link::Unlink),
    /// Write an entity.
    Put(Box<put::Put>),
    /// Show entities.
    Get(get::Get),
    /// List entities.
    Ls(list::List),
    /// Delete entities.
    Rm(remove::Remove),
    /// Draw entities under those that they belong to.
    Tree(tree::Tree),
    /// Bring this device and its hosts together.
    Sync(sync::Sync),
    /// Show changes as they come.
    Watch(watch::Watch),
    /// Show what is saved here, and what waits for which host.
    Status(status::Status),
    /// Show what an entity was.
    History(history::History),
    /// Make an entity what it was before its last change.
    Undo(history::Undo),
    /// Say whether a type keeps every message or the latest alone.
    Keep(history::Keep),
    /// Write everything into one sealed file.
    Export(archive::Export),
    /// Take in what an export holds.
    Import(archive::Import),
    /// Remove an account from its host, with everything in it.
    DeleteAccount(delete_account::DeleteAccount),
}

/// Runs one of the commands.
pub(crate) async fn run(ent: Ent) -> anyhow::Result<Exit> {
    let choice = &ent.choice;
    match ent.command {
        EntCommand::Link(command) => link::link(command, choice).await,
        EntCommand::Unlink(command) => link::unlink(command, choice),
        EntCommand::Put(command) => put::run(*command, choice).await,
        EntCommand::Get(command) => get::run(command, choice),
        EntCommand::Ls(command) => list::run(command, choice),
        EntCommand::Rm(command) => remove::run(command, choice).await,
        EntCommand::Tree(command) => tree::run(command, choice),
        EntCommand::Sync(command) => sync::run(command, choice).await,
        EntCommand::Watch(command) => watch::run(command, choice).await,
        EntCommand::Status(command) => status::run(command, choice),
        EntCommand::History(command) => history::history(command, choice),
        EntCommand::Undo(command) => history::undo(command, choice).await,
        EntCommand::Keep(command) => history::keep(command, choice),
        EntCommand::Export(command) => archive::export(command, choice),
        EntCommand::Import(command) => archive::import(command, choice).await,
        EntCommand::DeleteAccount(command) => delete_account::run(command, choice).await,
    }
}
