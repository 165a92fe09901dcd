//! Runs one link: one session, its calls, its notices and its clock. The session decides, this does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use seabag_entdb::{Database, LinkId};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::chance::SystemRandomness;
use crate::clock::now_ms;
use crate::error::ClientError;
use crate::host::driver::HostDriver;
use crate::host::event::{Action, Event};
use crate::host::notice_socket::listen;
use crate::host::report::Report;
use crate::host::session::HostSession;

/// Notices that wait for the session; the socket is not read further until there is room.
const NOTICES_MAX: usize = 64;
/// The longest sleep: a clock that was set must not keep a session asleep.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// A call under way.
type Call = Pin<Box<dyn Future<Output = Event> + Send>>;

/// What is told of a session.
pub(crate) trait Hearer: Send + 'static {
    /// It said this.
    fn hear(&self, report: Report);
    /// It saw the local writes up to this count, and acted on them.
    fn saw_writes(&self, count: u64);
    /// It ended.
    fn ended(&self);
}

/// One link as it runs.
pub(crate) struct LinkTask<H> {
    pub(crate) session: HostSession,
    pub(crate) driver: HostDriver,
    pub(crate) database: Arc<Mutex<Database>>,
    pub(crate) commands: mpsc::Receiver<Event>,
    /// Counts local writes, other links' news among them.
    pub(crate) writes: watch::Receiver<u64>,
    pub(crate) hearer: H,
}

/// What a session has under way.
#[derive(Default)]
struct Underway {
    call: Option<Call>,
    notices: Option<(mpsc::Receiver<Event>, JoinHandle<()>)>,
    wake_ms: Option<u64>,
}

impl<H: Hearer> LinkTask<H> {
    /// Runs until the session is told to stop, its account is removed, or nobody commands it any more.
    pub(crate) async fn run(mut self) {
        let mut underway = Underway::default();
        if self.driver.address().is_exposed() {
            tell(self.session.link(), &Report::Exposed);
            self.hearer.hear(Report::Exposed);
        }
        let mut event = Event::Start;
        loop {
            let stop = event == Event::Stop;
            let Some((session, goes_on)) =
                step(self.session, event, &self.database, &self.driver, &self.hearer, &mut underway).await
            else {
                break;
            };
            self.session = session;
            if stop || !goes_on {
                break;
            }
            event = next(&mut self.commands, &mut self.writes, &self.hearer, &mut underway).await;
        }
        underway.close_notices();
        self.hearer.ended();
    }
}

impl Underway {
    fn close_notices(&mut self) {
        if let Some((_, task)) = self.notices.take() {
            task.abort();
        }
    }
}

/// Hands the session an event, away from the threads that wait for the network, and does what it asks. Whether the
/// session goes on; `None`: it is lost.
async fn step(
    mut session: HostSession,
    event: Event,
    database: &Arc<Mutex<Database>>,
    driver: &HostDriver,
    hearer: &impl Hearer,
    underway: &mut Underway,
) -> Option<(HostSession, bool)> {
    let database = Arc::clone(database);
    let handled = spawn_blocking(move || {
        let (actions, outcome) = session.handle(event, &*database, now_ms(), &mut SystemRandomness);
        (session, actions, outcome)
    });
    let (session, actions, outcome) = handled.await.ok()?;
    let link = session.link();
    let mut goes_on = true;
    if let Err(error) = outcome {
        tracing::warn!(%link, %error, "the database failed");
        goes_on = !matches!(error, seabag_entdb::Error::UnknownLink(_));
    }
    underway.wake_ms = None;
    for action in actions {
        match action {
            Action::Call { call, path, body, token, answer_bytes_max } => {
                let driver = driver.clone();
                underway.call = Some(Box::pin(async move {
                    let result = driver.call(path, body, token, answer_bytes_max).await;
                    Event::Response { call, result }
                }));
            }
            Action::OpenNotices { query } => {
                underway.close_notices();
                let (sender, receiver) = mpsc::channel(NOTICES_MAX);
                let task = tokio::spawn(listen(driver.address().notices(&query), sender));
                underway.notices = Some((receiver, task));
            }
            Action::CloseNotices => underway.close_notices(),
            Action::WakeAt(wake_ms) => underway.wake_ms = Some(wake_ms),
            Action::Report(report) => {
                tell(link, &report);
                goes_on &= report != Report::AccountDeleted;
                hearer.hear(report);
            }
        }
    }
    Some((session, goes_on))
}

/// What an operator should see at once is a warning. Reports hold nothing that is secret.
fn tell(link: LinkId, report: &Report) {
    match report {
        Report::Exposed | Report::SharedKey { .. } | Report::Odd { .. } | Report::Reset(_) => {
            tracing::warn!(%link, ?report)
        }
        _ => tracing::debug!(%link, ?report),
    }
}

/// What happens next.
async fn next(
    commands: &mut mpsc::Receiver<Event>,
    writes: &mut watch::Receiver<u64>,
    hearer: &impl Hearer,
    underway: &mut Underway,
) -> Event {
    let Underway { call, notices, wake_ms } = underway;
    let answered = async {
        match call {
            Some(call) => call.await,
            None => std::future::pending().await,
        }
    };
    let noticed = async {
        match notices {
            // Whoever listened is gone without a word: it was closed.
            Some((receiver, _)) => receiver.recv().await.unwrap_or(Event::NoticesClosed),
            None => std::future::pending().await,
        }
    };
    let woken = async {
        match *wake_ms {
            Some(wake_ms) => {
                sleep(Duration::from_millis(wake_ms.saturating_sub(now_ms())).min(SLEEP_MAX)).await;
            }
            None => std::future::pending().await,
        }
    };
    let event = tokio::select! {
        command = commands.recv() => command.unwrap_or(Event::Stop),
        event = answered => event,
        event = noticed => event,
        Ok(()) = writes.changed() => {
            hearer.saw_writes(*writes.borrow_and_update());
            Event::LocalWrite
        }
        () = woken => Event::Wake,
    };
    match &event {
        Event::Response { .. } => *call = None,
        Event::NoticesClosed => *notices = None,
        _ => {}
    }
    event
}

/// A command for a link that runs.
pub(crate) async fn command(link: &mpsc::Sender<Event>, event: Event) -> Result<(), ClientError> {
    link.send(event).await.map_err(|_| ClientError::NoSuchLink)
}
