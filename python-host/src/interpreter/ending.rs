//! Ending interpreters. Rules (decisions.md, "Py_EndInterpreter needs the last thread state"): never end one while a
//! thread state of somebody else is left in it, and
//! never finalise Python while a thread of ours may come back.

use super::{Interpreter, all, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, Raised, symbols, versions};
use crate::wsgi::failures;
use std::sync::atomic::Ordering::Relaxed;

/// Ends all sub-interpreters; on the main thread, detached, and no other thread of ours uses Python any more. False: one
/// could not be ended, only its exit handlers ran, and Python must not be finalised.
pub fn end() -> bool {
    let own_gil = all().iter().any(|interpreter| interpreter.own_gil);
    let mut complete = !(own_gil && versions::PARSERS_OF_OWN_GIL.applies());
    let mut named: Vec<_> = all().into_iter().filter(|interpreter| !interpreter.is_main).collect();
    named.sort_by_key(|interpreter| !interpreter.own_gil);
    for interpreter in named {
        log::write(log::INFO, &messages::interpreter_ends(interpreter.name()));
        complete &= threads::attached(interpreter, |py| interpreter.end_attached(py));
    }
    complete
}

/// Runs the exit handlers of all interpreters, the main one's last; detached.
pub fn run_exit_handlers() {
    let mut interpreters = all();
    interpreters.reverse();
    for interpreter in interpreters {
        threads::within(interpreter, |py| interpreter.run_fixture(py, "run_exit_handlers"));
    }
}

/// Does in the main interpreter what finalising would do for the application: joins threads and runs exit
/// handlers; detached.
pub fn finish_main() {
    let main = super::main();
    threads::within(main, |py| {
        main.join_threads(py);
        main.run_fixture(py, "run_exit_handlers");
    });
}

impl Interpreter {
    fn run_fixture(&self, py: Attached<'_>, name: &str) {
        if let Err(raised) = self.fixture(py, name, &[]) {
            failures::report_startup(py, self, raised.take(py));
        }
    }

    fn join_threads(&self, py: Attached<'_>) {
        let shuts_down_twice = py.truth(versions::SHUTDOWN_TWICE.applies());
        if let Err(raised) = self.fixture(py, "join_threads", &[shuts_down_twice]) {
            failures::report_startup(py, self, raised.take(py));
        }
    }

    /// Ends this interpreter, to which the thread is attached; detached afterwards.
    fn end_attached(&self, py: Attached<'_>) -> bool {
        // First: `threading` waits for the state of the thread that it takes for the main one.
        self.delete_other_states(py);
        self.join_threads(py);
        // Daemon threads of the application.
        if !symbols::get().is_only_state(py) {
            self.run_fixture(py, "run_exit_handlers");
            log::write(log::INFO, &messages::interpreter_busy(self.name()));
            threads::detach();
            return false;
        }
        self.abandon(py);
        true
    }

    /// Ends this interpreter, to which the thread is attached and no other has a state; detached afterwards.
    pub(super) fn abandon(&self, py: Attached<'_>) {
        Raised.clear(py);
        self.ended.store(true, Relaxed);
        self.forget_own_state();
        threads::end_interpreter(py);
    }
}
