//! Whether this process is one that the application forked off, which must not go on as if it were ours.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Exit status of a process that the application forked off, and that came back to us.
pub const FORKED_STATUS: i32 = 255;

static FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The thread is in `fork::fork_away`: the process that comes of it is no copy that the application made.
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// This is the child of a fork, and unless it was ours, one that the application forked off.
pub fn note_forked() {
    FORKED.store(!IS_OURS.get(), Relaxed);
}

/// Whether this process is one that the application forked off.
pub fn is_forked() -> bool {
    FORKED.load(Relaxed)
}

/// The forks of this thread are ours from now on, or the application's again.
pub fn note_ours(is_ours: bool) {
    IS_OURS.set(is_ours);
}

/// What else is done in the child of a fork.
static IN_CHILD: OnceLock<fn()> = OnceLock::new();

/// Has the child of every fork run `task`, which is async-signal-safe, from now on.
pub fn also_in_child(task: fn()) {
    // A process has one such task.
    let _ = IN_CHILD.set(task);
}

/// Runs in the child of every fork(2) of this process (see `fork::watch`).
pub extern "C" fn in_forked_child() {
    note_forked();
    if let Some(task) = IN_CHILD.get() {
        task();
    }
}

/// The application forked and has come back in the child: requests and their connections, scripts to load, orders and the
/// end of the process are the parent's. Asked wherever a thread leaves Python (`threads::detach`, `Worker`), and at the
/// doors through which httpd comes in.
pub fn end_if_forked() {
    if is_forked() {
        wsgi_system::process::exit_now(FORKED_STATUS)
    }
}
