//! Accepts connections and serves HTTP/1.1 on them: with TCP_NODELAY, a bounded number at a time, a deadline for
//! each request's head, and TLS if there are certificates.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use seabag_protocol::rate::Rate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::clock::now_ms;
use crate::patience::Patient;

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long to wait after an accept failed, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A WebSocket counts its writes' time itself and has a reason to tell, so it comes first.
const STALL_GRACE: Duration = Duration::from_secs(1);

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    /// How long a request's head, or a TLS handshake, may take.
    pub(crate) patience: Duration,
    /// How long a write may wait for a peer that does not read.
    pub(crate) stall: Duration,
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) connections: Gauge,
    /// Most pushes of one connection a second by HTTP; 0: unlimited.
    pub(crate) pushes_per_second_max: u64,
}

/// A connection's place among all. Whoever goes on using the connection after HTTP, as a WebSocket does, keeps
/// it: the place is free, and a stopping server goes on, when the last holder is done.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    /// The listener waits until no receiver is left.
    _open: watch::Receiver<()>,
    connections: Gauge,
    pushes: Mutex<Rate>,
}

impl Place {
    /// Takes pushes from the connection's rate, or says in how many milliseconds they can be had.
    pub(crate) fn take_pushes(&self, pushes: u64) -> Result<(), u64> {
        self.pushes.lock().take(pushes, now_ms())
    }
}

/// The place of the connection that a request came on, for whoever goes on using it.
pub(crate) fn place_of(extensions: &hyper::http::Extensions) -> Option<Arc<Place>> {
    extensions.get::<Arc<Place>>().cloned()
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

/// Serves until `stopping` turns true, then waits until every connection has ended.
pub(crate) async fn serve(listener: TcpListener, serving: Serving, mut stopping: watch::Receiver<bool>) {
    // Each connection holds a receiver; the sender closes when all have ended.
    let (open, _) = watch::channel(());
    loop {
        // No place, no accept: the backlog of the operating system waits, and then refuses.
        let place = tokio::select! {
            place = Arc::clone(&serving.places).acquire_owned() => place,
            () = stopped(&mut stopping) => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                serving.connections.inc();
                let connections = serving.connections.clone();
                let pushes = Mutex::new(Rate::new(serving.pushes_per_second_max, now_ms()));
                let place = Arc::new(Place { _permit: place, _open: open.subscribe(), connections, pushes });
                tokio::spawn(connect(stream, serving.clone(), place, stopping.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    open.closed().await;
}

/// Waits until the server is to stop. May be dropped at any time.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender going away means the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn connect(stream: TcpStream, serving: Serving, place: Arc<Place>, stopping: watch::Receiver<bool>) {
    // Without it two small writes in a row wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, serving.stall + STALL_GRACE);
    let served = match serving.tls.clone() {
        None => converse(stream, serving, place, stopping).await,
        Some(tls) => match tokio::time::timeout(serving.patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, serving, place, stopping).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        },
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn converse<S>(
    stream: S,
    serving: Serving,
    place: Arc<Place>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = serving.router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&place));
        request.map(Body::new)
    });
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(serving.patience)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}
