//! The controller thread: samples what the workers did and sets the gate by [`GatePace`].
//!
//! It ticks only while requests are being run, and parks otherwise; a worker that starts a request wakes it,
//! which in steady state costs that worker one fence and one load.

use super::gate::WorkerGate;
use super::os::{self, Epoll};
use crate::scheduler::pace::{GatePace, PaceSample, RequestEffort};
use crate::scheduler::waits::{STARVED, ThreadWaits, is_runnable};
use crate::scheduler::wakeup::Wakeup;
use crate::thread_record::{ThreadRecord, ThreadState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// Length of a window.
const TICK: Duration = Duration::from_micros(2500);
/// The same after [`CALM`] windows in a row in which the one worker found the time to sleep: nobody has to be admitted.
const CALM_TICK: Duration = Duration::from_millis(10);
const CALM: u32 = 16;

/// Most windows that a wait for a CPU, counted when it was over, may make up for.
const CARRY: u64 = 4;

/// Everything the controller looks at.
pub(super) struct WorkerController<'d> {
    pub(super) gate: &'d WorkerGate,
    pub(super) epoll: &'d Epoll,
    pub(super) slots: &'d [Arc<ThreadRecord>],
    pub(super) wakeup: &'d Wakeup,
    /// Set when the workers shall end.
    pub(super) stop: &'d AtomicBool,
}

/// What is remembered of one worker between two ticks.
#[derive(Debug, Default)]
struct WorkerTrack {
    cpu: u64,
    delay: u64,
    finished: u64,
    begun: u64,
    naps: u64,
    /// Time that was counted as a wait for a CPU before the kernel did.
    ahead: u64,
    /// Of the request that it runs.
    effort: RequestEffort,
    /// It runs one and has been looked at in this window.
    runs: bool,
    /// It was parked at the last tick.
    away: bool,
    waits: ThreadWaits,
}

impl WorkerController<'_> {
    /// The thread's body. `admit` makes one more worker active and says whether it did.
    pub(super) fn run(&self, admit: impl Fn() -> bool) {
        self.wakeup.listen();
        let mut pace = GatePace::new(self.slots.len());
        let mut tracks: Vec<WorkerTrack> = self.slots.iter().map(|_| WorkerTrack::default()).collect();
        let mut last = os::now_ns();
        let mut calm = 0;
        while !self.stop.load(Relaxed) {
            thread::sleep(if calm < CALM { TICK } else { CALM_TICK });
            let now = os::now_ns();
            let (mut sample, worked) = self.sample(&mut tracks, now - last);
            last = now;
            sample.waiting = self.epoll.has_event();
            let allowed = pace.tick(&sample);
            self.gate.allow(allowed);
            calm = if sample.slept && allowed == 1 { CALM.min(calm + 1) } else { 0 };
            if sample.waiting && self.gate.idle() == 0 {
                while admit() {}
            }
            if !worked {
                self.wakeup.sleep_unless(|| {
                    self.slots.iter().any(|s| s.running().is_some()) || self.stop.load(SeqCst)
                });
                (last, calm) = (os::now_ns(), 0);
                // A fresh baseline, so that the first window after the pause is judged by itself.
                self.sample(&mut tracks, TICK.as_nanos() as u64);
            }
        }
    }

    /// One window's figures, and whether any request was running in it.
    fn sample(&self, tracks: &mut [WorkerTrack], elapsed: u64) -> (PaceSample, bool) {
        let slept = self.gate.idle() > 0;
        let mut sample =
            PaceSample { elapsed: Duration::from_nanos(elapsed), slept, ..PaceSample::default() };
        let mut worked = false;
        let (mut used, mut wanted) = (0, 0);
        for (slot, track) in self.slots.iter().zip(tracks.iter_mut()) {
            track.runs = false;
            let state = slot.state();
            let (begun, finished, naps) = (slot.begun(), slot.finished(), slot.naps());
            let began = std::mem::replace(&mut track.begun, begun) != begun;
            let ended = finished - std::mem::replace(&mut track.finished, finished);
            let slept = std::mem::replace(&mut track.naps, naps) != naps;
            let was_away = std::mem::replace(
                &mut track.away,
                matches!(state, ThreadState::Absent | ThreadState::Parked),
            );
            if track.away {
                continue;
            }
            let running = slot.running();
            sample.slept |= slept;
            worked |= began || running.is_some();
            let is_another = began || ended > 0;
            if is_another || running.is_none() {
                track.effort = RequestEffort::default();
            }
            sample.running += usize::from(running.is_some());
            let (cpu, delay) = (slot.cpu_ns(), track.waits.delay(slot.tid()));
            let cpu = cpu.saturating_sub(std::mem::replace(&mut track.cpu, cpu)).min(elapsed);
            let delay = delay.saturating_sub(std::mem::replace(&mut track.delay, delay));
            if was_away {
                // What it did since it was last looked at is not this window's.
                continue;
            }
            used += cpu;
            if !is_another {
                track.effort.compute(cpu);
            }
            track.runs = running.is_some();
            // The kernel counts a wait for a CPU when it is over. One that takes the whole window looks like sleep; what
            // was counted ahead is taken off when it shows, and what shows too late for its window counts in this one.
            if running.is_some() && cpu + delay < elapsed / STARVED && is_runnable(slot.tid()) {
                track.ahead += elapsed;
                wanted += elapsed;
                continue;
            }
            let late = delay.saturating_sub(std::mem::take(&mut track.ahead));
            track.effort.settle(cpu + late, elapsed);
            wanted += (cpu + late).min(CARRY * elapsed);
        }
        let is_long = |track: &&WorkerTrack| track.runs && track.effort.is_apart(sample.running);
        sample.long = tracks.iter().filter(is_long).count();
        sample.cpu = used as f64 / elapsed.max(1) as f64;
        sample.demand = wanted as f64 / elapsed.max(1) as f64;
        (sample, worked)
    }
}
