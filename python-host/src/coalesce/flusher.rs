//! The threads that send what is held for too long: one that watches, and as many more as are kept by slow clients.

use super::DELAY;
use crate::scheduler::block_signals;
use crate::scheduler::clock::now_ns;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What flushers look at.
pub(super) trait FlusherTarget: Send + Sync {
    /// What there is to do at this moment. After [`FlusherLook::Done`] no flusher knows of it any more.
    fn inspect(&self, now: u64) -> FlusherLook;

    /// Sends what is due.
    fn flush(&self, now: u64);
}

/// What a flusher has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlusherLook {
    /// Nothing is held.
    Done,
    /// It may be due at this moment, monotonic ns.
    Again(u64),
    /// It has to be sent now.
    Due,
}

/// See the module's comment.
pub(super) struct FlusherThreads {
    books: Mutex<FlusherBooks>,
    wakeup: Condvar,
}

struct FlusherBooks {
    /// What to look at, and when.
    list: VecDeque<(u64, Arc<dyn FlusherTarget>)>,
    /// A flusher sleeps until the next of the list is due.
    watched: bool,
    /// Flushers that wait for the list, or are about to.
    idle: usize,
    /// Bytes of stack of the next one.
    stack: usize,
}

/// Those of this process.
pub(super) static FLUSHERS: FlusherThreads = FlusherThreads {
    books: Mutex::new(FlusherBooks { list: VecDeque::new(), watched: false, idle: 0, stack: 0 }),
    wakeup: Condvar::new(),
};

impl FlusherThreads {
    fn books(&self) -> MutexGuard<'_, FlusherBooks> {
        // Nothing panics under this lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something looked at, until nothing is held there. False: nobody can.
    pub(super) fn watch(&'static self, what: Arc<dyn FlusherTarget>, stack: usize) -> bool {
        let mut books = self.books();
        books.list.push_back((now_ns() + DELAY, what));
        books.stack = stack;
        let provided = self.provide(&mut books);
        if !provided {
            books.list.pop_back();
        }
        provided
    }

    /// Sees to it that somebody watches the list.
    fn provide(&'static self, books: &mut FlusherBooks) -> bool {
        if books.watched || books.list.is_empty() {
            return true;
        }
        if books.idle > 0 {
            self.wakeup.notify_one();
            return true;
        }
        let flusher = thread::Builder::new().name("wsgi-flusher".to_owned()).stack_size(books.stack);
        let flusher = flusher.spawn(|| self.run());
        books.idle += usize::from(flusher.is_ok());
        flusher.is_ok()
    }

    /// The body of a flusher; it lives as long as the process and knows nothing of Python.
    fn run(&'static self) {
        block_signals();
        let mut books = self.books();
        loop {
            let next = if books.watched { None } else { books.list.pop_front() };
            let Some((due, what)) = next else {
                books = self.wakeup.wait(books).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            (books.watched, books.idle) = (true, books.idle - 1);
            drop(books);
            let pause = due.saturating_sub(now_ns());
            if pause > 0 {
                thread::sleep(Duration::from_nanos(pause));
            }
            let look = what.inspect(now_ns());
            books = self.books();
            books.watched = false;
            match look {
                FlusherLook::Done => {}
                FlusherLook::Again(at) => books.list.push_back((at, what)),
                FlusherLook::Due => {
                    self.provide(&mut books);
                    drop(books);
                    what.flush(now_ns());
                    books = self.books();
                    books.list.push_back((now_ns() + DELAY, what));
                }
            }
            books.idle += 1;
        }
    }
}
