//! `seabag room get`: one stream's entries, page by page.

use clap::Args;

use super::choice::RoomChoice;
use super::page::{Pages, cursor_at};
use crate::client::http::Http;
use crate::exit::Exit;
use crate::output::{self, EntryLine, Lines};

/// Read a stream.
#[derive(Debug, Args)]
#[command(override_usage = "seabag room get [OPTIONS] [ROOM] <KEY>", after_help = "\
One JSON object a line: {\"key\",\"value\",\"seq\"}. A key that holds nothing prints nothing.

Examples:
  seabag room get build log
  seabag room get build log --after 120
  seabag room get build log | jq -r .value")]
pub(crate) struct Get {
    /// The room's alias, unless --room or SEABAG_ROOM names it; then the stream's key.
    #[arg(value_name = "ROOM> <KEY", num_args = 0..)]
    words: Vec<String>,
    #[command(flatten)]
    room: RoomChoice,
    /// Only entries above this number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

/// Prints the stream.
pub(crate) async fn run(command: Get) -> anyhow::Result<Exit> {
    let (chosen, mut words) = command.room.resolve(command.words, &["KEY"], &[])?;
    let key = words.required("KEY")?;
    let http = Http::new()?;
    let since = cursor_at(&http, &chosen.link, command.after).await?;
    let mut pages = Pages::new(http, &chosen.link, Some(key), &since);
    let mut lines = Lines::stdout();
    while let Some(page) = pages.next().await? {
        if let Some(reason) = &page.reset {
            output::warning(&format!("the room has another history now ({reason}): this is all of the stream"));
        }
        for entry in &page.data {
            lines.write(&EntryLine { key: &entry.key, value: &entry.value, seq: entry.seq })?;
        }
        lines.flush()?;
    }
    Ok(Exit::Done)
}
