//! What the serve loop of a daemon and the embedded door ask of Python: a [`Host`] per process, a [`RequestThread`] per
//! request thread. Unless said otherwise methods are called without the GIL.

mod loaded;

use crate::asgi::AsgiState;
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, Object, Owned, TextValues};
pub use crate::worker::RequestThread;
use crate::worker::{RequestThreads, ThreadRecord};
use crate::wsgi::{clock, events, telemetry};
use loaded::LoadedScript;
use pyo3::ffi;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wsgi_protocol::birth::BirthOrder;
use wsgi_protocol::launch::{HostMode, Launch, PreloadScript};

/// What a request that found its script changed shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadDecision {
    /// Run with the code that is loaded.
    ServeOld,
    /// The same, after these lines have been logged.
    Tell(Vec<String>),
    /// End with [`Outcome::Refused`] without running anything.
    Refuse,
}

/// Decides about changed scripts in a daemon. Called with the GIL held, from request threads.
pub trait ReloadPolicy: Sync {
    /// A request of application group `group` found that `script` is not what is loaded. `mtime_us` is its
    /// modification time now, µs since the epoch; 0 if the file cannot be examined, or a hook asked for the reload.
    fn on_changed(&self, script: &[u8], group: &[u8], mtime_us: u64) -> ReloadDecision;
}

/// Ends a process that serves nothing yet: this script is being loaded, and this file of what it imports has changed.
pub(crate) type GiveWay = fn(&PreloadScript, &[u8]);

/// Python in this process; lives as long as the process.
pub struct Host {
    launch: Launch,
    /// When this was made, seconds since the epoch.
    pub(crate) started: f64,
    /// What became of it in a worker that a zygote forked.
    born: OnceLock<(Launch, f64)>,
    /// The times of requests are kept here.
    watches: bool,
    policy: OnceLock<&'static dyn ReloadPolicy>,
    give_way: OnceLock<GiveWay>,
    /// ASGI applications, and their event loop.
    pub(crate) asgi: AsgiState,
    /// Scripts in the order in which they were loaded.
    loaded: Mutex<Vec<LoadedScript>>,
    /// How long that took, ms.
    load_time: AtomicU64,
    /// Those that could not be loaded before the first request.
    failed: Mutex<Vec<PreloadScript>>,
    /// Those of them that found something taken.
    conflicts: Mutex<Vec<PreloadScript>>,
    /// The request threads by number.
    threads: RequestThreads,
    /// A sub-interpreter could not be ended, or not all request threads have gone.
    unfinished: OnceLock<()>,
    /// [`Host::end`] was called.
    ended: OnceLock<()>,
}

/// Why it is logged where a request is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LongRunning {
    /// WSGISlowRequests.
    Slow,
    /// request-timeout, and it is interrupted.
    Interrupted,
    /// request-timeout, and the process will be replaced.
    Overdue,
}

/// Why a script could not be loaded; the details have been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLoaded;

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("launch", &self.launch).finish_non_exhaustive()
    }
}

