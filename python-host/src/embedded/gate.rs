//! The gate before the GIL of an httpd child: when requests crowd before the GIL, only as many threads contend for it as
//! keep it busy (design.md §4), by the same rules as in a daemon (`crate::scheduler::pace`).
//!
//! The gate stands open until there is a crowd: threads that sleep, compute long or compute without the GIL gain nothing
//! from waiting for each other. A request then goes in at the cost of one atomic operation. The thread that watches is
//! started by the first request that meets another one, and sleeps unless requests meet.

use crate::log;
use crate::scheduler::bell::Bell;
use crate::scheduler::block_signals;
use crate::scheduler::clock::{clock_ns, now_ns};
use crate::scheduler::meter::Meter;
use crate::scheduler::pace::{Effort, PARALLEL, Pace, Sample};
use crate::scheduler::turnstile::{Place, Turnstile};
use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Length of a window while the gate is kept.
const TICK: Duration = Duration::from_micros(2500);
/// The same while it stands open.
const WIDE_TICK: Duration = Duration::from_millis(10);

/// CPU time of the whole process by elapsed time below which nobody looks at its threads.
const QUIET: f64 = 0.5;
/// CPU time, and demand of short requests (see `pace`), from which requests are in each other's way; both averaged.
const CROWDED: (f64, f64) = (0.8, 1.2);
/// Weight of one window in these averages.
const WEIGHT: f64 = 0.1;
/// Demand below which there is no crowd any more, and for how long before the gate opens again.
const THIN: (f64, Duration) = (0.5, Duration::from_secs(1));

/// HTTP/2 brings threads of its own, so the number of threads per child is no bound.
const MOST: usize = 4096;

/// See the module's comment.
#[derive(Debug)]
pub struct Gate {
    turnstile: Turnstile,
    turns: Mutex<Vec<Watched>>,
    bell: Bell,
    watched: OnceLock<()>,
    open: AtomicBool,
}

/// What one request thread does, written by that thread only.
#[derive(Debug, Default)]
struct Turn {
    place: Arc<Place>,
    /// When it went in, monotonic ns; 0 outside.
    begun: AtomicU64,
    /// Time inside, ns, and number of turns, of those that ended.
    spent: AtomicU64,
    finished: AtomicU64,
}

/// A turn, and what was last seen of it.
#[derive(Debug)]
struct Watched {
    turn: Arc<Turn>,
    meter: Meter,
    inside: u64,
    finished: u64,
    /// Of the turn that it is in.
    effort: Effort,
}

/// The calling thread's membership.
struct Member {
    gate: &'static Gate,
    turn: Arc<Turn>,
    /// Requests that the thread runs inside of each other.
    depth: Cell<usize>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.gate.turns().retain(|watched| !Arc::ptr_eq(&watched.turn, &self.turn));
    }
}

thread_local! {
    static MEMBER: OnceCell<Member> = const { OnceCell::new() };
}

/// The calling thread is inside until this is dropped.
#[derive(Debug)]
pub struct Inside(());

impl Gate {
    /// Made once per child.
    pub fn new() -> Self {
        Self {
            turnstile: Turnstile::new(MOST),
            turns: Mutex::default(),
            bell: Bell::default(),
            watched: OnceLock::new(),
            open: AtomicBool::new(false),
        }
    }

    /// Waits until the calling thread may contend for the GIL.
    pub fn enter(&'static self) -> Inside {
        MEMBER.with(|member| member.get_or_init(|| self.join()).enter());
        Inside(())
    }

    /// From now on nobody waits.
    pub fn open(&self) {
        self.open.store(true, SeqCst);
        self.turnstile.allow(MOST);
    }

    fn join(&'static self) -> Member {
        let turn = Arc::<Turn>::default();
        let meter = Meter::of_this_thread();
        let effort = Effort::default();
        self.turns().push(Watched { turn: turn.clone(), meter, inside: 0, finished: 0, effort });
        Member { gate: self, turn, depth: Cell::new(0) }
    }

    fn turns(&self) -> MutexGuard<'_, Vec<Watched>> {
        // The list is whole at every moment.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests meet: somebody has to watch.
    #[cold]
    fn meet(&'static self) {
        self.watched.get_or_init(|| {
            let watch = thread::Builder::new().name("wsgi-gate".to_owned()).spawn(move || self.watch());
            if let Err(error) = watch {
                log::write(log::ERROR, &format!("No thread could be made to schedule requests: {error}."));
                self.open();
            }
        });
        self.bell.ring();
    }

    fn watch(&self) {
        block_signals();
        self.bell.listen();
        let mut crowd = Crowd::default();
        let mut last = now_ns();
        // What threads did before the first window is not to be judged.
        let mut is_baseline = true;
        while !self.open.load(SeqCst) {
            thread::sleep(if crowd.pace.is_some() { TICK } else { WIDE_TICK });
            let now = now_ns();
            let elapsed = now - std::mem::replace(&mut last, now);
            let share = crowd.share(elapsed);
            let is_quiet = share < QUIET && crowd.pace.is_none();
            if is_quiet {
                crowd.average(share, 0.0);
            } else {
                let (sample, young) = self.sample(now, elapsed);
                if !is_baseline
                    && let Some(allowed) = crowd.judge(&sample, young)
                    && !self.open.load(SeqCst)
                {
                    self.turnstile.allow(allowed);
                }
            }
            is_baseline = is_quiet;
            if !self.is_contended() {
                self.bell.sleep_unless(|| self.is_contended());
                last = now_ns();
                is_baseline = true;
            }
        }
    }

