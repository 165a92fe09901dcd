//! A token bucket: how many of something may happen a second, averaged over two.

/// Counts down from two seconds' worth and refills with time.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    per_second: u64,
    /// Thousandths of one event that may still happen.
    left: u64,
    refilled_ms: u64,
}

impl Rate {
    /// At most `per_second` events a second; 0: unlimited.
    pub fn new(per_second: u64, now_ms: u64) -> Self {
        Self { per_second, left: per_second.saturating_mul(2_000), refilled_ms: now_ms }
    }

    /// Takes `events`, or says in how many milliseconds they can be had.
    pub fn take(&mut self, events: u64, now_ms: u64) -> Result<(), u64> {
        if self.per_second == 0 {
            return Ok(());
        }
        let passed = now_ms.saturating_sub(self.refilled_ms);
        self.refilled_ms = now_ms.max(self.refilled_ms);
        let full = self.per_second.saturating_mul(2_000);
        self.left = self.left.saturating_add(passed.saturating_mul(self.per_second)).min(full);
        // More than ever fits at once is let through from a full bucket, or it could never pass.
        let cost = events.saturating_mul(1_000).min(full);
        if cost <= self.left {
            self.left -= cost;
            return Ok(());
        }
        Err((cost - self.left).div_ceil(self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_refuses_what_exceeds_it_and_says_when() {
        let mut rate = Rate::new(10, 0);
        assert_eq!(rate.take(20, 0), Ok(()));
        assert_eq!(rate.take(1, 0), Err(100));
        assert_eq!(rate.take(1, 99), Err(1));
        assert_eq!(rate.take(1, 100), Ok(()));
        assert_eq!(rate.take(1_000, 10_000), Ok(()), "a list larger than the bucket passes when it is full");
        assert_eq!(Rate::new(0, 0).take(u64::MAX, 0), Ok(()));
    }
}
