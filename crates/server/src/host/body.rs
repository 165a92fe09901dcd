//! What comes in: a request's body, its front first. A small one is read at once; of a large one the rest is read
//! when its sender has shown who it is, and when there is memory for it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::status::Status;
use seabag_protocol::limits::Limits;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::answer::{Failed, Why};
use super::call::{Call, Rest};

/// A request up to this size is read at once, whoever sends it: there are only so many connections.
const SMALL_BYTES: usize = 64 * 1024;
/// What is read of a larger one before it is known who sends it: more than its signed time has.
const FRONT_BYTES: usize = 256;

/// A request's body, part of which may still be on its way.
pub(crate) struct Incoming {
    front: Bytes,
    /// What is still to come, if anything.
    body: Option<Body>,
    /// The most bytes that are still to come, by the request's own word.
    left_max: usize,
    patience: Duration,
    until: Instant,
}

impl Incoming {
    /// Reads the front: `MissingBody` when there is nothing to read.
    pub(crate) async fn open(
        limits: &Limits,
        headers: &HeaderMap,
        body: Body,
        call: Option<Call>,
    ) -> Result<Self, Failed> {
        let whole = call.is_some_and(Call::is_signed_whole);
        let most =
            if call == Some(Call::Push) { limits.host_request_bytes_max } else { limits.host_list_bytes_max };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let most = if whole { most.min(SMALL_BYTES) } else { most };
        let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if told.is_some_and(|told: usize| told > most) {
            return Err(Failed::by_frame(Why::TooLarge));
        }
        let patience = Duration::from_millis(limits.request_ms_max.max(1));
        let mut incoming = Self {
            front: Bytes::new(),
            body: Some(body),
            left_max: told.unwrap_or(most),
            patience,
            until: Instant::now() + patience,
        };
        let small = whole || incoming.left_max <= SMALL_BYTES;
        let wanted = if small { usize::MAX } else { FRONT_BYTES };
        let capacity = if small { told.unwrap_or_default() } else { FRONT_BYTES };
        incoming.front = incoming.read(wanted, capacity).await?;
        if incoming.front.is_empty() { Err(Status::MissingBody.into()) } else { Ok(incoming) }
    }

    /// The bytes that have been read. All of them for a small request and for one that had to be read whole.
    pub(crate) fn front(&self) -> Bytes {
        self.front.clone()
    }

    /// What follows what the reader has taken of the front: waits for memory, then for the rest.
    pub(crate) async fn behind(&mut self, reader: &Reader, host: &Host) -> Result<Rest, Failed> {
        let taken = reader.rest().clone();
        if self.body.is_none() {
            return Ok(Rest { bytes: taken, held: None });
        }
        let wait = timeout(self.patience, host.inflight.take(self.left_max));
        let held = wait.await.map_err(|_| Failed::by_frame(Why::TooSlow))?;
        self.until = Instant::now() + self.patience;
        let rest = self.read(usize::MAX, self.left_max.min(1024 * 1024)).await?;
        let mut bytes = BytesMut::with_capacity(taken.len() + rest.len());
        bytes.extend_from_slice(&taken);
        bytes.extend_from_slice(&rest);
        Ok(Rest { bytes: bytes.freeze(), held })
    }

    /// Reads and drops what is still to come, for as long as it may take.
    pub(crate) async fn discard(mut self) {
        let Some(mut body) = self.body.take() else { return };
        let until = self.until;
        let read = async {
            while self.left_max > 0 {
                let Some(Ok(frame)) = body.frame().await else { break };
                self.left_max = self.left_max.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            }
        };
        // Too slow for that: the connection is closed behind the answer.
        let _ = timeout_at(until, read).await;
    }

    /// Reads on until there are so many bytes, or all.
    async fn read(&mut self, wanted: usize, capacity: usize) -> Result<Bytes, Failed> {
        let mut gathered = BytesMut::new();
        let mut only = Bytes::new();
        while let Some(body) = &mut self.body {
            let frame = timeout_at(self.until, body.frame()).await;
            let Some(frame) = frame.map_err(|_| Failed::by_frame(Why::TooSlow))? else {
                self.body = None;
                break;
            };
            // The peer is gone in the middle of its request: nobody reads the answer.
            let frame = frame.map_err(|_| Failed::from(Status::ConnectionClosed))?;
            let Ok(data) = frame.into_data() else { continue };
            self.left_max = self.left_max.checked_sub(data.len()).ok_or(Failed::by_frame(Why::TooLarge))?;
            // Most requests come in one piece, which need not be copied.
            if only.is_empty() && gathered.is_empty() {
                only = data;
            } else {
                if gathered.is_empty() {
                    gathered.reserve(capacity.max(only.len() + data.len()));
                    gathered.extend_from_slice(&std::mem::take(&mut only));
                }
                gathered.extend_from_slice(&data);
            }
            if only.len() + gathered.len() >= wanted {
                break;
            }
        }
        Ok(if gathered.is_empty() { only } else { gathered.freeze() })
    }
}
