//! Puts the parts together: opens the store, listens, serves, and stops in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use seabag_protocol::error::{Code, Refusal};
use seabag_store::{Health, Lifetime, LocalStore, Options, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tower_http::cors::{Any, CorsLayer};

use crate::about::about;
use crate::app::App;
use crate::host::{Host, divide};
use crate::listen::{Serving, serve};
use crate::metrics::Metrics;
use crate::pages::{self, Pages};
use crate::read::Reader;
use crate::registry::Registry;
use crate::room_task::Surroundings;
use crate::settings::{Settings, Storage};
use crate::status::{respond, unavailable};
use crate::urls::Urls;
use crate::{admin, http, janitor, stream, tls, websocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Connections of the admin address.
const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// A certificate or key could not be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else that the server needs was not to be had.
    #[error("{0}")]
    Other(String),
}

/// Why a server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A write or a sync failed. Nothing was acknowledged from then on.
    #[error("storage has stopped: {0}")]
    Storage(String),
}

/// A server that listens. It serves while [`Server::run`] runs.
pub struct Server {
    app: App,
    host: Host,
    store: Arc<LocalStore>,
    listener: TcpListener,
    address: SocketAddr,
    admin: Option<(TcpListener, SocketAddr, Router)>,
    serving: Serving,
    lifetime: Lifetime,
}

impl Server {
    /// Opens the store and the listeners.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        // Opening reads the disk, perhaps for long.
        let storage = settings.storage.clone();
        let about = about(&settings);
        let pages = settings.pages.then(|| Arc::new(Pages::new()));
        let opened = tokio::task::spawn_blocking(move || open_store(&storage)).await;
        let store = Arc::new(opened.map_err(|error| StartError::Other(error.to_string()))??);
        let (listener, address) = bind(settings.listen)?;
        let dynamic: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let metrics = Arc::new(Metrics::default());
        let limits = Arc::new(settings.limits);
        let surroundings = Surroundings {
            store: dynamic,
            reader: Reader::new(limits.reads_max),
            metrics: Arc::clone(&metrics),
            limits: Arc::clone(&limits),
        };
        let registry =
            Registry::new(surroundings.clone()).map_err(|refusal| StartError::Other(refusal.message))?;
        let urls = Urls::new(settings.public_url.as_deref(), tls.is_some(), address.to_string());
        let app = App::new(registry, surroundings.clone(), urls, settings.creation_token);
        let host =
            Host::new(surroundings, Arc::clone(&app.urls), settings.registration, app.inflight.clone())
                .map_err(|refusal| StartError::Other(refusal.message))?;
        let admin = match settings.admin_listen {
            Some(wanted) => {
                let (listener, address) = bind(wanted)?;
                Some((
                    listener,
                    address,
                    admin::routes(app.clone(), host.clone(), Arc::clone(&store), settings.admin_token),
                ))
            }
            None => None,
        };
        let places =
            usize::try_from(limits.connections_max.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let serving = Serving {
            router: routes(app.clone(), host.clone(), about, pages),
            tls,
            patience: Duration::from_millis(limits.request_ms_max.max(1)),
            stall: Duration::from_millis(limits.write_stall_ms.max(1)),
            places: Arc::new(Semaphore::new(places)),
            connections: metrics.connections.clone(),
            pushes_per_second_max: limits.pushes_per_second_max,
        };
        let lifetime =
            Lifetime { open_ms: settings.room_ttl_ms, closed_ms: Some(limits.closed_room_kept_ms) };
        Ok(Self { app, host, store, listener, address, admin, serving, lifetime })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin routes are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address, _)| *address)
    }

    /// Serves until `shutdown` resolves, then tells every reader when to come back, finishes commits and stops.
    /// Ends by itself when storage fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StopError> {
        let Self { app, host, store, listener, admin, serving, lifetime, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let janitor = tokio::spawn(janitor::sweep(app.clone(), lifetime));
        let admin = admin.map(|(listener, _, router)| {
            let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
            let serving = Serving { router, tls: None, places, ..serving.clone() };
            tokio::spawn(serve(listener, serving, stopping.clone()))
        });
        let public = tokio::spawn(serve(listener, serving, stopping));
        let mut health = store.watch();
        let failed = tokio::select! {
            () = shutdown => None,
            failed = health.wait_for(|health| *health != Health::Running) => {
                failed.ok().and_then(|health| match &*health {
                    Health::Stopped(reason) => Some(reason.clone()),
                    Health::Running => None,
                })
            }
        };
        let patience = Duration::from_millis(app.limits.shutdown_ms_max.max(1));
        janitor.abort();
        let reason = match &failed {
            Some(reason) => {
                tracing::error!(%reason, "storage has stopped; nothing further is acknowledged");
                unavailable("storage has stopped")
            }
            None => {
                Refusal::new(Code::GoingAway, "the server is about to stop; connect again").retry_after(2_000)
            }
        };
        let _ = stop.send(true);
        let stopped =
            async { tokio::join!(app.registry.stop(reason.clone()), host.accounts.stop(reason.clone())) };
        if timeout(patience, stopped).await.is_err() {
            tracing::warn!("some rooms or accounts did not stop in time");
        }
        let _ = timeout(patience, public).await;
        if let Some(admin) = admin {
            admin.abort();
        }
        let closed = store.close().await;
        match (failed, closed) {
            (Some(reason), _) => Err(StopError::Storage(reason)),
            (None, Err(error)) => Err(StopError::Storage(error.to_string())),
            (None, Ok(())) => Ok(()),
        }
    }
}

