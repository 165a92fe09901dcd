//! One link's sync, pure: events in, actions out; time, chance and the database are parameters. It has one call
//! under way at most. What it knows beyond the database can be lost at any moment, between any two calls of the
//! database, and nothing comes of it but repeated work.
//!
//! After each event it looks at what there is to do, most urgent first, until a call is under way or nothing is
//! left: register, learn the host's history, read page by page, hear notices, drop damaged bags, push what
//! waits, upload what the host lacks, prune.

use std::sync::Arc;

use bytes::Bytes;
use seabag_crypto::Sealer;
use seabag_entdb::{Error, LinkId};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;

use super::access::Access;
use super::call::{Request, read_answer};
use super::event::{Action, CallId, Event, Failure};
use super::listening::Listening;
use super::pruning::Pruning;
use super::reading::Reading;
use super::recovery::Recovery;
use super::report::Report;
use super::writing::Writing;
use crate::chance::Randomness;

/// How a session goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// The origin of the host's address, which signed calls name.
    pub origin: String,
    /// Whether it goes on: listens to notices, looks again from time to time, and takes its time where many devices
    /// would otherwise do the same at once. If not, it brings both sides together once and then waits for events.
    pub live: bool,
    /// The longest wait before a host that lost something is filled, milliseconds, if it goes on. Each device waits a
    /// random part of it, so that of many one comes first and the others find little left to do.
    /// [`FILL_WAIT_MS_MAX`] unless there is a reason.
    pub fill_wait_ms_max: u64,
}

/// The longest wait before a host that lost something is filled, milliseconds, unless a session is told another.
pub const FILL_WAIT_MS_MAX: u64 = 30_000;

impl SessionSettings {
    /// For the host of this origin, with the usual wait.
    pub fn new(origin: String, live: bool) -> Self {
        Self { origin, live, fill_wait_ms_max: FILL_WAIT_MS_MAX }
    }
}

/// What kind of host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody knows yet.
    Unknown,
    /// It has the further calls.
    Current,
    /// It has the four calls only: no pages, no epochs, no pruning.
    Old,
}

/// A call under way.
#[derive(Debug)]
struct Flight {
    call: CallId,
    request: Request,
    sent_ms: u64,
    /// Whether it was sent again with the host's time.
    again: bool,
}

/// What an event is dealt with.
pub(crate) struct Turn<'a> {
    pub(crate) database: Access<'a>,
    /// A time that never goes back, for waits.
    pub(crate) now_ms: u64,
    /// What the device's clock shows, for hosts and people.
    pub(crate) clock_ms: u64,
    pub(crate) chance: &'a mut dyn Randomness,
    pub(crate) actions: Vec<Action>,
}

impl Turn<'_> {
    pub(crate) fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    pub(crate) fn reports(&mut self, reports: Vec<Report>) {
        self.actions.extend(reports.into_iter().map(Action::Report));
    }
}

/// What came of looking at one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing of it to do now.
    Nothing,
    /// Something was done, so that other work may have come up; or a call is under way.
    Something,
}

/// Looks at one kind of work.
type Work = fn(&mut HostSession, &mut Turn<'_>) -> Result<Step, Error>;

/// The sync of one link.
pub struct HostSession {
    pub(crate) link: LinkId,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) settings: SessionSettings,
    running: bool,
    /// Whether the link was read from the database; again after another process reset it.
    begun: bool,
    flight: Option<Flight>,
    calls: u64,
    /// The latest time that there was, by a clock that never goes back.
    latest_ms: u64,
    /// How far the device's clock is behind that one, milliseconds.
    behind_ms: u64,
    /// The host's clock minus ours, milliseconds; 0 until the host complains.
    offset_ms: i64,
    pub(crate) kind: Kind,
    /// Whether the host is believed to know the account.
    pub(crate) registered: bool,
    /// Whether that was said since the last failure: a host that then denies it is in trouble.
    registered_now: bool,
    /// The account's open epoch, as the host last told it.
    pub(crate) epoch: Option<EpochId>,
    delete_wanted: bool,
    pub(crate) reading: Reading,
    pub(crate) listening: Listening,
    pub(crate) writing: Writing,
    pub(crate) pruning: Pruning,
    pub(crate) recovery: Recovery,
}

