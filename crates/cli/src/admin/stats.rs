//! `seabag admin stats`: the server's numbers, for people or as JSON.

use anyhow::Context;
use clap::Args;
use reqwest::Method;

use super::address::AdminAddress;
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Show the server's numbers.
#[derive(Debug, Args)]
#[command(after_help = "\
Numbers since the start of the server, and sizes now. Metrics for a monitoring system are at {admin}/metrics.

Examples:
  seabag admin stats
  seabag admin stats --json | jq .connections")]
pub(crate) struct Stats {
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    address: AdminAddress,
}

/// Prints the numbers.
pub(crate) async fn run(command: Stats) -> anyhow::Result<Exit> {
    let keeper = command.address.open()?;
    let text = keeper.http.text_retried(|| keeper.request(Method::GET, "/stats")).await?;
    let numbers: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).context("the server's numbers cannot be read")?;
    if command.json {
        output::print(&numbers)?;
        return Ok(Exit::Done);
    }
    let width = numbers.keys().map(String::len).max().unwrap_or(0);
    let mut lines = Lines::stdout();
    for (name, value) in &numbers {
        lines.write_raw(format!("{:width$}  {value:>16}\n", name.replace('_', " ")).as_bytes())?;
    }
    lines.flush()?;
    Ok(Exit::Done)
}
