//! A device: a real database, a real session for each link, a clock that may be wrong, and a person who writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use seabag_client::chance::Randomness;
use seabag_client::host::event::{Action, CallId, Event};
use seabag_client::host::report::Report;
use seabag_client::host::session::{HostSession, SessionSettings};
use seabag_entdb::{Database, Draft, Error, History, LinkId, LinkSettings, Message, Query, Selection, Skew};
use seabag_protocol::host::eid::Eid;

use super::truth::{Truth, describe, messages};
use super::{LABEL, sealer};
use crate::chance::Chance;

/// The types of entities. Some devices keep the past of the last one.
const KINDS: [&str; 3] = ["note", "task", "log"];

impl Randomness for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

/// One link of a device, in this life of its process.
pub(super) struct Line {
    pub(super) link: LinkId,
    pub(super) host: usize,
    /// Tells it from every other line that there was.
    pub(super) number: u64,
    pub(super) session: HostSession,
    /// The host's sockets when the notices were opened; `None`: they are not open.
    pub(super) listening: Option<u64>,
    /// Counts wishes to be woken: only the last one holds.
    pub(super) wakes: u64,
    /// Whether the last thing it said is that there is nothing to do.
    pub(super) in_sync: bool,
    /// The call that waits for a response.
    pub(super) call: Option<CallId>,
    /// The network to this host is down until then, milliseconds of the world.
    pub(super) cut_until_ms: u64,
}

/// A device.
pub(super) struct Device {
    pub(super) number: usize,
    pub(super) database: Database,
    /// Where it is, if it is in a file.
    path: Option<PathBuf>,
    pub(super) lines: Vec<Line>,
    pub(super) alive: bool,
    /// Its clock minus the world's, milliseconds.
    pub(super) skew_ms: i64,
    pub(super) chance: Chance,
    made: u64,
}

/// What came of an event.
#[derive(Default)]
pub(super) struct Done {
    pub(super) actions: Vec<Action>,
    /// The database could not do it.
    pub(super) failed: bool,
}

impl Device {
    pub(super) fn new(number: usize, path: Option<PathBuf>, chance: Chance) -> Self {
        let mut device = Self {
            number,
            database: Database::in_memory(),
            path,
            lines: Vec::new(),
            alive: true,
            skew_ms: 0,
            chance,
            made: 0,
        };
        device.reopen();
        if device.chance.happens(300) {
            device.database.set_history(KINDS[2], History::All).unwrap();
        }
        device
    }

    /// Opens the database anew, as another process would.
    pub(super) fn reopen(&mut self) {
        self.database.fail_after(None);
        if let Some(path) = &self.path {
            self.database = Database::in_memory();
            self.database = Database::open(path).unwrap();
        }
    }

    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    pub(super) fn settings(host: usize) -> LinkSettings {
        LinkSettings { label: LABEL.into(), url: format!("http://host-{host}.test"), index: 0 }
    }

    /// A session for a link that the database has.
    pub(super) fn add_line(&mut self, link: LinkId, host: usize, number: u64) {
        let settings = SessionSettings::new(format!("http://host-{host}.test"), true);
        self.lines.push(Line {
            link,
            host,
            number,
            session: HostSession::new(link, sealer(), settings),
            listening: None,
            wakes: 0,
            in_sync: false,
            call: None,
            cut_until_ms: 0,
        });
    }

    /// Hands an event to a session.
    pub(super) fn tell(&mut self, line: usize, event: Event, now_ms: u64) -> Done {
        let now_ms = self.clock(now_ms);
        let line = &mut self.lines[line];
        let (actions, outcome) = line.session.handle(event, &mut self.database, now_ms, &mut self.chance);
        for action in &actions {
            match action {
                Action::Report(Report::InSync) => line.in_sync = true,
                Action::Report(_) | Action::Call { .. } => line.in_sync = false,
                _ => {}
            }
        }
        Done { actions, failed: outcome.is_err() }
    }

    // What its person does.

    fn content(&mut self) -> Draft {
        self.made += 1;
        let long = if self.chance.happens(80) { 600 } else { self.chance.below(20) as usize };
        let text = format!("device {} wrote {} {}", self.number, self.made, "-".repeat(long));
        let mut body = vec![0xda];
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
        let kind = *self.chance.pick(&KINDS);
        let group = self.chance.happens(300).then(|| format!("group {}", self.chance.below(3)));
        let parent = if self.chance.happens(300) { self.any_ent() } else { None };
        Draft { kind: kind.into(), parent, group, body: body.into() }
    }

    fn any_ent(&mut self) -> Option<Eid> {
        let ents = self.database.page(&Query::new(Selection::All)).unwrap().ents;
        (!ents.is_empty()).then(|| self.chance.pick(&ents).eid.clone())
    }

