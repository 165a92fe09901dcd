//! Syncing with a host of sealed bags: the session is pure, the driver and the notice socket do as they are told.

pub mod access;
pub mod address;
pub mod backoff;
mod call;
mod chunk;
pub mod driver;
pub mod event;
mod listening;
pub mod notice_socket;
mod pruning;
mod reading;
mod recovery;
pub mod report;
pub mod session;
mod writing;
