//! What a session does when something does not work: waits, longer each time, says why, and loses nothing; and what
//! it does when there is nothing to do.

use seabag_entdb::{Error, Trouble};

use super::backoff::Backoff;
use super::report::Report;
use super::session::{HostSession, Turn};

/// How long after a failure a local write may bring the next attempt, milliseconds.
const WRITE_RETRY_MS: u64 = 5_000;
/// How long until a session that hears notices looks for itself, milliseconds.
const POLL_LISTENING_MS: u64 = 10 * 60_000;
/// How long until a session that hears none looks again, milliseconds.
const POLL_DEAF_MS: u64 = 60_000;

/// What a session remembers of failures.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    backoff: Backoff,
    failed_ms: u64,
    /// No call before this time.
    retry_ms: Option<u64>,
    /// Since when it does not work; kept over restarts in the link's trouble.
    since_ms: Option<u64>,
    /// Whether everything was done when last looked.
    resting: bool,
    poll_ms: Option<u64>,
}

impl Recovery {
    /// What the database remembers.
    pub(crate) fn recall(&mut self, trouble: Option<&Trouble>) {
        self.since_ms = trouble.map(|trouble| trouble.since_ms);
    }

    pub(crate) fn is_waiting(&self, now_ms: u64) -> bool {
        self.retry_ms.is_some_and(|retry_ms| now_ms < retry_ms)
    }

    pub(crate) fn succeed(&mut self) {
        self.backoff.succeed();
        self.retry_ms = None;
    }

    /// There may be something to do, and so something to say when it is done.
    pub(crate) fn stir(&mut self) {
        self.resting = false;
    }

    /// The network may be back.
    pub(crate) fn try_now(&mut self) {
        self.retry_ms = None;
        self.resting = false;
    }

    fn try_soon(&mut self) {
        let soon = self.failed_ms.saturating_add(WRITE_RETRY_MS);
        self.retry_ms = self.retry_ms.map(|retry_ms| retry_ms.min(soon));
    }
}

impl HostSession {
    /// The attempt did not work: written down, and tried again later.
    pub(crate) fn fail(
        &mut self,
        code: &'static str,
        text: String,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        self.fall_back(code, text.clone(), turn);
        self.set_trouble(code, text, self.recovery.retry_ms, turn)
    }

    /// The same without writing it down.
    pub(crate) fn fall_back(&mut self, code: &'static str, text: String, turn: &mut Turn<'_>) {
        self.forget_attempt();
        let retry_ms = turn.now_ms.saturating_add(self.recovery.backoff.fail(turn.chance));
        self.recovery.failed_ms = turn.now_ms;
        self.recovery.retry_ms = Some(retry_ms);
        self.recovery.resting = false;
        self.reading.want(retry_ms);
        turn.report(Report::Trouble { code, text, retry_ms: self.clock_time(retry_ms) });
    }

    /// Writes down why the link is stuck.
    pub(crate) fn set_trouble(
        &mut self,
        code: &'static str,
        text: String,
        retry_ms: Option<u64>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        let since_ms = *self.recovery.since_ms.get_or_insert(turn.clock_ms);
        let retry_ms = retry_ms.map(|retry_ms| self.clock_time(retry_ms));
        let trouble = Trouble { code: code.to_owned(), text, since_ms, retry_ms };
        turn.database.with(|database| database.set_trouble(self.link, Some(trouble)))
    }

    /// Nothing is left to do now.
    pub(crate) fn rest(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        if self.recovery.resting || !self.is_in_sync() {
            return Ok(());
        }
        self.settle_down();
        self.recovery.resting = true;
        self.recovery.poll_ms = self.settings.live.then(|| {
            let wait_ms = if self.listening.is_open() { POLL_LISTENING_MS } else { POLL_DEAF_MS };
            turn.now_ms.saturating_add(wait_ms)
        });
        // What the host has no room for goes on being said.
        if self.writing.refused_retry_ms().is_none() {
            // Another process that syncs the same file may have written it down.
            let link = turn.database.with(|database| database.link(self.link))?;
            if link.trouble.is_some() {
                turn.database.with(|database| database.set_trouble(self.link, None))?;
            }
            self.recovery.since_ms = None;
        }
        turn.report(Report::InSync);
        Ok(())
    }

    fn is_in_sync(&self) -> bool {
        self.reading.is_done() && self.writing.is_done() && self.pruning.is_done()
    }

    /// Something was written here.
    pub(crate) fn written_here(&mut self, turn: &mut Turn<'_>) {
        self.writing.written(turn.now_ms);
        self.recovery.stir();
        self.recovery.try_soon();
    }

    /// The network may be back.
    pub(crate) fn online(&mut self, turn: &mut Turn<'_>) {
        self.recovery.try_now();
        self.listening.try_now();
        self.distrust();
        self.reading.want(turn.now_ms);
    }

    /// Looks again at a host that has been quiet for long.
    pub(crate) fn poll(&mut self, turn: &mut Turn<'_>) {
        if self.recovery.poll_ms.take_if(|poll_ms| *poll_ms <= turn.now_ms).is_some() {
            self.distrust();
            self.writing.dirty = true;
            self.reading.want(turn.now_ms);
            self.recovery.stir();
        }
    }

    /// The next time at which there is something to do.
    pub(crate) fn wake_ms(&self, turn: &Turn<'_>) -> Option<u64> {
        if self.recovery.is_waiting(turn.now_ms) {
            return self.recovery.retry_ms;
        }
        let times = [
            self.reading.due_ms(),
            self.writing.due_ms(),
            self.writing.refused_retry_ms(),
            self.pruning.due_ms(),
            self.listening.due_ms(&self.settings),
            self.recovery.poll_ms,
        ];
        times.into_iter().flatten().filter(|time_ms| *time_ms > turn.now_ms).min()
    }
}
