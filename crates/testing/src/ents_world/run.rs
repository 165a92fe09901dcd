//! How the world runs: events in order, sessions told, calls carried, everything checked after every step, then peace
//! and the last check.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use seabag_client::host::event::{Action, Event as Told, Failure};
use seabag_client::host::report::Report as Said;
use seabag_entdb::{Fill, LinkId};

use super::device::Device;
use super::host::Host;
use super::hostile::Hostility;
use super::network::Fate;
use super::truth::Truth;
use super::upstream::Upstream;
use super::{BEGIN_MS, Call, Event, Report, Settings, Violation, World};
use crate::chance::Chance;

/// Events of one run at most, so that a world that never comes to rest is a failure and not a hang.
const STEPS_MAX: u64 = 60_000;
/// How long after the last trouble everything must be at rest, milliseconds: longer than any wait of a session.
const PEACE_MS: u64 = 60 * 60_000;

impl World {
    /// Lives through one run and checks every promise on the way and at the end.
    pub fn run(settings: Settings) -> Result<Report, Violation> {
        let mut world = Self::new(settings);
        match world.live() {
            Ok(()) => {
                world.report.messages = world.truth.order.len() as u64;
                Ok(world.report)
            }
            Err(what) => Err(Violation { seed: settings.seed, what, trace: world.report.trace }),
        }
    }

    fn new(settings: Settings) -> Self {
        let mut chance = Chance::new(settings.seed);
        let directory = (settings.seed % 10 == 9).then(|| tempfile::tempdir().unwrap());
        let (devices, hosts) = match settings.hostile {
            true => (chance.between(2, 3), 2),
            false => (chance.between(2, 5), chance.between(1, 3)),
        };
        let upstream = chance.happens(400).then(Upstream::default);
        let mut world = Self {
            settings,
            now_ms: BEGIN_MS,
            events: BTreeMap::new(),
            planned: 0,
            devices: Vec::new(),
            hosts: Vec::new(),
            upstream,
            truth: Truth::new(settings.fault),
            lines: 0,
            operations_left: settings.operations,
            report: Report {
                trace: Vec::new(),
                troubles: BTreeMap::new(),
                reports: BTreeMap::new(),
                messages: 0,
                steps: 0,
            },
            chance,
            _directory: directory,
        };
        world.populate(devices as usize, hosts as usize);
        world.plan_in(0, 1_000, Event::Operate);
        world.plan_in(2_000, 10_000, Event::Trouble);
        if world.upstream.is_some() {
            world.plan_in(0, 20_000, Event::Upstream);
        }
        world
    }

    fn populate(&mut self, devices: usize, hosts: usize) {
        for number in 0..hosts {
            let old_kind = number > 0 && !self.settings.hostile && self.chance.happens(300);
            let page = *self.chance.pick(&[2, 5, 1_000]);
            let mut host = Host::new(number, old_kind, page, self.settings.fault);
            if self.settings.hostile && number + 1 == hosts {
                host.hostility = Some(Hostility::new(Chance::new(self.chance.number())));
            }
            self.hosts.push(host);
        }
        for number in 0..devices {
            let path = self._directory.as_ref().map(|it| it.path().join(format!("{number}.db")));
            let chance = Chance::new(self.chance.number());
            self.devices.push(Device::new(number, path, chance));
            if self.chance.happens(200) {
                self.devices[number].skew_ms = self.wrong_clock();
            }
            for host in 0..hosts {
                if self.settings.hostile || host == 0 || self.chance.happens(500) {
                    self.link(number, host);
                }
            }
        }
    }

    pub(super) fn wrong_clock(&mut self) -> i64 {
        let hours = 3_600_000;
        let size = *self.chance.pick(&[500, 40_000, 6 * hours]);
        let skew = self.chance.below(size) as i64;
        if self.chance.happens(500) { skew } else { -skew }
    }

    fn live(&mut self) -> Result<(), String> {
        self.run_while(|world| world.operations_left > 0)?;
        self.trace("peace");
        self.make_peace()?;
        self.rest()?;
        self.truth.check_end(&self.devices, &self.hosts)?;
        if self.audit_restored()? {
            self.rest()?;
            self.truth.check_end(&self.devices, &self.hosts)?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), String> {
        let end_ms = self.now_ms + PEACE_MS;
        self.run_while(|world| world.events.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= end_ms))
    }

    fn run_while(&mut self, go_on: impl Fn(&Self) -> bool) -> Result<(), String> {
        while go_on(self) {
            let Some(((now_ms, _), event)) = self.events.pop_first() else { return Ok(()) };
            self.now_ms = now_ms;
            self.happen(event)?;
            self.report.steps += 1;
            if self.report.steps > STEPS_MAX {
                return Err("the world does not come to rest".into());
            }
        }
        Ok(())
    }

