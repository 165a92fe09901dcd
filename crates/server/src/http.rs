//! The plain HTTP routes of rooms: create, look, delete, send.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::room::action::Action;
use seabag_protocol::room::client_message::{Body, ClientMessage, Push, is_list, is_well_formed, read_body};
use seabag_protocol::room::machine::{Command, Reply};
use seabag_protocol::room::name::{Access, ClientId, Cursor, Epoch, RoomAddress, RoomId};
use seabag_protocol::room::server_message::{Ack, ServerMessage, encode_list, encode_page};
use seabag_protocol::room::value::Encoding;

use crate::app::App;
use crate::chance::random;
use crate::listen::Place;
use crate::mail::{Due, Held, Removal};
use crate::read::Reader;
use crate::status::{respond, respond_with, unavailable};
use crate::urls::socket_origin;

/// Media type of CBOR bodies (RFC 8949).
const CBOR_TYPE: &str = "application/cbor";

/// Turns a refusal into its answer and counts it.
pub(crate) fn refuse(app: &App, refusal: &Refusal) -> Response {
    app.metrics.refused(refusal.code);
    respond(refusal)
}

/// `POST /new`: a room under a random id.
pub(crate) async fn new_room(State(app): State<App>, headers: HeaderMap) -> Response {
    let create = async {
        check_creation_token(&app, &headers)?;
        let id = RoomId::from_random(random()?);
        let epoch = app.create(&id).await?.ok_or_else(|| unavailable("the random id was taken"))?;
        Ok((id, epoch))
    };
    match create.await {
        Ok((id, epoch)) => room_body(&app, &headers, &RoomAddress::from(id), &epoch).into_response(),
        Err(refusal) => refuse(&app, &refusal),
    }
}

/// `PUT /room/{id}`: a room under an id that its holder knows already, if there is none.
pub(crate) async fn put_room(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let bad = || Refusal::new(Code::BadParameter, "a room id has 22 to 64 characters of A-Z a-z 0-9 _ -");
    let create = async {
        check_creation_token(&app, &headers)?;
        let id = RoomId::parse(&id).ok_or_else(bad)?;
        let created = app.create(&id).await;
        let address = RoomAddress::from(id);
        let created = match created {
            // A server that is full still has the rooms that it has.
            Err(full) if full.code == Code::RoomFull => {
                let look = app.registry.look(address.hash()).await.map_err(|_| full)?;
                return Ok((StatusCode::OK, address, look.epoch));
            }
            created => created?,
        };
        match created {
            Some(epoch) => Ok((StatusCode::CREATED, address, epoch)),
            None => {
                let epoch = app.registry.look(address.hash()).await?.epoch;
                Ok((StatusCode::OK, address, epoch))
            }
        }
    };
    match create.await {
        Ok((status, address, epoch)) => (status, room_body(&app, &headers, &address, &epoch)).into_response(),
        Err(refusal) => refuse(&app, &refusal),
    }
}

/// `GET /room/{id}`: whether there is such a room, and where it is reached.
pub(crate) async fn get_room(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let look = async {
        let address = RoomAddress::parse(&id)?;
        let look = app.registry.look(address.hash()).await?;
        Ok((address, look.epoch))
    };
    match look.await {
        Ok((address, epoch)) => room_body(&app, &headers, &address, &epoch).into_response(),
        Err(refusal) => refuse(&app, &refusal),
    }
}

/// `DELETE /room/{id}`: its holder deletes it. A closed room is kept for those who come late.
pub(crate) async fn delete_room(State(app): State<App>, Path(id): Path<String>) -> Response {
    let delete = async {
        let address = RoomAddress::parse(&id)?;
        if address.access() == Access::ReadOnly {
            return Err(Refusal::new(Code::ReadOnly, "this id may read and not delete"));
        }
        app.registry.remove(address.hash(), Removal::ByHolder).await
    };
    match delete.await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refuse(&app, &refusal),
    }
}

