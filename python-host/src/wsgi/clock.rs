//! The clocks that environ and events show.

use std::time::{SystemTime, UNIX_EPOCH};

pub use wsgi_system::limits::{largest_memory, thread_cpu};
pub use wsgi_system::stat::own_memory as memory;

/// Seconds since the epoch.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Seconds since the epoch from microseconds.
pub fn from_micros(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// User and system CPU time of the process, seconds.
pub fn process_cpu() -> (f64, f64) {
    wsgi_system::limits::process_cpu().unwrap_or((0.0, 0.0))
}
