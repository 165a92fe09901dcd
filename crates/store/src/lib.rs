//! Durability behind the server: one trait, two backends, one conformance suite.
//!
//! The data flows one way: a room's driver [`Store::submit`]s what its machine wants persisted, an account's
//! driver [`Store::submit_account`]s it; one thread commits all that waits as one transaction with one sync; the
//! [`Receipt`] then releases the effects.
//!
//! ```
//! use seabag_protocol::room::name::RoomHash;
//! use seabag_protocol::room::record::RoomRecord;
//! use seabag_store::{LocalStore, Options, Store};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let store = LocalStore::in_memory(&Options::default())?;
//! let room = RoomHash([7; 16]);
//! let number = store.create(room, RoomRecord::default()).await?;
//! assert!(number.is_some());
//! assert_eq!(store.create(room, RoomRecord::default()).await?, None, "there is one");
//! assert_eq!(store.load(room).await?.map(|(number, _)| number), number);
//! store.close().await?;
//! # Ok::<(), seabag_store::StoreError>(())
//! # }).unwrap();
//! ```

mod backup;
mod check;
mod committer;
mod directory;
mod engine;
mod error;
mod expiry;
mod journal;
mod layout;
mod local;
mod opening;
mod options;
mod order;
mod queue;
mod read;
mod readers;
mod reaper;
mod rows;
mod shared;
mod store;
mod tables;
mod transaction;
mod watermark;

pub use backup::{Progress, restore};
pub use check::{Finding, check};
pub use error::StoreError;
pub use local::LocalStore;
pub use options::{Durability, Options};
pub use store::{
    AccountCommit, AccountNumber, AccountSummary, Answer, Commit, Committed, Health, Lifetime, Receipt,
    RoomNumber, RoomSummary, Snapshot, Statistics, Store,
};
