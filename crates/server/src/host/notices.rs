//! The notice WebSocket, at any path: one binary frame for each PUSH that stored something. Who listens says so with
//! a signed time in the URL; what it says afterwards is ignored.

use std::time::Duration;

use axum::RequestPartsExt;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::host::auth::SignedTimestamp;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::status::Status;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::hub::{Listener, Next};
use crate::listen::place_of;
use crate::peer::{
    CLOSE_PATIENCE, Ended, Pulse, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES, close_frame, drain, write,
};
use crate::status::{listening_refused, respond};

/// Most bytes of a frame of a listener's. Nothing that it says matters.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    let asked = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    asked.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Opens a notice socket. Refusals are HTTP answers, before the upgrade.
pub(crate) async fn connect(host: Host, mut parts: Parts) -> Response {
    let auth = match authenticate(&host, parts.uri.query().unwrap_or_default()).await {
        Ok(auth) => auth,
        Err(status) => return listening_refused(status),
    };
    let upgrade = match parts.extract::<WebSocketUpgrade>().await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    // It joins before the handshake is answered: what is stored from then on reaches it.
    let listener = match host.accounts.listen(&auth.public) {
        Ok(Some(listener)) => listener,
        Ok(None) => return listening_refused(Status::HostError),
        Err(refusal) => return respond(&refusal),
    };
    let place = place_of(&parts.extensions);
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            Box::pin(converse(host, socket, listener)).await;
            drop(place);
        })
}

async fn authenticate(host: &Host, query: &str) -> Result<SignedTimestamp, Status> {
    let token = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "t");
    let token = token.ok_or(Status::MissingParam)?.1;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(token.as_bytes());
    let mut reader = Reader::new(bytes.map_err(|_| Status::InvalidParam)?);
    let auth = SignedTimestamp::read(&mut reader)?;
    reader.end()?;
    host.check_timestamp(&auth).await?;
    // A client may listen while its registration is on its way; where that may be refused, it comes first.
    if !host.is_open() {
        host.find(&auth.public).await?;
    }
    Ok(auth)
}

async fn converse(host: Host, socket: WebSocket, listener: Listener) {
    let listeners = host.metrics().host_listeners.clone();
    listeners.inc();
    let pulse = Pulse::new(host.limits());
    let (mut sink, mut stream) = socket.split();
    let ended = {
        let reader = async {
            while let Some(Ok(frame)) = stream.next().await {
                pulse.hear();
                if matches!(frame, Message::Close(_)) {
                    break;
                }
            }
        };
        tokio::select! {
            ended = write_until_end(&host, &pulse, &mut sink, &listener) => ended,
            () = reader => Ended::ByPeer,
        }
    };
    drop(listener);
    match ended {
        Ended::ByPeer => drop(timeout(CLOSE_PATIENCE, sink.close()).await),
        Ended::With(refusal) => {
            host.metrics().ended(refusal.code);
            if timeout(CLOSE_PATIENCE, sink.send(close_frame(&refusal))).await.is_ok() {
                // Until the peer's own close frame.
                drain(stream).await;
            }
        }
    }
    listeners.dec();
}

async fn write_until_end(
    host: &Host,
    pulse: &Pulse,
    sink: &mut SplitSink<WebSocket, Message>,
    listener: &Listener,
) -> Ended {
    let ping_interval = Duration::from_millis(host.limits().ping_interval_ms.max(1));
    let mut ping_at = Instant::now() + ping_interval;
    loop {
        let frames = match timeout_at(ping_at, listener.next()).await {
            Ok(Next::Frames(frames)) => {
                host.metrics().host_notices.inc_by(frames.len() as u64);
                frames.into_iter().map(Message::Binary).collect()
            }
            Ok(Next::End(reason)) => return Ended::With(reason),
            Err(_) if pulse.is_silent() => {
                return Ended::With(Refusal::new(Code::SilentPeer, "no sign of life; connect again"));
            }
            Err(_) => {
                ping_at = Instant::now() + ping_interval;
                vec![Message::Ping(bytes::Bytes::new())]
            }
        };
        let ended = tokio::select! {
            biased;
            ended = write(sink, frames, host.limits()) => ended,
            reason = listener.lags() => Some(Ended::With(reason)),
        };
        if let Some(ended) = ended {
            return ended;
        }
    }
}
