//! What one worker thread is doing, in atomics that the controller and the timers read without a lock.

use super::os;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::Release};

/// What a worker thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum WorkerState {
    /// Not started yet, or ended.
    Absent = 0,
    /// Waits until the gate admits it.
    Parked = 1,
    /// Waits for an event, or is between two requests.
    Polling = 2,
    /// Runs a request.
    Running = 3,
}

/// One worker's record; a cache line pair of its own, written by that worker only (but for `injected_ns`).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct WorkerRecord {
    state: AtomicU8,
    /// Monotonic start of the running request, ns; 0 between requests.
    started_ns: AtomicU64,
    /// Requests begun: names a request to the timers so that a late interruption cannot hit the next one.
    begun: AtomicU64,
    /// Requests ended.
    finished: AtomicU64,
    /// Last sign of activity of a request that counts for the inactivity timer, monotonic ns; 0 = never.
    pub(super) touched_ns: AtomicU64,
    /// When the running request was interrupted, monotonic ns; 0 = was not. Written by the timer thread.
    pub(super) injected_ns: AtomicU64,
    /// Number of times the worker went to sleep for lack of events.
    pub(super) naps: AtomicU64,
    /// CPU clock of the thread.
    clock: AtomicI32,
    /// Kernel id of the thread.
    tid: AtomicI32,
}

impl WorkerRecord {
    /// Called by the worker itself when it starts.
    pub(super) fn enter(&self) {
        self.clock.store(os::own_cpu_clock().unwrap_or(0), Relaxed);
        self.tid.store(os::own_tid(), Relaxed);
        self.set(WorkerState::Polling);
    }

    /// What the worker is doing.
    pub(super) fn state(&self) -> WorkerState {
        match self.state.load(Relaxed) {
            1 => WorkerState::Parked,
            2 => WorkerState::Polling,
            3 => WorkerState::Running,
            _ => WorkerState::Absent,
        }
    }

    /// Notes what the worker does now.
    pub(super) fn set(&self, state: WorkerState) {
        self.state.store(state as u8, Relaxed);
    }

    /// A request begins at `now`.
    pub(super) fn begin(&self, now: u64) {
        self.injected_ns.store(0, Relaxed);
        self.begun.store(self.begun.load(Relaxed) + 1, Relaxed);
        self.started_ns.store(now, Release);
        self.set(WorkerState::Running);
    }

    /// The request ended.
    pub(super) fn end(&self) {
        self.started_ns.store(0, Release);
        self.finished.store(self.finished.load(Relaxed) + 1, Relaxed);
        self.set(WorkerState::Polling);
    }

    /// Number and start of the running request, if there is one.
    pub(super) fn running(&self) -> Option<(u64, u64)> {
        let started = self.started_ns.load(Relaxed);
        (started != 0).then(|| (self.begun.load(Relaxed), started))
    }

    /// Requests begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Requests ended so far.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Relaxed)
    }

    /// CPU time of the thread so far, ns.
    pub(super) fn cpu_ns(&self) -> u64 {
        match self.clock.load(Relaxed) {
            0 => 0,
            clock => os::clock_ns(clock).unwrap_or(0),
        }
    }

    /// Kernel id of the thread, 0 before it started.
    pub(super) fn tid(&self) -> i32 {
        self.tid.load(Relaxed)
    }
}
