//! The bare server that others are compared with: WebSocket broadcast without rooms, order, storage or limits.
//! Each connection sends all that waits and flushes once, as any good server does.

use std::path::PathBuf;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// Messages that wait for a slow connection. It is never reached in the scenarios, or they report a loss.
const WAITING_MAX: usize = 64 * 1024;
/// What every connection gets first, so that the same client can be used.
const HELLO: &str = "{\"type\":\"hello\"}";

/// The bare server.
#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// Write the address here.
    #[arg(long)]
    ready_file: PathBuf,
}

#[derive(Deserialize)]
struct Replay {
    entries: usize,
    bytes: usize,
}

/// Serves until it is killed. On a runtime of its own with as many threads as a server has.
pub(crate) async fn run(command: Reference) -> anyhow::Result<()> {
    let serving = std::thread::spawn(move || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(command))
    });
    tokio::task::spawn_blocking(move || {
        serving.join().map_err(|_| anyhow::anyhow!("the reference has failed"))?
    })
    .await?
}

async fn serve(command: Reference) -> anyhow::Result<()> {
    let (sender, _) = broadcast::channel::<Utf8Bytes>(WAITING_MAX);
    let router = Router::new()
        .route("/room/{id}/connect", get(move |upgrade: WebSocketUpgrade| connect(upgrade, sender.clone())))
        .route("/replay/connect", get(replay))
        .route("/room/{id}/send", post(|_: axum::body::Bytes| async { "null" }))
        .route(
            "/bytes/{count}",
            post(|Path(count): Path<usize>, _: axum::body::Bytes| async move { vec![0_u8; count] }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let text = serde_json::json!({ "address": listener.local_addr()?.to_string() }).to_string();
    let part = command.ready_file.with_extension("part");
    std::fs::write(&part, text)?;
    std::fs::rename(&part, &command.ready_file)?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn connect(upgrade: WebSocketUpgrade, sender: broadcast::Sender<Utf8Bytes>) -> Response {
    upgrade.read_buffer_size(8 * 1024).on_upgrade(move |socket| talk(socket, sender))
}

async fn talk(socket: WebSocket, sender: broadcast::Sender<Utf8Bytes>) {
    let mut receiver = sender.subscribe();
    let (mut sink, mut stream) = socket.split();
    let writing = tokio::spawn(async move {
        sink.send(Message::Text(HELLO.into())).await.ok()?;
        loop {
            let mut text = receiver.recv().await.ok()?;
            loop {
                sink.feed(Message::Text(text)).await.ok()?;
                match receiver.try_recv() {
                    Ok(next) => text = next,
                    Err(_) => break,
                }
            }
            sink.flush().await.ok()?;
        }
        #[allow(unreachable_code, reason = "gives the block its type: it only ends by `?`")]
        Some(())
    });
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            // Nobody may be listening yet.
            let _ = sender.send(text);
        }
    }
    writing.abort();
}

/// Sends ready-made pages as fast as the reader takes them.
async fn replay(upgrade: WebSocketUpgrade, Query(query): Query<Replay>) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        let entry = format!(
            "{{\"key\":\"b\",\"value\":\"{}\",\"seq\":12345}},",
            "x".repeat(query.bytes.saturating_sub(2))
        );
        let page = |count: usize| {
            let list = entry.repeat(count);
            format!("{{\"type\":\"entries\",\"data\":[{}]}}", list.trim_end_matches(','))
        };
        let mut left = query.entries;
        let _ = socket.feed(Message::Text(HELLO.into())).await;
        while left > 0 {
            let count = left.min(1_000);
            left -= count;
            if socket.feed(Message::Text(page(count).into())).await.is_err() {
                return;
            }
        }
        let _ = socket.send(Message::Text("{\"type\":\"live\",\"seq\":0}".into())).await;
        // The reader ends the connection.
        while let Some(Ok(_)) = socket.recv().await {}
    })
}
