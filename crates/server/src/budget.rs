//! A budget of bytes: whoever wants to keep some waits for a share of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units of this many, for a semaphore counts to 32 bits.
const UNIT_BYTES: usize = 64;

/// The bytes that are left. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    most: usize,
}

impl Budget {
    /// Of so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let units = usize::try_from(bytes_max).unwrap_or(usize::MAX) / UNIT_BYTES;
        let most = units.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { units: Arc::new(Semaphore::new(most)), most }
    }

    /// Waits for a share of this size; one above the whole budget gets all of it. `None`: the server stops.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = (bytes / UNIT_BYTES + 1).min(self.most);
        Arc::clone(&self.units).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
    }
}
