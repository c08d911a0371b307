//! Whether requests crowd before a GIL, and what holds while they do: the judgement of the gate, without threads or
//! clocks but the one of the process.

use super::clock::clock_ns;
use super::pace::{GatePace, PARALLEL, PaceSample};
use std::time::Duration;

/// CPU time, and demand of short requests (see `pace`), from which requests are in each other's way; both averaged.
const CROWDED: (f64, f64) = (0.8, 1.2);
/// Weight of one window in these averages.
const WEIGHT: f64 = 0.1;
/// Demand below which there is no crowd any more, and for how long before the gate opens again.
const THIN: (f64, Duration) = (0.5, Duration::from_secs(1));

/// As many inside as anybody may ask for: HTTP/2 brings threads of its own, so the threads per child are no bound.
pub const MOST: usize = 4096;

/// What happened since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub struct CrowdWindow {
    /// For the rules.
    pub sample: PaceSample,
    /// Demand of the requests that are not long.
    pub young: f64,
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
    pace: Option<GatePace>,
    /// Since when demand is low.
    thin: Duration,
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

    /// Judges one window; how many may be inside if the gate is kept, or is not any more.
    pub fn judge(&mut self, window: &CrowdWindow) -> Option<usize> {
        let sample = &window.sample;
        if let Some(pace) = &mut self.pace {
            self.thin = if sample.demand < THIN.0 { self.thin + sample.elapsed } else { Duration::ZERO };
            if self.thin < THIN.1 {
                // With the GIL always taken, the next one waits before the GIL itself: it is there when that is let go.
                let least = if sample.cpu > CROWDED.0 { 2 } else { 1 };
                return Some(pace.tick(sample).max(least));
            }
            *self = Self { clock: self.clock, ..Self::default() };
            return Some(MOST);
        }
        self.average(sample.cpu, window.young);
        // More CPU time than one GIL allows is no crowd, unless most of those who compute wait for a CPU.
        let is_single = sample.cpu <= PARALLEL || window.young > 2.0 * sample.cpu;
        let is_crowd = self.cpu > CROWDED.0 && self.young > CROWDED.1 && is_single;
        is_crowd.then(|| {
            self.pace = Some(GatePace::new(MOST));
            1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 ms with four threads.
    fn window(cpu: f64, young: f64) -> CrowdWindow {
        let elapsed = Duration::from_millis(10);
        let sample = PaceSample { elapsed, demand: cpu, cpu, running: 4, ..PaceSample::default() };
        CrowdWindow { sample, young }
    }

    /// After how many windows the gate is set to `allowed`, if it is within five seconds.
    fn when(crowd: &mut Crowd, allowed: usize, cpu: f64, young: f64) -> Option<usize> {
        (0..500).position(|_| crowd.judge(&window(cpu, young)) == Some(allowed))
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
            assert_eq!(crowd.judge(&window(0.9, 2.0)), None);
            crowd.average(0.2, 0.0);
        }
    }

    #[test]
    fn with_the_gil_always_taken_the_next_one_waits_before_it() {
        let mut crowd = Crowd::default();
        assert_eq!((0..50).filter_map(|_| crowd.judge(&window(1.0, 3.0))).last(), Some(2));
    }
}
