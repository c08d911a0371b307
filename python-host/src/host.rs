//! What the serve loop of a daemon and the embedded door ask of Python: a [`Host`] per process, a [`Worker`] per
//! request thread. Unless said otherwise methods are called without the GIL.

use crate::exchange::{Exchange, Outcome};
use std::marker::PhantomData;
use wsgi_protocol::launch::{Launch, Preload};

/// What a request that found its script changed shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadDecision {
    /// Run with the code that is loaded.
    ServeOld,
    /// End with [`Outcome::Refused`] without running anything.
    Refuse,
}

/// Decides about changed scripts in a daemon. Called with the GIL held, from request threads.
pub trait ReloadPolicy: Sync {
    /// A request of application group `group` found that `script` is not what is loaded. `mtime_us` is its
    /// modification time now, µs since the epoch; 0 if the file cannot be examined, or a hook asked for the reload.
    fn on_changed(&self, script: &[u8], group: &[u8], mtime_us: u64) -> ReloadDecision;
}

/// Python in this process; lives as long as the process.
#[derive(Debug)]
pub struct Host {
    launch: Launch,
}

/// Why a script could not be loaded; the details have been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLoaded;

impl Host {
    /// What this process was started with. `crate::entry` has already loaded `launch.preloads` on the main thread
    /// when it calls `crate::daemon::serve(host)` (there without the GIL); scripts of the heirloom are left to
    /// the serve loop ([`Host::load`]).
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Makes the calling thread ready to run requests as number `thread_id` (1-based; 0 is the main thread).
    #[must_use]
    pub fn worker(&'static self, thread_id: u32) -> Worker {
        Worker { host: self, thread_id, stays: PhantomData }
    }

    /// Sets who decides about changed scripts; before the first request. Without one they are loaded again in place.
    pub fn set_reload_policy(&self, policy: &'static dyn ReloadPolicy) {
        let _ = policy;
        unimplemented!()
    }

    /// Whether all request threads share one lock, so that admitting more of them than can run is waste: false with
    /// own-GIL interpreters or free threading.
    #[must_use]
    pub fn shares_lock(&self) -> bool {
        unimplemented!()
    }

    /// Raises RequestTimeout in request thread `thread_id` if `is_current`, asked with the GIL held, says that it
    /// still runs the request that is meant; logs its stack before and a line afterwards (spec/behaviour.md §4.9).
    /// May wait for the GIL for ever.
    pub fn inject_timeout(&self, thread_id: u32, is_current: &dyn Fn() -> bool) {
        let _ = (thread_id, is_current);
        unimplemented!()
    }

    /// The Python stacks of all threads of the interpreter in which `thread_id` runs (0: the main interpreter), one
    /// line per entry. With `is_current` answering false: empty. May wait for the GIL for ever.
    #[must_use]
    pub fn stacks(&self, thread_id: u32, is_current: &dyn Fn() -> bool) -> Vec<String> {
        let _ = (thread_id, is_current);
        unimplemented!()
    }

    /// The Python stack of request thread `thread_id`, innermost call last. Terms as [`Host::stacks`].
    #[must_use]
    pub fn stack(&self, thread_id: u32, is_current: &dyn Fn() -> bool) -> Vec<String> {
        let _ = (thread_id, is_current);
        unimplemented!()
    }

    /// Takes the main interpreter's GIL and gives it back. May wait for ever.
    pub fn probe(&self) {
        unimplemented!()
    }

    /// Whether any script has been loaded by a request or a preload.
    #[must_use]
    pub fn has_loaded(&self) -> bool {
        unimplemented!()
    }

    /// The scripts that are loaded, in the order in which they were: what a successor shall load first.
    #[must_use]
    pub fn heirloom(&self) -> Vec<Preload> {
        unimplemented!()
    }

    /// Loads a script unless it is loaded; on the main thread.
    ///
    /// # Errors
    /// [`NotLoaded`]; the reason has been logged and the first request will try again.
    pub fn load(&self, script: &Preload) -> Result<(), NotLoaded> {
        let _ = script;
        unimplemented!()
    }

    /// Delivers `process_signal` in every interpreter (spec/behaviour.md §8.3). May run for ever.
    pub fn publish_signal(&self, signal: i32) {
        let _ = signal;
        unimplemented!()
    }

    /// Delivers `process_stopping` in every interpreter, main first; on the main thread. May run for ever.
    pub fn stopping(&self, reason: &str) {
        let _ = reason;
        unimplemented!()
    }

    /// Ends Python, on the main thread. With `finalize` every [`Worker`] has been dropped: sub-interpreters are
    /// ended, and the main one is left to `python` itself, which ends when `serve` returns. Otherwise only exit
    /// handlers run, and the caller must `_exit`. Does nothing with WSGIDestroyInterpreter Off. May run for ever.
    pub fn end(&self, finalize: bool) {
        let _ = finalize;
        unimplemented!()
    }

    /// Logs outside of any request; `level` is httpd's number (0 emerg … 7 debug).
    pub fn log(&self, level: u8, text: &str) {
        let _ = (level, text);
        unimplemented!()
    }
}

/// One OS thread that runs requests; never leaves its thread. Dropping it (without the GIL) ends the thread's
/// Python states.
#[derive(Debug)]
pub struct Worker {
    host: &'static Host,
    thread_id: u32,
    /// Neither `Send` nor `Sync`.
    stays: PhantomData<*const ()>,
}

impl Worker {
    /// Takes the GIL (of the interpreter that this worker used last). Nothing happens if it has it.
    pub fn attach(&mut self) {
        let _ = (self.host, self.thread_id);
        unimplemented!()
    }

    /// Gives the GIL up. Nothing happens if it does not have it.
    pub fn detach(&mut self) {
        unimplemented!()
    }

    /// Runs one request (`wsgi_protocol::request`); called with the GIL held and returns with it held, perhaps that
    /// of another interpreter. Never panics. [`Outcome::Refused`] comes only from the [`ReloadPolicy`].
    pub fn run(&mut self, payload: &[u8], exchange: &mut dyn Exchange) -> Outcome {
        let _ = (payload, exchange);
        unimplemented!()
    }
}
