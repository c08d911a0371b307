//! Sending and receiving, also descriptors (SCM_RIGHTS). Sockets stay in blocking mode: `MSG_DONTWAIT` makes single calls
//! non-blocking, SO_RCVTIMEO bounds the rest.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Most descriptors of one message (the kernel's SCM_MAX_FD); recvmsg never joins two such messages.
pub const MOST_DESCRIPTORS: usize = 253;

/// Words of room for the control message of so many descriptors.
#[must_use]
pub const fn control_words(descriptors: usize) -> usize {
    2 + (descriptors * size_of::<RawFd>()).div_ceil(8)
}

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

/// A pair of connected sockets that keep records apart.
///
/// # Errors
/// That of socketpair(2).
pub fn record_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
    Ok(nix::sys::socket::socketpair(AddressFamily::Unix, kind, None, flags)?)
}

/// A pair of connected sockets.
///
/// # Errors
/// That of socketpair(2).
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (kind, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
    Ok(nix::sys::socket::socketpair(AddressFamily::Unix, kind, None, flags)?)
}

/// A UNIX socket that does not block.
///
/// # Errors
/// That of socket(2).
pub fn new_stream() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?)
}

/// Where a UNIX socket listens.
#[derive(Debug, Clone, Copy)]
pub struct SocketAddress(UnixAddr);

impl SocketAddress {
    /// That of a path; `None` when the path is too long for the system.
    #[must_use]
    pub fn of(path: &[u8]) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt;
        UnixAddr::new(std::path::Path::new(std::ffi::OsStr::from_bytes(path))).ok().map(Self)
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        self.0.path().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default()
    }

    /// Connects a socket; begins again after a signal.
    ///
    /// # Errors
    /// That of connect(2).
    pub fn connect(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            match nix::sys::socket::connect(socket.as_raw_fd(), &self.0) {
                Err(nix::errno::Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

/// Takes one connection from the queue; `None` when it is empty. The new socket is in blocking mode.
///
/// # Errors
/// That of accept4(2).
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    accept_with(listener, 0)
}

/// The same, and the new socket does not block.
///
/// # Errors
/// That of accept4(2).
pub fn accept_nonblocking(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    accept_with(listener, libc::SOCK_NONBLOCK)
}

fn accept_with(listener: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<Option<OwnedFd>> {
    let none = std::ptr::null_mut();
    // SAFETY: null address pointers are allowed; the descriptor is open.
    let fd = retry(|| unsafe {
        let flags = flags | libc::SOCK_CLOEXEC;
        libc::accept4(listener.as_raw_fd(), none, std::ptr::null_mut(), flags).into()
    });
    match fd {
        // SAFETY: the call returned a new descriptor that nobody else owns.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::ECONNABORTED)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Shuts both directions down.
pub fn shut_down(socket: BorrowedFd<'_>) {
    let _ = nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
}

/// Nothing more is sent; what is on its way arrives.
pub fn end_sending(socket: BorrowedFd<'_>) {
    let _ = nix::sys::socket::shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Write);
}

/// Lets a connection go without a word to the peer, where the protocol can (connect(2) with AF_UNSPEC).
pub fn disconnect(socket: BorrowedFd<'_>) {
    // SAFETY: all-zero is a valid address, which is read in the announced size.
    unsafe {
        let mut nowhere: libc::sockaddr = std::mem::zeroed();
        nowhere.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
        libc::connect(socket.as_raw_fd(), &raw const nowhere, size_of_val(&nowhere) as libc::socklen_t);
    }
}

/// Whether a socket is open and silent: there is nothing to read, and no end.
#[must_use]
pub fn is_quiet(socket: BorrowedFd<'_>) -> bool {
    use nix::sys::socket::{MsgFlags, recv};
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(socket.as_raw_fd(), &mut [0], flags) == Err(nix::errno::Errno::EAGAIN)
}

/// Whether the other side has not read all that was sent (unix(7): SIOCOUTQ).
#[must_use]
pub fn is_unread(socket: BorrowedFd<'_>) -> bool {
    let mut unread: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) == 0 && unread > 0 }
}

/// Whether a receive or send may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitMode {
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
///
/// # Errors
/// That of recv(2).
pub fn recv_append(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>, wait: WaitMode) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let (at, room) = (spare.as_mut_ptr(), spare.len());
    // SAFETY: `at` points to `room` writable bytes.
    let n = retry(|| unsafe { libc::recv(socket.as_raw_fd(), at.cast(), room, wait.flag()) as i64 })?;
    // SAFETY: the kernel initialised the first `n` bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + n) };
    Ok(n)
}

/// Receives into several buffers in order. 0 is end of file.
///
/// # Errors
/// That of recvmsg(2).
pub fn recv(socket: BorrowedFd<'_>, parts: &mut [IoSliceMut<'_>], wait: WaitMode) -> io::Result<usize> {
    receive_message(socket, parts, &mut [], &mut Vec::new(), wait.flag()).map(|received| received.length)
}

