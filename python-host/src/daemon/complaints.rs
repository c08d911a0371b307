//! What goes wrong many times a second is told once in a while.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Least time between two lines, ns.
const INTERVAL: u64 = 10_000_000_000;

/// When the last line was written, monotonic ns; 0 is never.
#[derive(Debug, Default)]
pub(super) struct ComplaintLimit(AtomicU64);

impl ComplaintLimit {
    /// Whether a line may be written now; only one of several who ask at the same time.
    pub(super) fn may_be_told(&self, now: u64) -> bool {
        let last = self.0.load(Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= INTERVAL;
        is_due && self.0.compare_exchange(last, now.max(1), Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds() {
        let complaints = ComplaintLimit::default();
        let told = (0..100).filter(|n| complaints.may_be_told(n * 500_000_000)).count();
        assert_eq!(told, 5);
    }
}
