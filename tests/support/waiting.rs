//! Waiting for something that happens in another process, with a deadline instead of a guess at how long it takes.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long [`eventually`] waits: a busy machine takes seconds for what takes moments, and who fails can wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` every 20 ms until it gives a value, at most for `limit`.
pub fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(Duration::from_millis(20));
    }
}

/// As [`wait_until`] for half a minute; panics with `what` when it did not happen.
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_until(PATIENCE, probe).unwrap_or_else(|| panic!("did not happen within {PATIENCE:?}: {what}"))
}
