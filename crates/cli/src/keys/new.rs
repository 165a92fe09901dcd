//! `seabag keys new`: a seed from the system's random source, or from the words of another device.

use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_crypto::{Seed, phrase};
use serde::Serialize;
use zeroize::Zeroizing;

use super::seed_file::{self, SEED_VARIABLE, SeedChoice, SeedPlace};
use crate::exit::{Exit, usage};
use crate::output;

/// Make a seed, or bring one over by its words.
#[derive(Debug, Args)]
#[command(after_help = "\
A file that is there is never overwritten.

With --from-words the 24 words (or 64 hexadecimal digits) are asked for and not shown, or come from standard input.

Examples:
  seabag keys new
  seabag keys new --from-words
  ssh laptop seabag keys words | seabag keys new --from-words")]
pub(crate) struct New {
    /// Read the seed that another device has, instead of making one.
    #[arg(long)]
    from_words: bool,
    /// Tell where the seed is as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    path: &'a str,
    fingerprint: &'a str,
}

/// Writes a seed's file.
pub(crate) fn run(command: New, choice: &SeedChoice) -> anyhow::Result<Exit> {
    let path = choice.file()?;
    seed_file::check_free(&path)?;
    let seed = if command.from_words { ask()? } else { random()? };
    seed_file::write(&path, &seed)?;
    let (path, fingerprint) = (path.display().to_string(), seed_file::fingerprint(&seed));
    if command.json {
        output::print(&Made { path: &path, fingerprint: &fingerprint })?;
    } else {
        output::note(&format!("The seed is in {path}, which only you can read. Fingerprint: {fingerprint}"));
    }
    if !command.from_words {
        output::note(
            "Nobody can restore it: write down the 24 words that `seabag keys words` shows, and keep them safe.",
        );
    }
    if choice.place()? == SeedPlace::Variable {
        output::warning(&format!("{SEED_VARIABLE} is set and goes before this file"));
    }
    Ok(Exit::Done)
}

fn random() -> anyhow::Result<Seed> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
    Ok(Seed::from_bytes(&bytes))
}

fn ask() -> anyhow::Result<Seed> {
    let text = if std::io::stdin().is_terminal() {
        output::note("Type or paste the 24 words, then Enter. They are not shown.");
        Zeroizing::new(console::Term::stderr().read_secure_line().context("cannot read the words")?)
    } else {
        seed_file::read_text(std::io::stdin().lock()).context("cannot read the words")?
    };
    phrase::parse(&text).map_err(|error| usage(format!("these are not the words of a seed: {error}")))
}
