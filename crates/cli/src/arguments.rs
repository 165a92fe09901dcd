//! The command line as a whole. Each command's own arguments stand beside the command.

use clap::{Parser, Subcommand};

use crate::exit::EXIT_CODES;
use crate::{admin, bench, ent, health, keys, room, serve};

const EXAMPLES: &str = "\
Examples:
  seabag serve                                   a server on 127.0.0.1:8080, data in ./seabag-data
  seabag room new --as build                     a new room, known here as `build`
  make 2>&1 | seabag room push build log --lines every line of output, as it comes
  seabag room tail build --all                   everything in the room, then what comes

A room's id is a secret: who has it can read and write the room. So it is never an argument, which \
other users of the machine could see. Rooms are named by aliases, kept in a file that only you can read.";

/// Real-time rooms on your own server: keyed, ordered streams with replays and compaction.
#[derive(Debug, Parser)]
#[command(name = "seabag", version, propagate_version = true, after_help = EXAMPLES)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"), disable_help_subcommand = false)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server.
    Serve(Box<serve::Serve>),
    /// Ask a server whether it is ready: exit code 0 if it is, 1 if not.
    Health(health::Health),
    /// Create rooms, write to them, read and follow them.
    Room(room::Room),
    /// Keep entities on this device, and sync them with your others.
    Ent(ent::Ent),
    /// Make a seed, bring one over, look at what follows from it.
    Keys(keys::Keys),
    /// Look after a server: backup, restore, check, numbers.
    Admin(admin::Admin),
    /// Measure a server.
    Bench(bench::Bench),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
