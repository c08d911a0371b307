//! Descriptors by number: taking over the control socket, and laying out those of a daemon.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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

/// A copy that is out of the way of `count` descriptors that will be laid out: no higher than needed, because the limit
/// of open files may be low.
///
/// # Errors
/// The errno of the call that failed.
pub fn park(source: BorrowedFd<'_>, count: usize) -> Result<RawFd, Errno> {
    let first = RawFd::try_from(count).map_err(|_| Errno::EMFILE)?;
    fcntl(source, FcntlArg::F_DUPFD_CLOEXEC(first))
}

/// In a forked child: makes `sources[i]` the descriptor `i` and closes everything else but `kept`, which closes at exec
/// and has been parked.
///
/// # Errors
/// The errno of the call that failed.
pub fn lay_out(sources: &[BorrowedFd<'_>], kept: BorrowedFd<'_>) -> Result<(), Errno> {
    let parked =
        sources.iter().map(|source| park(*source, sources.len())).collect::<Result<Vec<RawFd>, Errno>>()?;
    for (target, source) in parked.iter().enumerate() {
        let target = RawFd::try_from(target).map_err(|_| Errno::EMFILE)?;
        // SAFETY: this child execs or exits next; no owner of the overwritten numbers is used any more.
        if unsafe { libc::dup2(*source, target) } < 0 {
            return Err(Errno::last());
        }
    }
    let first = libc::c_uint::try_from(sources.len()).map_err(|_| Errno::EMFILE)?;
    close_all_but(first, &[kept.as_raw_fd()]);
    Ok(())
}

/// In a forked child: closes all descriptors from `first` on but those `kept`, in ascending order.
pub fn close_all_but(first: libc::c_uint, kept: &[RawFd]) {
    let mut from = first;
    let kept = kept.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()).filter(|fd| *fd >= first);
    let gaps = kept.map(|fd| (std::mem::replace(&mut from, fd + 1), fd)).collect::<Vec<_>>();
    for (from, to) in gaps.into_iter().chain([(from, libc::c_uint::MAX)]).filter(|(from, to)| from < to) {
        // SAFETY: this child execs or exits next; no owner of these numbers is used any more.
        if unsafe { libc::syscall(libc::SYS_close_range, from, to - 1, 0) } != 0 {
            // Before Linux 5.9.
            for number in from..to.min(65_536) {
                // SAFETY: as above; numbers not in use are refused with EBADF.
                unsafe { libc::close(number as RawFd) };
            }
        }
    }
}

/// Marks all descriptors from `first` on as closing at exec; they stay usable until then.
pub fn close_at_exec(first: libc::c_uint) {
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

/// Has the kernel refuse descriptors that are sent to this socket. Kernels before 6.16 cannot.
pub fn refuse_descriptors(socket: BorrowedFd<'_>) {
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    let length = libc::socklen_t::try_from(size_of_val(&off)).unwrap_or(0);
    // SAFETY: one int of the announced size is read.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_PASSRIGHTS, (&raw const off).cast(), length)
    };
}

/// Whether somebody has shut the socket down.
#[must_use]
pub fn is_shut_down(socket: BorrowedFd<'_>) -> bool {
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one valid entry; it does not wait.
    let ready = unsafe { libc::poll(&raw mut polled, 1, 0) };
    ready > 0 && polled.revents & (libc::POLLRDHUP | libc::POLLHUP) != 0
}

/// Replaces standard error by `target`, so that a panic message lands in httpd's current log.
pub fn redirect_standard_error(target: BorrowedFd<'_>) {
    // SAFETY: descriptor 2 belongs to no owner object; dup2 replaces it in one step.
    unsafe { libc::dup2(target.as_raw_fd(), libc::STDERR_FILENO) };
}
