//! Syncs a database with all of its links at once. Each link is a task of its own, so that a host that fails keeps no
//! other waiting; what one brings goes on to the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seabag_crypto::{Sealer, Seed};
use seabag_entdb::{Database, Link, LinkId};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::error::ClientError;
use crate::host::address::HostAddress;
use crate::host::driver::{HostDriver, RegistrationToken};
use crate::host::event::Event;
use crate::host::report::Report;
use crate::host::session::{HostSession, SessionSettings};
use crate::link_task::{Hearer, LinkTask, command};
use crate::status::{LinkActivity, Phase, SyncStatus};

/// How often the database is looked at for what other processes wrote.
const ELSEWHERE_EVERY: Duration = Duration::from_millis(250);
/// Commands that may wait for a link.
const COMMANDS_MAX: usize = 16;
/// Reports that a slow listener may be behind.
const REPORTS_MAX: usize = 1_024;
/// How long tasks may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How an engine goes about it.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// What guarded hosts ask of a registration, by origin (`https://host.example.org`).
    pub tokens: BTreeMap<String, RegistrationToken>,
    /// Bring both sides together once, and then wait for commands and local writes: no notices, no looking again, and
    /// no waiting for other devices that may do the same.
    pub once: bool,
    /// The longest wait before a host that lost something is filled; `None`: 30 seconds. Each device waits a random
    /// part of it, so that of many one comes first and the others find little left to do.
    pub fill_wait_max: Option<Duration>,
}

/// What became of one link in [`Engine::sync_once`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOutcome {
    /// The link.
    pub link: LinkId,
    /// What it did, and how far it came: [`Phase::Working`] if the time was up.
    pub activity: LinkActivity,
    /// Messages that still wait for it.
    pub waiting: u64,
}

/// A link that runs.
struct Running {
    commands: mpsc::Sender<Event>,
    task: JoinHandle<()>,
}

struct Shared {
    database: Arc<Mutex<Database>>,
    seed: Arc<Seed>,
    options: EngineOptions,
    running: Mutex<BTreeMap<LinkId, Running>>,
    /// Held by whoever makes the tasks those of the links, so that no link is begun twice.
    following: tokio::sync::Mutex<()>,
    activity: Arc<Activity>,
}

/// What is known of the sessions, and who hears of it.
struct Activity {
    links: Mutex<BTreeMap<LinkId, (LinkActivity, u64)>>,
    reports: broadcast::Sender<(LinkId, Report)>,
    /// Counts local writes, and news that one link brought for the others.
    writes: watch::Sender<u64>,
    /// Changes with everything that is said.
    said: watch::Sender<u64>,
}

/// Syncs until it is stopped or dropped.
pub struct Engine {
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
    /// What was said since the start, for whoever asks first: sessions may say something before anybody can ask.
    early: Mutex<Option<Reports>>,
}

/// What sessions say, each with its link.
type Reports = broadcast::Receiver<(LinkId, Report)>;

impl Engine {
    /// Begins to sync with all links of the database, and with those that are added later. Inside a tokio runtime.
    pub async fn start(
        database: Arc<Mutex<Database>>,
        seed: Arc<Seed>,
        options: EngineOptions,
    ) -> Result<Self, ClientError> {
        let shared = Shared::new(database, seed, options);
        let early = Mutex::new(Some(shared.activity.reports.subscribe()));
        shared.follow_links().await?;
        let watcher = tokio::spawn(watch_elsewhere(Arc::clone(&shared)));
        Ok(Self { shared, watcher: Some(watcher), early })
    }

    /// Brings all sides together once: ends when every link is in sync or in trouble, or the time is up.
    pub async fn sync_once(
        database: Arc<Mutex<Database>>,
        seed: Arc<Seed>,
        options: EngineOptions,
        deadline: Duration,
    ) -> Result<Vec<LinkOutcome>, ClientError> {
        let shared = Shared::new(database, seed, EngineOptions { once: true, ..options });
        shared.follow_links().await?;
        let engine = Self { shared, watcher: None, early: Mutex::default() };
        // Time that is up is no error: the outcome says who is still working.
        let _ = timeout(deadline, engine.settled()).await;
        let activity = engine.shared.activity.snapshot();
        engine.stop().await;
        let database = Arc::clone(&engine.shared.database);
        blocking(move || {
            let database = database.lock();
            let outcome =
                |(link, activity)| Ok(LinkOutcome { link, activity, waiting: database.waiting(link)? });
            activity.into_iter().map(outcome).collect()
        })
        .await
    }

    /// Tells that something was written to the database by this process. Other processes' writes are noticed.
    pub fn written(&self) {
        self.shared.activity.writes.send_modify(|count| *count += 1);
    }

