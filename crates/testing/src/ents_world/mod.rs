//! A simulated world of entities: devices with real databases and real sessions, hosts that are the real account
//! machine, a network that delays, loses and repeats, clocks that are wrong, crashes between any two transactions,
//! wipes, restores, and a client and a host of the old kind. No threads and no clock: everything follows from one
//! seed, so a failure is repeated by its seed.
//!
//! ```
//! use seabag_testing::ents_world::{Settings, World};
//! let report = World::run(Settings::new(1)).unwrap();
//! assert_eq!(World::run(Settings::new(1)).unwrap(), report);
//! ```

mod device;
mod host;
mod hostile;
mod network;
mod run;
mod trouble;
mod truth;
mod upstream;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use device::Device;
use host::Host;
use seabag_client::host::event::{CallId, Failure};
use seabag_crypto::{Sealer, Seed};
use tempfile::TempDir;
use truth::Truth;
use upstream::Upstream;

pub use crate::violation::Violation;

use crate::chance::Chance;

/// When worlds begin, milliseconds since 1970.
const BEGIN_MS: u64 = 1_767_225_600_000;
const LABEL: &str = "world";

/// The account that everything is about.
fn sealer() -> Arc<Sealer> {
    static SEALER: LazyLock<Arc<Sealer>> =
        LazyLock::new(|| Arc::new(Sealer::new(Arc::new(Seed::from_bytes(&[7; 32])), LABEL, 0)));
    Arc::clone(&SEALER)
}

/// Somebody else.
fn stranger() -> Arc<Sealer> {
    static SEALER: LazyLock<Arc<Sealer>> =
        LazyLock::new(|| Arc::new(Sealer::new(Arc::new(Seed::from_bytes(&[8; 32])), LABEL, 0)));
    Arc::clone(&SEALER)
}

/// Something built wrong on purpose, to show that the world's checks notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A host that lets go of a superseded bag lets go of the superseding one too.
    PruneSupersedingToo,
    /// A host that crashes has lost the last bag that it acknowledged, and does not know it.
    AcknowledgeBeforeSync,
    /// A device that crashes forgets what waits for its hosts.
    ForgetOutbox,
    /// Devices agree on all but ties, where the first to come wins. The oracle plays them.
    FirstArrivalWinsTies,
    /// A device moves its cursor before it stores what it read, and crashes in between.
    CursorBeforeStore,
}

/// What kind of run it is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Everything follows from it.
    pub seed: u64,
    /// How many things are done before the world comes to rest.
    pub operations: u64,
    /// Whether the last of the hosts means harm until then.
    pub hostile: bool,
    /// What is built wrong.
    pub fault: Option<Fault>,
}

impl Settings {
    /// The everyday run of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, operations: 40, hostile: false, fault: None }
    }

    /// A run with a hostile host.
    pub fn hostile(seed: u64) -> Self {
        Self { hostile: true, ..Self::new(seed) }
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything that happened, a line each.
    pub trace: Vec<String>,
    /// How often which kind of trouble struck.
    pub troubles: BTreeMap<&'static str, u64>,
    /// How often sessions said what.
    pub reports: BTreeMap<String, u64>,
    /// Messages that were written.
    pub messages: u64,
    /// Events that happened.
    pub steps: u64,
}

/// A call on its way.
#[derive(Clone, Debug)]
struct Call {
    device: usize,
    line: u64,
    host: usize,
    id: CallId,
    path: &'static str,
    body: Bytes,
    /// Until the answer arrives; `None`: it gets lost.
    back_ms: Option<u64>,
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody writes something.
    Operate,
    /// Something goes wrong.
    Trouble,
    /// The client of the old kind has its turn.
    Upstream,
    /// A request reaches its host.
    Request(Call),
    /// An answer, or its absence, reaches a line of a device.
    Answer(usize, u64, CallId, Result<Bytes, Failure>),
    /// A line's notices open.
    Open(usize, u64),
    /// They end, if they are still of these sockets of the host.
    Closed(usize, u64, u64),
    /// A frame arrives, if so.
    Notice(usize, u64, u64, Bytes),
    /// A line wants to be woken, if that is still its last wish.
    Wake(usize, u64, u64),
    /// A host's process begins.
    HostUp(usize),
    /// A host has room again.
    Room(usize),
}

/// The world.
pub struct World {
    settings: Settings,
    chance: Chance,
    now_ms: u64,
    /// What will happen, by time and then in the order in which it was planned.
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    devices: Vec<Device>,
    hosts: Vec<Host>,
    upstream: Option<Upstream>,
    truth: Truth,
    /// Lines that there have been.
    lines: u64,
    operations_left: u64,
    report: Report,
    /// Where databases in files are.
    _directory: Option<TempDir>,
}
