//! `seabag ent sync`: both ways with every linked host, once or until it is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use parking_lot::Mutex;
use seabag_client::host::event::Event;
use seabag_crypto::Seed;
use seabag_entdb::{Database, Link};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::engine::{Engine, Pace, Teller, Told};
use super::local::Choice;
use super::report::{self, ReportLine, Tally};
use super::{link, moment};
use crate::exit::Exit;
use crate::output::{self, Lines};
use crate::settings::units::parse_milliseconds;

/// How long `--sync` waits for the hosts.
const AFTER_WRITE_MAX: Duration = Duration::from_secs(2);
/// How often a sync that goes on asks the database whether another program wrote to it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bring this device and its hosts together.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --follow it ends when every host was dealt with: one that cannot be reached holds up no other, and makes the \
exit code 1.

With --follow it goes on until Ctrl-C: what comes to a host shows here within moments, and what is written here goes \
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
    let place = Place::open(choice)?;
    if place.links.is_empty() {
        return Err(link::none());
    }
    let mut engine = place.start(command.pace())?;
    if command.audit {
        engine.teller().tell(&Event::Audit).await;
    }
    if command.follow {
        return follow(&mut engine, &place, choice.json).await;
    }
    let mut tallies = place.tallies();
    tokio::select! {
        () = settle(&mut engine, &mut tallies, Tally::is_settled) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tell_all(&tallies, choice.json)
}

impl Sync {
    fn pace(&self) -> Pace {
        if self.follow { Pace::Live { fill_wait_ms_max: self.fill_wait } } else { Pace::Once }
    }
}

/// A database, its seed, and the links that are meant.
struct Place {
    database: Arc<Mutex<Database>>,
    seed: Arc<Seed>,
    links: Vec<Link>,
}

impl Place {
    fn open(choice: &Choice) -> anyhow::Result<Self> {
        let (database, seed) = choice.open_with_seed()?;
        let links = database.links()?;
        Ok(Self { database: Arc::new(Mutex::new(database)), seed: Arc::new(seed), links })
    }

    fn only(mut self, label: &str) -> Self {
        self.links.retain(|link| link.settings.label == label);
        self
    }

    fn start(&self, pace: Pace) -> anyhow::Result<Engine> {
        Engine::start(&self.database, &self.seed, self.links.clone(), pace)
    }

    fn tallies(&self) -> BTreeMap<String, Tally> {
        let tally = |link: &Link| (link.settings.label.clone(), Tally::new(&link.settings.label));
        self.links.iter().map(tally).collect()
    }
}

/// Listens until every link is done.
async fn settle(engine: &mut Engine, tallies: &mut BTreeMap<String, Tally>, done: impl Fn(&Tally) -> bool) {
    while !tallies.values().all(&done) {
        let Some(Told { label, report }) = engine.next().await else { return };
        report::tell(&label, &report);
        if let Some(tally) = tallies.get_mut(&label) {
            tally.add(&report);
        }
    }
}

/// What came of each link. A failure when one of them is not in sync.
fn tell_all(tallies: &BTreeMap<String, Tally>, json: bool) -> anyhow::Result<Exit> {
    let mut lines = Lines::stdout();
    let mut exit = Exit::Done;
    for tally in tallies.values() {
        if json {
            lines.write(tally)?;
        } else if tally.is_good() {
            output::note(&tally.words());
        }
        if !tally.is_good() {
            output::error(&format!("{}{}", tally.words(), hint(tally)));
            exit = Exit::Failure;
        }
    }
    lines.flush()?;
    Ok(exit)
}

/// What the user can do about a link's trouble.
fn hint(tally: &Tally) -> String {
    match tally.trouble {
        Some("network" | "http") => "; all is saved here, and `seabag ent sync` tries again".to_owned(),
        Some("refused") => {
            "; if the host asks for a token, its owner has it: `seabag ent link URL --token-file FILE`"
                .to_owned()
        }
        Some("clock") => "; set this device's clock".to_owned(),
        _ => String::new(),
    }
}

