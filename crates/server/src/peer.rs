//! What every WebSocket of this server has in common, whatever it speaks: how much is read and written at a time,
//! signs of life, writes that must get on, and the last frames.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use seabag_protocol::error::Refusal;
use seabag_protocol::limits::Limits;
use tokio::time::{Instant, timeout};

use crate::feed::slow_reader;
use crate::status::close_code;

/// Bytes that are read from a socket at a time: small, for there are thousands of idle ones (docs/benchmarks.md).
pub(crate) const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Bytes that are gathered before a write when much waits.
pub(crate) const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// How long a peer has to take what is left and the close frame.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that a peer must take within `write_stall_ms`: more at once have as much more time. One that takes nothing
/// at all is cut by its socket.
const STALL_BYTES: u32 = 512 * 1024;

/// How a connection ended, for the last frames.
pub(crate) enum Ended {
    /// The peer is gone or has closed: nothing more to say.
    ByPeer,
    /// The reason to tell.
    With(Refusal),
}

/// When a peer was last heard.
pub(crate) struct Pulse {
    started: Instant,
    /// When the peer last gave a sign of life, milliseconds since `started`.
    heard_ms: AtomicU64,
    /// Its socket is not read just now, so that it cannot give one.
    deaf: AtomicBool,
    silent: Duration,
}

impl Pulse {
    /// Of a peer that was heard just now.
    pub(crate) fn new(limits: &Limits) -> Self {
        let silent = Duration::from_millis(limits.silent_peer_ms);
        Self { started: Instant::now(), heard_ms: AtomicU64::new(0), deaf: AtomicBool::new(false), silent }
    }

    /// It gave a sign of life.
    pub(crate) fn hear(&self) {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(passed, Ordering::Relaxed);
    }

    /// Says whether the peer's socket is read at all.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(heard) > self.silent && !self.deaf.load(Ordering::Relaxed)
    }
}

/// Bytes that a frame says.
pub(crate) fn frame_bytes(frame: &Message) -> usize {
    match frame {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Writes frames and flushes once. A peer that does not take them in time ends here.
pub(crate) async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    frames: Vec<Message>,
    limits: &Limits,
) -> Option<Ended> {
    if frames.is_empty() {
        return None;
    }
    let bytes: usize = frames.iter().map(frame_bytes).sum();
    let shares = u32::try_from(bytes).unwrap_or(u32::MAX) / STALL_BYTES + 1;
    let patience = Duration::from_millis(limits.write_stall_ms).saturating_mul(shares);
    let write = async {
        for frame in frames {
            sink.feed(frame).await?;
        }
        sink.flush().await
    };
    match timeout(patience, write).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(Ended::ByPeer),
        Err(_) => Some(Ended::With(slow_reader())),
    }
}

/// Reads and drops what a peer still says, for a while: else its bytes could cost it our close frame.
pub(crate) async fn drain(mut stream: SplitStream<WebSocket>) {
    let _ = timeout(CLOSE_PATIENCE, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}

/// The close frame for a reason.
pub(crate) fn close_frame(refusal: &Refusal) -> Message {
    Message::Close(Some(CloseFrame { code: close_code(refusal.code), reason: close_reason(refusal).into() }))
}

/// A close frame's reason has at most 123 bytes.
fn close_reason(refusal: &Refusal) -> String {
    let mut reason = refusal.code.to_string();
    if let Some(retry_ms) = refusal.retry_ms {
        reason.push_str(&format!(" retry_ms={retry_ms}"));
    }
    reason
}
