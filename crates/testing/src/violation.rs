//! What a simulated world says when a promise is broken. `SEABAG_TRACE` sets how many lines of the trace are shown.

use std::fmt;

/// A promise that was broken.
#[derive(Clone)]
pub struct Violation {
    /// Repeats the run.
    pub seed: u64,
    /// Which promise, and how.
    pub what: String,
    /// Everything that happened before.
    pub trace: Vec<String>,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = std::env::var("SEABAG_TRACE").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
        let last = self.trace.iter().rev().take(lines).rev().cloned().collect::<Vec<_>>().join("\n  ");
        write!(f, "seed {}: {}\n  {last}", self.seed, self.what)
    }
}
