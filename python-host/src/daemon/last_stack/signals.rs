//! Stacks that `faulthandler` does not find in some versions (`versions::STACKS_OF_FIRST_STATE`).
//!
//! Our handlers stand in front of those of `faulthandler` and write what is missing, where CPython lets them.

use crate::interpreter::threads::attached_state;
use crate::python::symbols::{self, DumpTraceback};
use crate::python::versions;
use pyo3::ffi;
use std::ffi::c_int;
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wsgi_protocol::launch::STACK_FD;

/// What a crash shows as.
const FAULTS: [c_int; 5] = [libc::SIGSEGV, libc::SIGFPE, libc::SIGABRT, libc::SIGBUS, libc::SIGILL];

static DUMP: OnceLock<DumpTraceback> = OnceLock::new();

/// The handlers that were there before, by signal.
static BEFORE: [AtomicUsize; 65] = [const { AtomicUsize::new(libc::SIG_DFL) }; 65];

/// Stands in front of the handlers for crashes and for `signal`, if that is needed and possible.
pub fn prepare(signal: c_int) {
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