fn room_body(app: &App, headers: &HeaderMap, address: &RoomAddress, epoch: &Epoch) -> Response {
    let origin = app.urls.origin(headers);
    let (id, read_only) = (address.reveal(), address.read_only.reveal());
    // Upstream's fields first, in its order. A holder of the read-only id sees only that.
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let body = format!(
        "{{\"room\":{},\"socket_url\":{},\"http_url\":{},\"read_only\":{},\"epoch\":{}}}",
        quote(id),
        quote(&format!("{}/room/{id}/connect", socket_origin(&origin))),
        quote(&format!("{origin}/room/{id}/send")),
        quote(read_only),
        quote(epoch.as_str()),
    );
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

fn check_creation_token(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(token) = &app.creation_token else { return Ok(()) };
    let presented = bearer(headers).unwrap_or_default();
    let needed =
        || Refusal::new(Code::TokenRequired, "creating rooms here needs Authorization: Bearer {token}");
    if token.matches(presented) { Ok(()) } else { Err(needed()) }
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // The scheme's name is the same in any case (RFC 9110, 11.1).
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `POST /room/{id}/send`: one message, or a list of pushes.
pub(crate) async fn send(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(place): Extension<Arc<Place>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    app.metrics.received.inc();
    let encoding = match body_encoding(&headers) {
        Ok(encoding) => encoding,
        Err(refusal) => return respond_with(StatusCode::UNSUPPORTED_MEDIA_TYPE, &refusal),
    };
    // The body is judged before the room is looked up (upstream's order).
    let read = check_body_size(&app, &body, encoding).and_then(|()| read_body(&body, encoding));
    let message = match read {
        Ok(message) => message,
        Err(refusal) => {
            app.metrics.refused(refusal.code);
            let garbled = refusal.code == Code::BadMessage && !is_well_formed(&body, encoding);
            return if garbled { respond_with(StatusCode::BAD_REQUEST, &refusal) } else { respond(&refusal) };
        }
    };
    if let Err(refusal) = check_rate(&place, &message) {
        return refuse(&app, &refusal);
    }
    match apply(&app, &id, &headers, message, body.len(), encoding).await {
        Ok(answer) => encoded(encoding, answer.encode(encoding)),
        Err(refusal) => refuse(&app, &refusal),
    }
}

fn body_encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        CBOR_TYPE => Ok(Encoding::Cbor),
        json if json == "application/json" || json.ends_with("+json") => Ok(Encoding::Json),
        _ => Err(Refusal::bad_message("the Content-Type must be application/json or application/cbor")),
    }
}

fn check_body_size(app: &App, body: &Bytes, encoding: Encoding) -> Result<(), Refusal> {
    let most = if is_list(body, encoding) { app.limits.list_bytes_max } else { app.limits.message_bytes_max };
    let fits = body.len() as u64 <= most;
    if fits { Ok(()) } else { Err(Refusal::new(Code::TooLarge, format!("this body may have {most} bytes"))) }
}

/// Pushes of one connection count against the same rate, whatever it speaks.
fn check_rate(place: &Place, body: &Body) -> Result<(), Refusal> {
    let pushes = match body {
        Body::One(ClientMessage::Push(_)) => 1,
        Body::One(_) => 0,
        Body::List(pushes) => pushes.len() as u64,
    };
    let refuse = |retry_ms| Refusal::new(Code::RateLimited, "too many pushes a second").retry_after(retry_ms);
    place.take_pushes(pushes).map_err(refuse)
}

/// What a message is answered with.
enum SendAnswer {
    /// DriftDB: a push that leaves nothing to say.
    Null,
    Message(ServerMessage),
    Acks(Vec<Ack>),
    Page(Vec<u8>),
}

impl SendAnswer {
    fn encode(self, encoding: Encoding) -> Vec<u8> {
        match (self, encoding) {
            (Self::Null, Encoding::Json) => b"null".to_vec(),
            (Self::Null, Encoding::Cbor) => vec![0xf6],
            (Self::Message(message), _) => message.encode(encoding),
            (Self::Acks(acks), _) => {
                encode_list(&acks.into_iter().map(ServerMessage::Ack).collect::<Vec<_>>(), encoding)
            }
            (Self::Page(page), _) => page,
        }
    }
}

pub(crate) fn encoded(encoding: Encoding, body: Vec<u8>) -> Response {
    let media = if encoding == Encoding::Json { "application/json" } else { CBOR_TYPE };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media))], body).into_response()
}

