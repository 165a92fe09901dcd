//! The database of this device: where it is, and whose.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_crypto::Seed;
use seabag_entdb::{Database, Error, Skew};

use super::owner;
use crate::keys::seed_file::SeedChoice;
use crate::place;

/// What every command of entities takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Choice {
    /// The database. Without it: `ents.db` among this user's data.
    #[arg(long, value_name = "FILE", env = "SEABAG_DATABASE", global = true)]
    database: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) seed: SeedChoice,
    /// One JSON object a line, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Choice {
    /// Where the database is.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.database {
            Some(path) => Ok(path.clone()),
            None => Ok(place::data()?.join("ents.db")),
        }
    }

    /// Opens the database, and makes it if it is not there.
    pub(crate) fn open(&self) -> anyhow::Result<Database> {
        let path = self.path()?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(directory) = directory {
            place::create_private_directory(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        Database::open(&path).map_err(|error| explain_open(&path, error))
    }

    /// Opens the database to write to it. When there is a seed, the database must be its; without one, this device
    /// writes for itself until it is linked.
    pub(crate) fn open_to_write(&self) -> anyhow::Result<Database> {
        let seed = self.seed.find()?;
        let mut database = self.open()?;
        if let Some(seed) = seed {
            owner::claim(&mut database, &self.path()?, &seed)?;
        }
        Ok(database)
    }

    /// Opens the database together with its seed, which must be there.
    pub(crate) fn open_with_seed(&self) -> anyhow::Result<(Database, Seed)> {
        let seed = self.seed.require()?;
        let mut database = self.open()?;
        owner::claim(&mut database, &self.path()?, &seed)?;
        Ok((database, seed))
    }
}

fn explain_open(path: &Path, error: Error) -> anyhow::Error {
    match error {
        Error::NotOurs => anyhow!(
            "{} is something else than a database of entities: --database FILE or SEABAG_DATABASE names another place",
            path.display()
        ),
        error => anyhow::Error::new(error).context(format!("cannot open {}", path.display())),
    }
}

/// What to do when a clock ahead of ours wrote an entity: `--fail-on-skew` refuses.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct SkewChoice {
    /// Refuse when another device, whose clock is ahead, has written the entity later than now. Without it the write
    /// gets a time right after that one.
    #[arg(long)]
    fail_on_skew: bool,
}

impl SkewChoice {
    /// As the database takes it.
    pub(crate) fn skew(self) -> Skew {
        if self.fail_on_skew { Skew::Fail } else { Skew::Force }
    }
}

/// A database's error with what the user can do about it.
pub(crate) fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::ClockOutOfSync { .. } => {
            anyhow!("{error}; check this device's clock, or write without --fail-on-skew")
        }
        Error::NothingToUndo => {
            anyhow!("{error}. `seabag ent keep TYPE all` keeps every message of a type from then on")
        }
        Error::InvalidCursor => {
            crate::exit::usage(format!("{error}: --after takes what `ls --limit` showed"))
        }
        error => error.into(),
    }
}
