//! Rows in memory: maps that are cheap to copy, so that a transaction begins by keeping a copy.

use std::ops::Bound;

use imbl::{OrdMap, OrdSet};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHash;

use super::{
    BagRow, BagState, Durability, EntRow, LinkRow, LogKey, LogRow, OutboxRow, Storage, TombstoneRow, Which,
    Winner,
};
use crate::{Direction, Error, Fill, History, Link, LinkId, LinkSettings, Query, Result, Selection};

/// A database that ends with its process.
#[derive(Debug, Default)]
pub(crate) struct MemoryStorage {
    tables: Tables,
    /// The tables as they were when the transaction began.
    before: Option<Tables>,
}

/// Where an entity stands in an index: type, text or bytes, time, id; what an index does not use is empty.
type Place = (String, Vec<u8>, u64, Eid);

#[derive(Clone, Debug, Default)]
struct Tables {
    ents: OrdMap<Eid, EntRow>,
    created: OrdSet<Place>,
    updated: OrdSet<Place>,
    parents: OrdSet<Place>,
    groups: OrdSet<Place>,
    tombstones: OrdMap<Eid, TombstoneRow>,
    kinds: OrdMap<String, History>,
    log: OrdMap<LogKey, LogRow>,
    log_hashes: OrdMap<(Eid, MessageHash), LogKey>,
    links: OrdMap<LinkId, LinkRow>,
    last_link: u32,
    bags: OrdMap<(LinkId, BagSeq), BagRow>,
    holders: OrdSet<(LinkId, Eid, Which, BagSeq)>,
    outbox: OrdMap<(LinkId, u64), OutboxRow>,
    queued: OrdMap<(LinkId, Eid, Which), u64>,
    last_position: u64,
    reader: u32,
    owner: Option<String>,
}

impl Storage for MemoryStorage {
    fn begin(&mut self, _durability: Durability) -> Result<()> {
        self.before = Some(self.tables.clone());
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.before = None;
        Ok(())
    }

    fn rollback(&mut self) {
        if let Some(before) = self.before.take() {
            self.tables = before;
        }
    }

    fn version_elsewhere(&self) -> Result<i64> {
        Ok(0)
    }

    fn reader(&self) -> Result<u32> {
        Ok(self.tables.reader)
    }

    fn set_reader(&mut self, version: u32) -> Result<()> {
        self.tables.reader = version;
        Ok(())
    }

    fn owner(&self) -> Result<Option<String>> {
        Ok(self.tables.owner.clone())
    }

    fn set_owner(&mut self, owner: &str) -> Result<()> {
        self.tables.owner = Some(owner.to_owned());
        Ok(())
    }

    fn winner(&self, eid: &Eid) -> Result<Option<Winner>> {
        let ent = self.tables.ents.get(eid).cloned().map(Winner::Ent);
        Ok(ent.or_else(|| self.tables.tombstones.get(eid).cloned().map(Winner::Tombstone)))
    }

    fn put_winner(&mut self, winner: &Winner) -> Result<()> {
        self.tables.remove_winner(winner.eid());
        match winner {
            Winner::Ent(row) => self.tables.insert_ent(row),
            Winner::Tombstone(row) => {
                row.kind.iter().for_each(|kind| self.tables.see_kind(kind));
                self.tables.tombstones.insert(row.eid.clone(), row.clone());
            }
        }
        Ok(())
    }

    fn ents(&self, query: &Query) -> Result<Vec<EntRow>> {
        let tables = &self.tables;
        let found = match &query.selection {
            Selection::One(eid) => {
                let passed = query.after.as_ref().is_some_and(|after| match query.direction {
                    Direction::Ascending => after.eid >= *eid,
                    Direction::Descending => after.eid <= *eid,
                });
                let found = tables.ents.get(eid).filter(|_| !passed && query.limit > 0);
                return Ok(found.cloned().into_iter().collect());
            }
            Selection::All => {
                let after = query.after.as_ref().map(|after| &after.eid);
                let rows = match (query.direction, after) {
                    (Direction::Ascending, None) => tables.ents.values().take(query.limit).cloned().collect(),
                    (Direction::Ascending, Some(after)) => {
                        let range = (Bound::Excluded(after.clone()), Bound::Unbounded);
                        tables.ents.range(range).take(query.limit).map(|(_, row)| row.clone()).collect()
                    }
                    (Direction::Descending, after) => {
                        let end = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
                        let range = tables.ents.range((Bound::Unbounded, end)).rev();
                        range.take(query.limit).map(|(_, row)| row.clone()).collect()
                    }
                };
                return Ok(rows);
            }
            Selection::ByType { .. } => &tables.created,
            Selection::Updated { .. } => &tables.updated,
            Selection::Parent { .. } => &tables.parents,
            Selection::Group { .. } => &tables.groups,
        };
        let Some(shelf) = Shelf::of(&query.selection) else { return Ok(Vec::new()) };
        let places: Vec<&Place> = shelf.places(found, query).take(query.limit).collect();
        Ok(places.into_iter().filter_map(|place| tables.ents.get(&place.3)).cloned().collect())
    }