impl Host {
    /// The host of this process; made once.
    #[must_use]
    pub(crate) fn new(launch: Launch) -> &'static Self {
        log::set_level(launch.log_level);
        let watches = launch.mode == HostMode::Embedded && launch.timers.slow_request > 0;
        Box::leak(Box::new(Self {
            launch,
            started: clock::now(),
            born: OnceLock::new(),
            watches,
            policy: OnceLock::new(),
            give_way: OnceLock::new(),
            asgi: AsgiState::default(),
            loaded: Mutex::default(),
            load_time: AtomicU64::new(0),
            failed: Mutex::default(),
            conflicts: Mutex::default(),
            threads: RequestThreads::default(),
            unfinished: OnceLock::new(),
            ended: OnceLock::new(),
        }))
    }

    /// What this process was started with. `crate::entry` has already loaded `launch.preloads` on the main thread
    /// when it calls `crate::daemon::serve(host)` (there without the GIL); scripts of the heirloom are left to
    /// the serve loop ([`Host::load`]).
    #[must_use]
    pub fn launch(&self) -> &Launch {
        self.born.get().map_or(&self.launch, |(launch, _)| launch)
    }

    /// When this process began, seconds since the epoch.
    pub(crate) fn started(&self) -> f64 {
        self.born.get().map_or(self.started, |(_, started)| *started)
    }

    /// A zygote's host becomes that of a worker; once, on the worker's only thread.
    pub(crate) fn be_born(&self, birth: BirthOrder) {
        let BirthOrder { slot, has_predecessor } = birth;
        let launch = Launch { slot, has_predecessor, zygote: false, ..self.launch.clone() };
        // What has been mended since its zygote tried it is worth another try.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // A worker forks no workers.
        let _ = self.born.set((launch, clock::now()));
    }

    /// The import of a script has failed because of something that only one process can have.
    pub(crate) fn note_conflict(&self, script: &[u8], group: &[u8]) {
        let script = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
        self.conflicts.lock().unwrap_or_else(PoisonError::into_inner).push(script);
    }

    /// Whether that of this one has.
    pub(crate) fn has_conflict(&self, script: &PreloadScript) -> bool {
        self.conflicts.lock().unwrap_or_else(PoisonError::into_inner).contains(script)
    }

    /// `of daemon process 'x'` or `in embedded mode`.
    pub(crate) fn place(&self) -> String {
        match self.launch().mode {
            HostMode::Daemon => format!("of daemon process '{}'", messages::text(&self.launch().group)),
            HostMode::Embedded => "in embedded mode".to_owned(),
        }
    }

    /// Whether this is a service daemon, which runs its scripts and no requests.
    pub(crate) fn is_service(&self) -> bool {
        self.launch().mode == HostMode::Daemon && self.launch.threads == 0
    }

    /// A path of httpd's as this process sees it; `None` outside of its chroot directory.
    pub(crate) fn inside_chroot<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let Some(root) = &self.launch.chroot else { return Some(path) };
        let root = root.strip_suffix(b"/").unwrap_or(root);
        match path.strip_prefix(root) {
            Some([]) => Some(b"/"),
            Some(rest) if rest[0] == b'/' => Some(rest),
            _ if path.starts_with(b"module:") => Some(path),
            _ => None,
        }
    }

    /// Makes the calling thread ready to run requests as number `thread_id` (1-based; 0 is the main thread).
    #[must_use]
    pub fn worker(&'static self, thread_id: u32) -> RequestThread {
        RequestThread::new(self, thread_id)
    }

    /// Sets who decides about changed scripts; before the first request. Without one they are loaded again in place.
    pub fn set_reload_policy(&self, policy: &'static dyn ReloadPolicy) {
        // A process has one policy; a second call changes nothing.
        let _ = self.policy.set(policy);
    }

    /// Sets what is done when a file has changed in which an import is, before the process serves.
    pub(crate) fn set_give_way(&self, how: GiveWay) {
        // Once, as above.
        let _ = self.give_way.set(how);
    }

    /// Whether this process serves nothing yet, and another one can take its place.
    pub(crate) fn may_give_way(&self) -> bool {
        self.give_way.get().is_some() && !self.is_serving()
    }

    /// Has another process take the place of this one, which is importing what is out of date, if it serves nothing yet.
    pub(crate) fn give_way(&self, script: &[u8], group: &[u8], file: &[u8]) {
        let Some(give_way) = self.give_way.get().filter(|_| !self.is_serving()) else { return };
        let script = PreloadScript { script: script.to_vec(), application_group: group.to_vec() };
        log::write(log::NOTICE, &messages::gives_way(&script.script, file));
        give_way(&script, file);
    }

    /// Whether requests are served, so that its signals are handled.
    pub(crate) fn is_serving(&self) -> bool {
        self.policy.get().is_some()
    }

    pub(crate) fn on_changed(&self, script: &[u8], group: &[u8], mtime: u64) -> Option<ReloadDecision> {
        self.policy.get().map(|policy| policy.on_changed(script, group, mtime))
    }

    /// Whether all request threads share one lock, so that admitting more of them than can run is waste: false with
    /// own-GIL interpreters or free threading.
    #[must_use]
    pub fn shares_lock(&self) -> bool {
        !interpreter::runs_in_parallel(self)
    }

    /// The calling thread runs requests as number `number` from now on.
    pub(crate) fn enter_thread(&self, number: u32) -> Arc<ThreadRecord> {
        self.threads.enter(number)
    }

    /// A request thread is gone.
    pub(crate) fn leave_thread(&self, record: &Arc<ThreadRecord>) {
        self.threads.leave(record);
    }

    /// Whether it is kept since when request threads have been running their requests.
    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    /// Request threads that have been running a request since a moment: number of the thread, of the request, and that
    /// moment, monotonic ns. Only in embedded mode with WSGISlowRequests.
    pub(crate) fn running(&self) -> Vec<(u32, u64, u64)> {
        self.threads.running()
    }

    /// Logs where request thread `thread_id` is, in the context of the request that it has been running for `seconds`,
    /// if `is_current`, asked with the GIL held, says that it still does. May wait for the GIL for ever.
    pub fn report(&self, thread_id: u32, why: LongRunning, seconds: f64, is_current: &dyn Fn() -> bool) {
        if let Some(interpreter) = self.threads.find(thread_id).and_then(|record| record.interpreter()) {
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
        let Some(record) = self.threads.find(thread_id).filter(|_| is_current()) else { return };
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
        // SAFETY: the thread cannot end meanwhile, and the GIL is held.
        let state = self.threads.with_window(thread_id, |window| unsafe { window.request(py, interpreter) });
        let state = state.flatten();
        if let Some(state) = state.filter(|state| state.thread_id == thread_id) {
            state.log_from_outside(py, log::WARN, line.as_bytes());
        }
    }

    /// Raises RequestTimeout in request thread `thread_id` if `is_current`, asked with the GIL held, says that it
    /// still runs the request that is meant; logs its stack before and a line afterwards (spec/behaviour.md §4.9).
    /// May wait for the GIL for ever.
    pub fn inject_timeout(&self, thread_id: u32, seconds: f64, is_current: &dyn Fn() -> bool) {
        let Some(record) = self.threads.find(thread_id) else { return };
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
            // SAFETY: attached to the interpreter in which the thread runs; the class is alive.
            let hit = unsafe { ffi::PyThreadState_SetAsyncExc(record.ident() as _, class.as_ptr()) };
            if hit > 0 {
                record.note_injected();
                log::write(log::INFO, &messages::injected(thread_id));
            }
        });
    }

    /// The Python stacks of all threads of the interpreter in which `thread_id` runs (0: the main interpreter), one
    /// line per entry. With `is_current` answering false: empty. May wait for the GIL for ever.
    #[must_use]
    pub fn stacks(&self, thread_id: u32, is_current: &dyn Fn() -> bool) -> Vec<String> {
        let known = self.threads.find(thread_id).and_then(|record| record.interpreter());
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

    /// Ends Python, on the main thread. With `finalize` every [`RequestThread`] has been dropped: sub-interpreters are
    /// ended, and the main one is left to `python` itself, which ends when `serve` returns. Otherwise only exit
    /// handlers run, and the caller must `_exit`. Does nothing with WSGIDestroyInterpreter Off. May run for ever.
    pub fn end(&self, finalize: bool) {
        telemetry::stopped();
        // Once is enough.
        let _ = self.ended.set(());
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
        let _ = self.unfinished.set(());
    }

    /// Whether [`Host::end`] was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Whether Python may be finalised when the serve loop has returned.
    pub(crate) fn may_finalize(&self) -> bool {
        self.unfinished.get().is_none()
    }

    /// Logs outside of any request; `level` is httpd's number (0 emerg … 7 debug).
    pub fn log(&self, level: u8, text: &str) {
        log::write(level, text);
    }
}

