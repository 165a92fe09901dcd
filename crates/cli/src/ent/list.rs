//! `seabag ent ls`: entities by type, parent, group or time, in order, page by page.

use anyhow::anyhow;
use clap::Args;
use seabag_entdb::{Database, Direction, PAGE_LIMIT_MAX, PageCursor, Query, Selection};
use seabag_protocol::host::eid::Eid;
use serde::Serialize;

use super::local::{Choice, explain};
use super::moment::Range;
use super::show::{EntLine, EntTable};
use super::{id, moment};
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Entities of one page.
const PAGE: usize = 1_000;

/// List entities.
#[derive(Debug, Args)]
#[command(after_help = "\
Entities of a type come in the order of their creation; with --updated in the order of their last change; with \
--parent or --group, or without a type, in the order of their ids. These options and --created need a TYPE.

A time is 2026-11-22, 2026-11-22T14:30Z, 90m, 2h or 3d (ago), now, or milliseconds since 1970. A..B has both ends in \
it, and either may be left out.

Examples:
  seabag ent ls
  seabag ent ls todo --updated 2h.. --reverse --limit 10
  seabag ent ls todo --created 2026-11-01..2026-11-30 --count
  seabag ent ls comment --parent CGuWJ3mYxPqz0IfDxpsz --json | jq .body")]
pub(crate) struct List {
    /// Only this type.
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    /// Only those that belong to this entity.
    #[arg(long, value_name = "ID", value_parser = id::parse, requires = "kind")]
    #[arg(conflicts_with_all = ["group", "created", "updated"])]
    parent: Option<Eid>,
    /// Only those in this group.
    #[arg(long, value_name = "NAME", requires = "kind", conflicts_with_all = ["created", "updated"])]
    group: Option<String>,
    /// Only those created in this time.
    #[arg(long, value_name = "A..B", value_parser = moment::parse_range, requires = "kind")]
    #[arg(conflicts_with = "updated")]
    created: Option<Range>,
    /// Only those last written in this time.
    #[arg(long, value_name = "A..B", value_parser = moment::parse_range, requires = "kind")]
    updated: Option<Range>,
    /// At most so many. When there are more, standard error says how to go on.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Go on where a list with --limit ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// The other way round.
    #[arg(long)]
    reverse: bool,
    /// Only how many there are.
    #[arg(long, conflicts_with_all = ["limit", "after", "reverse"])]
    count: bool,
}

#[derive(Serialize)]
struct Count {
    count: u64,
}

/// Lists them.
pub(crate) fn run(command: List, choice: &Choice) -> anyhow::Result<Exit> {
    let database = choice.open()?;
    let selection = command.selection();
    if command.count {
        let count = database.count(&selection)?;
        if choice.json {
            output::print(&Count { count })?;
        } else {
            let mut lines = Lines::stdout();
            lines.write_raw(format!("{count}\n").as_bytes())?;
            lines.flush()?;
        }
        return Ok(Exit::Done);
    }
    let after = match &command.after {
        Some(text) => Some(PageCursor::from_text(text).map_err(explain)?),
        None => None,
    };
    let direction = if command.reverse { Direction::Descending } else { Direction::Ascending };
    let mut query = Query { selection, direction, limit: PAGE.min(PAGE_LIMIT_MAX), after };
    let mut left = command.limit.unwrap_or(u64::MAX);
    if left == 0 {
        return Err(usage("--limit is at least 1; --count only counts"));
    }
    let mut lines = Lines::stdout();
    let mut first = true;
    loop {
        query.limit = query.limit.min(usize::try_from(left).unwrap_or(usize::MAX));
        let page = database.page(&query).map_err(explain)?;
        if choice.json {
            page.ents.iter().try_for_each(|ent| lines.write(&EntLine::new(ent)))?;
        } else {
            let mut table = EntTable::new(first);
            page.ents.iter().for_each(|ent| table.row(ent));
            table.write(&mut lines)?;
        }
        lines.flush()?;
        if first && page.ents.is_empty() {
            output::note(&nothing(&database, &command)?);
        }
        first = false;
        left = left.saturating_sub(page.ents.len() as u64);
        match page.next {
            None => return Ok(Exit::Done),
            Some(cursor) if left == 0 => {
                output::note(&format!("There are more: --after {}", cursor.to_text()));
                return Ok(Exit::Done);
            }
            Some(_) if page.ents.is_empty() => return Err(anyhow!("a page is empty and not the last")),
            Some(cursor) => query.after = Some(cursor),
        }
    }
}

impl List {
    fn selection(&self) -> Selection {
        let Some(kind) = self.kind.clone() else { return Selection::All };
        match (self.parent.clone(), self.group.clone(), self.updated) {
            (Some(parent), _, _) => Selection::Parent { kind, parent },
            (_, Some(group), _) => Selection::Group { kind, group },
            (_, _, Some(range)) => Selection::Updated { kind, range: range.from_ms..=range.to_ms },
            _ => Selection::ByType { kind, created: self.created.map(|range| range.from_ms..=range.to_ms) },
        }
    }
}

/// What to say of an empty list.
fn nothing(database: &Database, command: &List) -> anyhow::Result<String> {
    let kinds = database.kinds()?;
    if kinds.is_empty() {
        return Ok("There are no entities yet: `seabag ent put todo '{\"text\":\"milk\"}'` writes one, \
                   `seabag ent link URL` brings those of your other devices."
            .to_owned());
    }
    let known: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
    Ok(match &command.kind {
        Some(kind) if !known.contains(&kind.as_str()) => {
            let known = super::table::plain(&known.join(", "));
            format!("There is nothing of this type. Types that there are: {known}.")
        }
        _ => "Nothing matches.".to_owned(),
    })
}
