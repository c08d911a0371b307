//! Signals of a daemon (spec/daemon.md §2.3). A handler only notes the signal and wakes the main thread.
//!
//! In a process that the application forked off, a handler ends that process with status 255, and the flag
//! set after the fork keeps the copy from writing to connections that belong to its parent.

use super::os::{self, EventFd};
use crate::forked;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use wsgi_system::process;
use wsgi_system::signals::{self, SignalNumber};

/// The signals that are handled.
const HANDLED: [SignalNumber; 6] = [
    SignalNumber::SIGTERM,
    SignalNumber::SIGINT,
    SignalNumber::SIGUSR1,
    SignalNumber::SIGXCPU,
    SignalNumber::SIGHUP,
    SignalNumber::SIGUSR2,
];

static OWNER: AtomicI32 = AtomicI32::new(0);
static WAKE: OnceLock<&EventFd> = OnceLock::new();
static PENDING: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: libc::c_int) {
    if process::own() != OWNER.load(SeqCst) {
        os::exit_now(forked::FORKED_STATUS);
    }
    signals::keeping_errno(|| {
        PENDING.fetch_or(1 << signal, SeqCst);
        WAKE.get().inspect(|wake| wake.signal());
    });
}

/// Runs in the child of every fork(2) of this process.
extern "C" fn in_forked_child() {
    forked::note_forked();
    super::last_stack::leave_to_parent();
    super::registry::close_in_child();
}

/// Installs the handlers, which wake by `wake`. Called after Python has started, so that these handlers win.
///
/// # Errors
/// The error of sigaction(2).
pub(super) fn install(wake: &'static EventFd) -> io::Result<()> {
    OWNER.store(process::own(), SeqCst);
    let _ = WAKE.set(wake);
    // SAFETY: the handler is async-signal-safe; it lives as long as the library, which a daemon never unloads.
    unsafe { libc::pthread_atfork(None, None, Some(in_forked_child)) };
    for signal in HANDLED {
        // SAFETY: as above.
        unsafe { signals::handle(signal, note)? };
    }
    signals::ignore(SignalNumber::SIGPIPE);
    signals::ignore(SignalNumber::SIGXFSZ);
    // The supervisor may have blocked them across the start-up.
    signals::unblock(&HANDLED);
    Ok(())
}

/// Ignores the signals that only carry messages to subscribers, once the shutdown has begun.
pub(super) fn ignore_messages() {
    signals::ignore(SignalNumber::SIGHUP);
    signals::ignore(SignalNumber::SIGUSR2);
}

/// Wakes the main thread, for something that it looks at by itself.
pub(super) fn wake() {
    WAKE.get().inspect(|wake| wake.signal());
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
        let wake: &'static EventFd = Box::leak(Box::new(EventFd::new().unwrap()));
        install(wake).unwrap();
        process::signal_thread(process::own_tid(), libc::SIGUSR2);
        assert_eq!(take().collect::<Vec<_>>(), [libc::SIGUSR2]);
        assert_eq!(take().count(), 0);
        let mut fds = [(wake.as_raw(), libc::POLLIN)];
        assert_eq!(os::poll(&mut fds, Some(std::time::Duration::ZERO)).unwrap(), 1);
        for signal in HANDLED {
            signals::restore(signal);
        }
    }
}