/// How a receive can look at a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordLook {
    /// Waits for one, and takes it.
    Take,
    /// Takes one that is there.
    TakeNow,
    /// Waits for one, and leaves it there.
    Peek,
    /// Leaves one that is there.
    PeekNow,
}

/// One record off a socket that keeps them apart, or the first of it that fits.
///
/// # Errors
/// That of recv(2), an interruption too.
pub fn record(socket: BorrowedFd<'_>, room: &mut [u8], look: RecordLook) -> io::Result<usize> {
    use nix::sys::socket::MsgFlags;
    let flags = match look {
        RecordLook::Take => MsgFlags::empty(),
        RecordLook::TakeNow => MsgFlags::MSG_DONTWAIT,
        RecordLook::Peek => MsgFlags::MSG_PEEK,
        RecordLook::PeekNow => MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
    };
    Ok(nix::sys::socket::recv(socket.as_raw_fd(), room, flags)?)
}

/// What a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Bytes; 0 is end of file.
    pub length: usize,
    /// A record was longer than the room for it.
    pub is_cut: bool,
    /// Descriptors found no room, and the kernel has closed them.
    pub has_lost: bool,
}

/// Receives into several buffers, and the descriptors that come along, as far as there is room for `DESCRIPTORS` words
/// ([`control_words`]). Those found are ours, also when the call fails later.
///
/// # Errors
/// That of recvmsg(2).
pub fn receive_with_descriptors<const WORDS: usize>(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    found: &mut Vec<OwnedFd>,
    wait: WaitMode,
) -> io::Result<ReceivedMessage> {
    receive_message(socket, parts, &mut [0u64; WORDS], found, libc::MSG_CMSG_CLOEXEC | wait.flag())
}

