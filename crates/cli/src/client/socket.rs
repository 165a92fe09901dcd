//! A native WebSocket connection to a room: opening it, reading it, and what its end means for the next attempt.

use std::time::Duration;

use anyhow::anyhow;
use futures_util::{SinkExt, StreamExt};
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::server_message::{Hello, ServerMessage};
use seabag_protocol::room::session::SUBPROTOCOL_JSON;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::backoff::random_below;
use super::http::{read_refusal, unreachable};
use super::link::Link;

/// The server pings every 20 s unless it was told otherwise; three times that without a byte means it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// How long opening a connection may take.
const OPEN_MAX: Duration = Duration::from_secs(20);
/// Most bytes of a message. The server's own bound is lower; this only keeps a broken one from filling memory.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a connection ended or did not begin.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// What to tell the user.
    pub(crate) reason: String,
    /// Whether to connect again: docs/rooms.md, close codes.
    pub(crate) again: bool,
    /// Not earlier than this.
    pub(crate) wait: Duration,
}

impl Ending {
    fn lost(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: true, wait: Duration::ZERO }
    }

    /// An end that trying again would repeat.
    pub(crate) fn final_because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again: false, wait: Duration::ZERO }
    }

    /// As an error.
    pub(crate) fn into_error(self) -> anyhow::Error {
        anyhow!(self.reason)
    }
}

/// An open connection that has said hello.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the server said last about its end, such as `going_away`.
    farewell: Option<Refusal>,
    /// When the server last gave a sign of life. Kept here, since callers drop `next` half-way.
    heard: Instant,
}

