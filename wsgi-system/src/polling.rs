//! Waiting for descriptors. Only looks at the numbers, so that any may be named.

use crate::descriptors::poll_numbers;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// Waits until one of the entries is ready, at most `timeout` ms (negative: for ever). Returns how many are; 0 also after a
/// signal.
///
/// # Errors
/// That of poll(2).
pub fn poll_entries(entries: &mut [libc::pollfd], timeout: i32) -> io::Result<usize> {
    poll_numbers(entries, timeout).or_else(|error| {
        entries.iter_mut().for_each(|entry| entry.revents = 0);
        if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) }
    })
}

/// The same, and a signal does not end it: it begins again.
///
/// # Errors
/// That of poll(2).
pub fn poll_through(entries: &mut [libc::pollfd], timeout: i32) -> io::Result<usize> {
    loop {
        match poll_numbers(entries, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// Waits for one descriptor, at most `timeout` ms; what it is ready for.
///
/// # Errors
/// That of poll(2).
pub fn wait(fd: RawFd, events: i16, timeout: i32) -> io::Result<i16> {
    let mut entry = [libc::pollfd { fd, events, revents: 0 }];
    poll_through(&mut entry, timeout)?;
    Ok(entry[0].revents)
}

/// Polls descriptors; on return each entry's events are those that happened. Returns how many have any.
///
/// # Errors
/// That of poll(2).
pub fn poll<const N: usize>(fds: &mut [(RawFd, i16); N], timeout: Option<Duration>) -> io::Result<usize> {
    let mut raw = fds.map(|(fd, events)| libc::pollfd { fd, events, revents: 0 });
    // Rounded up, so that a caller with a deadline does not spin through the last millisecond.
    let ms = timeout.map_or(-1, |t| i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    let ready = poll_entries(&mut raw, ms)?;
    for (out, entry) in fds.iter_mut().zip(raw) {
        out.1 = if ready == 0 { 0 } else { entry.revents };
    }
    Ok(ready)
}

/// Whether somebody has shut the socket down.
#[must_use]
pub fn is_shut_down(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [(socket.as_raw_fd(), libc::POLLRDHUP)];
    poll(&mut fds, Some(Duration::ZERO)).is_ok() && fds[0].1 & (libc::POLLRDHUP | libc::POLLHUP) != 0
}

/// Whether the other end of a socket is closed.
#[must_use]
pub fn is_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [(socket.as_raw_fd(), libc::POLLRDHUP)];
    let gone = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
    poll(&mut fds, Some(Duration::ZERO)).is_ok() && fds[0].1 & gone != 0
}