    pub(super) fn chaotic(&self) -> bool {
        self.operations_left > 0
    }

    pub(super) fn plan(&mut self, in_ms: u64, event: Event) {
        self.events.insert((self.now_ms + in_ms, self.planned), event);
        self.planned += 1;
    }

    pub(super) fn plan_in(&mut self, low_ms: u64, high_ms: u64, event: Event) {
        let in_ms = self.chance.between(low_ms, high_ms);
        self.plan(in_ms, event);
    }

    pub(super) fn trace(&mut self, line: impl fmt::Display) {
        self.report.trace.push(format!("{:9} {line}", self.now_ms - BEGIN_MS));
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Operate => self.operate(),
            Event::Trouble => self.trouble(),
            Event::Upstream => self.upstream_turn(),
            Event::Request(call) => self.request(call),
            Event::Answer(device, line, id, result) => {
                let Some(at) = self.place(device, line) else { return Ok(()) };
                self.devices[device].lines[at].call.take_if(|call| *call == id);
                self.tell(device, line, Told::Response { call: id, result })
            }
            Event::Open(device, line) => {
                let Some(at) = self.place(device, line) else { return Ok(()) };
                let host = self.devices[device].lines[at].host;
                if !self.hosts[host].up || self.is_cut(device, at) {
                    return self.tell(device, line, Told::NoticesClosed);
                }
                self.devices[device].lines[at].listening = Some(self.hosts[host].sockets);
                self.tell(device, line, Told::NoticesOpened)
            }
            Event::Closed(device, line, sockets) => {
                let Some(at) = self.place(device, line) else { return Ok(()) };
                let listening = &mut self.devices[device].lines[at].listening;
                match listening.take_if(|listening| *listening == sockets) {
                    Some(_) => self.tell(device, line, Told::NoticesClosed),
                    None => Ok(()),
                }
            }
            Event::Notice(device, line, sockets, frame) => match self.place(device, line) {
                Some(at) if self.devices[device].lines[at].listening == Some(sockets) => {
                    self.tell(device, line, Told::Notice(frame))
                }
                _ => Ok(()),
            },
            Event::Wake(device, line, wakes) => match self.place(device, line) {
                Some(at) if self.devices[device].lines[at].wakes == wakes => {
                    self.tell(device, line, Told::Wake)
                }
                _ => Ok(()),
            },
            Event::HostUp(host) => {
                self.hosts[host].up = true;
                self.trace(format_args!("host {host} is up"));
                Ok(())
            }
            Event::Room(host) => {
                self.hosts[host].blind.settings.bytes_max = 0;
                self.trace(format_args!("host {host} has room"));
                Ok(())
            }
        }
    }

    /// Where a line is, if it is in this life of its device.
    fn place(&self, device: usize, line: u64) -> Option<usize> {
        self.devices[device].lines.iter().position(|it| it.number == line)
    }

    fn is_cut(&self, device: usize, at: usize) -> bool {
        self.devices[device].lines[at].cut_until_ms > self.now_ms
    }

    // Devices.

    pub(super) fn link(&mut self, device: usize, host: usize) {
        let link = self.devices[device].database.add_link(Device::settings(host)).unwrap();
        self.start_line(device, link, host);
    }

    fn start_line(&mut self, device: usize, link: LinkId, host: usize) {
        self.lines += 1;
        self.devices[device].add_line(link, host, self.lines);
        // Told when it is its turn, so that starting is a step like others.
        self.plan(0, Event::Wake(device, self.lines, 0));
    }

    /// Hands an event to a line, and what its actions lead to to the device's other lines.
    pub(super) fn tell(&mut self, device: usize, line: u64, event: Told) -> Result<(), String> {
        let mut queue = VecDeque::from([(line, event)]);
        while let Some((line, event)) = queue.pop_front() {
            let Some(at) = self.place(device, line) else { continue };
            // The first thing that a line hears is that it may begin.
            let event = if self.devices[device].lines[at].wakes == 0 { Told::Start } else { event };
            let breaks = self.chaotic() && self.settings.fault.is_none() && self.chance.happens(12);
            if breaks {
                let transactions = self.chance.below(3);
                self.devices[device].database.fail_after(Some(transactions));
            }
            let done = self.devices[device].tell(at, event.clone(), self.now_ms);
            self.devices[device].database.fail_after(None);
            if done.failed && !breaks {
                return Err(format!("device {device} fails at {event:?}: {:?}", done.actions));
            }
            let crashes = done.failed && self.chance.happens(600);
            if done.failed {
                let what = if crashes { "crash within a step" } else { "full disk" };
                *self.report.troubles.entry(what).or_default() += 1;
                self.trace(format_args!("device {device}: {what} at {event:?}"));
            }
            if crashes {
                self.crash_device(device);
                return self.check_device(device);
            }
            for action in done.actions {
                if matches!(action, Action::Report(Said::Received { .. })) {
                    let others = self.devices[device].lines.iter().map(|it| it.number);
                    queue.extend(others.filter(|it| *it != line).map(|it| (it, Told::LocalWrite)));
                }
                self.act(device, line, action);
            }
            let at = self.place(device, line).unwrap();
            self.devices[device].lines[at].wakes += u64::from(self.devices[device].lines[at].wakes == 0);
        }
        self.check_device(device)
    }

    fn check_device(&mut self, device: usize) -> Result<(), String> {
        self.truth.check_device(device, &self.devices[device].database)
    }

    fn act(&mut self, device: usize, line: u64, action: Action) {
        let at = self.place(device, line).unwrap();
        match action {
            Action::Call { call, path, body, .. } => {
                let it = &mut self.devices[device].lines[at];
                assert!(it.call.replace(call).is_none(), "two calls at a time");
                let host = it.host;
                self.trace(format_args!("device {device} to host {host}: {path}"));
                self.send(Call { device, line, host, id: call, path, body, back_ms: None });
            }
            Action::OpenNotices { .. } => self.plan_in(1, 50, Event::Open(device, line)),
            Action::CloseNotices => self.devices[device].lines[at].listening = None,
            Action::WakeAt(wake_ms) => {
                let now_ms = self.devices[device].clock(self.now_ms);
                let it = &mut self.devices[device].lines[at];
                it.wakes += 1;
                let event = Event::Wake(device, line, it.wakes);
                self.plan(wake_ms.saturating_sub(now_ms), event);
            }
            Action::Report(said) => {
                let text = format!("{said:?}");
                let kind = text.split([' ', '{']).next().unwrap_or_default();
                *self.report.reports.entry(kind.to_owned()).or_default() += 1;
                let host = self.devices[device].lines[at].host;
                self.trace(format_args!("device {device} about host {host}: {text}"));
            }
        }
    }

    fn operate(&mut self) -> Result<(), String> {
        if !self.chaotic() {
            return Ok(());
        }
        let wait_ms = match self.chance.below(10) {
            0..6 => 300,
            6..9 => 5_000,
            _ => 90_000,
        };
        self.operations_left -= 1;
        self.plan_in(0, wait_ms, Event::Operate);
        let alive = self.alive();
        if self.chance.happens(80) {
            return self.tie(&alive);
        }
        let device = *self.chance.pick(&alive);
        let now_ms = self.devices[device].clock(self.now_ms);
        let line = self.devices[device].operate(now_ms, &mut self.truth);
        self.trace(format_args!("device {device} {line}"));
        self.written(device)
    }

    /// Several devices write one entity in the same millisecond.
    fn tie(&mut self, alive: &[usize]) -> Result<(), String> {
        let Some(eid) = (!self.truth.order.is_empty()).then(|| {
            let hash = *self.chance.pick(&self.truth.order);
            self.truth.written[&hash].message.head.eid.clone()
        }) else {
            return Ok(());
        };
        for device in alive.iter().copied() {
            if !self.chance.happens(700) {
                continue;
            }
            let line = if self.chance.happens(250) {
                self.devices[device].delete(&eid, self.now_ms, &mut self.truth)
            } else {
                self.devices[device].put(&eid, self.now_ms, &mut self.truth)
            };
            self.trace(format_args!("device {device} at once {line}"));
            self.written(device)?;
        }
        Ok(())
    }

    pub(super) fn written(&mut self, device: usize) -> Result<(), String> {
        self.check_device(device)?;
        let lines: Vec<_> = self.devices[device].lines.iter().map(|it| it.number).collect();
        lines.into_iter().try_for_each(|line| self.tell(device, line, Told::LocalWrite))
    }

    pub(super) fn alive(&self) -> Vec<usize> {
        self.devices.iter().filter(|device| device.alive).map(|device| device.number).collect()
    }

    pub(super) fn crash_device(&mut self, device: usize) {
        let lines = std::mem::take(&mut self.devices[device].lines);
        if self.settings.fault == Some(super::Fault::ForgetOutbox) {
            self.devices[device].forget_outboxes();
        }
        self.devices[device].reopen();
        for (link, host) in self.devices[device].links() {
            let cut_until_ms = lines.iter().find(|it| it.host == host).map_or(0, |it| it.cut_until_ms);
            self.start_line(device, link, host);
            let at = self.devices[device].lines.len() - 1;
            self.devices[device].lines[at].cut_until_ms = cut_until_ms;
        }
    }

    // The network.

    fn send(&mut self, call: Call) {
        let fate = if self.chaotic() { Fate::rough(&mut self.chance) } else { Fate::calm(&mut self.chance) };
        let (device, line, id) = (call.device, call.line, call.id);
        let at = self.place(device, line).unwrap();
        if self.is_cut(device, at) {
            let failure = Failure::Unreachable("the network is down".into());
            return self.plan(5, Event::Answer(device, line, id, Err(failure)));
        }
        self.plan(fate.patience_ms, Event::Answer(device, line, id, Err(Failure::Silent)));
        if let Some(again_ms) = fate.again_ms {
            self.plan(again_ms, Event::Request(Call { back_ms: None, ..call.clone() }));
        }
        if let Some(there_ms) = fate.there_ms {
            self.plan(there_ms, Event::Request(Call { back_ms: fate.back_ms, ..call }));
        }
    }

    fn request(&mut self, call: Call) -> Result<(), String> {
        let Call { device, line, host, id, path, body, back_ms } = call;
        let answer = self.hosts[host].answer(path, &body, self.now_ms);
        if let Some(back_ms) = back_ms {
            let result = answer.ok_or_else(|| Failure::Unreachable("nobody is there".into()));
            self.before_answer(device, line, path, &result);
            self.plan(back_ms, Event::Answer(device, line, id, result));
        } else {
            self.trace(format_args!(
                "host {host} answers {path} of device {device}, and the answer gets lost"
            ));
        }
        self.after_host(host)
    }

    /// A device that is built wrong: it believes a page before it has dealt with it, and crashes.
    fn before_answer(
        &mut self,
        device: usize,
        line: u64,
        path: &str,
        result: &Result<bytes::Bytes, Failure>,
    ) {
        use seabag_protocol::host::{bytes::Reader, epoch::Cursor, peek::PageHead, response::ResponseHead};
        let wrong = self.settings.fault == Some(super::Fault::CursorBeforeStore);
        if !wrong || path != "/peek-page" || !self.chaotic() || !self.chance.happens(200) {
            return;
        }
        let (Ok(answer), Some(at)) = (result, self.place(device, line)) else { return };
        let mut reader = Reader::new(answer.clone());
        let read = ResponseHead::read(&mut reader).and_then(|_| PageHead::read(&mut reader));
        let Ok(head) = read else { return };
        let cursor = Some(Cursor { epoch: head.epoch, seq: head.through });
        let arrivals = seabag_entdb::Arrivals { bags: Vec::new(), cursor };
        let link = self.devices[device].lines[at].link;
        if self.devices[device].database.stage(link).unwrap() == Fill::Done {
            self.devices[device].database.receive(link, arrivals).unwrap();
            self.crash_device(device);
        }
    }

    /// A host did something: checked, and told to those who listen.
    pub(super) fn after_host(&mut self, host: usize) -> Result<(), String> {
        self.truth.check_host(host, &self.hosts[host])?;
        let sockets = self.hosts[host].sockets;
        for (_, frame) in self.hosts[host].blind.take_notices() {
            for device in 0..self.devices.len() {
                for at in 0..self.devices[device].lines.len() {
                    let it = &self.devices[device].lines[at];
                    if it.host != host || it.listening != Some(sockets) || self.is_cut(device, at) {
                        continue;
                    }
                    let line = it.number;
                    // Most come in order, and some do not.
                    let late = self.chaotic() && self.chance.happens(100);
                    let delay_ms = if late { self.chance.between(1, 2_000) } else { 20 };
                    self.plan(delay_ms, Event::Notice(device, line, sockets, frame.clone()));
                }
            }
        }
        Ok(())
    }

    fn upstream_turn(&mut self) -> Result<(), String> {
        if !self.chaotic() {
            return Ok(());
        }
        self.plan_in(500, 20_000, Event::Upstream);
        let host = self.chance.below(self.hosts.len() as u64) as usize;
        let Some(mut upstream) = self.upstream.take() else { return Ok(()) };
        let line = upstream.turn(&mut self.hosts[host], self.now_ms, &mut self.chance, &mut self.truth);
        self.upstream = Some(upstream);
        self.trace(format_args!("the old client at host {host} {line}"));
        self.after_host(host)
    }
}
