//! The admin address: metrics, statistics, deletion, backup. Rooms are named by their hashes; no id is known here.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use futures_util::stream;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::host::status::Status;
use seabag_protocol::room::name::RoomHash;
use seabag_store::{AccountSummary, LocalStore, RoomSummary};
use tokio::sync::mpsc;

use crate::app::App;
use crate::host::{Fingerprint, Host};
use crate::http::bearer;
use crate::mail::Removal;
use crate::settings::Secret;
use crate::status::{respond, store_refusal, unavailable};

/// Most rooms in one page of the list.
const ROOMS_PAGE_MAX: usize = 1_000;
/// Chunks of a backup that wait for a slow reader.
const BACKUP_CHUNKS_MAX: usize = 8;

#[derive(Clone)]
struct Admin {
    app: App,
    host: Host,
    store: Arc<LocalStore>,
    token: Option<Arc<Secret>>,
}

/// The routes of the admin address.
pub(crate) fn routes(app: App, host: Host, store: Arc<LocalStore>, token: Option<Secret>) -> Router {
    let admin = Admin { app, host, store, token: token.map(Arc::new) };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/stats", get(statistics))
        .route("/rooms", get(list_rooms))
        .route("/rooms/{hash}", delete(delete_room).get(get_room))
        .route("/accounts", get(list_accounts))
        .route("/accounts/{fingerprint}", delete(delete_account))
        .route("/backup", get(backup))
        .layer(middleware::from_fn_with_state(admin.clone(), check_token))
        .with_state(admin)
}

async fn check_token(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let allowed =
        admin.token.as_ref().is_none_or(|token| token.matches(bearer(request.headers()).unwrap_or_default()));
    if allowed {
        next.run(request).await
    } else {
        respond(&Refusal::new(Code::TokenRequired, "the admin address needs Authorization: Bearer {token}"))
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let text = admin.app.metrics.render(&admin.app.store);
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn statistics(State(admin): State<Admin>) -> Response {
    let figures = admin.app.store.statistics();
    let metrics = &admin.app.metrics;
    Json(serde_json::json!({
        "rooms": figures.rooms,
        "accounts": figures.accounts,
        "accounts_loaded": metrics.host_accounts_loaded.get(),
        "listeners": metrics.host_listeners.get(),
        "bags_stored": metrics.host_bags_stored.get(),
        "rooms_loaded": metrics.rooms_loaded.get(),
        "rooms_created": metrics.rooms_created.get(),
        "connections": metrics.connections.get(),
        "readers": metrics.readers.get(),
        "messages_received": metrics.received.get(),
        "messages_broadcast": metrics.broadcasts.get(),
        "messages_sent": metrics.sent.get(),
        "transactions": figures.transactions,
        "commits": figures.commits,
        "rows_written": figures.operations,
        "bytes_written": figures.bytes,
        "rows_reaped": figures.reaped_rows,
        "disk_bytes": figures.disk_bytes,
        "queued_commits": figures.queued,
    }))
    .into_response()
}

fn summary(room: &RoomSummary, loaded: bool) -> serde_json::Value {
    serde_json::json!({
        "hash": room.hash.to_hex(),
        "created_ms": room.record.created_ms,
        "touched_ms": room.record.touched_ms,
        "entries": room.record.entries,
        "bytes": room.record.bytes,
        "closed": room.record.closed,
        "loaded": loaded,
    })
}

/// A page of rooms in order of their hashes: `?after=&limit=`.
async fn list_rooms(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let mut after = None;
    let mut limit = ROOMS_PAGE_MAX;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "after" => after = RoomHash::from_hex(&value),
            "limit" => limit = value.parse().unwrap_or(ROOMS_PAGE_MAX).clamp(1, ROOMS_PAGE_MAX),
            _ => {}
        }
    }
    match admin.app.store.rooms(after, limit).await {
        Ok(rooms) => {
            let next = if rooms.len() == limit { rooms.last().map(|room| room.hash.to_hex()) } else { None };
            let rooms: Vec<_> =
                rooms.iter().map(|room| summary(room, admin.app.registry.is_live(room.hash))).collect();
            Json(serde_json::json!({ "rooms": rooms, "next": next })).into_response()
        }
        Err(error) => respond(&store_refusal(&error)),
    }
}

