//! What both modes need to decide how many threads may contend for one GIL (design.md §4): `pace` decides, a meter
//! shows what a thread is kept from, and the turnstile lets the threads of an httpd child in. A daemon has a gate of
//! its own (`crate::daemon`), because its threads come for requests instead of with them.

pub mod bell;
pub mod clock;
mod crowd;
pub mod gate;
pub mod meter;
pub mod pace;
pub mod turnstile;
pub mod waits;

/// Keeps signals away from the calling thread: httpd's handlers belong to its own threads.
pub fn block_signals() {
    // SAFETY: a signal set may be all zero, is filled before it is used, and only this thread's mask changes.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}
