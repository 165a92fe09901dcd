//! How an entity is shown: as an object to programs, as a row or a page to people.

use seabag_entdb::Ent;
use serde::Serialize;

use super::body::Json;
use super::table::{Table, plain};
use super::{id, moment};
use crate::output::Lines;

/// Spaces before each line of a body below the first.
const INDENT: &str = "         ";

/// An entity as one line of JSON.
#[derive(Serialize)]
pub(crate) struct EntLine<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    created: u64,
    updated: u64,
    counter: u64,
    body: Json<'a>,
}

impl<'a> EntLine<'a> {
    /// Of this entity.
    pub(crate) fn new(ent: &'a Ent) -> Self {
        Self {
            id: id::print(&ent.eid),
            kind: &ent.kind,
            parent: ent.parent.as_ref().map(id::print),
            group: ent.group.as_deref(),
            created: ent.created_ms,
            updated: ent.updated_ms,
            counter: ent.counter,
            body: Json(&ent.body),
        }
    }
}

/// A table of entities, a page at a time.
pub(crate) struct EntTable {
    table: Table,
    now_ms: u64,
}

impl EntTable {
    /// An empty one. Only the first of several that follow each other has a heading.
    pub(crate) fn new(heading: bool) -> Self {
        let table = Table::new(&["ID", "UPDATED", "TYPE", "GROUP", "BODY"]).with_heading(heading);
        Self { table, now_ms: moment::now_ms() }
    }

    /// Adds an entity.
    pub(crate) fn row(&mut self, ent: &Ent) {
        self.table.row(vec![
            id::print(&ent.eid),
            moment::age(ent.updated_ms, self.now_ms),
            ent.kind.clone(),
            ent.group.clone().unwrap_or_default(),
            Json(&ent.body).to_string(),
        ]);
    }

    /// Writes it.
    pub(crate) fn write(self, lines: &mut Lines) -> anyhow::Result<()> {
        self.table.write(lines)
    }
}

/// An entity with all that is known of it, a line each. `stored`: which links' hosts have it.
pub(crate) fn page(ent: &Ent, stored: &str) -> String {
    let now = moment::now_ms();
    let time = |time_ms| format!("{} ({})", moment::print(time_ms), moment::age(time_ms, now));
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:7}  {value}\n"));
    line("id", &id::print(&ent.eid));
    line("type", &plain(&ent.kind));
    if let Some(parent) = &ent.parent {
        line("parent", &id::print(parent));
    }
    if let Some(group) = &ent.group {
        line("group", &plain(group));
    }
    line("created", &time(ent.created_ms));
    line("updated", &time(ent.updated_ms));
    line("stored", stored);
    let body = format!("{:#}", Json(&ent.body));
    let body: Vec<String> = body.lines().map(plain).collect();
    line("body", &body.join(&format!("\n{INDENT}")));
    out
}