async fn get_room(State(admin): State<Admin>, Path(hash): Path<String>) -> Response {
    let Some(hash) = RoomHash::from_hex(&hash) else { return respond(&Refusal::unknown_room()) };
    match admin.app.registry.look(hash).await {
        Ok(look) => Json(serde_json::json!({
            "hash": hash.to_hex(),
            "epoch": look.epoch.as_str(),
            "head": look.head.0,
            "keys": look.keys,
            "entries": look.entries,
            "bytes": look.bytes,
            "closed": look.closed,
            "readers": look.readers,
        }))
        .into_response(),
        Err(refusal) => respond(&refusal),
    }
}

/// Deletes any room, closed ones too.
async fn delete_room(State(admin): State<Admin>, Path(hash): Path<String>) -> Response {
    let Some(hash) = RoomHash::from_hex(&hash) else { return respond(&Refusal::unknown_room()) };
    match admin.app.registry.remove(hash, Removal::ByKeeper).await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => respond(&Refusal::unknown_room()),
        Err(refusal) => respond(&refusal),
    }
}

/// A page of accounts in order of their fingerprints: `?after=&limit=`.
async fn list_accounts(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let mut after = None;
    let mut limit = ROOMS_PAGE_MAX;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "after" => after = Fingerprint::parse(&value),
            "limit" => limit = value.parse().unwrap_or(ROOMS_PAGE_MAX).clamp(1, ROOMS_PAGE_MAX),
            _ => {}
        }
    }
    match admin.app.store.accounts(after.map(Fingerprint::last_key), limit).await {
        Ok(accounts) => {
            let full = accounts.len() == limit;
            let next = accounts.last().filter(|_| full).map(|account| Fingerprint::of(&account.key).to_hex());
            let accounts: Vec<_> = accounts.iter().map(account_summary).collect();
            Json(serde_json::json!({ "accounts": accounts, "next": next })).into_response()
        }
        Err(error) => respond(&store_refusal(&error)),
    }
}

fn account_summary(account: &AccountSummary) -> serde_json::Value {
    serde_json::json!({
        "fingerprint": Fingerprint::of(&account.key).to_hex(),
        "registered_ms": account.record.registered_ms,
        "changed_ms": account.record.changed_ms,
        "last": account.record.last.0,
        "bags": account.record.bags,
        "bytes": account.record.bytes,
    })
}

/// Deletes any account. Its listeners are told.
async fn delete_account(State(admin): State<Admin>, Path(fingerprint): Path<String>) -> Response {
    let unknown = || respond(&Refusal::new(Code::AccountDeleted, "there is no account of this fingerprint"));
    let Some(fingerprint) = Fingerprint::parse(&fingerprint) else { return unknown() };
    // Two of one fingerprint cannot be told apart, so that neither is deleted by mistake.
    let found = admin.app.store.accounts(fingerprint.before(), 2).await;
    let mut found = match found {
        Ok(found) => found.into_iter().filter(|account| Fingerprint::of(&account.key) == fingerprint),
        Err(error) => return respond(&store_refusal(&error)),
    };
    let (Some(account), None) = (found.next(), found.next()) else { return unknown() };
    match admin.host.remove(&account.key).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(Status::UserNotRegistered) => unknown(),
        Err(_) => respond(&unavailable("the account could not be deleted")),
    }
}

/// Streams a backup of one moment while the server goes on.
async fn backup(State(admin): State<Admin>) -> Response {
    let (sender, chunks) = mpsc::channel::<io::Result<Bytes>>(BACKUP_CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut writer = io::BufWriter::with_capacity(256 * 1024, Chunks(sender.clone()));
        let done = admin.store.backup(&mut writer, &mut |_| {});
        let done = done.map_err(|error| io::Error::other(error.to_string())).and_then(|_| writer.flush());
        if let Err(error) = done {
            tracing::error!(%error, "a backup failed");
            // The reader sees a cut body, never a shorter backup that looks whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let body =
        stream::unfold(chunks, |mut chunks| async { chunks.recv().await.map(|chunk| (chunk, chunks)) });
    let kind = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response()
}

struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| {
            io::Error::new(io::ErrorKind::BrokenPipe, unavailable("the reader has left").message)
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
