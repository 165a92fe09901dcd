//! The blind host: relays sealed bags among the devices of an account (docs/host.md). It shares its origin with the
//! rooms. It checks signatures and can open nothing.
//!
//! One PUSH's way: `call` reads the request (`body`); `push` finds out who asks and has the bags checked (`verify`); the
//! account's task (`account_task`) lets the machine apply them, commits, and tells the listeners (`hub`); then `answer` goes out.

mod account_task;
mod accounts;
mod answer;
mod body;
mod call;
mod fingerprint;
mod hub;
mod list;
mod notices;
mod outflow;
mod push;
mod register;
mod signed;
mod verify;

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use parking_lot::Mutex;
use seabag_protocol::error::Refusal;
use seabag_protocol::host::auth::{PublicKey, SignedTimestamp};
use seabag_protocol::host::machine;
use seabag_protocol::host::record::AccountRecord;
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;
use seabag_protocol::limits::Limits;
use seabag_protocol::rate::Rate;
use seabag_store::{AccountNumber, Snapshot, Store};

use self::account_task::{Mail, bounds};
use self::accounts::Accounts;
use self::answer::Failed;
use self::call::Call;
use self::verify::Verifier;
use crate::budget::Budget;
use crate::clock::now_ms;
use crate::metrics::Metrics;
use crate::read::Reader;
use crate::room_task::Surroundings;
use crate::settings::Registration;
use crate::status::unavailable;
use crate::urls::Urls;

pub(crate) use self::answer::Why;
pub(crate) use self::fingerprint::Fingerprint;

/// The host, as its calls know it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Host {
    surroundings: Surroundings,
    pub(crate) accounts: Accounts,
    verifier: Verifier,
    registration: Arc<Registration>,
    registrations: Arc<Mutex<Rate>>,
    urls: Arc<Urls>,
    /// Bytes of large requests that may still be read.
    inflight: Budget,
    /// Bytes of pushes that may still wait for the disk, as rooms' commands do.
    waiting: Budget,
}

/// Who asks, shown by a signature, and the account as it is kept.
pub(crate) struct Asker {
    pub(crate) key: PublicKey,
    /// Under which its bags are read.
    pub(crate) number: AccountNumber,
    pub(crate) record: AccountRecord,
    /// Holds the account as the record tells it.
    pub(crate) snapshot: Arc<dyn Snapshot>,
}

impl Host {
    pub(crate) fn new(
        surroundings: Surroundings,
        urls: Arc<Urls>,
        registration: Registration,
        waiting: Budget,
    ) -> Result<Self, Refusal> {
        let limits = Arc::clone(&surroundings.limits);
        let verifier = Verifier::start().map_err(|_| unavailable("no threads to check signatures with"))?;
        Ok(Self {
            accounts: Accounts::new(surroundings.clone())?,
            verifier,
            registration: Arc::new(registration),
            registrations: Arc::new(Mutex::new(Rate::new(limits.accounts_created_per_second_max, now_ms()))),
            urls,
            inflight: Budget::new(limits.host_requests_bytes_inflight_max),
            waiting,
            surroundings,
        })
    }

    /// Removes an account for the host's keeper: `UserNotRegistered` when there is none.
    pub(crate) async fn remove(&self, key: &PublicKey) -> Result<(), Status> {
        let mail = |answer| Mail::Remove { epoch: None, reason: signed::account_deleted(), answer };
        self.accounts.ask(key, mail).await
    }

    fn limits(&self) -> &Limits {
        &self.surroundings.limits
    }

    fn metrics(&self) -> &Metrics {
        &self.surroundings.metrics
    }

    fn store(&self) -> &dyn Store {
        self.surroundings.store.as_ref()
    }

    fn reader(&self) -> &Reader {
        &self.surroundings.reader
    }

    /// Whether anyone may register.
    fn is_open(&self) -> bool {
        matches!(*self.registration, Registration::Open)
    }

    /// Checks a signed time: first that it is now, then the signature.
    async fn check_timestamp(&self, auth: &SignedTimestamp) -> Result<(), Status> {
        auth.check_time(now_ms())?;
        let auth = auth.clone();
        self.verifier.check(move || auth.check_signature()).await
    }

    /// Who asks with a key, if it may ask now, and the account's subscription for the answer.
    async fn admit(&self, key: &PublicKey) -> Result<(Asker, Subscription), Failed> {
        let asker = self.find(key).await?;
        let subscription = machine::subscription(&asker.record, &bounds(&self.surroundings));
        let asked = self.accounts.take_request(key);
        asked.map_err(|retry_ms| Failed::rate_limited(retry_ms).of(subscription))?;
        Ok((asker, subscription))
    }

    /// The account of a key: `UserNotRegistered` when there is none.
    async fn find(&self, key: &PublicKey) -> Result<Asker, Status> {
        let (key, snapshot) = (*key, self.store().snapshot());
        let read = self.reader().run(Some(Arc::clone(&snapshot)), move |snapshot| snapshot.account(&key));
        let found = read.await.map_err(|_| Status::StorageError)?;
        let (number, record) = found.ok_or(Status::UserNotRegistered)?;
        Ok(Asker { key, number, record, snapshot })
    }
}

/// Gives the host what is the host's: its calls, WebSockets that are not a room's, and every POST to a path that
/// means nothing to the rooms. Everything else goes on to the rooms.
pub(crate) async fn divide(State(host): State<Host>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_call = Call::of(path).is_some();
    if notices::is_upgrade(request.headers()) && matched != Some("/room/{id}/connect") {
        return notices::connect(host, request.into_parts().0).await;
    }
    let unclaimed = matched.is_none_or(|matched| matched == "/") && !path.starts_with("/room/");
    if is_call || (unclaimed && request.method() == Method::POST) {
        return call::serve(host, request).await;
    }
    next.run(request).await
}
