//! Lets as many threads in as are allowed; the others wait in a queue, asleep, until they are called or led in.
//!
//! A thread that leaves calls the first of the queue, but whoever comes by meanwhile may go in before it: short turns
//! then cost no switch of threads. Once the first has waited for [`PATIENCE`] it is led in by the next that leaves.

use super::clock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// How long the first of the queue may be overtaken, ns.
const PATIENCE: u64 = 1_000_000;

/// In the queue, asleep or about to be.
const WAITING: u8 = 0;
/// In the queue, woken to try.
const CALLED: u8 = 1;
/// Inside; no longer in the queue.
const INSIDE: u8 = 2;
/// See the module's comment.
#[derive(Debug)]
pub struct AdmissionQueue {
    inside: AtomicUsize,
    allowed: AtomicUsize,
    /// Length of the queue.
    queued: AtomicUsize,
    /// The first of the queue has been called and has not tried yet.
    called: AtomicBool,
    queue: Mutex<VecDeque<Arc<AdmissionWaiter>>>,
}

/// Where a thread waits; one per thread.
#[derive(Debug)]
pub struct AdmissionWaiter {
    state: AtomicU8,
    /// Since when it is in the queue, or was led in, monotonic ns.
    since: AtomicU64,
    thread: Thread,
}

impl Default for AdmissionWaiter {
    /// For the calling thread.
    fn default() -> Self {
        let (state, since) = (AtomicU8::new(INSIDE), AtomicU64::new(0));
        Self { state, since, thread: thread::current() }
    }
}

impl AdmissionWaiter {
    fn tell(&self, state: u8) {
        self.state.store(state, SeqCst);
        self.thread.unpark();
    }
}

impl AdmissionQueue {
    /// Lets `allowed` in at once.
    pub fn new(allowed: usize) -> Self {
        Self {
            inside: AtomicUsize::new(0),
            allowed: AtomicUsize::new(allowed.max(1)),
            queued: AtomicUsize::new(0),
            called: AtomicBool::new(false),
            queue: Mutex::default(),
        }
    }

    /// Goes in if that is possible without waiting; how many are inside now.
    #[inline]
    pub fn try_enter(&self) -> Option<usize> {
        let mut inside = self.inside.load(SeqCst);
        while inside < self.allowed.load(SeqCst) {
            match self.inside.compare_exchange_weak(inside, inside + 1, SeqCst, SeqCst) {
                Ok(_) => return Some(inside + 1),
                Err(now) => inside = now,
            }
        }
        None
    }

    /// Waits until the calling thread, whose place this is, may go in; since when it is inside, monotonic ns.
    /// `queued` is called when others can see that it waits.
    #[cold]
    pub fn wait(&self, place: &Arc<AdmissionWaiter>, queued: impl FnOnce()) -> u64 {
        place.since.store(clock::now_ns(), Relaxed);
        let mut queue = self.queue();
        place.state.store(WAITING, SeqCst);
        queue.push_back(place.clone());
        self.queued.store(queue.len(), SeqCst);
        queued();
        // The last one may have left before anybody could see this thread in the queue.
        while self.try_enter().is_none() {
            drop(queue);
            while place.state.load(SeqCst) == WAITING {
                thread::park();
            }
            queue = self.queue();
            if place.state.load(SeqCst) == INSIDE {
                return place.since.load(Relaxed);
            }
            place.state.store(WAITING, SeqCst);
            // Before the next attempt: who leaves after it must see that nobody is on the way any more.
            self.called.store(false, SeqCst);
        }
        if place.state.swap(INSIDE, SeqCst) == CALLED {
            self.called.store(false, SeqCst);
        }
        queue.retain(|other| !Arc::ptr_eq(other, place));
        self.queued.store(queue.len(), SeqCst);
        if self.inside.load(SeqCst) < self.allowed.load(SeqCst) {
            self.call(&queue);
        }
        clock::now_ns()
    }

    /// Goes out.
    #[inline]
    pub fn leave(&self) {
        if self.queued.load(SeqCst) > 0 && self.lead_in() {
            return;
        }
        self.inside.fetch_sub(1, SeqCst);
        if self.queued.load(SeqCst) > 0 && !self.called.load(SeqCst) {
            self.call(&self.queue());
        }
    }

