//! Devices and hosts in one thread: sessions step by step against blind hosts, the clock moved by hand, and a place
//! to put faults between the two.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use seabag_client::chance::Randomness;
use seabag_client::host::event::{Action, CallId, Event, Failure};
use seabag_client::host::report::Report;
use seabag_client::host::session::{HostSession, SessionSettings};
use seabag_crypto::{Sealer, Seed};
use seabag_entdb::{Database, Draft, LinkId, LinkSettings, MessageCursor, Skew};
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::eid::Eid;
use seabag_testing::blind_host::{BlindHost, HostSettings};
use seabag_testing::chance::Chance;

/// When the tests begin, milliseconds since 1970.
pub(crate) const BEGIN_MS: u64 = 1_767_225_600_000;
pub(crate) const LABEL: &str = "test";

/// Chance from a seed, in the shape that sessions take.
pub(crate) struct Dice(pub(crate) Chance);

impl Randomness for Dice {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.number() as u8);
    }
}

pub(crate) fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(Arc::new(Seed::from_bytes(&[7; 32])), LABEL, 0))
}

pub(crate) fn stranger() -> Arc<Sealer> {
    Arc::new(Sealer::new(Arc::new(Seed::from_bytes(&[8; 32])), LABEL, 0))
}

pub(crate) fn account() -> PublicKey {
    sealer().keys().public()
}

/// What stands between a device and its host: it sees each answer and may put another in its place.
pub(crate) type Fault = Box<dyn FnMut(&str, Bytes) -> Result<Bytes, Failure>>;

/// One link of a device.
pub(crate) struct Line {
    pub(crate) session: HostSession,
    pub(crate) host: usize,
    pub(crate) calls: VecDeque<(CallId, &'static str, Bytes, u64)>,
    pub(crate) listening: bool,
    pub(crate) wake_ms: Option<u64>,
    pub(crate) reports: Vec<Report>,
    pub(crate) fault: Option<Fault>,
    pub(crate) token: Option<String>,
}

/// A device: one database, its links, and a clock that may be wrong.
pub(crate) struct Device {
    pub(crate) database: Database,
    pub(crate) lines: Vec<Line>,
    pub(crate) skew_ms: i64,
    /// Whether its disk may be full.
    pub(crate) full: bool,
    pub(crate) dice: Dice,
    made: u64,
}

/// Everything.
pub(crate) struct World {
    pub(crate) hosts: Vec<BlindHost>,
    pub(crate) devices: Vec<Device>,
    pub(crate) now_ms: u64,
    live: bool,
}

pub(crate) fn draft(text: &str) -> Draft {
    let mut body = vec![0xd9, text.len() as u8];
    body.extend_from_slice(text.as_bytes());
    Draft::new("note", body)
}

impl Device {
    fn new(number: u64) -> Self {
        Self {
            database: Database::in_memory(),
            lines: Vec::new(),
            skew_ms: 0,
            full: false,
            dice: Dice(Chance::new(1_000 + number)),
            made: number << 32,
        }
    }

    fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    /// All that it has: every message with its body, in one order for all devices.
    pub(crate) fn state(&self) -> Vec<(Vec<u8>, Option<Bytes>)> {
        let (mut all, mut after): (Vec<_>, Option<MessageCursor>) = (Vec::new(), None);
        loop {
            let page = self.database.messages(after.as_ref(), 500).unwrap();
            all.extend(page.messages.into_iter().map(|it| (it.head.encode().unwrap(), it.body)));
            after = page.next;
            if after.is_none() {
                all.sort();
                return all;
            }
        }
    }

    pub(crate) fn waiting(&self) -> u64 {
        let links = self.database.links().unwrap();
        links.iter().map(|link| self.database.waiting(link.id).unwrap()).sum()
    }

    pub(crate) fn link(&self) -> LinkId {
        self.lines[0].session.link()
    }
}

impl World {
    /// Hosts of these settings, and so many devices, linked to all of them.
    pub(crate) fn new(hosts: Vec<HostSettings>, devices: usize, live: bool) -> Self {
        let hosts = hosts.into_iter().enumerate().map(|(at, it)| BlindHost::new(it, at as u64 + 1)).collect();
        let mut world = Self { hosts, devices: Vec::new(), now_ms: BEGIN_MS, live };
        (0..devices).for_each(|_| world.add_device());
        world
    }

