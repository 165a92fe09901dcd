//! Syncing with a host of sealed bags: the session is pure, the driver and the notice socket do as they are told.

pub mod address;
pub mod backoff;
mod call;
pub mod driver;
pub mod event;
pub mod notice_socket;
pub mod report;
