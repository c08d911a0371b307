//! Which worker threads may poll for requests: a bound on the active ones, and a stack of the parked ones.
//!
//! The bound is the controller's; this file only keeps the books. A worker looks at two atomics before it
//! polls and comes to the lock only to park. The most recently parked worker is woken first.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whom to start after [`WorkerGate::admit`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AdmittedWorkers {
    /// A parked worker has been woken.
    Woken,
    /// The caller has to start the worker with this index.
    Start(usize),
    /// No more are allowed.
    Nobody,
}

/// See the module's comment.
#[derive(Debug)]
pub(super) struct WorkerGate {
    allowed: AtomicUsize,
    active: AtomicUsize,
    /// Active workers that are asleep for lack of events.
    idle: AtomicUsize,
    books: Mutex<WorkerBooks>,
    /// One per worker, used with `books`.
    wakeups: Box<[Condvar]>,
}

#[derive(Debug, Default)]
struct WorkerBooks {
    parked: Vec<usize>,
    started: usize,
    closed: bool,
}

impl WorkerGate {
    /// A gate for up to `threads` workers, of which `allowed` may be active at first.
    pub(super) fn new(threads: usize, allowed: usize) -> Self {
        Self {
            allowed: AtomicUsize::new(allowed.clamp(1, threads.max(1))),
            active: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            books: Mutex::default(),
            wakeups: (0..threads).map(|_| Condvar::new()).collect(),
        }
    }

    fn books(&self) -> MutexGuard<'_, WorkerBooks> {
        // Nothing panics between two writes to the books.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more workers are active than allowed: the one that asks shall park.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.active.load(SeqCst) > self.allowed.load(SeqCst)
    }

    /// Whether nobody waits for the next event although one more worker would be allowed to.
    #[inline]
    pub(super) fn lacks_poller(&self) -> bool {
        self.idle.load(SeqCst) == 0 && self.active.load(SeqCst) < self.allowed.load(SeqCst)
    }

    /// A worker goes to sleep until an event comes.
    pub(super) fn begin_nap(&self) {
        self.idle.fetch_add(1, SeqCst);
    }

    /// It woke.
    pub(super) fn end_nap(&self) {
        self.idle.fetch_sub(1, SeqCst);
    }

    /// Active workers asleep for lack of events.
    pub(super) fn idle(&self) -> usize {
        self.idle.load(SeqCst)
    }

    /// Sets the bound.
    pub(super) fn allow(&self, workers: usize) {
        self.allowed.store(workers.clamp(1, self.wakeups.len().max(1)), SeqCst);
    }

    /// Makes one more worker active if the bound permits.
    pub(super) fn admit(&self) -> AdmittedWorkers {
        let mut books = self.books();
        if books.closed || self.active.load(SeqCst) >= self.allowed.load(SeqCst) {
            return AdmittedWorkers::Nobody;
        }
        if let Some(index) = books.parked.pop() {
            self.active.fetch_add(1, SeqCst);
            self.wakeups[index].notify_one();
            return AdmittedWorkers::Woken;
        }
        if books.started == self.wakeups.len() {
            return AdmittedWorkers::Nobody;
        }
        self.active.fetch_add(1, SeqCst);
        books.started += 1;
        AdmittedWorkers::Start(books.started - 1)
    }

    /// The thread of the worker just admitted could not be created.
    pub(super) fn start_failed(&self) {
        let mut books = self.books();
        books.started -= 1;
        self.active.fetch_sub(1, SeqCst);
    }

    /// Parks the calling worker while more are active than allowed. False: the gate is closed.
    pub(super) fn park(&self, index: usize) -> bool {
        let mut books = self.books();
        if !books.closed && self.is_over() {
            self.active.fetch_sub(1, SeqCst);
            books.parked.push(index);
            while !books.closed && books.parked.contains(&index) {
                books = self.wakeups[index].wait(books).unwrap_or_else(PoisonError::into_inner);
            }
        }
        !books.closed
    }

    /// Lets all parked workers return; nobody parks or starts any more.
    pub(super) fn close(&self) {
        self.books().closed = true;
        for wakeup in &self.wakeups {
            wakeup.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn workers_start_lazily_and_park_last_in_first_out() {
        let gate = Arc::new(WorkerGate::new(3, 1));
        assert!(gate.lacks_poller());
        assert_eq!(gate.admit(), AdmittedWorkers::Start(0));
        assert_eq!(gate.admit(), AdmittedWorkers::Nobody);
        gate.allow(9);
        assert_eq!(gate.admit(), AdmittedWorkers::Start(1));
        assert_eq!(gate.admit(), AdmittedWorkers::Start(2));
        assert_eq!(gate.admit(), AdmittedWorkers::Nobody);
        gate.allow(1);
        assert!(gate.is_over());
        let (sender, woken) = std::sync::mpsc::channel();
        for index in [1, 2] {
            let (gate, sender) = (gate.clone(), sender.clone());
            std::thread::spawn({
                let gate = gate.clone();
                move || sender.send((index, gate.park(index)))
            });
            while gate.books().parked.last() != Some(&index) {
                std::thread::yield_now();
            }
        }
        assert!(!gate.is_over());
        gate.allow(2);
        assert_eq!(gate.admit(), AdmittedWorkers::Woken);
        assert_eq!(woken.recv().unwrap(), (2, true));
        assert_eq!(gate.admit(), AdmittedWorkers::Nobody);
        gate.close();
        assert_eq!(woken.recv().unwrap(), (1, false));
        assert_eq!(gate.admit(), AdmittedWorkers::Nobody);
    }
}
