//! Seabag's server: the driver around the pure rules of `seabag-protocol`.
//!
//! One push's way: a socket's frame (`websocket`) becomes a command in its room's mailbox; the room's task
//! (`room_task`) lets the machine apply it, submits the changes to the store, and when they are durable puts
//! the broadcast into the room's ring (`ring`); each reader's feed (`feed`) takes it from there to its socket.
//!
//! The server is blind: it links nothing that could open a sealed bag.

mod server;
mod settings;

mod app;
mod budget;
mod listen;
mod patience;
mod tls;
mod urls;

mod about;
mod admin;
mod host;
mod http;
mod pages;
mod peer;
mod stream;
mod websocket;

mod feed;
mod mail;
mod read;
mod registry;
mod ring;
mod room_task;

mod janitor;
mod metrics;
mod status;

mod chance;
mod clock;

pub use server::{Server, StartError, StopError};
pub use settings::{Durability, Registration, Secret, Settings, Storage, TlsFiles};
pub use status::close_code;
