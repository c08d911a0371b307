//! How long to wait before a process that keeps failing is started again, and how often one may be replaced.

use std::time::{Duration, Instant};

/// Pause before the next start after so many failures in a row, milliseconds; the last one stays.
const PAUSES: [u64; 10] = [0, 0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 20_000];
/// From so many failures on, requests are answered 503 at once instead of being queued.
const TELLS_CLIENTS: usize = 4;
/// A process that served less than this before it died by itself has failed.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// A service daemon may end at any time; it is started again at this pace (spec/daemon.md §2.2).
pub const SERVICE_PACE: Duration = Duration::from_secs(1);

/// Counts failures in a row of one slot.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: usize,
}

/// How a process ended, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It died `after` it had begun to serve.
    Served {
        /// From its ready message to its death.
        after: Duration,
    },
    /// It died before it served.
    NeverServed,
    /// It could not even be set up: trying again at once is pointless.
    NotSetUp,
}

impl Backoff {
    /// Notes an end; returns the pause before the next start.
    pub fn note(&mut self, outcome: Outcome) -> Duration {
        self.failures = match outcome {
            Outcome::Served { after } if after >= SHORT_LIFE => 0,
            Outcome::Served { .. } | Outcome::NeverServed => self.failures + 1,
            Outcome::NotSetUp => (self.failures + 1).max(TELLS_CLIENTS),
        };
        Duration::from_millis(PAUSES[self.failures.min(PAUSES.len() - 1)])
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether requests should be refused at once.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failures >= TELLS_CLIENTS
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures
    }
}

/// A process can ask for a successor at any rate; this many are granted at once, then one a second.
const BURST: u32 = 5;

/// Grants replacements at a bounded pace.
#[derive(Debug)]
pub struct Pace {
    tokens: u32,
    since: Instant,
}

impl Pace {
    /// A full one.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST, since: now }
    }

    /// When the next replacement may start; `now` if it may start now, which then counts.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let seconds = now.duration_since(self.since).as_secs();
        if seconds > 0 {
            self.tokens = self.tokens.saturating_add(u32::try_from(seconds).unwrap_or(BURST)).min(BURST);
            self.since += Duration::from_secs(seconds);
        }
        if self.tokens == 0 {
            return Err(self.since + Duration::from_secs(1));
        }
        self.tokens -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_twenty_seconds() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..11).map(|_| backoff.note(Outcome::NeverServed).as_millis()).collect();
        assert_eq!(pauses, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
    }

    #[test]
    fn long_service_is_no_failure() {
        let mut backoff = Backoff::default();
        for _ in 0..6 {
            backoff.note(Outcome::Served { after: Duration::from_millis(10) });
        }
        assert!(backoff.is_failing());
        assert_eq!(backoff.note(Outcome::Served { after: Duration::from_secs(9) }), Duration::ZERO);
        assert!(!backoff.is_failing());
    }

    #[test]
    fn failed_set_up_is_told_to_clients_at_once() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.note(Outcome::NotSetUp), Duration::from_secs(1));
        assert!(backoff.is_failing());
        assert_eq!(backoff.note(Outcome::NotSetUp), Duration::from_secs(2));
    }

    #[test]
    fn replacements_are_paced() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!((0..9).filter(|_| pace.take(start).is_ok()).count(), 5);
        assert_eq!(pace.take(start), Err(start + Duration::from_secs(1)));
        assert!(pace.take(start + Duration::from_secs(1)).is_ok());
        assert!(pace.take(start + Duration::from_millis(1900)).is_err());
    }
}
