//! `seabag ent watch`: what changes, as it changes, whoever wrote it: another command, another program on this
//! device, or another device.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use seabag_entdb::{Database, Ent, Query, Selection};
use seabag_protocol::host::eid::Eid;
use serde::Serialize;

use super::body::Json;
use super::local::Choice;
use super::show::EntLine;
use super::table::{cut, plain, terminal_width};
use super::{id, sync};
use crate::exit::Exit;
use crate::output::Lines;

/// How often the database is asked whether somebody wrote. The question costs microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Show changes as they come.
#[derive(Debug, Args)]
#[command(after_help = "\
A line is + for a new entity, ~ for a changed one with its body before and after, - for a deleted one. With --json: \
{\"change\",\"id\",\"old\",\"new\"}. Changes that follow each other within a tenth of a second may be shown as one. Ctrl-C \
ends it.

While it runs it syncs with the linked hosts, unless --offline is given.

Examples:
  seabag ent watch
  seabag ent watch todo --all
  seabag ent watch todo --offline --json | jq .new.body")]
pub(crate) struct Watch {
    /// Only this type.
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    /// Begin with what is there, as if it were new.
    #[arg(long)]
    all: bool,
    /// Do not sync; another command may.
    #[arg(long)]
    offline: bool,
}

/// Shows changes until it is stopped.
pub(crate) async fn run(command: Watch, choice: &Choice) -> anyhow::Result<Exit> {
    let mut follower = Follower {
        database: choice.open()?,
        selection: command.kind.clone().map_or(Selection::All, Selection::of_kind),
        known: BTreeMap::new(),
        lines: Lines::stdout(),
        json: choice.json,
    };
    let _syncing = if command.offline { None } else { sync::Background::start(choice).await? };
    // Whoever reads the output may now write and expect to hear of it.
    follower.look(command.all)?;
    let outcome = tokio::select! {
        outcome = follower.follow() => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    follower.lines.flush()?;
    outcome.map(|()| Exit::Done)
}

struct Follower {
    database: Database,
    selection: Selection,
    /// What was there when it was looked at last: the old side of what comes.
    known: BTreeMap<Eid, Ent>,
    lines: Lines,
    json: bool,
}

impl Follower {
    async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.database.changed_elsewhere()? {
                self.look(true)?;
            }
        }
    }

    /// Reads all of the selection and tells what is not as it was.
    fn look(&mut self, tell: bool) -> anyhow::Result<()> {
        // Asked before reading, so that what is committed meanwhile is looked at again.
        let _ = self.database.changed_elsewhere()?;
        let before = std::mem::take(&mut self.known);
        let mut query = Query::new(self.selection.clone());
        loop {
            let page = self.database.page(&query)?;
            self.known.extend(page.ents.into_iter().map(|ent| (ent.eid.clone(), ent)));
            match page.next {
                Some(cursor) => query.after = Some(cursor),
                None => break,
            }
        }
        if !tell {
            return Ok(());
        }
        let gone = before.iter().filter(|(eid, _)| !self.known.contains_key(eid));
        let mut changes: Vec<(Option<&Ent>, Option<&Ent>)> = gone.map(|(_, old)| (Some(old), None)).collect();
        let there = self.known.iter().map(|(eid, new)| (before.get(eid), Some(new)));
        changes.extend(there.filter(|(old, new)| old != new));
        // In the order in which they were written, as far as it can be told.
        changes.sort_by_key(|(old, new)| new.or(*old).map_or(0, |ent| ent.updated_ms));
        for (old, new) in changes {
            tell_change(&mut self.lines, self.json, old, new)?;
        }
        self.lines.flush()
    }
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    change: &'a str,
    id: String,
    old: Option<EntLine<'a>>,
    new: Option<EntLine<'a>>,
}

fn tell_change(lines: &mut Lines, json: bool, old: Option<&Ent>, new: Option<&Ent>) -> anyhow::Result<()> {
    let Some(ent) = new.or(old) else { return Ok(()) };
    let id = id::print(&ent.eid);
    if json {
        let change = match (old, new) {
            (None, _) => "created",
            (_, None) => "deleted",
            _ => "updated",
        };
        return lines.write(&ChangeLine {
            change,
            id,
            old: old.map(EntLine::new),
            new: new.map(EntLine::new),
        });
    }
    let body = |ent: &Ent| plain(&Json(&ent.body).to_string());
    let text = match (old, new) {
        (Some(old), Some(new)) => format!("~ {id}  {}  {} → {}", plain(&new.kind), body(old), body(new)),
        (None, _) => format!("+ {id}  {}  {}", plain(&ent.kind), body(ent)),
        (_, None) => format!("- {id}  {}  {}", plain(&ent.kind), body(ent)),
    };
    lines.write_raw(format!("{}\n", cut(&text, terminal_width())).as_bytes())
}