    fn is_contended(&self) -> bool {
        self.turnstile.queued() > 0 || self.turnstile.inside() > 1
    }

    /// One window's figures, and the demand of those that are not long. Its length is told by the time that the process
    /// was given: a busy machine makes all requests take long, and more of them at once would not help.
    fn sample(&self, now: u64, elapsed: u64) -> (Sample, f64) {
        let waiting = self.turnstile.keeps_waiting(now);
        let mut sample = Sample { waiting, ..Sample::default() };
        let (mut used, mut wanted, mut young) = (0, 0, 0);
        let mut turns = self.turns();
        for watched in turns.iter_mut() {
            let turn = &watched.turn;
            let (begun, finished) = (turn.begun.load(Relaxed), turn.finished.load(Relaxed));
            let runs = if begun == 0 { 0 } else { now.saturating_sub(begun) };
            let inside = turn.spent.load(Relaxed) + runs;
            let at_work = inside.saturating_sub(std::mem::replace(&mut watched.inside, inside)).min(elapsed);
            let ended = finished - std::mem::replace(&mut watched.finished, finished);
            if ended > 0 || begun == 0 {
                watched.effort = Effort::default();
            }
            if at_work == 0 && begun == 0 {
                continue;
            }
            let reading = watched.meter.read(elapsed, at_work, begun != 0);
            used += reading.used;
            wanted += reading.wanted;
            if begun != 0 {
                sample.running += 1;
                if ended == 0 {
                    watched.effort.compute(reading.used);
                    watched.effort.settle(reading.wanted, elapsed);
                }
            }
            if !watched.effort.is_long() {
                young += reading.wanted;
            }
        }
        let is_long = |watched: &&Watched| watched.effort.is_apart(sample.running);
        sample.long = turns.iter().filter(is_long).count();
        let length = (elapsed as f64 * used as f64 / wanted.max(used).max(1) as f64) as u64;
        sample.elapsed = Duration::from_nanos(if wanted == 0 { elapsed } else { length });
        sample.cpu = used as f64 / elapsed.max(1) as f64;
        sample.demand = wanted as f64 / elapsed.max(1) as f64;
        (sample, young as f64 / elapsed.max(1) as f64)
    }
}

/// Whether requests crowd before the GIL, and the rules that hold while they do.
#[derive(Debug, Default)]
struct Crowd {
    /// CPU time of the process at the last look, ns.
    clock: u64,
    /// Averages while the gate stands open.
    cpu: f64,
    young: f64,
    /// None: the gate stands open.
    pace: Option<Pace>,
    /// Since when demand is low.
    thin: Duration,
}

impl Crowd {
    /// CPU time of the process since the last look, by the time elapsed.
    fn share(&mut self, elapsed: u64) -> f64 {
        let clock = clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or(u64::MAX);
        let used = clock.saturating_sub(std::mem::replace(&mut self.clock, clock));
        used as f64 / elapsed.max(1) as f64
    }

    fn average(&mut self, cpu: f64, young: f64) {
        self.cpu += (cpu - self.cpu) * WEIGHT;
        self.young += (young - self.young) * WEIGHT;
    }

    /// Judges one window; how many may be inside, if that shall change.
    fn judge(&mut self, sample: &Sample, young: f64) -> Option<usize> {
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
        self.average(sample.cpu, young);
        // More CPU time than one GIL allows is no crowd, unless most of those who compute wait for a CPU.
        let is_single = sample.cpu <= PARALLEL || young > 2.0 * sample.cpu;
        let is_crowd = self.cpu > CROWDED.0 && self.young > CROWDED.1 && is_single;
        is_crowd.then(|| {
            self.pace = Some(Pace::new(MOST));
            1
        })
    }
}

impl Member {
    fn enter(&self) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if depth > 0 {
            return;
        }
        let turnstile = &self.gate.turnstile;
        let begun = match turnstile.try_enter() {
            Some(1) => now_ns(),
            Some(_) => {
                self.gate.meet();
                now_ns()
            }
            None => turnstile.wait(&self.turn.place, || self.gate.meet()),
        };
        self.turn.begun.store(begun, Release);
    }

    fn leave(&self) {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth > 0 {
            return;
        }
        let turn = &self.turn;
        let spent = now_ns().saturating_sub(turn.begun.load(Relaxed));
        turn.spent.store(turn.spent.load(Relaxed) + spent, Relaxed);
        turn.finished.store(turn.finished.load(Relaxed) + 1, Relaxed);
        turn.begun.store(0, Release);
        self.gate.turnstile.leave();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A thread that is inside is a member, and its local data lives as long as a request runs on it.
        let _ = MEMBER.try_with(|member| member.get().map(Member::leave));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu: f64) -> Sample {
        let elapsed = Duration::from_millis(10);
        Sample { elapsed, demand: cpu, cpu, running: 4, ..Sample::default() }
    }

    /// After how many windows the gate is set to `allowed`, if it is within five seconds.
    fn when(crowd: &mut Crowd, allowed: usize, cpu: f64, young: f64) -> Option<usize> {
        (0..500).position(|_| crowd.judge(&sample(cpu), young) == Some(allowed))
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
            assert_eq!(crowd.judge(&sample(0.9), 2.0), None);
            crowd.average(0.2, 0.0);
        }
    }
}
