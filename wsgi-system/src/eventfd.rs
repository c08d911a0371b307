//! A counter that wakes pollers, and sets of descriptors to wait for.

use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EfdFlags;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// A counter that wakes pollers; also written by signal handlers.
#[derive(Debug)]
pub struct EventFd(nix::sys::eventfd::EventFd);

impl EventFd {
    /// A counter at zero, non-blocking.
    ///
    /// # Errors
    /// That of eventfd(2).
    pub fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self(nix::sys::eventfd::EventFd::from_value_and_flags(0, flags)?))
    }

    /// Raises the counter; async-signal-safe. A full one is already signalled.
    pub fn signal(&self) {
        let _ = self.0.write(1);
    }

    /// Sets the counter back to zero.
    pub fn clear(&self) {
        let _ = self.0.read();
    }

    /// The descriptor's number.
    #[must_use]
    pub fn as_raw(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }

    /// The descriptor, borrowed.
    #[must_use]
    pub fn borrow(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An epoll set. Tokens are the caller's; events come one at a time.
#[derive(Debug)]
pub struct Epoll(epoll::Epoll);

fn event(events: i32, token: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::from_bits_retain(events), token)
}

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// That of epoll_create1(2).
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Adds `fd`.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn add(&self, fd: BorrowedFd<'_>, events: i32, token: u64) -> io::Result<()> {
        Ok(self.0.add(fd, event(events, token))?)
    }

    /// Arms a one-shot descriptor again.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn modify(&self, fd: BorrowedFd<'_>, events: i32, token: u64) -> io::Result<()> {
        Ok(self.0.modify(fd, &mut event(events, token))?)
    }

    /// Removes `fd`.
    ///
    /// # Errors
    /// That of epoll_ctl(2).
    pub fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.0.delete(fd)?)
    }

    /// The next event as token and flags; `None` after `timeout` (`None` waits for ever) or a signal.
    ///
    /// # Errors
    /// That of epoll_wait(2).
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<(u64, i32)>> {
        let mut found = [EpollEvent::empty()];
        let ms = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap_or(i32::MAX));
        let patience = EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::NONE);
        match self.0.wait(&mut found, patience) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => Ok(None),
            Ok(_) => Ok(Some((found[0].data(), found[0].events().bits()))),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether an event is waiting, without taking it.
    #[must_use]
    pub fn has_event(&self) -> bool {
        matches!(crate::polling::poll(&mut [(self.as_raw(), libc::POLLIN)], Some(Duration::ZERO)), Ok(1))
    }

    /// The set's own descriptor.
    #[must_use]
    pub fn as_raw(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::{WaitMode, send};
    use std::io::IoSlice;
    use std::os::unix::net::UnixStream;

    #[test]
    fn epoll_tells_one_shot_events_once() {
        let (a, b) = UnixStream::pair().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(a.as_fd(), libc::EPOLLIN | libc::EPOLLONESHOT, 7).unwrap();
        assert!(!epoll.has_event());
        send(b.as_fd(), &[IoSlice::new(b"x")], None, WaitMode::No).unwrap();
        assert!(epoll.has_event());
        assert_eq!(epoll.wait(Some(Duration::ZERO)).unwrap(), Some((7, libc::EPOLLIN)));
        assert_eq!(epoll.wait(Some(Duration::ZERO)).unwrap(), None);
        epoll.modify(a.as_fd(), libc::EPOLLIN | libc::EPOLLONESHOT, 7).unwrap();
        assert!(epoll.has_event());
    }

    #[test]
    fn eventfd_wakes() {
        let e = EventFd::new().unwrap();
        e.signal();
        let mut fds = [(e.as_raw(), libc::POLLIN)];
        assert_eq!(crate::polling::poll(&mut fds, Some(Duration::ZERO)).unwrap(), 1);
        e.clear();
        let mut fds = [(e.as_raw(), libc::POLLIN)];
        assert_eq!(crate::polling::poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
    }
}
