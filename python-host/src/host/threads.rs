//! The request threads: where each of them is, and how one is interrupted.

use super::Host;
use super::events::furnished;
use super::outcomes::LongRunning;
use super::texts::strings;
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, raise_in_thread};
use crate::thread_record::{THREADS, ThreadRecord};
use crate::worker::RequestThread;
use std::sync::Arc;

impl Host {
    /// Makes the calling thread, whose record this is, ready to run requests.
    #[must_use]
    pub(crate) fn worker(&'static self, record: Arc<ThreadRecord>) -> RequestThread {
        RequestThread::new(self, record)
    }

    /// Whether all request threads share one lock, so that admitting more of them than can run is waste: false with
    /// own-GIL interpreters or free threading.
    #[must_use]
    pub fn shares_lock(&self) -> bool {
        !interpreter::runs_in_parallel(self)
    }

    /// Whether it is kept since when request threads have been running their requests.
    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    /// Request threads that have been running a request since a moment: number of the thread, of the request, and that
    /// moment, monotonic ns. Only in embedded mode with WSGISlowRequests.
    pub(crate) fn running(&self) -> Vec<(u32, u64, u64)> {
        THREADS.running()
    }

    /// Logs where request thread `thread_id` is, in the context of the request that it has been running for `seconds`,
    /// if `is_current`, asked with the GIL held, says that it still does. May wait for the GIL for ever.
    pub fn report(&self, thread_id: u32, why: LongRunning, seconds: f64, is_current: &dyn Fn() -> bool) {
        if let Some(interpreter) = THREADS.find(thread_id).and_then(|record| record.interpreter()) {
            threads::visit(interpreter, |py| {
                self.report_attached(py, interpreter, (thread_id, why, seconds), is_current);
            });
        }
    }

    fn report_attached(
        &self,
        py: Attached<'_>,
        interpreter: &'static Interpreter,
        (thread_id, why, seconds): (u32, LongRunning, f64),
        is_current: &dyn Fn() -> bool,
    ) {
        let Some(record) = THREADS.find(thread_id).filter(|_| is_current()) else { return };
        let place = py.int(record.ident() as i64);
        let place = place.and_then(|ident| interpreter.fixture(py, "whereabouts", &[&*ident]));
        let stack = match place {
            Ok(text) => text.lossy(py),
            Err(raised) => {
                raised.clear(py);
                return;
            }
        };
        // The interpreter may have let the request go on and end.
        if !is_current() {
            return;
        }
        let line = messages::long_request(why, seconds, &stack);
        record.window().with_request(py, |state| state.log_from_outside(py, log::WARN, line.as_bytes()));
    }

    /// Raises RequestTimeout in request thread `thread_id` if `is_current`, asked with the GIL held, says that it
    /// still runs the request that is meant; logs its stack before and a line afterwards (spec/behaviour.md §4.9).
    /// May wait for the GIL for ever.
    pub fn inject_timeout(&self, thread_id: u32, seconds: f64, is_current: &dyn Fn() -> bool) {
        let Some(record) = THREADS.find(thread_id) else { return };
        let Some(interpreter) = record.interpreter() else { return };
        threads::visit(interpreter, |py| {
            if !is_current() {
                return;
            }
            self.report_attached(py, interpreter, (thread_id, LongRunning::Interrupted, seconds), is_current);
            // Taking the stack may have let the request go on and end.
            if !is_current() {
                return;
            }
            let class = interpreter.kit().request_timeout.get(py);
            if raise_in_thread(py, record.ident(), class) {
                record.note_injected();
                log::write(log::INFO, &messages::injected(thread_id));
            }
        });
    }

    /// The Python stacks of all threads of the interpreter in which `thread_id` runs (0: the main interpreter), one
    /// line per entry. With `is_current` answering false: empty. May wait for the GIL for ever.
    #[must_use]
    pub fn stacks(&self, thread_id: u32, is_current: &dyn Fn() -> bool) -> Vec<String> {
        let known = THREADS.find(thread_id).and_then(|record| record.interpreter());
        let interpreter = known.unwrap_or_else(interpreter::main);
        threads::visit(interpreter, |py| {
            if is_current() { strings(py, interpreter, "stacks", &[]) } else { Vec::new() }
        })
    }

    /// The Python stacks of the threads of all interpreters besides the main one. May wait for their GIL for ever.
    #[must_use]
    pub fn other_stacks(&self) -> Vec<String> {
        let others = furnished().filter(|one| !std::ptr::eq(*one, interpreter::main()));
        others
            .flat_map(|interpreter| threads::visit(interpreter, |py| strings(py, interpreter, "stacks", &[])))
            .collect()
    }

    /// Takes the main interpreter's GIL and gives it back. May wait for ever.
    pub fn probe(&self) {
        threads::visit(interpreter::main(), |_| ());
    }
}
