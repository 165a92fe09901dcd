//! `seabag ent sync`: both ways with every linked host, once or until it is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use parking_lot::Mutex;
use seabag_client::host::driver::RegistrationToken;
use seabag_client::host::report::Report;
use seabag_client::{Engine, EngineOptions};
use seabag_entdb::LinkId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::local::Choice;
use super::report::{self, LinkTally, ReportLine};
use super::table::plain;
use super::{link, moment, tokens};
use crate::exit::Exit;
use crate::output::{self, Lines};
use crate::settings::units::parse_milliseconds;

/// How long `--sync` waits for the hosts.
const AFTER_WRITE_MAX: Duration = Duration::from_secs(2);
/// How long a host may take to remove an account.
const DELETE_MAX: Duration = Duration::from_secs(60);

/// Bring this device and its hosts together.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --follow it ends when every host was dealt with: one that cannot be reached holds up no other, and makes the \
exit code 1.

With --follow it goes on until Ctrl-C: what comes to a host is here within moments, and what is written here goes \
up; lost connections come back by themselves. One such process a device is enough.

--audit reads everything that the hosts have, and uploads again what is damaged or missing there.

Examples:
  seabag ent sync
  seabag ent sync --follow
  seabag ent sync --audit --json")]
pub(crate) struct Sync {
    /// Go on until it is stopped.
    #[arg(long)]
    follow: bool,
    /// Look at everything that the hosts have, and mend it.
    #[arg(long)]
    audit: bool,
    /// With --follow: wait at most so long before filling a host that was wiped or went back to a backup. Each device
    /// waits a random part of it, so that of many one comes first and the others find little left to do.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_milliseconds, requires = "follow")]
    fill_wait: u64,
}

