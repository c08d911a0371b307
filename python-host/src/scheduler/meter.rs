//! What a thread wanted of the CPU while it was at work: what it got, and what it had to wait for.

use super::clock;
use super::waits::{STARVED, ThreadWaits, is_runnable};

/// Most time at work that a later wait may explain, in windows.
const CARRY: u64 = 4;

/// What is remembered of one thread between two looks.
#[derive(Debug, Default)]
pub struct ThreadMeter {
    tid: i32,
    clock: Option<clock::ClockNumber>,
    cpu: u64,
    delay: u64,
    /// Time at work that neither CPU time nor waits have explained so far.
    unexplained: u64,
    /// Time that was taken for a wait before the kernel counted it.
    ahead: u64,
    waits: ThreadWaits,
}

/// One window of one thread, ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeterReading {
    /// CPU time.
    pub used: u64,
    /// CPU time, and time that it waited for a CPU.
    pub wanted: u64,
}

impl ThreadMeter {
    /// Of the calling thread.
    pub fn of_this_thread() -> Self {
        Self { tid: clock::own_tid(), clock: clock::own_cpu_clock(), ..Self::default() }
    }

    /// Nobody looks for a while: the descriptor is given back.
    pub fn rest(&mut self) {
        self.waits = ThreadWaits::default();
    }

    /// Looks again after a window of `elapsed` ns, of which the thread spent `at_work` ns at what is measured, and
    /// whether `now` too. What it did besides is not told apart, but cannot count for more than that.
    pub fn read(&mut self, elapsed: u64, at_work: u64, now: bool) -> MeterReading {
        let cpu = self.clock.and_then(clock::clock_ns).unwrap_or(0);
        let cpu = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        let delay = self.waits.delay(self.tid);
        let delay = delay.saturating_sub(std::mem::replace(&mut self.delay, delay));
        // The kernel counts a wait for a CPU when it is over: one that takes the whole window looks like sleep.
        let starved = now && at_work == elapsed && cpu + delay < elapsed / STARVED && is_runnable(self.tid);
        self.judge(elapsed, at_work, cpu, if starved { None } else { Some(delay) })
    }

    fn judge(&mut self, elapsed: u64, at_work: u64, cpu: u64, delay: Option<u64>) -> MeterReading {
        let used = cpu.min(at_work);
        let Some(delay) = delay else {
            self.ahead += elapsed;
            return MeterReading { used, wanted: elapsed };
        };
        let late = delay.saturating_sub(std::mem::take(&mut self.ahead));
        let left = self.unexplained + at_work - used;
        let waited = late.min(left);
        self.unexplained = (left - waited).min(CARRY * elapsed);
        MeterReading { used, wanted: used + waited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn work_elsewhere_does_not_count_for_more_than_the_time_at_work() {
        let mut meter = ThreadMeter::default();
        assert_eq!(meter.judge(2 * MS, MS, 2 * MS, Some(0)), MeterReading { used: MS, wanted: MS });
        assert_eq!(meter.judge(2 * MS, 0, 2 * MS, Some(0)), MeterReading::default());
    }

    #[test]
    fn a_wait_that_is_counted_late_explains_earlier_windows() {
        let mut meter = ThreadMeter::default();
        assert_eq!(meter.judge(2 * MS, 2 * MS, 0, Some(0)).wanted, 0);
        assert_eq!(meter.judge(2 * MS, 2 * MS, MS, Some(3 * MS)).wanted, 4 * MS);
        assert_eq!(meter.judge(2 * MS, 2 * MS, MS, Some(9 * MS)).wanted, 2 * MS);
    }

    #[test]
    fn a_wait_that_was_foreseen_is_not_counted_twice() {
        let mut meter = ThreadMeter::default();
        assert_eq!(meter.judge(2 * MS, 2 * MS, 0, None).wanted, 2 * MS);
        assert_eq!(meter.judge(2 * MS, 2 * MS, MS, Some(3 * MS)).wanted, 2 * MS);
        assert_eq!(meter.judge(2 * MS, 2 * MS, 0, Some(0)).wanted, 0);
    }

    #[test]
    fn the_own_thread_is_measured() {
        let mut meter = ThreadMeter::of_this_thread();
        meter.read(MS, MS, true);
        let start = clock::now_ns();
        while clock::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID) < meter.cpu.checked_add(5 * MS) {}
        let elapsed = clock::now_ns() - start;
        // A little of it was before `start`.
        assert!(meter.read(elapsed, elapsed, true).used >= 4 * MS);
    }
}
