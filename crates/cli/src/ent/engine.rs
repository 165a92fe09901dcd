//! Runs the sessions of a database's links: it does what they ask for, and understands none of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seabag_client::chance::SystemRandomness;
use seabag_client::host::address::HostAddress;
use seabag_client::host::driver::{HostDriver, RegistrationToken};
use seabag_client::host::event::{Action, Event};
use seabag_client::host::notice_socket;
use seabag_client::host::report::Report;
use seabag_client::host::session::{FILL_WAIT_MS_MAX, HostSession, SessionSettings};
use seabag_crypto::{Sealer, Seed};
use seabag_entdb::{Database, Link};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{moment, tokens};

/// Events and reports that wait at most: whoever is slower holds up who sends.
const QUEUE: usize = 256;

/// What one link has to tell.
pub(crate) struct Told {
    /// The link's label.
    pub(crate) label: String,
    /// What.
    pub(crate) report: Report,
}

/// How long sessions go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Until both sides were brought together once.
    Once,
    /// Until they are stopped.
    Live {
        /// The longest wait before a host that lost something is filled, milliseconds.
        fill_wait_ms_max: u64,
    },
}

impl Pace {
    /// Until they are stopped, with the usual wait.
    pub(crate) const LIVE: Self = Self::Live { fill_wait_ms_max: FILL_WAIT_MS_MAX };

    fn settings(self, origin: String) -> SessionSettings {
        match self {
            Self::Once => SessionSettings::new(origin, false),
            Self::Live { fill_wait_ms_max } => {
                SessionSettings { fill_wait_ms_max, ..SessionSettings::new(origin, true) }
            }
        }
    }
}

/// The running sessions. Dropped, they end where they stand; nothing is lost by that.
pub(crate) struct Engine {
    links: Vec<(mpsc::Sender<Event>, JoinHandle<()>)>,
    reports: mpsc::Receiver<Told>,
}

impl Engine {
    /// Starts a session for each of these links.
    pub(crate) fn start(
        database: &Arc<Mutex<Database>>,
        seed: &Arc<Seed>,
        links: Vec<Link>,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let (send, reports) = mpsc::channel(QUEUE);
        let mut running = Vec::new();
        for link in links {
            let address = HostAddress::parse(&link.settings.url)?;
            let token = tokens::find(&address.origin())?.map(RegistrationToken::new);
            let settings = pace.settings(address.origin());
            let sealer = Arc::new(Sealer::new(Arc::clone(seed), &link.settings.label, link.settings.index));
            let runner = Runner {
                label: link.settings.label,
                session: HostSession::new(link.id, sealer, settings),
                driver: HostDriver::new(address, token)?,
                database: Arc::clone(database),
                notices: None,
                reports: send.clone(),
            };
            let (events, queue) = mpsc::channel(QUEUE);
            running.push((events.clone(), tokio::spawn(runner.run(events, queue))));
        }
        Ok(Self { links: running, reports })
    }

    /// What tells every session of something.
    pub(crate) fn teller(&self) -> Teller {
        Teller(self.links.iter().map(|(events, _)| events.clone()).collect())
    }

    /// The next thing that a link has to tell; `None` once all have ended.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        self.reports.recv().await
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for (_, task) in &self.links {
            task.abort();
        }
    }
}

/// Tells every session of something.
pub(crate) struct Teller(Vec<mpsc::Sender<Event>>);

impl Teller {
    /// Tells them.
    pub(crate) async fn tell(&self, event: &Event) {
        for events in &self.0 {
            // One that has ended has nothing to hear.
            let _ = events.send(event.clone()).await;
        }
    }
}

struct Runner {
    label: String,
    session: HostSession,
    driver: HostDriver,
    database: Arc<Mutex<Database>>,
    notices: Option<JoinHandle<()>>,
    reports: mpsc::Sender<Told>,
}

impl Runner {
    async fn run(mut self, events: mpsc::Sender<Event>, mut queue: mpsc::Receiver<Event>) {
        let mut wake_ms = None;
        // A person or a service manager started it: there is no reason to wait for the time of the next retry.
        let mut first = vec![Event::Online, Event::Start];
        loop {
            let event = match first.pop() {
                Some(event) => event,
                None => tokio::select! {
                    event = queue.recv() => match event {
                        Some(event) => event,
                        None => return,
                    },
                    () = sleep_until(wake_ms) => {
                        wake_ms = None;
                        Event::Wake
                    }
                },
            };
            let (actions, _) =
                self.session.handle(event, self.database.as_ref(), moment::now_ms(), &mut SystemRandomness);
            for action in actions {
                if !self.act(action, &events, &mut wake_ms).await {
                    return;
                }
            }
        }
    }

    /// Does what the session asks for. Whether somebody still listens.
    async fn act(&mut self, action: Action, events: &mpsc::Sender<Event>, wake_ms: &mut Option<u64>) -> bool {
        match action {
            Action::Call { call, path, body, token, answer_bytes_max } => {
                let (driver, events) = (self.driver.clone(), events.clone());
                tokio::spawn(async move {
                    let result = driver.call(path, body, token, answer_bytes_max).await;
                    let _ = events.send(Event::Response { call, result }).await;
                });
            }
            Action::OpenNotices { query } => {
                self.close_notices();
                let address = self.driver.address().notices(&query);
                self.notices = Some(tokio::spawn(notice_socket::listen(address, events.clone())));
            }
            Action::CloseNotices => self.close_notices(),
            Action::WakeAt(at_ms) => *wake_ms = Some(at_ms),
            Action::Report(report) => {
                return self.reports.send(Told { label: self.label.clone(), report }).await.is_ok();
            }
        }
        true
    }

    fn close_notices(&mut self) {
        if let Some(task) = self.notices.take() {
            task.abort();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.close_notices();
    }
}

async fn sleep_until(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => {
            tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(moment::now_ms()))).await;
        }
        None => std::future::pending().await,
    }
}
