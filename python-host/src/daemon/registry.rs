//! All open connections of the process. The serve loop only comes here to add and remove one.

use super::connection::HttpdConnection;
use super::os::{self, DaemonDescriptor};
use crate::forked::is_forked;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sockets that a process forked off by the application closes at once, so that httpd notices the end of this
/// process even while such a child lives on. Connections beyond this many stay open in the child.
const KNOWN_TO_CHILDREN: usize = 1024;

static SOCKETS: [AtomicI32; KNOWN_TO_CHILDREN] = [const { AtomicI32::new(-1) }; KNOWN_TO_CHILDREN];

/// Descriptors of clients' own sockets, a bit for each number: there may be thousands. Greater numbers stay open in the child.
static CLIENTS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// A client's own socket, which a process forked off by the application closes at once, too.
#[derive(Debug)]
pub(super) struct ClientSocket(Option<OwnedFd>);

impl ClientSocket {
    pub(super) fn new(socket: OwnedFd) -> Self {
        if let Some((word, bit)) = place_of(&socket) {
            word.fetch_or(bit, SeqCst);
        }
        Self(Some(socket))
    }

    /// The descriptor, as long as it lives.
    pub(super) fn get(&self) -> Option<&OwnedFd> {
        self.0.as_ref()
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        let Some(socket) = self.0.take() else { return };
        if is_forked() {
            // Closed already: the number may be another file's.
            let _ = socket.into_raw_fd();
        } else if let Some((word, bit)) = place_of(&socket) {
            // Before its number can be another file's.
            word.fetch_and(!bit, SeqCst);
        }
    }
}

fn place_of(socket: &OwnedFd) -> Option<(&'static AtomicU64, u64)> {
    let number = usize::try_from(socket.as_raw_fd()).ok()?;
    Some((CLIENTS.get(number / 64)?, 1 << (number % 64)))
}

/// Closes in a forked child what belongs to the parent; async-signal-safe.
pub(super) fn close_in_child() {
    for (index, word) in CLIENTS.iter().enumerate() {
        let mut bits = word.swap(0, SeqCst);
        while bits != 0 {
            close_copy((index * 64) as i32 + bits.trailing_zeros() as i32);
            bits &= bits - 1;
        }
    }
    for socket in &SOCKETS {
        let fd = socket.swap(-1, SeqCst);
        if fd >= 0 {
            close_copy(fd);
        }
    }
    use DaemonDescriptor::{Heirloom, Listener, Order, Ready};
    [Listener, Ready, Order, Heirloom].into_iter().for_each(DaemonDescriptor::close);
}

fn close_copy(fd: i32) {
    // SAFETY: a forked child, which has only copies of these descriptors; `is_forked` keeps it from using them.
    unsafe { libc::close(fd) };
}

/// The connections by place; see the module's comment.
#[derive(Debug, Default)]
pub(super) struct ConnectionRegistry {
    places: Mutex<ConnectionPlaces>,
}

#[derive(Debug, Default)]
struct ConnectionPlaces {
    connections: Vec<*mut HttpdConnection>,
    free: Vec<usize>,
}

// SAFETY: the pointers are only followed by the thread that claimed the connection, or under the lock for the
// shared, atomic part of the connection; `remove` frees one only after taking it out under the lock.
unsafe impl Send for ConnectionPlaces {}

impl ConnectionRegistry {
    fn lock(&self) -> MutexGuard<'_, ConnectionPlaces> {
        // The lists are consistent at every point where a panic is possible.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in; the pointer stays valid until [`ConnectionRegistry::remove`].
    pub(super) fn insert(&self, mut connection: HttpdConnection) -> *mut HttpdConnection {
        let mut places = self.lock();
        let place = places.free.pop().unwrap_or(places.connections.len());
        connection.place = place;
        let fd = connection.socket().as_raw_fd();
        let pointer = Box::into_raw(Box::new(connection));
        if place == places.connections.len() {
            places.connections.push(pointer);
        } else {
            places.connections[place] = pointer;
        }
        if let Some(known) = SOCKETS.get(place) {
            known.store(fd, SeqCst);
        }
        pointer
    }

    /// Closes and frees a connection.
    ///
    /// # Safety
    /// `pointer` came from [`ConnectionRegistry::insert`] of this registry, the caller has claimed it, and it can no longer
    /// come out of the epoll set.
    pub(super) unsafe fn remove(&self, pointer: *mut HttpdConnection) {
        let mut places = self.lock();
        // SAFETY: by contract nobody else uses the connection, and it came out of `Box::into_raw`.
        let connection = unsafe { Box::from_raw(pointer) };
        let place = connection.place;
        places.connections[place] = std::ptr::null_mut();
        places.free.push(place);
        if let Some(known) = SOCKETS.get(place) {
            known.store(-1, SeqCst);
        }
    }

    /// Calls `f` with every connection that nobody is working on.
    pub(super) fn for_each_idle(&self, mut f: impl FnMut(&mut HttpdConnection)) {
        let places = self.lock();
        for &pointer in places.connections.iter().filter(|p| !p.is_null()) {
            // SAFETY: pointers in the list are alive while the lock is held, and `claim` is a method on shared
            // state; after it succeeded no other thread touches the connection.
            unsafe {
                if (*pointer).claim() {
                    f(&mut *pointer);
                    (*pointer).unclaim();
                }
            }
        }
    }

    /// Whether a connection that a thread works on is still open at httpd's end.
    pub(super) fn is_awaited(&self) -> bool {
        let places = self.lock();
        places.connections.iter().filter(|pointer| !pointer.is_null()).any(|&pointer| {
            // SAFETY: pointers in the list are alive while the lock is held, and only shared state is read.
            let connection = unsafe { &*pointer };
            connection.is_claimed() && !os::is_hung_up(connection.socket())
        })
    }

    /// Number of open connections.
    pub(super) fn len(&self) -> usize {
        let places = self.lock();
        places.connections.len() - places.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn places_are_used_again_and_claimed_ones_are_left_alone() {
        let registry = ConnectionRegistry::default();
        let new = || HttpdConnection::new(UnixStream::pair().unwrap().0.into());
        let a = registry.insert(new());
        let b = registry.insert(new());
        // SAFETY: both are alive.
        unsafe { assert!((*a).claim()) };
        let mut idle = 0;
        registry.for_each_idle(|_| idle += 1);
        assert_eq!((idle, registry.len()), (1, 2));
        // SAFETY: `a` is claimed and in no epoll set.
        unsafe { registry.remove(a) };
        let c = registry.insert(new());
        // SAFETY: both are alive and in no epoll set.
        unsafe {
            assert_eq!((*c).place, 0);
            assert_eq!(registry.len(), 2);
            registry.remove(b);
            registry.remove(c);
        }
        assert_eq!(registry.len(), 0);
    }
}
