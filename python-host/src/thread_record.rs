//! What a request thread does, in atomics that others read without a lock: the scheduler, the timers, and whoever interrupts
//! its request or looks at it. There is one record for each thread, which the thread itself writes.

use crate::interpreter::Interpreter;
use crate::python::{self, Attached};
use crate::wsgi::request::RequestWindow;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wsgi_system::clock::{clock_ns, own_cpu_clock};
use wsgi_system::process::own_tid;

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ThreadState {
    /// Not started yet, or ended.
    Absent = 0,
    /// Waits until the gate admits it.
    Parked = 1,
    /// Waits for an event, or is between two requests.
    Polling = 2,
    /// Runs a request.
    Running = 3,
}

/// See the module's comment; a cache line pair of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ThreadRecord {
    /// Request threads count from 1 (spec/behaviour.md §1.9); the main thread is 0.
    number: u32,
    state: AtomicU8,
    /// When the request under way began, monotonic ns; 0 between two, and where nobody wants to know.
    since: AtomicU64,
    /// Requests begun: names one, so that a late interruption cannot hit the next one.
    begun: AtomicU64,
    /// Requests ended.
    finished: AtomicU64,
    /// Last sign of activity of a request that counts for the inactivity timer, monotonic ns; 0 = never.
    touched: AtomicU64,
    /// When the request under way was to be interrupted, monotonic ns; 0 = was not. Written by the timer thread.
    interrupted: AtomicU64,
    /// RequestTimeout was raised in it. Written by who has done that.
    is_injected: AtomicBool,
    /// Number of times the thread went to sleep for lack of events.
    naps: AtomicU64,
    /// Its CPU clock, the kernel's name of it, and Python's.
    clock: AtomicI32,
    tid: AtomicI32,
    ident: AtomicU64,
    /// Which request it runs, and where.
    window: RequestWindow,
}

impl ThreadRecord {
    /// Of thread `number`, which has not begun.
    pub fn new(number: u32) -> Arc<Self> {
        Arc::new(Self { number, ..Self::default() })
    }

    /// Called by the thread itself when it starts to poll for requests.
    pub fn enter(&self) {
        self.clock.store(own_cpu_clock().unwrap_or(0), Relaxed);
        self.tid.store(own_tid(), Relaxed);
        self.set(ThreadState::Polling);
    }

    /// As the thread was numbered.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What the thread is doing.
    pub fn state(&self) -> ThreadState {
        match self.state.load(Relaxed) {
            1 => ThreadState::Parked,
            2 => ThreadState::Polling,
            3 => ThreadState::Running,
            _ => ThreadState::Absent,
        }
    }

    /// Notes what the thread does now.
    pub fn set(&self, state: ThreadState) {
        self.state.store(state as u8, Relaxed);
    }

    /// A request begins at `now`.
    pub fn begin(&self, now: u64) {
        self.interrupted.store(0, Relaxed);
        // Whoever sees the moment sees the number that it belongs to.
        self.begun.store(self.begun.load(Relaxed) + 1, Release);
        self.since.store(now, Release);
        self.set(ThreadState::Running);
    }

    /// The request ended.
    pub fn end(&self) {
        self.since.store(0, Release);
        self.finished.store(self.finished.load(Relaxed) + 1, Relaxed);
        self.set(ThreadState::Polling);
    }

    /// Number and beginning of the request under way, if there is one, that is kept, and it did not change meanwhile.
    pub fn running(&self) -> Option<(u64, u64)> {
        let number = self.begun.load(Acquire);
        let since = self.since.load(Acquire);
        (since != 0 && self.begun.load(Acquire) == number).then_some((number, since))
    }

    /// Requests begun so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Requests ended so far.
    pub fn finished(&self) -> u64 {
        self.finished.load(Relaxed)
    }

    /// A request that counts for the inactivity timer gives a sign of activity.
    pub fn touch(&self, now: u64) {
        self.touched.store(now, Relaxed);
    }

    /// When the last one was, monotonic ns; 0 = never.
    pub fn touched(&self) -> u64 {
        self.touched.load(Relaxed)
    }

