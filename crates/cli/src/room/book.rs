//! `seabag room add`, `ls`, `forget`: the aliases themselves. They ask no server.

use std::io::{IsTerminal, Read};

use clap::Args;
use serde::Serialize;

use super::aliases::Aliases;
use crate::client::SERVER_DEFAULT;
use crate::client::link::Link;
use crate::exit::{Exit, usage};
use crate::output;
use crate::settings::parse_url;

/// Most bytes that are read in search of an id.
const ID_INPUT_MAX: u64 = 64 * 1024;

/// Give a room that exists an alias.
#[derive(Debug, Args)]
#[command(after_help = "\
The room's id, its URL, or the line that `room new` printed is read from standard input, so that it shows in no \
list of processes and no shell history.

Examples:
  seabag room add build < invitation.txt
  seabag room new | ssh other-machine seabag room add build")]
pub(crate) struct Add {
    /// The new alias.
    alias: String,
    /// The server, when the id comes without one.
    #[arg(long, value_name = "URL", env = "SEABAG_SERVER", default_value = SERVER_DEFAULT, value_parser = parse_url)]
    server: String,
}

/// List the aliases.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Show the rooms' ids too: whoever sees one can use the room.
    #[arg(long)]
    show_ids: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Forget an alias. The room stays.
#[derive(Debug, Args)]
#[command(after_help = "Its id is gone with the alias: `seabag room ls --show-ids` shows it before.")]
pub(crate) struct Forget {
    /// The alias.
    alias: String,
}

/// Reads an id and keeps it under an alias.
pub(crate) fn add(command: Add) -> anyhow::Result<Exit> {
    let aliases = Aliases::of_this_user()?;
    aliases.check_free(&command.alias)?;
    if std::io::stdin().is_terminal() {
        output::note("Paste the room's id or URL, then end with Enter and Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().lock().take(ID_INPUT_MAX).read_to_string(&mut text)?;
    let link = Link::parse(&text, &command.server).map_err(usage)?;
    aliases.add(&command.alias, &link)?;
    output::note(&format!("{} is a room on {}.", command.alias, link.server));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Line<'a> {
    alias: &'a str,
    server: &'a str,
    access: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// Shows every alias.
pub(crate) fn list(command: List) -> anyhow::Result<Exit> {
    let rooms = Aliases::of_this_user()?.all()?;
    let mut lines = output::Lines::stdout();
    let width = rooms.iter().map(|(alias, _)| alias.len()).max().unwrap_or(0);
    for (alias, link) in &rooms {
        let access = if link.address.write.is_some() { "write" } else { "read-only" };
        let id = command.show_ids.then(|| link.address.reveal());
        if command.json {
            lines.write(&Line { alias, server: &link.server, access, id })?;
        } else {
            let text = format!("{alias:width$}  {access:9}  {}  {}", link.server, id.unwrap_or_default());
            lines.write_raw(text.trim_end().as_bytes())?;
            lines.write_raw(b"\n")?;
        }
    }
    lines.flush()?;
    if rooms.is_empty() {
        output::note("No rooms yet: `seabag room new --as NAME` makes one.");
    }
    Ok(Exit::Done)
}

/// Forgets an alias.
pub(crate) fn forget(command: Forget) -> anyhow::Result<Exit> {
    super::aliases::check_alias(&command.alias)?;
    if !Aliases::of_this_user()?.remove(&command.alias)? {
        return Err(usage(format!("there is no room {} here", command.alias)));
    }
    Ok(Exit::Done)
}
