//! What one reader of a room is sent, in the room's order: broadcasts from the ring, and the answers to its own
//! commands at their places between them. Sockets, event streams and long polls all drain a [`Feed`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::machine::{Command, Joined, Reply};
use seabag_protocol::room::name::{Cursor, Epoch, RoomSeq, StreamKey};
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::session::{Session, catch_up};

use crate::mail::{Due, Mail, RoomHandle};
use crate::read::Reader;
use crate::ring::{Batch, Event, Ring};

/// Most events that are taken from the ring at once: then answers and the socket have their turn.
const BATCH_EVENTS_MAX: usize = 512;
/// About the most bytes of them, as the ring counts: what a reader holds beside the ring while it writes.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of answers after which what was taken is sent first. Answers that read are as large as their streams, and
/// a thousand commands may wait.
const ANSWERS_BYTES_MAX: usize = 256 * 1024;
/// Most streams of a watching connection that are read at once.
const WATCHED_READS_MAX: usize = 16;

/// What stands at one place between the broadcasts.
enum Answer {
    Due(Due),
    /// The feed ends here, for this reason.
    End(Refusal),
}

/// The half of a feed that the room knows.
pub(crate) struct FeedShared {
    /// Answers and the ring positions before which they go, ascending.
    due: Mutex<VecDeque<(u64, Box<Answer>)>>,
    /// The reader's position in the ring; `u64::MAX` before it joins and while it is catching up: it holds no queue.
    position: AtomicU64,
    waker: AtomicWaker,
    /// Why the feed ends, once it does.
    end: Mutex<Option<Refusal>>,
    ended: AtomicBool,
    /// Wakes a writer that is stuck in its socket when the feed ends.
    end_waker: AtomicWaker,
    /// The reader has left.
    gone: AtomicBool,
    /// What to apply for a reader that has left: its wills.
    last_words: Mutex<Vec<Command>>,
}

impl FeedShared {
    pub(crate) fn new() -> Self {
        Self {
            due: Mutex::default(),
            position: AtomicU64::new(u64::MAX),
            waker: AtomicWaker::new(),
            end: Mutex::default(),
            ended: AtomicBool::new(false),
            end_waker: AtomicWaker::new(),
            gone: AtomicBool::new(false),
            last_words: Mutex::default(),
        }
    }

    /// Puts an answer before the event at `position`.
    pub(crate) fn answer(&self, position: u64, due: Due) {
        self.due.lock().push_back((position, Box::new(Answer::Due(due))));
    }

    /// Ends the feed before the event at `position`, behind the answers that are due by then.
    pub(crate) fn end_after(&self, position: u64, refusal: Refusal) {
        self.due.lock().push_back((position, Box::new(Answer::End(refusal))));
        self.waker.wake();
    }

