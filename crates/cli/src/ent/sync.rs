//! `seabag ent sync`: both ways with every linked host, once or until it is stopped.

use clap::Args;

use super::local::Choice;

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
