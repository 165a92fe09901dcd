//! `seabag keys words`: the seed as people write it down.

use std::io::IsTerminal;

use clap::Args;
use seabag_crypto::phrase;
use zeroize::Zeroizing;

use super::seed_file::SeedChoice;
use crate::exit::Exit;
use crate::output::{self, Lines};

/// Words in a line on a terminal.
const WORDS_A_LINE: usize = 6;

/// Show the seed as 24 words, to write down.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal they are numbered, six a line; elsewhere they are one line. The same words with `seabag keys new \
--from-words` give the same seed on another device.")]
pub(crate) struct Words {}

/// Shows the words.
pub(crate) fn run(_: Words, choice: &SeedChoice) -> anyhow::Result<Exit> {
    let phrase = phrase::reveal_words(&choice.require()?);
    let mut lines = Lines::stdout();
    if !std::io::stdout().is_terminal() {
        lines.write_raw(phrase.as_bytes())?;
        lines.write_raw(b"\n")?;
        lines.flush()?;
        return Ok(Exit::Done);
    }
    output::note(
        "Whoever has these words can read and change everything. Write them on paper, not into a file.",
    );
    let words: Vec<&str> = phrase.split(' ').collect();
    for (row, group) in words.chunks(WORDS_A_LINE).enumerate() {
        for (column, word) in group.iter().enumerate() {
            let number = row * WORDS_A_LINE + column + 1;
            let cell = Zeroizing::new(format!("{number:2} {word:9} "));
            lines.write_raw(cell.as_bytes())?;
        }
        lines.write_raw(b"\n")?;
    }
    lines.flush()?;
    Ok(Exit::Done)
}
