//! `seabag serve`: turns the configuration into a running server. The only file that knows the server's API.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use seabag_server::{Durability, Registration, Secret, Server, Settings, Storage, TlsFiles};
use serde::Serialize;

use crate::exit::{EXIT_CODES, Exit, coded, usage};
use crate::output;
use crate::settings::{self, Configuration, DurabilityChoice, RegistrationChoice, SettingFlags};

const ABOUT: &str = "\
Every setting can be given in three ways: as a flag, as a variable (SEABAG_ and the name in capitals, such as \
SEABAG_LISTEN or SEABAG_MESSAGE_BYTES_MAX), or in a TOML file (the name with underscores; limits under [limits]). \
A flag beats a variable, a variable beats the file. --print-config shows the result, in the form of such a file.

Secrets are no flags, since other users can see arguments: they come from a file or from the variables \
SEABAG_CREATION_TOKEN, SEABAG_REGISTRATION_TOKEN and SEABAG_ADMIN_TOKEN.

Examples:
  seabag serve
  seabag serve --memory --listen 127.0.0.1:0 --ready-file ready.json
  seabag serve --listen 0.0.0.0:443 --tls-certificate chain.pem --tls-key key.pem --data /var/lib/seabag
  seabag serve --print-config > seabag.toml; seabag serve --config seabag.toml
  SEABAG_ROOM_BYTES_MAX=64MiB seabag serve --rooms-max 1000

SIGTERM or SIGINT: the server takes no more connections, tells its clients to come back, finishes what the disk \
has begun, and ends. A second signal ends it at once.";

/// Run a server.
#[derive(Debug, Args)]
#[command(after_help = "--help lists the limits too.", after_long_help = format!("{ABOUT}\n\n{EXIT_CODES}"))]
pub(crate) struct Serve {
    /// Read settings from this TOML file. Or the variable SEABAG_CONFIG.
    #[arg(long, value_name = "FILE", env = "SEABAG_CONFIG", hide_env = true)]
    config: Option<PathBuf>,
    /// Show the configuration in force, as a file that can be read back, and end.
    #[arg(long)]
    print_config: bool,
    /// Once the server listens, write its addresses into this file as JSON.
    #[arg(long, value_name = "FILE", env = "SEABAG_READY_FILE", hide_env = true)]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Runs until a signal, or until storage stops.
pub(crate) async fn run(command: Box<Serve>) -> anyhow::Result<Exit> {
    let configuration = Configuration::resolve(command.settings.layer, command.config.as_deref(), variable)?;
    if command.print_config {
        let mut lines = output::Lines::stdout();
        lines.write_raw(settings::print(&configuration).as_bytes())?;
        lines.flush()?;
        return Ok(Exit::Done);
    }
    start_log(&configuration)?;
    let server = Server::start(server_settings(&configuration)?)
        .await
        .map_err(|error| anyhow!("the server did not start: {error}"))?;
    // Whoever reads that it is ready may ask it to stop at once.
    let shutdown = shutdown_signal()?;
    if let Some(path) = &command.ready_file {
        write_ready_file(path, &server, scheme(&configuration))?;
    }
    greet(&configuration, &server);
    server
        .run(shutdown)
        .await
        .map_err(|error| coded(Exit::Storage, format!("the server stopped: {error}")))?;
    output::note("The server has stopped.");
    Ok(Exit::Done)
}

/// A variable that is no text is treated as absent: no setting could be read from it.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn server_settings(configuration: &Configuration) -> anyhow::Result<Settings> {
    let storage = match &configuration.data {
        None => Storage::Memory,
        Some(path) => Storage::Disk {
            path: path.clone(),
            durability: match configuration.durability {
                DurabilityChoice::Sync => Durability::Sync,
                DurabilityChoice::Interval(interval) => Durability::Interval(interval),
                DurabilityChoice::None => Durability::None,
            },
            accept_loss: configuration.accept_loss,
            cache_bytes: configuration.cache_bytes,
        },
    };
    let tls = configuration.tls.clone().map(|(certificate, key)| TlsFiles { certificate, key });
    Ok(Settings {
        listen: configuration.listen,
        admin_listen: configuration.admin_listen,
        storage,
        public_url: configuration.public_url.clone(),
        tls,
        creation_token: configuration.creation_token.read(variable)?.map(Secret::new),
        registration: registration(configuration)?,
        admin_token: configuration.admin_token.read(variable)?.map(Secret::new),
        room_ttl_ms: configuration.room_ttl_ms,
        pages: configuration.pages,
        limits: configuration.limits,
    })
}

