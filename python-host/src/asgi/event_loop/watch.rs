//! Watches the event loop: whatever blocks it for more than a second is named with its stack, once.
//! And others read the requests meanwhile.

use super::EventLoop;
use super::gil_wait::GilWait;
use crate::daemon::{self, BlockedLoop};
use crate::host::LongRunning;
use crate::interpreter::{self, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, Result};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::thread;
use std::time::Duration;
use wsgi_system::clock::monotonic_ns;
use wsgi_system::eventfd::EventFd;
use wsgi_system::polling::poll;
use wsgi_system::process::own_tid;

/// How often a loop with requests is asked to show itself.
const PERIOD: Duration = Duration::from_millis(250);

/// A loop without requests is asked so many times within deadlock-timeout, but not more often than this, as the GIL is:
/// each time wakes an idle process up.
const LOOKS: u64 = 10;
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// Blocked for so long, a loop is worth a line.
const LONG: Duration = Duration::from_secs(1);

/// What the watch knows.
#[derive(Debug, Default)]
pub struct LoopWatch {
    /// Requests of the loop.
    requests: AtomicUsize,
    /// The loop has not come by since it was asked to.
    is_asked: AtomicBool,
    /// When it was, monotonic ns.
    asked_at: AtomicU64,
    /// What part of that another thread had the GIL for.
    gil_wait: GilWait,
    /// Python's name of the thread of the loop, and the kernel's.
    ident: AtomicI64,
    tid: AtomicI32,
    /// How many threads are in Python for it, or on their way there.
    visits: AtomicUsize,
    /// It has nothing to do, until this wakes it.
    rests: AtomicBool,
    wakeup: OnceLock<EventFd>,
}

impl LoopWatch {
    /// Makes what [`LoopWatch::run`] needs; false: there is none, and nobody says what blocks the loop.
    pub fn prepare(&self) -> bool {
        EventFd::new().is_ok_and(|wakeup| self.wakeup.set(wakeup).is_ok())
    }

    /// The calling thread is that of the loop.
    pub fn note_thread(&self) {
        self.ident.store(crate::python::thread_ident() as i64, Relaxed);
        self.tid.store(own_tid(), Relaxed);
    }

    /// The loop comes by, and has so many more requests.
    pub fn pass(&self, more: usize) {
        self.is_asked.store(false, Relaxed);
        // Seldom: it looks for a while after the last one.
        if more > 0 && self.requests.fetch_add(more, SeqCst) == 0 {
            self.wake();
        }
    }

    /// It has one less.
    pub fn left(&self) {
        self.requests.fetch_sub(1, SeqCst);
    }

    /// That the loop has not come by although it was asked to.
    pub fn blocked(&self) -> Option<BlockedLoop> {
        self.is_asked.load(SeqCst).then(|| BlockedLoop {
            since: self.asked_at.load(SeqCst),
            waited: self.gil_wait.look(self.tid.load(Relaxed)),
        })
    }

    /// Whether somebody who looks at it may be in Python.
    pub fn is_visiting(&self) -> bool {
        self.visits.load(SeqCst) > 0
    }

    /// There is something to look at: requests, of the loop or for it, or who reads them, or the end of the loop.
    pub fn wake(&self) {
        if self.rests.load(SeqCst)
            && let Some(wakeup) = self.wakeup.get()
        {
            wakeup.signal();
        }
    }

    /// Waits for something to look at, at most so long. That may be a request that the loop does not read or take, because of
    /// what is no request.
    fn rest(&self, event_loop: &EventLoop, limit: Option<Duration>) {
        let Some(wakeup) = self.wakeup.get() else { return };
        // Before the looks at what those who wake it have changed before.
        self.rests.store(true, SeqCst);
        let polled = event_loop.polled().unwrap_or(-1);
        if self.requests.load(SeqCst) == 0 && !event_loop.is_awaited() && !event_loop.has_ended() {
            let readable = libc::POLLIN;
            if poll(&mut [(wakeup.as_raw(), readable), (polled, readable)], limit).is_err() {
                thread::sleep(PERIOD);
            }
        }
        self.rests.store(false, SeqCst);
        wakeup.clear();
    }

