//! `GET /room/{id}/connect`: one connection, one task, two halves. The reader turns frames into commands and
//! stops reading when too many wait; the writer drains the feed and flushes once for all that it took.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::machine::Command;
use seabag_protocol::room::name::RoomAddress;
use seabag_protocol::room::server_message::ServerMessage;
use seabag_protocol::room::session::{Options, Received, Session};
use seabag_protocol::room::value::Encoding;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::app::App;
use crate::clock::now_ms;
use crate::feed::{Feed, FeedShared, Outgoing};
use crate::listen::Place;
use crate::mail::{Held, Mail, RoomHandle};
use crate::peer::{
    self, CLOSE_PATIENCE, Ended, Pulse, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES, close_frame, drain,
    frame_bytes,
};
use crate::ring::{Event, text};
use crate::status::respond;

/// A message this many times over the limit is still read, so that its sender can be told properly.
const OVERSIZE_READ_FACTOR: u64 = 4;
/// Frames that are read ahead while a command waits for its place, so that pings behind it are answered.
const HELD_FRAMES_MAX: usize = 64;
/// Bytes of such frames.
const HELD_BYTES_MAX: usize = 64 * 1024;
/// What a command counts in addition that is answered by a page: the page is made at the command's place and
/// may then wait for the peer, while what asked for it is tiny.
const PAGE_WEIGHT: u32 = 256 * 1024;

/// What a command of so many bytes counts against its connection's.
fn command_weight(bytes: usize, limits: &seabag_protocol::limits::Limits) -> u32 {
    let share = limits.connection_inflight_bytes_max / limits.connection_commands_max.max(1);
    let most = limits.connection_inflight_bytes_max.max(1);
    u32::try_from((bytes as u64).max(share).clamp(1, most)).unwrap_or(u32::MAX)
}

/// Opens a connection: refusals are HTTP answers, before the upgrade.
pub(crate) async fn connect(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(place): Extension<Arc<Place>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match open(&app, &id, query.as_deref().unwrap_or_default(), &headers).await {
        Ok((session, feed)) => accept(app, upgrade, session, feed, place),
        Err(refusal) => {
            app.metrics.refused(refusal.code);
            respond(&refusal)
        }
    }
}

