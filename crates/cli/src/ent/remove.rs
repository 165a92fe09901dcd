//! `seabag ent rm`: ends entities.

use clap::Args;
use seabag_protocol::host::eid::Eid;

use super::local::{Choice, SkewChoice, explain};
use super::{id, moment, sync};
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Delete entities.
#[derive(Debug, Args)]
#[command(after_help = "\
On every device, once it has synced. What belongs to a deleted entity stays. Where a type keeps every message (see \
`seabag ent keep`), `seabag ent undo` brings an entity back.

Prints the ids that were deleted.

Example:
  seabag ent rm CGuWJ3mYxPqz0IfDxpsz")]
pub(crate) struct Remove {
    /// Their ids.
    #[arg(value_name = "ID", required = true, value_parser = id::parse)]
    ids: Vec<Eid>,
    #[command(flatten)]
    skew: SkewChoice,
    #[command(flatten)]
    sync: sync::After,
}

#[derive(serde::Serialize)]
struct Removed {
    id: String,
    deleted: u64,
}

/// Deletes them. It fails when one is not there, after deleting the others.
pub(crate) async fn run(command: Remove, choice: &Choice) -> anyhow::Result<Exit> {
    let mut database = choice.open_to_write()?;
    let mut lines = Lines::stdout();
    let mut exit = Exit::Done;
    for eid in &command.ids {
        let now_ms = moment::now_ms();
        match database.delete(eid, now_ms, command.skew.skew()).map_err(explain)? {
            Some(head) if choice.json => {
                let deleted = head.time_ms().unwrap_or(now_ms);
                lines.write(&Removed { id: id::print(eid), deleted })?;
            }
            Some(_) => lines.write_raw(format!("{}\n", id::print(eid)).as_bytes())?,
            None => {
                output::error(&format!("there is no entity {}", id::print(eid)));
                exit = Exit::Failure;
            }
        }
        lines.flush()?;
    }
    drop(database);
    command.sync.run(choice).await?;
    Ok(exit)
}
