//! Which process of httpd this is, and which configuration it serves.

use std::sync::atomic::{AtomicU32, Ordering};

/// Process id of this child of httpd; each request needs it twice, and asking the system is a system call.
static CHILD_PID: AtomicU32 = AtomicU32::new(0);

/// In a new child.
pub fn note_child() {
    CHILD_PID.store(std::process::id(), Ordering::Relaxed);
}

/// Process id of this child of httpd.
pub fn child_pid() -> u32 {
    match CHILD_PID.load(Ordering::Relaxed) {
        0 => std::process::id(),
        pid => pid,
    }
}
