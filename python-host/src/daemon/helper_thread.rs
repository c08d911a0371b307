//! Threads for work that needs the GIL and may therefore never end: nothing the main thread waits for.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use super::application::Application;
use super::os;

/// Jobs that may wait; further ones are dropped, as a full signal pipe would (spec/daemon.md §2.3).
const BACKLOG: usize = 64;

/// The GIL is taken for deadlock-timeout so many times within its length, but not more often than this: each time wakes an idle
/// process up.
const PROBES: u64 = 10;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

type HelperJob = Box<dyn FnOnce() + Send>;

/// A thread that does one job after the other; created with the first one.
#[derive(Debug)]
pub(super) struct HelperThread {
    name: &'static str,
    jobs: Option<SyncSender<HelperJob>>,
    live: Arc<AtomicUsize>,
}

impl HelperThread {
    /// `live` counts the threads that may still touch Python.
    pub(super) fn new(name: &'static str, live: Arc<AtomicUsize>) -> Self {
        Self { name, jobs: None, live }
    }

    /// Hands a job over. False: too many are waiting, or the thread could not be created.
    pub(super) fn ask(&mut self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut job: HelperJob = Box::new(job);
        if let Some(jobs) = &self.jobs {
            match jobs.try_send(job) {
                Ok(()) => return true,
                Err(TrySendError::Full(_)) => return false,
                // The thread died of a panic in a job: another one takes its place.
                Err(TrySendError::Disconnected(back)) => job = back,
            }
        }
        let (sender, receiver) = sync_channel::<HelperJob>(BACKLOG);
        let spawned = spawn(self.name, &self.live, move || receiver.iter().for_each(|job| job()));
        let accepted = spawned && sender.try_send(job).is_ok();
        self.jobs = Some(sender);
        accepted
    }

    /// Lets the thread end after the jobs it has.
    pub(super) fn dismiss(&mut self) {
        self.jobs = None;
    }
}

/// Starts a counted thread; says whether that worked.
fn spawn(name: &str, live: &Arc<AtomicUsize>, body: impl FnOnce() + Send + 'static) -> bool {
    struct HelperThreadLeave(Arc<AtomicUsize>);
    impl Drop for HelperThreadLeave {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    live.fetch_add(1, SeqCst);
    let leave = HelperThreadLeave(live.clone());
    let body = move || {
        let _leave = leave;
        body();
    };
    thread::Builder::new().name(name.to_owned()).stack_size(os::default_stack()).spawn(body).is_ok()
}

/// The pause between two attempts, for a deadlock-timeout of so many milliseconds.
fn pause(deadlock_ms: u64) -> Duration {
    Duration::from_millis(deadlock_ms / PROBES).max(SHORTEST_PAUSE)
}

/// Takes the GIL now and then and notes since when it waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct GilWatchdog {
    /// When the attempt under way began, monotonic ns; 0 while there is none.
    waiting_since: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Arc<OnceLock<Thread>>,
}

impl GilWatchdog {
    /// Starts the thread, for a deadlock-timeout of so many milliseconds; says whether that worked.
    pub(super) fn start<A: Application>(
        &self,
        application: &'static A,
        deadlock_ms: u64,
        live: &Arc<AtomicUsize>,
    ) -> bool {
        let me = self.clone();
        spawn("wsgi-gil_watchdog", live, move || {
            // Only this thread sets it.
            let _ = me.thread.set(thread::current());
            while !me.stop.load(SeqCst) {
                me.waiting_since.store(os::now_ns(), SeqCst);
                application.probe();
                me.waiting_since.store(0, SeqCst);
                // `stop` unparks; if that comes between the two lines the token is kept.
                thread::park_timeout(pause(deadlock_ms));
            }
        })
    }

    /// Since when it waits for the GIL, monotonic ns, if it does.
    pub(super) fn waiting_since(&self) -> Option<u64> {
        Some(self.waiting_since.load(SeqCst)).filter(|since| *since > 0)
    }

    /// Lets the thread end after the probe it is in.
    pub(super) fn stop(&self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_the_timeout_the_fewer_probes() {
        for (deadlock_ms, seconds) in [(1000, 1), (10_000, 1), (60_000, 6), (300_000, 30), (3_600_000, 360)] {
            assert_eq!(pause(deadlock_ms), Duration::from_secs(seconds), "{deadlock_ms}");
        }
    }
}
