//! `seabag ent delete-account`: removes an account from its host, with everything that the host keeps of it.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use super::local::Choice;
use super::table::plain;
use super::{link, sync};
use crate::exit::{Exit, usage};
use crate::output;

/// Remove an account from its host, with everything in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything stays on this device and on the others, and the link is forgotten here. Another device that is still linked \
registers anew when it syncs, and uploads what it has: unlink it first.

Example:
  seabag ent delete-account main")]
pub(crate) struct DeleteAccount {
    /// The link's label.
    label: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Removes it.
pub(crate) async fn run(command: DeleteAccount, choice: &Choice) -> anyhow::Result<Exit> {
    let found = link::find(&choice.open()?, &command.label)?;
    if !command.yes {
        confirm(&command.label, &found.settings.url)?;
    }
    if let Err(error) = sync::delete_account(choice, found.id).await {
        let url = &found.settings.url;
        return Err(error.context(format!("the account was not removed from {url}, and the link is kept")));
    }
    link::forget(&mut choice.open()?, &found)?;
    output::note(&format!(
        "The account is removed from {}, and {} is unlinked. All entities stay here.",
        found.settings.url,
        plain(&command.label)
    ));
    Ok(Exit::Done)
}

fn confirm(label: &str, url: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(usage("deleting an account needs --yes when nobody can be asked"));
    }
    output::note(&format!(
        "This removes everything that {url} keeps of the account {}. Type the label to go on:",
        plain(label)
    ));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == label { Ok(()) } else { Err(usage("nothing was deleted")) }
}
