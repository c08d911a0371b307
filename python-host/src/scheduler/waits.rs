//! What the kernel tells of a thread's waits for a CPU (proc(5)).

use wsgi_system::stat::ProcessStat;

pub use wsgi_system::stat::ThreadWaits;

/// Part of a window below which a thread at work was asleep, or may have been kept from its CPU: one in so many.
pub const STARVED: u64 = 8;

/// Whether the thread is runnable at this moment.
pub fn is_runnable(tid: i32) -> bool {
    ProcessStat::of_thread(tid).is_some_and(|stat| stat.state() == b'R')
}