    /// The request under way is to be interrupted.
    pub fn note_interrupted(&self, now: u64) {
        self.interrupted.store(now, Relaxed);
    }

    /// When it was, monotonic ns; 0 = was not.
    pub fn interrupted(&self) -> u64 {
        self.interrupted.load(Relaxed)
    }

    /// The thread goes to sleep for lack of events.
    pub fn nap(&self) {
        self.naps.store(self.naps() + 1, Relaxed);
    }

    /// How often it has.
    pub fn naps(&self) -> u64 {
        self.naps.load(Relaxed)
    }

    /// CPU time of the thread so far, ns.
    pub fn cpu_ns(&self) -> u64 {
        match self.clock.load(Relaxed) {
            0 => 0,
            clock => clock_ns(clock).unwrap_or(0),
        }
    }

    /// Kernel id of the thread, 0 before it started.
    pub fn tid(&self) -> i32 {
        self.tid.load(Relaxed)
    }

    /// Python's name of the thread.
    pub fn ident(&self) -> u64 {
        self.ident.load(Relaxed)
    }

    /// The thread goes into Python with a request; whether RequestTimeout was raised in the one before.
    pub fn enter_interpreter(&self, py: Attached<'_>, interpreter: &'static Interpreter) -> bool {
        self.window.enter(py, interpreter);
        self.take_injected()
    }

    /// It is done with it there; whether RequestTimeout was raised in it.
    pub fn leave_interpreter(&self) -> bool {
        self.window.leave();
        self.take_injected()
    }

    /// Where it runs a request.
    pub fn interpreter(&self) -> Option<&'static Interpreter> {
        self.window.interpreter()
    }

    /// Which request it runs.
    pub fn window(&self) -> &RequestWindow {
        &self.window
    }

    /// RequestTimeout was raised in its request.
    pub fn note_injected(&self) {
        self.is_injected.store(true, Release);
    }

    /// Nearly never: a load is cheaper than a swap.
    fn take_injected(&self) -> bool {
        self.is_injected.load(Acquire) && self.is_injected.swap(false, Acquire)
    }
}

/// The request threads of a process that can go into Python.
#[derive(Debug)]
pub struct RequestThreads(Mutex<Vec<Arc<ThreadRecord>>>);

/// Those of this process.
pub static THREADS: RequestThreads = RequestThreads(Mutex::new(Vec::new()));

impl RequestThreads {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<ThreadRecord>>> {
        // Each change is one push or one removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread, whose record this is, is one from now on.
    pub fn enter(&self, record: Arc<ThreadRecord>) {
        record.ident.store(python::thread_ident(), Relaxed);
        self.list().push(record);
    }

    /// A thread ends: nobody looks at it any more.
    pub fn leave(&self, record: &Arc<ThreadRecord>) {
        self.list().retain(|known| !Arc::ptr_eq(known, record));
    }

    /// The record of a thread.
    pub fn find(&self, number: u32) -> Option<Arc<ThreadRecord>> {
        self.list().iter().find(|record| record.number == number).cloned()
    }

    /// Threads that run a request whose beginning is kept: number of the thread, of the request, and that moment, monotonic ns.
    pub fn running(&self) -> Vec<(u32, u64, u64)> {
        let running = |record: &Arc<ThreadRecord>| {
            record.running().map(|(number, since)| (record.number, number, since))
        };
        self.list().iter().filter_map(running).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Nobody may take one request's beginning for that of the next: it would be reported as slow.
    #[test]
    fn number_and_beginning_belong_together() {
        let record = ThreadRecord::new(1);
        assert_eq!(record.running(), None);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 1..=200_000 {
                    // Its number stands for its beginning.
                    record.begin(number);
                    record.end();
                }
            });
            while !writer.is_finished() {
                if let Some((number, since)) = record.running() {
                    assert_eq!(number, since);
                }
            }
        });
        record.begin(7);
        assert_eq!(record.running(), Some((200_001, 7)));
        record.note_injected();
        assert_eq!((record.leave_interpreter(), record.leave_interpreter()), (true, false));
    }
}