    /// Gives the calling thread's right to be inside to the first of the queue, if that has waited too long.
    #[cold]
    fn lead_in(&self) -> bool {
        let mut queue = self.queue();
        let Some(first) = queue.front() else { return false };
        let now = clock::now_ns();
        let waited = now.saturating_sub(first.since.load(Relaxed));
        if waited < PATIENCE || self.inside.load(SeqCst) > self.allowed.load(SeqCst) {
            return false;
        }
        self.take_first(&mut queue, now);
        true
    }

    /// Tells the first of the queue, for whom there is room, that it is inside.
    fn take_first(&self, queue: &mut VecDeque<Arc<AdmissionWaiter>>, now: u64) {
        let Some(first) = queue.pop_front() else { return };
        self.queued.store(queue.len(), SeqCst);
        if first.state.load(SeqCst) == CALLED {
            self.called.store(false, SeqCst);
        }
        first.since.store(now, Relaxed);
        first.tell(INSIDE);
    }

    /// Wakes the first of the queue to try; under the lock of the queue.
    #[cold]
    fn call(&self, queue: &VecDeque<Arc<AdmissionWaiter>>) {
        if let Some(first) = queue.front()
            && !self.called.swap(true, SeqCst)
        {
            first.tell(CALLED);
        }
    }

    /// Sets how many may be inside, and lets those in for whom there is room now.
    pub fn allow(&self, allowed: usize) {
        self.allowed.store(allowed.max(1), SeqCst);
        let mut queue = self.queue();
        while !queue.is_empty() && self.try_enter().is_some() {
            self.take_first(&mut queue, clock::now_ns());
        }
    }

    /// Whether somebody waits for longer than the time it takes to be called.
    pub fn keeps_waiting(&self, now: u64) -> bool {
        self.queued() > 0
            && self.queue().front().is_some_and(|p| now.saturating_sub(p.since.load(Relaxed)) >= PATIENCE)
    }

    /// How many wait.
    pub fn queued(&self) -> usize {
        self.queued.load(SeqCst)
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<AdmissionWaiter>>> {
        // Nothing panics under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn enter(admission: &AdmissionQueue) {
        if admission.try_enter().is_none() {
            admission.wait(&Arc::default(), || ());
        }
    }

    #[test]
    fn no_more_than_allowed_are_inside() {
        let admission = AdmissionQueue::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        enter(&admission);
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::hint::spin_loop();
                        inside.fetch_sub(1, SeqCst);
                        admission.leave();
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.into_inner()));
        assert_eq!((admission.inside(), admission.queued()), (0, 0));
    }

    #[test]
    fn those_who_waited_long_are_led_in_by_turns() {
        let admission = AdmissionQueue::new(1);
        let (sender, order) = mpsc::channel();
        std::thread::scope(|scope| {
            enter(&admission);
            for number in 0..4 {
                let (admission, sender) = (&admission, sender.clone());
                scope.spawn(move || {
                    enter(admission);
                    sender.send(number).unwrap();
                    std::thread::sleep(Duration::from_nanos(2 * PATIENCE));
                    admission.leave();
                });
                while admission.queued() != number + 1 {
                    std::thread::yield_now();
                }
            }
            std::thread::sleep(Duration::from_nanos(2 * PATIENCE));
            assert_eq!(admission.try_enter(), None);
            admission.leave();
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn everybody_gets_in_whatever_is_allowed_meanwhile() {
        let admission = AdmissionQueue::new(2);
        let done = AtomicUsize::new(0);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let workers = [(); 8].map(|()| {
                scope.spawn(|| {
                    let place = Arc::default();
                    for _ in 0..4000 {
                        if admission.try_enter().is_none() {
                            admission.wait(&place, || ());
                        }
                        done.fetch_add(1, SeqCst);
                        admission.leave();
                    }
                })
            });
            scope.spawn(|| {
                for round in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    admission.allow(1 + round % 3);
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            over.store(true, SeqCst);
        });
        assert_eq!((done.into_inner(), admission.inside(), admission.queued()), (8 * 4000, 0, 0));
    }

    #[test]
    fn more_room_is_used_at_once_and_less_when_somebody_leaves() {
        let admission = AdmissionQueue::new(1);
        enter(&admission);
        std::thread::scope(|scope| {
            let others = [(); 2].map(|()| scope.spawn(|| enter(&admission)));
            while admission.queued() != 2 {
                std::thread::yield_now();
            }
            admission.allow(9);
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        assert_eq!((admission.inside(), admission.queued()), (3, 0));
        admission.allow(1);
        admission.leave();
        assert_eq!(admission.try_enter(), None);
        admission.leave();
        admission.leave();
        assert_eq!(admission.try_enter(), Some(1));
    }
}
