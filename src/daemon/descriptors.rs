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
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

/// Most descriptors of one message (the kernel's SCM_MAX_FD); recvmsg never joins two such messages.
pub const MOST: usize = 253;

/// Aligned room for the control message of so many.
const CONTROL: usize = 16 + (MOST * size_of::<RawFd>()).div_ceil(8) * 8;

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
pub fn receive(socket: RawFd, room: &mut [u8], found: &mut Vec<OwnedFd>) -> io::Result<Option<usize>> {
    let mut data = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let mut control = [0u64; CONTROL / 8];
    // SAFETY: all buffers are as long as announced.
    let (got, message) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        (libc::recvmsg(socket, &mut message, flags), message)
    };
    if got < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: the kernel filled the control buffer of this message.
    unsafe { collect(&message, found) };
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok(Some(got as usize))
}

/// Sends as much as fits now, and a descriptor with its first byte.
pub fn send(socket: RawFd, parts: &[IoSlice<'_>], descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let number = descriptor.as_raw_fd();
    let len = size_of_val(&number) as u32;
    let mut control = [0u64; 4];
    // SAFETY: valid parts, which the kernel only reads; IoSlice has the layout of iovec. The control buffer holds a header and
    // one descriptor.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = parts.as_ptr().cast_mut().cast();
        message.msg_iovlen = parts.len() as _;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(len) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(len) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(number);
        libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// # Safety
/// `message` was filled by recvmsg and its control buffer is alive.
unsafe fn collect(message: &libc::msghdr, found: &mut Vec<OwnedFd>) {
    // SAFETY: by the contract; descriptors in SCM_RIGHTS are ours from here on.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*header).cmsg_len - libc::CMSG_LEN(0) as usize;
                let first = libc::CMSG_DATA(header).cast::<RawFd>();
                let numbers = (0..bytes / size_of::<RawFd>()).map(|i| first.add(i).read_unaligned());
                found.extend(numbers.map(|number| OwnedFd::from_raw_fd(number)));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

/// Takes everything out of a stream socket that is about to be closed. Nothing can come after this has returned: the kernel
/// refuses to queue anything for a socket that was shut down. True if there were descriptors.
pub fn drain(socket: RawFd) -> bool {
    let (mut room, mut found) = ([0; 4096], Vec::new());
    // SAFETY: a plain call on an open descriptor; one that is not connected has nothing in it.
    unsafe { libc::shutdown(socket, libc::SHUT_RDWR) };
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

/// Keeps the code of this module mapped until the process ends: httpd unloads modules when a child exits, and a thread may
/// still be here.
fn stay_mapped() {
    // SAFETY: the address is one of this module; dladdr fills the record with strings of the loader, and dlopen finds what is
    // loaded already.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(stay_mapped as *const libc::c_void, &mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

/// A thread that no signal of httpd's reaches; false if there can be none now (the next call tries again).
fn start_thread() -> bool {
    static MAPPED: Once = Once::new();
    MAPPED.call_once(stay_mapped);
    // SAFETY: plain calls with valid sets; the new thread inherits the mask, and ours is put back.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let thread = std::thread::Builder::new().name("wsgi-close".to_owned()).stack_size(128 * 1024);
        let started = thread.spawn(close_all).is_ok();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
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
    let socket = descriptor.as_raw_fd();
    let option = |option, value: *mut libc::c_void, len: usize| {
        let mut len = len as libc::socklen_t;
        // SAFETY: the kernel fills at most `len` bytes.
        unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, option, value, &mut len) == 0 }
    };
    let (mut domain, mut listens): (libc::c_int, libc::c_int) = (0, 0);
    if !option(libc::SO_DOMAIN, (&raw mut domain).cast(), size_of_val(&domain)) {
        return;
    }
    if domain == libc::AF_UNIX {
        option(libc::SO_ACCEPTCONN, (&raw mut listens).cast(), size_of_val(&listens));
        if listens != 0 {
            refuse_all(socket);
        } else {
            drain(socket);
        }
        return;
    }
    let off = libc::linger { l_onoff: 0, l_linger: 0 };
    // SAFETY: values of the announced size; any of the calls may fail, then there is nothing to defuse.
    unsafe {
        let len = size_of_val(&off) as libc::socklen_t;
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const off).cast(), len);
        libc::shutdown(socket, libc::SHUT_RDWR);
        let mut nowhere: libc::sockaddr = std::mem::zeroed();
        nowhere.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
        libc::connect(socket, &nowhere, size_of_val(&nowhere) as libc::socklen_t);
    }
}

/// Takes the connections out of a listening UNIX socket, with what is queued in them.
fn refuse_all(listener: RawFd) {
    // SAFETY: plain calls on an open descriptor; what accept gives is ours.
    unsafe {
        libc::fcntl(listener, libc::F_SETFL, libc::O_NONBLOCK);
        libc::shutdown(listener, libc::SHUT_RDWR);
        loop {
            let fd = libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC);
            if fd < 0 {
                return;
            }
            let connection = OwnedFd::from_raw_fd(fd);
            drain(connection.as_raw_fd());
        }
    }
}

