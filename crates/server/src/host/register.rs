//! USER: registers an account. An account that exists is told so again, whoever may register.

use axum::http::HeaderMap;
use bytes::Bytes;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::machine;
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;

use super::Host;
use super::account_task::{bounds, refused};
use super::answer::{Failed, Reply};
use crate::chance::random;
use crate::clock::now_ms;
use crate::http::bearer;
use crate::settings::Registration;

/// The call, behind its signed time.
pub(crate) async fn register(
    host: &Host,
    headers: &HeaderMap,
    key: &PublicKey,
    rest: &Bytes,
) -> Result<Reply, Failed> {
    if !rest.is_empty() {
        return Err(Status::ExtraBodyContent.into());
    }
    let subscription = match host.admit(key).await {
        Ok((_, subscription)) => subscription,
        Err(failed) if failed.status == Status::UserNotRegistered => create(host, headers, key).await?,
        Err(failed) => return Err(failed),
    };
    Ok(Reply::of(subscription, Vec::new()))
}

async fn create(host: &Host, headers: &HeaderMap, key: &PublicKey) -> Result<Subscription, Failed> {
    let allowed = match host.registration.as_ref() {
        Registration::Open => true,
        Registration::Token(token) => token.matches(bearer(headers).unwrap_or_default()),
        Registration::Closed => false,
    };
    if !allowed {
        return Err(Status::UserNotRegistered.into());
    }
    let most = host.limits().accounts_max;
    if most > 0 && host.store().account_count() >= most {
        return Err(Status::UserNotRegistered.into());
    }
    host.registrations.lock().take(1, now_ms()).map_err(Failed::rate_limited)?;
    let drawn = random().map_err(|_| Status::InternalError)?;
    let record = machine::register(host.accounts.process(), drawn, now_ms());
    let subscription = machine::subscription(&record, &bounds(&host.surroundings));
    // Someone else may have registered it meanwhile: it is there either way.
    let created = host.store().create_account(*key, record).await.map_err(|error| refused(&error))?;
    if created {
        host.metrics().host_accounts_created.inc();
    }
    Ok(subscription)
}