    fn count(&self, selection: &Selection) -> Result<u64> {
        let index = match selection {
            Selection::All => return Ok(self.tables.ents.len() as u64),
            Selection::One(eid) => return Ok(u64::from(self.tables.ents.contains_key(eid))),
            Selection::ByType { .. } => &self.tables.created,
            Selection::Updated { .. } => &self.tables.updated,
            Selection::Parent { .. } => &self.tables.parents,
            Selection::Group { .. } => &self.tables.groups,
        };
        let query = Query { limit: usize::MAX, ..Query::new(selection.clone()) };
        Ok(Shelf::of(selection).map_or(0, |shelf| shelf.places(index, &query).count() as u64))
    }

    fn tombstones(&self, after: Option<&Eid>, limit: usize) -> Result<Vec<TombstoneRow>> {
        Ok(following(&self.tables.tombstones, after).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn tombstone_count(&self) -> Result<u64> {
        Ok(self.tables.tombstones.len() as u64)
    }

    fn kinds(&self) -> Result<Vec<String>> {
        Ok(self.tables.kinds.keys().cloned().collect())
    }

    fn history(&self, kind: &str) -> Result<History> {
        Ok(self.tables.kinds.get(kind).copied().unwrap_or_default())
    }

    fn set_history(&mut self, kind: &str, history: History) -> Result<()> {
        self.tables.kinds.insert(kind.to_owned(), history);
        Ok(())
    }

    fn logged(&self, eid: &Eid, hash: MessageHash) -> Result<Option<LogRow>> {
        let key = self.tables.log_hashes.get(&(eid.clone(), hash));
        Ok(key.and_then(|key| self.tables.log.get(key)).cloned())
    }

    fn aside_of(&self, eid: &Eid) -> Result<Vec<LogRow>> {
        Ok(self.tables.log_of(eid).filter(|row| row.aside.is_some()).cloned().collect())
    }

    fn past_of(&self, eid: &Eid, limit: usize) -> Result<Vec<LogRow>> {
        let mut rows: Vec<LogRow> =
            self.tables.log_of(eid).filter(|row| row.aside.is_none()).cloned().collect();
        rows.reverse();
        rows.truncate(limit);
        Ok(rows)
    }

    fn log(&self, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>> {
        Ok(following(&self.tables.log, after).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn aside(&self, below: u32, after: Option<&LogKey>, limit: usize) -> Result<Vec<LogRow>> {
        let rows = following(&self.tables.log, after).map(|(_, row)| row);
        let rows = rows.filter(|row| row.aside.as_ref().is_some_and(|aside| aside.reader < below));
        Ok(rows.take(limit).cloned().collect())
    }

    fn log_counts(&self) -> Result<(u64, u64)> {
        let aside = self.tables.log.values().filter(|row| row.aside.is_some()).count();
        Ok(((self.tables.log.len() - aside) as u64, aside as u64))
    }

    fn put_log(&mut self, row: &LogRow) -> Result<()> {
        self.tables.log_hashes.insert((row.key.eid.clone(), row.key.hash), row.key.clone());
        self.tables.log.insert(row.key.clone(), row.clone());
        Ok(())
    }

    fn remove_log(&mut self, key: &LogKey) -> Result<()> {
        self.tables.log_hashes.remove(&(key.eid.clone(), key.hash));
        self.tables.log.remove(key);
        Ok(())
    }

    fn links(&self) -> Result<Vec<LinkRow>> {
        Ok(self.tables.links.values().cloned().collect())
    }

    fn add_link(&mut self, settings: &LinkSettings) -> Result<LinkId> {
        self.tables.last_link += 1;
        let id = LinkId(self.tables.last_link);
        let link = Link { id, settings: settings.clone(), stage: Fill::Replay, cursor: None, trouble: None };
        self.tables.links.insert(id, LinkRow { link, filled: Vec::new(), history: 0 });
        Ok(id)
    }

    fn put_link(&mut self, row: &LinkRow) -> Result<()> {
        if !self.tables.links.contains_key(&row.link.id) {
            return Err(Error::UnknownLink(row.link.id));
        }
        self.tables.links.insert(row.link.id, row.clone());
        Ok(())
    }

    fn remove_link(&mut self, link: LinkId) -> Result<()> {
        self.clear_bags(link)?;
        for row in self.outbox(link, 0, usize::MAX)? {
            self.unqueue(link, &row.eid, row.which)?;
        }
        self.tables.links.remove(&link);
        Ok(())
    }

    fn bag(&self, link: LinkId, seq: BagSeq) -> Result<Option<BagRow>> {
        Ok(self.tables.bags.get(&(link, seq)).cloned())
    }

    fn holders(&self, link: LinkId, eid: &Eid, which: Which) -> Result<Vec<BagSeq>> {
        let key = |seq| (link, eid.clone(), which, BagSeq(seq));
        Ok(self.tables.holders.range(key(0)..=key(u64::MAX)).map(|key| key.3).collect())
    }

    fn removable(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<(BagSeq, BagRow)>> {
        let wanted = |row: &BagRow| matches!(row.state, BagState::Superseded | BagState::Damaged);
        Ok(self.tables.bags_where(link, after, wanted).take(limit).collect())
    }

    fn held(&self, link: LinkId, after: BagSeq, limit: usize) -> Result<Vec<BagSeq>> {
        let wanted = |row: &BagRow| matches!(row.state, BagState::Holds(_));
        Ok(self.tables.bags_where(link, after, wanted).map(|(seq, _)| seq).take(limit).collect())
    }

    fn unreadable(&self, link: LinkId, limit: usize) -> Result<Vec<(BagSeq, BagRow)>> {
        let wanted = |row: &BagRow| matches!(row.state, BagState::Unreadable(_));
        Ok(self.tables.bags_where(link, BagSeq::ZERO, wanted).take(limit).collect())
    }

    fn unreadable_count(&self, link: LinkId) -> Result<u64> {
        self.unreadable(link, usize::MAX).map(|rows| rows.len() as u64)
    }

    fn put_bag(&mut self, link: LinkId, seq: BagSeq, row: &BagRow) -> Result<()> {
        self.remove_bag(link, seq)?;
        if let (Some(eid), BagState::Holds(which)) = (&row.eid, &row.state) {
            self.tables.holders.insert((link, eid.clone(), *which, seq));
        }
        self.tables.bags.insert((link, seq), row.clone());
        Ok(())
    }

    fn remove_bag(&mut self, link: LinkId, seq: BagSeq) -> Result<()> {
        let removed = self.tables.bags.remove(&(link, seq));
        if let Some(BagRow { eid: Some(eid), state: BagState::Holds(which) }) = removed {
            self.tables.holders.remove(&(link, eid, which, seq));
        }
        Ok(())
    }

    fn clear_bags(&mut self, link: LinkId) -> Result<()> {
        let all: Vec<BagSeq> =
            self.tables.bags_where(link, BagSeq::ZERO, |_| true).map(|(seq, _)| seq).collect();
        all.into_iter().chain([BagSeq::ZERO]).try_for_each(|seq| self.remove_bag(link, seq))
    }

    fn outbox(&self, link: LinkId, after: u64, limit: usize) -> Result<Vec<OutboxRow>> {
        let range = (Bound::Excluded((link, after)), Bound::Included((link, u64::MAX)));
        Ok(self.tables.outbox.range(range).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn waiting(&self, link: LinkId) -> Result<u64> {
        Ok(self.tables.outbox.range((link, 0)..=(link, u64::MAX)).count() as u64)
    }

    fn is_queued(&self, link: LinkId, eid: &Eid, which: Which) -> Result<bool> {
        Ok(self.tables.queued.contains_key(&(link, eid.clone(), which)))
    }

    fn queue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
        if !self.is_queued(link, eid, which)? {
            self.tables.last_position += 1;
            let position = self.tables.last_position;
            self.tables.queued.insert((link, eid.clone(), which), position);
            let row = OutboxRow { position, eid: eid.clone(), which };
            self.tables.outbox.insert((link, position), row);
        }
        Ok(())
    }

    fn unqueue(&mut self, link: LinkId, eid: &Eid, which: Which) -> Result<()> {
        if let Some(position) = self.tables.queued.remove(&(link, eid.clone(), which)) {
            self.tables.outbox.remove(&(link, position));
        }
        Ok(())
    }
}

impl Tables {
    fn see_kind(&mut self, kind: &str) {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.to_owned(), History::Latest);
        }
    }

    fn insert_ent(&mut self, row: &EntRow) {
        self.see_kind(&row.kind);
        let places = Places::of(row);
        self.created.insert(places.created);
        self.updated.insert(places.updated);
        places.parent.map(|place| self.parents.insert(place));
        places.group.map(|place| self.groups.insert(place));
        self.ents.insert(row.eid.clone(), row.clone());
    }

    fn remove_winner(&mut self, eid: &Eid) {
        self.tombstones.remove(eid);
        let Some(row) = self.ents.remove(eid) else { return };
        let places = Places::of(&row);
        self.created.remove(&places.created);
        self.updated.remove(&places.updated);
        places.parent.map(|place| self.parents.remove(&place));
        places.group.map(|place| self.groups.remove(&place));
    }

    fn log_of(&self, eid: &Eid) -> impl Iterator<Item = &LogRow> {
        let from = LogKey { eid: eid.clone(), offset_ms: 0, counter: 0, hash: MessageHash([0; 32]) };
        let eid = eid.clone();
        self.log.range(from..).take_while(move |(key, _)| key.eid == eid).map(|(_, row)| row)
    }

    fn bags_where<'a>(
        &'a self,
        link: LinkId,
        after: BagSeq,
        wanted: impl Fn(&BagRow) -> bool + 'a,
    ) -> impl Iterator<Item = (BagSeq, BagRow)> + 'a {
        let range = (Bound::Excluded((link, after)), Bound::Included((link, BagSeq(u64::MAX))));
        let rows = self.bags.range(range).filter(move |(_, row)| wanted(row));
        rows.map(|((_, seq), row)| (*seq, row.clone()))
    }
}

/// The places of one entity.
struct Places {
    created: Place,
    updated: Place,
    parent: Option<Place>,
    group: Option<Place>,
}

impl Places {
    fn of(row: &EntRow) -> Self {
        let created_ms = row.eid.created_ms();
        let place = |text: &[u8], time_ms| (row.kind.clone(), text.to_vec(), time_ms, row.eid.clone());
        Self {
            created: place(&[], created_ms),
            updated: place(&[], created_ms + row.offset_ms),
            parent: row.parent.as_ref().map(|parent| place(parent.as_bytes(), 0)),
            group: row.group.as_ref().map(|group| place(group.as_bytes(), 0)),
        }
    }
}

/// The part of an index that a selection is.
struct Shelf<'a> {
    kind: &'a str,
    text: &'a [u8],
    from_ms: u64,
    to_ms: u64,
}

impl<'a> Shelf<'a> {
    fn of(selection: &'a Selection) -> Option<Self> {
        let all = |kind, text| Self { kind, text, from_ms: 0, to_ms: u64::MAX };
        match selection {
            Selection::All | Selection::One(_) => None,
            Selection::ByType { kind, created: None } => Some(all(kind, &[])),
            Selection::ByType { kind, created: Some(range) } | Selection::Updated { kind, range } => {
                Some(Self { from_ms: *range.start(), to_ms: *range.end(), ..all(kind, &[]) })
            }
            Selection::Parent { kind, parent } => Some(all(kind, parent.as_bytes())),
            Selection::Group { kind, group } => Some(all(kind, group.as_bytes())),
        }
    }

    /// Its places in the query's order, after the query's cursor.
    fn places<'i>(
        &self,
        index: &'i OrdSet<Place>,
        query: &Query,
    ) -> Box<dyn Iterator<Item = &'i Place> + 'i> {
        let least = least_eid();
        let place = |time_ms, eid: &Eid| (self.kind.to_owned(), self.text.to_vec(), time_ms, eid.clone());
        let mut from = Bound::Included(place(self.from_ms, &least));
        let mut to = match self.to_ms.checked_add(1) {
            Some(past) => Bound::Excluded(place(past, &least)),
            // Nothing is above the greatest time but another text or type.
            None => Bound::Excluded((self.kind.to_owned(), [self.text, &[0]].concat(), 0, least.clone())),
        };
        if let Some(after) = &query.after {
            let cursor = place(after.time_ms, &after.eid);
            match query.direction {
                Direction::Ascending if after.time_ms >= self.from_ms => from = Bound::Excluded(cursor),
                Direction::Descending if after.time_ms <= self.to_ms => to = Bound::Excluded(cursor),
                _ => {}
            }
        }
        let empty = match (&from, &to) {
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        if empty {
            return Box::new(std::iter::empty());
        }
        let range = index.range((from, to));
        match query.direction {
            Direction::Ascending => Box::new(range),
            Direction::Descending => Box::new(range.rev()),
        }
    }
}

/// No encoded id is less: an empty one, of time 0.
fn least_eid() -> Eid {
    Eid::new(&[], 0).expect("nothing is too long or too late here")
}

/// What follows a key, or all.
fn following<'a, K: Ord + Clone, V: Clone>(
    map: &'a OrdMap<K, V>,
    after: Option<&K>,
) -> Box<dyn Iterator<Item = (&'a K, &'a V)> + 'a> {
    match after {
        None => Box::new(map.iter()),
        Some(after) => Box::new(map.range((Bound::Excluded(after.clone()), Bound::Unbounded))),
    }
}
