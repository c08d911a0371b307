//! Descriptors by number: taking over the control socket, and laying out those of a daemon.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// First number to which descriptors are moved out of the way while a daemon's are laid out.
const PARKING: RawFd = 64;

/// Takes ownership of a descriptor that is known by its number only: the one the parent left open for us, or one
/// that a system call has just returned. Call once per descriptor.
///
/// # Errors
/// EBADF when it is not open.
pub fn adopt(number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: only looks whether the number is in use.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(Errno::last());
    }
    // SAFETY: it is open (above), and callers give each number away once, before anything else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// In a forked child: makes `sources[i]` the descriptor `i`, everything else closes at exec.
///
/// # Errors
/// The errno of the call that failed.
pub fn lay_out(sources: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let parked = sources
        .iter()
        .map(|source| fcntl(source, FcntlArg::F_DUPFD_CLOEXEC(PARKING)))
        .collect::<Result<Vec<RawFd>, Errno>>()?;
    for (target, source) in parked.iter().enumerate() {
        let target = RawFd::try_from(target).map_err(|_| Errno::EMFILE)?;
        // SAFETY: this child execs or exits next; no owner of the overwritten numbers is used any more.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(Errno::last());
        }
    }
    let first = libc::c_uint::try_from(sources.len()).map_err(|_| Errno::EMFILE)?;
    close_at_exec(first);
    Ok(())
}

/// Marks all descriptors from `first` on as closing at exec; they stay usable until then.
fn close_at_exec(first: libc::c_uint) {
    // SAFETY: only changes the close-on-exec flag of descriptors of this process.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    // Before Linux 5.11. All our own descriptors carry the flag already; this is for inherited ones.
    for number in first..65_536 {
        // SAFETY: as above; numbers not in use are refused with EBADF.
        unsafe { libc::fcntl(number as RawFd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Replaces standard error by `target`, so that a panic message lands in httpd's current log.
pub fn redirect_standard_error(target: BorrowedFd<'_>) {
    // SAFETY: descriptor 2 belongs to no owner object; dup2 replaces it in one step.
    unsafe { libc::dup2(target.as_raw_fd(), libc::STDERR_FILENO) };
}
