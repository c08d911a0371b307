//! The gate before a GIL: when requests crowd before it, only as many threads contend for it as keep it busy
//! (decisions.md, "As few threads contend for the GIL as keep it busy"), by the rules of `super::pace`. It serves
//! threads that come with their requests: those of an httpd
//! child, and those of a daemon in which interpreters have GILs of their own.
//!
//! The gate stands open until there is a crowd: threads that sleep, compute long or compute without the GIL gain nothing
//! from waiting for each other. A request then goes in at the cost of one atomic operation. The thread that watches is
//! started by the first request that meets another one, and sleeps unless requests meet.

use super::admission::{AdmissionQueue, AdmissionWaiter};
use super::block_signals;
use super::clock::now_ns;
use super::crowd::{Crowd, CrowdWindow, MOST};
use super::meter::ThreadMeter;
use super::pace::{PaceSample, RequestEffort};
use super::wakeup::Wakeup;
use crate::log;
use crate::thread_end;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Length of a window while the gate is kept.
const TICK: Duration = Duration::from_micros(2500);
/// The same while it stands open.
const WIDE_TICK: Duration = Duration::from_millis(10);

/// CPU time of the whole process by elapsed time below which nobody looks at its threads.
const QUIET: f64 = 0.5;

/// See the module's comment.
#[derive(Debug)]
pub struct Gate {
    admission: AdmissionQueue,
    turns: Mutex<Vec<WatchedTurn>>,
    wakeup: Wakeup,
    watched: OnceLock<()>,
    open: AtomicBool,
}

/// What one thread does at one gate, written by that thread only. It is no part of the thread's record: a thread may come to
/// several gates, which count for themselves, and comes to them before it is known which of its records the request will have.
#[derive(Debug, Default)]
struct GateTurn {
    place: Arc<AdmissionWaiter>,
    /// When it went in, monotonic ns; 0 outside.
    begun: AtomicU64,
    /// Time inside, ns, and number of turns, of those that ended.
    spent: AtomicU64,
    finished: AtomicU64,
    /// Since when it sends or receives without the GIL, monotonic ns, or 0; and for how long it has done so before.
    away_since: AtomicU64,
    away: AtomicU64,
}

impl GateTurn {
    fn begin(&self, now: u64) {
        self.begun.store(now, Release);
    }

    fn end(&self) {
        let spent = now_ns().saturating_sub(self.begun.load(Relaxed));
        self.spent.store(self.spent.load(Relaxed) + spent, Relaxed);
        self.finished.store(self.finished.load(Relaxed) + 1, Relaxed);
        self.begun.store(0, Release);
    }

    /// Time at work inside until `now`, ns.
    fn inside(&self, begun: u64, now: u64) -> u64 {
        let since = |time: u64| if time == 0 { 0 } else { now.saturating_sub(time) };
        let away = self.away.load(Relaxed) + since(self.away_since.load(Relaxed));
        (self.spent.load(Relaxed) + since(begun)).saturating_sub(away)
    }
}

/// A turn, and what was last seen of it.
#[derive(Debug)]
struct WatchedTurn {
    turn: Arc<GateTurn>,
    meter: ThreadMeter,
    inside: u64,
    finished: u64,
    /// Of the turn that it is in.
    effort: RequestEffort,
}

/// A thread's membership of a gate.
struct GateMember {
    gate: &'static Gate,
    turn: Arc<GateTurn>,
}

impl Drop for GateMember {
    fn drop(&mut self) {
        self.gate.turns().retain(|watched| !Arc::ptr_eq(&watched.turn, &self.turn));
    }
}

/// What a thread knows of gates.
#[derive(Default)]
struct GateMemberships {
    list: RefCell<Vec<Rc<GateMember>>>,
    /// It is inside of one: requests that it runs inside of its request pass all.
    inside: Cell<bool>,
    /// The turn that it does.
    turn: RefCell<Option<Arc<GateTurn>>>,
}

/// Runs `f`, which sends or receives without the GIL, in the midst of a turn: it keeps nobody from that GIL, however
/// long it takes.
pub fn away(f: &mut dyn FnMut()) {
    struct BackAtWork(Option<Arc<GateTurn>>);
    impl Drop for BackAtWork {
        fn drop(&mut self) {
            if let Some(turn) = &self.0 {
                let since = turn.away_since.swap(0, Relaxed);
                turn.away.fetch_add(now_ns().saturating_sub(since), Relaxed);
                MEMBERSHIPS.with(|own| own.turn.replace(self.0.take()));
            }
        }
    }
    // Taken: what is sent may begin another request in the midst of this one.
    let turn = MEMBERSHIPS.with(|own| own.turn.take());
    if let Some(turn) = &turn {
        turn.away_since.store(now_ns(), Relaxed);
    }
    let _back = BackAtWork(turn);
    f();
}

thread_local! {
    /// Never dropped: see `thread_end`.
    static MEMBERSHIPS: ManuallyDrop<GateMemberships> = ManuallyDrop::default();
}

/// The thread is inside until this is dropped.
struct InsideGate<'m>(&'m GateMemberships, Rc<GateMember>);

impl Drop for InsideGate<'_> {
    fn drop(&mut self) {
        self.0.inside.set(false);
        self.0.turn.take();
        self.1.turn.end();
        self.1.gate.admission.leave();
    }
}

impl Default for Gate {
    /// A gate that stands open.
    fn default() -> Self {
        Self {
            admission: AdmissionQueue::new(MOST),
            turns: Mutex::default(),
            wakeup: Wakeup::default(),
            watched: OnceLock::new(),
            open: AtomicBool::new(false),
        }
    }
}

