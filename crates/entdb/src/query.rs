//! Questions: which entities, in which order, how many at once.

use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;

use seabag_protocol::host::eid::Eid;

use crate::storage::{EntRow, Winner};
use crate::{Database, Ent, Error, Message, Result};

/// The most entities of one page; a greater limit means this one.
pub const PAGE_LIMIT_MAX: usize = 10_000;

/// Which entities, and with that their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every entity, in the order of ids.
    All,
    /// One entity.
    One(Eid),
    /// Those of a type, in the order of creation, then of ids.
    ByType {
        /// The type.
        kind: String,
        /// Only those created in this time, both ends included, milliseconds since 1970.
        created: Option<RangeInclusive<u64>>,
    },
    /// Those of a type that were last written in a time, in the order of that, then of ids.
    Updated {
        /// The type.
        kind: String,
        /// The time, both ends included, milliseconds since 1970.
        range: RangeInclusive<u64>,
    },
    /// Those of a type that belong to an entity, in the order of ids.
    Parent {
        /// The type.
        kind: String,
        /// The entity that they belong to.
        parent: Eid,
    },
    /// Those of a type that are in a group, in the order of ids.
    Group {
        /// The type.
        kind: String,
        /// The group.
        group: String,
    },
}

impl Selection {
    /// All of a type.
    pub fn of_kind(kind: impl Into<String>) -> Self {
        Self::ByType { kind: kind.into(), created: None }
    }

    /// Whether an entity is in it.
    pub fn matches(&self, ent: &Ent) -> bool {
        match self {
            Self::All => true,
            Self::One(eid) => ent.eid == *eid,
            Self::ByType { kind, created } => {
                ent.kind == *kind && created.as_ref().is_none_or(|range| range.contains(&ent.created_ms))
            }
            Self::Updated { kind, range } => ent.kind == *kind && range.contains(&ent.updated_ms),
            Self::Parent { kind, parent } => ent.kind == *kind && ent.parent.as_ref() == Some(parent),
            Self::Group { kind, group } => ent.kind == *kind && ent.group.as_ref() == Some(group),
        }
    }

    /// The time that it orders an entity by.
    fn order_ms(&self, ent: &Ent) -> u64 {
        match self {
            Self::ByType { .. } => ent.created_ms,
            Self::Updated { .. } => ent.updated_ms,
            Self::All | Self::One(_) | Self::Parent { .. } | Self::Group { .. } => 0,
        }
    }
}

/// Which way to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the least on.
    #[default]
    Ascending,
    /// From the greatest on.
    Descending,
}

/// A question for a page of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which.
    pub selection: Selection,
    /// Which way.
    pub direction: Direction,
    /// How many at most; [`PAGE_LIMIT_MAX`] at most.
    pub limit: usize,
    /// Only those after this place, in the direction of the query.
    pub after: Option<PageCursor>,
}

impl Query {
    /// The first page of a selection, up to a thousand entities.
    pub fn new(selection: Selection) -> Self {
        Self { selection, direction: Direction::Ascending, limit: 1_000, after: None }
    }
}

/// The place of an entity in the order of a selection. It stays good when the entity changes or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCursor {
    /// The time that the selection orders by; 0 where it orders by id alone.
    pub(crate) time_ms: u64,
    /// The id, which decides among equal times.
    pub(crate) eid: Eid,
}

impl PageCursor {
    /// The cursor as text, to be handed to a later process.
    pub fn to_text(&self) -> String {
        format!("{:x}.{}", self.time_ms, data_encoding::HEXLOWER.encode(self.eid.as_bytes()))
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Result<Self> {
        let (time, eid) = text.split_once('.').ok_or(Error::InvalidCursor)?;
        let time_ms = u64::from_str_radix(time, 16).map_err(|_| Error::InvalidCursor)?;
        let eid = data_encoding::HEXLOWER.decode(eid.as_bytes()).map_err(|_| Error::InvalidCursor)?;
        Ok(Self { time_ms, eid: Eid::decode(eid).map_err(|_| Error::InvalidCursor)? })
    }
}

/// A page of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entities, in order.
    pub ents: Vec<Ent>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<PageCursor>,
}

/// An entity's children, their children, and so on; of every type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descendants {
    /// Each with its depth: children have 1. A parent comes before its children.
    pub ents: Vec<(usize, Ent)>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// A type, and how many entities it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCount {
    /// The type.
    pub kind: String,
    /// How many entities.
    pub ents: u64,
}

/// How far a walk through all messages has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageCursor(pub(crate) Vec<u8>);

/// Some of all the messages that are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// The messages.
    pub messages: Vec<Message>,
    /// Where to go on; `None` at the end.
    pub next: Option<MessageCursor>,
}

impl Database {
    /// An entity.
    pub fn get(&self, eid: &Eid) -> Result<Option<Ent>> {
        Ok(self.storage.winner(eid)?.and_then(Winner::ent))
    }

    /// A page of a selection.
    pub fn page(&self, query: &Query) -> Result<Page> {
        let limit = query.limit.min(PAGE_LIMIT_MAX);
        // One more than asked for says whether there is a next page.
        let rows = self.storage.ents(&Query { limit: limit + 1, ..query.clone() })?;
        let more = rows.len() > limit;
        let ents: Vec<Ent> = rows.into_iter().take(limit).map(EntRow::ent).collect();
        let next = ents
            .last()
            .filter(|_| more)
            .map(|last| PageCursor { time_ms: query.selection.order_ms(last), eid: last.eid.clone() });
        Ok(Page { ents, next })
    }

    /// How many entities a selection has.
    pub fn count(&self, selection: &Selection) -> Result<u64> {
        self.storage.count(selection)
    }

    /// The types that have entities, in the order of their names.
    pub fn kinds(&self) -> Result<Vec<KindCount>> {
        let mut counts = Vec::new();
        for kind in self.storage.kinds()? {
            let ents = self.count(&Selection::of_kind(kind.clone()))?;
            if ents > 0 {
                counts.push(KindCount { kind, ents });
            }
        }
        Ok(counts)
    }

    /// An entity's children, their children, and so on, of every type, `max` at most; nearest first, and among
    /// equals in the order of parents, types and ids. Who is among his own descendants is not told again.
    pub fn descendants(&self, eid: &Eid, max: usize) -> Result<Descendants> {
        let kinds = self.storage.kinds()?;
        let mut seen = HashSet::from([eid.clone()]);
        let mut parents = VecDeque::from([(0, eid.clone())]);
        let mut ents = Vec::new();
        while let Some((depth, parent)) = parents.pop_front() {
            for kind in &kinds {
                let selection = Selection::Parent { kind: kind.clone(), parent: parent.clone() };
                let mut query = Query::new(selection);
                loop {
                    let page = self.page(&query)?;
                    for child in page.ents {
                        if !seen.insert(child.eid.clone()) {
                            continue;
                        }
                        if ents.len() >= max {
                            return Ok(Descendants { ents, more: true });
                        }
                        parents.push_back((depth + 1, child.eid.clone()));
                        ents.push((depth + 1, child));
                    }
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(Descendants { ents, more: false })
    }
}
