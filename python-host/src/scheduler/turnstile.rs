//! Lets as many threads in as are allowed; the others wait in a queue, asleep, until they are called or led in.
//!
//! A thread that leaves calls the first of the queue, but whoever comes by meanwhile may go in before it: short turns
//! then cost no switch of threads. Once the first has waited for [`PATIENCE`] it is led in by the next that leaves.
//!
//! Long turns cost less when one thread does them all, because its memory is warm: with a steward on duty the queue
//! is served by that thread, in order, and those who queued find their tasks done when they wake.

use super::clock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

/// How long the first of the queue may be overtaken, ns.
const PATIENCE: u64 = 1_000_000;

/// In the queue, asleep or about to be.
const WAITING: u8 = 0;
/// In the queue, woken to try.
const CALLED: u8 = 1;
/// Inside; no longer in the queue.
const INSIDE: u8 = 2;
/// The steward does its task; no longer in the queue.
const TAKEN: u8 = 3;
/// The steward has done its task.
const DONE: u8 = 4;

/// What a thread wants to do inside.
pub struct Task<'t>(*mut (dyn FnMut() + 't));

// SAFETY: whoever brought it sleeps while another thread runs it, and it may be run by another (see `Task::of`).
unsafe impl Send for Task<'_> {}

impl std::fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

impl<'t> Task<'t> {
    /// A task that any thread may run.
    pub fn of(task: &'t mut (dyn FnMut() + Send + 't)) -> Self {
        Self(task)
    }

    /// A task for the calling thread.
    ///
    /// # Safety
    /// It does not come before a turnstile that has a steward.
    pub unsafe fn of_this_thread(task: &'t mut (dyn FnMut() + 't)) -> Self {
        Self(task)
    }

    /// Does it.
    pub fn run(&self) {
        // SAFETY: made from an exclusive reference that outlives this; one thread at a time has the task.
        unsafe { (*self.0)() }
    }

    /// The same for whoever does not know how long it lives.
    ///
    /// # Safety
    /// It is not run any more when its owner is gone.
    unsafe fn kept(&self) -> Task<'static> {
        // SAFETY: only the lifetime changes.
        Task(unsafe { std::mem::transmute::<*mut (dyn FnMut() + 't), *mut (dyn FnMut() + 'static)>(self.0) })
    }
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited {
    /// The calling thread is inside, since this time, monotonic ns.
    Inside(u64),
    /// The steward has done its task.
    Done,
}

/// See the module's comment.
#[derive(Debug)]
pub struct Turnstile {
    inside: AtomicUsize,
    allowed: AtomicUsize,
    /// Length of the queue.
    queued: AtomicUsize,
    /// The first of the queue has been called and has not tried yet.
    called: AtomicBool,
    queue: Mutex<VecDeque<Arc<Place>>>,
    steward: OnceLock<Thread>,
    /// The steward shall serve the queue.
    on_duty: AtomicBool,
    /// The steward is inside.
    serves: AtomicBool,
}

/// Where a thread waits; one per thread.
#[derive(Debug)]
pub struct Place {
    state: AtomicU8,
    /// Since when it is in the queue, or was led in, monotonic ns.
    since: AtomicU64,
    thread: Thread,
    task: Mutex<Option<Task<'static>>>,
}

impl Default for Place {
    /// For the calling thread.
    fn default() -> Self {
        let (state, since) = (AtomicU8::new(INSIDE), AtomicU64::new(0));
        Self { state, since, thread: thread::current(), task: Mutex::default() }
    }
}

impl Place {
    fn tell(&self, state: u8) {
        self.state.store(state, SeqCst);
        self.thread.unpark();
    }