/// Tells of everything as it happens, until it is stopped.
async fn follow(engine: &mut Engine, place: &Place, json: bool) -> anyhow::Result<Exit> {
    let mut lines = Lines::stdout();
    let mut tallies = place.tallies();
    let teller = engine.teller();
    let listen = async {
        while let Some(Told { label, report }) = engine.next().await {
            report::tell(&label, &report);
            let Some(tally) = tallies.get_mut(&label) else { continue };
            let was_good = tally.is_good();
            tally.add(&report);
            if json {
                lines.write(&ReportLine::new(&label, &report))?;
                lines.flush()?;
            } else if !was_good && tally.is_good() {
                output::note(&format!("{}  {}", moment::print(moment::now_ms()), tally.words()));
            } else if tally.reason.is_some() && was_good {
                output::warning(&format!("{}  {}", moment::print(moment::now_ms()), tally.words()));
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        outcome = listen => outcome?,
        outcome = pass_on(&place.database, &teller) => outcome?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(Exit::Done)
}

/// Tells the sessions whenever another program wrote to the database. Ends with an error only.
async fn pass_on(database: &Mutex<Database>, teller: &Teller) -> anyhow::Result<()> {
    loop {
        sleep(LOOK_EVERY).await;
        let changed = database.lock().changed_elsewhere()?;
        if changed {
            teller.tell(&Event::LocalWrite).await;
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
        if self.sync {
            if let Err(error) = self.try_sync(choice).await {
                output::warning(&format!("saved here, and not synced: {error:#}"));
            }
        }
        Ok(())
    }

    async fn try_sync(self, choice: &Choice) -> anyhow::Result<()> {
        let place = Place::open(choice)?;
        if place.links.is_empty() {
            return Err(link::none());
        }
        let mut engine = place.start(Pace::Once)?;
        let mut tallies = place.tallies();
        // Whoever is not in sync by then goes on with the next sync.
        let _ = timeout(AFTER_WRITE_MAX, settle(&mut engine, &mut tallies, Tally::is_settled)).await;
        for tally in tallies.values().filter(|tally| !tally.is_good()) {
            output::warning(&format!("saved here; {}{}", tally.words(), hint(tally)));
        }
        Ok(())
    }
}

/// A sync beside other work. Dropped, it ends.
pub(crate) struct Background {
    task: JoinHandle<()>,
}

impl Background {
    /// Starts it; `None` when no host is linked.
    pub(crate) fn start(choice: &Choice) -> anyhow::Result<Option<Self>> {
        if choice.open()?.links()?.is_empty() {
            return Ok(None);
        }
        let place = Place::open(choice)?;
        let mut engine = place.start(Pace::LIVE)?;
        let teller = engine.teller();
        let task = tokio::spawn(async move {
            let listen = async {
                while let Some(Told { label, report }) = engine.next().await {
                    report::tell(&label, &report);
                }
            };
            tokio::select! {
                () = listen => {}
                outcome = pass_on(&place.database, &teller) => {
                    if let Err(error) = outcome {
                        output::warning(&format!("syncing has ended: {error:#}"));
                    }
                }
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

/// Asks the session of one link for something, and waits until it is done or cannot be.
pub(crate) async fn ask(
    choice: &Choice,
    label: &str,
    event: &Event,
    done: impl Fn(&Tally) -> bool,
) -> anyhow::Result<Tally> {
    let place = Place::open(choice)?.only(label);
    let mut engine = place.start(Pace::Once)?;
    engine.teller().tell(event).await;
    let mut tallies = place.tallies();
    settle(&mut engine, &mut tallies, |tally| done(tally) || tally.trouble.is_some()).await;
    Ok(tallies.remove(label).unwrap_or_default())
}

/// Syncs the link of this label once, and tells what came of it.
pub(crate) async fn once(choice: &Choice, label: &str) -> anyhow::Result<Exit> {
    let place = Place::open(choice)?.only(label);
    let mut engine = place.start(Pace::Once)?;
    let mut tallies = place.tallies();
    settle(&mut engine, &mut tallies, Tally::is_settled).await;
    tell_all(&tallies, choice.json)
}
