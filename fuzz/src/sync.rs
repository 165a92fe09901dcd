//! A session of a link whose host answers whatever the fuzzer says. Bags of the account are among it, signed and
//! sealed as they should be, under any number and any number of times: those alone may change what is here.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use bytes::Bytes;
use seabag_client::chance::Randomness;
use seabag_client::host::event::{Action, CallId, Event, Failure};
use seabag_client::host::session::{HostSession, SessionSettings};
use seabag_crypto::{Nonces, Sealer, Seed};
use seabag_entdb::{Database, Draft, LinkSettings, Message, Skew};
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::EpochAnswer;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::peek::{PageHead, PeekItem};
use seabag_protocol::host::prune::PruneItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::{ResponseHead, Subscription};
use seabag_protocol::host::status::Status;

const BEGIN_MS: u64 = 1_767_225_600_000;
/// Steps of one run; each costs signatures.
const STEPS_MAX: usize = 64;

/// What happens to a session.
#[derive(Arbitrary, Debug)]
pub struct AnySync {
    live: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Answer(Answer),
    Fail(u16),
    Notice(Frame),
    NoticesOpened,
    NoticesClosed,
    Write(u8),
    Delete(u8),
    Later(u16),
    Online,
    Audit,
    Restart,
}

#[derive(Arbitrary, Debug)]
enum Answer {
    Raw(Vec<u8>),
    Status(u8),
    Any(Vec<u8>),
    Epoch { epoch: bool, last: u8, valid: bool },
    Page { epoch: bool, last: u8, through: u8, items: Vec<(u8, Head)> },
    List(Vec<(u8, Head)>),
    Bodies(Vec<(u8, Body)>),
    Pushed(Vec<(u8, u8)>),
    Pruned(Vec<(u8, u8)>),
}

#[derive(Arbitrary, Debug)]
enum Frame {
    Raw(Vec<u8>),
    Items(Vec<(u8, Head, Body)>),
}