async fn open(
    app: &App,
    id: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<(Arc<Mutex<Session>>, Feed), Refusal> {
    let offered =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered = offered.collect::<Vec<_>>().join(",");
    // The published npm client glues `?cbor=true` to a URL that has it already, whenever it reconnects.
    let query = query.replace('?', "&");
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let address = RoomAddress::parse(id)?;
    let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let options = Options::parse(&offered, pairs, address.access())?;
    let session = Arc::new(Mutex::new(Session::new(options, Arc::clone(&app.limits), now_ms())));
    let feed = app.registry.join(address.hash(), Arc::clone(&session)).await?;
    Ok((session, feed))
}

fn accept(
    app: App,
    mut upgrade: WebSocketUpgrade,
    session: Arc<Mutex<Session>>,
    feed: Feed,
    place: Arc<Place>,
) -> Response {
    let (subprotocol, encoding) = {
        let session = session.lock();
        (session.options().subprotocol(), session.options().encoding)
    };
    if let Some(subprotocol) = subprotocol {
        upgrade.set_selected_protocol(HeaderValue::from_static(subprotocol));
    }
    let readable = usize::try_from(app.limits.message_bytes_max.saturating_mul(OVERSIZE_READ_FACTOR))
        .unwrap_or(usize::MAX);
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(readable)
        .max_frame_size(readable)
        .on_upgrade(move |socket| async move {
            Box::pin(converse(app, socket, session, feed, encoding)).await;
            drop(place);
        })
}

/// What the two halves share.
struct Connection {
    app: App,
    session: Arc<Mutex<Session>>,
    feed: Arc<FeedShared>,
    room: RoomHandle,
    encoding: Encoding,
    /// Bytes of commands that may still wait.
    inflight: Arc<Semaphore>,
    pulse: Pulse,
    /// The reader has ended: the writer sends what is due and closes.
    reader_done: Notify,
}

async fn converse(
    app: App,
    socket: WebSocket,
    session: Arc<Mutex<Session>>,
    mut feed: Feed,
    encoding: Encoding,
) {
    app.metrics.readers.inc();
    let metrics = Arc::clone(&app.metrics);
    let inflight = usize::try_from(app.limits.connection_inflight_bytes_max.max(1))
        .unwrap_or(1)
        .min(Semaphore::MAX_PERMITS);
    let connection = Connection {
        session,
        feed: feed.shared(),
        room: feed.room(),
        encoding,
        inflight: Arc::new(Semaphore::new(inflight)),
        pulse: Pulse::new(&app.limits),
        reader_done: Notify::new(),
        app,
    };
    let (mut sink, stream) = socket.split();
    let reader = async {
        match read_frames(&connection, stream).await {
            ControlFlow::Continue(()) => connection.reader_done.notify_one(),
            // The feed ends, with the reason, when what came before is durable, however long that takes. Meanwhile
            // the peer's bytes are read and dropped, or the close frame would be lost.
            ControlFlow::Break(stream) => drain(stream).await,
        }
    };
    tokio::pin!(reader);
    let mut reading = true;
    let ended = {
        let writer = write_until_end(&connection, &mut sink, &mut feed);
        tokio::pin!(writer);
        // The writer decides when the connection is over; the reader's end only tells it.
        loop {
            tokio::select! {
                ended = &mut writer => break ended,
                () = &mut reader, if reading => reading = false,
            }
        }
    };
    match ended {
        Ended::ByPeer => {
            // What the peer had sent before it left is applied all the same, and before its last words.
            if reading {
                let patience = Duration::from_millis(connection.app.limits.write_stall_ms);
                tokio::select! {
                    _ = timeout(patience, &mut reader) => {}
                    () = discard(&mut feed) => {}
                }
            }
            drop(feed);
            // Answers the peer's close frame, if it sent one.
            let _ = timeout(CLOSE_PATIENCE, sink.close()).await;
        }
        Ended::With(refusal) => {
            // Nothing that the peer says from here on is done: its last words are the last.
            connection.feed.end(refusal.clone());
            drop(feed);
            connection.app.metrics.ended(refusal.code);
            if timeout(CLOSE_PATIENCE, say_why(&mut sink, refusal, encoding)).await.is_ok() && reading {
                // Until the peer's own close frame.
                let _ = timeout(CLOSE_PATIENCE, &mut reader).await;
            }
        }
    }
    metrics.readers.dec();
}

impl Connection {
    /// Ends the connection behind the answers that are still due.
    async fn hang(&self, refusal: Refusal) {
        let mail = Mail::Hang { feed: Arc::clone(&self.feed), refusal };
        // A room that has left memory has ended its readers.
        let _ = self.room.send(mail).await;
    }

    /// Puts a frame's command into the room's mailbox, waiting for its place.
    async fn submit(&self, frame: Message) -> ControlFlow<()> {
        if self.feed.has_ended() {
            return ControlFlow::Break(());
        }
        let bytes = frame_bytes(&frame);
        let weight = command_weight(bytes, &self.app.limits);
        let Ok(mut share) = Arc::clone(&self.inflight).acquire_many_owned(weight).await else {
            return ControlFlow::Break(());
        };
        let Some(server) = self.app.hold(bytes).await else { return ControlFlow::Break(()) };
        self.app.metrics.received.inc();
        let received = match &frame {
            Message::Text(text) => self.session.lock().receive_text(text, now_ms()),
            Message::Binary(bytes) => self.session.lock().receive_binary(bytes, now_ms()),
            _ => return ControlFlow::Continue(()),
        };
        let command = match received {
            Received::Done => return ControlFlow::Continue(()),
            Received::Command(command) => command,
            Received::End(refusal) => {
                self.hang(refusal).await;
                return ControlFlow::Break(());
            }
        };
        if matches!(command, Command::Keys { .. } | Command::GetRoom { .. }) {
            let most = u32::try_from(self.app.limits.connection_inflight_bytes_max).unwrap_or(u32::MAX);
            let more = PAGE_WEIGHT.min(most.saturating_sub(weight));
            let Ok(more) = Arc::clone(&self.inflight).acquire_many_owned(more).await else {
                return ControlFlow::Break(());
            };
            share.merge(more);
        }
        let held = Some(Held { _connection: Some(share), server: Some(server) });
        let mail = Mail::Command { feed: Arc::clone(&self.feed), command: Box::new(command), held };
        match self.room.send(mail).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => {
                self.feed.end(refusal);
                ControlFlow::Break(())
            }
        }
    }
}

/// Reads until the peer closes or vanishes (`Continue`), or the connection ends from this side (`Break`). What
/// was read by then is in the room's mailbox.
async fn read_frames(
    connection: &Connection,
    mut stream: SplitStream<WebSocket>,
) -> ControlFlow<SplitStream<WebSocket>> {
    let mut held: VecDeque<Message> = VecDeque::new();
    let mut held_bytes = 0;
    // How the stream ended, once it has.
    let mut over = None;
    loop {
        let Some(frame) = held.pop_front() else {
            if let Some(ended) = over {
                return on_end(connection, ended, stream).await;
            }
            let read = stream.next().await;
            over = keep(connection, read, &mut held, &mut held_bytes);
            continue;
        };
        held_bytes -= frame_bytes(&frame);
        let submit = connection.submit(frame);
        tokio::pin!(submit);
        loop {
            let room_ahead = held.len() < HELD_FRAMES_MAX && held_bytes < HELD_BYTES_MAX;
            connection.pulse.set_deaf(!room_ahead);
            tokio::select! {
                biased;
                submitted = &mut submit => {
                    if submitted.is_break() {
                        return ControlFlow::Break(stream);
                    }
                    // While it waited for us, a peer cannot have been silent.
                    connection.pulse.hear();
                    connection.pulse.set_deaf(false);
                    break;
                }
                read = stream.next(), if room_ahead && over.is_none() => {
                    over = keep(connection, read, &mut held, &mut held_bytes);
                }
            }
        }
    }
}

