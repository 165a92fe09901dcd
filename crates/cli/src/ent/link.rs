//! `seabag ent link` and `unlink`: which hosts carry this database's entities.

use std::path::PathBuf;

use clap::Args;
use seabag_client::host::address::HostAddress;
use seabag_entdb::{Database, LABEL_BYTES_MAX, Link as Linked, LinkSettings};

use super::local::Choice;
use super::table::plain;
use super::{sync, tokens};
use crate::exit::{Exit, usage};
use crate::keys::LABEL_DEFAULT;
use crate::output;
use crate::settings::read_secret;

/// Link a host.
#[derive(Debug, Args)]
#[command(after_help = "\
Registers an account at the host, whose key follows from your seed, the label and the index, and syncs once. Use the \
same label on every device: another label is another account. The host learns neither the label nor the seed, and \
cannot read what it carries. A second host needs a label of its own.

When the host cannot be reached the link is kept, and `seabag ent sync` tries again.

Examples:
  seabag ent link https://host.example.org
  seabag ent link https://host.example.org --token-file token.txt
  seabag ent link http://192.168.0.2:8080 --label home")]
pub(crate) struct Link {
    /// The host: the root of its address, with http:// or https://.
    url: String,
    /// The label of the account, and the name of the link on this device.
    #[arg(long, default_value = LABEL_DEFAULT)]
    label: String,
    /// The index of the account, for several accounts under one label.
    #[arg(long, value_name = "N", default_value_t = 0)]
    index: u64,
    /// File with the token that the host asks for, or the variable SEABAG_REGISTRATION_TOKEN. It is kept, since a host
    /// that was wiped asks again.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Forget a host. Entities stay, here and there.
#[derive(Debug, Args)]
#[command(after_help = "\
The account stays at the host with all that it holds: `seabag ent delete-account` removes it, before or instead.

Example:
  seabag ent unlink main")]
pub(crate) struct Unlink {
    /// The link's label.
    label: String,
}

/// Links a host.
pub(crate) async fn link(command: Link, choice: &Choice) -> anyhow::Result<Exit> {
    let address = HostAddress::parse(&command.url).map_err(|error| usage(error.to_string()))?;
    if !(1..=LABEL_BYTES_MAX).contains(&command.label.len()) {
        return Err(usage(format!("a label has 1 to {LABEL_BYTES_MAX} bytes")));
    }
    let (mut database, _) = choice.open_with_seed()?;
    let origin = address.origin();
    let token = match &command.token_file {
        Some(path) => Some(read_secret(path)?),
        None => std::env::var("SEABAG_REGISTRATION_TOKEN").ok().filter(|token| !token.is_empty()),
    };
    let known = database.links()?.into_iter().find(|link| link.settings.label == command.label);
    match known {
        Some(link) if link.settings.url == origin && link.settings.index == command.index => {
            // Again, after the host was away or refused: the same command is the way to go on.
        }
        Some(link) => {
            return Err(usage(format!(
                "{} is linked to {} already: `--label NAME` links another host beside it, `seabag ent unlink {}` \
                 makes room",
                plain(&command.label),
                link.settings.url,
                plain(&command.label)
            )));
        }
        None => {
            let settings =
                LinkSettings { label: command.label.clone(), url: origin.clone(), index: command.index };
            database.add_link(settings)?;
        }
    }
    // Kept for a host that is linked, and for no other.
    if let Some(token) = &token {
        tokens::keep(&origin, token)?;
    }
    if address.is_exposed() {
        output::warning(
            "the connection is not encrypted: entities stay sealed, but who reads along sees when and how much you \
             write, and can act as you towards the host for a minute; https:// prevents it",
        );
    }
    drop(database);
    sync::once(choice).await
}

/// Forgets a link.
pub(crate) fn unlink(command: Unlink, choice: &Choice) -> anyhow::Result<Exit> {
    let mut database = choice.open()?;
    let link = find(&database, &command.label)?;
    let waiting = database.waiting(link.id)?;
    forget(&mut database, &link)?;
    if waiting > 0 {
        output::warning(&format!("{waiting} changes had not reached {}", link.settings.url));
    }
    output::note(&format!(
        "{} is unlinked. The account stays at {}; all entities stay here.",
        plain(&command.label),
        link.settings.url
    ));
    Ok(Exit::Done)
}

/// Forgets a link, and the token of its host if no other link is with it.
pub(crate) fn forget(database: &mut Database, link: &Linked) -> anyhow::Result<()> {
    database.remove_link(link.id)?;
    if !database.links()?.iter().any(|other| other.settings.url == link.settings.url) {
        tokens::forget(&link.settings.url)?;
    }
    Ok(())
}

/// The link of this label.
pub(crate) fn find(database: &Database, label: &str) -> anyhow::Result<Linked> {
    let links = database.links()?;
    let known: Vec<String> = links.iter().map(|link| plain(&link.settings.label)).collect();
    links.into_iter().find(|link| link.settings.label == label).ok_or_else(|| match known.as_slice() {
        [] => none(),
        _ => usage(format!("there is no link {}; there are: {}", plain(label), known.join(", "))),
    })
}

/// What to say where a link is needed and there is none.
pub(crate) fn none() -> anyhow::Error {
    usage("no host is linked: `seabag ent link URL` links one")
}
