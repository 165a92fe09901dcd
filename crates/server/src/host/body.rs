//! What comes in: a request's body, its front first. A small one is read at once; of a large one the rest is read
//! when its sender has shown who it is, and only as fast as there is memory for it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::status::Status;
use seabag_protocol::limits::Limits;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::answer::{Failed, Why};
use super::call::{Call, Rest};

/// A request up to this size is read at once, whoever sends it: there are only so many connections.
const SMALL_BYTES: usize = 64 * 1024;
/// What is read of a larger one before it is known who sends it: more than its signed time has.
const FRONT_BYTES: usize = 256;
/// Memory for the rest is taken in steps of this size, so that who promises much and sends little holds little. A step
/// has as long as a small request to arrive.
const STEP_BYTES: usize = 512 * 1024;

/// A request's body, part of which may still be on its way.
pub(crate) struct Incoming {
    front: Bytes,
    /// What is still to come, if anything.
    body: Option<Body>,
    /// The most bytes that are still to come, by the request's own word.
    left_max: usize,
    /// They are more than may come.
    too_large: bool,
    patience: Duration,
    until: Instant,
}

impl Incoming {
    /// Of a request of which nothing has been read.
    pub(crate) fn new(limits: &Limits, headers: &HeaderMap, body: Body, call: Option<Call>) -> Self {
        let most = bytes_max(limits, call);
        let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let too_large = told.is_some_and(|told: usize| told > most);
        // Who asks before it sends is told without having to send.
        let waits = too_large && headers.contains_key(header::EXPECT);
        let patience = Duration::from_millis(limits.request_ms_max.max(1));
        Self {
            front: Bytes::new(),
            body: if waits { None } else { Some(body) },
            left_max: told.unwrap_or(most),
            too_large,
            patience,
            until: Instant::now() + patience,
        }
    }

    /// Reads the front: `MissingBody` when there is nothing to read.
    pub(crate) async fn read_front(&mut self) -> Result<(), Failed> {
        if self.too_large {
            return Err(Failed::by_frame(Why::TooLarge));
        }
        let wanted = if self.left_max <= SMALL_BYTES { self.left_max } else { FRONT_BYTES };
        let first = self.piece().await?.ok_or(Status::MissingBody)?;
        // Most requests come in one piece, which need not be copied.
        self.front = if self.body.is_none() {
            first
        } else {
            let mut front = BytesMut::with_capacity(wanted.max(first.len()));
            front.extend_from_slice(&first);
            self.read(&mut front, wanted).await?;
            front.freeze()
        };
        Ok(())
    }

    /// The bytes that have been read: all of them for a small request, and of any request more than a signed time
    /// and a few numbers have.
    pub(crate) fn front(&self) -> Bytes {
        self.front.clone()
    }

    /// Whether the front is all there is.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.is_none()
    }

    /// What follows what the reader has taken of the front: waits for memory, then for the rest, step by step.
    pub(crate) async fn behind(&mut self, reader: &Reader, host: &Host) -> Result<Rest, Failed> {
        let taken = reader.rest().clone();
        if self.body.is_none() {
            return Ok(Rest { bytes: taken, held: None });
        }
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut bytes = BytesMut::from(&taken[..]);
        while self.body.is_some() {
            let share = timeout(self.patience, host.inflight.take(STEP_BYTES)).await;
            let share = share.map_err(|_| Failed::by_frame(Why::TooSlow))?.ok_or(Status::StorageError)?;
            match &mut held {
                Some(held) => held.merge(share),
                None => held = Some(share),
            }
            self.until = Instant::now() + self.patience;
            let wanted = bytes.len() + STEP_BYTES;
            self.read(&mut bytes, wanted).await?;
        }
        Ok(Rest { bytes: bytes.freeze(), held })
    }

    /// Reads and drops what is still to come, for as long as it may take.
    pub(crate) async fn discard(mut self) {
        let until = self.until;
        // Too slow for that: the connection is closed behind the answer.
        let Some(mut body) = self.body.take() else { return };
        let _ = timeout_at(until, async { while let Some(Ok(_)) = body.frame().await {} }).await;
    }

    /// Reads on until there are so many bytes, or all.
    async fn read(&mut self, into: &mut BytesMut, wanted: usize) -> Result<(), Failed> {
        while into.len() < wanted
            && let Some(piece) = self.piece().await?
        {
            into.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The next bytes; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Failed> {
        while let Some(body) = &mut self.body {
            let frame = timeout_at(self.until, body.frame()).await;
            let frame = frame.map_err(|_| Failed::by_frame(Why::TooSlow))?;
            if body.is_end_stream() || frame.is_none() {
                self.body = None;
            }
            let Some(frame) = frame else { break };
            // The peer is gone in the middle of its request: nobody reads the answer.
            let frame = frame.map_err(|_| Failed::from(Status::ConnectionClosed))?;
            let Ok(data) = frame.into_data() else { continue };
            self.left_max = self.left_max.checked_sub(data.len()).ok_or(Failed::by_frame(Why::TooLarge))?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Most bytes of a request.
fn bytes_max(limits: &Limits, call: Option<Call>) -> usize {
    let bytes_max = match call {
        Some(Call::Push) => limits.host_request_bytes_max,
        // Read before it is known whether its sender may say anything, for it is signed whole.
        Some(Call::Prune | Call::DeleteAccount) => limits.host_list_bytes_max.min(SMALL_BYTES as u64),
        _ => limits.host_list_bytes_max,
    };
    usize::try_from(bytes_max).unwrap_or(usize::MAX)
}
