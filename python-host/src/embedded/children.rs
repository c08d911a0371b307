//! Programs that an application in an httpd child starts. httpd blocks signals on its request threads, and a program that is
//! started there would inherit that: SIGTERM would do nothing to it. So a thread that is about to start one, which
//! Python's audit events tell, receives signals until its request is over. (httpd's main thread stays the one that the kernel
//! prefers for those that are sent to the process.)

use crate::boundary;
use crate::python::symbols;
use pyo3::ffi::PyObject;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use wsgi_system::signals::{self, SignalMask};

/// The audit events of CPython that come before a fork.
const EVENTS: [&[u8]; 6] =
    [b"subprocess.Popen", b"os.fork", b"os.forkpty", b"os.posix_spawn", b"os.system", b"os.exec"];

thread_local! {
    /// What the thread blocked, if that has been changed.
    static BLOCKED: Cell<Option<SignalMask>> = const { Cell::new(None) };
}

/// Begins to listen; once, before any code of the application runs.
pub fn listen() {
    if let Some(add) = symbols::get().add_audit_hook {
        // SAFETY: Python is initialised, and the hook is part of this library, which is never unloaded. A failure leaves
        // signals blocked, as they were.
        unsafe { add(on_audit_event, std::ptr::null_mut()) };
    }
}

/// Listens to Python's audit events (see [`announced`]); refuses nothing.
unsafe extern "C" fn on_audit_event(event: *const c_char, _: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: Python gives a NUL-ended name.
    boundary::guard((), || announced(unsafe { CStr::from_ptr(event) }.to_bytes()));
    0
}

/// Python tells of an event.
fn announced(event: &[u8]) {
    if EVENTS.contains(&event) && BLOCKED.get().is_none() {
        BLOCKED.set(signals::unblock_all());
    }
}

/// The thread's request is over.
pub fn over() {
    if let Some(before) = BLOCKED.take() {
        signals::set_mask(&before);
    }
}
