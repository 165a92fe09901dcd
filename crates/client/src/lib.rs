//! The sync engine between a database of entities and its hosts.
//!
//! A **session** (`host::session`) decides, and does nothing: events in, actions out; time, chance and the database are
//! parameters. An **engine** runs one for each link of a database, each in a task of its own, and sends what they
//! ask for. Everything that must last is in the database: an engine can be lost at any moment.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use parking_lot::Mutex;
//! use seabag_client::{Engine, EngineOptions};
//! use seabag_crypto::Seed;
//! use seabag_entdb::{Database, LinkSettings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut database = Database::open("notes.db")?;
//! let url = "https://host.example.org".to_owned();
//! database.add_link(LinkSettings { label: "notes".into(), url, index: 0 })?;
//! let (database, seed) = (Arc::new(Mutex::new(database)), Arc::new(Seed::from_bytes(&[7; 32])));
//! let outcomes =
//!     Engine::sync_once(database, seed, EngineOptions::default(), Duration::from_secs(30)).await?;
//! println!("{outcomes:?}");
//! # Ok(())
//! # }
//! ```

pub mod chance;
pub mod clock;
pub mod error;
pub mod host;
pub mod status;

pub mod archive;

mod engine;
mod link_task;

pub use engine::{Engine, EngineOptions, LinkOutcome};
pub use error::ClientError;
