//! `seabag room rm`: deletes a room on its server, for everybody.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use reqwest::Method;

use super::aliases::Aliases;
use super::choice::RoomChoice;
use crate::client::http::{Http, HttpError};
use crate::exit::{Exit, usage};
use crate::output;

/// Delete a room on its server, for everybody who uses it.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag room rm [OPTIONS] [ROOM]",
    after_help = "\
Everything in the room is gone, for good. Its alias is forgotten too. To forget only the alias: seabag room forget.

Example:
  seabag room rm build --yes"
)]
pub(crate) struct Remove {
    /// The room's alias. Left out when --room or SEABAG_ROOM names the room.
    #[arg(value_name = "ROOM")]
    first: Option<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Deletes the room.
pub(crate) async fn run(command: Remove) -> anyhow::Result<Exit> {
    let (chosen, _) = command.room.resolve([command.first], &[], &[])?;
    if !command.yes {
        confirm(&chosen.name)?;
    }
    let http = Http::new()?;
    let deleted = http.text_retried(|| http.request(Method::DELETE, &chosen.link.http(""))).await;
    let gone = matches!(&deleted, Err(error) if error.status() == Some(reqwest::StatusCode::NOT_FOUND));
    if !gone {
        deleted.map_err(|error: HttpError| anyhow::Error::new(error))?;
    }
    if let Some(alias) = &chosen.alias {
        Aliases::of_this_user()?.remove(alias)?;
    }
    output::note(&match gone {
        true => format!("{} was gone already.", chosen.name),
        false => format!("{} is deleted.", chosen.name),
    });
    Ok(Exit::Done)
}

fn confirm(name: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(usage("deleting a room needs --yes when nobody can be asked"));
    }
    output::note(&format!("This deletes the room {name} for everybody. Type its name to go on:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name { Ok(()) } else { Err(usage("nothing was deleted")) }
}
