//! What waiting for the GIL has cost the calling thread, for the account of its request. Only looked at by the thread.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The thread has waited.
pub fn add(waited: Duration) {
    WAITED.set(WAITED.get() + waited);
}

/// Runs what may wait for a turn and for the GIL; counts all of it as waiting, once.
pub fn during(f: impl FnOnce()) {
    let (before, start) = (WAITED.get(), Instant::now());
    f();
    WAITED.set(before + start.elapsed());
}

/// What has been counted since the last call, ns.
pub fn take() -> u64 {
    WAITED.take().as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_within_waits_count_once() {
        take();
        add(Duration::from_nanos(5));
        assert_eq!((take(), take()), (5, 0));
        during(|| add(Duration::from_secs(3600)));
        assert!(take() < 3_600_000_000_000);
    }
}
