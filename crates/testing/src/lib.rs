//! What Seabag's tests stand on. Not published, used by tests only.
//!
//! - [`naive_store`] does to plain maps what a machine's `Changes` ask for.
//! - [`model`] is a room by the letter of the rules, slow and obvious, to compare the machine with.
//! - [`world`] is a simulated server with clients, network, crashes and restores, all from one seed.
//! - [`history`] checks what concurrent clients saw of one room.
//! - [`tidy`] checks the repository itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests link this crate, and a panic is how a test fails"
)]

pub mod chance;
pub mod history;
pub mod model;
pub mod naive_store;
pub mod tidy;
pub mod world;
