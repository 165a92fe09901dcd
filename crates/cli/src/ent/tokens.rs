//! Tokens that hosts ask for before they register an account: one a host, in `tokens.toml`, for its owner alone. A
//! host that was wiped asks again, so they are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;

use crate::exit::usage;
use crate::place;

/// The file's opening line.
const OPENING: &str = "# Registration tokens by host. They are secrets.\n\n";

/// The tokens that are kept, by the origins of their hosts.
pub(crate) fn all() -> anyhow::Result<BTreeMap<String, String>> {
    read()
}

/// Keeps the token for the host at this origin.
pub(crate) fn keep(origin: &str, token: &str) -> anyhow::Result<()> {
    change(|tokens| tokens.insert(origin.to_owned(), token.to_owned()) != Some(token.to_owned()))
}

/// Forgets the token for the host at this origin.
pub(crate) fn forget(origin: &str) -> anyhow::Result<()> {
    change(|tokens| tokens.remove(origin).is_some())
}

fn path() -> anyhow::Result<PathBuf> {
    Ok(place::configuration()?.join("tokens.toml"))
}

fn read() -> anyhow::Result<BTreeMap<String, String>> {
    let path = path()?;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display())));
        }
    };
    // The parser's own message would quote a line, and with it a token.
    toml::from_str(&text).map_err(|_| usage(format!("{} is damaged: it is host = \"token\"", path.display())))
}

/// Writes the file again when `edit` says that something changed.
fn change(edit: impl FnOnce(&mut BTreeMap<String, String>) -> bool) -> anyhow::Result<()> {
    let directory = place::configuration()?;
    let _guard = place::lock(&directory, "tokens.lock")?;
    let mut tokens = read()?;
    if !edit(&mut tokens) {
        return Ok(());
    }
    let text = format!("{OPENING}{}", toml::to_string(&tokens).context("cannot write the tokens")?);
    place::replace_private_file(&path()?, text.as_bytes())
}
