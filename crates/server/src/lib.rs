//! A temporary stand-in for the server, with the names that the program uses. It listens and answers nothing.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use seabag_protocol::limits::Limits;

/// What a server is told.
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where metrics and admin commands are served.
    pub admin_listen: Option<SocketAddr>,
    /// Where rooms are kept.
    pub storage: Storage,
    /// What clients are told to connect to.
    pub public_url: Option<String>,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// What creating a room asks for.
    pub creation_token: Option<Secret>,
    /// What the admin address asks for.
    pub admin_token: Option<Secret>,
    /// How long an unused room is kept.
    pub room_ttl_ms: Option<u64>,
    /// Every bound.
    pub limits: Limits,
}

/// Where rooms are kept.
pub enum Storage {
    /// In memory.
    Memory,
    /// On disk.
    Disk {
        /// The directory.
        path: PathBuf,
        /// When a push counts as done.
        durability: Durability,
        /// Open data that lacks acknowledged commits.
        accept_loss: bool,
        /// Memory for recently read blocks.
        cache_bytes: u64,
    },
}

/// When a push counts as done.
pub enum Durability {
    /// When it is on disk.
    Sync,
    /// At once; on disk within this time.
    Interval(Duration),
    /// At once; on disk when the system pleases.
    None,
}

/// PEM files.
pub struct TlsFiles {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A token.
pub struct Secret(String);

impl Secret {
    /// Takes the token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Whether the presented one is the same.
    pub fn matches(&self, presented: &str) -> bool {
        self.0 == presented
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub struct StartError(String);

/// Why a server stopped.
#[derive(Debug)]
pub struct StopError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
impl std::error::Error for StopError {}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
}

impl Server {
    /// Starts a server.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        Ok(Self { address: settings.listen, admin_address: settings.admin_listen })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and admin commands are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves until `shutdown` resolves.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StopError> {
        shutdown.await;
        Ok(())
    }
}