    /// One host as it should be.
    pub(crate) fn simple(devices: usize) -> Self {
        Self::new(vec![HostSettings::default()], devices, true)
    }

    /// One more device, linked to all hosts, and started.
    pub(crate) fn add_device(&mut self) {
        let at = self.devices.len();
        self.devices.push(Device::new(at as u64 + 1));
        for host in 0..self.hosts.len() {
            let url = format!("http://host-{host}.test");
            let settings = LinkSettings { label: LABEL.into(), url, index: 0 };
            let link = self.devices[at].database.add_link(settings).unwrap();
            self.start_line(at, link, host);
        }
    }

    fn start_line(&mut self, device: usize, link: LinkId, host: usize) {
        let settings = SessionSettings::new(self.hosts[host].settings.origin.clone(), self.live);
        let line = Line {
            session: HostSession::new(link, sealer(), settings),
            host,
            calls: VecDeque::new(),
            listening: false,
            wake_ms: None,
            reports: Vec::new(),
            fault: None,
            token: None,
        };
        self.devices[device].lines.push(line);
        let at = self.devices[device].lines.len() - 1;
        self.tell(device, at, Event::Start);
    }

    /// Ends a device's process and starts it again: sessions are lost, the database stays.
    pub(crate) fn restart_device(&mut self, device: usize) {
        let lines = std::mem::take(&mut self.devices[device].lines);
        for line in lines {
            self.start_line(device, line.session.link(), line.host);
        }
    }

    /// Hands an event to a session and takes its actions.
    pub(crate) fn tell(&mut self, device: usize, line: usize, event: Event) {
        let at = device;
        let device = &mut self.devices[device];
        let now_ms = device.clock(self.now_ms);
        let full = device.full;
        let Device { database, lines, dice, .. } = device;
        let line_at = line;
        let line = &mut lines[line];
        let (actions, outcome) = line.session.handle(event, &mut *database, now_ms, dice);
        assert!(outcome.is_ok() || full, "{outcome:?}");
        line.wake_ms = None;
        let mut opened = false;
        for action in actions {
            match action {
                Action::Call { call, path, body, token, answer_bytes_max } => {
                    assert!(token == (path == "/user"));
                    line.calls.push_back((call, path, body, answer_bytes_max));
                }
                Action::OpenNotices { query } => {
                    assert!(query.starts_with("t="));
                    opened = true;
                }
                Action::CloseNotices => line.listening = false,
                Action::WakeAt(wake_ms) => line.wake_ms = Some(wake_ms),
                Action::Report(report) => line.reports.push(report),
            }
        }
        assert!(line.calls.len() <= 1, "two calls at a time");
        if opened {
            line.listening = true;
            self.tell(at, line_at, Event::NoticesOpened);
        }
        // What one link brought may have to go to the others: the engine tells them.
        let news = matches!(self.devices[at].lines[line_at].reports.last(), Some(Report::Received { .. }));
        if news {
            for other in 0..self.devices[at].lines.len() {
                if other != line_at {
                    self.tell(at, other, Event::LocalWrite);
                }
            }
        }
    }

    /// Answers one call of a line, if one is under way. Whether there was one.
    pub(crate) fn answer(&mut self, device: usize, line: usize) -> bool {
        let it = &mut self.devices[device].lines[line];
        let Some((call, path, body, answer_bytes_max)) = it.calls.pop_front() else { return false };
        let host = &mut self.hosts[it.host];
        let answer = host.answer(path, it.token.as_deref(), body, self.now_ms);
        let mut result = match &mut it.fault {
            Some(fault) => fault(path, answer),
            None => Ok(answer),
        };
        if result.as_ref().is_ok_and(|answer| answer.len() as u64 > answer_bytes_max) {
            result = Err(Failure::TooLarge(answer_bytes_max));
        }
        let host = it.host;
        self.tell(device, line, Event::Response { call, result });
        self.notify(host);
        true
    }

    /// Answers the call of a line, and holds back what listeners would hear.
    pub(crate) fn answer_and_hold_notices(&mut self, device: usize, line: usize) -> Vec<Bytes> {
        let it = &mut self.devices[device].lines[line];
        let (call, path, body, _) = it.calls.pop_front().expect("a call is under way");
        let host = it.host;
        let answer = self.hosts[host].answer(path, None, body, self.now_ms);
        let frames = self.hosts[host].take_notices().into_iter().map(|(_, frame)| frame).collect();
        self.tell(device, line, Event::Response { call, result: Ok(answer) });
        frames
    }

