//! Messages whose body this version cannot read: kept as they are, and tried again by a later version.

use seabag_protocol::host::message::MessageHead;

use crate::database::Transaction;
use crate::merge::Source;
use crate::storage::{Aside, Durability, LogKey, LogRow, Which};
use crate::{Database, LinkId, RECEIVE_MAX, Result};

/// A message that is kept but not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The message's head.
    pub head: MessageHead,
    /// Bytes of its body.
    pub bytes: u64,
    /// What is wrong with the body.
    pub reason: String,
}

impl Database {
    /// The messages that this version cannot read, by entity; the first thousand.
    pub fn set_aside(&self) -> Result<Vec<SetAside>> {
        let rows = self.storage.aside(u32::MAX, None, RECEIVE_MAX)?.into_iter();
        Ok(rows
            .map(|row| {
                let head = row.message().head;
                let reason = row.aside.map(|aside| aside.reason).unwrap_or_default();
                SetAside { bytes: head.length, head, reason }
            })
            .collect())
    }

    /// Tries again what readers before this one could not read.
    pub(crate) fn try_set_aside_again(&mut self) -> Result<()> {
        let version = self.reader.version;
        if self.storage.reader()? >= version {
            return Ok(());
        }
        let mut after: Option<LogKey> = None;
        loop {
            after = self.transact(Durability::Written, |transaction| {
                let rows = transaction.storage.aside(version, after.as_ref(), RECEIVE_MAX)?;
                let last = rows.last().map(|row| row.key.clone());
                rows.into_iter().try_for_each(|row| transaction.try_again(row))?;
                if last.is_none() {
                    transaction.storage.set_reader(version)?;
                }
                Ok(last)
            })?;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

impl Transaction<'_> {
    /// One message that was set aside.
    fn try_again(&mut self, row: LogRow) -> Result<()> {
        if !self.storage.log_of(&row.key.eid)?.contains(&row) {
            // One before it, of the same entity, superseded it.
            return Ok(());
        }
        let decoded = row.body.as_ref().map(self.reader.decode);
        if let Some(Err(reason)) = decoded {
            let aside = Some(Aside { reason: reason.to_owned(), reader: self.reader.version });
            return self.storage.put_log(&LogRow { aside, ..row });
        }
        // It is merged as if it came now; then the links are told what it is called from now on.
        let message = row.message();
        self.storage.remove_log(&row.key)?;
        self.apply(&message, Source::Aside)?;
        let now = self.locate(&message.head)?;
        for link in self.links_where(|_| true) {
            self.renumber(link, &row.key.eid, Which::Logged(row.key.hash), now, false)?;
            self.settle(link, &row.key.eid, now)?;
        }
        Ok(())
    }

    /// What a number holds need not wait.
    fn settle(
        &mut self,
        link: LinkId,
        eid: &seabag_protocol::host::eid::Eid,
        now: Option<Which>,
    ) -> Result<()> {
        let Some(which) = now else { return Ok(()) };
        match crate::numbers::holder(self.storage, link, eid, which)? {
            Some(_) => self.storage.unqueue(link, eid, which),
            None => Ok(()),
        }
    }
}
