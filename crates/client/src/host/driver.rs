//! Sends a session's calls over HTTP. It knows nothing of what they say: bytes go out, bytes or a failure come back,
//! within bounds of time and length.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Client, Response, redirect};
use tokio::time::{sleep, timeout};

use super::address::HostAddress;
use super::event::Failure;
use crate::error::ClientError;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing may move, neither up nor down, before a call is given up. A long answer may take long.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a request is handed to the connection at a time, bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a guarded host asks of a registration. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationToken(String);

impl RegistrationToken {
    /// A token as the host's owner gave it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RegistrationToken(..)")
    }
}

/// The way to one host.
#[derive(Clone, Debug)]
pub struct HostDriver {
    client: Client,
    address: HostAddress,
    token: Option<RegistrationToken>,
}

impl HostDriver {
    /// The way to this host.
    pub fn new(address: HostAddress, token: Option<RegistrationToken>) -> Result<Self, ClientError> {
        // Whoever installed one before has chosen, and that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would send what signs in to another origin than the one that was chosen.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Http(error.without_url().to_string()))?;
        Ok(Self { client, address, token })
    }

    /// Where the host is.
    pub fn address(&self) -> &HostAddress {
        &self.address
    }

    /// Sends one request and reads its answer.
    pub async fn call(
        &self,
        path: &str,
        body: Bytes,
        token: bool,
        answer_bytes_max: u64,
    ) -> Result<Bytes, Failure> {
        let (body_length, sent) = (body.len(), Arc::new(AtomicU64::new(0)));
        let mut request = self.client.post(self.address.call(path)).header(CONTENT_LENGTH, body_length);
        if let (true, Some(RegistrationToken(token))) = (token, &self.token) {
            request = request.bearer_auth(token);
        }
        let request = if body_length > CHUNK_BYTES {
            request.body(counted(body, Arc::clone(&sent)))
        } else {
            request.body(body)
        };
        let response = tokio::select! {
            response = request.send() => response.map_err(unreachable)?,
            () = silence(&sent) => return Err(Failure::Silent),
        };
        if !response.status().is_success() {
            return Err(Failure::Http(response.status().as_u16()));
        }
        read_answer(response, answer_bytes_max).await
    }
}

/// Reads an answer as it comes, and no further than its bound.
async fn read_answer(mut response: Response, bytes_max: u64) -> Result<Bytes, Failure> {
    let promised = response.content_length().unwrap_or(0);
    if promised > bytes_max {
        return Err(Failure::TooLarge(bytes_max));
    }
    // What is promised is not yet there: room is made as it comes.
    let mut answer = BytesMut::new();
    loop {
        let chunk = timeout(SILENCE_TIMEOUT, response.chunk()).await.map_err(|_| Failure::Silent)?;
        let Some(chunk) = chunk.map_err(unreachable)? else { return Ok(answer.freeze()) };
        if (answer.len() + chunk.len()) as u64 > bytes_max {
            return Err(Failure::TooLarge(bytes_max));
        }
        answer.extend_from_slice(&chunk);
    }
}

/// A body that counts what the connection took of it.
fn counted(body: Bytes, sent: Arc<AtomicU64>) -> Body {
    Body::wrap_stream(stream::unfold(body, move |mut rest| {
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        let more = (!chunk.is_empty()).then_some((Ok::<_, std::io::Error>(chunk), rest));
        async move { more }
    }))
}

/// Ends when nothing was sent for too long.
async fn silence(sent: &AtomicU64) {
    let mut before = sent.load(Ordering::Relaxed);
    loop {
        sleep(SILENCE_TIMEOUT).await;
        let now = sent.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// What went wrong, for people: the innermost cause says most, and no text of it holds the address.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Unreachable(cause.to_string())
}
