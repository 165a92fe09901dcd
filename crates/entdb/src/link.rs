//! Links: the hosts that a database syncs with, what each is known to hold, and what waits for it.

use std::fmt;

use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::epoch::Cursor;
use seabag_protocol::host::message::MessageHead;

use crate::storage::{Durability, LinkRow};
use crate::{Database, Error, Message, Outcome, Result};

/// Names a link in its database; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

impl fmt::Display for LinkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Which account at which host. No secret is among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// The label that the account's key is derived with.
    pub label: String,
    /// The host's address.
    pub url: String,
    /// The index that the account's key is derived with.
    pub index: u64,
}

/// How far the link has come with bringing both sides together. A new link, a wiped host and an audit all
/// begin with [`Replay`](Self::Replay).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// All that the host has is being read. Messages that other links bring do not wait for this one yet.
    #[default]
    Replay,
    /// What the host lacks is being uploaded.
    Upload,
    /// Both sides have the same; only news go to and fro.
    Done,
}

/// Why a link is stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Machine-readable.
    pub code: String,
    /// For people.
    pub text: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
    /// When it is tried again, milliseconds since 1970; `None`: not by itself.
    pub retry_ms: Option<u64>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name here.
    pub id: LinkId,
    /// Which account at which host.
    pub settings: LinkSettings,
    /// How far it has come.
    pub stage: Fill,
    /// What has been dealt with of the host's history.
    pub cursor: Option<Cursor>,
    /// Why it is stuck, if it is.
    pub trouble: Option<Trouble>,
}

/// What came of one bag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Its message.
    Whole(Message),
    /// Its head alone, which was judged known or superseded.
    Head(MessageHead),
    /// It, or its body, cannot be opened.
    Unreadable {
        /// Its head, if that could be opened. When its message is here all the same, the bag is offered for
        /// pruning as damaged, and the message waits to be uploaded again.
        head: Option<MessageHead>,
        /// Why, for people.
        reason: String,
    },
}

/// What a link brought. [`RECEIVE_MAX`] bags at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// The bags with their numbers, in any order.
    pub bags: Vec<(BagSeq, Arrived)>,
    /// What has been dealt with when these have been. It never goes back: see [`reset`](crate::Database::reset).
    pub cursor: Option<Cursor>,
}

/// The most bags of one transaction: so long may it keep others waiting, and so much is lost to a crash. A
/// caller's page size; more are accepted.
pub const RECEIVE_MAX: usize = 1_000;

/// What became of arrivals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What became of each bag, in the order of the arrivals. `None`: the bag was unreadable, or its body is
    /// missing.
    pub outcomes: Vec<Option<Outcome>>,
    /// Bags that came as heads but whose bodies are needed after all (the history of a type was switched on in
    /// between). While there are any, the cursor stays where it was: fetch them and call again.
    pub missing: Vec<BagSeq>,
}

/// The most bytes of a label. Nobody agreed to it; it is a word that people choose.
pub const LABEL_BYTES_MAX: usize = 256;

/// Whether a link may have this label: not the empty one, whose keys would be those that seal bags.
fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
}

impl Database {
    /// The links, oldest first.
    pub fn links(&self) -> Result<Vec<Link>> {
        Ok(self.storage.links()?.into_iter().map(|row| row.link).collect())
    }

    /// One link.
    pub fn link(&self, link: LinkId) -> Result<Link> {
        self.links()?.into_iter().find(|row| row.id == link).ok_or(Error::UnknownLink(link))
    }

    /// One link, to sync with: from now on this `Database` writes what its numbers hold only as long as no other
    /// process [resets](Self::reset) it. After that every such call fails with [`Error::OtherHistory`], and nothing of
    /// the history before is noted under numbers of the new one, until it is followed again.
    pub fn follow(&mut self, link: LinkId) -> Result<Link> {
        let row = self.storage.links()?.into_iter().find(|row| row.link.id == link);
        let LinkRow { link, history, .. } = row.ok_or(Error::UnknownLink(link))?;
        self.histories.insert(link.id, history);
        Ok(link)
    }

    /// Links a host. It begins with [`Fill::Replay`]. [`Error::InvalidLabel`] for a label that none may have.
    pub fn add_link(&mut self, settings: LinkSettings) -> Result<LinkId> {
        if !is_label(&settings.label) {
            return Err(Error::InvalidLabel);
        }
        self.transact(Durability::Synced, |transaction| {
            if !transaction.links_where(|row| row.link.settings == settings).is_empty() {
                return Err(Error::AlreadyLinked);
            }
            transaction.storage.add_link(&settings)
        })
    }

    /// Forgets a link and what waits for it. Entities stay.
    pub fn remove_link(&mut self, link: LinkId) -> Result<()> {
        self.transact(Durability::Synced, |transaction| {
            transaction.link(link)?;
            transaction.storage.remove_link(link)
        })
    }

    /// How far a link has come.
    pub fn stage(&self, link: LinkId) -> Result<Fill> {
        self.link(link).map(|link| link.stage)
    }

    /// Sets how far a link has come. [`Fill::Upload`] makes [`fill`](Self::fill) begin anew.
    pub fn set_stage(&mut self, link: LinkId, stage: Fill) -> Result<()> {
        self.transact(Durability::Written, |transaction| {
            transaction.current(link)?;
            transaction.update_link(link, |row| {
                row.link.stage = stage;
                row.filled.clear();
            })
        })
    }

    /// Says why a link is stuck, or that it is not.
    pub fn set_trouble(&mut self, link: LinkId, trouble: Option<Trouble>) -> Result<()> {
        self.transact(Durability::Written, |transaction| {
            transaction.update_link(link, |row| row.link.trouble = trouble)
        })
    }
}
