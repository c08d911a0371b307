//! Closing sockets that others could put things into. A connection that waits in a queue may hold descriptors
//! (SCM_RIGHTS), and one of them may take hours to close: a TCP socket with SO_LINGER and a peer that does not read. Whoever
//! closes the queue last closes them. That must not be the supervisor, so a child of it does, which exits: the exit of a
//! process does not linger, and whatever else it waits for, nobody waits for it.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{Shutdown, SockFlag, accept4, shutdown};
use nix::unistd::pipe2;
use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use wsgi_system::process::{ForkedChild, fork_alone};

/// Pause after a fork that has failed.
const PAUSE: Duration = Duration::from_secs(1);

thread_local! {
    /// Sockets that shall be closed.
    static DROPPED: RefCell<Vec<Rc<OwnedFd>>> = const { RefCell::new(Vec::new()) };
}

/// A socket that others can put things into. Dropping it does not close it: [`close_dropped`] does.
#[derive(Debug)]
pub struct ExposedSocket(Rc<OwnedFd>);

impl ExposedSocket {
    /// Takes the socket over. Where the kernel can (6.16), nobody sends descriptors there; connections that it accepts
    /// are like it. Whoever shares the socket can change that.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        wsgi_system::options::refuse_descriptors(socket.as_fd());
        Self(Rc::new(socket))
    }
}

impl AsFd for ExposedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ExposedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Drop for ExposedSocket {
    fn drop(&mut self) {
        // Only at the end of the process there is no list any more.
        let _ = DROPPED.try_with(|list| list.borrow_mut().push(Rc::clone(&self.0)));
    }
}

/// Closes what has been dropped. No process accepts a connection from these sockets any more, not even one that has a
/// copy: who waits in their queues sees that nobody has read what it sent, and asks again elsewhere. Returns when to
/// try again if the system has no room for one more process.
pub fn close_dropped(now: Instant) -> Option<Instant> {
    DROPPED.with_borrow_mut(|list| {
        if list.is_empty() {
            return None;
        }
        match close_in_child(list) {
            Ok(signal) => {
                // Never the last copies: the child waits until these are closed.
                list.clear();
                drop(signal);
                None
            }
            Err(_) => Some(now + PAUSE),
        }
    })
}

/// Forks the child; it begins when what is returned is closed.
fn close_in_child(list: &[Rc<OwnedFd>]) -> Result<OwnedFd, Errno> {
    let (gone, signal) = pipe2(OFlag::O_CLOEXEC)?;
    let numbers: Vec<RawFd> = list.iter().map(|socket| socket.as_raw_fd()).collect();
    fork_alone(|child| end_all(child, &numbers, &gone))?;
    Ok(signal)
}

/// The child.
fn end_all(child: &ForkedChild, sockets: &[RawFd], gone: &OwnedFd) -> i32 {
    let mut kept = [sockets, &[gone.as_raw_fd()]].concat();
    kept.sort_unstable();
    child.close_all_but(0, &kept);
    let _ = nix::unistd::read(gone, &mut [0]);
    for socket in sockets {
        // After that an empty queue is an error, so that no call waits, whatever flags the socket has got.
        let _ = shutdown(*socket, Shutdown::Both);
        while accept4(*socket, SockFlag::SOCK_CLOEXEC).is_ok() {}
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    #[allow(unsafe_code)]
    fn who_waits_in_the_queue_is_sent_away_although_somebody_keeps_a_copy() {
        // SAFETY: the child of this test allocates once, and glibc has its allocator in order after a fork.
        unsafe { wsgi_system::process::promise_one_thread() };
        let path = std::env::temp_dir().join(format!("wsgi-disposal-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let copy = listener.try_clone().unwrap();
        let mut waiting = UnixStream::connect(&path).unwrap();
        waiting.write_all(b"request").unwrap();
        assert_eq!(close_dropped(Instant::now()), None);
        drop(ExposedSocket::new(OwnedFd::from(listener)));
        assert!(UnixStream::connect(&path).is_ok(), "it is not closed by being dropped");
        assert_eq!(close_dropped(Instant::now()), None);
        let seen = waiting.read(&mut [0]);
        assert_eq!(seen.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(copy.accept().is_err() && UnixStream::connect(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