    fn any_tombstone(&mut self) -> Option<Eid> {
        let ends: Vec<_> = messages(&self.database).into_iter().filter(|it| it.head.is_delete()).collect();
        (!ends.is_empty()).then(|| self.chance.pick(&ends).head.eid.clone())
    }

    /// One random thing, at this time of the device's clock. What it was.
    pub(super) fn operate(&mut self, now_ms: u64, truth: &mut Truth) -> String {
        match self.chance.below(100) {
            0..28 => self.put_new(now_ms, truth),
            28..62 => match self.any_ent() {
                Some(eid) => self.put(&eid, now_ms, truth),
                None => self.put_new(now_ms, truth),
            },
            62..74 => self.any_ent().map_or_else(String::new, |eid| self.delete(&eid, now_ms, truth)),
            74..82 => self.any_ent().or_else(|| self.any_tombstone()).map_or_else(String::new, |eid| {
                let undone = self.database.undo(&eid, now_ms, Skew::Force);
                self.wrote("undoes", undone.map(Some), None, truth)
            }),
            82..88 => self.any_tombstone().map_or_else(String::new, |eid| self.put(&eid, now_ms, truth)),
            88..93 => self.put(&Eid::singleton(KINDS[0]), now_ms, truth),
            93..97 => self.import(truth),
            _ => {
                let history = *self.chance.pick(&[History::All, History::Latest]);
                self.database.set_history(KINDS[2], history).unwrap();
                format!("keeps {history:?} of {}", KINDS[2])
            }
        }
    }

    fn put_new(&mut self, now_ms: u64, truth: &mut Truth) -> String {
        let draft = self.content();
        let id = self.chance.number().to_be_bytes();
        let put = self.database.put_new(id, now_ms, draft.clone());
        self.wrote("makes", put.map(Some), Some(draft), truth)
    }

    pub(super) fn put(&mut self, eid: &Eid, now_ms: u64, truth: &mut Truth) -> String {
        let draft = self.content();
        let skew = if self.chance.happens(100) { Skew::Fail } else { Skew::Force };
        let put = self.database.put(eid, now_ms, draft.clone(), skew);
        self.wrote("writes", put.map(Some), Some(draft), truth)
    }

    pub(super) fn delete(&mut self, eid: &Eid, now_ms: u64, truth: &mut Truth) -> String {
        let deleted = self.database.delete(eid, now_ms, Skew::Force);
        self.wrote("deletes", deleted, None, truth)
    }

    /// Reads a file with messages of anybody, old ones among them.
    fn import(&mut self, truth: &Truth) -> String {
        if truth.order.is_empty() {
            return String::new();
        }
        let mut file: Vec<Message> = Vec::new();
        for _ in 0..self.chance.below(8) {
            let hash = *self.chance.pick(&truth.order);
            file.push(truth.written[&hash].message.clone());
        }
        let outcomes = self.database.merge(&file).unwrap();
        let what: Vec<_> = file.iter().map(|it| describe(&it.head)).zip(outcomes).collect();
        format!("imports {what:?}")
    }

    fn wrote(
        &mut self,
        what: &str,
        outcome: Result<Option<seabag_protocol::host::message::MessageHead>, Error>,
        draft: Option<Draft>,
        truth: &mut Truth,
    ) -> String {
        let head = match outcome {
            Ok(Some(head)) => head,
            Ok(None) => return format!("{what} nothing"),
            Err(error @ (Error::ClockOutOfSync { .. } | Error::NothingToUndo)) => {
                return format!("{what}: {error}");
            }
            Err(error) => panic!("device {} {what}: {error}", self.number),
        };
        let message = messages(&self.database).into_iter().find(|it| it.head == head).unwrap();
        let line = format!("{what} {}", describe(&head));
        truth.write(message, draft, true);
        line
    }

    /// What a device that is built wrong forgets when its process ends: what waits for the hosts.
    pub(super) fn forget_outboxes(&mut self) {
        for link in self.database.links().unwrap() {
            self.database.remove_link(link.id).unwrap();
            let id = self.database.add_link(link.settings).unwrap();
            self.database.set_stage(id, seabag_entdb::Fill::Done).unwrap();
        }
    }

    /// The hosts that it is linked to, by link.
    pub(super) fn links(&self) -> BTreeMap<LinkId, usize> {
        let links = self.database.links().unwrap();
        let host =
            |url: &str| url.trim_start_matches("http://host-").trim_end_matches(".test").parse().unwrap();
        links.into_iter().map(|link| (link.id, host(&link.settings.url))).collect()
    }

    /// Whether it keeps the past of any of these types.
    pub(super) fn keeps(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.database.history_of(kind).unwrap() == History::All)
    }
}
