//! Descriptors by number: those that a daemon inherits, and those that a plain record keeps.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::unistd::AccessFlags;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use wsgi_protocol::launch::{BOARD_FD, HEIRLOOM_FD, LISTEN_FD, ORDER_FD, READY_FD, STACK_FD};

/// Takes ownership of a descriptor that is known by its number only: one that the parent left open.
///
/// # Errors
/// EBADF when it is not open.
///
/// # Safety
/// Nothing else owns the number.
pub unsafe fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if !is_open(number) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is open (above), and nothing else owns it by the contract.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(owned)
}

/// Whether the number is that of an open descriptor.
#[must_use]
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD only looks the number up.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// poll(2), once. Only looks the numbers up, so that any may be named.
pub(crate) fn poll_numbers(entries: &mut [libc::pollfd], timeout: i32) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(entries.len()).unwrap_or(0);
    // SAFETY: as many valid entries as announced.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), count, timeout) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}

/// An option of a socket that is a number; `None` for a descriptor that is none.
pub(crate) fn option(number: RawFd, option: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).ok()?;
    // SAFETY: the kernel fills at most `length` bytes, which is the size of the value, and refuses what is no socket.
    let result = unsafe {
        let at = (&raw mut value).cast();
        libc::getsockopt(number, libc::SOL_SOCKET, option, at, &raw mut length)
    };
    (result == 0).then_some(value)
}

/// Sets an option of a socket that is a number.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    option: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: one int of the announced size is read.
    let result = unsafe {
        let at = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, at, length)
    };
    Errno::result(result).map(drop)
}

/// Sets O_NONBLOCK and close-on-exec.
///
/// # Errors
/// That of fcntl(2).
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// A pipe whose ends close at exec: where to read, and where to write.
///
/// # Errors
/// That of pipe2(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}

/// Reads once.
///
/// # Errors
/// That of read(2), an interruption too.
pub fn read(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    Ok(nix::unistd::read(fd, room)?)
}

/// Writes once. Async-signal-safe.
///
/// # Errors
/// That of write(2), an interruption too.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(nix::unistd::write(fd, bytes)?)
}

/// Writes all of it. Async-signal-safe.
///
/// # Errors
/// That of write(2).
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether this process may make files in a folder.
#[must_use]
pub fn is_writable_folder(folder: &Path) -> bool {
    nix::unistd::access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// A new file whose name is a pattern that ends in `XXXXXX`, and that name.
///
/// # Errors
/// That of mkostemp(3).
pub fn named_temporary_file(pattern: &Path) -> io::Result<(File, PathBuf)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut name = CString::new(pattern.as_os_str().as_bytes())?.into_bytes_with_nul();
    // SAFETY: a NUL-terminated pattern that is written over in place.
    let number = unsafe { libc::mkostemp(name.as_mut_ptr().cast(), libc::O_CLOEXEC) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    name.pop();
    // SAFETY: the call returned a new descriptor that nobody else owns.
    let file = unsafe { File::from_raw_fd(number) };
    Ok((file, OsString::from_vec(name).into()))
}

/// The position of an open file; negative where it has none.
#[must_use]
pub fn position(file: BorrowedFd<'_>) -> i64 {
    nix::unistd::lseek(file, 0, nix::unistd::Whence::SeekCur).unwrap_or(-1)
}

/// Moves an open file to a position.
pub fn seek(file: BorrowedFd<'_>, position: i64) {
    let _ = nix::unistd::lseek(file, position, nix::unistd::Whence::SeekSet);
}

/// Replaces standard error by `target`, so that a panic message lands in httpd's current log.
pub fn redirect_standard_error(target: BorrowedFd<'_>) {
    let _ = nix::unistd::dup2_stderr(target);
}

/// Replaces standard output and error by `target`.
///
/// # Errors
/// That of dup2(2).
pub fn redirect_output(target: BorrowedFd<'_>) -> io::Result<()> {
    nix::unistd::dup2_stdout(target)?;
    Ok(nix::unistd::dup2_stderr(target)?)
}

/// Makes the number of `place` stand for what `target` is, in one step; it is never free meanwhile, so that whoever knows
/// the number never meets a file of somebody else's.
pub fn replace(place: BorrowedFd<'_>, target: BorrowedFd<'_>) {
    // SAFETY: both are open, and the owner of the number goes on owning an open descriptor.
    unsafe { libc::dup3(target.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) };
}

/// A descriptor that a daemon has from its supervisor: at a fixed number from before its exec to its end. No object owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonDescriptor {
    /// The socket that httpd connects to.
    Listener,
    /// Where the supervisor is told things.
    Ready,
    /// Where its orders come.
    Order,
    /// What is left to a successor.
    Heirloom,
    /// Where the last Python stack goes.
    Stack,
    /// httpd's scoreboard, for who may see it.
    Board,
}