impl HostSession {
    /// The session of a link, which waits for [`Event::Start`].
    pub fn new(link: LinkId, sealer: Arc<Sealer>, settings: SessionSettings) -> Self {
        Self {
            link,
            sealer,
            settings,
            running: false,
            begun: false,
            flight: None,
            calls: 0,
            latest_ms: 0,
            behind_ms: 0,
            offset_ms: 0,
            kind: Kind::Unknown,
            registered: false,
            registered_now: false,
            epoch: None,
            delete_wanted: false,
            reading: Reading::default(),
            listening: Listening::default(),
            writing: Writing::default(),
            pruning: Pruning::default(),
            recovery: Recovery::default(),
        }
    }

    /// The link that it is for.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Deals with an event. An error is the database's; the link itself may be gone. The session goes on after it as
    /// after any failure: it has already asked to be woken.
    pub fn handle<'a>(
        &mut self,
        event: Event,
        database: impl Into<Access<'a>>,
        now_ms: u64,
        chance: &'a mut dyn Randomness,
    ) -> (Vec<Action>, Result<(), Error>) {
        let (clock_ms, now_ms) = (now_ms, self.steady_time(now_ms));
        let mut turn = Turn { database: database.into(), now_ms, clock_ms, chance, actions: Vec::new() };
        let mut outcome = self.hear(event, &mut turn);
        if outcome.is_ok() {
            outcome = self.work(&mut turn);
        }
        if let Err(Error::OtherHistory(_)) = &outcome {
            // Another process was first to notice. What was under way is of no use any more.
            self.begin_again();
            outcome = self.work(&mut turn);
        }
        if let Err(error) = &outcome {
            // Writing the trouble down would most likely fail as well.
            self.fall_back("local", error.to_string(), &mut turn);
        }
        if let Some(wake_ms) = self.wake_ms(&turn) {
            turn.actions.push(Action::WakeAt(self.clock_time(wake_ms)));
        }
        (turn.actions, outcome)
    }

    /// A clock that was put back would keep everything waiting that was planned before: waits go by a time that
    /// stands still for a moment instead.
    fn steady_time(&mut self, clock_ms: u64) -> u64 {
        let now_ms = clock_ms.saturating_add(self.behind_ms);
        self.behind_ms += self.latest_ms.saturating_sub(now_ms);
        self.latest_ms = self.latest_ms.max(now_ms);
        self.latest_ms
    }

    /// What the device's clock shows at this time of ours.
    pub(crate) fn clock_time(&self, time_ms: u64) -> u64 {
        time_ms.saturating_sub(self.behind_ms)
    }

    fn hear(&mut self, event: Event, turn: &mut Turn<'_>) -> Result<(), Error> {
        match event {
            Event::Start => self.running = true,
            Event::Stop => self.stop(turn),
            _ if !self.running => {}
            Event::Response { call, result } => return self.respond(call, result, turn),
            Event::NoticesOpened => self.notices_opened(turn),
            Event::Notice(frame) => self.notice(frame, turn),
            Event::NoticesClosed => self.notices_closed(turn),
            Event::LocalWrite => self.written_here(turn),
            Event::Online => self.online(turn),
            Event::Audit => return self.begin_audit(turn),
            Event::DeleteAccount => self.delete_wanted = true,
            Event::Wake => {}
        }
        Ok(())
    }

    fn begin(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        let link = turn.database.with(|database| database.follow(self.link))?;
        self.begun = true;
        // A cursor was told by a host that knew the account.
        self.registered = link.cursor.is_some();
        self.recovery.recall(link.trouble.as_ref());
        self.writing.dirty = true;
        self.pruning.begin(turn.now_ms);
        self.begin_reading(&link, turn);
        Ok(())
    }

    /// Forgets what was known of the host's history, and reads the link anew.
    fn begin_again(&mut self) {
        self.forget_attempt();
        self.reading.forget_history();
        self.begun = false;
    }

    fn stop(&mut self, turn: &mut Turn<'_>) {
        self.running = false;
        self.flight = None;
        self.listening.stop();
        turn.actions.push(Action::CloseNotices);
    }

    /// Does what there is to do, until a call is under way.
    fn work(&mut self, turn: &mut Turn<'_>) -> Result<(), Error> {
        while self.running && self.flight.is_none() && !self.recovery.is_waiting(turn.now_ms) {
            if !self.begun {
                self.begin(turn)?;
            }
            if self.work_once(turn)? == Step::Nothing {
                return self.rest(turn);
            }
        }
        Ok(())
    }

    fn work_once(&mut self, turn: &mut Turn<'_>) -> Result<Step, Error> {
        if !self.registered {
            self.call(Request::User, turn);
            return Ok(Step::Something);
        }
        if self.delete_wanted {
            return Ok(self.delete_account(turn));
        }
        let kinds: [Work; 8] = [
            Self::read_chunk,
            Self::read_on,
            Self::hear_notices,
            Self::mend,
            Self::push,
            Self::upload,
            Self::prune,
            Self::look_again,
        ];
        for kind in kinds {
            if kind(self, turn)? == Step::Something {
                return Ok(Step::Something);
            }
        }
        Ok(Step::Nothing)
    }

    fn delete_account(&mut self, turn: &mut Turn<'_>) -> Step {
        match (self.kind, self.epoch) {
            (Kind::Old, _) => {
                self.delete_wanted = false;
                self.fall_back("refused", Status::NotImplemented.to_string(), turn);
            }
            (_, Some(epoch)) => self.call(Request::DeleteAccount(epoch), turn),
            (_, None) => self.call(Request::Epoch(None), turn),
        }
        Step::Something
    }

    /// Makes a call. There is none under way.
    pub(crate) fn call(&mut self, request: Request, turn: &mut Turn<'_>) {
        self.send(request, false, turn);
    }

    fn send(&mut self, request: Request, again: bool, turn: &mut Turn<'_>) {
        let time_ms = self.host_time(turn.clock_ms);
        let body = match request.encode(self.sealer.keys(), &self.settings.origin, time_ms) {
            Ok(body) => body,
            // A clock past the range, most likely: nothing that this host could help with.
            Err(status) => return self.fall_back("local", status.to_string(), turn),
        };
        self.calls += 1;
        let call = CallId(self.calls);
        turn.actions.push(Action::Call {
            call,
            path: request.path(),
            body,
            token: request == Request::User,
            answer_bytes_max: request.answer_bytes_max(),
        });
        self.flight = Some(Flight { call, request, sent_ms: turn.clock_ms, again });
    }

    /// Our time by the host's clock.
    pub(crate) fn host_time(&self, clock_ms: u64) -> u64 {
        clock_ms.saturating_add_signed(self.offset_ms)
    }

    fn respond(
        &mut self,
        call: CallId,
        result: Result<Bytes, Failure>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        let Some(flight) = self.flight.take_if(|flight| flight.call == call) else { return Ok(()) };
        let body = match result {
            Ok(body) => body,
            Err(failure) => return self.not_answered(&flight.request, failure, turn),
        };
        let (head, reader) = match read_answer(body) {
            Ok(answer) => answer,
            Err(status) => return self.fail("answer", status.to_string(), turn),
        };
        match (head.status, &flight.request) {
            (Status::Success, _) => {
                self.writing.hear_room(&head.subscription);
                let answered = self.answered(flight.request, reader, turn)?;
                answered.or_else(|status| self.fail("answer", status.to_string(), turn))
            }
            (Status::ClockOutOfSync, _) => self.adjust_clock(flight, &head, turn),
            (Status::UserNotRegistered, request) if *request != Request::User && !self.registered_now => {
                self.account_is_gone();
                Ok(())
            }
            (Status::UserNotRegistered, Request::User) => {
                self.fail("refused", "the host refuses to register this account".into(), turn)
            }
            (Status::NotFound, Request::Epoch(_)) => self.host_is_old(turn),
            (status, Request::Prune(..)) => self.prune_refused(status, turn),
            (status, _) => self.fail("refused", status.to_string(), turn),
        }
    }

    fn not_answered(
        &mut self,
        request: &Request,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        let text = failure.to_string();
        match (failure, request) {
            (Failure::Http(413), Request::Push(..)) => self.push_smaller(turn),
            (Failure::Http(_), _) => self.fail("http", text, turn),
            (Failure::TooLarge(_), _) => self.fail("answer", text, turn),
            (Failure::Unreachable(_) | Failure::Silent, _) => self.fail("network", text, turn),
        }
    }

    /// A request worked; what follows its head is read here. The inner error: it cannot be read.
    fn answered(
        &mut self,
        request: Request,
        mut reader: Reader,
        turn: &mut Turn<'_>,
    ) -> Result<Result<(), Status>, Error> {
        self.listening.reached = true;
        match request {
            Request::User => {
                (self.registered, self.registered_now) = (true, true);
                turn.report(Report::Registered);
            }
            Request::DeleteAccount(_) => {
                turn.report(Report::AccountDeleted);
                self.stop(turn);
            }
            Request::Epoch(cursor) => return self.epoch_told(cursor, &mut reader, turn),
            Request::Peek(after) => return self.list_told(after, &mut reader, turn),
            Request::Page(after, _) => return self.page_told(after, &mut reader, turn),
            Request::Pull(..) => return Ok(self.bodies_told(&mut reader, turn)),
            Request::Push(..) => return self.push_told(&mut reader, turn),
            Request::Prune(pairs, _) => return self.prune_told(&pairs, &mut reader, turn),
        }
        Ok(Ok(()))
    }

    /// The host says that the clocks differ: its answer tells by how much. Tried once more, with its time.
    fn adjust_clock(
        &mut self,
        flight: Flight,
        head: &ResponseHead,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        let difference = |host: u64, ours: u64| i128::from(host) - i128::from(ours);
        let offset =
            (difference(head.received_ms, flight.sent_ms) + difference(head.sent_ms, turn.clock_ms)) / 2;
        let offset_ms = i64::try_from(offset).unwrap_or(i64::MAX);
        if flight.again || offset_ms.unsigned_abs() > CLOCK_OFFSET_MS_MAX {
            self.offset_ms = 0;
            let text = format!("this device's clock and the host's differ by {} s", offset_ms / 1_000);
            return self.fail("clock", text, turn);
        }
        self.offset_ms = offset_ms;
        turn.report(Report::ClockSkew { offset_ms });
        self.send(flight.request, true, turn);
        Ok(())
    }

    /// The host does not know the account: it lost it, or it was removed.
    fn account_is_gone(&mut self) {
        self.registered = false;
        self.forget_attempt();
        self.reading.account_gone = true;
    }

    /// Forgets what a call that did not work leaves half done. The database is as if it had not begun.
    pub(crate) fn forget_attempt(&mut self) {
        self.flight = None;
        self.registered_now = false;
        self.reading.forget_attempt();
        self.listening.forget_attempt();
        self.writing.forget_attempt();
    }

    /// Everything worked, so that the next trouble is a first one.
    pub(crate) fn settle_down(&mut self) {
        self.registered_now = false;
        self.recovery.succeed();
    }
}

/// The greatest difference of clocks that is bridged, milliseconds: a day. A time that a host made a device sign
/// would be good at the account's other hosts as well, on the day that it names.
pub const CLOCK_OFFSET_MS_MAX: u64 = 24 * 3_600_000;
