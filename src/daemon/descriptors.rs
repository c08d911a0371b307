//! Descriptors that another process sends (SCM_RIGHTS): receiving them so that the kernel closes none for us, and closing those
//! that nobody wants where it may take as long as it likes. Nothing here knows httpd or the protocol.
//!
//! Why it matters who closes: close(2) of the last reference sleeps
//! * for a socket with SO_LINGER and unsent data as long as its owner said (tcp_close), and so do other lingering protocols;
//! * for a terminal until its output is drained, up to 30 s, and for a device as long as its driver likes;
//! * for a file of a FUSE file system (flush, and that for every reference) until the server behind it answers: never, if its
//!   owner so wishes. NFS writes back what is dirty;
//! * for a UNIX socket as long as all descriptors do that are queued in it, or in a connection that waits to be accepted.
//!
//! Pipes, directories of file systems of the kernel, memory files, eventfd, epoll, pidfd and the like do not sleep; but to find
//! out what a descriptor is does not pay, since even fstat(2) asks the server of a FUSE file. The kernel also closes by
//! itself, in the context of the caller: in recvmsg(2) what finds no room in the control buffer or in the table of
//! descriptors, and in close(2) of a socket what is still queued in it. So all of it is received, and what nobody wants goes to
//! [`hand_over`]; a connection is closed when nothing can be in it any more ([`drain`]).
//!
//! A process that ends does not linger (the kernel looks at PF_EXITING), so a thread that sleeps here over a socket holds up no
//! end of a child. One that waits for a FUSE file system does, and nothing helps against that once the descriptor is there: every
//! way to be rid of it asks that file system, the end of the process too. Whoever owns it answers, is ended, or root
//! aborts the connection (/sys/fs/fuse/connections).

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};
use wsgi_system::descriptors::set_nonblocking;
use wsgi_system::process::stay_mapped;
use wsgi_system::signals::BlockedSignals;
use wsgi_system::sockets::{
    MOST_DESCRIPTORS, WaitMode, accept, control_words, disconnect, receive_with_descriptors, shut_down,
};
use wsgi_system::{limits, options};

/// Most threads that close.
const THREADS: usize = 4;
/// With so many descriptors waiting for them, no more are to be taken from whoever sent these.
const WAITING: usize = 512;
/// A thread that has not come back for so long sleeps over what it closes.
const ASLEEP: Duration = Duration::from_secs(5);

