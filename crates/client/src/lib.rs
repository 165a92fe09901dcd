//! The sync engine between a database of entities and its hosts.

pub mod chance;
pub mod error;
pub mod host;
