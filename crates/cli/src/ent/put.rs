//! `seabag ent put`: writes an entity, new or old. It is on this disk when the command ends, with or without a host.

use std::io::{BufRead, IsTerminal, Read};

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_entdb::{Database, Draft};
use seabag_protocol::host::eid::Eid;
use serde::Serialize;

use super::local::{Choice, SkewChoice, explain};
use super::show::EntLine;
use super::table::plain;
use super::{body, id, moment, sync};
use crate::exit::{Exit, usage};
use crate::output::{self, Lines};

/// Most bytes of a body. A host may take less.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Write an entity.
#[derive(Debug, Args)]
#[command(
    override_usage = "seabag ent put [OPTIONS] <TYPE> [BODY]\n       seabag ent put [OPTIONS] --id <ID> [TYPE] [BODY]",
    after_help = "\
BODY is JSON, or @FILE, or - for standard input; without it, it is read from standard input. Other users of the \
machine can see arguments: what is private goes through a file or standard input.

A new entity gets an id, which is printed. With --id the entity's body is replaced; its type, parent and group stay as \
they are unless they are given.

What JSON cannot say is an object with one key: {\"$bytes\":\"AAE=\"} (base64), {\"$date\":1767225600000} \
(milliseconds since 1970), {\"$float\":\"NaN\"}, {\"$ext\":[5,\"AAE=\"]}, {\"$map\":[[1,\"one\"]]}.

Examples:
  seabag ent put todo '{\"text\":\"milk\"}'
  seabag ent put --id CGuWJ3mYxPqz0IfDxpsz '{\"text\":\"milk\",\"done\":true}'
  seabag ent put comment --parent CGuWJ3mYxPqz0IfDxpsz --text 'the blue one'
  seabag ent put note @note.json --group inbox --sync
  jq -c '.[]' notes.json | seabag ent put note --lines"
)]
pub(crate) struct Put {
    /// The entity's type.
    #[arg(value_name = "TYPE", allow_negative_numbers = true)]
    first: Option<String>,
    /// The body: JSON, @FILE, or - for standard input.
    #[arg(value_name = "BODY", allow_negative_numbers = true)]
    second: Option<String>,
    /// The entity to write. Without it: a new one.
    #[arg(long, value_name = "ID", value_parser = id::parse)]
    id: Option<Eid>,
    /// The entity that it belongs to.
    #[arg(long, value_name = "ID", value_parser = id::parse)]
    parent: Option<Eid>,
    /// The group that it is in.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// With --id: it belongs to no entity any more.
    #[arg(long, requires = "id", conflicts_with = "parent")]
    no_parent: bool,
    /// With --id: it is in no group any more.
    #[arg(long, requires = "id", conflicts_with = "group")]
    no_group: bool,
    /// The body is text, not JSON.
    #[arg(long)]
    text: bool,
    /// Each line of standard input is the body of a new entity.
    #[arg(long, conflicts_with_all = ["id", "second"])]
    lines: bool,
    #[command(flatten)]
    skew: SkewChoice,
    #[command(flatten)]
    sync: sync::After,
}

#[derive(Serialize)]
struct Written {
    id: String,
}

/// Writes it.
pub(crate) async fn run(mut command: Put, choice: &Choice) -> anyhow::Result<Exit> {
    let id = command.id.take();
    let (kind, given) = words(id.is_some(), command.first.take(), command.second.take())?;
    if kind.as_ref().is_some_and(String::is_empty) {
        return Err(usage("the type is empty"));
    }
    if command.lines {
        let kind = kind.ok_or_else(|| usage("TYPE is missing"))?;
        put_lines(&command, &kind, choice)?;
    } else {
        let raw = read(given)?;
        let body = parse(&raw, command.text).map_err(usage)?;
        let mut database = choice.open_to_write()?;
        let eid = match id {
            Some(eid) => replace(&command, &mut database, eid, kind, body)?,
            None => create(&command, &mut database, &kind.ok_or_else(|| usage("TYPE is missing"))?, body)?,
        };
        print(&database, &eid, choice, &mut Lines::stdout())?;
    }
    command.sync.run(choice).await?;
    Ok(Exit::Done)
}

/// Type and body among the words: with an id, a single word is the body.
fn words(
    has_id: bool,
    first: Option<String>,
    second: Option<String>,
) -> anyhow::Result<(Option<String>, Option<String>)> {
    match (has_id, first, second) {
        (true, Some(body), None) => Ok((None, Some(body))),
        (false, None, _) => Err(usage("TYPE is missing: seabag ent put TYPE BODY")),
        (_, kind, body) => Ok((kind, body)),
    }
}

fn create(command: &Put, database: &mut Database, kind: &str, body: Vec<u8>) -> anyhow::Result<Eid> {
    let mut own = [0; 8];
    getrandom::fill(&mut own).map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
    let mut draft = Draft::new(kind, body);
    draft.parent.clone_from(&command.parent);
    draft.group.clone_from(&command.group);
    Ok(database.put_new(own, moment::now_ms(), draft).map_err(explain)?.eid)
}