fn furnished() -> impl Iterator<Item = &'static Interpreter> {
    interpreter::all().into_iter().filter(|interpreter| interpreter.furnished().is_some())
}

/// Calls a function of `fixtures.py` that returns a list of texts.
pub(crate) fn texts(py: Attached<'_>, interpreter: &Interpreter, name: &str) -> Vec<String> {
    strings(py, interpreter, name, &[])
}

/// The texts of a list.
pub(crate) fn texts_of(py: Attached<'_>, list: &Object) -> Vec<String> {
    let entry = |place| {
        // SAFETY: the place exists, and nobody else has this list.
        unsafe { Object::borrow(ffi::PyList_GetItem(list.as_ptr(), place as isize)) }.lossy(py)
    };
    (0..list.list_len()).map(entry).collect()
}

/// Calls a function of `fixtures.py` that returns a list of texts; their lines.
fn strings(py: Attached<'_>, interpreter: &Interpreter, name: &str, numbers: &[u64]) -> Vec<String> {
    let call = || {
        let numbers: Vec<Owned<'_>> =
            numbers.iter().map(|number| py.int(*number as i64)).collect::<crate::python::Result<_>>()?;
        let arguments: Vec<&Object> = numbers.iter().map(|number| &**number).collect();
        interpreter.fixture(py, name, &arguments)
    };
    match call() {
        Ok(list) => texts_of(py, &list).iter().flat_map(|entry| entry.lines()).map(str::to_owned).collect(),
        Err(raised) => {
            raised.clear(py);
            Vec::new()
        }
    }
}
