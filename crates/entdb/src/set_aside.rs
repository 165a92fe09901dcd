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
        if self.storage.logged(&row.key.eid, row.key.hash)?.is_none() {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use seabag_protocol::host::bag::BagSeq;
    use seabag_protocol::host::eid::Eid;
    use seabag_protocol::host::message::MessageHead;

    use crate::envelope::{Envelope, Reader, decode};
    use crate::storage::SqliteStorage;
    use crate::{Arrivals, Arrived, Database, LinkSettings, Message, Outcome};

    /// A reader that also takes a bare text for the content of a type "text".
    const LATER: Reader = Reader { version: 2, decode: later };

    fn later(bytes: &Bytes) -> Result<Envelope, &'static str> {
        match bytes.first() {
            Some(0xa0..=0xbf) => {
                Ok(Envelope { kind: "text".into(), parent: None, group: None, body: bytes.clone() })
            }
            _ => decode(bytes),
        }
    }

    fn open(folder: &tempfile::TempDir, reader: Reader) -> Database {
        let storage = SqliteStorage::open(&folder.path().join("ents.db")).unwrap();
        Database::with(Box::new(storage), reader).unwrap()
    }

    fn message(id: u8, offset_ms: u64, body: &'static [u8]) -> Message {
        let body = Some(Bytes::from_static(body)).filter(|body| !body.is_empty());
        let eid = Eid::new(&[id; 8], 5).unwrap();
        Message { head: MessageHead::new(eid, offset_ms, offset_ms, body.as_deref()), body }
    }

    const GOOD: &[u8] = b"\x82\xa4type\xa1t\xa4body\x01";

    #[test]
    fn a_later_reader_applies_what_it_understands() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = open(&folder, Reader::CURRENT);
        let settings = |number| LinkSettings { label: "l".into(), url: "u".into(), index: number };
        let (link, other) =
            (database.add_link(settings(1)).unwrap(), database.add_link(settings(2)).unwrap());
        let messages = [
            message(1, 1, GOOD),
            message(1, 2, b"\xa1a"),
            message(1, 3, b"\xa1b"),
            message(2, 1, b"\xa1c"),
            message(2, 2, b"\xc1"),
            message(3, 5, b""),
            message(3, 6, b"\xa1d"),
        ];
        let bags = messages.iter().zip(1..);
        let bags = bags.map(|(message, seq)| (BagSeq(seq), Arrived::Whole(message.clone()))).collect();
        let received = database.receive(link, Arrivals { bags, cursor: None }).unwrap();
        assert_eq!(
            received.outcomes.iter().filter(|outcome| **outcome == Some(Outcome::SetAside)).count(),
            5
        );
        assert!(!database.fill(other, 100).unwrap());
        let waited = database.waiting(other).unwrap();
        assert_eq!((database.status().unwrap().ents, waited), (1, 7));
        drop(database);

        let database = open(&folder, LATER);
        let body = |id| database.get(&message(id, 0, b"").head.eid).unwrap().map(|ent| (ent.kind, ent.body));
        assert_eq!(body(1), Some(("text".into(), Bytes::from_static(b"\xa1b"))));
        assert_eq!(body(2), Some(("text".into(), Bytes::from_static(b"\xa1c"))));
        assert_eq!(body(3), Some(("text".into(), Bytes::from_static(b"\xa1d"))));
        // What nobody understands yet is still there, and what is superseded may be pruned.
        assert_eq!(database.set_aside().unwrap().len(), 1);
        let pruned: Vec<u64> = database.prunable(link, 9).unwrap().iter().map(|pair| pair.bag.0).collect();
        assert_eq!(pruned, [1, 2]);
        for id in 1..4 {
            let durable = database.durable_at(&message(id, 0, b"").head.eid).unwrap();
            assert!(durable[0].stored.is_some() && durable[1].waiting);
        }
        let waiting: Vec<_> = database.outbox(other, 99, 999).unwrap();
        assert_eq!(waiting.len(), 4, "three winners and what is set aside");
        let before = database.set_aside().unwrap();
        drop(database);
        // An earlier reader leaves all that as it is.
        assert_eq!(open(&folder, Reader::CURRENT).set_aside().unwrap(), before);
    }
}