fn receive_message(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    control: &mut [u64],
    found: &mut Vec<OwnedFd>,
    flags: libc::c_int,
) -> io::Result<ReceivedMessage> {
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSliceMut is guaranteed to have the layout of iovec.
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: vector and control buffer describe writable memory borrowed for the call, as long as announced.
    let length = retry(|| unsafe {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(control) as _;
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) as i64
    })?;
    if !control.is_empty() {
        // SAFETY: the kernel filled the control buffer of this message.
        unsafe { collect(&message, found) };
    }
    Ok(ReceivedMessage {
        length,
        is_cut: message.msg_flags & libc::MSG_TRUNC != 0,
        has_lost: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// # Safety
/// `message` was filled by recvmsg and its control buffer is alive.
unsafe fn collect(message: &libc::msghdr, found: &mut Vec<OwnedFd>) {
    // SAFETY: by the contract CMSG_* stay within the control buffer; descriptors in SCM_RIGHTS are ours from here on.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let first = libc::CMSG_DATA(header).cast::<RawFd>();
                let numbers = (0..bytes / size_of::<RawFd>()).map(|i| first.add(i).read_unaligned());
                found.extend(numbers.map(|number| OwnedFd::from_raw_fd(number)));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

/// As [`recv`] into one buffer, with the descriptor that comes along.
///
/// # Errors
/// That of recvmsg(2); EMFILE when the descriptor found no room.
pub fn recv_with_descriptor(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: WaitMode,
    found: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut all = Vec::new();
    let parts = &mut [IoSliceMut::new(buffer)];
    let got = receive_with_descriptors::<{ control_words(12) }>(socket, parts, &mut all, wait)?;
    if all.len() == 1 {
        *found = all.pop();
    }
    if got.has_lost && found.is_none() {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    Ok(got.length)
}

/// Reads at a place of a file; 0 is its end. [`WaitMode::No`] reads only what is in memory.
///
/// # Errors
/// That of preadv2(2).
pub fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64, wait: WaitMode) -> io::Result<usize> {
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let flags = if wait == WaitMode::No { libc::RWF_NOWAIT } else { 0 };
    // SAFETY: one part, which describes writable memory borrowed for the call.
    retry(|| unsafe {
        libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset as libc::off_t, flags) as i64
    })
}

/// Sends several buffers in order, with a descriptor if given. Returns how many bytes were taken.
///
/// # Errors
/// That of sendmsg(2).
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    file: Option<BorrowedFd<'_>>,
    wait: WaitMode,
) -> io::Result<usize> {
    send_with_descriptors(socket, parts, file.as_slice(), wait)
}

/// Sends several buffers in order, with descriptors, which arrive with the first byte. Returns how many bytes were taken.
///
/// # Errors
/// That of sendmsg(2); EINVAL for more than [`MOST_DESCRIPTORS`].
pub fn send_with_descriptors(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
    wait: WaitMode,
) -> io::Result<usize> {
    match descriptors {
        [] => send_message(socket, parts, descriptors, &mut [], wait),
        [_] => send_message(socket, parts, descriptors, &mut [0; control_words(1)], wait),
        _ => send_message(socket, parts, descriptors, &mut [0; control_words(MOST_DESCRIPTORS)], wait),
    }
}

fn send_message(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
    control: &mut [u64],
    wait: WaitMode,
) -> io::Result<usize> {
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have the layout of iovec; sendmsg does not write through it.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len() as _;
    if !descriptors.is_empty() {
        let length = size_of_val(descriptors) as u32;
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: CMSG_* compute sizes and addresses inside of the control buffer, whose length is compared first.
        unsafe {
            let space = libc::CMSG_SPACE(length);
            if space as usize > size_of_val(control) {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            message.msg_controllen = space as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as _;
            for (index, descriptor) in descriptors.iter().enumerate() {
                let place = libc::CMSG_DATA(header).cast::<RawFd>().add(index);
                place.write_unaligned(descriptor.as_raw_fd());
            }
        }
    }
    let flags = libc::MSG_NOSIGNAL | wait.flag();
    // SAFETY: message, vectors and control buffer live through the call.
    retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

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
        crate::options::take_descriptors(a.as_fd());
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
    fn the_most_that_a_message_can_hold_is_received() {
        let (a, b) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let many = |count: usize| {
            let all = vec![null.as_fd(); count];
            send_with_descriptors(b.as_fd(), &[IoSlice::new(b"x")], &all, WaitMode::No)
        };
        many(MOST_DESCRIPTORS).unwrap();
        many(2).unwrap();
        assert!(many(MOST_DESCRIPTORS + 1).is_err());
        let (mut byte, mut found) = ([0; 8], Vec::new());
        let mut receive = |found: &mut Vec<OwnedFd>| {
            let parts = &mut [IoSliceMut::new(&mut byte)];
            receive_with_descriptors::<{ control_words(MOST_DESCRIPTORS) }>(
                a.as_fd(),
                parts,
                found,
                WaitMode::No,
            )
        };
        let whole = ReceivedMessage { length: 1, is_cut: false, has_lost: false };
        assert_eq!(receive(&mut found).unwrap(), whole);
        assert_eq!(found.len(), MOST_DESCRIPTORS);
        assert_eq!(receive(&mut found).unwrap(), whole);
        assert_eq!(found.len(), MOST_DESCRIPTORS + 2);
    }

    #[test]
    fn a_blocking_receive_ends_at_the_timeout() {
        let (a, _b) = UnixStream::pair().unwrap();
        crate::options::set_timeout(a.as_fd(), Duration::from_millis(20)).unwrap();
        let mut buffer = Vec::with_capacity(8);
        let error = recv_append(a.as_fd(), &mut buffer, WaitMode::Yes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn peer_is_known() {
        let (a, _b) = UnixStream::pair().unwrap();
        assert_eq!(crate::options::peer_uid(a.as_fd()).unwrap(), crate::process::effective_uid());
    }
}
