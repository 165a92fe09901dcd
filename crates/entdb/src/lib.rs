//! The local database of entities: what a device keeps, asks and still has to upload.
//!
//! Every change is a *message*, the whole new state of one entity or its end; the greatest message of an entity,
//! in a total order that all devices share, is its state. So devices that hold the same messages hold the same
//! entities, in whatever order the messages came. Nothing here runs in the background, reads a clock or opens a
//! socket: time is a parameter, and a driver carries messages to and from hosts.
//!
//! ```
//! use seabag_entdb::{Database, Draft, Query, Selection, Skew};
//!
//! let mut database = Database::in_memory();
//! let draft = Draft::new("todo", b"\xa4milk".to_vec()); // the body is one msgpack value
//! let head = database.put_new(*b"8 random", 1_767_225_600_000, draft)?;
//! let page = database.page(&Query::new(Selection::of_kind("todo")))?;
//! assert_eq!(page.ents[0].eid, head.eid);
//! database.delete(&head.eid, 1_767_225_600_000, Skew::Force)?;
//! # Ok::<(), seabag_entdb::Error>(())
//! ```

pub mod body;
mod database;
mod ent;
mod envelope;
mod error;
mod history;
mod link;
mod merge;
mod msgpack;
mod numbers;
mod outbox;
mod query;
mod set_aside;
mod status;
mod storage;
mod walk;
mod watch;
mod write;

pub use database::Database;
pub use ent::{Draft, Ent, Message, Skew};
pub use error::{Error, Result};
pub use history::{History, Version};
pub use link::{
    Arrivals, Arrived, Fill, LABEL_BYTES_MAX, Link, LinkId, LinkSettings, RECEIVE_MAX, Received, Trouble,
};
pub use merge::{Judgement, Outcome};
pub use query::{
    Descendants, Direction, KindCount, MessageCursor, MessagePage, PAGE_LIMIT_MAX, Page, PageCursor, Query,
    Selection,
};
pub use set_aside::SetAside;
pub use status::{DatabaseStatus, Durable, LinkStatus, Unreadable};
pub use watch::{Change, QUEUE_MAX, Watch, WatchEvent};
