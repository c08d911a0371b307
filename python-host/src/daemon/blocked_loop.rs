//! That the event loop is blocked: its stack is to be left if the process ends so, and the timers look at it.

use super::{last_stack, signals};

/// The thread of the event loop, by the kernel's id, is blocked, or is not any more (0).
pub fn note_blocked_loop(tid: i32) {
    last_stack::note_blocked_loop(tid);
    signals::wake();
}
