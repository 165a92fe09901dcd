//! The frame around every call: method, body, who asks, the call itself, and the answer with its head. The order of
//! the checks is upstream's (docs/host.md).

use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::Bytes;
use seabag_protocol::host::auth::SignedTimestamp;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::path;
use seabag_protocol::host::status::Status;

use super::answer::{self, Failed, Reply};
use super::body::Incoming;
use super::{Host, list, push, register, signed};
use crate::clock::now_ms;

/// The calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    User,
    Push,
    Peek,
    Pull,
    PeekPage,
    Prune,
    Epoch,
    DeleteAccount,
}

impl Call {
    /// The call of this very path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            path::USER => Self::User,
            path::PUSH => Self::Push,
            path::PEEK => Self::Peek,
            path::PULL => Self::Pull,
            path::PEEK_PAGE => Self::PeekPage,
            path::PRUNE => Self::Prune,
            path::EPOCH => Self::Epoch,
            path::DELETE_ACCOUNT => Self::DeleteAccount,
            _ => return None,
        })
    }

    /// Its name in the metrics.
    fn name(call: Option<Self>) -> &'static str {
        match call {
            Some(Self::User) => "user",
            Some(Self::Push) => "push",
            Some(Self::Peek) => "peek",
            Some(Self::Pull) => "pull",
            Some(Self::PeekPage) => "peek_page",
            Some(Self::Prune) => "prune",
            Some(Self::Epoch) => "epoch",
            Some(Self::DeleteAccount) => "delete_account",
            None => "none",
        }
    }
}

/// Answers a request to the host.
pub(crate) async fn serve(host: Host, request: Request) -> Response {
    let received_ms = now_ms();
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        return answer::preflight();
    }
    let call = Call::of(parts.uri.path());
    let replied = if parts.method == Method::POST {
        read_and_judge(&host, call, &parts.headers, body).await
    } else {
        Err(Status::NotFound.into())
    };
    let status = replied.as_ref().map_or_else(|failed| failed.status, |_| Status::Success);
    host.metrics().host_request(Call::name(call), status);
    answer::respond(&host, received_ms, replied)
}

async fn read_and_judge(
    host: &Host,
    call: Option<Call>,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Reply, Failed> {
    let mut incoming = Incoming::new(host.limits(), headers, body, call);
    let judged = match (incoming.read_front().await, call) {
        (Ok(()), Some(call)) => judge(host, call, headers, &mut incoming).await,
        (Ok(()), None) => Err(Status::NotFound.into()),
        (Err(failed), _) => Err(failed),
    };
    if judged.is_err() {
        // Who is still sending would never read the answer.
        incoming.discard().await;
    }
    judged
}

async fn judge(
    host: &Host,
    call: Call,
    headers: &HeaderMap,
    incoming: &mut Incoming,
) -> Result<Reply, Failed> {
    match call {
        Call::Prune => return signed::prune(host, headers, incoming.front()).await,
        Call::DeleteAccount => return signed::delete_account(host, headers, incoming.front()).await,
        _ => {}
    }
    // The request's front is enough to find out who asks, and whoever is nobody need not send the rest.
    let mut reader = Reader::new(incoming.front());
    let auth = SignedTimestamp::read(&mut reader)?;
    if call == Call::Push
        && incoming.is_whole()
        && let Some(bags) = push::read_few(&reader, host.limits().host_push_bags_max)
    {
        return push::few(host, auth, bags, reader.rest().len()).await;
    }
    host.check_timestamp(&auth).await?;
    if call == Call::User {
        return register::register(host, headers, &auth.public, reader.rest()).await;
    }
    let (asker, subscription) = host.admit(&auth.public).await?;
    let tell = |failed: Failed| failed.of(subscription);
    let front = reader.rest().clone();
    let replied = match call {
        Call::Push | Call::Pull => {
            // Who sends slowly keeps no state of the store alive meanwhile.
            let asker = incoming.is_whole().then_some(asker);
            let rest = incoming.behind(&reader, host).await.map_err(tell)?;
            match (call, asker) {
                (Call::Push, _) => push::many(host, auth.public, subscription, rest).await,
                (_, Some(asker)) => list::pull(host, asker, subscription, rest).await,
                (_, None) => {
                    let asker = host.find(&auth.public).await.map_err(|status| tell(status.into()))?;
                    list::pull(host, asker, subscription, rest).await
                }
            }
        }
        Call::Peek => list::peek(host, asker, subscription, front).await,
        Call::PeekPage => list::page(host, asker, subscription, front).await,
        _ => list::epoch(&asker, subscription, front),
    };
    replied.map_err(tell)
}

/// What follows the signed time in a request.
pub(crate) struct Rest {
    pub(crate) bytes: Bytes,
    /// The request's share of the memory for large requests.
    pub(crate) held: Option<tokio::sync::OwnedSemaphorePermit>,
}