/// Syncs.
pub(crate) async fn run(command: Sync, choice: &Choice) -> anyhow::Result<Exit> {
    let syncing = Syncing::start(choice, command.pace()).await?;
    if command.audit {
        for link in syncing.labels.keys() {
            syncing.engine.audit(*link).await?;
        }
    }
    if command.follow {
        return syncing.follow(choice.json).await;
    }
    tokio::select! {
        () = syncing.settle() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    syncing.tell(choice.json).await
}

/// Syncs once, and tells what came of it.
pub(crate) async fn once(choice: &Choice) -> anyhow::Result<Exit> {
    let syncing = Syncing::start(choice, Pace::Once).await?;
    syncing.settle().await;
    syncing.tell(choice.json).await
}

/// Removes the account of a link from its host.
pub(crate) async fn delete_account(choice: &Choice, link: LinkId) -> anyhow::Result<()> {
    let syncing = Syncing::start(choice, Pace::Once).await?;
    let mut reports = syncing.engine.reports();
    syncing.engine.delete_account(link).await?;
    let answer = async {
        loop {
            match reports.recv().await {
                Ok((from, Report::AccountDeleted)) if from == link => return Ok(()),
                Ok((from, Report::Trouble { text, .. })) if from == link => return Err(anyhow!(text)),
                Err(RecvError::Closed) => return Err(anyhow!("the sync has ended")),
                _ => {}
            }
        }
    };
    timeout(DELETE_MAX, answer).await.unwrap_or_else(|_| Err(anyhow!("the host does not answer")))
}

/// How long a sync goes on.
#[derive(Clone, Copy)]
enum Pace {
    /// Until both sides were brought together once.
    Once,
    /// Until it is stopped.
    Live {
        /// See [`EngineOptions::fill_wait_max`].
        fill_wait_max: Option<Duration>,
    },
}

impl Sync {
    fn pace(&self) -> Pace {
        match self.follow {
            true => Pace::Live { fill_wait_max: Some(Duration::from_millis(self.fill_wait)) },
            false => Pace::Once,
        }
    }
}

/// A sync that runs.
struct Syncing {
    engine: Engine,
    /// The links that it began with.
    labels: BTreeMap<LinkId, String>,
}

impl Syncing {
    /// Starts. An error when no host is linked.
    async fn start(choice: &Choice, pace: Pace) -> anyhow::Result<Self> {
        let (database, seed) = choice.open_with_seed()?;
        let links = database.links()?;
        if links.is_empty() {
            return Err(link::none());
        }
        let labels = links.into_iter().map(|link| (link.id, link.settings.label)).collect();
        let token = |(origin, token): (String, String)| (origin, RegistrationToken::new(token));
        let tokens = tokens::all()?.into_iter().map(token).collect();
        let options = match pace {
            Pace::Once => EngineOptions { tokens, once: true, fill_wait_max: None },
            Pace::Live { fill_wait_max } => EngineOptions { tokens, once: false, fill_wait_max },
        };
        let engine = Engine::start(Arc::new(Mutex::new(database)), Arc::new(seed), options).await?;
        // A person or a service manager started it: there is no reason to wait for the time of the next try.
        engine.online().await;
        Ok(Self { engine, labels })
    }

    fn label(&self, link: LinkId) -> String {
        // One that was linked by another command meanwhile has no name here yet.
        self.labels.get(&link).cloned().unwrap_or_else(|| format!("link {link}"))
    }

    /// Waits until every link is in sync or in trouble. What people should know at once is told.
    async fn settle(&self) {
        let mut reports = self.engine.reports();
        let listen = async {
            while let Some((link, report)) = next(&mut reports).await {
                report::tell(&self.label(link), &report);
            }
        };
        tokio::select! {
            () = self.engine.settled() => {}
            () = listen => {}
        }
        while let Ok((link, report)) = reports.try_recv() {
            report::tell(&self.label(link), &report);
        }
    }

    async fn tallies(&self) -> anyhow::Result<Vec<LinkTally>> {
        let status = self.engine.status().await?;
        let tally = |(link, activity): (&LinkId, _)| LinkTally::new(&self.label(*link), activity);
        Ok(status.activity.iter().map(tally).collect())
    }

    /// What came of each link. A failure when one of them is not in sync.
    async fn tell(&self, json: bool) -> anyhow::Result<Exit> {
        let mut lines = Lines::stdout();
        let mut exit = Exit::Done;
        for tally in self.tallies().await? {
            if json {
                lines.write(&tally)?;
            } else if tally.is_good() {
                output::note(&tally.words());
            }
            if !tally.is_good() {
                output::error(&tally.words());
                exit = Exit::Failure;
            }
        }
        lines.flush()?;
        Ok(exit)
    }

    /// Tells of everything as it happens, until it is stopped.
    async fn follow(&self, json: bool) -> anyhow::Result<Exit> {
        let mut reports = self.engine.reports();
        let mut lines = Lines::stdout();
        // Whether each link was last said to be in sync.
        let mut good: BTreeMap<LinkId, bool> = BTreeMap::new();
        let listen = async {
            while let Some((link, report)) = next(&mut reports).await {
                let label = self.label(link);
                report::tell(&label, &report);
                if json {
                    lines.write(&ReportLine::new(&label, &report))?;
                    lines.flush()?;
                    continue;
                }
                let at = format!("{}  {}", moment::print(moment::now_ms()), plain(&label));
                match report {
                    Report::InSync if good.insert(link, true) != Some(true) => {
                        output::note(&format!("{at}: in sync"));
                    }
                    Report::Trouble { text, .. } if good.insert(link, false) != Some(false) => {
                        output::warning(&format!("{at}: {}", plain(&text)));
                    }
                    _ => {}
                }
            }
            anyhow::Ok(())
        };
        tokio::select! {
            outcome = listen => outcome?,
            _ = tokio::signal::ctrl_c() => {}
        }
        self.engine.stop().await;
        Ok(Exit::Done)
    }
}

/// The next report; `None` at the end. Those that were missed are counted in the status all the same.
async fn next(reports: &mut broadcast::Receiver<(LinkId, Report)>) -> Option<(LinkId, Report)> {
    loop {
        match reports.recv().await {
            Ok(report) => return Some(report),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// Whether a command that writes syncs afterwards.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct After {
    /// Sync before ending, for two seconds at most. Without it the change waits for `seabag ent sync`.
    #[arg(long)]
    sync: bool,
}

impl After {
    /// Syncs, if that was asked for. What goes wrong is told and is no failure: what was written is saved.
    pub(crate) async fn run(self, choice: &Choice) -> anyhow::Result<()> {
        if self.sync
            && let Err(error) = try_sync(choice).await
        {
            output::warning(&format!("saved here, and not synced: {error:#}"));
        }
        Ok(())
    }
}

async fn try_sync(choice: &Choice) -> anyhow::Result<()> {
    let syncing = Syncing::start(choice, Pace::Once).await?;
    // Whoever is not in sync by then goes on with the next sync.
    let _ = timeout(AFTER_WRITE_MAX, syncing.settle()).await;
    for tally in syncing.tallies().await?.iter().filter(|tally| !tally.is_good()) {
        output::warning(&format!("saved here; {}", tally.words()));
    }
    Ok(())
}

/// A sync beside other work. Dropped, it ends.
pub(crate) struct Background {
    task: JoinHandle<()>,
}

impl Background {
    /// Starts it; `None` when no host is linked.
    pub(crate) async fn start(choice: &Choice) -> anyhow::Result<Option<Self>> {
        if choice.open()?.links()?.is_empty() {
            return Ok(None);
        }
        let syncing = Syncing::start(choice, Pace::Live { fill_wait_max: None }).await?;
        let task = tokio::spawn(async move {
            let mut reports = syncing.engine.reports();
            while let Some((link, report)) = next(&mut reports).await {
                report::tell(&syncing.label(link), &report);
            }
        });
        Ok(Some(Self { task }))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.task.abort();
    }
}
