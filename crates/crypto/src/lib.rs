//! What only the holder of a seed may do: derive keys, sign requests, seal messages into bags and open them, write
//! and read the export file. Pure: nonces and times are parameters, and nothing is read or written but what
//! the caller hands over. No server links this crate, so that a server can open nothing.
//!
//! ```
//! use std::sync::Arc;
//!
//! use seabag_crypto::{Nonces, Sealer, phrase};
//! use seabag_protocol::host::eid::Eid;
//! use seabag_protocol::host::message::MessageHead;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let seed = phrase::parse(&"0123456789abcdef".repeat(4))?;
//! let sealer = Sealer::new(Arc::new(seed), "host", 0);
//! let head = MessageHead::new(Eid::new(b"12345678", 1_767_225_600_000)?, 0, 0, Some(b"milk"));
//! // Fresh from the system's random source in real use.
//! let nonces = Nonces { head: [1; 24], body: [2; 24] };
//! let bag = sealer.seal(&head, Some(b"milk"), &nonces)?;
//! assert_eq!(sealer.open(&bag)?, (head, Some("milk".into())));
//! # Ok(())
//! # }
//! ```

pub mod archive;
pub mod phrase;

mod box_key;
mod derive;
mod host_keys;
mod seal;
mod seed;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

pub use host_keys::HostKeys;
pub use seal::{Nonces, Sealer};
pub use seed::{Seed, SeedError};