async fn apply(
    app: &App,
    id: &str,
    headers: &HeaderMap,
    body: Body,
    bytes: usize,
    encoding: Encoding,
) -> Result<SendAnswer, Refusal> {
    let address = RoomAddress::parse(id)?;
    let client = headers
        .get("seabag-client")
        .map(|value| ClientId::parse(value.to_str().unwrap_or_default()))
        .transpose()?;
    let command = match body {
        Body::One(message) => one_command(message, client)?,
        Body::List(messages) => Some(list_command(app, messages, client)?),
    };
    let pushes = matches!(command, Some(Command::Push { .. } | Command::PushList { .. }));
    if pushes && address.access() == Access::ReadOnly {
        return Err(Refusal::new(Code::ReadOnly, "this id may read and not write"));
    }
    let Some(command) = command else {
        // Only subscribing means nothing here; upstream answers null.
        app.registry.look(address.hash()).await?;
        return Ok(SendAnswer::Null);
    };
    let held = app.hold(bytes).await.map(|server| Held { _connection: None, server: Some(server) });
    let answers = app.registry.send(address.hash(), command, held).await?;
    answer(&app.reader(), answers, encoding).await
}

fn one_command(message: ClientMessage, client: Option<ClientId>) -> Result<Option<Command>, Refusal> {
    Ok(Some(match message {
        ClientMessage::Push(push) => {
            check_id(&push, client.as_ref())?;
            Command::Push { push, client, survey: None }
        }
        ClientMessage::GetStream { after: None, .. } => return Ok(None),
        ClientMessage::GetStream { key, after } => Command::GetStream { key, after },
        ClientMessage::GetRoom { after, epoch, limit } => {
            Command::GetRoom { cursor: Cursor { epoch, seq: after }, limit }
        }
        ClientMessage::Keys { after, limit } => Command::Keys { after, limit },
        ClientMessage::Ping { nonce } => Command::Answer(ServerMessage::Pong { nonce }),
        ClientMessage::Will { .. } => {
            return Err(Refusal::bad_message("a will needs a connection that can end"));
        }
    }))
}

fn list_command(
    app: &App,
    messages: Vec<ClientMessage>,
    client: Option<ClientId>,
) -> Result<Command, Refusal> {
    if messages.len() as u64 > app.limits.list_pushes_max {
        let message = format!("a list may have {} pushes", app.limits.list_pushes_max);
        return Err(Refusal::new(Code::TooLarge, message));
    }
    let mut pushes = Vec::with_capacity(messages.len());
    for message in messages {
        let ClientMessage::Push(push) = message else {
            return Err(Refusal::bad_message("a list holds only pushes"));
        };
        check_id(&push, client.as_ref())?;
        let bytes = push.value.as_ref().map_or(0, |value| value.len() as u64);
        if bytes > app.limits.message_bytes_max {
            let refusal = Refusal::new(
                Code::TooLarge,
                format!("a message may have {} bytes", app.limits.message_bytes_max),
            );
            return Err(refusal.about(push.id, Some(&push.key)));
        }
        pushes.push((push, None));
    }
    Ok(Command::PushList { pushes, client })
}

fn check_id(push: &Push, client: Option<&ClientId>) -> Result<(), Refusal> {
    let lone = push.id.is_some() && client.is_none() && push.action != Action::Relay;
    if lone {
        return Err(
            Refusal::bad_message("an id needs the header Seabag-Client").about(push.id, Some(&push.key))
        );
    }
    Ok(())
}

async fn answer(reader: &Reader, answers: Vec<Due>, encoding: Encoding) -> Result<SendAnswer, Refusal> {
    let Some(due) = answers.into_iter().next() else { return Ok(SendAnswer::Null) };
    match &due.reply {
        Reply::Message(ServerMessage::Error(refusal)) => Err(refusal.clone()),
        Reply::Message(message) => Ok(SendAnswer::Message(message.clone())),
        Reply::Acks(acks) => Ok(SendAnswer::Acks(acks.clone())),
        Reply::ReadStream(read) => {
            let data = reader.read_stream(&due).await?;
            Ok(SendAnswer::Message(ServerMessage::Init { key: read.key.clone(), data }))
        }
        Reply::ReadRoom { read, epoch, reset } => {
            let page = reader.read_room(&due).await?;
            let encoded = encode_page(epoch, read.head, *reset, &page.entries, page.next, encoding);
            Ok(SendAnswer::Page(encoded))
        }
        Reply::Joined(_) | Reply::Subscribed(_) => Ok(SendAnswer::Null),
    }
}
