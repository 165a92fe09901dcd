//! HTTP requests and what can go wrong with them. Never shows a URL: a room's holds its id.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::name::{PushId, StreamKey};
use serde::Deserialize;

use super::backoff::Backoff;

/// How long a retried request goes on trying.
const RETRY_FOR: Duration = Duration::from_secs(30);
/// Most bytes of an error's body that are looked at.
const ERROR_TEXT_MAX: usize = 300;

/// Why a request brought nothing.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// The server did not take the request: nothing happened there.
    NotSent {
        /// Where it should have been: scheme, host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection broke: whether anything happened is not known.
    Broken(String),
    /// The server said no.
    Refused {
        /// The status.
        status: StatusCode,
        /// Its reason, when it gave one.
        refusal: Option<Refusal>,
        /// The start of the body, when it did not.
        text: String,
    },
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { server, reason } => f.write_str(&unreachable(server, reason)),
            Self::Broken(reason) => write!(f, "the connection to the server broke: {reason}"),
            Self::Refused { refusal: Some(refusal), .. } => write!(f, "the server refused: {refusal}"),
            Self::Refused { status, text, .. } if text.is_empty() => {
                write!(f, "the server answered {status}")
            }
            Self::Refused { status, text, .. } => write!(f, "the server answered {status}: {text}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl HttpError {
    /// Whether the same request may pass later.
    fn passes_later(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Broken(_) => true,
            Self::Refused { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }

    /// The status, when there was an answer.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// A client for HTTP.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client that waits ten seconds for a connection.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("seabag/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { client })
    }

    /// Begins a request.
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request once. Any status but success is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, HttpError> {
        let response = request.send().await.map_err(|error| {
            let connecting = error.is_connect() || error.is_builder();
            // The origin alone: a path may hold a room's id.
            let server = error.url().map(|url| url.origin().ascii_serialization());
            let reason = describe(error);
            match server {
                Some(server) if connecting => HttpError::NotSent { server, reason },
                _ => HttpError::Broken(reason),
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let refusal = read_refusal(&text);
        let text = text.trim().chars().take(ERROR_TEXT_MAX).collect();
        Err(HttpError::Refused { status, refusal, text })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn text(&self, request: RequestBuilder) -> Result<String, HttpError> {
        let response = self.send(request).await?;
        response.text().await.map_err(|error| HttpError::Broken(describe(error)))
    }

    /// Sends a request that may be repeated, until it passes, is refused for good, or half a minute is over. A
    /// server that cannot be reached at first is not waited for: the address is likely wrong.
    pub(crate) async fn text_retried(&self, make: impl Fn() -> RequestBuilder) -> Result<String, HttpError> {
        let give_up = tokio::time::Instant::now() + RETRY_FOR;
        let mut backoff = Backoff::default();
        let mut reached = false;
        loop {
            let error = match self.text(make()).await {
                Ok(text) => return Ok(text),
                Err(error) => error,
            };
            reached |= !matches!(error, HttpError::NotSent { .. });
            let wait = match &error {
                HttpError::Refused { refusal: Some(Refusal { retry_ms: Some(retry_ms), .. }), .. } => {
                    backoff.next().max(Duration::from_millis(*retry_ms))
                }
                _ => backoff.next(),
            };
            let too_late = tokio::time::Instant::now() + wait > give_up;
            if !reached || !error.passes_later() || too_late {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
    id: Option<u64>,
    key: Option<String>,
    retry_ms: Option<u64>,
}

/// Reads the body of an error: `{"code","message",…}`. A proxy's page is none.
pub(crate) fn read_refusal(text: &str) -> Option<Refusal> {
    let body: ErrorBody = serde_json::from_str(text).ok()?;
    let mut refusal = Refusal::new(Code::parse(&body.code)?, body.message);
    refusal.id = body.id.map(PushId);
    refusal.key = body.key.map(StreamKey::from);
    refusal.retry_ms = body.retry_ms;
    Some(refusal)
}

/// Adds a bearer token, if there is one.
pub(crate) fn authorize(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// What to tell when nobody answers at a server's address.
pub(crate) fn unreachable(server: &str, reason: &str) -> String {
    format!("cannot reach a server at {server} ({reason}); does `seabag serve` run there?")
}

/// The error and its causes, without the URL.
pub(crate) fn describe(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::new(error.without_url()))
}