#[derive(Arbitrary, Debug)]
enum Head {
    Good(u8),
    OtherKey(u8, [u8; 8]),
    Any(u8, Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Body {
    Good(u8),
    Any(Vec<u8>),
}

/// The account, and messages of its other devices: updates, ends, ties, one that cannot be read, one past the range.
struct Pool {
    sealer: Arc<Sealer>,
    messages: Vec<(Message, Bag)>,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let sealer = Arc::new(Sealer::new(Arc::new(Seed::from_bytes(&[7; 32])), "fuzz", 0));
    let text = |content: u8| {
        Some(Bytes::from(vec![
            0x82, 0xa4, b't', b'y', b'p', b'e', 0xa1, b't', 0xa4, b'b', b'o', b'd', b'y', content,
        ]))
    };
    let message = |id: u8, created_ms: u64, offset_ms: u64, body: Option<Bytes>| {
        let eid = Eid::new(&[id; 8], created_ms).expect("in range");
        let head = MessageHead::new(eid, offset_ms, offset_ms, body.as_deref());
        let nonces = Nonces { head: [id; 24], body: [id + 1; 24] };
        let bag = sealer.seal(&head, body.as_deref(), &nonces).expect("it can be sealed");
        (Message { head, body }, bag)
    };
    let messages = vec![
        message(1, BEGIN_MS, 0, text(1)),
        message(1, BEGIN_MS, 5, text(2)),
        message(1, BEGIN_MS, 5, text(3)),
        message(1, BEGIN_MS, 9, None),
        message(2, BEGIN_MS, 1, text(4)),
        message(2, BEGIN_MS, 1, None),
        message(3, BEGIN_MS, 7, Some(Bytes::from_static(b"\xc1"))),
        message(4, 9_000_000_000_000_000, 0, text(5)),
        message(200, BEGIN_MS, 40, text(6)),
    ];
    Pool { sealer, messages }
});

struct Counting(u64);

impl Randomness for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

struct Device {
    database: Database,
    session: HostSession,
    settings: SessionSettings,
    now_ms: u64,
    calls: Vec<CallId>,
    /// What was written here last of each entity.
    written: HashMap<Eid, MessageHead>,
}

/// Any events and answers: nothing that was written here is lost, and nothing is here that nobody of the account wrote.
pub fn sync_session(any: AnySync) {
    let mut database = Database::in_memory();
    let settings = LinkSettings { label: "fuzz".into(), url: "http://host.test".into(), index: 0 };
    let link = database.add_link(settings).expect("memory does not fail");
    let settings = SessionSettings::new("http://host.test".into(), any.live);
    let session = HostSession::new(link, Arc::clone(&POOL.sealer), settings.clone());
    let (now_ms, calls, written) = (BEGIN_MS, Vec::new(), HashMap::new());
    let mut device = Device { database, session, settings, now_ms, calls, written };
    device.hear(Event::Start);
    for step in any.steps.into_iter().take(STEPS_MAX) {
        device.step(step);
        device.check();
    }
}

impl Device {
    fn hear(&mut self, event: Event) {
        let mut chance = Counting(self.now_ms);
        let (actions, outcome) = self.session.handle(event, &mut self.database, self.now_ms, &mut chance);
        outcome.expect("memory does not fail");
        for action in actions {
            match action {
                Action::Call { call, .. } => self.calls.push(call),
                Action::WakeAt(at_ms) => assert!(at_ms > self.now_ms, "a session is woken for nothing"),
                _ => {}
            }
        }
        assert!(self.calls.len() <= 1, "two calls at a time");
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Answer(answer) => self.answer(Ok(answer.encode(self.now_ms))),
            Step::Fail(0) => self.answer(Err(Failure::Silent)),
            Step::Fail(status) => self.answer(Err(Failure::Http(status))),
            Step::Notice(frame) => self.hear(Event::Notice(frame.encode())),
            Step::NoticesOpened => self.hear(Event::NoticesOpened),
            Step::NoticesClosed => self.hear(Event::NoticesClosed),
            Step::Write(id) => self.write(id, true),
            Step::Delete(id) => self.write(id, false),
            Step::Later(seconds) => {
                self.now_ms += u64::from(seconds) * 1_000;
                self.hear(Event::Wake);
            }
            Step::Online => self.hear(Event::Online),
            Step::Audit => self.hear(Event::Audit),
            Step::Restart => {
                self.calls.clear();
                let link = self.session.link();
                self.session = HostSession::new(link, Arc::clone(&POOL.sealer), self.settings.clone());
                self.hear(Event::Start);
            }
        }
    }

    fn answer(&mut self, result: Result<Bytes, Failure>) {
        if let Some(call) = self.calls.pop() {
            self.hear(Event::Response { call, result });
        }
    }

    fn write(&mut self, id: u8, there: bool) {
        let eid = Eid::new(&[id; 8], BEGIN_MS).expect("in range");
        let head = if there {
            Some(self.database.put(&eid, self.now_ms, Draft::new("t", vec![id & 0x7f]), Skew::Force))
        } else {
            self.database.delete(&eid, self.now_ms, Skew::Force).transpose()
        };
        if let Some(head) = head {
            self.written.insert(eid, head.expect("it can be written"));
        }
        self.hear(Event::LocalWrite);
    }

    fn check(&self) {
        let page = self.database.messages(None, 10_000).expect("memory does not fail");
        let mut heads = HashMap::new();
        for Message { head, body } in &page.messages {
            assert_eq!(head.check_body(body.as_deref()), Ok(()));
            let own = self.written.get(&head.eid) == Some(head);
            let theirs = POOL.messages.iter().any(|(message, _)| message.head == *head);
            assert!(own || theirs, "{head:?} is of nobody");
            heads.entry(head.eid.clone()).or_insert_with(Vec::new).push(head);
        }
        for (eid, head) in &self.written {
            let rank = head.rank().expect("in range");
            let here = heads.get(eid).into_iter().flatten().filter_map(|head| head.rank().ok()).max();
            assert!(here.is_some_and(|here| here >= rank), "{head:?} is lost");
            let durable = self.database.durable_at(eid).expect("memory does not fail");
            // Between a reset and the end of its replay nothing is queued yet.
            let stage = self.database.stage(self.session.link()).expect("memory does not fail");
            let safe = durable.iter().all(|at| at.waiting || at.stored.is_some());
            assert!(safe || stage != seabag_entdb::Fill::Done, "{head:?} would never go up");
        }
    }
}

