//! `seabag ent status`: what is here, what waits for which host, and what is stuck, why, until when.

use clap::Args;
use seabag_entdb::{Fill, LinkStatus, Trouble};
use serde::Serialize;

use super::local::Choice;
use super::moment;
use super::table::{Table, plain};
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Bags of a link that could not be opened, and messages set aside, that are told of.
const TOLD_MAX: usize = 20;

/// Show what is saved here, and what waits for which host.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks no host: it says how things were when they were last synced.

Example:
  seabag ent status")]
pub(crate) struct Status {}

#[derive(Serialize)]
struct StatusLine<'a> {
    database: String,
    seed: Option<String>,
    entities: u64,
    types: Vec<TypeLine<'a>>,
    deleted: u64,
    kept: u64,
    set_aside: u64,
    links: Vec<LinkLine<'a>>,
}

#[derive(Serialize)]
struct TypeLine<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    entities: u64,
}

#[derive(Serialize)]
struct LinkLine<'a> {
    label: &'a str,
    url: &'a str,
    index: u64,
    state: &'static str,
    compared: bool,
    waiting: u64,
    unreadable: u64,
    trouble: Option<TroubleLine<'a>>,
}

#[derive(Serialize)]
struct TroubleLine<'a> {
    code: &'a str,
    text: &'a str,
    since: u64,
    retry: Option<u64>,
}

/// Shows it.
pub(crate) fn run(_: Status, choice: &Choice) -> anyhow::Result<Exit> {
    let database = choice.open()?;
    let (status, kinds) = (database.status()?, database.kinds()?);
    let seed = database.owner()?;
    if choice.json {
        output::print(&StatusLine {
            database: choice.path()?.display().to_string(),
            seed,
            entities: status.ents,
            types: kinds.iter().map(|kind| TypeLine { kind: &kind.kind, entities: kind.ents }).collect(),
            deleted: status.tombstones,
            kept: status.kept,
            set_aside: status.set_aside,
            links: status.links.iter().map(link_line).collect(),
        })?;
        return Ok(Exit::Done);
    }
    let mut lines = Lines::stdout();
    let mut line = |name: &str, value: &str| lines.write_raw(format!("{name:10}  {value}\n").as_bytes());
    line("database", &choice.path()?.display().to_string())?;
    line("seed", &seed.unwrap_or_else(|| "none yet".to_owned()))?;
    let types: Vec<String> =
        kinds.iter().map(|kind| format!("{} {}", kind.ents, plain(&kind.kind))).collect();
    let types = if types.is_empty() { String::new() } else { format!(" ({})", types.join(", ")) };
    line("entities", &format!("{}{types}, all of them saved here", status.ents))?;
    line("deleted", &status.tombstones.to_string())?;
    if status.kept > 0 {
        line("past", &format!("{} earlier messages are kept", status.kept))?;
    }
    if status.set_aside > 0 {
        line("set aside", &format!("{} messages that this version cannot read", status.set_aside))?;
        for message in database.set_aside()?.iter().take(TOLD_MAX) {
            line("", &format!("{} bytes: {}", message.bytes, plain(&message.reason)))?;
        }
    }
    let now_ms = moment::now_ms();
    if !status.links.is_empty() {
        lines.write_raw(b"\n")?;
    }
    let mut table = Table::new(&["LINK", "HOST", "WAITING", "STATE"]);
    for link in &status.links {
        let settings = &link.link.settings;
        table.row(vec![
            settings.label.clone(),
            settings.url.clone(),
            // Before both sides were compared nobody knows what the host lacks.
            if link.link.stage == Fill::Done { link.waiting.to_string() } else { "?".to_owned() },
            words(link, now_ms),
        ]);
    }
    table.write(&mut lines)?;
    lines.flush()?;
    for link in status.links.iter().filter(|link| link.unreadable > 0) {
        for bag in database.unreadable(link.link.id, TOLD_MAX)? {
            let (label, reason) = (plain(&link.link.settings.label), plain(&bag.reason));
            output::note(&format!("{label}: number {} cannot be opened: {reason}", bag.seq.0));
        }
    }
    if status.links.is_empty() {
        output::note("No host is linked: `seabag ent link URL` brings entities to your other devices.");
    }
    Ok(Exit::Done)
}

fn link_line(status: &LinkStatus) -> LinkLine<'_> {
    let (settings, trouble) = (&status.link.settings, status.link.trouble.as_ref());
    LinkLine {
        label: &settings.label,
        url: &settings.url,
        index: settings.index,
        state: state(status),
        compared: status.link.stage == Fill::Done,
        waiting: status.waiting,
        unreadable: status.unreadable,
        trouble: trouble.map(|trouble| TroubleLine {
            code: &trouble.code,
            text: &trouble.text,
            since: trouble.since_ms,
            retry: trouble.retry_ms,
        }),
    }
}

/// How a link is, in a word.
fn state(status: &LinkStatus) -> &'static str {
    match (&status.link.trouble, status.link.stage, status.waiting) {
        (Some(_), _, _) => "stuck",
        (None, Fill::Replay, _) if status.link.cursor.is_none() => "new",
        (None, Fill::Replay, _) => "reading",
        (None, Fill::Upload, _) => "filling",
        (None, Fill::Done, 1..) => "waiting",
        (None, Fill::Done, 0) => "synced",
    }
}

/// How a link is, for people.
fn words(status: &LinkStatus, now_ms: u64) -> String {
    match (&status.link.trouble, state(status)) {
        (Some(trouble), _) => trouble_words(trouble, now_ms),
        (_, "new") => "linked, not synced yet: seabag ent sync".to_owned(),
        (_, "reading") => "not all of the host's entities are here yet: seabag ent sync".to_owned(),
        (_, "filling") => "not all that the host lacks is there yet: seabag ent sync".to_owned(),
        (_, "waiting") => "changes wait for upload: seabag ent sync".to_owned(),
        _ => "all that is here is there, as far as is known".to_owned(),
    }
}

fn trouble_words(trouble: &Trouble, now_ms: u64) -> String {
    let since = moment::age(trouble.since_ms, now_ms);
    let next = match trouble.retry_ms {
        Some(at) if at > now_ms => format!(", next try {}", moment::age(at, now_ms)),
        Some(_) => ", next try with the next sync".to_owned(),
        None => String::new(),
    };
    format!("stuck for {since}: {}{next}", trouble.text)
}