impl Socket {
    /// Opens a connection and waits for its hello.
    pub(crate) async fn open(link: &Link, query: &str) -> Result<(Self, Hello), Ending> {
        let opening = async {
            let mut socket =
                Self { stream: connect(link, query).await?, farewell: None, heard: Instant::now() };
            match socket.next().await? {
                ServerMessage::Hello(hello) => Ok((socket, hello)),
                _ => Err(Ending::final_because("the server does not speak seabag.v1: no hello came first")),
            }
        };
        match tokio::time::timeout(OPEN_MAX, opening).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Ending::lost("the server did not answer in time")),
        }
    }

    /// The next message. Pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Result<ServerMessage, Ending> {
        loop {
            let frame = match timeout_at(self.heard + SILENCE_MAX, self.stream.next()).await {
                Err(_) => return Err(Ending::lost("the server fell silent")),
                Ok(None) => return Err(self.ending(None)),
                Ok(Some(Err(error))) => return Err(self.broken(&error)),
                Ok(Some(Ok(frame))) => frame,
            };
            self.heard = Instant::now();
            match frame {
                Message::Text(text) => {
                    let message = ServerMessage::from_json(text.as_str()).map_err(|refusal| {
                        Ending::final_because(format!(
                            "the server sent something unknown: {}",
                            refusal.message
                        ))
                    })?;
                    match message {
                        ServerMessage::Error(refusal) if announces_end(&refusal) => {
                            self.farewell = Some(refusal)
                        }
                        message => return Ok(message),
                    }
                }
                Message::Close(frame) => {
                    let code = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    return Err(self.ending(code));
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Puts a message into the buffer.
    pub(crate) async fn feed(&mut self, text: String) -> Result<(), Ending> {
        self.stream.feed(Message::text(text)).await.map_err(|error| self.broken(&error))
    }

    /// Sends what is in the buffer.
    pub(crate) async fn flush(&mut self) -> Result<(), Ending> {
        self.stream.flush().await.map_err(|error| self.broken(&error))
    }

    /// Says goodbye. What was acknowledged is stored, so nothing depends on this.
    pub(crate) async fn close(mut self) {
        let closing = async {
            let _ = self.stream.close(None).await;
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), closing).await;
    }

    /// Whether an error without an id came: about a message that cannot be named.
    pub(crate) fn complaint(&mut self) -> Option<Refusal> {
        self.farewell.take()
    }

    fn broken(&self, error: &SocketError) -> Ending {
        match error {
            SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => self.ending(None),
            SocketError::Capacity(_) | SocketError::Protocol(_) | SocketError::Utf8(_) => {
                Ending::lost(format!("the server broke the protocol: {error}"))
            }
            _ => self.ending(None),
        }
    }

    fn ending(&self, close: Option<(u16, String)>) -> Ending {
        let told = self.farewell.as_ref().map(|refusal| refusal.to_string());
        let retry_ms = self.farewell.as_ref().and_then(|refusal| refusal.retry_ms);
        let Some((code, words)) = close else {
            return Ending::lost(told.unwrap_or_else(|| "the connection was lost".into()));
        };
        let reason = told.or_else(|| (!words.is_empty()).then_some(words));
        let reason = match reason {
            Some(reason) => format!("the server closed the connection ({code}): {reason}"),
            None => format!("the server closed the connection ({code})"),
        };
        let wait = match code {
            // Everybody was told the same, so each waits a random part of it.
            1001 | 1012 => Duration::from_millis(random_below(retry_ms.unwrap_or(2_000) + 1)),
            _ => Duration::from_millis(retry_ms.unwrap_or(0)),
        };
        Ending { reason, again: connects_again(code), wait }
    }
}

/// A refusal that may pass later does not settle its push: the connection ends instead, and the push is sent again.
fn announces_end(refusal: &Refusal) -> bool {
    refusal.id.is_none()
        || matches!(
            refusal.code,
            Code::RateLimited
                | Code::Unavailable
                | Code::GoingAway
                | Code::SlowReader
                | Code::SilentPeer
                | Code::Replaced
                | Code::RoomDeleted
                | Code::RoomExpired
        )
}

/// Which close codes mean: connect again. Those of no rule here come from proxies and mean trouble that passes.
fn connects_again(code: u16) -> bool {
    !matches!(code, 1000 | 1002 | 1003 | 1007..=1010 | 4500..=4999)
}

async fn connect(link: &Link, query: &str) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Ending> {
    let mut request = link
        .socket(query)
        .into_client_request()
        .map_err(|_| Ending::final_because("the server's URL cannot be used"))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL_JSON));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((stream, _)) => Ok(stream),
        Err(SocketError::Http(response)) => {
            let status = response.status();
            let body = response.body().as_deref().unwrap_or_default();
            let refusal = read_refusal(&String::from_utf8_lossy(body));
            let retry_ms = refusal.as_ref().and_then(|refusal| refusal.retry_ms).unwrap_or(0);
            let passes = matches!(status.as_u16(), 429 | 502 | 503 | 504)
                || refusal.as_ref().is_some_and(|refusal| refusal.code == Code::Unavailable);
            let reason = match refusal {
                Some(refusal) => format!("the server refused: {refusal}"),
                None => format!("the server answered {status}"),
            };
            Err(Ending { reason, again: passes, wait: Duration::from_millis(retry_ms) })
        }
        // These name the host at most, never the path.
        Err(SocketError::Io(error)) => Err(Ending::lost(unreachable(&link.server, &error.to_string()))),
        Err(SocketError::Tls(error)) => Err(Ending::final_because(format!("TLS failed: {error}"))),
        Err(SocketError::Protocol(error)) => Err(Ending::final_because(format!(
            "this is no server of rooms, or a proxy is in the way: {error}"
        ))),
        Err(_) => Err(Ending::final_because("the server's URL cannot be used")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_say_whether_to_come_back() {
        for code in [1001, 1012, 1006, 1011, 4100, 4101, 4102, 4103, 4104, 4499] {
            assert!(connects_again(code), "{code}");
        }
        for code in [1000, 1009, 4500, 4501, 4502, 4503, 4504, 4999] {
            assert!(!connects_again(code), "{code}");
        }
    }
}
