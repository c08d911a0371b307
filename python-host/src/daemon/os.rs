//! The few system calls a daemon's serve loop makes, each as a safe function over borrowed descriptors.
//! Sockets stay in blocking mode: `MSG_DONTWAIT` makes single calls non-blocking, SO_RCVTIMEO bounds the rest.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

pub(super) use crate::scheduler::clock::{clock_ns, now_ns, own_cpu_clock, own_tid};

/// Most descriptors in one outgoing message; FILE frames carry exactly one.
const CONTROL_LEN: usize = 64;

/// Room for a control message.
#[repr(align(8))]
struct ControlBuffer([u8; CONTROL_LEN]);

fn check(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Runs a call again while a signal interrupts it.
fn retry(mut call: impl FnMut() -> i64) -> io::Result<usize> {
    loop {
        match check(call()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Borrows one of the descriptors a daemon inherits by number (`wsgi_protocol::launch`).
pub(super) fn inherited(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the supervisor opened these numbers before exec and nothing in this process closes them.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Whether `fd` is an open descriptor.
pub(super) fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD only looks the number up.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Sets O_NONBLOCK and close-on-exec.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    // SAFETY: plain flag calls on a descriptor that is open for the length of the borrow.
    let result = unsafe {
        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(fd, libc::F_SETFL, libc::fcntl(fd, libc::F_GETFL) | libc::O_NONBLOCK)
    };
    check(result.into()).map(drop)
}

/// An epoll set. Tokens are the caller's; events come one at a time.
#[derive(Debug)]
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    /// An empty set.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?;
        // SAFETY: the call returned a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    fn control(&self, op: libc::c_int, fd: BorrowedFd<'_>, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: both descriptors are open and `event` lives through the call, which copies it.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd.as_raw_fd(), &raw mut event) }.into())
            .map(drop)
    }

    /// Adds `fd`.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, events: i32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, events as u32, token)
    }

    /// Arms a one-shot descriptor again.
    pub(super) fn modify(&self, fd: BorrowedFd<'_>, events: i32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, events as u32, token)
    }

    /// Removes `fd`.
    pub(super) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// The next event as token and flags; `None` after `timeout` (`None` waits for ever) or a signal.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<(u64, i32)>> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        let ms = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap_or(i32::MAX));
        // SAFETY: room for exactly one event is passed.
        let n = check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, ms) }.into());
        match n {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((event.u64, event.events as i32))),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether an event is waiting, without taking it.
    pub(super) fn has_event(&self) -> bool {
        matches!(poll(&mut [(self.as_raw(), libc::POLLIN)], Some(Duration::ZERO)), Ok(1))
    }

    /// The set's own descriptor.
    pub(super) fn as_raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Polls descriptors; on return each entry's events are those that happened. Returns how many have any.
pub(super) fn poll<const N: usize>(
    fds: &mut [(RawFd, i16); N],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let mut raw = fds.map(|(fd, events)| libc::pollfd { fd, events, revents: 0 });
    // Rounded up, so that a caller with a deadline does not spin through the last millisecond.
    let ms = timeout.map_or(-1, |t| i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    // SAFETY: `raw` has N entries and lives through the call.
    let n = check(unsafe { libc::poll(raw.as_mut_ptr(), N as libc::nfds_t, ms) }.into());
    let n = match n {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
        other => other?,
    };
    for (out, entry) in fds.iter_mut().zip(raw) {
        out.1 = if n == 0 { 0 } else { entry.revents };
    }
    Ok(n)
}

/// Whether the other end of a socket is closed.
pub(super) fn is_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [(socket.as_raw_fd(), libc::POLLRDHUP)];
    let gone = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR | libc::POLLNVAL;
    poll(&mut fds, Some(Duration::ZERO)).is_ok() && fds[0].1 & gone != 0
}

/// A counter that wakes pollers; also written by signal handlers.
#[derive(Debug)]
pub(super) struct EventFd(OwnedFd);

impl EventFd {
    /// A counter at zero, non-blocking.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
        // SAFETY: the call returned a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Raises the counter; async-signal-safe.
    pub(super) fn signal(&self) {
        signal_eventfd(self.0.as_raw_fd());
    }

    /// Sets the counter back to zero.
    pub(super) fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of room, as eventfd(2) wants.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    /// The descriptor.
    pub(super) fn as_raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The descriptor, borrowed.
    pub(super) fn borrow(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.as_fd()
    }
}