    fn notify(&mut self, host: usize) {
        for (_, frame) in self.hosts[host].take_notices() {
            for device in 0..self.devices.len() {
                for line in 0..self.devices[device].lines.len() {
                    let it = &self.devices[device].lines[line];
                    if it.host == host && it.listening {
                        self.tell(device, line, Event::Notice(frame.clone()));
                    }
                }
            }
        }
    }

    /// Closes all sockets of a host, as its end would.
    pub(crate) fn cut(&mut self, host: usize) {
        for device in 0..self.devices.len() {
            for line in 0..self.devices[device].lines.len() {
                let it = &mut self.devices[device].lines[line];
                if it.host == host && std::mem::take(&mut it.listening) {
                    self.tell(device, line, Event::NoticesClosed);
                }
            }
        }
    }

    /// Answers calls until none is under way; time stands still. How many there were.
    pub(crate) fn settle(&mut self) -> usize {
        let mut count = 0;
        loop {
            let mut some = false;
            for device in 0..self.devices.len() {
                for line in 0..self.devices[device].lines.len() {
                    if self.answer(device, line) {
                        (some, count) = (true, count + 1);
                    }
                }
            }
            if !some {
                return count;
            }
            assert!(count < 200_000, "calls without end");
        }
    }

    /// Lets so much time pass, waking sessions when they want it.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        self.settle();
        let mut wakes = 0;
        while let Some((wake_ms, device, line)) = self.next_wake().filter(|(wake_ms, ..)| *wake_ms <= end_ms)
        {
            self.now_ms = self.now_ms.max(wake_ms);
            self.tell(device, line, Event::Wake);
            self.settle();
            wakes += 1;
            assert!(wakes < 100_000, "wakes without end");
        }
        self.now_ms = end_ms;
    }

    fn next_wake(&self) -> Option<(u64, usize, usize)> {
        let mut wakes = Vec::new();
        for (at, device) in self.devices.iter().enumerate() {
            for (line_at, line) in device.lines.iter().enumerate() {
                let wake = line.wake_ms.map(|wake_ms| wake_ms.saturating_add_signed(-device.skew_ms));
                wakes.extend(wake.map(|wake_ms| (wake_ms, at, line_at)));
            }
        }
        wakes.into_iter().min()
    }

    /// A new entity on a device.
    pub(crate) fn put(&mut self, device: usize, text: &str) -> Eid {
        let now_ms = self.devices[device].clock(self.now_ms);
        let it = &mut self.devices[device];
        it.made += 1;
        let head = it.database.put_new(it.made.to_be_bytes(), now_ms, draft(text)).unwrap();
        self.written(device);
        head.eid
    }

    /// Writes an entity again.
    pub(crate) fn edit(&mut self, device: usize, eid: &Eid, text: &str) {
        let now_ms = self.devices[device].clock(self.now_ms);
        self.devices[device].database.put(eid, now_ms, draft(text), Skew::Force).unwrap();
        self.written(device);
    }

    /// Ends an entity.
    pub(crate) fn delete(&mut self, device: usize, eid: &Eid) {
        let now_ms = self.devices[device].clock(self.now_ms);
        self.devices[device].database.delete(eid, now_ms, Skew::Force).unwrap();
        self.written(device);
    }

    fn written(&mut self, device: usize) {
        for line in 0..self.devices[device].lines.len() {
            self.tell(device, line, Event::LocalWrite);
        }
    }

    /// All devices have the same, and nothing waits.
    pub(crate) fn assert_converged(&self) {
        let first = self.devices[0].state();
        for (at, device) in self.devices.iter().enumerate() {
            assert_eq!(device.waiting(), 0, "device {at} has something to push: {:?}", self.reports(at, 0));
            assert!(device.state() == first, "device {at} has another state than the first");
        }
    }

    pub(crate) fn reports(&self, device: usize, line: usize) -> &[Report] {
        &self.devices[device].lines[line].reports
    }

    pub(crate) fn has_report(&self, device: usize, wanted: impl Fn(&Report) -> bool) -> bool {
        self.devices[device].lines.iter().any(|line| line.reports.iter().any(&wanted))
    }
}
