//! The clocks that environ and events show.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Seconds since the epoch from microseconds.
pub fn from_micros(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// User and system CPU time of the calling thread, seconds.
pub fn thread_cpu() -> Option<(f64, f64)> {
    usage(libc::RUSAGE_THREAD).map(|usage| cpu(&usage))
}

/// User and system CPU time of the process, seconds.
pub fn process_cpu() -> (f64, f64) {
    usage(libc::RUSAGE_SELF).map_or((0.0, 0.0), |usage| cpu(&usage))
}

/// Most memory that the process ever had resident, bytes.
pub fn largest_memory() -> u64 {
    usage(libc::RUSAGE_SELF).and_then(|usage| u64::try_from(usage.ru_maxrss).ok()).unwrap_or(0) * 1024
}

/// Memory that the process has resident, bytes; 0 where /proc does not say.
pub fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    // SAFETY: a plain question.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(4096)
}

fn usage(of: i32) -> Option<libc::rusage> {
    // SAFETY: all zero is a valid value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: room for one structure.
    (unsafe { libc::getrusage(of, &raw mut usage) } == 0).then_some(usage)
}

fn cpu(usage: &libc::rusage) -> (f64, f64) {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}
