//! Durability behind the server: one trait, two backends, one conformance suite.
//!
//! The data flows one way: a room's driver [`Store::submit`]s what its machine wants persisted; one thread
//! commits all that waits as one transaction with one sync; the [`Receipt`] then releases the effects.

mod error;
mod store;

pub use error::StoreError;
pub use store::{Answer, Commit, Committed, Health, Lifetime, Receipt, RoomNumber, RoomSummary, Snapshot, Statistics, Store};
