//! How long the event loop has only waited for the GIL while another thread had it: that is no fault of the loop's.
//!
//! Who has the GIL Python tells nobody who has not. So the watch waits for it as well, and the main thread, which never
//! does, looks meanwhile whether the kernel has both waiting at the same futex. A loop that keeps the GIL itself runs, or
//! waits elsewhere.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use wsgi_system::clock::monotonic_ns;
use wsgi_system::process::own_tid;
use wsgi_system::stat::awaited_futex;

/// The two words of a condition variable that its waiters take turns at lie side by side (glibc).
const SAME_CONDITION: u64 = !7;

/// Who waits for the GIL wakes up every few milliseconds to ask for it: a look may find them awake.
const LOOKS: usize = 3;

/// And on a busy machine waits for a CPU then: so many times in a row that is not what a loop does which runs.
const MISSES: u32 = 3;

/// See the module's comment.
#[derive(Debug, Default)]
pub struct GilWait {
    /// The thread that waits beside the loop, by the kernel's id; 0: it does not.
    beside: AtomicI32,
    /// Until when it is known what the loop did, monotonic ns.
    seen: AtomicU64,
    /// Looks since then that found no common wait.
    misses: AtomicU32,
    /// How long it has waited, ns.
    waited: AtomicU64,
}

impl GilWait {
    /// Forgets what was.
    pub fn reset(&self) {
        self.waited.store(0, SeqCst);
    }

    /// The calling thread asks for the GIL.
    pub fn begin(&self) {
        self.note(monotonic_ns());
        self.beside.store(own_tid(), SeqCst);
    }

    /// It has got it, or does not ask any more.
    pub fn end(&self) {
        self.beside.store(0, SeqCst);
    }

    /// How long the loop has waited, ns, as far as has been seen.
    pub fn waited(&self) -> u64 {
        self.waited.load(SeqCst)
    }

    /// The same after a look at what the loop's thread, `tid` to the kernel, does now.
    pub fn look(&self, tid: i32) -> u64 {
        let beside = self.beside.load(SeqCst);
        if beside != 0 {
            let is_common = (0..LOOKS).any(|_| waits_beside(tid, beside));
            let now = monotonic_ns();
            if is_common {
                self.waited.fetch_add(self.note(now), SeqCst);
            } else if self.misses.fetch_add(1, SeqCst) + 1 >= MISSES {
                self.note(now);
            }
        }
        self.waited()
    }

    /// What the loop did is known until `now`; since when it was not, ns.
    fn note(&self, now: u64) -> u64 {
        self.misses.store(0, SeqCst);
        now.saturating_sub(self.seen.swap(now, SeqCst))
    }
}

/// Whether two threads wait for the same.
fn waits_beside(tid: i32, other: i32) -> bool {
    let place = |tid| awaited_futex(tid).map(|address| address & SAME_CONDITION);
    place(tid).is_some_and(|here| place(other) == Some(here))
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
            let waited = waits.waited();
            assert_eq!(waits.look(culprit), waited, "it waits for something else");
            assert!(waits.look(victim) > waited);
            free(&gil);
            beside.join().expect("no panic");
            assert_eq!(waits.waited(), waits.look(victim), "nobody waits beside it any more");
            waits.reset();
            assert_eq!(waits.look(victim), 0);
            free(&other);
        });
    }
}