    /// The thread; it ends with the loop.
    pub fn run(&self, event_loop: &'static EventLoop) {
        crate::scheduler::block_signals();
        let limit = longest_rest(interpreter::main().host.launch().timers.deadlock);
        while !event_loop.has_ended() {
            if self.requests.load(SeqCst) == 0 {
                self.rest(event_loop, limit);
            }
            self.gil_wait.reset();
            self.asked_at.store(monotonic_ns(), SeqCst);
            self.is_asked.store(true, SeqCst);
            event_loop.ring();
            thread::sleep(PERIOD);
            if self.is_asked.load(Relaxed) {
                // First: the GIL may not be had for ever.
                daemon::note_blocked_loop(self.tid.load(Relaxed));
                self.stand_by(event_loop);
                daemon::note_blocked_loop(0);
            }
        }
    }

    /// Has others read as long as the loop does not come by, and says once what blocks it.
    fn stand_by(&self, event_loop: &EventLoop) {
        let is_told = Cell::new(false);
        while self.is_asked.load(Relaxed) && !event_loop.has_ended() {
            event_loop.set_blocked(true);
            self.gil_wait.begin();
            self.visit(event_loop, |py| {
                self.gil_wait.end();
                let blocked = self.blocked_for();
                if blocked < LONG || is_told.replace(true) {
                    return Ok(());
                }
                self.report(py, event_loop, &|stack| messages::loop_blocked(blocked.as_secs_f64(), stack))
            });
            self.gil_wait.end();
            thread::sleep(PERIOD);
        }
        event_loop.set_blocked(false);
    }

    /// For how long it has been, the GIL that others had apart.
    fn blocked_for(&self) -> Duration {
        let since = self.asked_at.load(SeqCst) + self.gil_wait.waited();
        Duration::from_nanos(monotonic_ns().saturating_sub(since))
    }

    /// Says, for the timers, that the loop is blocked for longer than a request may take. May wait for the GIL for ever.
    pub fn tell_overdue(&self, event_loop: &EventLoop, seconds: f64) {
        self.visit(event_loop, |py| {
            self.report(py, event_loop, &|stack| messages::long_request(LongRunning::Overdue, seconds, stack))
        });
    }

    /// Runs `look` in Python if the loop is still blocked then. Python does not end meanwhile: that the loop has ended is
    /// looked at behind the mark, and the mark behind the end.
    fn visit(&self, event_loop: &EventLoop, look: impl Fn(Attached<'_>) -> Result<()>) {
        self.visits.fetch_add(1, SeqCst);
        if !event_loop.has_ended() {
            threads::visit(interpreter::main(), |py| {
                // Whoever held the GIL may have let the loop go on.
                if self.is_asked.load(Relaxed)
                    && let Err(raised) = look(py)
                {
                    raised.clear(py);
                }
            });
        }
        self.visits.fetch_sub(1, SeqCst);
    }

    /// Logs a line about what blocks the loop; `line` makes it of the Python stack.
    fn report(&self, py: Attached<'_>, event_loop: &EventLoop, line: &dyn Fn(&str) -> String) -> Result<()> {
        let ident = py.int(self.ident.load(Relaxed))?;
        let line = line(&interpreter::main().fixture(py, "whereabouts", &[&ident])?.lossy(py));
        // None, or a channel that the loop has made.
        let current = event_loop.call(py, "current", &[])?;
        match event_loop.channel(py, &current) {
            Some(channel) => channel.log(py, &line),
            None => log::write(log::WARN, &line),
        }
        Ok(())
    }
}

/// How long a loop without requests goes unasked, for a deadlock-timeout of so many milliseconds.
fn longest_rest(deadlock_ms: u64) -> Option<Duration> {
    (deadlock_ms > 0).then(|| Duration::from_millis(deadlock_ms / LOOKS).max(SHORTEST_REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_the_timeout_the_longer_an_idle_loop_rests() {
        assert_eq!(longest_rest(0), None);
        for (deadlock_ms, seconds) in [(1000, 1), (10_000, 1), (300_000, 30), (3_600_000, 360)] {
            assert_eq!(longest_rest(deadlock_ms), Some(Duration::from_secs(seconds)), "{deadlock_ms}");
        }
    }
}
