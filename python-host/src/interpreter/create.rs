//! Looking an interpreter up and making it. Nobody waits for the table while holding a GIL, and nobody who holds the
//! creation lock waits for somebody who waits for it (spec/daemon.md §5.2).

use super::{Interpreter, add, find, main, threads};
use crate::boundary;
use crate::host::Host;
use crate::log;
use crate::messages;
use crate::python::Attached;
use crate::python::symbols::{self, InterpreterConfig};
use std::sync::{Mutex, OnceLock, PoisonError};
use wsgi_protocol::launch::HostMode;

/// Held while an interpreter is being made, never while waiting to be told something by another request thread.
static CREATING: Mutex<()> = Mutex::new(());

/// The interpreter of an application group, made if there is none. The calling thread is detached. `None`: it cannot
/// be made, which has been logged; the next request tries again.
pub fn obtain(host: &'static Host, name: &[u8]) -> Option<&'static Interpreter> {
    if let Some(found) = find(name) {
        return Some(found);
    }
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = find(name) {
        return Some(found);
    }
    if claims_main(host, name) {
        let claimed = threads::within(main(), |py| main().populate(py, name));
        return claimed.then(main);
    }
    let made = make(host, name);
    if made.is_none() {
        log::write(log::CRIT, &messages::interpreter_failed(name));
    }
    made
}

/// Whether an application group runs in the main interpreter, or would if it were asked for now.
pub fn is_for_main(host: &Host, name: &[u8]) -> bool {
    find(name).map_or_else(|| claims_main(host, name), |found| found.is_main)
}

/// The empty group is the main interpreter; and in a daemon whose configuration never names it, the first group is
/// (decisions.md, "The first application group may have the main interpreter").
fn claims_main(host: &Host, name: &[u8]) -> bool {
    let launch = host.launch();
    let is_free = main().furnished().is_none();
    name.is_empty() || (is_free && launch.mode == HostMode::Daemon && !launch.names_global)
}

/// A new sub-interpreter; the calling thread is detached before and after.
fn make(host: &'static Host, name: &[u8]) -> Option<&'static Interpreter> {
    let settings = super::rules::resolve(host.launch(), name);
    let own_gil = settings.own_gil && symbols::get().has_own_gils();
    if settings.own_gil && !own_gil {
        log::write(log::WARN, &messages::no_own_gil(symbols::get().version));
    }
    threads::attached(main(), |py| {
        if !start(py, own_gil) {
            // The old state is current again.
            threads::detach();
            return None;
        }
        let interpreter = Interpreter::new(host, threads::current_interpreter(py), false, own_gil);
        threads::adopt(py, interpreter);
        let furnished = boundary::caught(|| interpreter.populate(py, name)).unwrap_or(false);
        if furnished {
            add(interpreter);
            threads::detach();
            return Some(interpreter);
        }
        interpreter.abandon(py);
        None
    })
}

/// Makes a new interpreter, whose state is current then. False: there is none, and the old state is still current.
fn start(py: Attached<'_>, own_gil: bool) -> bool {
    // spec/daemon.md §5.2.
    let shared = InterpreterConfig {
        use_main_obmalloc: 1,
        allow_fork: 1,
        allow_exec: 1,
        allow_threads: 1,
        allow_daemon_threads: 1,
        check_multi_interp_extensions: 0,
        gil: 1,
    };
    let own = InterpreterConfig {
        use_main_obmalloc: 0,
        allow_fork: 0,
        allow_exec: 0,
        allow_daemon_threads: 0,
        check_multi_interp_extensions: 1,
        gil: 2,
        ..shared
    };
    match symbols::get().start_interpreter(py, if own_gil { &own } else { &shared }) {
        Ok(()) => return true,
        Err(Some(reason)) => log::write(log::ERROR, &messages::interpreter_status(&reason)),
        Err(None) => {}
    }
    false
}

/// Whether own GILs let several threads run Python at once.
pub fn runs_in_parallel(host: &Host) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| may_have_own_gils(host))
}

/// Whether any interpreter of this process may get a GIL of its own.
pub(super) fn may_have_own_gils(host: &Host) -> bool {
    let own = host.launch().rules.iter().any(|rule| rule.own_gil == Some(true));
    own && symbols::get().has_own_gils()
}

/// Whether the interpreter of an application group has a GIL of its own, or would if it were made now.
pub(super) fn has_own_gil(host: &Host, name: &[u8]) -> bool {
    let would = || !claims_main(host, name) && super::rules::resolve(host.launch(), name).own_gil;
    find(name).map_or_else(would, |found| found.own_gil)
}