/// Raises the counter behind `fd`; async-signal-safe.
pub(super) fn signal_eventfd(fd: RawFd) {
    let one = 1u64;
    // SAFETY: eight bytes are read from a live local; a full counter (EAGAIN) is already signalled.
    unsafe { libc::write(fd, (&raw const one).cast(), 8) };
}

/// Takes one connection from the queue; `None` when it is empty. The new socket is in blocking mode.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let none = std::ptr::null_mut();
    // SAFETY: null address pointers are allowed; the descriptor is open.
    let fd = retry(|| unsafe {
        libc::accept4(listener.as_raw_fd(), none, std::ptr::null_mut(), libc::SOCK_CLOEXEC).into()
    });
    match fd {
        // SAFETY: the call returned a new descriptor that nobody else owns.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::ECONNABORTED)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// User id of the process at the other end when it connected (SO_PEERCRED).
pub(super) fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` and `len` describe a live local of the right size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut len,
        )
    };
    check(result.into()).map(|_| cred.uid)
}

/// Bounds every single blocking send and receive; zero means no bound.
pub(super) fn set_socket_timeout(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let value = libc::timeval {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_usec: timeout.subsec_micros() as libc::suseconds_t,
    };
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        // SAFETY: `value` is a live timeval and its size is passed.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const value).cast(),
                size_of::<libc::timeval>() as libc::socklen_t,
            )
        };
        check(result.into())?;
    }
    Ok(())
}

/// Whether a receive or send may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitMode {
    /// Returns EAGAIN at once.
    No,
    /// Up to the socket's timeout, then EAGAIN.
    Yes,
}

impl WaitMode {
    fn flag(self) -> libc::c_int {
        if self == Self::No { libc::MSG_DONTWAIT } else { 0 }
    }
}

/// Receives into the spare capacity of `buffer`, which grows by what came. 0 is end of file.
pub(super) fn recv_append(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>, wait: WaitMode) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let (at, room) = (spare.as_mut_ptr(), spare.len());
    // SAFETY: `at` points to `room` writable bytes.
    let n = retry(|| unsafe { libc::recv(socket.as_raw_fd(), at.cast(), room, wait.flag()) as i64 })?;
    // SAFETY: the kernel initialised the first `n` bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + n) };
    Ok(n)
}

/// Receives into several buffers in order. 0 is end of file.
pub(super) fn recv(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    wait: WaitMode,
) -> io::Result<usize> {
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSliceMut is guaranteed to have the layout of iovec.
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: the vector describes writable memory borrowed for the call.
    retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, wait.flag()) as i64 })
}

/// As [`recv`] into one buffer, with the descriptor that comes along.
pub(super) fn recv_with_descriptor(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: WaitMode,
    found: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut control = ControlBuffer([0; CONTROL_LEN]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    let flags = libc::MSG_CMSG_CLOEXEC | wait.flag();
    // SAFETY: vector and control buffer are as long as announced, and live through the call.
    let got = retry(|| unsafe {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_LEN as _;
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) as i64
    })?;
    // SAFETY: the kernel filled the control buffer of this message; a descriptor in it is ours from here on.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let expected =
            (libc::SOL_SOCKET, libc::SCM_RIGHTS, libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize);
        if !header.is_null()
            && ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) == expected
        {
            let number = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
            *found = Some(OwnedFd::from_raw_fd(number));
        }
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 && found.is_none() {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok(got)
}

/// Has the kernel deliver descriptors that are sent to this socket: one that was accepted refuses them as its listener does.
pub(super) fn take_descriptors(socket: BorrowedFd<'_>) {
    const SO_PASSRIGHTS: libc::c_int = 83;
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: one int of the announced size is read. Kernels before 6.16 do not know the option, and need none.
    unsafe {
        let fd = socket.as_raw_fd();
        libc::setsockopt(fd, libc::SOL_SOCKET, SO_PASSRIGHTS, (&raw const on).cast(), length);
    }
}

/// Reads at a place of a file; 0 is its end. [`WaitMode::No`] reads only what is in memory.
pub(super) fn read_at(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: u64,
    wait: WaitMode,
) -> io::Result<usize> {
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let flags = if wait == WaitMode::No { libc::RWF_NOWAIT } else { 0 };
    // SAFETY: one part, which describes writable memory borrowed for the call.
    retry(|| unsafe {
        libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset as libc::off_t, flags) as i64
    })
}

/// Sends several buffers in order, with a descriptor if given. Returns how many bytes were taken.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    file: Option<BorrowedFd<'_>>,
    wait: WaitMode,
) -> io::Result<usize> {
    let mut control = ControlBuffer([0; CONTROL_LEN]);
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have the layout of iovec; sendmsg does not write through it.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len() as _;
    if let Some(file) = file {
        let len = size_of::<RawFd>() as u32;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: CMSG_* compute sizes and addresses inside the 64 byte control buffer, which holds one header
        // and one descriptor with room to spare.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(len) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(len) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(file.as_raw_fd());
        }
    }
    let flags = libc::MSG_NOSIGNAL | wait.flag();
    // SAFETY: message, vectors and control buffer live through the call.
    retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) as i64 })
}

/// Process id of the parent.
pub(super) fn parent() -> i32 {
    // SAFETY: getppid has no arguments and cannot fail.
    unsafe { libc::getppid() }
}

/// Stack size the system gives new threads (RLIMIT_STACK, as glibc takes it); Rust's own default of 2 MiB is too
/// little for deep recursion in Python.
pub fn default_stack() -> usize {
    const USUAL: u64 = 8 * 1024 * 1024;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes a live local.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
    // Unlimited, or so much that many threads would exhaust the address space limit: the usual size.
    let sane = result == 0 && (64 * 1024..=64 * 1024 * 1024).contains(&limit.rlim_cur);
    (if sane { limit.rlim_cur } else { USUAL }) as usize
}

/// Ends the process without running any destructor or exit handler.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` may be called at any time.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
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
    fn receiving_in_parts() {
        let (a, b) = UnixStream::pair().unwrap();
        send(b.as_fd(), &[IoSlice::new(b"ab"), IoSlice::new(b"cdef")], None, WaitMode::No).unwrap();
        let (mut one, mut two) = ([0; 3], [0; 8]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(recv(a.as_fd(), &mut parts, WaitMode::No).unwrap(), 6);
        assert_eq!((&one, &two[..3]), (b"abc", &b"def"[..]));
        let mut grown = Vec::with_capacity(8);
        assert_eq!(
            recv_append(a.as_fd(), &mut grown, WaitMode::No).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn descriptors_arrive_and_files_are_read_at_a_place() {
        let (a, b) = UnixStream::pair().unwrap();
        let path = std::env::temp_dir().join(format!("wsgi-read-at-{}", std::process::id()));
        std::fs::write(&path, "0123456789").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        take_descriptors(a.as_fd());
        send(b.as_fd(), &[IoSlice::new(b"head"), IoSlice::new(b"rest")], Some(file.as_fd()), WaitMode::No)
            .unwrap();
        let (mut buffer, mut found) = ([0; 4], None);
        assert_eq!(recv_with_descriptor(a.as_fd(), &mut buffer, WaitMode::No, &mut found).unwrap(), 4);
        let mut piece = [0; 4];
        assert_eq!(read_at(found.unwrap().as_fd(), &mut piece, 7, WaitMode::Yes).unwrap(), 3);
        assert_eq!((&buffer, &piece[..3]), (b"head", &b"789"[..]));
        let mut none = None;
        assert_eq!(recv_with_descriptor(a.as_fd(), &mut buffer, WaitMode::No, &mut none).unwrap(), 4);
        assert!(none.is_none() && &buffer == b"rest");
    }

    #[test]
    fn a_blocking_receive_ends_at_the_timeout() {
        let (a, _b) = UnixStream::pair().unwrap();
        set_socket_timeout(a.as_fd(), Duration::from_millis(20)).unwrap();
        let mut buffer = Vec::with_capacity(8);
        let error = recv_append(a.as_fd(), &mut buffer, WaitMode::Yes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn peer_is_known() {
        let (a, _b) = UnixStream::pair().unwrap();
        // SAFETY: geteuid has no arguments.
        assert_eq!(peer_uid(a.as_fd()).unwrap(), unsafe { libc::geteuid() });
    }

    #[test]
    fn eventfd_wakes() {
        let e = EventFd::new().unwrap();
        e.signal();
        let mut fds = [(e.as_raw(), libc::POLLIN)];
        assert_eq!(poll(&mut fds, Some(Duration::ZERO)).unwrap(), 1);
        e.clear();
        let mut fds = [(e.as_raw(), libc::POLLIN)];
        assert_eq!(poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
    }
}