/// How a stream of frames ended: by itself, or by an error.
type Over = Option<axum::Error>;

/// Keeps a frame that says something; pings are answered by the library. `Some`: there will be no more.
fn keep(
    connection: &Connection,
    read: Option<Result<Message, axum::Error>>,
    held: &mut VecDeque<Message>,
    held_bytes: &mut usize,
) -> Option<Over> {
    let frame = match read {
        Some(Ok(frame)) => frame,
        Some(Err(error)) => return Some(Some(error)),
        None => return Some(None),
    };
    connection.pulse.hear();
    match frame {
        Message::Close(_) => return Some(None),
        Message::Text(_) | Message::Binary(_) => {
            *held_bytes += frame_bytes(&frame);
            held.push_back(frame);
        }
        Message::Ping(_) | Message::Pong(_) => {}
    }
    None
}

async fn on_end(
    connection: &Connection,
    ended: Over,
    stream: SplitStream<WebSocket>,
) -> ControlFlow<SplitStream<WebSocket>> {
    let Some(error) = ended else { return ControlFlow::Continue(()) };
    let text = error.to_string();
    // The library's error is opaque here; its words are all there is to go by.
    let refusal = if text.contains("too long") || text.contains("too big") {
        let most = connection.app.limits.message_bytes_max;
        Refusal::new(Code::TooLarge, format!("a message may have {most} bytes"))
    } else if text.contains("UTF-8") || text.contains("utf-8") {
        Refusal::bad_message("the text frame is not UTF-8")
    } else {
        return ControlFlow::Continue(());
    };
    connection.hang(refusal).await;
    ControlFlow::Break(stream)
}

/// Takes answers and broadcasts for a peer that has gone, so that what it had sent before gets its turn.
async fn discard(feed: &mut Feed) {
    let mut batch = Vec::new();
    while !batch.iter().any(|outgoing| matches!(outgoing, Outgoing::End(_))) {
        batch.clear();
        feed.ready().await;
        feed.take(&mut batch).await;
    }
}

async fn say_why(
    sink: &mut SplitSink<WebSocket, Message>,
    refusal: Refusal,
    encoding: Encoding,
) -> Result<(), axum::Error> {
    let last = close_frame(&refusal);
    sink.feed(encode(&ServerMessage::Error(refusal), encoding)).await?;
    sink.send(last).await
}

async fn write_until_end(
    connection: &Connection,
    sink: &mut SplitSink<WebSocket, Message>,
    feed: &mut Feed,
) -> Ended {
    let limits = &connection.app.limits;
    let ping_interval = Duration::from_millis(limits.ping_interval_ms.max(1));
    let mut ping_at = Instant::now() + ping_interval;
    loop {
        tokio::select! {
            biased;
            waited = timeout_at(ping_at, feed.ready()) => if waited.is_err() {
                if connection.pulse.is_silent() {
                    return Ended::With(Refusal::new(Code::SilentPeer, "no sign of life; connect again"));
                }
                ping_at = Instant::now() + ping_interval;
                if let Some(ended) = write(connection, sink, vec![Message::Ping(bytes::Bytes::new())]).await {
                    return ended;
                }
                continue;
            },
            // The peer has closed or vanished. What it had sent is applied all the same.
            () = connection.reader_done.notified() => return Ended::ByPeer,
        }
        // Not kept over the wait: an idle connection shall hold next to nothing.
        let mut batch = Vec::new();
        feed.take(&mut batch).await;
        let mut end = None;
        let mut frames = Vec::with_capacity(batch.len());
        for outgoing in batch {
            match outgoing {
                Outgoing::Message(message) => frames.push(encode(&message, connection.encoding)),
                Outgoing::Event(event) => {
                    if let Event::Push(shared) = &*event {
                        frames.push(shared.frame(connection.encoding));
                    }
                }
                Outgoing::End(refusal) => end = Some(refusal),
            }
        }
        connection.app.metrics.sent.inc_by(frames.len() as u64);
        if let Some(ended) = write(connection, sink, frames).await {
            return ended;
        }
        if let Some(refusal) = end {
            return Ended::With(refusal);
        }
    }
}

/// Writes frames, unless the room gives up on the peer meanwhile.
async fn write(
    connection: &Connection,
    sink: &mut SplitSink<WebSocket, Message>,
    frames: Vec<Message>,
) -> Option<Ended> {
    tokio::select! {
        biased;
        ended = peer::write(sink, frames, &connection.app.limits) => ended,
        refusal = connection.feed.ended() => Some(Ended::With(refusal)),
    }
}

fn encode(message: &ServerMessage, encoding: Encoding) -> Message {
    let bytes = message.encode(encoding);
    match encoding {
        Encoding::Json => Message::Text(text(bytes)),
        Encoding::Cbor => Message::Binary(bytes.into()),
    }
}
