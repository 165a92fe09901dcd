//! How long to wait before the next attempt: longer each time, and random, so that a thousand clients do not
//! come back at once.

use std::time::Duration;

/// Longest wait.
const WAIT_MS_MAX: u64 = 15_000;
/// Wait after the first failure.
const WAIT_MS_MIN: u64 = 250;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next attempt: between half and the whole of a time that doubles.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = WAIT_MS_MIN.saturating_mul(1 << self.failures.min(10)).min(WAIT_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(wait / 2 + random_below(wait / 2 + 1))
    }

    /// The last attempt went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number below `bound`. Its quality decides nothing but a wait.
pub(crate) fn random_below(bound: u64) -> u64 {
    getrandom::u64().unwrap_or_default() % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let mut backoff = Backoff::default();
        for attempt in 0..20u32 {
            let whole = WAIT_MS_MIN.saturating_mul(1 << attempt.min(10)).min(WAIT_MS_MAX);
            let wait = u64::try_from(backoff.next().as_millis()).unwrap();
            assert!((whole / 2..=whole).contains(&wait), "attempt {attempt}: {wait}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(WAIT_MS_MIN));
    }
}
