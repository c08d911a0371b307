//! Wakes a thread that sleeps while there is nothing for it to do, at the cost of a fence and a load when it is awake.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::thread::{self, Thread};

/// See the module's comment.
#[derive(Debug, Default)]
pub struct Wakeup {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Wakeup {
    /// Called once by the thread that will sleep.
    pub fn listen(&self) {
        // Only one thread listens, so the error of a second call cannot happen.
        let _ = self.thread.set(thread::current());
    }

    /// There is work: the store that shows it comes before this call.
    #[inline]
    pub fn ring(&self) {
        // Pairs with the fence in `sleep_unless`: either the sleeper sees the work or this thread sees it asleep.
        fence(SeqCst);
        if self.asleep.load(Relaxed) {
            self.wake();
        }
    }

    /// Wakes the sleeper whether there is work or not.
    #[cold]
    pub fn wake(&self) {
        if self.asleep.swap(false, SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Sleeps until the wakeup rings, unless there is `work` already.
    pub fn sleep_unless(&self, work: impl Fn() -> bool) {
        self.asleep.store(true, SeqCst);
        fence(SeqCst);
        if work() {
            self.asleep.store(false, SeqCst);
            return;
        }
        while self.asleep.load(SeqCst) {
            thread::park();
        }
    }
}