fn open_store(storage: &Storage) -> Result<LocalStore, StoreError> {
    match storage {
        Storage::Memory => LocalStore::in_memory(&Options::default()),
        Storage::Disk { path, durability, accept_loss, cache_bytes } => {
            let options = Options {
                durability: *durability,
                accept_loss: *accept_loss,
                cache_bytes: *cache_bytes,
                ..Options::default()
            };
            LocalStore::open(path, &options)
        }
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = || {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
        let listener = TcpListener::from_std(socket.into())?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen().map_err(|error: io::Error| StartError::Listen(address, error))
}

fn routes(app: App, host: Host, about: serde_json::Value, pages: Option<Arc<Pages>>) -> Router {
    let body_max = app.limits.message_bytes_max.max(app.limits.list_bytes_max);
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::ACCEPT,
            header::CONTENT_TYPE,
            HeaderName::from_static("seabag-client"),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(3_600));
    Router::new()
        .route("/new", post(http::new_room))
        .route("/room/{id}", get(http::get_room).put(http::put_room).delete(http::delete_room))
        .route("/room/{id}/connect", get(websocket::connect))
        .route("/room/{id}/send", post(http::send))
        .route("/room/{id}/stream", get(stream::get_stream))
        .route("/healthz", get(healthy))
        .route("/health", get(healthy))
        .route("/readyz", get(ready))
        .route("/about", get(async move || Json(about)))
        .fallback_service(pages::serve.with_state(pages))
        .layer(DefaultBodyLimit::max(usize::try_from(body_max).unwrap_or(usize::MAX)))
        .layer(middleware::from_fn_with_state(app.clone(), limit_body_time))
        .layer(cors)
        .layer(middleware::from_fn_with_state(host, divide))
        .with_state(app)
}

/// A request's body must arrive within the limit; answers may take as long as they need.
async fn limit_body_time(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let patience = Duration::from_millis(app.limits.request_ms_max.max(1));
    let most = app.limits.message_bytes_max.max(app.limits.list_bytes_max);
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, usize::try_from(most).unwrap_or(usize::MAX));
    match timeout(patience, read).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, bytes.into())).await,
        Ok(Err(_)) => {
            app.metrics.refused(Code::TooLarge);
            respond(&Refusal::new(Code::TooLarge, format!("a body may have {most} bytes")))
        }
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// The process lives.
async fn healthy() -> Response {
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

/// The store takes commits.
async fn ready(State(app): State<App>) -> Response {
    let running = *app.store.watch().borrow() == Health::Running;
    if running {
        Json(serde_json::json!({ "status": "ready" })).into_response()
    } else {
        respond(&unavailable("storage has stopped"))
    }
}
