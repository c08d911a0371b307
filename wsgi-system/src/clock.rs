//! The clocks: monotonic, of threads and of the wall.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in local time, as httpd's `%{u}t` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Full year.
    pub year: i32,
    /// Month from 0.
    pub month: usize,
    /// Day of the month from 1.
    pub day: u32,
    /// Day of the week from 0, Sunday.
    pub weekday: usize,
    /// Hour.
    pub hour: u32,
    /// Minute.
    pub minute: u32,
    /// Second, up to 60.
    pub second: u32,
    /// Microseconds.
    pub micros: u32,
}

/// A clock of the kernel's.
pub type ClockNumber = libc::clockid_t;

/// The monotonic clock, in ns: the same for all processes.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// Seconds of the monotonic clock.
#[must_use]
pub fn monotonic_seconds() -> i64 {
    (monotonic_ns() / 1_000_000_000).cast_signed()
}

/// Nanoseconds of any clock; `None` when it does not exist (any more).
#[must_use]
pub fn clock_ns(clock: ClockNumber) -> Option<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills `now`; a number that is no clock's is refused.
    let result = unsafe { libc::clock_gettime(clock, &raw mut now) };
    (result == 0).then(|| now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned())
}

/// Seconds since the system started.
#[must_use]
pub fn since_boot() -> Option<f64> {
    clock_ns(libc::CLOCK_BOOTTIME).map(|now| now as f64 / 1e9)
}

/// The CPU clock of the calling thread, readable by others while the thread lives.
#[must_use]
pub fn own_cpu_clock() -> Option<ClockNumber> {
    let mut clock = 0;
    // SAFETY: asks about the calling thread, which is alive, and writes a live local.
    let result = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
    (result == 0).then_some(clock)
}

/// The wall clock, µs since the epoch.
#[must_use]
pub fn epoch_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Now, in the time zone of the process.
#[must_use]
pub fn local_now() -> LocalTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(since.as_secs()).unwrap_or(libc::time_t::MAX);
    // SAFETY: `tm` is plain data for which zero is valid; localtime_r writes only to it.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    LocalTime {
        year: tm.tm_year + 1900,
        month: usize::try_from(tm.tm_mon).unwrap_or(0) % 12,
        day: number(tm.tm_mday),
        weekday: usize::try_from(tm.tm_wday).unwrap_or(0) % 7,
        hour: number(tm.tm_hour),
        minute: number(tm.tm_min),
        second: number(tm.tm_sec),
        micros: since.subsec_micros(),
    }
}
