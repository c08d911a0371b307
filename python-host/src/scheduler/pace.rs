//! The controller's decisions, without threads or clocks: how many workers may be active (decisions.md, "As few
//! threads contend for the GIL as keep it busy").
//!
//! The measure is *demand*: the share of a window in which workers were runnable, i.e. on a CPU or waiting
//! for one. One busy Python thread demands 1.0; threads that wait for the GIL, a lock or a socket demand nothing.
//! Unlike CPU time alone it does not take a busy machine for an idle application. Rules; workers are admitted
//! only in windows in which requests waited and no worker slept:
//!
//! * little demand: workers block, admit as many again;
//! * some demand missing over several windows: admit one;
//! * full demand with several workers in the race for the GIL: withdraw one;
//! * more CPU time than threads that race for one GIL can use: code computes without it, admit one as long as all
//!   of them do (threads woken too early for the GIL wait for a CPU, so demand does not tell this);
//! * all that run are long, or asleep beside one that is: admit one so that short ones need not wait for them. If it
//!   turns out to be so, too, the next one follows; it takes ever longer to find out, because they share the GIL;
//! * with one worker and full demand, nobody can know whether the GIL is free, so now and then a second worker
//!   is tried, ever more rarely as long as it brings nothing.

use super::waits::STARVED;
use std::time::Duration;

/// A request that has used so much CPU time is long: its worker does not count against the limit. Its age would not tell:
/// two short ones that race for the GIL make each other old, and would keep the limit up for ever.
const LONG: Duration = Duration::from_millis(12);

/// How long a worker neither computes nor waits for a CPU, per worker that runs, until it is taken for asleep: of those
/// that race for the GIL each has its turn every few milliseconds.
const STILL: Duration = Duration::from_millis(20);

/// How long, at most, a worker admitted because of a long request stays when that has ended: where there were some there
/// will be others, and each would hold up the short ones for [`LONG`] again.
const HANGOVER: Duration = Duration::from_millis(250);

/// How long it stays for the time in which the long ones were seen. A single one (the garbage collector's, say)
/// must not cost many short ones a race for the GIL.
const STAY: u32 = 4;

/// Windows over which missing or full demand must be seen before one worker more or less is allowed.
const STEADY: u32 = 4;

/// Windows that the averages remember by which one is admitted: so many that a single one, in which the host took the
/// CPU away, decides nothing. One is withdrawn by those of [`STEADY`].
const MEMORY: u32 = 8;

/// Windows in a row that must look idle: on a busy machine a runnable worker may wait for a CPU through a whole
/// one, and the kernel counts that wait only when it is over.
const SURE: u32 = 2;

/// Demand below which workers are plainly blocked.
const IDLE: f64 = 0.5;
/// Average demand below which one more worker pays.
const SLACK: f64 = 0.85;
/// Average demand at which one of several workers is too many.
const FULL: f64 = 0.95;
/// CPU time that threads with a single GIL do not use together.
pub const PARALLEL: f64 = 1.3;
/// CPU time per worker from which one more pays when they compute without the GIL.
const SPREAD: f64 = 0.65;

/// First and longest pause between two trials of a second worker.
const TRIAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// What happened since the last tick.
#[derive(Debug, Clone, Copy, Default)]
pub struct PaceSample {
    /// Length of the window.
    pub elapsed: Duration,
    /// Requests wait now.
    pub waiting: bool,
    /// A worker slept for lack of events during the window, or does now.
    pub slept: bool,
    /// See the module's comment.
    pub demand: f64,
    /// The part of the demand that was met: CPU time by elapsed time.
    pub cpu: f64,
    /// Workers that run a request now.
    pub running: usize,
    /// Those of them that are no reason to keep others out: see [`RequestEffort::is_apart`].
    pub long: usize,
}

/// What one request has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestEffort {
    /// CPU time, ns.
    used: u64,
    /// For how long it has neither computed nor waited for a CPU, ns.
    still: u64,
}

impl RequestEffort {
    /// It has computed for so long, ns.
    pub fn compute(&mut self, used: u64) {
        self.used += used;
    }

    /// It wanted a CPU for `wanted` of a window of `elapsed` ns.
    pub fn settle(&mut self, wanted: u64, elapsed: u64) {
        self.still = if wanted < elapsed / STARVED { self.still + elapsed } else { 0 };
    }

    /// Whether it has used [`LONG`].
    pub fn is_long(self) -> bool {
        self.used >= LONG.as_nanos() as u64
    }

