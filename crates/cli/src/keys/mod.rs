//! `seabag keys`: the seed, a person's one secret. One file a command.

mod new;
pub(crate) mod seed_file;
mod show;
mod words;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use seed_file::SeedChoice;

/// The label of an account unless another is named. Every device of a person must use the same one.
pub(crate) const LABEL_DEFAULT: &str = "main";

/// Make a seed, bring one over, look at what follows from it.
#[derive(Debug, Args)]
#[command(after_help = "\
A seed is 32 random bytes from which every key follows: whoever has it can read and change all of your entities, and \
without it nobody can, you included. It is kept in a file that only you can read. As 24 words it fits on paper.

A seed is never an argument, which other users of the machine could see.

Examples:
  seabag keys new                  a seed for this person, on their first device
  seabag keys words                the 24 words, to write down
  seabag keys new --from-words     the same seed on the next device
  seabag keys show                 what may be told to others")]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
    #[command(flatten)]
    seed: SeedChoice,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a seed, or bring one over by its words.
    New(new::New),
    /// Show the account and the fingerprint that follow from the seed.
    Show(show::Show),
    /// Show the seed as 24 words, to write down.
    Words(words::Words),
}

/// Runs one of the commands.
pub(crate) fn run(keys: Keys) -> anyhow::Result<Exit> {
    match keys.command {
        KeysCommand::New(command) => new::run(command, &keys.seed),
        KeysCommand::Show(command) => show::run(command, &keys.seed),
        KeysCommand::Words(command) => words::run(command, &keys.seed),
    }
}
