//! What both modes need to decide how many threads may contend for one GIL (decisions.md, "As few threads contend
//! for the GIL as keep it busy"): `pace` decides, a meter
//! shows what a thread is kept from, and the admission queue lets the threads of an httpd child in. A daemon has a gate of
//! its own (`crate::daemon`), because its threads come for requests instead of with them.

pub mod admission;
pub mod clock;
mod crowd;
pub mod gate;
pub mod meter;
pub mod pace;
pub mod waits;
pub mod wakeup;

/// Signals that tell the thread that causes them: handlers of libraries count on them, and programs that the thread
/// starts inherit what it blocks.
const OWN: [libc::c_int; 8] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGPIPE,
];

/// Keeps signals away from the calling thread, as from httpd's request threads: httpd's handlers belong to others.
pub fn block_signals() {
    // SAFETY: a signal set may be all zero, is filled before it is used, and only this thread's mask changes.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        for signal in OWN {
            libc::sigdelset(&raw mut all, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}
