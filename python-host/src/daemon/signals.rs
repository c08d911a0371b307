//! Signals of a daemon (spec/daemon.md §2.3). A handler only notes the signal and wakes the main thread.
//!
//! In a process that the application forked off, a handler ends that process with status 255, and the flag
//! set after the fork keeps the copy from writing to connections that belong to its parent.

use super::os::{self, EventFd};
use crate::forked;
use crate::interpreter::threads::attached_state;
use crate::python::symbols::{self, DumpTraceback};
use crate::python::versions;
use pyo3::ffi;
use std::ffi::c_int;
use std::io;
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use wsgi_protocol::launch::STACK_FD;
use wsgi_system::process;
use wsgi_system::signals::{self, SignalNumber};

/// The signals that are handled.
const HANDLED: [SignalNumber; 6] = [
    SignalNumber::SIGTERM,
    SignalNumber::SIGINT,
    SignalNumber::SIGUSR1,
    SignalNumber::SIGXCPU,
    SignalNumber::SIGHUP,
    SignalNumber::SIGUSR2,
];

static OWNER: AtomicI32 = AtomicI32::new(0);
static WAKE: OnceLock<&EventFd> = OnceLock::new();
static PENDING: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: libc::c_int) {
    if process::own() != OWNER.load(SeqCst) {
        os::exit_now(forked::FORKED_STATUS);
    }
    signals::keeping_errno(|| {
        PENDING.fetch_or(1 << signal, SeqCst);
        WAKE.get().inspect(|wake| wake.signal());
    });
}

/// Installs the handlers, which wake by `wake`. Called after Python has started, so that these handlers win. A process that
/// is forked off runs `in_child` first, which is async-signal-safe.
///
/// # Errors
/// The error of sigaction(2).
pub(super) fn install(wake: &'static EventFd, in_child: fn()) -> io::Result<()> {
    OWNER.store(process::own(), SeqCst);
    let _ = WAKE.set(wake);
    forked::also_in_child(in_child);
    for signal in HANDLED {
        // SAFETY: the handler is async-signal-safe; it lives as long as the library, which a daemon never unloads.
        unsafe { signals::handle(signal, note)? };
    }
    signals::ignore(SignalNumber::SIGPIPE);
    signals::ignore(SignalNumber::SIGXFSZ);
    // The supervisor may have blocked them across the start-up.
    signals::unblock(&HANDLED);
    Ok(())
}

/// Ignores the signals that only carry messages to subscribers, once the shutdown has begun.
pub(super) fn ignore_messages() {
    signals::ignore(SignalNumber::SIGHUP);
    signals::ignore(SignalNumber::SIGUSR2);
}

/// Wakes the main thread, for something that it looks at by itself.
pub(super) fn wake() {
    WAKE.get().inspect(|wake| wake.signal());
}

/// Takes the signals noted since the last call, lowest number first.
pub(super) fn take() -> impl Iterator<Item = i32> {
    let pending = PENDING.swap(0, SeqCst);
    (0..64).filter(move |n| pending & (1 << n) != 0)
}

/// What a crash shows as.
const FAULTS: [c_int; 5] = [libc::SIGSEGV, libc::SIGFPE, libc::SIGABRT, libc::SIGBUS, libc::SIGILL];

static DUMP: OnceLock<DumpTraceback> = OnceLock::new();

/// The handlers that were there before, by signal.
static BEFORE: [AtomicUsize; 65] = [const { AtomicUsize::new(libc::SIG_DFL) }; 65];

/// Stacks that `faulthandler` does not find in some versions (`versions::STACKS_OF_FIRST_STATE`): our handlers stand in front
/// of its own and write what is missing, where CPython lets them.
///
/// Stands in front of the handlers for crashes and for `signal`, if that is needed and possible.
pub(super) fn complete_stacks(signal: c_int) {
    let Some(dump) = symbols::get().dump_traceback.filter(|_| versions::STACKS_OF_FIRST_STATE.applies())
    else {
        return;
    };
    // Prepared once per process.
    let _ = DUMP.set(dump);
    FAULTS.into_iter().chain([signal]).for_each(stand_in_front);
}

fn stand_in_front(signal: c_int) {
    // SAFETY: all-zero is a valid sigaction; ours keeps flags and mask of the one that is there.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
        let plain = action.sa_flags & libc::SA_SIGINFO == 0;
        if !known || !plain || matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
            return;
        }
        BEFORE[signal as usize].store(action.sa_sigaction, Relaxed);
        action.sa_sigaction = write_and_pass_on as *const () as libc::sighandler_t;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn write_and_pass_on(signal: c_int) {
    let state = attached_state();
    // SAFETY: async-signal-safe: it reads a slot of the thread.
    let known = unsafe { ffi::PyGILState_GetThisThreadState() };
    if let Some(dump) = DUMP.get().filter(|_| !state.is_null() && state != known) {
        // SAFETY: made to be called from signal handlers; the state is that of this thread, and alive while attached.
        unsafe { dump(STACK_FD, state) };
    }
    let before = BEFORE[signal as usize].load(Relaxed);
    if !matches!(before, libc::SIG_DFL | libc::SIG_IGN) {
        // SAFETY: it was installed as a handler without SA_SIGINFO.
        unsafe { transmute::<usize, extern "C" fn(c_int)>(before)(signal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_and_wakes() {
        let wake: &'static EventFd = Box::leak(Box::new(EventFd::new().unwrap()));
        install(wake, || ()).unwrap();
        process::signal_thread(process::own_tid(), libc::SIGUSR2);
        assert_eq!(take().collect::<Vec<_>>(), [libc::SIGUSR2]);
        assert_eq!(take().count(), 0);
        let mut fds = [(wake.as_raw(), libc::POLLIN)];
        assert_eq!(os::poll(&mut fds, Some(std::time::Duration::ZERO)).unwrap(), 1);
        for signal in HANDLED {
            signals::restore(signal);
        }
    }
}
