//! `seabag ent sync`: both ways with every linked host, once or until it is stopped.

use clap::Args;

use super::local::Choice;
use crate::exit::Exit;

/// Whether a command that writes syncs afterwards.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct After {
    /// Sync before ending, for two seconds at most. Without it the change waits for `seabag ent sync`.
    #[arg(long)]
    sync: bool,
}

impl After {
    /// Syncs, if that was asked for.
    pub(crate) async fn run(self, _: &Choice) -> anyhow::Result<()> {
        if self.sync {
            anyhow::bail!("there is no sync yet");
        }
        Ok(())
    }
}

/// A sync beside other work.
pub(crate) struct Background {}

impl Background {
    /// Starts it; `None` when no host is linked.
    pub(crate) async fn start(_: &Choice) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    /// Ends it.
    pub(crate) async fn stop(self) {}
}

/// Syncs once.
pub(crate) async fn once(_: &Choice, _: Option<&str>) -> anyhow::Result<Exit> {
    anyhow::bail!("there is no sync yet")
}
