//! `seabag health`: one question, one exit code. Made for container health checks.

use std::time::Duration;

use clap::Args;

use crate::client::http::Http;
use crate::exit::Exit;
use crate::output;
use crate::settings::parse_url;

/// Ask a server whether it is ready.
#[derive(Debug, Args)]
#[command(after_help = "\
Ready means: the store is open and takes writes. Nothing is printed then.

Example:
  seabag health --server http://127.0.0.1:8080 && echo ready")]
pub(crate) struct Health {
    /// The server.
    #[arg(long, value_name = "URL", env = "SEABAG_SERVER", default_value = crate::client::SERVER_DEFAULT)]
    #[arg(value_parser = parse_url)]
    server: String,
    /// Seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
}

/// Asks `/readyz`.
pub(crate) async fn run(command: Health) -> anyhow::Result<Exit> {
    let http = Http::new()?;
    let url = format!("{}/readyz", command.server);
    let asked = http.request(reqwest::Method::GET, &url).timeout(Duration::from_secs(command.timeout));
    match http.send(asked).await {
        Ok(_) => Ok(Exit::Done),
        Err(error) => {
            output::note(&format!("{} is not ready: {error}", command.server));
            Ok(Exit::Failure)
        }
    }
}
