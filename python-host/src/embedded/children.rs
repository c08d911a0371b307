//! Programs that an application in an httpd child starts. httpd blocks signals on its request threads, and a program that is
//! started there would inherit that: SIGTERM would do nothing to it. So a thread that is about to start one, which
//! Python's audit events tell, receives signals until its request is over. (httpd's main thread stays the one that the kernel
//! prefers for those that are sent to the process.)

use crate::python::trampoline;
use std::cell::Cell;
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
    // A failure leaves signals blocked, as they were.
    trampoline::listen(announced);
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
