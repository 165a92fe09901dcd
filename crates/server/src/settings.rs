//! What a server is started with. Flags, environment and files are the command line's business.

use std::net::SocketAddr;
use std::path::PathBuf;

use seabag_protocol::limits::Limits;
pub use seabag_store::Durability;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where metrics, statistics, deletion and backup are; `None`: nowhere. Never the same as `listen`.
    pub admin_listen: Option<SocketAddr>,
    /// Where rooms are kept.
    pub storage: Storage,
    /// The address that clients see, such as `https://rooms.example.org`; `None`: taken from each request.
    pub public_url: Option<String>,
    /// Certificate and key, to serve TLS itself.
    pub tls: Option<TlsFiles>,
    /// Who creates rooms must present this; `None`: anyone may.
    pub creation_token: Option<Secret>,
    /// Who may register an account at the host.
    pub registration: Registration,
    /// Who uses the admin address must present this; `None`: anyone who reaches it may.
    pub admin_token: Option<Secret>,
    /// Milliseconds after its last use that a room is deleted; `None`: never.
    pub room_ttl_ms: Option<u64>,
    /// Whether the pages for people are served: the start page, whiteboard, notes, inspector.
    pub pages: bool,
    /// Every bound.
    pub limits: Limits,
}

/// Who may register an account. Accounts that exist may always say so again.
#[derive(Clone, Debug)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Who presents this as `Authorization: Bearer`.
    Token(Secret),
    /// Nobody.
    Closed,
}

/// Where rooms are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Nowhere: they are gone when the process ends.
    Memory,
    /// In a directory.
    Disk {
        /// The directory.
        path: PathBuf,
        /// When a commit counts as durable.
        durability: Durability,
        /// Opens data whose newest commits are missing.
        accept_loss: bool,
        /// Most bytes that the storage engine caches.
        cache_bytes: u64,
    },
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A token. It does not print and is compared in constant time.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Whether the presented one is the same.
    pub fn matches(&self, presented: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), presented.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
