//! What Seabag's server and clients agree on: the shapes of messages, their codecs, and the rules that a
//! server must obey. It does no input or output and knows no clock and no chance: those are parameters.

pub mod error;
pub mod host;
pub mod limits;
pub mod rate;
pub mod room;