fn replace(
    command: &Put,
    database: &mut Database,
    eid: Eid,
    kind: Option<String>,
    body: Vec<u8>,
) -> anyhow::Result<Eid> {
    let known = database.get(&eid)?;
    let (old_kind, old_parent, old_group) =
        known.map_or((None, None, None), |ent| (Some(ent.kind), ent.parent, ent.group));
    let kind = kind.or(old_kind).ok_or_else(|| {
        usage(format!(
            "there is no entity {} here: to write it all the same, give its type before the body",
            id::print(&eid)
        ))
    })?;
    let mut draft = Draft::new(kind, body);
    draft.parent = if command.no_parent { None } else { command.parent.clone().or(old_parent) };
    draft.group = if command.no_group { None } else { command.group.clone().or(old_group) };
    Ok(database.put(&eid, moment::now_ms(), draft, command.skew.skew()).map_err(explain)?.eid)
}

fn print(database: &Database, eid: &Eid, choice: &Choice, lines: &mut Lines) -> anyhow::Result<()> {
    match database.get(eid)? {
        Some(ent) if choice.json => lines.write(&EntLine::new(&ent))?,
        // Another device's delete came in between.
        None if choice.json => lines.write(&Written { id: id::print(eid) })?,
        _ => lines.write_raw(format!("{}\n", id::print(eid)).as_bytes())?,
    }
    lines.flush()
}

/// One entity a line. What was written before a line that is no body stays, and the error says how much it is.
fn put_lines(command: &Put, kind: &str, choice: &Choice) -> anyhow::Result<()> {
    let mut database = choice.open_to_write()?;
    let mut lines = Lines::stdout();
    let mut input = std::io::stdin().lock();
    let (mut number, mut written) = (0_u64, 0_u64);
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(BODY_BYTES_MAX).read_until(b'\n', &mut line);
        if read.context("cannot read standard input")? == 0 {
            return Ok(());
        }
        number += 1;
        let failed = |reason: String| anyhow!("line {number}: {reason}; {written} before it are written");
        let line = String::from_utf8(line).map_err(|_| failed("it is not UTF-8".to_owned()))?;
        if line.trim().is_empty() {
            continue;
        }
        let body = parse(&line, command.text).map_err(failed)?;
        let eid = create(command, &mut database, kind, body).map_err(|error| failed(format!("{error:#}")))?;
        print(&database, &eid, choice, &mut lines)?;
        written += 1;
    }
}

/// The text of a body, from where the user has it.
fn read(given: Option<String>) -> anyhow::Result<String> {
    let (input, name): (Box<dyn Read>, String) = match given.as_deref() {
        None | Some("-") => {
            if std::io::stdin().is_terminal() {
                output::note("Reading the body from the keyboard; end it with Enter and Ctrl-D.");
            }
            (Box::new(std::io::stdin().lock()), "standard input".to_owned())
        }
        Some(word) => match word.strip_prefix('@') {
            Some(path) => {
                let file =
                    std::fs::File::open(path).with_context(|| format!("cannot read {}", plain(path)))?;
                (Box::new(file), path.to_owned())
            }
            None => return Ok(word.to_owned()),
        },
    };
    let mut bytes = Vec::new();
    input
        .take(BODY_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", plain(&name)))?;
    if bytes.len() as u64 > BODY_BYTES_MAX {
        return Err(usage(format!("the body is longer than {BODY_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes)
        .map_err(|_| usage("the body is not UTF-8; encode it first, as {\"$bytes\":\"base64\"} for example"))
}

fn parse(raw: &str, text: bool) -> Result<Vec<u8>, String> {
    if text {
        // The newline at the end is the shell's, not the user's.
        let raw = raw.strip_suffix('\n').unwrap_or(raw);
        return body::from_text(raw);
    }
    body::from_json(raw).map_err(|reason| format!("the body is not JSON: {reason}; --text takes it as text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_word_is_the_type_of_a_new_entity_and_the_body_of_an_old_one() {
        let word = |text: &str| Some(text.to_owned());
        assert_eq!(words(false, word("todo"), None).unwrap(), (word("todo"), None));
        assert_eq!(words(false, word("todo"), word("1")).unwrap(), (word("todo"), word("1")));
        assert_eq!(words(true, word("1"), None).unwrap(), (None, word("1")));
        assert_eq!(words(true, word("todo"), word("1")).unwrap(), (word("todo"), word("1")));
        assert_eq!(words(true, None, None).unwrap(), (None, None));
        assert!(words(false, None, None).is_err());
    }

    #[test]
    fn a_body_is_json_unless_it_is_text() {
        assert_eq!(parse(" 1\n", false).unwrap(), [1]);
        assert_eq!(parse("1\n", true).unwrap(), [0xa1, b'1']);
        assert!(parse("milk", false).unwrap_err().contains("--text"));
    }
}