    fn task(&self) -> MutexGuard<'_, Option<Task<'static>>> {
        // Nothing panics under this lock.
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turnstile {
    /// Lets `allowed` in at once.
    pub fn new(allowed: usize) -> Self {
        Self {
            inside: AtomicUsize::new(0),
            allowed: AtomicUsize::new(allowed.max(1)),
            queued: AtomicUsize::new(0),
            called: AtomicBool::new(false),
            queue: Mutex::default(),
            steward: OnceLock::new(),
            on_duty: AtomicBool::new(false),
            serves: AtomicBool::new(false),
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

    /// Waits until the calling thread, whose place this is, may go in, or its `task` has been done by the steward.
    /// `queued` is called when others can see that it waits.
    #[cold]
    pub fn wait(&self, place: &Arc<Place>, task: &Task<'_>, queued: impl FnOnce()) -> Waited {
        // SAFETY: the steward runs it while this thread is in here, or never: it is taken back before this thread
        // returns, unless it is done.
        *place.task() = Some(unsafe { task.kept() });
        place.since.store(clock::now_ns(), Relaxed);
        let mut queue = self.queue();
        place.state.store(WAITING, SeqCst);
        queue.push_back(place.clone());
        self.queued.store(queue.len(), SeqCst);
        queued();
        // The last one may have left before anybody could see this thread in the queue.
        while self.try_enter().is_none() {
            drop(queue);
            while matches!(place.state.load(SeqCst), WAITING | TAKEN) {
                thread::park();
            }
            queue = self.queue();
            match place.state.load(SeqCst) {
                DONE => return Waited::Done,
                INSIDE => {
                    *place.task() = None;
                    return Waited::Inside(place.since.load(Relaxed));
                }
                CALLED => {
                    place.state.store(WAITING, SeqCst);
                    // Before the next attempt: who leaves after it must see that nobody is on the way any more.
                    self.called.store(false, SeqCst);
                }
                // Taken between the call and the lock.
                _ => {
                    drop(queue);
                    while place.state.load(SeqCst) == TAKEN {
                        thread::park();
                    }
                    return Waited::Done;
                }
            }
        }
        place.state.store(INSIDE, SeqCst);
        *place.task() = None;
        queue.retain(|other| !Arc::ptr_eq(other, place));
        self.queued.store(queue.len(), SeqCst);
        if self.inside.load(SeqCst) < self.allowed.load(SeqCst) {
            self.call(&queue);
        }
        Waited::Inside(clock::now_ns())
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

    /// Makes the calling thread the steward, for good: it does the tasks of the queue, each with `turn`, whenever it is
    /// on duty and may go in.
    pub fn attend(&self, turn: impl Fn(&Task<'_>)) {
        // There is one steward.
        let _ = self.steward.set(thread::current());
        loop {
            while !self.serves.load(SeqCst) {
                thread::park();
            }
            while let Some(next) = self.next() {
                let task = next.task().take();
                // Whoever brought it waits for `DONE`.
                if let Some(task) = task {
                    turn(&task);
                }
                next.tell(DONE);
            }
        }
    }

    /// The next task for the steward; without one it has gone out.
    fn next(&self) -> Option<Arc<Place>> {
        let mut queue = self.queue();
        if self.on_duty.load(SeqCst)
            && self.inside.load(SeqCst) <= self.allowed.load(SeqCst)
            && let Some(next) = queue.pop_front()
        {
            self.queued.store(queue.len(), SeqCst);
            if next.state.swap(TAKEN, SeqCst) == CALLED {
                self.called.store(false, SeqCst);
            }
            return Some(next);
        }
        self.serves.store(false, SeqCst);
        self.inside.fetch_sub(1, SeqCst);
        self.call(&queue);
        None
    }

    /// Whether the steward shall serve the queue, if there is one.
    pub fn appoint(&self, on_duty: bool) {
        self.on_duty.store(on_duty, SeqCst);
    }

    /// The steward, if it is on duty and outside.
    fn idle_steward(&self) -> Option<&Thread> {
        let is_idle = self.on_duty.load(SeqCst) && !self.serves.load(SeqCst);
        if is_idle { self.steward.get() } else { None }
    }

    /// The steward goes in, with a right that the calling thread has.
    fn send_in(&self, steward: &Thread) {
        self.serves.store(true, SeqCst);
        steward.unpark();
    }

    /// Gives the calling thread's right to be inside to the steward, or to the first of the queue, if that has waited
    /// too long.
    #[cold]
    fn lead_in(&self) -> bool {
        let mut queue = self.queue();
        let Some(first) = queue.front() else { return false };
        if let Some(steward) = self.idle_steward()
            && self.inside.load(SeqCst) <= self.allowed.load(SeqCst)
        {
            self.send_in(steward);
            return true;
        }
        let now = clock::now_ns();
        let waited = now.saturating_sub(first.since.load(Relaxed));
        if waited < PATIENCE || self.inside.load(SeqCst) > self.allowed.load(SeqCst) {
            return false;
        }
        self.take_first(&mut queue, now);
        true
    }

    /// Tells the first of the queue, for whom there is room, that it is inside.
    fn take_first(&self, queue: &mut VecDeque<Arc<Place>>, now: u64) {
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
    fn call(&self, queue: &VecDeque<Arc<Place>>) {
        if let Some(steward) = self.idle_steward() {
            // Where there is no room somebody is inside, and will send it in.
            if !queue.is_empty() && self.try_enter().is_some() {
                self.send_in(steward);
            }
        } else if let Some(first) = queue.front()
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
            if let Some(steward) = self.idle_steward() {
                self.send_in(steward);
                continue;
            }
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

    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<Place>>> {
        // Nothing panics under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn enter(turnstile: &Turnstile) {
        if turnstile.try_enter().is_none() {
            turnstile.wait(&Arc::default(), &Task::of(&mut || ()), || ());
        }
    }

    #[test]
    fn no_more_than_allowed_are_inside() {
        let turnstile = Turnstile::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        enter(&turnstile);
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::hint::spin_loop();
                        inside.fetch_sub(1, SeqCst);
                        turnstile.leave();
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.into_inner()));
        assert_eq!((turnstile.inside(), turnstile.queued()), (0, 0));
    }

    #[test]
    fn those_who_waited_long_are_led_in_by_turns() {
        let turnstile = Turnstile::new(1);
        let (sender, order) = mpsc::channel();
        std::thread::scope(|scope| {
            enter(&turnstile);
            for number in 0..4 {
                let (turnstile, sender) = (&turnstile, sender.clone());
                scope.spawn(move || {
                    enter(turnstile);
                    sender.send(number).unwrap();
                    std::thread::sleep(Duration::from_nanos(2 * PATIENCE));
                    turnstile.leave();
                });
                while turnstile.queued() != number + 1 {
                    std::thread::yield_now();
                }
            }
            std::thread::sleep(Duration::from_nanos(2 * PATIENCE));
            assert_eq!(turnstile.try_enter(), None);
            turnstile.leave();
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    /// A turnstile with a steward on duty, which never ends.
    fn stewarded(allowed: usize) -> &'static Turnstile {
        let turnstile: &'static Turnstile = Box::leak(Box::new(Turnstile::new(allowed)));
        std::thread::spawn(|| turnstile.attend(|task| task.run()));
        while turnstile.steward.get().is_none() {
            std::thread::yield_now();
        }
        turnstile.appoint(true);
        turnstile
    }

    /// Does `task` inside, or has it done.
    fn act(turnstile: &Turnstile, place: &Arc<Place>, task: &mut (dyn FnMut() + Send)) {
        let task = Task::of(task);
        if turnstile.try_enter().is_none() && turnstile.wait(place, &task, || ()) == Waited::Done {
            return;
        }
        task.run();
        turnstile.leave();
    }

    #[test]
    fn the_steward_does_what_is_queued_in_order() {
        let turnstile = stewarded(1);
        let (sender, order) = mpsc::channel();
        std::thread::scope(|scope| {
            enter(turnstile);
            for number in 0..4 {
                let sender = sender.clone();
                scope.spawn(move || {
                    act(turnstile, &Arc::default(), &mut || {
                        sender.send((number, thread::current().id())).unwrap();
                    });
                });
                while turnstile.queued() != number + 1 {
                    std::thread::yield_now();
                }
            }
            turnstile.leave();
        });
        let done: Vec<_> = order.try_iter().collect();
        assert_eq!(done.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let steward = turnstile.steward.get().unwrap().id();
        assert!(done.iter().all(|(_, thread)| *thread == steward));
        while turnstile.inside() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(turnstile.queued(), 0);
    }

    #[test]
    fn each_task_is_done_once_whoever_does_it_and_whatever_is_ordered_meanwhile() {
        let turnstile = stewarded(2);
        let (inside, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let workers = [(); 8].map(|()| {
                scope.spawn(|| {
                    let place = Arc::default();
                    for _ in 0..4000 {
                        let mut times = 0;
                        act(turnstile, &place, &mut || {
                            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                            times += 1;
                            std::hint::spin_loop();
                            inside.fetch_sub(1, SeqCst);
                        });
                        done.fetch_add(times, SeqCst);
                        assert_eq!(times, 1);
                    }
                })
            });
            scope.spawn(|| {
                for round in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    turnstile.appoint(round % 3 != 0);
                    turnstile.allow(1 + round % 2);
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            over.store(true, SeqCst);
        });
        assert_eq!(done.into_inner(), 8 * 4000);
        assert!(most.into_inner() <= 2);
        turnstile.allow(1);
        while turnstile.inside() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn more_room_is_used_at_once_and_less_when_somebody_leaves() {
        let turnstile = Turnstile::new(1);
        enter(&turnstile);
        std::thread::scope(|scope| {
            let others = [(); 2].map(|()| scope.spawn(|| enter(&turnstile)));
            while turnstile.queued() != 2 {
                std::thread::yield_now();
            }
            turnstile.allow(9);
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        assert_eq!((turnstile.inside(), turnstile.queued()), (3, 0));
        turnstile.allow(1);
        turnstile.leave();
        assert_eq!(turnstile.try_enter(), None);
        turnstile.leave();
        turnstile.leave();
        assert_eq!(turnstile.try_enter(), Some(1));
    }
}
