//! Rooms: a keyed, ordered broadcast stream with replays and compaction (the seed document's data model).
//! It never imports the other half of the protocol, the hosts.

pub mod action;
pub mod client_message;
pub mod machine;
pub mod name;
pub mod record;
pub mod server_message;
pub mod session;
pub mod value;

mod cbor;
mod fields;
mod json;
mod lineage;
mod outbox;
mod writer;
