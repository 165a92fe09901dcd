//! Deletes rooms whose time is up. One task for all rooms: the store knows which may be due.

use std::time::Duration;

use seabag_protocol::error::{Code, Refusal};
use seabag_store::Lifetime;

use crate::app::App;
use crate::clock::now_ms;

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
            // A room in memory is in use, or was a moment ago.
            if app.registry.touch(hash).await {
                continue;
            }
            let reason = Refusal::new(Code::RoomExpired, "the room was not used for its time to live");
            if let Err(refusal) = app.registry.remove(hash, &reason).await {
                tracing::warn!(%refusal, "an expired room could not be removed");
            }
        }
        tokio::time::sleep(if more { Duration::from_millis(10) } else { INTERVAL }).await;
    }
}
