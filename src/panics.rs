//! What becomes of a panic: C never sees one, and the log has it as one record.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a callback's body; a panic becomes `on_panic`. The panic itself is logged by the hook of
/// [`install_hook`].
pub fn guard<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    guard_or(|| on_panic, body)
}

/// The same where something is to be done about it.
pub fn guard_or<T>(on_panic: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| on_panic())
}

/// Panics are told as one record each instead of a dump on stderr.
pub fn install_hook(tell: fn(&str)) {
    std::panic::set_hook(Box::new(move |info| tell(&info.to_string().replace('\n', " "))));
}