    /// Tells that the network may be back: nobody waits any longer.
    pub async fn online(&self) {
        for commands in self.shared.senders() {
            // A link that has just ended needs nothing.
            let _ = command(&commands, Event::Online).await;
        }
    }

    /// Begins with links that were added, and ends those that were removed. Happens by itself, a moment later.
    pub async fn follow_links(&self) -> Result<(), ClientError> {
        self.shared.follow_links().await
    }

    /// Looks at every bag of a link's host, and mends what is damaged there.
    pub async fn audit(&self, link: LinkId) -> Result<(), ClientError> {
        command(&self.shared.sender(link)?, Event::Audit).await
    }

    /// Removes the account of a link from its host, with all that it holds. What is here stays.
    pub async fn delete_account(&self, link: LinkId) -> Result<(), ClientError> {
        command(&self.shared.sender(link)?, Event::DeleteAccount).await
    }

    /// What sessions say: to who asks first from the start on, to others from now on. Who is too far behind misses some,
    /// and is told how many.
    pub fn reports(&self) -> broadcast::Receiver<(LinkId, Report)> {
        let early = self.early.lock().take();
        early.unwrap_or_else(|| self.shared.activity.reports.subscribe())
    }

    /// How it stands.
    pub async fn status(&self) -> Result<SyncStatus, ClientError> {
        let (database, activity) = (Arc::clone(&self.shared.database), self.shared.activity.snapshot());
        blocking(move || Ok(SyncStatus { database: database.lock().status()?, activity })).await
    }

