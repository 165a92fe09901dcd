//! What Seabag's tests stand on. Not published, used by tests only.
//!
//! - [`naive_store`] does to plain maps what a machine's `Changes` ask for.
//! - [`model`] is a room by the letter of the rules, slow and obvious, to compare the machine with.
//! - [`world`] is a simulated server with clients, network, crashes and restores, all from one seed.
//! - [`ents_world`] is the same for entities: devices with databases and sessions, hosts, an oracle.
//! - [`blind_host`] is a host of sealed bags in memory, with the real account machine.
//! - [`history`] checks what concurrent clients saw of one room.
//! - [`tidy`] checks the repository itself.
//! - [`process`] is a real server in a process of its own: started, stopped, killed, started again.
//! - [`http_client`] and [`events`] speak HTTP and event streams to it, with nothing of the server's own code.
//! - [`host_client`] is an account that asks and listens at the host.
//! - [`socket`] speaks WebSocket in both dialects and encodings; [`raw`] writes whatever bytes a test wants.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests link this crate, and a panic is how a test fails"
)]

pub mod blind_host;
pub mod chance;
pub mod ents_world;
pub mod model;
pub mod naive_store;
pub mod violation;
pub mod world;

pub mod history;

pub mod events;
pub mod host_client;
pub mod http_client;
pub mod process;
pub mod raw;
pub mod socket;

pub mod tidy;
