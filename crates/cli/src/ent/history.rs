//! `seabag ent history`, `undo` and `keep`: what an entity was, back to it, and which types keep that.

use clap::{Args, ValueEnum};
use seabag_entdb::{Database, History as Kept, Version};
use seabag_protocol::host::eid::Eid;
use serde::Serialize;

use super::body::Json;
use super::local::{Choice, SkewChoice, explain};
use super::show::EntLine;
use super::table::{Table, plain};
use super::{id, moment, sync};
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Show what an entity was.
#[derive(Debug, Args)]
#[command(after_help = "\
The latest message first. A type keeps only the latest one unless `seabag ent keep TYPE all` was said before.

Example:
  seabag ent history CGuWJ3mYxPqz0IfDxpsz")]
pub(crate) struct History {
    /// The entity's id.
    #[arg(value_parser = id::parse)]
    id: Eid,
}

/// Make an entity what it was before its last change.
#[derive(Debug, Args)]
#[command(after_help = "\
It is a change like any other, and reaches the other devices as one. A deleted entity comes back. Only types that \
keep every message can go back: `seabag ent keep TYPE all`.

Example:
  seabag ent undo CGuWJ3mYxPqz0IfDxpsz")]
pub(crate) struct Undo {
    /// The entity's id.
    #[arg(value_parser = id::parse)]
    id: Eid,
    #[command(flatten)]
    skew: SkewChoice,
    #[command(flatten)]
    sync: sync::After,
}

/// Say, or show, whether a type keeps every message or the latest alone.
#[derive(Debug, Args)]
#[command(after_help = "\
It holds for this device, from now on. `latest` drops what was kept of the type's past.

Examples:
  seabag ent keep note all
  seabag ent keep note")]
pub(crate) struct Keep {
    /// The type.
    #[arg(value_name = "TYPE")]
    kind: String,
    /// What it keeps. Without it, what it keeps now is shown.
    #[arg(value_name = "WHAT")]
    what: Option<What>,
}

/// What a type keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Every message.
    All,
    /// The latest message of each entity.
    Latest,
}

#[derive(Serialize)]
struct DeletedLine {
    id: String,
    deleted: u64,
    counter: u64,
}

/// Shows an entity's past.
pub(crate) fn history(command: History, choice: &Choice) -> anyhow::Result<Exit> {
    let database = choice.open()?;
    let versions = database.history(&command.id)?;
    if versions.is_empty() {
        return Err(anyhow::anyhow!("there is no entity {}", id::print(&command.id)));
    }
    let mut lines = Lines::stdout();
    let now_ms = moment::now_ms();
    let mut table = Table::new(&["WRITTEN", "AGO", "TYPE", "BODY"]);
    for version in &versions {
        let time_ms = version.head.time_ms().unwrap_or(u64::MAX);
        match (&version.ent, choice.json) {
            (Some(ent), true) => lines.write(&EntLine::new(ent))?,
            (None, true) => {
                let counter = version.head.counter;
                lines.write(&DeletedLine { id: id::print(&command.id), deleted: time_ms, counter })?;
            }
            (ent, false) => table.row(vec![
                moment::print(time_ms),
                moment::age(time_ms, now_ms),
                ent.as_ref().map_or_else(String::new, |ent| ent.kind.clone()),
                ent.as_ref().map_or_else(|| "(deleted)".to_owned(), |ent| Json(&ent.body).to_string()),
            ]),
        }
    }
    table.write(&mut lines)?;
    lines.flush()?;
    if let (false, Some(kind)) = (choice.json, keeps_latest(&database, &versions)?) {
        output::note(&format!(
            "Of the type {kind} only the latest message is kept: `seabag ent keep {kind} all` keeps every one from \
             now on."
        ));
    }
    Ok(Exit::Done)
}

/// The type of an entity, if it is known and keeps the latest message alone.
fn keeps_latest(database: &Database, versions: &[Version]) -> anyhow::Result<Option<String>> {
    let Some(kind) = versions.iter().find_map(|version| version.ent.as_ref()).map(|ent| &ent.kind) else {
        return Ok(None);
    };
    let latest = database.history_of(kind)? == Kept::Latest;
    Ok(latest.then(|| plain(kind)))
}

/// Goes back by one message.
pub(crate) async fn undo(command: Undo, choice: &Choice) -> anyhow::Result<Exit> {
    let mut database = choice.open_to_write()?;
    if database.history(&command.id)?.is_empty() {
        return Err(anyhow::anyhow!("there is no entity {}", id::print(&command.id)));
    }
    database.undo(&command.id, moment::now_ms(), command.skew.skew()).map_err(explain)?;
    let mut lines = Lines::stdout();
    match database.get(&command.id)? {
        Some(ent) if choice.json => lines.write(&EntLine::new(&ent))?,
        Some(ent) => {
            let text = format!("{}  {}\n", id::print(&ent.eid), plain(&Json(&ent.body).to_string()));
            lines.write_raw(text.as_bytes())?;
        }
        None => output::note("It was deleted before its last change, and is again."),
    }
    lines.flush()?;
    drop(database);
    command.sync.run(choice).await?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct KeepLine<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    keep: &'a str,
}

/// Sets or shows what a type keeps.
pub(crate) fn keep(command: Keep, choice: &Choice) -> anyhow::Result<Exit> {
    if command.kind.is_empty() {
        return Err(usage("the type is empty"));
    }
    let mut database = choice.open()?;
    if let Some(what) = command.what {
        let kept = if what == What::All { Kept::All } else { Kept::Latest };
        database.set_history(&command.kind, kept)?;
    }
    let keep = if database.history_of(&command.kind)? == Kept::All { "all" } else { "latest" };
    if choice.json {
        output::print(&KeepLine { kind: &command.kind, keep })?;
    } else {
        let mut lines = Lines::stdout();
        lines.write_raw(format!("{}  {keep}\n", plain(&command.kind)).as_bytes())?;
        lines.flush()?;
    }
    Ok(Exit::Done)
}
