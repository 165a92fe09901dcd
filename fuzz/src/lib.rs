//! What every fuzz target checks. A target hands over its bytes; a broken promise is a panic, which the fuzzer
//! reports with the bytes that led to it.

mod ents;
mod host;
mod messages;
mod parameters;
mod room;
mod sealed;
mod session;
mod sync;
mod values;

pub use ents::{ent_json, envelope};
pub use host::{host_answer, host_bag, host_request};
pub use messages::{client_cbor, client_json, http_body, server_cbor, server_json};
pub use parameters::parameters;
pub use room::{Script, room};
pub use sealed::{AnyArchive, AnyBag, archive, archive_bytes, recovery_phrase, sealed_bag};
pub use session::session;
pub use sync::{AnySync, sync_session};
pub use values::{value_cbor, value_json};