    /// Whether it is long or asleep, beside the others of the `running`.
    pub fn is_apart(self, running: usize) -> bool {
        self.is_long() || self.still >= STILL.as_nanos() as u64 * running.max(1) as u64
    }
}

/// Demand and CPU time, averaged over windows.
#[derive(Debug, Clone, Copy, Default)]
struct DemandMean {
    demand: f64,
    cpu: f64,
}

impl DemandMean {
    /// Of so many windows with this one; the plain mean at first, since the window in which a worker came or went tells
    /// little by itself.
    fn add(&mut self, sample: &PaceSample, windows: u32) {
        let weight = 1.0 / f64::from(windows);
        self.demand += (sample.demand - self.demand) * weight;
        self.cpu += (sample.cpu - self.cpu) * weight;
    }
}

/// See the module's comment.
#[derive(Debug)]
pub struct GatePace {
    threads: usize,
    /// Workers allowed besides those in long requests and those asleep.
    limit: usize,
    /// Workers allowed in addition because of long requests.
    extra: usize,
    /// Windows in a row with little demand.
    idle: u32,
    brief: DemandMean,
    lasting: DemandMean,
    /// Windows since the limit changed or no request ran.
    steady: u32,
    /// How long the last of the `extra` workers stays although fewer are in long requests.
    stay: Duration,
    /// Time of full demand with one worker since the last trial, and how long it must become for the next.
    full: Duration,
    pause: Duration,
    trial: bool,
}

