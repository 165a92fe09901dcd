//! Syncing with a host of sealed bags.

pub mod address;
pub mod backoff;
