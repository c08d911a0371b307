//! The wall between C and Rust: no panic crosses it, and each one leaves one line in the log.

use crate::embedded;
use crate::fork;
use crate::log;
use crate::thread_end;
use pyo3::ffi::PyObject;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// Runs the body of a function that C called; a panic ends here with `on_panic`.
pub fn guard<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(on_panic)
}

/// Runs in the child of every fork(2) of this process (see `fork::watch`).
pub extern "C" fn in_forked_child() {
    fork::note_forked();
}

/// Runs at the end of each thread that asked for it (see `thread_end`).
pub extern "C" fn at_end_of_thread(_: *mut c_void) {
    guard((), thread_end::run);
}

/// Listens to Python's audit events (see `embedded::announced`); refuses nothing.
pub unsafe extern "C" fn on_audit_event(event: *const c_char, _: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: Python gives a NUL-ended name.
    guard((), || embedded::announced(unsafe { CStr::from_ptr(event) }.to_bytes()));
    0
}

/// As [`guard`] for a call of httpd's: a process that the application forked off must not go on as if it were httpd's child.
pub fn door<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    let result = guard(on_panic, body);
    fork::end_if_forked();
    result
}

/// As [`guard`], for callers that have to know.
pub fn caught<T>(body: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(body)).ok()
}

/// From now on panics of this library are logged in one line instead of being printed.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(report)));
}

fn report(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "panic",
    };
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    log::write(2, &format!("mod_wsgi: internal error, please report it: {text} ({place})"));
}