/// Makes room in the table of descriptors for `threads` threads that receive a full message each, as far as the hard limit
/// allows: what finds no room there is closed by the kernel, on the thread that receives.
pub fn make_room(threads: usize) {
    let wanted = (1024 + threads.saturating_mul(MOST) + WAITING + MOST) as libc::rlim_t;
    // SAFETY: valid places; a limit that cannot be raised stays.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0
            && limit.rlim_cur < wanted.min(limit.rlim_max)
        {
            limit.rlim_cur = wanted.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    /// Sends these along with one byte.
    fn send(socket: &UnixStream, descriptors: &[RawFd]) -> io::Result<()> {
        let mut byte = *b"x";
        let mut data = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        let mut control = [0u64; CONTROL / 8];
        // SAFETY: all buffers are as long as announced.
        let sent = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &mut data;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            let bytes = size_of_val(descriptors) as u32;
            message.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            std::ptr::copy_nonoverlapping(
                descriptors.as_ptr(),
                libc::CMSG_DATA(header).cast(),
                descriptors.len(),
            );
            libc::sendmsg(socket.as_raw_fd(), &message, 0)
        };
        if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[test]
    fn the_most_that_a_message_can_hold_is_received() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        send(&theirs, &[null.as_raw_fd(); MOST]).unwrap();
        send(&theirs, &[null.as_raw_fd(); 2]).unwrap();
        assert!(send(&theirs, &[null.as_raw_fd(); MOST + 1]).is_err());
        let mut found = Vec::new();
        assert_eq!(receive(ours.as_raw_fd(), &mut [0; 8], &mut found).unwrap(), Some(1));
        assert_eq!(found.len(), MOST);
        assert!(drain(ours.as_raw_fd()) && !drain(ours.as_raw_fd()));
        assert!(send(&theirs, &[null.as_raw_fd()]).is_err());
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
            let linger = libc::linger { l_onoff: 1, l_linger: 30_000 };
            // SAFETY: a value of the announced size.
            unsafe {
                let (at, len) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
                libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, at, len);
            }
            stream.set_nonblocking(true).unwrap();
            while stream.write(&[b'x'; 65536]).is_ok() {}
            stream
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&theirs, &[lingering().as_raw_fd()]).unwrap();
        let (inner, other) = UnixStream::pair().unwrap();
        send(&other, &[lingering().as_raw_fd()]).unwrap();
        send(&theirs, &[inner.as_raw_fd()]).unwrap();
        let path = std::env::temp_dir().join(format!("mod-wsgi-descriptors-{}", std::process::id()));
        let accepting = UnixListener::bind(&path).unwrap();
        let waiting = UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        send(&waiting, &[lingering().as_raw_fd()]).unwrap();
        send(&theirs, &[accepting.as_raw_fd()]).unwrap();
        drop((inner, accepting));
        assert!(drain(ours.as_raw_fd()));
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
