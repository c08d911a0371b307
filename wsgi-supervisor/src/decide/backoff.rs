//! How long to wait before a process that keeps failing is started again, and how often one may be replaced.

use std::time::{Duration, Instant};

/// Pause before the next start after so many failures in a row, milliseconds; the last one stays.
const PAUSES: [u64; 8] = [0, 0, 250, 500, 1000, 2000, 4000, 8000];
/// The same after so many short lives in a row of processes that have served: requests wait in the queue meanwhile.
const BREATHERS: [u64; 6] = [0, 0, 50, 100, 200, 400];
/// An attempt that fails before the interpreter runs costs little: it is repeated at least as often as this.
const SET_UP_PAUSE: Duration = Duration::from_secs(5);
/// From so many failures on, requests are answered 503 at once instead of being queued.
const TELLS_CLIENTS: usize = 4;
/// A process that served less than this before it died by itself has had a short life. It came up, so that the next one
/// will, too: a request that kills its process shall not cost those that wait for another one.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// A service daemon may end at any time; it is started again at this pace (spec/daemon.md §2.2).
pub const SERVICE_PACE: Duration = Duration::from_secs(1);

/// Counts failures in a row of one slot.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Backoff {
    pub(super) failures: usize,
    pub(super) short_lives: usize,
}

/// How a process ended, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessOutcome {
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

impl ProcessOutcome {
    /// For processes that take no requests: one that dies as soon as it has come up is of no use.
    #[must_use]
    pub fn without_requests(self) -> Self {
        match self {
            Self::Served { after } if after < SHORT_LIFE => Self::NeverServed,
            other => other,
        }
    }
}

impl Backoff {
    /// Notes an end; returns the pause before the next start.
    pub fn note(&mut self, outcome: ProcessOutcome) -> Duration {
        let at = |pauses: &[u64], count: usize| Duration::from_millis(pauses[count.min(pauses.len() - 1)]);
        match outcome {
            ProcessOutcome::Served { after } => {
                self.failures = 0;
                self.short_lives = if after < SHORT_LIFE { self.short_lives + 1 } else { 0 };
                at(&BREATHERS, self.short_lives)
            }
            ProcessOutcome::NeverServed => {
                self.failures += 1;
                at(&PAUSES, self.failures)
            }
            ProcessOutcome::NotSetUp => {
                self.failures = (self.failures + 1).max(TELLS_CLIENTS);
                at(&PAUSES, self.failures).min(SET_UP_PAUSE)
            }
        }
    }

    /// All is well again.
    pub fn reset(&mut self) {
        *self = Self::default();
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReplacementPace {
    pub(super) tokens: u32,
    pub(super) since: Instant,
}

impl ReplacementPace {
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
    fn pauses_grow_to_eight_seconds() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.note(ProcessOutcome::NeverServed).as_millis()).collect();
        assert_eq!(pauses, [0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    }

    #[test]
    fn who_has_served_has_not_failed() {
        let short = ProcessOutcome::Served { after: Duration::from_millis(10) };
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.note(short).as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 400, 400, 400]);
        assert!(!backoff.is_failing());
        assert_eq!(backoff.note(ProcessOutcome::Served { after: Duration::from_secs(9) }), Duration::ZERO);
        assert_eq!(backoff.note(short), Duration::ZERO);
        assert_eq!(short.without_requests(), ProcessOutcome::NeverServed);
    }

    #[test]
    fn service_ends_a_row_of_failures() {
        let mut backoff = Backoff::default();
        (0..6).for_each(|_| _ = backoff.note(ProcessOutcome::NeverServed));
        assert!(backoff.is_failing());
        backoff.note(ProcessOutcome::Served { after: Duration::from_millis(10) });
        assert!(!backoff.is_failing());
    }

    #[test]
    fn failed_set_up_is_told_to_clients_at_once() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.note(ProcessOutcome::NotSetUp), Duration::from_secs(1));
        assert!(backoff.is_failing());
        let pauses: Vec<_> = (0..4).map(|_| backoff.note(ProcessOutcome::NotSetUp).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 5, 5]);
    }

    #[test]
    fn replacements_are_paced() {
        let start = Instant::now();
        let mut pace = ReplacementPace::new(start);
        assert_eq!((0..9).filter(|_| pace.take(start).is_ok()).count(), 5);
        assert_eq!(pace.take(start), Err(start + Duration::from_secs(1)));
        assert!(pace.take(start + Duration::from_secs(1)).is_ok());
        assert!(pace.take(start + Duration::from_millis(1900)).is_err());
    }
}
