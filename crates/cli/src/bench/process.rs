//! The measured server, as a process of its own: its processors' time and its memory can be told from ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::process::{Child, Command};

use super::plain::Plain;

/// How long a server may take to listen.
const START_MAX: Duration = Duration::from_secs(20);

/// A server that is measured.
pub(crate) struct ServerProcess {
    /// `host:port`.
    pub(crate) address: String,
    /// `None`: it was there before us.
    child: Option<Child>,
    /// Removed with its contents when the measurement ends.
    directory: Option<tempfile::TempDir>,
}

#[derive(Deserialize)]
struct Ready {
    address: String,
}

impl ServerProcess {
    /// A server that was there before us.
    pub(crate) fn foreign(address: &str) -> Self {
        Self { address: address.to_owned(), child: None, directory: None }
    }

    /// Starts `seabag serve`, in memory or with its data in a new directory under `parent`. Limits that would
    /// get in the way of measuring are lifted.
    pub(crate) async fn start(parent: Option<&Path>, durability: &str) -> anyhow::Result<Self> {
        let mut words: Vec<String> =
            ["serve", "--listen", "127.0.0.1:0", "--log", "error"].map(String::from).into();
        for limit in ["pushes-per-second-max", "rooms-created-per-second-max"] {
            words.extend([format!("--{limit}"), "0".to_owned()]);
        }
        words.extend(["--room-idle-ms", "1h", "--connections-max", "100000"].map(String::from));
        let data =
            parent.map(tempfile::tempdir_in).transpose().context("cannot make a directory for the data")?;
        match &data {
            Some(data) => {
                let path = data.path().join("data").display().to_string();
                words.extend(["--data".to_owned(), path, "--durability".to_owned(), durability.to_owned()]);
            }
            None => words.push("--memory".to_owned()),
        }
        Self::spawn(words, data).await
    }

    /// Starts the bare server of `reference.rs`.
    pub(crate) async fn reference() -> anyhow::Result<Self> {
        Self::spawn(vec!["bench".to_owned(), "reference".to_owned()], None).await
    }

    async fn spawn(mut words: Vec<String>, data: Option<tempfile::TempDir>) -> anyhow::Result<Self> {
        let place = tempfile::tempdir()?;
        let ready = place.path().join("ready.json");
        words.extend(["--ready-file".to_owned(), ready.display().to_string()]);
        let mut command = Command::new(std::env::current_exe()?);
        // What is set for servers of this machine must not change what is measured.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEABAG_") {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the server")?;
        let waited = tokio::time::timeout(START_MAX, async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&ready) {
                    return Ok(serde_json::from_str::<Ready>(&text)?);
                }
                if child.try_wait()?.is_some() {
                    bail!("the server did not start");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let address = waited.await.context("the server did not start in time")??.address;
        Ok(Self { address, child: Some(child), directory: data })
    }

    /// Where it keeps its data; `None` when that is nowhere, or not known.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.path().join("data"))
    }

    /// Ends it in order, and waits for that. Its data stay for as long as this does.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().context("the server has ended")?;
        Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
        tokio::time::timeout(START_MAX, child.wait()).await.context("the server did not stop in time")??;
        Ok(())
    }

    /// Makes a room and returns its id.
    pub(crate) async fn room(&self) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Created {
            room: String,
        }
        let body = Plain::open(&self.address).await?.post("/new", "").await?;
        let created: Created = serde_json::from_slice(&body).context("the server made no room")?;
        Ok(created.room)
    }

    /// Seconds of processor time so far; `None` where this cannot be known.
    pub(crate) fn processor_seconds(&self) -> Option<f64> {
        let text = self.proc("stat")?;
        // The name in parentheses may hold spaces; behind it the times are the 12th and 13th fields, in ticks of
        // a hundredth of a second on every Linux.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / 100.0)
    }

    /// Bytes of memory in use; `None` where this cannot be known.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    fn proc(&self, file: &str) -> Option<String> {
        let pid = self.child.as_ref()?.id()?;
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
    }
}
