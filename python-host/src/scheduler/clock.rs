//! The clocks that the schedulers compare.

pub use wsgi_system::clock::{ClockNumber, clock_ns, monotonic_ns as now_ns, own_cpu_clock};
pub use wsgi_system::process::own_tid;
