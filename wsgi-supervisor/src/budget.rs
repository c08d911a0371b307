//! How many lines of output a group may have logged (`log-rate=`), so that a flood neither fills the disk nor keeps the
//! supervisor from the other groups.

use std::time::{Duration, Instant};

/// Seconds whose lines may come at once.
const BURST: f64 = 10.0;
/// Bytes of a line that count as one line more.
const LINE_UNIT: usize = 1024;
/// How long pipes are left alone whose group has nothing left to spend. Meanwhile they fill, and who writes there waits.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is told what was dropped while a flood goes on.
const TELL: Duration = Duration::from_secs(10);

/// What a group may spend.
#[derive(Debug)]
pub struct LogBudget {
    /// Lines per second; 0 is unlimited.
    rate: f64,
    left: f64,
    at: Option<Instant>,
    /// Pipes are left alone until then.
    paused: Option<Instant>,
    dropped: DroppedLines,
    told: Option<Instant>,
}

/// What was not logged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DroppedLines {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
}

impl LogBudget {
    /// A full one.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            left: rate * BURST,
            at: None,
            paused: None,
            dropped: DroppedLines::default(),
            told: None,
        }
    }

    /// Adds what has come since the last time.
    pub fn advance(&mut self, now: Instant) {
        let since = self.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.left = (self.left + since.as_secs_f64() * self.rate).min(self.rate * BURST);
    }

    /// Pays for a line. False: it must not be logged.
    pub fn pay(&mut self, length: usize) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let units = u32::try_from(1 + length / LINE_UNIT).unwrap_or(u32::MAX);
        if self.is_spent() {
            return false;
        }
        self.left -= f64::from(units);
        true
    }

    /// Something was dropped.
    pub fn pause(&mut self, now: Instant) {
        self.paused = Some(now + PAUSE);
    }

    /// Until when pipes are left alone.
    #[must_use]
    pub fn paused(&self, now: Instant) -> Option<Instant> {
        self.paused.filter(|until| *until > now)
    }

    /// Whether no line can be paid for.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.rate > 0.0 && self.left < 1.0
    }

    /// Counts what was not logged.
    pub fn drop(&mut self, dropped: DroppedLines) {
        self.dropped.lines += dropped.lines;
        self.dropped.bytes += dropped.bytes;
    }

    /// What there is to tell: when a flood begins, and then once in a while. Also returns when to ask again.
    pub fn due(&mut self, now: Instant) -> (Option<DroppedLines>, Option<Instant>) {
        if self.dropped == DroppedLines::default() {
            return (None, None);
        }
        let next = self.told.map(|told| told + TELL).filter(|next| *next > now);
        if next.is_some() {
            return (None, next);
        }
        self.told = Some(now);
        (Some(std::mem::take(&mut self.dropped)), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_paid_from_what_was_saved() {
        let (mut budget, start) = (LogBudget::new(2), Instant::now());
        budget.advance(start);
        let paid = |budget: &mut LogBudget| (0..1000).filter(|_| budget.pay(1)).count();
        assert_eq!(paid(&mut budget), 20);
        assert!(budget.is_spent());
        budget.advance(start + Duration::from_secs(3));
        assert_eq!(paid(&mut budget), 6);
        budget.advance(start + Duration::from_secs(3000));
        assert!(budget.pay(20 * LINE_UNIT) && !budget.pay(1), "a long line counts as many");
        let mut unlimited = LogBudget::new(0);
        assert_eq!((paid(&mut unlimited), unlimited.is_spent()), (1000, false));
    }

    #[test]
    fn what_was_dropped_is_told_once_in_a_while() {
        let (mut budget, start) = (LogBudget::new(1), Instant::now());
        assert_eq!(budget.due(start), (None, None));
        let one = DroppedLines { lines: 1, bytes: 7 };
        budget.drop(one);
        assert_eq!(budget.due(start), (Some(one), None));
        budget.drop(one);
        budget.drop(one);
        assert_eq!(budget.due(start + Duration::from_secs(1)), (None, Some(start + TELL)));
        assert_eq!(budget.due(start + TELL), (Some(DroppedLines { lines: 2, bytes: 14 }), None));
        assert_eq!(budget.due(start + 5 * TELL), (None, None));
    }
}
