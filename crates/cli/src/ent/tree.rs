//! `seabag ent tree`: entities under the entities that they belong to.

use std::collections::HashMap;

use clap::Args;
use seabag_entdb::{Database, Ent, Query, Selection};
use seabag_protocol::host::eid::Eid;
use serde::Serialize;

use super::body::Json;
use super::id;
use super::local::Choice;
use super::show::EntLine;
use super::table::{cut, plain, terminal_width};
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Most entities under one root that are drawn.
const DESCENDANTS_MAX: usize = 100_000;

/// Draw entities under those that they belong to.
#[derive(Debug, Args)]
#[command(after_help = "\
Without an argument every entity that belongs to none, or to one that is not here, is a root. With a type, those of \
that type that do not belong to another of it. With --json each line has a depth: a root has 0, and comes before what belongs to it.

Examples:
  seabag ent tree
  seabag ent tree list
  seabag ent tree CGuWJ3mYxPqz0IfDxpsz --json")]
pub(crate) struct Tree {
    /// An entity's id, or a type.
    #[arg(value_name = "ID|TYPE")]
    root: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    depth: usize,
    #[serde(flatten)]
    ent: EntLine<'a>,
}

/// Draws them.
pub(crate) fn run(command: Tree, choice: &Choice) -> anyhow::Result<Exit> {
    let database = choice.open()?;
    let mut lines = Lines::stdout();
    let one = match command.root.as_deref().map(id::parse) {
        Some(Ok(eid)) => database.get(&eid)?,
        _ => None,
    };
    let mut drawn = 0;
    match (one, command.root) {
        (Some(root), _) => {
            draw(&database, &root, choice.json, &mut lines)?;
            drawn = 1;
        }
        (None, kind) => {
            let selection = kind.clone().map_or(Selection::All, Selection::of_kind);
            let mut query = Query::new(selection);
            loop {
                let page = database.page(&query)?;
                for ent in &page.ents {
                    if is_root(&database, ent, kind.as_deref())? {
                        draw(&database, ent, choice.json, &mut lines)?;
                        drawn += 1;
                    }
                }
                match page.next {
                    Some(cursor) => query.after = Some(cursor),
                    None => break,
                }
            }
        }
    }
    lines.flush()?;
    if drawn == 0 {
        output::note("There is nothing to draw: `seabag ent ls` shows what there is.");
    }
    Ok(Exit::Done)
}

/// Whether nothing that is drawn anyway has this entity below it.
fn is_root(database: &Database, ent: &Ent, kind: Option<&str>) -> anyhow::Result<bool> {
    let Some(parent) = &ent.parent else { return Ok(true) };
    let parent = database.get(parent)?;
    Ok(parent.is_none_or(|parent| kind.is_some_and(|kind| parent.kind != kind)))
}

fn draw(database: &Database, root: &Ent, json: bool, lines: &mut Lines) -> anyhow::Result<()> {
    let below = database.descendants(&root.eid, DESCENDANTS_MAX)?;
    if below.more {
        output::warning(&format!("{} has more than {DESCENDANTS_MAX} below it", id::print(&root.eid)));
    }
    let mut children: HashMap<&Eid, Vec<&Ent>> = HashMap::new();
    for (_, ent) in &below.ents {
        if let Some(parent) = &ent.parent {
            children.entry(parent).or_default().push(ent);
        }
    }
    for list in children.values_mut() {
        list.sort_by(|a, b| (a.created_ms, &a.eid).cmp(&(b.created_ms, &b.eid)));
    }
    // A stack instead of a call within a call: a chain of a hundred thousand is no reason to crash. The text is what
    // stands before the children of an entity.
    let mut stack = vec![(root, 0, String::new(), String::new())];
    while let Some((ent, depth, before, before_children)) = stack.pop() {
        if json {
            lines.write(&Line { depth, ent: EntLine::new(ent) })?;
        } else {
            lines.write_raw(label(ent, &before).as_bytes())?;
        }
        // Each list is taken once, so that a circle ends.
        let list = children.remove(&ent.eid).unwrap_or_default();
        let last = list.len().saturating_sub(1);
        for (at, child) in list.into_iter().enumerate().rev() {
            let (branch, trunk) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            stack.push((
                child,
                depth + 1,
                format!("{before_children}{branch}"),
                format!("{before_children}{trunk}"),
            ));
        }
    }
    Ok(())
}

fn label(ent: &Ent, before: &str) -> String {
    let text = format!(
        "{before}{}  {}  {}",
        id::print(&ent.eid),
        plain(&ent.kind),
        plain(&Json(&ent.body).to_string())
    );
    format!("{}\n", cut(&text, terminal_width()))
}
