//! How many lines of a group's requests a child logs in a second (`log-rate=`), so that no request fills the disk. Whoever
//! logs more waits for its turn: its thread is held by the request in any case, and no line is lost.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests may log so many times what processes may print: a busy application that logs each of them does not wait.
const REQUESTS: f64 = 10.0;
/// Seconds whose lines may come at once.
const BURST: f64 = 10.0;
/// So many bytes count as one line more.
const LINE_UNIT: usize = 1024;
/// Longest pause for what other requests of the group have logged, in seconds; nothing beyond that is owed.
const SHARED: f64 = 5.0;
/// Longest pause after one record, however many lines it has, in seconds: httpd must not wait longer for a thread at its end.
const LONGEST: f64 = 30.0;

/// What the requests of a group may have logged.
#[derive(Debug)]
pub struct LogRate {
    /// Lines per second; 0 is unlimited.
    rate: f64,
    account: Mutex<LineAllowance>,
}

/// Lines that are left, or owed if negative, at a moment.
#[derive(Debug)]
struct LineAllowance {
    left: f64,
    at: Option<Instant>,
}

impl LogRate {
    /// What `log-rate=` says; 0 for any number.
    pub fn new(log_rate: u32) -> Self {
        let rate = f64::from(log_rate) * REQUESTS;
        Self { rate, account: Mutex::new(LineAllowance { left: rate * BURST, at: None }) }
    }

    /// Pays for what has been logged; how long its request waits before it logs more.
    pub fn pay(&self, text: &[u8], now: Instant) -> Duration {
        if self.rate == 0.0 {
            return Duration::ZERO;
        }
        let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count() + text.len() / LINE_UNIT;
        // Nothing panics while it is locked.
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let since = account.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let earned = since.as_secs_f64() * self.rate;
        let left = (account.left + earned).min(self.rate * BURST) - lines as f64;
        account.left = left.max(-self.rate * SHARED);
        let (owed, own) = ((-left).max(0.0) / self.rate, lines as f64 / self.rate);
        Duration::from_secs_f64(owed.min(own.max(SHARED)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_free_and_the_rest_waits_its_turn() {
        let (rate, start) = (LogRate::new(10), Instant::now());
        assert!((0..1000).all(|_| rate.pay(b"line", start).is_zero()));
        assert_eq!(rate.pay(b"line", start), Duration::from_millis(10));
        // Another thread is behind the first one.
        assert_eq!(rate.pay(b"line", start), Duration::from_millis(20));
        assert_eq!(rate.pay(b"line", start + Duration::from_millis(20)), Duration::from_millis(10));
        // Whoever is quiet for long has a burst again, and no more than that.
        let later = start + Duration::from_secs(3600);
        assert!((0..1000).all(|_| rate.pay(b"line", later).is_zero()) && !rate.pay(b"line", later).is_zero());
    }

    #[test]
    fn lines_and_bytes_count() {
        let (rate, now) = (LogRate::new(1), Instant::now());
        assert_eq!(rate.pay(&[b'\n'; 49], now), Duration::ZERO);
        assert_eq!(rate.pay(&[b'x'; 79 * 1024], now), Duration::from_secs(3));
        assert_eq!(rate.pay(&[b'\n'; 60_000], now).as_secs_f64(), LONGEST);
        // That was its own fault: others wait a little, and after that nobody.
        assert_eq!(rate.pay(b"line", now).as_secs_f64(), SHARED);
        assert_eq!(rate.pay(b"line", now + Duration::from_secs(6)), Duration::ZERO);
        assert_eq!(LogRate::new(0).pay(&[b'\n'; 60_000], now), Duration::ZERO);
    }
}
