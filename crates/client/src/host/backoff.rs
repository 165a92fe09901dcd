//! How long to leave a host alone that failed: twice as long each time, with chance in it, so that many devices do
//! not come back at the same moment.

use crate::chance::{Randomness, below};

/// The shortest wait, milliseconds.
pub const WAIT_MS_MIN: u64 = 1_000;
/// The longest wait, milliseconds.
pub const WAIT_MS_MAX: u64 = 5 * 60_000;

/// How often in a row something failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure: how long to wait, milliseconds. From half of the full wait to all of it.
    pub fn fail(&mut self, chance: &mut dyn Randomness) -> u64 {
        let full = WAIT_MS_MIN.saturating_mul(1 << self.failures.min(20)).min(WAIT_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        (full / 2 + below(chance, full / 2 + 1)).max(WAIT_MS_MIN)
    }

    /// It worked: the next failure is a first one.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// How often it failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::tests::Steps;

    #[test]
    fn waits_grow_to_a_bound_and_begin_again_after_a_success() {
        let (mut backoff, mut chance) = (Backoff::default(), Steps(1));
        for failures in 0..40_u32 {
            let full = (1_000_u64 << failures.min(10)).min(WAIT_MS_MAX);
            let wait = backoff.fail(&mut chance);
            assert!(wait >= (full / 2).max(1_000) && wait <= full, "{failures}: {wait}");
        }
        assert_eq!(backoff.failures(), 40);
        backoff.succeed();
        assert!(backoff.fail(&mut chance) <= 1_000);
    }

    #[test]
    fn two_devices_seldom_wait_equally_long() {
        let wait = |seed| {
            let (mut backoff, mut chance) = (Backoff::default(), Steps(seed));
            (0..6).map(|_| backoff.fail(&mut chance)).last()
        };
        assert_ne!(wait(1), wait(2));
    }
}
