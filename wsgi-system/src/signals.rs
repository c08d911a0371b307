//! What this process, or the calling thread, does with signals. Handlers are installed where they are written.

use nix::errno::Errno;
pub use nix::sys::signal::SigSet as SignalMask;
pub use nix::sys::signal::Signal as SignalNumber;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Gives all signals their default action and unblocks them. Async-signal-safe.
pub fn reset() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is always a valid action; KILL, STOP and libc's own signals are refused harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let _ = SigSet::empty().thread_set_mask();
}

/// Ignores a signal for good. Async-signal-safe.
pub fn ignore(signal: Signal) {
    set(signal, SigHandler::SigIgn);
}

/// Gives a signal its default action. Async-signal-safe.
pub fn restore(signal: Signal) {
    set(signal, SigHandler::SigDfl);
}

fn set(signal: Signal, handler: SigHandler) {
    debug_assert!(matches!(handler, SigHandler::SigIgn | SigHandler::SigDfl));
    let _ = SoundAction(SigAction::new(handler, SaFlags::empty(), SigSet::empty())).install(signal);
}

/// Calls a function when a signal comes; calls that it interrupts go on.
///
/// # Errors
/// The errno of sigaction(2).
///
/// # Safety
/// `handler` is async-signal-safe, and stays mapped as long as the process.
pub unsafe fn handle(signal: Signal, handler: extern "C" fn(libc::c_int)) -> Result<(), Errno> {
    SoundAction(SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty()))
        .install(signal)
        .map(drop)
}

/// What a signal does, where nothing that may not run in a handler can be called by it.
#[derive(Debug)]
struct SoundAction(SigAction);

impl SoundAction {
    /// The action of before.
    fn install(&self, signal: Signal) -> Result<Self, Errno> {
        // SAFETY: constructed here only: with no function at all, with one that `handle` was promised to be safe, with
        // `end_at_once`, or with what sigaction(2) has returned, and so was in force before.
        unsafe { sigaction(signal, &self.0) }.map(Self)
    }
}

/// Signals that end the process at once as long as this lives, even if the thread has blocked them, instead of having a handler
/// run in the midst of what it interrupts. Those that are ignored or have their default action stay as they are.
#[derive(Debug)]
pub struct EndingAtOnce {
    handlers: Vec<(Signal, SoundAction)>,
    mask: Option<SigSet>,
}

impl EndingAtOnce {
    /// The handlers of these signals make place.
    #[must_use]
    pub fn by(signals: &[Signal]) -> Self {
        let end = SigAction::new(SigHandler::Handler(end_at_once), SaFlags::empty(), SigSet::empty());
        let end = SoundAction(end);
        let with_handler = signals.iter().filter(|signal| has_handler(**signal as libc::c_int));
        let handlers: Vec<_> =
            with_handler.filter_map(|signal| Some((*signal, end.install(*signal).ok()?))).collect();
        let ours: SigSet = handlers.iter().map(|(signal, _)| *signal).collect();
        let mask = ours.thread_swap_mask(SigmaskHow::SIG_UNBLOCK).ok();
        Self { handlers, mask }
    }
}

impl Drop for EndingAtOnce {
    fn drop(&mut self) {
        if let Some(mask) = &self.mask {
            let _ = mask.thread_set_mask();
        }
        for (signal, before) in &self.handlers {
            let _ = before.install(*signal);
        }
    }
}

extern "C" fn end_at_once(_signal: libc::c_int) {
    crate::process::exit_now(0);
}

/// In a handler: the interrupted code finds errno as it was.
pub fn keeping_errno(f: impl FnOnce()) {
    let errno = Errno::last_raw();
    f();
    Errno::set_raw(errno);
}

/// Signals of the thread that is kept from them; dropping it puts the mask of before back.
#[derive(Debug)]
pub struct BlockedSignals(SigSet);

impl BlockedSignals {
    /// Blocks all.
    #[must_use]
    pub fn all() -> Self {
        let mut before = SigSet::empty();
        let _ = nix::sys::signal::pthread_sigmask(
            SigmaskHow::SIG_SETMASK,
            Some(&SigSet::all()),
            Some(&mut before),
        );
        Self(before)
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let _ = self.0.thread_set_mask();
    }
}

/// Unblocks all signals of the calling thread; the mask of before.
#[must_use]
pub fn unblock_all() -> Option<SigSet> {
    let mut before = SigSet::empty();
    let none = SigSet::empty();
    nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&none), Some(&mut before)).ok()?;
    Some(before)
}

/// Gives the calling thread a mask.
pub fn set_mask(mask: &SigSet) {
    let _ = mask.thread_set_mask();
}

/// Lets these signals through to the calling thread.
pub fn unblock(signals: &[Signal]) {
    let _ = signals.iter().copied().collect::<SigSet>().thread_unblock();
}

/// Signals that tell the thread that causes them: handlers of libraries count on them, and programs that the thread
/// starts inherit what it blocks.
const OWN: [Signal; 8] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGSYS,
    Signal::SIGPIPE,
];

/// Keeps signals away from the calling thread for good, but those that it causes itself.
pub fn block_others() {
    let mut others = SigSet::all();
    OWN.into_iter().for_each(|signal| others.remove(signal));
    let _ = others.thread_block();
}

/// Signals that are taken as they come, instead of by a handler.
#[derive(Debug)]
pub struct SignalQueue(Option<SignalFd>);

impl SignalQueue {
    /// Blocks these in the calling thread for good.
    #[must_use]
    pub fn block(signals: &[Signal]) -> Self {
        let set: SigSet = signals.iter().copied().collect();
        let _ = set.thread_block();
        Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).ok())
    }

    /// Readable when one has come; -1 where there is none to wait on.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.0.as_ref().map_or(-1, |queue| queue.as_fd().as_raw_fd())
    }

    /// Takes one that has come.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| matches!(queue.read_signal(), Ok(Some(_))))
    }
}

/// Whether a signal has a handler: neither its default action, nor that it is ignored.
#[must_use]
pub fn has_handler(signal: libc::c_int) -> bool {
    // SAFETY: all-zero is a valid sigaction, which the kernel fills.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
    }
}
