//! What each request thread runs, for those who want to interrupt it or to look at it. A thread writes its own record, without a lock;
//! the list of all is locked when a thread comes or goes, and by those who look.

use crate::interpreter::Interpreter;
use crate::scheduler::clock::now_ns;
use crate::wsgi::request::CurrentRequest;
use pyo3::ffi;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One request thread.
#[derive(Debug)]
pub(crate) struct ThreadRecord {
    /// As [`super::Host::worker`] was told.
    number: u32,
    /// Python's name of the OS thread.
    ident: u64,
    /// Where it runs a request; null between two.
    interpreter: AtomicPtr<Interpreter>,
    /// Which request it runs there.
    window: CurrentRequest,
    /// RequestTimeout was raised in the request that it runs.
    injected: AtomicBool,
    /// Requests begun; names one.
    begun: AtomicU64,
    /// When the one under way was, monotonic ns; 0 between two, and where a scheduler keeps it.
    since: AtomicU64,
}

impl ThreadRecord {
    /// Of the calling thread.
    fn of_caller(number: u32) -> Self {
        Self {
            number,
            // SAFETY: the number only names this thread.
            ident: unsafe { ffi::PyThread_get_thread_ident() } as u64,
            interpreter: AtomicPtr::new(ptr::null_mut()),
            window: CurrentRequest::own(),
            injected: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// The thread begins a request; whether RequestTimeout was raised in the one before. `is_timed`: others want to know when it
    /// began.
    pub(crate) fn begin(&self, interpreter: &'static Interpreter, is_timed: bool) -> bool {
        self.note_begin(if is_timed { now_ns() } else { 0 });
        self.interpreter.store(ptr::from_ref(interpreter).cast_mut(), Release);
        self.was_injected()
    }

    /// The thread has ended it; whether RequestTimeout was raised in it.
    pub(crate) fn end(&self) -> bool {
        self.since.store(0, Release);
        self.interpreter.store(ptr::null_mut(), Release);
        self.was_injected()
    }

    fn note_begin(&self, since: u64) {
        // Only this thread writes them. Whoever sees the moment sees the number that it belongs to.
        self.begun.store(self.begun.load(Relaxed) + 1, Release);
        self.since.store(since, Release);
    }

    /// Nearly never: a load is cheaper than a swap.
    fn was_injected(&self) -> bool {
        self.injected.load(Acquire) && self.injected.swap(false, Acquire)
    }

    /// RequestTimeout was raised in its request.
    pub(super) fn note_injected(&self) {
        self.injected.store(true, Release);
    }

    /// Python's name of the OS thread.
    pub(super) fn ident(&self) -> u64 {
        self.ident
    }

    /// Where it runs a request.
    pub(super) fn interpreter(&self) -> Option<&'static Interpreter> {
        // SAFETY: null, or an interpreter, which lives as long as the process.
        unsafe { self.interpreter.load(Acquire).as_ref() }
    }

    /// Number and beginning of the request that it runs, if that is kept and did not change meanwhile.
    fn running(&self) -> Option<(u64, u64)> {
        let number = self.begun.load(Acquire);
        let since = self.since.load(Acquire);
        (since != 0 && self.begun.load(Acquire) == number).then_some((number, since))
    }
}

/// All request threads of a process.
#[derive(Debug, Default)]
pub(super) struct RequestThreads(Mutex<Vec<Arc<ThreadRecord>>>);

impl RequestThreads {
    fn list(&self) -> MutexGuard<'_, Vec<Arc<ThreadRecord>>> {
        // Each change is one push or one removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread is one from now on.
    pub(super) fn enter(&self, number: u32) -> Arc<ThreadRecord> {
        let record = Arc::new(ThreadRecord::of_caller(number));
        self.list().push(record.clone());
        record
    }

    /// A thread ends: nobody looks at it any more.
    pub(super) fn leave(&self, record: &Arc<ThreadRecord>) {
        self.list().retain(|known| !Arc::ptr_eq(known, record));
    }

    /// The record of a thread.
    pub(super) fn find(&self, number: u32) -> Option<Arc<ThreadRecord>> {
        self.list().iter().find(|record| record.number == number).cloned()
    }

    /// Calls `f` with the way to a thread's request, while the thread cannot end.
    pub(super) fn with_window<T>(&self, number: u32, f: impl FnOnce(CurrentRequest) -> T) -> Option<T> {
        let list = self.list();
        list.iter().find(|record| record.number == number).map(|record| f(record.window))
    }

    /// Threads that run a request whose beginning is kept: number of the thread, of the request, and that moment, monotonic ns.
    pub(super) fn running(&self) -> Vec<(u32, u64, u64)> {
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
        let record = ThreadRecord {
            number: 1,
            ident: 0,
            interpreter: AtomicPtr::new(ptr::null_mut()),
            window: CurrentRequest::own(),
            injected: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            since: AtomicU64::new(0),
        };
        assert_eq!(record.running(), None);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 1..=200_000 {
                    // Its number stands for its beginning.
                    record.note_begin(number);
                    assert!(!record.end());
                }
            });
            while !writer.is_finished() {
                if let Some((number, since)) = record.running() {
                    assert_eq!(number, since);
                }
            }
        });
        record.note_begin(7);
        assert_eq!(record.running(), Some((200_001, 7)));
        record.note_injected();
        assert_eq!((record.end(), record.end()), (true, false));
    }
}
