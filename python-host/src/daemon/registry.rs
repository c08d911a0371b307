//! All open connections of the process. The serve loop only comes here to add and remove one.

use super::connection::HttpdConnection;
use super::os::{self, DaemonDescriptor, Epoll};
use crate::forked::is_forked;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

/// A connection whose one event has come, or that is in no epoll set yet: it comes to nobody else before it is armed. The
/// main thread may look at it meanwhile, and claim it for moments.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct ReadyConnection(NonNull<HttpdConnection>);

/// A ready connection that its holder alone uses. To be given back, or closed: otherwise nobody ever sees it again.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct ClaimedConnection(NonNull<HttpdConnection>);

// SAFETY: the holder is the connection's only user, whichever thread it is on.
unsafe impl Send for ClaimedConnection {}

impl ReadyConnection {
    fn token(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    fn shared(&self) -> &HttpdConnection {
        // SAFETY: a connection lives until the only holder of it closes it; nothing but its shared state is used here.
        unsafe { self.0.as_ref() }
    }

    /// Takes it, waiting for the moment that the main thread needs.
    pub(super) fn claim(self) -> ClaimedConnection {
        self.shared().claim_waiting();
        ClaimedConnection(self.0)
    }

    /// Puts it into the set for its first event.
    pub(super) fn enlist(self, epoll: &Epoll, events: i32) -> Result<(), (Self, io::Error)> {
        let added = epoll.add(self.shared().socket(), events, self.token());
        added.map_err(|error| (self, error))
    }

    /// Lets it produce its next event.
    pub(super) fn arm(self, epoll: &Epoll, events: i32) -> io::Result<()> {
        epoll.modify(self.shared().socket(), events, self.token())
    }
}

impl ClaimedConnection {
    /// Others may look at it again.
    pub(super) fn unclaim(self) -> ReadyConnection {
        HttpdConnection::unclaim(&self);
        ReadyConnection(self.0)
    }
}

impl Deref for ClaimedConnection {
    type Target = HttpdConnection;
    fn deref(&self) -> &HttpdConnection {
        // SAFETY: claimed: nobody else uses it, and only the holder closes it.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for ClaimedConnection {
    fn deref_mut(&mut self) -> &mut HttpdConnection {
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

/// Token of the listening socket in the epoll set.
pub(super) const TOKEN_LISTENER: u64 = 0;
/// Token of the event that wakes all pollers; larger tokens are those of connections.
pub(super) const TOKEN_WAKE: u64 = 1;

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PollEvent {
    /// Somebody wants to connect.
    Listener,
    /// All pollers are to look at what they shall do.
    Wake,
    /// A connection has something to say, or is writable, or its peer has gone: the flags of epoll.
    Connection(ReadyConnection, i32),
}

/// Whether the other end has gone, by the flags of an event.
pub(super) fn has_left(flags: i32) -> bool {
    flags & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0
}

/// The connections by place, and the epoll set that they are in; see the module's comment.
#[derive(Debug)]
pub(super) struct ConnectionRegistry {
    /// Besides connections it has the two reserved tokens only.
    pub(super) epoll: Epoll,
    places: Mutex<ConnectionPlaces>,
}

/// What an event of the set is; the token of a connection is its address.
fn event((token, flags): (u64, i32)) -> Option<PollEvent> {
    match token {
        TOKEN_LISTENER => Some(PollEvent::Listener),
        TOKEN_WAKE => Some(PollEvent::Wake),
        token => NonNull::new(token as *mut HttpdConnection)
            .map(|pointer| PollEvent::Connection(ReadyConnection(pointer), flags)),
    }
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
    /// No connections.
    ///
    /// # Errors
    /// Failure to create the epoll set.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new()?, places: Mutex::default() })
    }

    /// The next event of the set.
    ///
    /// # Errors
    /// That of epoll_wait(2).
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<PollEvent>> {
        Ok(self.epoll.wait(timeout)?.and_then(event))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionPlaces> {
        // The lists are consistent at every point where a panic is possible.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in.
    pub(super) fn insert(&self, mut connection: HttpdConnection) -> ReadyConnection {
        let mut places = self.lock();
        let place = places.free.pop().unwrap_or(places.connections.len());
        connection.place = place;
        let fd = connection.socket().as_raw_fd();
        let place_in_memory = NonNull::from(Box::leak(Box::new(connection)));
        let pointer = place_in_memory.as_ptr();
        if place == places.connections.len() {
            places.connections.push(pointer);
        } else {
            places.connections[place] = pointer;
        }
        if let Some(known) = SOCKETS.get(place) {
            known.store(fd, SeqCst);
        }
        ReadyConnection(place_in_memory)
    }

    /// Closes and frees a connection. It leaves the epoll set by hand, because a forked child may keep the socket open and
    /// with it the entry in the set.
    pub(super) fn remove(&self, connection: ClaimedConnection) {
        // One that could not be added is in no set.
        let _ = self.epoll.delete(connection.socket());
        let mut places = self.lock();
        // SAFETY: nobody else uses the connection, which came out of a box.
        let connection = unsafe { Box::from_raw(connection.0.as_ptr()) };
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
        let registry = ConnectionRegistry::new().unwrap();
        let new = || registry.insert(HttpdConnection::new(UnixStream::pair().unwrap().0.into()));
        let a = new().claim();
        let b = new();
        let mut idle = 0;
        registry.for_each_idle(|_| idle += 1);
        assert_eq!((idle, registry.len()), (1, 2));
        registry.remove(a);
        let c = new().claim();
        assert_eq!((c.place, registry.len()), (0, 2));
        for connection in [b.claim(), c] {
            registry.remove(connection);
        }
        assert_eq!(registry.len(), 0);
    }
}
