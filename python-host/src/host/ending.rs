//! The end of Python in this process.

use super::Host;
use crate::interpreter;
use crate::wsgi::telemetry;
use std::sync::OnceLock;

/// How far the end has come.
#[derive(Default)]
pub(super) struct ProcessEnd {
    /// A sub-interpreter could not be ended, or not all request threads have gone.
    unfinished: OnceLock<()>,
    /// [`Host::end`] was called.
    ended: OnceLock<()>,
}

impl Host {
    /// Ends Python, on the main thread. With `finalize` every request thread has been dropped: sub-interpreters are
    /// ended, and the main one is left to `python` itself, which ends when `serve` returns. Otherwise only exit
    /// handlers run, and the caller must `_exit`. Does nothing with WSGIDestroyInterpreter Off. May run for ever.
    pub fn end(&self, finalize: bool) {
        telemetry::stopped();
        // Once is enough.
        let _ = self.end.ended.set(());
        if !self.launch.destroy_interpreter {
            self.note_unfinished();
        } else if !finalize {
            self.note_unfinished();
            interpreter::run_exit_handlers();
        } else if !interpreter::end() {
            self.note_unfinished();
            interpreter::finish_main();
        }
    }

    fn note_unfinished(&self) {
        // Once is enough.
        let _ = self.end.unfinished.set(());
    }

    /// Whether [`Host::end`] was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.ended.get().is_some()
    }

    /// Whether Python may be finalised when the serve loop has returned.
    pub(crate) fn may_finalize(&self) -> bool {
        self.end.unfinished.get().is_none()
    }
}
