//! How it stands, as data: what is saved here, what is durable where, and what is stuck and why.

use std::collections::BTreeMap;

use seabag_entdb::{DatabaseStatus, LinkId};

use crate::host::report::{Oddity, Report};

/// How far a link's session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is something to do.
    #[default]
    Working,
    /// Both sides have the same, but for what the host has no room for.
    InSync,
    /// It does not work for now.
    Stuck {
        /// What it is about: `network`, `http`, `answer`, `clock`, `refused`, `address`, `local`.
        code: String,
        /// For people.
        text: String,
        /// When it is tried again, milliseconds since 1970; `None`: not by itself.
        retry_ms: Option<u64>,
    },
    /// It ended: the link or the account is gone, or the engine stopped.
    Ended,
}

/// What a link's session did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkActivity {
    /// How far it is.
    pub phase: Phase,
    /// Messages that came and were new here.
    pub received: u64,
    /// Messages that the host stored.
    pub pushed: u64,
    /// Bags that the host let go of.
    pub pruned: u64,
    /// How often everything was read again.
    pub resets: u64,
    /// Bags that were set aside.
    pub unreadable: u64,
    /// The host's clock minus this device's, milliseconds, once it mattered.
    pub clock_offset_ms: Option<i64>,
    /// The host's bound and its use, bytes, when it had no room.
    pub quota: Option<(u64, u64)>,
    /// Another link with the same label and index, and so the same key.
    pub shares_key_with: Option<LinkId>,
    /// What the host did that an honest one does not, and how often.
    pub oddities: BTreeMap<Oddity, u64>,
}

/// Everything at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncStatus {
    /// What is saved here, and what the database knows of each link: how much waits, why it is stuck, since when.
    pub database: DatabaseStatus,
    /// What the running sessions did.
    pub activity: BTreeMap<LinkId, LinkActivity>,
}

impl LinkActivity {
    /// Takes note of what a session said.
    pub(crate) fn note(&mut self, report: &Report) {
        match report {
            Report::Received { messages } => self.received += messages,
            Report::Pushed { messages } => self.pushed += messages,
            Report::Pruned { bags } | Report::Mended { bags } => self.pruned += bags,
            Report::Reset(_) => self.resets += 1,
            Report::Unreadable { .. } => self.unreadable += 1,
            Report::ClockSkew { offset_ms } => self.clock_offset_ms = Some(*offset_ms),
            Report::QuotaReached { quota, usage } => self.quota = Some((*quota, *usage)),
            Report::Odd { oddity, .. } => *self.oddities.entry(*oddity).or_default() += 1,
            Report::Trouble { code, text, retry_ms } => {
                let retry_ms = Some(*retry_ms);
                self.phase = Phase::Stuck { code: (*code).to_owned(), text: text.clone(), retry_ms };
            }
            Report::SharedKey { other } => self.shares_key_with = Some(*other),
            Report::InSync => self.phase = Phase::InSync,
            Report::AccountDeleted => self.phase = Phase::Ended,
            Report::Registered | Report::Filled { .. } | Report::Exposed => {}
        }
    }
}
