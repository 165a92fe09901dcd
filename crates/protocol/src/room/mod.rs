//! Rooms: a keyed, ordered broadcast stream with replays and compaction (the seed document's data model).
//! It never imports the other half of the protocol, the hosts.

pub mod name;
pub mod record;
pub mod value;
