//! Watches the event loop: whatever blocks it for more than a second is named with its stack, once.

use super::channel::AsgiChannel;
use super::event_loop::EventLoop;
use crate::interpreter::{self, threads};
use crate::log;
use crate::messages;
use crate::python::class::MethodSelf;
use crate::python::{Attached, NumberValues, Result};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a loop with requests is asked to show itself.
const PERIOD: Duration = Duration::from_millis(250);

/// Blocked for so long, a loop is worth a line.
const LONG: Duration = Duration::from_secs(1);

/// What the watch knows.
#[derive(Debug, Default)]
pub struct DisconnectWatch {
    /// Requests of the loop.
    requests: AtomicUsize,
    /// The loop has not come by since it was asked to.
    is_asked: AtomicBool,
    /// Python's name of the thread of the loop.
    ident: AtomicI64,
    /// The watch is in Python, or on its way there.
    visits: AtomicBool,
    /// For a watch that has nothing to do.
    idle: Mutex<()>,
    turns: Condvar,
}

impl DisconnectWatch {
    /// The calling thread is that of the loop.
    pub fn note_thread(&self) {
        self.ident.store(crate::python::thread_ident() as i64, Relaxed);
    }

    /// The loop comes by, and has so many more requests.
    pub fn pass(&self, more: usize) {
        self.is_asked.store(false, Relaxed);
        if more > 0 && self.requests.fetch_add(more, SeqCst) == 0 {
            self.wake();
        }
    }

    /// It has one less.
    pub fn left(&self) {
        self.requests.fetch_sub(1, SeqCst);
    }

    /// Whether the watch may be in Python.
    pub fn is_visiting(&self) -> bool {
        self.visits.load(SeqCst)
    }

    /// There is something to look at: requests, or the end of the loop.
    pub fn wake(&self) {
        drop(self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        self.turns.notify_all();
    }

    /// The thread; it ends with the loop.
    pub fn run(&self, event_loop: &'static EventLoop) {
        crate::scheduler::block_signals();
        while !event_loop.has_ended() {
            if self.requests.load(SeqCst) == 0 {
                let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let is_idle = |_: &mut ()| self.requests.load(SeqCst) == 0 && !event_loop.has_ended();
                drop(self.turns.wait_while(idle, is_idle).unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            self.is_asked.store(true, Relaxed);
            event_loop.ring();
            let asked = Instant::now();
            let mut is_told = false;
            thread::sleep(PERIOD);
            while self.is_asked.load(Relaxed) && !event_loop.has_ended() {
                if !is_told && asked.elapsed() >= LONG {
                    is_told = true;
                    self.visit(event_loop, asked);
                }
                thread::sleep(PERIOD);
            }
        }
    }

    /// Python does not end meanwhile: that the loop has ended is looked at behind the mark, and the mark behind the end.
    fn visit(&self, event_loop: &EventLoop, asked: Instant) {
        self.visits.store(true, SeqCst);
        if !event_loop.has_ended() {
            threads::visit(interpreter::main(), |py| {
                // Whoever held the GIL may have let the loop go on.
                if self.is_asked.load(Relaxed)
                    && let Err(raised) = self.report(py, event_loop, asked.elapsed())
                {
                    raised.clear(py);
                }
            });
        }
        self.visits.store(false, SeqCst);
    }

    fn report(&self, py: Attached<'_>, event_loop: &EventLoop, blocked: Duration) -> Result<()> {
        let ident = py.int(self.ident.load(Relaxed))?;
        let stack = interpreter::main().fixture(py, "whereabouts", &[&ident])?.lossy(py);
        let line = messages::loop_blocked(blocked.as_secs_f64(), &stack);
        let channel = event_loop.call(py, "current", &[])?;
        if channel.is_none() {
            log::write(log::WARN, &line);
            return Ok(());
        }
        // SAFETY: what the function returns is None or a channel that the loop has made.
        unsafe { MethodSelf::<AsgiChannel>::of(channel.as_ptr()) }.log(py, &line);
        Ok(())
    }
}