impl Gate {
    /// Runs `task` when the calling thread may contend for the GIL.
    pub fn run(&'static self, task: &mut dyn FnMut()) {
        MEMBERSHIPS.with(|own| {
            if own.inside.get() {
                return task();
            }
            let member = own.of(self);
            member.turn.begin(member.enter());
            own.inside.set(true);
            own.turn.replace(Some(member.turn.clone()));
            let _inside = InsideGate(own, member);
            task();
        });
    }

    /// From now on nobody waits.
    pub fn open(&self) {
        self.open.store(true, SeqCst);
        self.admission.allow(MOST);
    }

    /// Begins to watch the calling thread.
    fn join(&'static self) -> GateMember {
        let turn = Arc::<GateTurn>::default();
        let (meter, effort) = (ThreadMeter::of_this_thread(), RequestEffort::default());
        self.turns().push(WatchedTurn { turn: turn.clone(), meter, inside: 0, finished: 0, effort });
        GateMember { gate: self, turn }
    }

    fn turns(&self) -> MutexGuard<'_, Vec<WatchedTurn>> {
        // The list is whole at every moment.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests meet: somebody has to watch.
    #[cold]
    fn meet(&'static self) {
        self.watched.get_or_init(|| {
            let watch = thread::Builder::new().name("wsgi-gate".to_owned()).spawn(move || self.watch());
            if let Err(error) = watch {
                log::write(log::ERROR, &format!("No thread could be made to schedule requests: {error}."));
                self.open();
            }
        });
        self.wakeup.ring();
    }

    fn watch(&'static self) {
        block_signals();
        self.wakeup.listen();
        let mut crowd = Crowd::default();
        let mut last = now_ns();
        // What threads did before the first window is not to be judged.
        let mut is_baseline = true;
        while !self.open.load(SeqCst) {
            thread::sleep(if crowd.is_kept() { TICK } else { WIDE_TICK });
            let now = now_ns();
            let elapsed = now - std::mem::replace(&mut last, now);
            let share = crowd.share(elapsed);
            let is_quiet = share < QUIET && !crowd.is_kept();
            if is_quiet {
                crowd.average(share, 0.0);
            } else {
                let window = self.look(now, elapsed);
                if !is_baseline
                    && let Some(allowed) = crowd.judge(&window)
                    && !self.open.load(SeqCst)
                {
                    self.admission.allow(allowed);
                    if self.open.load(SeqCst) {
                        // It was opened just now.
                        self.admission.allow(MOST);
                    }
                }
            }
            is_baseline = is_quiet;
            if !self.is_contended() {
                self.turns().iter_mut().for_each(|watched| watched.meter.rest());
                self.wakeup.sleep_unless(|| self.is_contended());
                last = now_ns();
                is_baseline = true;
            }
        }
    }

    fn is_contended(&self) -> bool {
        self.admission.queued() > 0 || self.admission.inside() > 1
    }

    /// One window's figures. Its length is told by the time that the process was given: a busy machine makes all
    /// requests take long, and more of them at once would not help.
    fn look(&self, now: u64, elapsed: u64) -> CrowdWindow {
        let waiting = self.admission.keeps_waiting(now);
        let mut sample = PaceSample { waiting, ..PaceSample::default() };
        let (mut used, mut wanted, mut young) = (0, 0, 0);
        let mut turns = self.turns();
        for watched in turns.iter_mut() {
            let turn = &watched.turn;
            let (begun, finished) = (turn.begun.load(Relaxed), turn.finished.load(Relaxed));
            let inside = turn.inside(begun, now);
            let at_work = inside.saturating_sub(std::mem::replace(&mut watched.inside, inside)).min(elapsed);
            let ended = finished - std::mem::replace(&mut watched.finished, finished);
            if ended > 0 || begun == 0 {
                watched.effort = RequestEffort::default();
            }
            if at_work == 0 && begun == 0 {
                continue;
            }
            let reading = watched.meter.read(elapsed, at_work, begun != 0);
            used += reading.used;
            wanted += reading.wanted;
            if begun != 0 {
                sample.running += 1;
                if ended == 0 {
                    watched.effort.compute(reading.used);
                    watched.effort.settle(reading.wanted, elapsed);
                }
            }
            if !watched.effort.is_long() {
                young += reading.wanted;
            }
        }
        let is_long = |watched: &&WatchedTurn| watched.effort.is_apart(sample.running);
        sample.long = turns.iter().filter(is_long).count();
        let length = (elapsed as f64 * used as f64 / wanted.max(used).max(1) as f64) as u64;
        sample.elapsed = Duration::from_nanos(if wanted == 0 { elapsed } else { length });
        sample.cpu = used as f64 / elapsed.max(1) as f64;
        sample.demand = wanted as f64 / elapsed.max(1) as f64;
        let young = young as f64 / elapsed.max(1) as f64;
        CrowdWindow { sample, young }
    }
}

impl GateMemberships {
    fn of(&self, gate: &'static Gate) -> Rc<GateMember> {
        let mut list = self.list.borrow_mut();
        if let Some(member) = list.iter().find(|member| std::ptr::eq(member.gate, gate)) {
            return member.clone();
        }
        if list.is_empty() {
            thread_end::arrange(|| MEMBERSHIPS.with(|own| drop(own.list.take())));
        }
        let member = Rc::new(gate.join());
        list.push(member.clone());
        member
    }
}

impl GateMember {
    /// Waits until the calling thread may go in; since when it is inside, monotonic ns.
    fn enter(&self) -> u64 {
        let gate = self.gate;
        match gate.admission.try_enter() {
            Some(1) => now_ns(),
            Some(_) => {
                gate.meet();
                now_ns()
            }
            None => gate.admission.wait(&self.turn.place, || gate.meet()),
        }
    }
}
