//! The host: what a relay of sealed bags and its clients agree on, byte for byte as DIPLOMATIC v0.2 has it,
//! and the further calls of docs/host.md. The host checks signatures; it can open nothing.

pub mod auth;
pub mod bag;
pub mod bytes;
pub mod eid;
pub mod epoch;
pub mod machine;
pub mod message;
pub mod notice;
pub mod path;
pub mod peek;
pub mod prune;
pub mod pull;
pub mod push;
pub mod record;
pub mod response;
pub mod status;
