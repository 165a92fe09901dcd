//! What the tests of the database share: drafts, messages from elsewhere, vectors, and a database of each kind.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses some of it")]

use bytes::Bytes;
use seabag_entdb::{Database, Draft, LinkSettings, Message, body};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;
use serde_json::{Value, json};

/// The time at which most tests begin: 2026-01-01.
pub const START_MS: u64 = 1_767_225_600_000;

/// A draft of this type with this content.
pub fn draft(kind: &str, content: Value) -> Draft {
    Draft::new(kind, body::from_json(&content).unwrap())
}

/// An id.
pub fn eid(id: u8, created_ms: u64) -> Eid {
    Eid::new(&[id; 8], created_ms).unwrap()
}

/// An envelope as another device writes it: keys in their usual order, nil for what is not there.
pub fn envelope(kind: &str, content: Value) -> Bytes {
    let whole = json!({ "$map": [["body", content], ["type", kind], ["gid", null], ["pid", null]] });
    body::from_json(&whole).unwrap()
}

/// A message from another device; `None`: a delete.
pub fn message(eid: &Eid, offset_ms: u64, counter: u64, body: Option<Bytes>) -> Message {
    Message { head: MessageHead::new(eid.clone(), offset_ms, counter, body.as_deref()), body }
}

/// An update from another device.
pub fn update(eid: &Eid, offset_ms: u64, counter: u64, kind: &str, content: Value) -> Message {
    message(eid, offset_ms, counter, Some(envelope(kind, content)))
}

/// Settings of a link that differ by this number.
pub fn host(number: u64) -> LinkSettings {
    LinkSettings { label: "main".into(), url: format!("https://host{number}.example"), index: number }
}

/// A database, and the folder that keeps its file if it has one.
pub struct World {
    pub database: Database,
    folder: Option<tempfile::TempDir>,
}

impl World {
    pub fn memory() -> Self {
        Self { database: Database::in_memory(), folder: None }
    }

    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().join("ents.db")).unwrap();
        Self { database, folder: Some(folder) }
    }

    /// Opens it anew, if it is in a file.
    pub fn reopen(&mut self) {
        if let Some(folder) = &self.folder {
            self.database = Database::in_memory();
            self.database = Database::open(folder.path().join("ents.db")).unwrap();
        }
    }
}

/// A group of the shared vectors.
pub fn vectors(name: &str) -> Value {
    let path = format!("{}/../../vectors/host/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Bytes of hex.
pub fn unhex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
