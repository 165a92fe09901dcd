//! Deletes rooms whose time is up. One task for all rooms: the store knows which may be due.

use std::time::Duration;

use seabag_protocol::error::Code;
use seabag_store::Lifetime;

use crate::app::App;
use crate::clock::now_ms;
use crate::mail::Removal;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Rooms that it deletes at a time.
const ROOMS_AT_ONCE: usize = 256;

/// Looks again and again, until it is dropped.
pub(crate) async fn sweep(app: App, lifetime: Lifetime) {
    loop {
        let expired = app.store.expired(now_ms(), lifetime, ROOMS_AT_ONCE).await.unwrap_or_default();
        let more = expired.len() == ROOMS_AT_ONCE;
        for hash in expired {
            // Someone may use it since it was found, or have deleted it: the room itself decides.
            match app.registry.remove(hash, Removal::Expiry(lifetime)).await {
                Err(refusal) if refusal.code != Code::UnknownRoom => {
                    tracing::warn!(%refusal, "an expired room could not be removed");
                }
                _ => {}
            }
        }
        tokio::time::sleep(if more { Duration::from_millis(10) } else { INTERVAL }).await;
    }
}