impl GatePace {
    /// Starts with one worker.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            limit: 1,
            extra: 0,
            idle: 0,
            brief: DemandMean::default(),
            lasting: DemandMean::default(),
            steady: 0,
            stay: Duration::ZERO,
            full: Duration::ZERO,
            pause: TRIAL.0,
            trial: false,
        }
    }

    /// Judges one window; returns how many workers may be active.
    pub fn tick(&mut self, sample: &PaceSample) -> usize {
        self.judge_long(sample);
        if sample.running == 0 {
            self.steady = 0;
        } else {
            self.steady += 1;
            self.brief.add(sample, self.steady.min(STEADY));
            self.lasting.add(sample, self.steady.min(MEMORY));
            if sample.waiting && !sample.slept {
                self.judge_lack(sample);
            }
            self.judge_excess(sample);
        }
        (self.limit + self.extra).min(self.threads)
    }

    /// Requests wait and no worker sleeps: would one more do them any good?
    fn judge_lack(&mut self, sample: &PaceSample) {
        self.idle = if sample.demand < IDLE { self.idle + 1 } else { 0 };
        if self.idle >= SURE {
            self.idle = 0;
            self.set(self.limit * 2);
        } else if self.steady < STEADY {
        } else if self.lasting.cpu > PARALLEL.max(SPREAD * sample.running as f64) {
            self.trial = false;
            self.pause = TRIAL.0;
            self.set(self.limit + 1);
        } else if self.lasting.demand < SLACK {
            self.trial = false;
            self.set(self.limit + 1);
        } else if self.lasting.demand > FULL && self.limit == 1 {
            self.full += sample.elapsed;
            if self.full > self.pause && self.threads > 1 {
                self.trial = true;
                self.set(2);
            }
        }
    }

    /// The GIL is in full demand: do too many workers race for it?
    fn judge_excess(&mut self, sample: &PaceSample) {
        let fresh = sample.running - sample.long.min(sample.running);
        if self.steady < STEADY || self.brief.demand <= FULL || self.brief.cpu > PARALLEL {
            return;
        }
        if self.limit > 1 && (fresh > 1 || self.trial) {
            if std::mem::take(&mut self.trial) {
                self.pause = (self.pause * 2).min(TRIAL.1);
            }
            // Those asleep have no part in the race; the limit has to go below those that run.
            self.set(self.limit.min(fresh.max(2)) - 1);
        }
    }

    fn set(&mut self, limit: usize) {
        let limit = limit.clamp(1, self.threads);
        if limit != self.limit {
            self.limit = limit;
            self.steady = 0;
            self.full = Duration::ZERO;
        }
    }

    fn judge_long(&mut self, sample: &PaceSample) {
        if sample.waiting && !sample.slept && sample.running > 0 && sample.long >= sample.running {
            self.extra = self.extra.max(sample.long);
        }
        if self.extra == 0 {
        } else if sample.long >= self.extra {
            self.stay = (self.stay + sample.elapsed * STAY).min(HANGOVER);
        } else {
            self.stay = self.stay.saturating_sub(sample.elapsed);
            self.extra -= usize::from(self.stay.is_zero());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn busy(demand: f64, running: usize) -> PaceSample {
        PaceSample { elapsed: 3 * MS, waiting: true, demand, cpu: demand, running, ..PaceSample::default() }
    }

    #[test]
    fn blocked_workers_reach_all_threads_within_a_few_windows() {
        let mut pace = GatePace::new(8);
        let steps = [1, 1, 2, 2, 4, 4, 8].map(|n| pace.tick(&busy(0.05, n)));
        assert_eq!(steps, [1, 2, 2, 4, 4, 8, 8]);
    }

    #[test]
    fn computing_workers_shrink_to_one_and_stay_there() {
        let mut pace = GatePace::new(8);
        for n in [1, 1, 2, 2, 4, 4] {
            pace.tick(&busy(0.0, n));
        }
        let mut active = 8;
        for _ in 0..8 * STEADY {
            active = pace.tick(&busy(1.05, active));
        }
        assert_eq!(active, 1);
        let over = (0..4000).filter(|_| pace.tick(&busy(1.0, 1)) > 1).count();
        assert!(over < 100, "trials took {over} of 4000 windows");
    }

    #[test]
    fn a_gap_of_a_third_is_filled() {
        let mut pace = GatePace::new(8);
        for _ in 0..=STEADY {
            pace.tick(&busy(0.65, 1));
        }
        assert_eq!(pace.tick(&busy(0.9, 2)), 2);
        assert_eq!(pace.tick(&busy(0.9, 2)), 2);
    }

    #[test]
    fn computing_without_the_gil_is_found_by_trial() {
        let mut pace = GatePace::new(4);
        let mut active = 1;
        for _ in 0..200 {
            active = pace.tick(&busy(active.min(3) as f64, active));
        }
        assert_eq!(active, 4);
        // Many threads on the run queue are not parallel work.
        for _ in 0..8 * STEADY {
            active = pace.tick(&PaceSample { cpu: 1.05, ..busy(4.0, active) });
        }
        assert_eq!(active, 1);
    }

    #[test]
    fn one_is_admitted_beside_those_that_are_long() {
        let mut pace = GatePace::new(8);
        let mut tick = |running, long| pace.tick(&PaceSample { long, ..busy(1.0, running) });
        assert_eq!([tick(1, 0), tick(1, 1), tick(2, 1), tick(2, 2), tick(3, 2)], [1, 2, 2, 3, 3]);
    }

    #[test]
    fn those_admitted_beside_long_ones_stay_for_as_long_as_it_was_worth() {
        let stays = |long_windows| {
            let mut pace = GatePace::new(8);
            for _ in 0..long_windows {
                assert_eq!(pace.tick(&PaceSample { long: 1, ..busy(0.9, 1) }), 2);
            }
            (0..1000).take_while(|_| pace.tick(&busy(0.9, 1)) > 1).count() as u32
        };
        assert_eq!((stays(1), stays(5)), (STAY - 1, 5 * STAY - 1));
        assert_eq!(stays(100), HANGOVER.div_duration_f64(3 * MS) as u32);
    }

    #[test]
    fn a_single_window_decides_nothing() {
        for demands in [[0.46, 1.05, 0.99, 1.01, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.45, 1.0]] {
            let mut pace = GatePace::new(8);
            assert_eq!(demands.map(|demand| pace.tick(&busy(demand, 1))), [1; 6]);
        }
    }

    #[test]
    fn those_who_race_are_not_taken_for_asleep() {
        let ms = |n| n * MS.as_nanos() as u64;
        let is_apart = |used, still, running| RequestEffort { used, still }.is_apart(running);
        assert!(is_apart(ms(12), 0, 9) && is_apart(0, ms(40), 2) && !is_apart(ms(11), ms(39), 2));
        // A turn of the GIL takes 5 ms: whoever waits for all the others twice over is still in the race.
        assert!((2..64).all(|running| !is_apart(0, ms(2 * 5 * running), running as usize)));
    }

    #[test]
    fn no_request_waiting_changes_nothing() {
        let mut pace = GatePace::new(8);
        for _ in 0..100 {
            assert_eq!(pace.tick(&PaceSample { waiting: false, ..busy(0.0, 1) }), 1);
            assert_eq!(pace.tick(&PaceSample { slept: true, ..busy(0.0, 1) }), 1);
        }
    }
}
