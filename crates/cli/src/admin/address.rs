//! The admin address of a running server, and the token that it may ask for.

use std::path::PathBuf;

use clap::Args;
use reqwest::{Method, RequestBuilder};

use crate::client::http::{Http, authorize};
use crate::settings::{parse_url, read_secret};

/// Where the server's keeper asks.
#[derive(Debug, Args)]
pub(crate) struct AdminAddress {
    /// The server's admin address.
    #[arg(long, value_name = "URL", env = "SEABAG_ADMIN", default_value = "http://127.0.0.1:8081", value_parser = parse_url)]
    admin: String,
    /// File with the token that the admin address asks for. Or the variable SEABAG_ADMIN_TOKEN.
    #[arg(long, value_name = "FILE", env = "SEABAG_ADMIN_TOKEN_FILE", hide_env = true)]
    admin_token_file: Option<PathBuf>,
}

impl AdminAddress {
    /// A client, and the beginning of every request.
    pub(crate) fn open(&self) -> anyhow::Result<Keeper> {
        let token = match &self.admin_token_file {
            Some(path) => Some(read_secret(path)?),
            None => std::env::var("SEABAG_ADMIN_TOKEN").ok().filter(|token| !token.is_empty()),
        };
        Ok(Keeper { http: Http::new()?, url: self.admin.clone(), token })
    }
}

/// Asks on the keeper's behalf.
pub(crate) struct Keeper {
    pub(crate) http: Http,
    url: String,
    token: Option<String>,
}

impl Keeper {
    /// Begins a request.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        authorize(self.http.request(method, &format!("{}{path}", self.url)), self.token.as_deref())
    }
}
