//! That the event loop is blocked: its stack is to be left if the process ends so, and the timers look at it.

use super::{last_stack, signals};

/// That it does not come by. Times are monotonic ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockedLoop {
    /// Since when.
    pub since: u64,
    /// For how long of that it has only waited for the GIL, which another thread had.
    pub waited: u64,
}

/// The thread of the event loop, by the kernel's id, is blocked, or is not any more (0).
pub fn note_blocked_loop(tid: i32) {
    last_stack::note_blocked_loop(tid);
    signals::wake();
}
