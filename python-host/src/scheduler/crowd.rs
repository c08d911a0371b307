//! Whether requests crowd before a GIL, and what holds while they do: the judgement of the gate, without threads or
//! clocks but the one of the process.

use super::clock::clock_ns;
use super::pace::{PARALLEL, Pace, Sample};
use std::time::Duration;

/// CPU time, and demand of short requests (see `pace`), from which requests are in each other's way; both averaged.
const CROWDED: (f64, f64) = (0.8, 1.2);
/// Weight of one window in these averages.
const WEIGHT: f64 = 0.1;
/// Demand below which there is no crowd any more, and for how long before the gate opens again.
const THIN: (f64, Duration) = (0.5, Duration::from_secs(1));

/// CPU time per request, ns, from which warm memory is worth more than the switch to the thread that has it.
const LENGTHY: f64 = 250_000.0;
/// Weight of one window in the mean of that.
const WORK_WEIGHT: f64 = 0.05;

/// As many inside as anybody may ask for: HTTP/2 brings threads of its own, so the threads per child are no bound.
pub const MOST: usize = 4096;

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// For the rules.
    pub sample: Sample,
    /// Demand of the requests that are not long.
    pub young: f64,
    /// CPU time of all requests, ns.
    pub used: u64,
    /// How many ended.
    pub ended: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// How many may be inside.
    pub allowed: usize,
    /// One thread shall do the turns of all that wait.
    pub stewarded: bool,
}

/// Whether requests crowd before the GIL, and the rules that hold while they do.
#[derive(Debug, Default)]
pub struct Crowd {
    /// CPU time of the process at the last look, ns.
    clock: u64,
    /// Averages while the gate stands open.
    cpu: f64,
    young: f64,
    /// None: the gate stands open.
    pace: Option<Pace>,
    /// Since when demand is low.
    thin: Duration,
    /// CPU time, ns, and number of requests that ended, per window; averaged.
    work: (f64, f64),
}

impl Crowd {
    /// CPU time of the process since the last look, by the time elapsed.
    pub fn share(&mut self, elapsed: u64) -> f64 {
        let clock = clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or(u64::MAX);
        let used = clock.saturating_sub(std::mem::replace(&mut self.clock, clock));
        used as f64 / elapsed.max(1) as f64
    }

    /// Whether the gate is kept.
    pub fn is_kept(&self) -> bool {
        self.pace.is_some()
    }

    /// A window while the gate stands open.
    pub fn average(&mut self, cpu: f64, young: f64) {
        self.cpu += (cpu - self.cpu) * WEIGHT;
        self.young += (young - self.young) * WEIGHT;
    }

    /// Judges one window; what is to be done if the gate is kept, or is not any more.
    pub fn judge(&mut self, window: &Window) -> Option<Order> {
        let sample = &window.sample;
        self.work.0 += (window.used as f64 - self.work.0) * WORK_WEIGHT;
        self.work.1 += (window.ended as f64 - self.work.1) * WORK_WEIGHT;
        let stewarded = self.work.0 > LENGTHY * self.work.1;
        if let Some(pace) = &mut self.pace {
            self.thin = if sample.demand < THIN.0 { self.thin + sample.elapsed } else { Duration::ZERO };
            if self.thin < THIN.1 {
                // With the GIL always taken, the next one waits before the GIL itself: it is there when that is let go.
                let least = if sample.cpu > CROWDED.0 && !stewarded { 2 } else { 1 };
                return Some(Order { allowed: pace.tick(sample).max(least), stewarded });
            }
            *self = Self { clock: self.clock, ..Self::default() };
            return Some(Order { allowed: MOST, stewarded: false });
        }
        self.average(sample.cpu, window.young);
        // More CPU time than one GIL allows is no crowd, unless most of those who compute wait for a CPU.
        let is_single = sample.cpu <= PARALLEL || window.young > 2.0 * sample.cpu;
        let is_crowd = self.cpu > CROWDED.0 && self.young > CROWDED.1 && is_single;
        is_crowd.then(|| {
            self.pace = Some(Pace::new(MOST));
            Order { allowed: 1, stewarded }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 ms with four threads, in which so many requests end.
    fn window(cpu: f64, young: f64, ended: u64) -> Window {
        let elapsed = Duration::from_millis(10);
        let sample = Sample { elapsed, demand: cpu, cpu, running: 4, ..Sample::default() };
        Window { sample, young, used: (cpu * 1e7) as u64, ended }
    }

    /// After how many windows the gate is set to `allowed`, if it is within five seconds.
    fn when(crowd: &mut Crowd, allowed: usize, cpu: f64, young: f64) -> Option<usize> {
        (0..500)
            .position(|_| crowd.judge(&window(cpu, young, 10)).is_some_and(|order| order.allowed == allowed))
    }

    #[test]
    fn short_requests_that_compute_are_a_crowd_until_there_is_little_demand() {
        let mut crowd = Crowd::default();
        assert!(when(&mut crowd, 1, 1.0, 3.0).is_some_and(|windows| windows < 20));
        assert_eq!(when(&mut crowd, MOST, 1.0, 1.0), None);
        assert_eq!(when(&mut crowd, MOST, 0.3, 0.3), Some(99));
        assert!(when(&mut crowd, 1, 1.0, 3.0).is_some_and(|windows| windows < 20));
    }

    #[test]
    fn those_who_sleep_or_compute_long_or_without_the_gil_are_none() {
        for (cpu, young) in [(0.2, 0.2), (1.0, 0.1), (1.8, 2.0)] {
            assert_eq!(when(&mut Crowd::default(), 1, cpu, young), None, "{cpu} {young}");
        }
        let mut crowd = Crowd::default();
        for _ in 0..100 {
            // Bursts between which everybody sleeps.
            assert_eq!(crowd.judge(&window(0.9, 2.0, 10)), None);
            crowd.average(0.2, 0.0);
        }
    }

    #[test]
    fn one_thread_does_the_turns_of_all_when_they_are_long_enough() {
        let last = |ended| {
            let mut crowd = Crowd::default();
            (0..50).filter_map(|_| crowd.judge(&window(1.0, 3.0, ended))).last()
        };
        assert_eq!(last(10), Some(Order { allowed: 1, stewarded: true }));
        assert_eq!(last(100), Some(Order { allowed: 2, stewarded: false }));
        assert!(last(0).is_some_and(|order| order.stewarded));
    }
}