fn registration(configuration: &Configuration) -> anyhow::Result<Registration> {
    Ok(match configuration.registration {
        RegistrationChoice::Open => Registration::Open,
        RegistrationChoice::Closed => Registration::Closed,
        RegistrationChoice::Token => {
            let token = configuration.registration_token.read(variable)?;
            Registration::Token(Secret::new(token.ok_or_else(|| usage("the registration token is gone"))?))
        }
    })
}

fn start_log(configuration: &Configuration) -> anyhow::Result<()> {
    let filter: tracing_subscriber::EnvFilter =
        configuration.log.parse().map_err(|error| usage(format!("log: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if configuration.log_json {
        builder.json().with_ansi(false).try_init()
    } else {
        builder.with_ansi(output::colours()).try_init()
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}

fn scheme(configuration: &Configuration) -> &'static str {
    if configuration.tls.is_some() { "https" } else { "http" }
}

/// Where a server that has started can be reached.
#[derive(Serialize)]
struct Ready {
    url: String,
    address: String,
    admin_address: Option<String>,
    pid: u32,
}

/// The file appears whole or not at all, so that whoever waits for it never reads half of it.
fn write_ready_file(path: &Path, server: &Server, scheme: &str) -> anyhow::Result<()> {
    let ready = Ready {
        url: format!("{scheme}://{}", server.address()),
        address: server.address().to_string(),
        admin_address: server.admin_address().map(|address| address.to_string()),
        pid: std::process::id(),
    };
    let text = serde_json::to_string(&ready)?;
    let written = path.with_extension("part");
    std::fs::write(&written, text + "\n")
        .and_then(|()| std::fs::rename(&written, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Says where the server is and what to do next. With a JSON log nobody reads along, so it is one event.
fn greet(configuration: &Configuration, server: &Server) {
    let scheme = scheme(configuration);
    let address = server.address();
    let url = configuration.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let data = configuration.data.as_ref().map(|path| path.display().to_string());
    let admin = server.admin_address().map(|address| address.to_string());
    if configuration.log_json || !std::io::stderr().is_terminal() {
        let data = data.unwrap_or_else(|| "memory".into());
        let admin = admin.unwrap_or_else(|| "none".into());
        tracing::info!(%address, %url, %data, %admin, "listening");
    } else {
        output::note(&format!("Seabag listens on {scheme}://{address}"));
        if let Some(data) = data {
            let durability = settings::print_durability(configuration.durability);
            output::note(&format!("Data: {data} (durability {durability})"));
        }
        if let Some(admin) = admin {
            output::note(&format!("Admin: http://{admin}"));
        }
        if configuration.pages {
            output::note(&format!("Open {url}/ in a browser: a whiteboard, notes, an inspector"));
        }
        output::note(&format!("Create a room: curl -X POST {url}/new"));
    }
    if configuration.data.is_none() {
        output::warning("--memory keeps nothing: every room and account is gone when the server ends");
    }
    if server.address().ip().is_unspecified() && configuration.creation_token == settings::Token::Absent {
        output::note(
            "Anybody who reaches this address may create rooms; --creation-token-file restricts that.",
        );
    }
}

/// Resolves at the first signal. The second one ends the process from a task of its own, whatever hangs.
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        signals.next().await;
        output::note("Stopping; a second signal ends the server at once.");
        let _ = send.send(());
        signals.next().await;
        output::warning("ended by a second signal");
        std::process::exit(Exit::Interrupted as i32);
    });
    Ok(async move {
        let _ = receive.await;
    })
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Only fails where there is no console; then the process can only be ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