/// Reads what is there and fits into `room`, and the descriptors that came with it; `None` if nothing is there.
///
/// # Errors
/// Those of recvmsg; EMFILE when the table of descriptors was full, and the kernel closed the rest.
pub fn receive(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
    found: &mut Vec<OwnedFd>,
) -> io::Result<Option<usize>> {
    const ROOM: usize = control_words(MOST_DESCRIPTORS);
    match receive_with_descriptors::<ROOM>(socket, &mut [IoSliceMut::new(room)], found, WaitMode::No) {
        Ok(got) if got.has_lost => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        Ok(got) => Ok(Some(got.length)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes everything out of a stream socket that is about to be closed. Nothing can come after this has returned: the kernel
/// refuses to queue anything for a socket that was shut down. True if there were descriptors.
pub fn drain(socket: BorrowedFd<'_>) -> bool {
    let (mut room, mut found) = ([0; 4096], Vec::new());
    // One that is not connected has nothing in it.
    shut_down(socket);
    loop {
        let got = receive(socket, &mut room, &mut found);
        // With a table that is full the kernel has closed what was in this message; there may be more of them.
        let is_over = match got {
            Ok(got) => got.is_none_or(|len| len == 0),
            Err(error) => error.raw_os_error() != Some(libc::EMFILE),
        };
        if is_over {
            break;
        }
    }
    let is_any = !found.is_empty();
    hand_over(found);
    is_any
}

/// What waits to be closed.
struct ClosingQueue {
    waiting: VecDeque<OwnedFd>,
    threads: usize,
    /// Threads that wait for something to close.
    idle: usize,
    /// When one of them last came back from closing something.
    came_back: Option<Instant>,
}

static CLOSING: Mutex<ClosingQueue> =
    Mutex::new(ClosingQueue { waiting: VecDeque::new(), threads: 0, idle: 0, came_back: None });
static MORE: Condvar = Condvar::new();

fn closing() -> MutexGuard<'static, ClosingQueue> {
    // Nothing panics while it is locked.
    CLOSING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has descriptors closed by a thread that may sleep over it.
pub fn hand_over(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut descriptors = descriptors.into_iter().peekable();
    if descriptors.peek().is_none() {
        return;
    }
    let mut closing = closing();
    closing.waiting.extend(descriptors);
    if closing.idle > 0 {
        MORE.notify_one();
    } else if closing.threads < THREADS && start_thread() {
        closing.threads += 1;
    }
}

/// Whether all threads sleep over what they close, and much waits for them: it is kept open, and nothing more should be taken
/// from whoever sent it.
pub fn is_stuck() -> bool {
    let closing = closing();
    let is_full = closing.threads == THREADS && closing.idle == 0 && closing.waiting.len() > WAITING;
    // On a busy machine they may be slow, and come back all the same.
    is_full && closing.came_back.is_none_or(|at| at.elapsed() > ASLEEP)
}

fn start_thread() -> bool {
    start_quiet_thread("wsgi-close", close_all)
}

/// A thread that no signal of httpd's reaches; false if there can be none now (the next call tries again).
pub fn start_quiet_thread(name: &str, body: fn()) -> bool {
    static MAPPED: Once = Once::new();
    // httpd unloads modules when a child exits, and a thread may still be here.
    MAPPED.call_once(|| stay_mapped(start_quiet_thread as *const ()));
    // The new thread inherits the mask.
    let _blocked = BlockedSignals::all();
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(128 * 1024);
    thread.spawn(body).is_ok()
}

fn close_all() {
    let mut closing = closing();
    loop {
        let Some(descriptor) = closing.waiting.pop_front() else {
            closing.idle += 1;
            closing = MORE.wait(closing).unwrap_or_else(PoisonError::into_inner);
            closing.idle -= 1;
            continue;
        };
        let is_more = !closing.waiting.is_empty();
        if is_more && closing.idle > 0 {
            MORE.notify_one();
        } else if is_more && closing.threads < THREADS && start_thread() {
            closing.threads += 1;
        }
        drop(closing);
        defuse(&descriptor);
        drop(descriptor);
        closing = self::closing();
        closing.came_back = Some(Instant::now());
    }
}

/// Makes that a socket is closed at once, as far as that can be had: nobody lingers, and what is queued in a UNIX socket is
/// taken out first. These calls may sleep as well, when somebody holds the socket's lock.
fn defuse(descriptor: &OwnedFd) {
    let socket = descriptor.as_fd();
    let Some(family) = options::family(socket) else { return };
    if family == libc::AF_UNIX {
        if options::is_listening(socket) {
            refuse_all(socket);
        } else {
            drain(socket);
        }
        return;
    }
    // Any of the calls may fail, then there is nothing to defuse.
    options::never_linger(socket);
    shut_down(socket);
    disconnect(socket);
}

/// Takes the connections out of a listening UNIX socket, with what is queued in them.
fn refuse_all(listener: BorrowedFd<'_>) {
    let _ = set_nonblocking(listener);
    shut_down(listener);
    while let Ok(Some(connection)) = accept(listener) {
        drain(connection.as_fd());
    }
}

/// Makes room in the table of descriptors for `threads` threads that receive a full message each, as far as the hard limit
/// allows: what finds no room there is closed by the kernel, on the thread that receives.
pub fn make_room(threads: usize) {
    let wanted = 1024 + threads.saturating_mul(MOST_DESCRIPTORS) + WAITING + MOST_DESCRIPTORS;
    limits::allow_open_files(wanted as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use wsgi_system::sockets::send_with_descriptors;

    /// Sends these along with one byte.
    fn send(socket: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        send_with_descriptors(socket.as_fd(), &[IoSlice::new(b"x")], descriptors, WaitMode::No).map(drop)
    }

    #[test]
    fn the_most_that_a_message_can_hold_is_received() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        send(&theirs, &[null.as_fd(); MOST_DESCRIPTORS]).unwrap();
        send(&theirs, &[null.as_fd(); 2]).unwrap();
        let mut found = Vec::new();
        assert_eq!(receive(ours.as_fd(), &mut [0; 8], &mut found).unwrap(), Some(1));
        assert_eq!(found.len(), MOST_DESCRIPTORS);
        assert!(drain(ours.as_fd()) && !drain(ours.as_fd()));
        assert!(send(&theirs, &[null.as_fd()]).is_err());
    }

    /// Sockets that would sleep in close for 30,000 s: sent plainly, in a socket that is sent, and in one that waits to be
    /// accepted by a listener that is sent.
    #[test]
    fn lingering_sockets_are_closed_wherever_they_are() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut silent = Vec::new();
        let mut lingering = || {
            let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            silent.push(listener.accept().unwrap().0);
            options::set_linger(stream.as_fd(), 30_000);
            stream.set_nonblocking(true).unwrap();
            while stream.write(&[b'x'; 65536]).is_ok() {}
            stream
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&theirs, &[lingering().as_fd()]).unwrap();
        let (inner, other) = UnixStream::pair().unwrap();
        send(&other, &[lingering().as_fd()]).unwrap();
        send(&theirs, &[inner.as_fd()]).unwrap();
        let path = std::env::temp_dir().join(format!("mod-wsgi-descriptors-{}", std::process::id()));
        let accepting = UnixListener::bind(&path).unwrap();
        let waiting = UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        send(&waiting, &[lingering().as_fd()]).unwrap();
        send(&theirs, &[accepting.as_fd()]).unwrap();
        drop((inner, accepting));
        assert!(drain(ours.as_fd()));
        drop(ours);
        // Each is closed when its peer sees the end of the connection.
        for mut peer in silent {
            peer.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
            let end = peer.read_to_end(&mut Vec::new());
            assert!(
                end.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::ConnectionReset),
                "{end:?}"
            );
        }
        assert!(!is_stuck());
    }
}