impl Answer {
    fn encode(self, now_ms: u64) -> Bytes {
        let status = match &self {
            Self::Raw(bytes) => return bytes.clone().into(),
            Self::Status(code) => Status::from_code(*code).unwrap_or(Status::InternalError),
            _ => Status::Success,
        };
        let subscription = Subscription::default();
        let head = ResponseHead { status, received_ms: now_ms, sent_ms: now_ms, subscription };
        let mut out = Vec::new();
        head.write(&mut out).expect("in range");
        match self {
            Self::Raw(_) | Self::Status(_) => {}
            Self::Any(bytes) => out.extend_from_slice(&bytes),
            Self::Epoch { epoch, last, valid } => {
                let answer = EpochAnswer { epoch: id(epoch), last: seq(last), valid };
                answer.write(&mut out).expect("in range");
            }
            Self::Page { epoch, last, through, items } => {
                let page = PageHead { epoch: id(epoch), last: seq(last), through: seq(through) };
                page.write(&mut out).expect("in range");
                write_items(&items, &mut out);
            }
            Self::List(items) => write_items(&items, &mut out),
            Self::Bodies(items) => {
                for (number, body) in items {
                    PullItem { seq: seq(number), body: body.bytes() }.write(&mut out).expect("in range");
                }
            }
            Self::Pushed(items) => {
                for (index, number) in items {
                    let refused = Err(Status::StorageError);
                    let result = if number == 200 { refused } else { Ok(seq(number)) };
                    PushItem { index: index.into(), result }.write(&mut out).expect("in range");
                }
            }
            Self::Pruned(items) => {
                for (index, code) in items {
                    let status = Status::from_code(code).unwrap_or(Status::Success);
                    PruneItem { index: index.into(), status }.write(&mut out).expect("in range");
                }
            }
        }
        out.into()
    }
}

impl Frame {
    fn encode(self) -> Bytes {
        let items = match self {
            Self::Raw(bytes) => return bytes.into(),
            Self::Items(items) => items,
        };
        let mut out = Vec::new();
        for (number, head, body) in items {
            let item = NoticeItem { seq: seq(number), sealed: head.sealed(), body: body.bytes() };
            item.write(&mut out).expect("in range");
        }
        out.into()
    }
}

impl Head {
    fn sealed(&self) -> SealedHead {
        match self {
            Self::Good(at) => bag(*at).sealed.clone(),
            Self::OtherKey(at, derivation) => {
                SealedHead { derivation: *derivation, ..bag(*at).sealed.clone() }
            }
            Self::Any(at, head) => SealedHead { head: head.clone().into(), ..bag(*at).sealed.clone() },
        }
    }
}

impl Body {
    fn bytes(self) -> Bytes {
        match self {
            Self::Good(at) => bag(at).body.clone(),
            Self::Any(bytes) => bytes.into(),
        }
    }
}

fn write_items(items: &[(u8, Head)], out: &mut Vec<u8>) {
    for (number, head) in items {
        PeekItem { seq: seq(*number), sealed: head.sealed() }.write(out).expect("in range");
    }
}

fn bag(at: u8) -> &'static Bag {
    let messages = &POOL.messages;
    &messages[usize::from(at) % messages.len()].1
}

/// Small numbers mostly, and a few that are beyond all.
fn seq(number: u8) -> BagSeq {
    BagSeq(if number > 250 { (1 << 56) - 1 - u64::from(255 - number) } else { u64::from(number % 32) })
}

fn id(other: bool) -> EpochId {
    EpochId([if other { 2 } else { 1 }; 16])
}