impl DaemonDescriptor {
    /// Its number.
    #[must_use]
    pub fn number(self) -> RawFd {
        match self {
            Self::Listener => LISTEN_FD,
            Self::Ready => READY_FD,
            Self::Order => ORDER_FD,
            Self::Heirloom => HEIRLOOM_FD,
            Self::Stack => STACK_FD,
            Self::Board => BOARD_FD,
        }
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_open(self) -> bool {
        is_open(self.number())
    }

    /// The descriptor; calls fail where it is not there.
    #[must_use]
    pub fn borrow(self) -> BorrowedFd<'static> {
        // SAFETY: the supervisor opened the number before exec, and no object of this process owns it. Where it is not open
        // (an embedded host, a test) every call on it is refused.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }

    /// The file behind it, which dropping does not close; `None` if it is not there.
    #[must_use]
    pub fn file(self) -> Option<ManuallyDrop<File>> {
        // SAFETY: the number is open, and `ManuallyDrop` keeps the descriptor from being closed.
        self.is_open().then(|| ManuallyDrop::new(unsafe { File::from_raw_fd(self.number()) }))
    }

    /// Keeps it from programs that the application executes.
    pub fn close_at_exec(self) {
        let _ = fcntl(self.borrow(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }

    /// Makes the number stand for something else; whether that could be. Async-signal-safe.
    pub fn replace(self, target: BorrowedFd<'_>) -> bool {
        // SAFETY: no object owns the number.
        unsafe { libc::dup3(target.as_raw_fd(), self.number(), libc::O_CLOEXEC) >= 0 }
    }

    /// Takes or gives up the lock on all of the file behind it; whether that could be.
    #[must_use]
    pub fn set_lock(self, is_locked: bool) -> bool {
        let kind = if is_locked { libc::F_WRLCK } else { libc::F_UNLCK };
        let Ok(kind) = libc::c_short::try_from(kind) else { return false };
        let lock = libc::flock { l_type: kind, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
        fcntl(self.borrow(), FcntlArg::F_SETLK(&lock)).is_ok()
    }

    /// Closes it, in a process that the application has forked off. Async-signal-safe.
    pub fn close(self) {
        // SAFETY: no object owns the number; one that is not open is refused.
        unsafe { libc::close(self.number()) };
    }

    /// Writes one byte; whether it was taken. Async-signal-safe.
    #[must_use]
    pub fn write_byte(self, byte: u8) -> bool {
        matches!(nix::unistd::write(self.borrow(), &[byte]), Ok(1))
    }
}

/// A descriptor that a plain record owns by its number: one that outlives the code that made it. -1 stands for none.
#[derive(Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct KeptDescriptor(RawFd);

impl KeptDescriptor {
    /// None.
    pub const NONE: Self = Self(-1);

    /// Its number, -1 for none.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.0
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.0 >= 0
    }

    /// The descriptor.
    #[must_use]
    pub fn borrow(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the record owns the number and keeps it open as long as this borrow.
        self.is_some().then(|| unsafe { BorrowedFd::borrow_raw(self.0) })
    }

    /// Takes another one over, and closes the one before.
    pub fn keep(&mut self, descriptor: OwnedFd) {
        drop(self.take());
        self.0 = descriptor.into_raw_fd();
    }

    /// Gives it up.
    pub fn take(&mut self) -> Option<OwnedFd> {
        let number = std::mem::replace(&mut self.0, -1);
        // SAFETY: the record owned the number until now.
        (number >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// Closes it.
    pub fn close(&mut self) {
        drop(self.take());
    }
}