    /// Ends when every link is in sync or in trouble, with all that was written before.
    pub async fn settled(&self) {
        let mut said = self.shared.activity.said.subscribe();
        while !self.shared.activity.is_settled() {
            if said.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends all sessions. What waits is in the database.
    pub async fn stop(&self) {
        let running = std::mem::take(&mut *self.shared.running.lock());
        for (_, Running { commands, task }) in running {
            // Its queue may be full of commands that nobody needs any more.
            let _ = commands.try_send(Event::Stop);
            drop(commands);
            let abort = task.abort_handle();
            if timeout(STOP_TIMEOUT, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.watcher.take().inspect(JoinHandle::abort);
        // Each task ends when nobody can command it any more.
        self.shared.running.lock().clear();
    }
}

impl Shared {
    fn new(database: Arc<Mutex<Database>>, seed: Arc<Seed>, options: EngineOptions) -> Arc<Self> {
        let activity = Activity {
            links: Mutex::default(),
            reports: broadcast::Sender::new(REPORTS_MAX),
            writes: watch::Sender::new(0),
            said: watch::Sender::new(0),
        };
        let (running, following) = (Mutex::default(), tokio::sync::Mutex::default());
        let activity = Arc::new(activity);
        Arc::new(Self { database, seed, options, running, following, activity })
    }

    fn sender(&self, link: LinkId) -> Result<mpsc::Sender<Event>, ClientError> {
        let running = self.running.lock();
        running.get(&link).map(|running| running.commands.clone()).ok_or(ClientError::NoSuchLink)
    }

    fn senders(&self) -> Vec<mpsc::Sender<Event>> {
        self.running.lock().values().map(|running| running.commands.clone()).collect()
    }

    /// Makes the tasks those of the database's links.
    async fn follow_links(&self) -> Result<(), ClientError> {
        let _following = self.following.lock().await;
        let database = Arc::clone(&self.database);
        let links = blocking(move || Ok(database.lock().links()?)).await?;
        let removed: Vec<_> = {
            let mut running = self.running.lock();
            let gone: Vec<_> =
                running.keys().copied().filter(|id| links.iter().all(|link| link.id != *id)).collect();
            gone.into_iter().filter_map(|id| Some((id, running.remove(&id)?))).collect()
        };
        for (id, running) in removed {
            let _ = command(&running.commands, Event::Stop).await;
            self.activity.links.lock().remove(&id);
        }
        for link in &links {
            if !self.running.lock().contains_key(&link.id) {
                let shared = links.iter().find(|other| shares_key(other, link)).map(|other| other.id);
                self.begin(link.clone(), shared).await;
            }
        }
        Ok(())
    }

    /// Begins with a link. An address that is none is that link's trouble.
    async fn begin(&self, link: Link, shared: Option<LinkId>) {
        let seen = *self.activity.writes.borrow();
        self.activity.links.lock().insert(link.id, (LinkActivity::default(), seen));
        let hearer = LinkHearer { link: link.id, activity: Arc::clone(&self.activity) };
        if let Some(other) = shared {
            hearer.hear(Report::SharedKey { other });
        }
        let (id, (commands, receiver)) = (link.id, mpsc::channel(COMMANDS_MAX));
        let task = match self.task(link, receiver, hearer.clone()).await {
            Ok(task) => tokio::spawn(task.run()),
            Err(error) => {
                hearer.stuck(&error);
                tokio::spawn(async {})
            }
        };
        self.running.lock().insert(id, Running { commands, task });
    }

    async fn task(
        &self,
        link: Link,
        commands: mpsc::Receiver<Event>,
        hearer: LinkHearer,
    ) -> Result<LinkTask<LinkHearer>, ClientError> {
        if link.settings.label.is_empty() {
            // Its keys would be those that seal bags. No link is made like this; the file may be of another program.
            return Err(seabag_entdb::Error::InvalidLabel.into());
        }
        let address = HostAddress::parse(&link.settings.url)?;
        let origin = address.origin();
        let driver = HostDriver::new(address, self.options.tokens.get(&origin).cloned())?;
        let (seed, settings) = (Arc::clone(&self.seed), link.settings);
        let sealer =
            blocking(move || Ok(Arc::new(Sealer::new(seed, &settings.label, settings.index)))).await?;
        let mut settings = SessionSettings::new(origin, !self.options.once);
        if let Some(wait) = self.options.fill_wait_max {
            settings.fill_wait_ms_max = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        }
        Ok(LinkTask {
            session: HostSession::new(link.id, sealer, settings),
            driver,
            database: Arc::clone(&self.database),
            commands,
            writes: self.activity.writes.subscribe(),
            hearer,
        })
    }
}

/// Whether the keys of two links are the same.
fn shares_key(one: &Link, other: &Link) -> bool {
    let key = |link: &Link| (link.settings.label.clone(), link.settings.index);
    one.id != other.id && key(one) == key(other)
}

impl Activity {
    fn snapshot(&self) -> BTreeMap<LinkId, LinkActivity> {
        self.links.lock().iter().map(|(link, (activity, _))| (*link, activity.clone())).collect()
    }

    fn is_settled(&self) -> bool {
        let writes = *self.writes.borrow();
        let settled = |(activity, seen): &(LinkActivity, u64)| match activity.phase {
            Phase::Working => false,
            Phase::InSync => *seen == writes,
            Phase::Stuck { .. } | Phase::Ended => true,
        };
        self.links.lock().values().all(settled)
    }

    fn update(&self, link: LinkId, change: impl FnOnce(&mut (LinkActivity, u64))) {
        self.links.lock().entry(link).and_modify(change);
        self.said.send_modify(|count| *count += 1);
    }
}

/// Takes down what one session says.
#[derive(Clone)]
struct LinkHearer {
    link: LinkId,
    activity: Arc<Activity>,
}

impl LinkHearer {
    fn stuck(&self, error: &ClientError) {
        let phase = Phase::Stuck { code: "address".into(), text: error.to_string(), retry_ms: None };
        self.activity.update(self.link, |(activity, _)| activity.phase = phase);
    }
}

impl Hearer for LinkHearer {
    fn hear(&self, report: Report) {
        // What is new here may be new to the other links' hosts.
        let news = matches!(report, Report::Received { .. });
        if news && self.activity.links.lock().len() > 1 {
            self.activity.writes.send_modify(|count| *count += 1);
        }
        self.activity.update(self.link, |(activity, _)| activity.note(&report));
        // Nobody may be listening.
        let _ = self.activity.reports.send((self.link, report));
    }

    fn saw_writes(&self, count: u64) {
        self.activity.update(self.link, |(activity, seen)| {
            *seen = count;
            if activity.phase == Phase::InSync {
                activity.phase = Phase::Working;
            }
        });
    }

    fn ended(&self) {
        self.activity.update(self.link, |(activity, _)| activity.phase = Phase::Ended);
    }
}

/// Looks whether other processes have written to the database, and whether links came or went.
async fn watch_elsewhere(shared: Arc<Shared>) {
    loop {
        sleep(ELSEWHERE_EVERY).await;
        let database = Arc::clone(&shared.database);
        match blocking(move || Ok(database.lock().changed_elsewhere()?)).await {
            Ok(false) => continue,
            Ok(true) => shared.activity.writes.send_modify(|count| *count += 1),
            Err(error) => tracing::warn!(%error, "the database failed"),
        }
        if let Err(error) = shared.follow_links().await {
            tracing::warn!(%error, "the links cannot be read");
        }
    }
}

/// Does something that may take long away from the threads that wait for the network.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ClientError::Stopped),
        },
    }
}
