//! What applications are told of the process: signals, and that it stops.

use super::Host;
use crate::interpreter::{self, Interpreter, threads};
use crate::python::{NumberValues, TextValues};
use crate::wsgi::{events, telemetry};

impl Host {
    /// Delivers `process_signal` in every interpreter (spec/behaviour.md §8.3). May run for ever.
    pub fn publish_signal(&self, signal: i32) {
        for interpreter in furnished() {
            threads::visit(interpreter, |py| {
                let list = &interpreter.kit().signal_callbacks;
                let number = py.int(signal.into());
                let keywords = number.and_then(|number| {
                    let name = interpreter.fixture(py, "signal_name", &[&number])?;
                    Ok([("signame", name), ("signum", number)])
                });
                match keywords {
                    Ok(keywords) => {
                        events::process_event(py, interpreter, list, "process_signal", &keywords);
                    }
                    Err(raised) => raised.clear(py),
                }
            });
        }
    }

    /// Delivers `process_stopping` in every interpreter, main first; on the main thread. May run for ever.
    pub fn stopping(&self, reason: &str) {
        telemetry::stopping(reason);
        for interpreter in furnished() {
            threads::within(interpreter, |py| {
                let list = &interpreter.kit().shutdown_callbacks;
                match py.text(reason) {
                    Ok(reason) => {
                        let keywords = [("shutdown_reason", reason)];
                        events::process_event(py, interpreter, list, "process_stopping", &keywords);
                    }
                    Err(raised) => raised.clear(py),
                }
            });
        }
    }
}

/// Interpreters that are complete, the main one first.
pub(super) fn furnished() -> impl Iterator<Item = &'static Interpreter> {
    interpreter::all().into_iter().filter(|interpreter| interpreter.furnished().is_some())
}
