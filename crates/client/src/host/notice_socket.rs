//! Listens to an account's notices over a WebSocket. A connection that says nothing is pinged, and given up when it
//! does not answer: an end that nobody announced must not look like a quiet host.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::driver::CONNECT_TIMEOUT;
use super::event::Event;

/// How long the host may be quiet before it is pinged.
pub const QUIET_BEFORE_PING: Duration = Duration::from_secs(30);
/// The longest frame to read, bytes: heads of what one push brought.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes read at a time; notices are short.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Listens until the connection ends or nobody takes the events any more. The address signs in: it is not for logs.
///
/// Sends [`Event::NoticesOpened`] at most once, then [`Event::Notice`]s, and [`Event::NoticesClosed`] last.
pub async fn listen(address: String, events: mpsc::Sender<Event>) {
    // Whatever ends it, the session does the same.
    let _ = converse(address, &events).await;
    let _ = events.send(Event::NoticesClosed).await;
}

/// Why listening ended is of no use to anyone: `None` it is.
async fn converse(address: String, events: &mpsc::Sender<Event>) -> Option<()> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let opening = connect_async_with_config(address, Some(config), true);
    let (mut socket, _) = timeout(CONNECT_TIMEOUT, opening).await.ok()?.ok()?;
    events.send(Event::NoticesOpened).await.ok()?;
    let mut pinged = false;
    loop {
        let Ok(heard) = timeout(QUIET_BEFORE_PING, socket.next()).await else {
            if pinged {
                return None;
            }
            pinged = true;
            timeout(CONNECT_TIMEOUT, socket.send(Message::Ping(Bytes::new()))).await.ok()?.ok()?;
            continue;
        };
        pinged = false;
        match heard?.ok()? {
            Message::Binary(frame) => events.send(Event::Notice(frame)).await.ok()?,
            Message::Close(_) => return None,
            _ => {}
        }
    }
}
