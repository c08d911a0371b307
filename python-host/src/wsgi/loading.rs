//! Watches the import of a script: one that does not come back says where it is.

use crate::host::texts_of;
use crate::interpreter::{Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, detached};
use pyo3::ffi;
use std::fs;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// After how long a line is worth writing; earlier with WSGISlowRequests.
const LONG: Duration = Duration::from_secs(30);

/// The watch over one import.
pub struct ImportWatch {
    /// Dropped when it is over.
    over: Sender<()>,
    thread: JoinHandle<()>,
    /// Threads of this process before, where others must not remain (in a zygote).
    before: Option<usize>,
}

impl ImportWatch {
    /// Begins to watch what the calling thread imports. `None`: no thread can be made.
    pub fn begin(interpreter: &'static Interpreter, script: &[u8]) -> Option<Self> {
        let (over, end) = channel::<()>();
        let script = script.to_vec();
        // SAFETY: the number only names this thread.
        let ident = unsafe { ffi::PyThread_get_thread_ident() } as i64;
        let launch = interpreter.host.launch();
        let slow = Duration::from_millis(launch.timers.slow_request);
        let limit = if slow.is_zero() { LONG } else { slow.min(LONG) };
        let before = launch.zygote.then(threads_of_process);
        let body = move || {
            crate::scheduler::block_signals();
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                report(interpreter, &script, ident, limit);
            }
        };
        let thread = thread::Builder::new().name("wsgi-import".to_owned()).spawn(body).ok()?;
        Some(Self { over, thread, before })
    }

    /// It has come back.
    pub fn end(self, _: Attached<'_>) {
        let Self { over, thread, before } = self;
        // The thread may be waiting for the GIL.
        detached(move || {
            drop(over);
            // A panic has been logged.
            let _ = thread.join();
            // The kernel shows it for a moment longer.
            for _ in 0..100 {
                if before.is_none_or(|before| threads_of_process() <= before) {
                    break;
                }
                thread::sleep(Duration::from_micros(100));
            }
        });
    }
}

fn threads_of_process() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// First what needs no GIL: whoever does not come back may hold it.
fn report(interpreter: &'static Interpreter, script: &[u8], ident: i64, limit: Duration) {
    log::write(log::WARN, &messages::import_hangs(script, limit.as_secs_f64(), &interpreter.place()));
    threads::visit(interpreter, |py| {
        let stack = py.int(ident).and_then(|ident| interpreter.fixture(py, "stack", &[&*ident]));
        match stack {
            Ok(stack) => {
                let entries = texts_of(py, &stack);
                entries.iter().flat_map(|entry| entry.lines()).for_each(|line| log::write(log::WARN, line));
            }
            Err(raised) => raised.clear(py),
        }
    });
}
