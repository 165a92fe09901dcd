//! `seabag ent get`: entities by their ids.

use clap::Args;
use seabag_entdb::Database;
use seabag_protocol::host::eid::Eid;

use super::local::Choice;
use super::show::{self, EntLine};
use super::{id, table};
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Show entities.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seabag ent get CGuWJ3mYxPqz0IfDxpsz
  seabag ent get CGuWJ3mYxPqz0IfDxpsz --json | jq .body")]
pub(crate) struct Get {
    /// Their ids.
    #[arg(value_name = "ID", required = true, value_parser = id::parse)]
    ids: Vec<Eid>,
}

/// Shows them. It fails when one is not there, after showing the others.
pub(crate) fn run(command: Get, choice: &Choice) -> anyhow::Result<Exit> {
    let database = choice.open()?;
    let mut lines = Lines::stdout();
    let mut exit = Exit::Done;
    let mut first = true;
    for eid in &command.ids {
        let Some(ent) = database.get(eid)? else {
            lines.flush()?;
            output::error(&format!("there is no entity {}{}", id::print(eid), ended(&database, eid)?));
            exit = Exit::Failure;
            continue;
        };
        if choice.json {
            lines.write(&EntLine::new(&ent))?;
        } else {
            let gap = if first { "" } else { "\n" };
            lines.write_raw(format!("{gap}{}", show::page(&ent, &stored(&database, eid)?)).as_bytes())?;
        }
        first = false;
    }
    lines.flush()?;
    Ok(exit)
}

fn ended(database: &Database, eid: &Eid) -> anyhow::Result<&'static str> {
    let last = database.history(eid)?;
    Ok(if last.is_empty() { "" } else { ": it was deleted; `seabag ent undo` may bring it back" })
}

/// Where an entity's state is, in words.
fn stored(database: &Database, eid: &Eid) -> anyhow::Result<String> {
    let mut places = vec!["here".to_owned()];
    for durable in database.durable_at(eid)? {
        let label = table::plain(&database.link(durable.link)?.settings.label);
        places.push(match (durable.stored.is_some(), durable.waiting) {
            (true, _) => label,
            (false, true) => format!("not yet at {label}"),
            (false, false) => format!("not known whether at {label}"),
        });
    }
    Ok(places.join(", "))
}
