//! The gate before the GIL of an httpd child: of the threads that come with requests only as many contend for it as
//! keep it busy (design.md §4), by the same rules as in a daemon (`crate::scheduler::pace`).
//!
//! A request that finds nobody inside goes in at the cost of one atomic operation. The thread that watches is started
//! by the first request that meets another one, and sleeps unless requests meet.

use crate::log;
use crate::scheduler::bell::Bell;
use crate::scheduler::block_signals;
use crate::scheduler::clock::now_ns;
use crate::scheduler::meter::Meter;
use crate::scheduler::pace::{LONG, Pace, Sample};
use crate::scheduler::turnstile::{Place, Turnstile};
use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Length of a window.
const TICK: Duration = Duration::from_micros(2500);

/// HTTP/2 brings threads of its own, so the number of threads per child is no bound.
const MOST: usize = 4096;

/// See the module's comment.
#[derive(Debug)]
pub struct Gate {
    turnstile: Turnstile,
    turns: Mutex<Vec<Watched>>,
    bell: Bell,
    watched: OnceLock<()>,
    open: AtomicBool,
}

/// What one request thread does, written by that thread only.
#[derive(Debug, Default)]
struct Turn {
    place: Arc<Place>,
    /// When it went in, monotonic ns; 0 outside.
    begun: AtomicU64,
    /// Time inside, ns, and number of turns, of those that ended.
    spent: AtomicU64,
    finished: AtomicU64,
}

/// A turn, and what was last seen of it.
#[derive(Debug)]
struct Watched {
    turn: Arc<Turn>,
    meter: Meter,
    inside: u64,
    finished: u64,
    /// Start of the turn that it is in, by the time that the process was given.
    begun: Option<u64>,
}

/// The calling thread's membership.
struct Member {
    gate: &'static Gate,
    turn: Arc<Turn>,
    /// Requests that the thread runs inside of each other.
    depth: Cell<usize>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.gate.turns().retain(|watched| !Arc::ptr_eq(&watched.turn, &self.turn));
    }
}

thread_local! {
    static MEMBER: OnceCell<Member> = const { OnceCell::new() };
}

/// The calling thread is inside until this is dropped.
#[derive(Debug)]
pub struct Inside(());

impl Gate {
    /// Made once per child.
    pub fn new() -> Self {
        Self {
            turnstile: Turnstile::new(1),
            turns: Mutex::default(),
            bell: Bell::default(),
            watched: OnceLock::new(),
            open: AtomicBool::new(false),
        }
    }

    /// Waits until the calling thread may contend for the GIL.
    pub fn enter(&'static self) -> Inside {
        MEMBER.with(|member| member.get_or_init(|| self.join()).enter());
        Inside(())
    }

    /// From now on nobody waits.
    pub fn open(&self) {
        self.open.store(true, SeqCst);
        self.turnstile.allow(MOST);
    }

    fn join(&'static self) -> Member {
        let turn = Arc::<Turn>::default();
        let meter = Meter::of_this_thread();
        self.turns().push(Watched { turn: turn.clone(), meter, inside: 0, finished: 0, begun: None });
        Member { gate: self, turn, depth: Cell::new(0) }
    }

    fn turns(&self) -> MutexGuard<'_, Vec<Watched>> {
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
        self.bell.ring();
    }

    fn watch(&self) {
        block_signals();
        self.bell.listen();
        let mut pace = Pace::new(MOST);
        let (mut last, mut given) = (now_ns(), 0);
        self.sample(&mut given, last, TICK.as_nanos() as u64);
        while !self.open.load(SeqCst) {
            thread::sleep(TICK);
            let now = now_ns();
            let sample = self.sample(&mut given, now, now - last);
            last = now;
            let allowed = pace.tick(&sample);
            if !self.open.load(SeqCst) {
                self.turnstile.allow(allowed);
            }
            if !self.is_contended() {
                self.bell.sleep_unless(|| self.is_contended());
                last = now_ns();
                // A fresh baseline, so that the first window after the pause is judged by itself.
                self.sample(&mut given, last, TICK.as_nanos() as u64);
            }
        }
    }

    fn is_contended(&self) -> bool {
        self.turnstile.queued() > 0 || self.turnstile.inside() > 1
    }

    /// One window's figures. Its length, and what is long, is told by the time that the process was given: a busy
    /// machine makes all requests long, and more of them at once would not help.
    fn sample(&self, given: &mut u64, now: u64, elapsed: u64) -> Sample {
        let waiting = self.turnstile.keeps_waiting(now);
        let mut sample = Sample { waiting, ..Sample::default() };
        let (mut used, mut wanted) = (0, 0);
        let mut turns = self.turns();
        for watched in turns.iter_mut() {
            let turn = &watched.turn;
            let (begun, finished) = (turn.begun.load(Relaxed), turn.finished.load(Relaxed));
            let runs = if begun == 0 { 0 } else { now.saturating_sub(begun) };
            let inside = turn.spent.load(Relaxed) + runs;
            let at_work = inside.saturating_sub(std::mem::replace(&mut watched.inside, inside)).min(elapsed);
            let ended = finished - std::mem::replace(&mut watched.finished, finished);
            sample.finished += ended;
            if ended > 0 || begun == 0 {
                watched.begun = None;
            }
            if at_work == 0 && begun == 0 {
                continue;
            }
            if begun != 0 {
                sample.running += 1;
                watched.begun.get_or_insert(*given);
            }
            let reading = watched.meter.read(elapsed, at_work, begun != 0);
            used += reading.used;
            wanted += reading.wanted;
        }
        let length = (elapsed as f64 * used as f64 / wanted.max(used).max(1) as f64) as u64;
        let length = if wanted == 0 { elapsed } else { length };
        *given += length;
        let is_long = |begun: u64| *given - begun >= LONG.as_nanos() as u64;
        sample.long = turns.iter().filter(|watched| watched.begun.is_some_and(is_long)).count();
        sample.elapsed = Duration::from_nanos(length);
        sample.cpu = used as f64 / elapsed.max(1) as f64;
        sample.demand = wanted as f64 / elapsed.max(1) as f64;
        sample
    }
}

impl Member {
    fn enter(&self) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if depth > 0 {
            return;
        }
        let turnstile = &self.gate.turnstile;
        let begun = match turnstile.try_enter() {
            Some(1) => now_ns(),
            Some(_) => {
                self.gate.meet();
                now_ns()
            }
            None => turnstile.wait(&self.turn.place, || self.gate.meet()),
        };
        self.turn.begun.store(begun, Release);
    }

    fn leave(&self) {
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth > 0 {
            return;
        }
        let turn = &self.turn;
        let spent = now_ns().saturating_sub(turn.begun.load(Relaxed));
        turn.spent.store(turn.spent.load(Relaxed) + spent, Relaxed);
        turn.finished.store(turn.finished.load(Relaxed) + 1, Relaxed);
        turn.begun.store(0, Release);
        self.gate.turnstile.leave();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A thread that is inside is a member, and its local data lives as long as a request runs on it.
        let _ = MEMBER.try_with(|member| member.get().map(Member::leave));
    }
}