    /// Keeps the ring's events from `position` on for a reader that goes live there, though it has yet to come to it.
    pub(crate) fn hold(&self, position: u64) {
        self.position.store(position, Ordering::Release);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Ends the feed behind nothing: what is still due is not sent.
    pub(crate) fn end(&self, refusal: Refusal) {
        self.end.lock().get_or_insert(refusal);
        self.ended.store(true, Ordering::Release);
        self.waker.wake();
        self.end_waker.wake();
    }

    /// Waits for the end and brings its reason. May be dropped at any time; one at a time.
    pub(crate) async fn ended(&self) -> Refusal {
        std::future::poll_fn(|context| {
            self.end_waker.register(context.waker());
            if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.end_reason()
    }

    fn end_reason(&self) -> Refusal {
        self.end.lock().clone().unwrap_or_else(|| Refusal::new(Code::Unavailable, "the room has ended"))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(crate) fn take_last_words(&self) -> Vec<Command> {
        std::mem::take(&mut *self.last_words.lock())
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }
}

/// Something to send.
pub(crate) enum Outgoing {
    /// To this reader only.
    Message(ServerMessage),
    /// A broadcast, shared with the other readers.
    Event(Arc<Event>),
    /// The last thing: why the connection ends.
    End(Refusal),
}

impl Outgoing {
    /// About what it holds, for what one reader has in hand at once. Events are shared, and the ring's to count.
    fn bytes(&self) -> usize {
        match self {
            Self::Message(ServerMessage::Init { data, .. }) => {
                data.iter().map(|(_, value)| 64 + value.len()).sum()
            }
            Self::Message(ServerMessage::Entries { data, .. }) => {
                data.iter().map(|entry| 64 + entry.value.len()).sum()
            }
            Self::Message(ServerMessage::Keys { data, .. }) => {
                data.iter().map(|summary| 128 + summary.key.as_str().len()).sum()
            }
            Self::Message(_) => 128,
            Self::Event(_) | Self::End(_) => 0,
        }
    }
}

enum Mode {
    /// Waits for the place in the order where it joins.
    Joining,
    /// Reads the room page by page, from this number on, holding no queue.
    CatchingUp(RoomSeq),
    /// Follows the ring.
    Live,
}

/// One reader of a room.
pub(crate) struct Feed {
    room: RoomHandle,
    shared: Arc<FeedShared>,
    session: Arc<Mutex<Session>>,
    reader: Reader,
    mode: Mode,
    position: u64,
    /// The epoch in which it reads.
    epoch: Option<Epoch>,
    /// Streams that changed and are to be read for a watching connection.
    changed: BTreeSet<StreamKey>,
    /// Reads of such streams that are under way.
    watched_reads: usize,
}

impl Feed {
    /// Joins a room. Resolves when it has its place there, or with the reason why it has none.
    pub(crate) async fn join(
        room: RoomHandle,
        session: Arc<Mutex<Session>>,
        reader: Reader,
    ) -> Result<Self, Refusal> {
        let shared = Arc::new(FeedShared::new());
        let (command, client) = {
            let session = session.lock();
            (session.join(), session.options().client.clone())
        };
        room.send(Mail::Join { feed: Arc::clone(&shared), command: Box::new(command), client }).await?;
        let feed = Self {
            room,
            shared,
            session,
            reader,
            mode: Mode::Joining,
            position: u64::MAX,
            epoch: None,
            changed: BTreeSet::new(),
            watched_reads: 0,
        };
        feed.ready().await;
        let refused = feed.shared.end.lock().clone();
        refused.map_or(Ok(feed), Err)
    }

    /// The way to its room.
    pub(crate) fn room(&self) -> RoomHandle {
        self.room.clone()
    }

    /// The half that the room knows: commands are sent under it.
    pub(crate) fn shared(&self) -> Arc<FeedShared> {
        Arc::clone(&self.shared)
    }

    /// Waits until there is something to take. May be dropped at any time.
    pub(crate) async fn ready(&self) {
        std::future::poll_fn(|context| {
            if self.has_work() {
                return Poll::Ready(());
            }
            self.shared.waker.register(context.waker());
            if self.has_work() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn has_work(&self) -> bool {
        if self.shared.has_ended() {
            return true;
        }
        let front = self.shared.due.lock().front().map(|(position, _)| *position);
        match self.mode {
            Mode::Live => {
                self.ring().end() > self.position || front.is_some_and(|front| front <= self.position)
            }
            Mode::Joining | Mode::CatchingUp(_) => front.is_some(),
        }
    }

    fn ring(&self) -> &Ring {
        self.room.ring()
    }

    /// Takes what is there, in order. Not to be dropped while it runs: an answer would be lost.
    pub(crate) async fn take(&mut self, out: &mut Vec<Outgoing>) {
        if self.shared.has_ended() {
            out.push(Outgoing::End(self.shared.end_reason()));
            return;
        }
        match self.mode {
            Mode::Live => self.take_live(out).await,
            Mode::Joining | Mode::CatchingUp(_) => {
                let front = self.shared.due.lock().pop_front();
                match front.map(|(position, answer)| (position, *answer)) {
                    Some((position, Answer::Due(due))) => {
                        Box::pin(self.take_before_live(position, due, out)).await
                    }
                    Some((_, Answer::End(refusal))) => self.shared.end(refusal),
                    None => {}
                }
            }
        }
    }

    async fn take_live(&mut self, out: &mut Vec<Outgoing>) {
        let Batch::Events(events, end) = self.ring().read(self.position, BATCH_EVENTS_MAX, BATCH_BYTES_MAX)
        else {
            out.push(Outgoing::End(slow_reader()));
            return;
        };
        // An answer's place is known before the event behind it is visible, so all answers up to `end` are here.
        let mut events = events.into_iter();
        let mut answered = 0;
        while answered < ANSWERS_BYTES_MAX {
            let due = {
                let mut queue = self.shared.due.lock();
                if queue.front().is_some_and(|(place, _)| *place <= end) { queue.pop_front() } else { None }
            };
            let until = due.as_ref().map_or(end, |(place, _)| *place);
            self.hear(&mut events, until, out);
            match due.map(|(_, answer)| *answer) {
                Some(Answer::Due(due)) => {
                    let before = out.len();
                    self.finish(due, out).await;
                    answered += out.iter().skip(before).map(Outgoing::bytes).sum::<usize>();
                }
                Some(Answer::End(refusal)) => return self.shared.end(refusal),
                None => break,
            }
        }
        self.shared.hold(self.position);
        if !self.changed.is_empty() {
            Box::pin(self.read_changed_streams()).await;
        }
    }

    /// Takes events up to a position.
    fn hear(&mut self, events: &mut impl Iterator<Item = Arc<Event>>, until: u64, out: &mut Vec<Outgoing>) {
        let session = self.session.lock();
        while self.position < until {
            let Some(event) = events.next() else { break };
            self.position += 1;
            match &*event {
                Event::Push(shared) => {
                    if session.watches_streams() && shared.stored {
                        self.changed.insert(shared.entry.key.clone());
                    }
                    if session.hears(&shared.entry, shared.stored) {
                        out.push(Outgoing::Event(event));
                    }
                }
                Event::Trimmed { key, seq, size } => {
                    if session.watches_streams() {
                        self.changed.insert(key.clone());
                    }
                    if session.hears_trims() {
                        let trimmed = ServerMessage::Trimmed { key: key.clone(), seq: *seq, size: *size };
                        out.push(Outgoing::Message(trimmed));
                    }
                }
            }
        }
    }

    async fn take_before_live(&mut self, position: u64, due: Due, out: &mut Vec<Outgoing>) {
        match due.reply {
            Reply::Joined(joined) => self.joined(position, joined, out).await,
            // Its own page, and not one that the peer asked for from the same number.
            Reply::ReadRoom { ref read, ref epoch, .. } if due.held.is_none() => {
                let (head, epoch) = (read.head, epoch.clone());
                match self.reader.read_room(&due).await {
                    Err(refusal) => self.shared.end(refusal),
                    Ok(page) => {
                        if !page.entries.is_empty() {
                            out.push(Outgoing::Message(ServerMessage::Entries {
                                data: page.entries,
                                next: None,
                            }));
                        }
                        self.epoch = Some(epoch);
                        self.go_on(position, page.next, head, out).await;
                    }
                }
            }
            _ => self.finish(due, out).await,
        }
    }

    async fn joined(&mut self, position: u64, joined: Joined, out: &mut Vec<Outgoing>) {
        out.extend(self.session.lock().hello(&joined).map(Outgoing::Message));
        if let Some(reason) = joined.reset {
            let reset = ServerMessage::Reset { reason, epoch: joined.epoch.clone(), seq: joined.head };
            out.push(Outgoing::Message(reset));
        }
        self.epoch = Some(joined.epoch);
        self.changed.extend(joined.keys);
        match joined.since {
            None => self.go_live(position),
            Some(after) if after == joined.head => self.go_on(position, None, joined.head, out).await,
            Some(after) => self.ask_page(after).await,
        }
        self.read_changed_streams().await;
    }

    /// After a page of catching up: the next one, or live from the page's place in the order.
    async fn go_on(&mut self, position: u64, next: Option<RoomSeq>, head: RoomSeq, out: &mut Vec<Outgoing>) {
        match next {
            Some(next) => self.ask_page(next).await,
            // So long ago that the ring has moved on: one more page.
            None if !self.ring().reaches(position) => self.ask_page(head).await,
            None => {
                out.push(Outgoing::Message(ServerMessage::Live { seq: head }));
                self.go_live(position);
            }
        }
    }

    fn go_live(&mut self, position: u64) {
        self.mode = Mode::Live;
        self.position = position;
        self.shared.hold(position);
    }

    async fn ask_page(&mut self, after: RoomSeq) {
        self.mode = Mode::CatchingUp(after);
        self.ask(catch_up(after)).await;
    }

    async fn ask(&mut self, command: Command) {
        let mail = Mail::Command { feed: Arc::clone(&self.shared), command: Box::new(command), held: None };
        if let Err(refusal) = self.room.send(mail).await {
            self.shared.end(refusal);
        }
    }

    /// Finishes an answer at its place. Reads are boxed: a connection that waits shall not hold room for them.
    async fn finish(&mut self, due: Due, out: &mut Vec<Outgoing>) {
        match due.reply {
            Reply::Message(message) => out.push(Outgoing::Message(message)),
            Reply::Subscribed(key) => self.session.lock().subscribe(&key),
            Reply::ReadStream(_) | Reply::ReadRoom { .. } => Box::pin(self.read(due, out)).await,
            // Only a feed's own first command joins, and lists of pushes come by HTTP.
            Reply::Joined(_) | Reply::Acks(_) => {}
        }
    }

    async fn read(&mut self, due: Due, out: &mut Vec<Outgoing>) {
        match &due.reply {
            Reply::ReadStream(read) => {
                let key = read.key.clone();
                match self.reader.read_stream(&due).await {
                    Ok(data) => out.push(Outgoing::Message(ServerMessage::Init { key: key.clone(), data })),
                    Err(refusal) => self.shared.end(refusal),
                }
                // A watching connection reads for itself what it never asked for; that subscribes to nothing.
                if due.held.is_none() {
                    self.watched_reads = self.watched_reads.saturating_sub(1);
                } else {
                    self.session.lock().subscribe(&key);
                }
            }
            Reply::ReadRoom { read, epoch, reset } => {
                if let Some(reason) = reset {
                    let reset =
                        ServerMessage::Reset { reason: *reason, epoch: epoch.clone(), seq: read.head };
                    out.push(Outgoing::Message(reset));
                }
                match self.reader.read_room(&due).await {
                    Ok(page) => {
                        let next = Some(page.next);
                        out.push(Outgoing::Message(ServerMessage::Entries { data: page.entries, next }));
                    }
                    Err(refusal) => self.shared.end(refusal),
                }
            }
            Reply::Message(_) | Reply::Subscribed(_) | Reply::Joined(_) | Reply::Acks(_) => {}
        }
    }

    /// Reads the streams that changed, for a connection that watches them. However often a stream changed
    /// meanwhile, it is read once (upstream sends it whole for every change).
    async fn read_changed_streams(&mut self) {
        while self.watched_reads < WATCHED_READS_MAX {
            let Some(key) = self.changed.pop_first() else { break };
            self.watched_reads += 1;
            self.ask(Command::GetStream { key, after: Some(RoomSeq::ZERO) }).await;
        }
    }

    /// Where the reader stands as it joins a room whose head is `head`.
    pub(crate) fn cursor_at_joining(&self, head: RoomSeq) -> Cursor {
        self.cursor(if let Mode::CatchingUp(after) = self.mode { after } else { head })
    }

    /// Where a reader stands that has got everything up to `seq`.
    pub(crate) fn cursor(&self, seq: RoomSeq) -> Cursor {
        Cursor { epoch: self.epoch.clone(), seq }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        *self.shared.last_words.lock() = self.session.lock().end();
        self.shared.gone.store(true, Ordering::Release);
        self.room.left();
    }
}

pub(crate) fn slow_reader() -> Refusal {
    Refusal::new(
        Code::SlowReader,
        "this connection does not read fast enough; connect again and go on from its cursor",
    )
    .retry_after(1_000)
}
