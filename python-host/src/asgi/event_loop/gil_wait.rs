//! How long the event loop has only waited for the GIL while another thread had it: that is no fault of the loop's.
//!
//! Who has the GIL Python tells nobody who has not. So the watch waits for it as well, and the main thread, which never
//! does, looks meanwhile whether the kernel has both waiting at the same futex. A loop that keeps the GIL itself runs, or
//! waits elsewhere.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};
use wsgi_system::clock::monotonic_ns;
use wsgi_system::process::own_tid;
use wsgi_system::stat::awaited_futex;

/// The two words of a condition variable that its waiters take turns at lie side by side (glibc).
const SAME_CONDITION: u64 = !7;

/// See the module's comment.
#[derive(Debug, Default)]
pub struct GilWait {
    /// The thread that waits beside the loop, by the kernel's id, and since when, monotonic ns; 0: it does not.
    beside: AtomicI32,
    since: AtomicU64,
    /// Both did at the last look.
    is_common: AtomicBool,
    /// Length of the waits that are over, ns.
    over: AtomicU64,
}

impl GilWait {
    /// Forgets what was.
    pub fn reset(&self) {
        self.over.store(0, SeqCst);
    }

    /// The calling thread asks for the GIL.
    pub fn begin(&self) {
        self.is_common.store(false, SeqCst);
        self.beside.store(own_tid(), SeqCst);
        self.since.store(monotonic_ns(), SeqCst);
    }

    /// It has got it, or does not ask any more.
    pub fn end(&self) {
        let since = self.since.swap(0, SeqCst);
        if since > 0 && self.is_common.load(SeqCst) {
            self.over.fetch_add(monotonic_ns().saturating_sub(since), SeqCst);
        }
    }

    /// Length of the waits of the loop's thread, ns, that are over.
    pub fn over(&self) -> u64 {
        self.over.load(SeqCst)
    }

    /// The same with the present one, after a look at what the loop's thread, `tid` to the kernel, waits for.
    pub fn look(&self, tid: i32) -> u64 {
        let since = self.since.load(SeqCst);
        if since == 0 {
            return self.over();
        }
        let place = |tid| awaited_futex(tid).map(|address| address & SAME_CONDITION);
        let is_common = place(tid).is_some_and(|here| place(self.beside.load(SeqCst)) == Some(here));
        self.is_common.store(is_common, SeqCst);
        let present = if is_common { monotonic_ns().saturating_sub(since) } else { 0 };
        self.over() + present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex, mpsc};
    use std::thread;

    /// A condition variable stands for the GIL.
    fn wait(gil: &(Mutex<bool>, Condvar)) {
        let free = gil.0.lock().expect("no panic");
        drop(gil.1.wait_while(free, |free| !*free));
    }

    fn free(gil: &(Mutex<bool>, Condvar)) {
        *gil.0.lock().expect("no panic") = true;
        gil.1.notify_all();
    }

    #[test]
    fn only_a_common_wait_counts() {
        let (gil, other, waits) = <((Mutex<bool>, Condvar), (Mutex<bool>, Condvar), GilWait)>::default();
        thread::scope(|scope| {
            let (tell, tids) = mpsc::channel();
            let waiting = |place| {
                let tell = tell.clone();
                scope.spawn(move || {
                    tell.send(own_tid()).expect("somebody listens");
                    wait(place);
                });
                tids.recv().expect("it says so")
            };
            let (victim, culprit) = (waiting(&gil), waiting(&other));
            assert_eq!(waits.look(victim), 0, "nobody waits beside it");
            let beside = scope.spawn(|| {
                waits.begin();
                wait(&gil);
                waits.end();
            });
            while waits.look(victim) == 0 {
                thread::yield_now();
            }
            assert_eq!(waits.look(culprit), 0);
            assert!(waits.look(victim) > 0);
            free(&gil);
            beside.join().expect("no panic");
            assert!(waits.over() > 0 && waits.look(victim) == waits.over());
            waits.reset();
            assert_eq!(waits.look(victim), 0);
            free(&other);
        });
    }
}
