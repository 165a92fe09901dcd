//! PRUNE and DELETE-ACCOUNT: calls that destroy. Each is signed whole, for this host and this history of the account.
//! Order of the checks: decoding, time, signature, registration, origin and epoch.

use axum::http::HeaderMap;
use bytes::Bytes;
use seabag_protocol::error::{Code, Refusal};
use seabag_protocol::host::auth::SignedCall;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::machine;
use seabag_protocol::host::path;
use seabag_protocol::host::prune::PrunePair;
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;

use super::account_task::Mail;
use super::answer::{Failed, Reply};
use super::{Asker, Host};
use crate::clock::now_ms;

/// PRUNE.
pub(crate) async fn prune(host: &Host, headers: &HeaderMap, request: Bytes) -> Result<Reply, Failed> {
    let mut reader = Reader::new(request);
    let call = SignedCall::read(&mut reader)?;
    let body = reader.rest().clone();
    let (asker, subscription) = admit(host, headers, &call, path::PRUNE, body).await?;
    let pairs = PrunePair::read_all(&mut reader).map_err(|status| Failed::from(status).of(subscription))?;
    // The account's task compares the epoch again: a push before this call may have opened another.
    let mail = |answer| Mail::Prune { pairs, epoch: call.epoch, answer };
    let done = host.accounts.ask(&asker.key, mail).await;
    let done = done.map_err(|status| Failed::from(status).of(subscription))?;
    let mut body = Vec::with_capacity(done.items.len() * 4);
    for item in &done.items {
        item.write(&mut body)?;
    }
    Ok(Reply::of(done.subscription, body))
}

/// DELETE-ACCOUNT. Its listeners are told.
pub(crate) async fn delete_account(
    host: &Host,
    headers: &HeaderMap,
    request: Bytes,
) -> Result<Reply, Failed> {
    let reader = &mut Reader::new(request);
    let call = SignedCall::read(reader)?;
    let body = reader.rest().clone();
    let (asker, subscription) = admit(host, headers, &call, path::DELETE_ACCOUNT, body).await?;
    reader.end().map_err(|status| Failed::from(status).of(subscription))?;
    let mail = |answer| Mail::Remove { epoch: Some(call.epoch), reason: account_deleted(), answer };
    let removed = host.accounts.ask(&asker.key, mail).await;
    removed.map_err(|status| Failed::from(status).of(subscription))?;
    Ok(Reply::of(Subscription::default(), Vec::new()))
}

/// What an account's listeners are told when it is deleted.
pub(crate) fn account_deleted() -> Refusal {
    Refusal::new(Code::AccountDeleted, "the account was deleted")
}

async fn admit(
    host: &Host,
    headers: &HeaderMap,
    call: &SignedCall,
    path: &'static str,
    body: Bytes,
) -> Result<(Asker, Subscription), Failed> {
    call.check_time(now_ms())?;
    let checked = call.clone();
    host.verifier.check(move || checked.check_signature(path, &body)).await?;
    let (asker, subscription) = host.admit(&call.public).await?;
    let meant =
        host.urls.is_origin(headers, &call.origin) && call.epoch == machine::open_epoch(&asker.record);
    if !meant {
        return Err(Failed::from(Status::InvalidRequest).of(subscription));
    }
    Ok((asker, subscription))
}
