//! `seabag room new`: makes a room, and keeps its id where only its owner can read it.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::aliases::Aliases;
use crate::client::SERVER_DEFAULT;
use crate::client::http::{Http, authorize};
use crate::client::link::Link;
use crate::exit::Exit;
use crate::output;
use crate::settings::{parse_url, read_secret};

/// Make a room.
#[derive(Debug, Args)]
#[command(after_help = "\
With --as the room's id goes into the file of aliases and is not shown, unless --json asks for it. Without --as the \
id is printed, since it would be lost otherwise: one JSON object on standard output.

A server may ask for a token: SEABAG_CREATION_TOKEN or --creation-token-file.

Examples:
  seabag room new --as build
  seabag room new --as build --server https://rooms.example.org
  seabag room new --as build --read-only     an id to give to readers, on standard output
  seabag room new > room.json                for a script; then: seabag room push --room @room.json key '1'")]
pub(crate) struct New {
    /// Remember the room under this name.
    #[arg(long = "as", value_name = "ALIAS")]
    alias: Option<String>,
    /// The server.
    #[arg(long, value_name = "URL", env = "SEABAG_SERVER", default_value = SERVER_DEFAULT, value_parser = parse_url)]
    server: String,
    /// Print the id for readers, who cannot write.
    #[arg(long)]
    read_only: bool,
    /// Print everything that the server said, the id included.
    #[arg(long)]
    json: bool,
    /// File with the token that creating rooms asks for.
    #[arg(long, value_name = "FILE")]
    creation_token_file: Option<PathBuf>,
}

/// The server's answer. Fields that this program does not know are not repeated.
#[derive(Deserialize, Serialize)]
struct Created {
    room: String,
    read_only: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

#[derive(Serialize)]
struct ReadersLine<'a> {
    room: &'a str,
    server: &'a str,
}

/// Makes a room.
pub(crate) async fn run(command: New) -> anyhow::Result<Exit> {
    let aliases = match &command.alias {
        Some(alias) => {
            let aliases = Aliases::of_this_user()?;
            // Before the room is made: afterwards its id would have no place.
            aliases.check_free(alias)?;
            Some((aliases, alias))
        }
        None => None,
    };
    let token = match &command.creation_token_file {
        Some(path) => Some(read_secret(path)?),
        None => std::env::var("SEABAG_CREATION_TOKEN").ok().filter(|token| !token.is_empty()),
    };
    let http = Http::new()?;
    let request = http.request(Method::POST, &format!("{}/new", command.server));
    let text = http.text(authorize(request, token.as_deref())).await?;
    let created: Created =
        serde_json::from_str(&text).context("the server's answer is not that of a server of rooms")?;
    let link = Link::parse(&created.room, &command.server).map_err(|error| anyhow!(error))?;
    let kept = match &aliases {
        Some((aliases, alias)) => aliases.add(alias, &link),
        None => Ok(()),
    };
    if aliases.is_none() || command.json || kept.is_err() {
        output::print(&created)?;
    } else if command.read_only {
        let id = link.address.read_only.reveal();
        output::print(&ReadersLine { room: id, server: &link.server })?;
    }
    kept.context("the room was made and its id is printed, but it has no alias")?;
    tell(&aliases, &link);
    Ok(Exit::Done)
}

fn tell(aliases: &Option<(Aliases, &String)>, link: &Link) {
    match aliases {
        Some((aliases, alias)) => {
            output::note(&format!(
                "Room {alias} on {}; its id is in {}.",
                link.server,
                aliases.path().display()
            ));
            output::note(&format!("Write: seabag room push {alias} greeting '\"hello\"'"));
            output::note(&format!("Read:  seabag room tail {alias} --all"));
        }
        None => output::note(
            "The id is a secret: who has it can read and write the room. --as NAME remembers it.",
        ),
    }
}
