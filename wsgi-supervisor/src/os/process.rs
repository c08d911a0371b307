//! fork, process descriptors and what a child does with its signals.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, Pid};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Runs `child` in a forked process, which ends when `child` comes back instead of exec'ing.
///
/// # Errors
/// The errno of fork.
pub fn fork_into(child: impl FnOnce()) -> Result<Pid, Errno> {
    // SAFETY: the supervisor never starts a thread, so that every lock is free in the child and it may
    // allocate; the child never returns
    // into the parent's frames, so no destructor of theirs runs twice.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            child();
            exit_now(1)
        }
    }
}

/// Ends the process without running any exit handler.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(status) }
}

/// A descriptor that becomes readable when the process ends (Linux 5.3).
///
/// # Errors
/// ESRCH when there is no such process, ENOSYS on an older kernel.
pub fn open_process(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: plain system call without pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just opened it for us (close-on-exec by default).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives all signals their default action and unblocks them.
pub fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is always a valid action; KILL, STOP and libc's own signals are refused harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = nix::sys::signal::SigSet::empty();
    let _ = none.thread_set_mask();
}

/// Ignores a signal for good.
pub fn ignore_signal(signal: nix::sys::signal::Signal) {
    // SAFETY: SIG_IGN is always a valid action.
    unsafe { libc::signal(signal as i32, libc::SIG_IGN) };
}

/// Sets the nice value of this process (absolute, like httpd's own module).
///
/// # Errors
/// The errno of setpriority.
pub fn set_nice(value: i32) -> Result<(), Errno> {
    // SAFETY: plain system call without pointers.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) }).map(drop)
}

/// A child that has ended and has not been waited for. `None` when there is none at the moment.
#[must_use]
pub fn ended_child() -> Option<i32> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags).ok()?.pid().map(Pid::as_raw)
}

/// Waits for a child that has ended: its raw wait status, and the CPU it has used, µs (user, system).
#[must_use]
pub fn reap(pid: i32) -> Option<(i32, (u64, u64))> {
    let mut status = 0;
    // SAFETY: all zero is a valid value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are ours; WNOHANG never blocks. (nix has no way to get the raw status.)
    let reaped = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    let us = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec).unsigned_abs();
    (reaped == pid).then_some((status, (us(usage.ru_utime), us(usage.ru_stime))))
}

/// Whether a file has this extended attribute, with the value `1`.
#[must_use]
pub fn has_attribute(path: &std::path::Path, name: &str) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let text = |bytes: &[u8]| std::ffi::CString::new(bytes).ok();
    let (Some(path), Some(name)) = (text(path.as_os_str().as_bytes()), text(name.as_bytes())) else {
        return false;
    };
    let mut value = [0u8; 1];
    // SAFETY: both texts end in NUL; room for one byte is passed.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), 1) };
    length == 1 && value == *b"1"
}

/// Sends a signal to the process behind a descriptor of [`open_process`].
///
/// # Errors
/// ESRCH when it has ended, EPERM.
pub fn signal_process(process: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null record means that of kill(2); the rest are plain numbers.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, none, 0)
    })
    .map(drop)
}
