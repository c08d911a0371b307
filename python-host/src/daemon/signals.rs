//! Signals of a daemon (spec/daemon.md §2.3). A handler only notes the signal and wakes the main thread.
//!
//! In a process that the application forked off, a handler ends that process with status 255, and the flag
//! set after the fork keeps the copy from writing to connections that belong to its parent.

use super::os;
use crate::forked;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};

/// The signals that are handled.
const HANDLED: [i32; 6] =
    [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGXCPU, libc::SIGHUP, libc::SIGUSR2];

static OWNER: AtomicI32 = AtomicI32::new(0);
static WAKE_FD: AtomicI32 = AtomicI32::new(-1);
static PENDING: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: libc::c_int) {
    // SAFETY: getpid is async-signal-safe and cannot fail.
    if unsafe { libc::getpid() } != OWNER.load(SeqCst) {
        os::exit_now(forked::FORKED_STATUS);
    }
    // SAFETY: the location of errno is valid for the running thread; the interrupted code must find it unchanged.
    let errno = unsafe { *libc::__errno_location() };
    PENDING.fetch_or(1 << signal, SeqCst);
    os::signal_eventfd(WAKE_FD.load(SeqCst));
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Runs in the child of every fork(2) of this process.
extern "C" fn in_forked_child() {
    forked::note_forked();
    super::last_stack::leave_to_parent();
    super::registry::close_in_child();
}

/// Installs the handlers; `wake` is an eventfd that stays open for the rest of the process. Called after
/// Python has started, so that these handlers win.
///
/// # Errors
/// The error of sigaction(2).
pub(super) fn install(wake: RawFd) -> io::Result<()> {
    // SAFETY: getpid cannot fail.
    OWNER.store(unsafe { libc::getpid() }, SeqCst);
    WAKE_FD.store(wake, SeqCst);
    // SAFETY: the handler is a plain function that only stores to an atomic; it lives as long as the library,
    // which a daemon never unloads.
    unsafe { libc::pthread_atfork(None, None, Some(in_forked_child)) };
    for signal in HANDLED {
        set(signal, note as *const () as libc::sighandler_t)?;
    }
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        set(signal, libc::SIG_IGN)?;
    }
    unblock();
    Ok(())
}

fn set(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all-zero is a valid sigaction, and `handler` is a function of the right type or SIG_IGN.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the handled signals through: the supervisor may have blocked them across the start-up.
fn unblock() {
    // SAFETY: `mask` is initialised by sigemptyset before it is used.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        for signal in HANDLED {
            libc::sigaddset(&raw mut mask, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const mask, std::ptr::null_mut());
    }
}

/// Ignores the signals that only carry messages to subscribers, once the shutdown has begun.
pub(super) fn ignore_messages() {
    for signal in [libc::SIGHUP, libc::SIGUSR2] {
        // A failure leaves the noting handler in place, which does no harm.
        let _ = set(signal, libc::SIG_IGN);
    }
}

/// Takes the signals noted since the last call, lowest number first.
pub(super) fn take() -> impl Iterator<Item = i32> {
    let pending = PENDING.swap(0, SeqCst);
    (0..64).filter(move |n| pending & (1 << n) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_and_wakes() {
        let wake = os::EventFd::new().unwrap();
        install(wake.as_raw()).unwrap();
        // SAFETY: the handler for SIGUSR2 has just been installed.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(take().collect::<Vec<_>>(), [libc::SIGUSR2]);
        assert_eq!(take().count(), 0);
        let mut fds = [(wake.as_raw(), libc::POLLIN)];
        assert_eq!(os::poll(&mut fds, Some(std::time::Duration::ZERO)).unwrap(), 1);
        for signal in HANDLED {
            set(signal, libc::SIG_DFL).unwrap();
        }
    }
}
