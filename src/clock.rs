//! The clock that the daemons see, too.

/// Nanoseconds of the monotonic clock, which is that of the supervisor's records, too.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills `now`; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Seconds of the monotonic clock.
pub fn monotonic_seconds() -> i64 {
    (monotonic_ns() / 1_000_000_000) as i64
}
