//! The wall between C and Rust: no panic crosses it, and each one leaves one line in the log.

use crate::forked;
use crate::log;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use wsgi_protocol::events;

/// Runs the body of a function that C called; a panic ends here with `on_panic`.
pub fn guard<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(on_panic)
}

/// As [`guard`] for a call of httpd's: a process that the application forked off must not go on as if it were httpd's child.
pub fn door<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    let result = guard(on_panic, body);
    forked::end_if_forked();
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
    let line = events::HOST_FAULT.line(format!("internal error, please report it: {text} ({place})"));
    log::write(log::CRIT, &line);
}
