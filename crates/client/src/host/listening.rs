//! Notices: what was stored a moment ago, by whichever device. They save asking; nothing is lost without them.

use std::collections::VecDeque;

use bytes::Bytes;
use seabag_entdb::Error;
use seabag_protocol::host::notice::NoticeItem;

use super::backoff::Backoff;
use super::call::notices_query;
use super::chunk::Listed;
use super::event::Action;
use super::report::{Oddity, Report};
use super::session::{HostSession, SessionSettings, Step, Turn};

/// The most bags of notices that wait for a call to end.
const QUEUE_ITEMS_MAX: usize = 1_024;
/// The most bytes of them.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a gap in the numbers waits for others to come along, milliseconds.
const GAP_DEBOUNCE_MS: u64 = 100;
/// How long notices must have been open to count as working, milliseconds.
const STEADY_MS: u64 = 30_000;
/// How long a failed host waits at least when notices come, milliseconds: it seems to be back.
const POLL_AFTER_CLOSE_MS: u64 = 60_000;

/// Whether notices come, and those that came.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    state: Socket,
    backoff: Backoff,
    /// Whether the host has answered anything: before that there is no point in listening.
    pub(crate) reached: bool,
    queue: VecDeque<NoticeItem>,
    queue_bytes: usize,
    /// Whether something came that is not in the queue.
    gap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    Closed { retry_ms: u64 },
    Opening,
    Open { since_ms: u64 },
}

impl Default for Socket {
    fn default() -> Self {
        Self::Closed { retry_ms: 0 }
    }
}

impl Listening {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, Socket::Open { .. })
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn forget_attempt(&mut self) {
        self.gap |= !self.queue.is_empty();
        self.clear();
    }

    pub(crate) fn try_now(&mut self) {
        if let Socket::Closed { retry_ms } = &mut self.state {
            *retry_ms = 0;
        }
    }

    pub(crate) fn due_ms(&self, settings: &SessionSettings) -> Option<u64> {
        match self.state {
            Socket::Closed { retry_ms } if settings.live && self.reached => Some(retry_ms),
            _ => None,
        }
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.queue_bytes = 0;
    }

    fn add(&mut self, item: NoticeItem) {
        let bytes = item.sealed.encoded_length() + item.body.len();
        if self.queue.len() >= QUEUE_ITEMS_MAX || self.queue_bytes + bytes > QUEUE_BYTES_MAX {
            self.gap = true;
            return;
        }
        self.queue_bytes += bytes;
        self.queue.push_back(item);
    }
}

impl HostSession {
    pub(crate) fn notices_opened(&mut self, turn: &mut Turn<'_>) {
        self.listening.state = Socket::Open { since_ms: turn.now_ms };
        // What was stored before nobody told; and it may be another process that listens to us now.
        self.distrust();
        self.reading.want(turn.now_ms);
        self.recovery.stir();
    }

    pub(crate) fn notices_closed(&mut self, turn: &mut Turn<'_>) {
        if let Socket::Open { since_ms } = self.listening.state
            && turn.now_ms.saturating_sub(since_ms) >= STEADY_MS
        {
            self.listening.backoff.succeed();
        }
        let retry_ms = turn.now_ms.saturating_add(self.listening.backoff.fail(turn.chance));
        self.listening.state = Socket::Closed { retry_ms };
        self.distrust();
        self.reading.want(turn.now_ms.saturating_add(POLL_AFTER_CLOSE_MS));
    }

    /// A frame came.
    pub(crate) fn notice(&mut self, frame: Bytes, turn: &mut Turn<'_>) {
        match NoticeItem::decode_all(frame) {
            // A frame of nothing is what hosts of the old kind send for a push that stored nothing.
            Ok(items) => items.into_iter().for_each(|item| self.listening.add(item)),
            Err(_) => {
                turn.report(Report::Odd { oddity: Oddity::BrokenNotice, seq: None });
                self.listening.gap = true;
            }
        }
    }

    /// Opens the notices, and takes up what they brought.
    pub(crate) fn hear_notices(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        self.open_notices(turn);
        let after = self.reading.read_to;
        let news = self.listening.queue.iter().any(|item| item.seq > after) || self.listening.gap;
        if !news {
            self.listening.clear();
            return Ok(Step::Nothing);
        }
        if !self.reading.checked {
            // Reading comes first, and shows all that is behind these.
            self.listening.forget_attempt();
            self.listening.gap = false;
            self.reading.want(turn.now_ms);
            return Ok(Step::Something);
        }
        let (mut noticed, mut next) = (Vec::new(), after.next());
        for item in std::mem::take(&mut self.listening.queue) {
            if item.seq == next {
                next = next.next();
                noticed.push((item.seq, Listed { sealed: item.sealed, body: Some(item.body) }));
            } else if item.seq > after {
                self.listening.gap = true;
            }
        }
        self.listening.clear();
        if std::mem::take(&mut self.listening.gap) {
            self.reading.want(turn.now_ms.saturating_add(GAP_DEBOUNCE_MS));
        }
        if noticed.is_empty() {
            return Ok(Step::Something);
        }
        self.recovery.stir();
        self.begin_noticed(noticed, turn);
        Ok(Step::Something)
    }

    fn open_notices(&mut self, turn: &mut Turn<'_>) {
        let Socket::Closed { retry_ms } = self.listening.state else { return };
        if !self.settings.live || !self.listening.reached || retry_ms > turn.now_ms {
            return;
        }
        // A time that cannot be signed has failed every call before this one.
        if let Ok(query) = notices_query(self.sealer.keys(), self.host_time(turn.clock_ms)) {
            self.listening.state = Socket::Opening;
            turn.actions.push(Action::OpenNotices { query });
        }
    }
}
