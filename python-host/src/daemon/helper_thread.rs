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

/// How often the GIL is taken for deadlock-timeout.
const PROBE_PERIOD: Duration = Duration::from_secs(1);

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

/// Takes the GIL once a second and notes when it last succeeded.
#[derive(Debug, Clone, Default)]
pub(super) struct GilWatchdog {
    at: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Arc<OnceLock<Thread>>,
}

impl GilWatchdog {
    /// Starts the thread; says whether that worked.
    pub(super) fn start<A: Application>(&self, application: &'static A, live: &Arc<AtomicUsize>) -> bool {
        self.at.store(os::now_ns(), SeqCst);
        let me = self.clone();
        spawn("wsgi-gil_watchdog", live, move || {
            // Only this thread sets it.
            let _ = me.thread.set(thread::current());
            while !me.stop.load(SeqCst) {
                application.probe();
                me.at.store(os::now_ns(), SeqCst);
                // `stop` unparks; if that comes between the two lines the token is kept.
                thread::park_timeout(PROBE_PERIOD);
            }
        })
    }

    /// Monotonic ns of the last success; 0 if it never ran.
    pub(super) fn last(&self) -> u64 {
        self.at.load(SeqCst)
    }

    /// Lets the thread end after the probe it is in.
    pub(super) fn stop(&self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
