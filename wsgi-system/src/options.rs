//! Options of sockets.

use crate::descriptors::{option, set_option};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// Since Linux 6.16: whether descriptors may be sent to a socket.
const SO_PASSRIGHTS: libc::c_int = 83;

/// The address family of a socket; `None` for a descriptor that is none.
#[must_use]
pub fn family(socket: BorrowedFd<'_>) -> Option<libc::c_int> {
    option(socket.as_raw_fd(), libc::SO_DOMAIN)
}

/// Whether it is a socket that listens.
#[must_use]
pub fn is_listening(socket: BorrowedFd<'_>) -> bool {
    listens(socket.as_raw_fd())
}

/// The same of a number, which may belong to anything.
pub(crate) fn listens(number: RawFd) -> bool {
    option(number, libc::SO_ACCEPTCONN).is_some_and(|listens| listens != 0)
}

/// Has the kernel refuse descriptors that are sent to this socket, and to those that it accepts. Kernels before 6.16 cannot.
pub fn refuse_descriptors(socket: BorrowedFd<'_>) {
    let _ = set_option(socket, SO_PASSRIGHTS, 0);
}

/// Has the kernel deliver descriptors that are sent to this socket: one that was accepted refuses them as its listener does.
pub fn take_descriptors(socket: BorrowedFd<'_>) {
    // Kernels before 6.16 do not know the option, and need none.
    let _ = set_option(socket, SO_PASSRIGHTS, 1);
}

/// Closing the socket never waits for what has not been sent.
pub fn never_linger(socket: BorrowedFd<'_>) {
    let _ = setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 0, l_linger: 0 });
}

/// Closing the socket waits so many seconds for what has not been sent.
pub fn set_linger(socket: BorrowedFd<'_>, seconds: i32) {
    let _ = setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: seconds });
}

/// Asks for a send buffer of this size.
pub fn set_send_buffer(socket: BorrowedFd<'_>, bytes: usize) {
    let _ = setsockopt(&socket, sockopt::SndBuf, &bytes);
}

/// User id of the process at the other end when it connected (SO_PEERCRED).
///
/// # Errors
/// That of getsockopt(2).
pub fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(getsockopt(&socket, sockopt::PeerCredentials)?.uid())
}

/// Bounds every single blocking send and receive; zero means no bound.
///
/// # Errors
/// That of setsockopt(2).
pub fn set_timeout(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let value = TimeVal::microseconds(i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX));
    setsockopt(&socket, sockopt::ReceiveTimeout, &value)?;
    setsockopt(&socket, sockopt::SendTimeout, &value)?;
    Ok(())
}
