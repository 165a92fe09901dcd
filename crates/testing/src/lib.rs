//! What Seabag's tests stand on. Not published, used by tests only.
//!
//! - [`process`] is a real server in a process of its own: started, stopped, killed, started again.
//! - [`http_client`] and [`events`] speak HTTP and event streams to it, with nothing of the server's own code.
//! - [`socket`] speaks WebSocket in both dialects and encodings; [`raw`] writes whatever bytes a test wants.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests link this crate, and a panic is how a test fails"
)]

pub mod events;
pub mod http_client;
pub mod process;
pub mod raw;
pub mod socket;
