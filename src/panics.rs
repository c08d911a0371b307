//! What becomes of a panic: C never sees one, and the log has it as one record.

use crate::httpd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Runs a callback's body; a panic becomes `on_panic`. The panic itself is logged by the hook of
/// [`install_hook`].
pub fn guard<T>(on_panic: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(on_panic)
}

/// Panics go to the main error log as one record instead of a dump on stderr.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let message = crate::messages::panicked(&info.to_string().replace('\n', " "));
        // SAFETY: a null server is the main log.
        unsafe { httpd::log::server(ptr::null(), httpd::log::LogLevel::Crit as u8, 0, message.as_bytes()) }
    }));
}
