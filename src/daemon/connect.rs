//! Connecting to a daemon's socket, with the original's patience (spec/daemon.md §1.8).

use super::connection::DaemonConnection;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Why no connection came about.
pub enum ConnectError {
    /// No socket could be made.
    Socket(io::Error),
    /// The listen queue stayed full until connect-timeout.
    QueueFull,
    /// Until connect-timeout nobody listened.
    NobodyListens,
    /// The process has been taken out of its group, or cannot be started.
    Out,
    /// Any other refusal.
    Refused(io::Error),
}

/// How long a path may be missing: longer than the supervisor takes to notice, who looks every two seconds, on a machine that
/// is busy.
const MISSING: Duration = Duration::from_secs(6);

/// Pause between attempts: short ones first, then a second each.
fn pause(slept: Duration) -> Duration {
    if slept < Duration::from_secs(2) { Duration::from_millis(125) } else { Duration::from_secs(1) }
}

/// Connects, retrying while the queue is full or the socket is just being replaced, unless `is_out` says that
/// nobody comes to serve it.
pub fn connect(
    address: &libc::sockaddr_un,
    timeout: Duration,
    started: Instant,
    is_out: impl Fn() -> bool,
) -> Result<DaemonConnection, ConnectError> {
    let mut slept = Duration::ZERO;
    loop {
        let fd = new_socket().map_err(ConnectError::Socket)?;
        let error = match connect_once(&fd, address) {
            Ok(()) => return trusted(fd).map_err(ConnectError::Refused),
            Err(error) => error,
        };
        if is_out() {
            return Err(ConnectError::Out);
        }
        let full = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ECONNREFUSED));
        // The path may be missing for a moment while a socket is renamed for a new generation, or until the supervisor finds
        // that somebody has removed it.
        let moving = error.raw_os_error() == Some(libc::ENOENT) && slept < MISSING;
        if !full && !moving {
            return Err(ConnectError::Refused(error));
        }
        let pause = pause(slept);
        if started.elapsed() + pause >= timeout.max(Duration::from_millis(1)) {
            return Err(match error.raw_os_error() {
                Some(libc::EAGAIN) => ConnectError::QueueFull,
                Some(libc::ECONNREFUSED) => ConnectError::NobodyListens,
                _ => ConnectError::Refused(error),
            });
        }
        std::thread::sleep(pause);
        slept += pause;
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: a fresh descriptor is wrapped at once.
    unsafe {
        let fd = libc::socket(libc::AF_UNIX, kind, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

fn connect_once(fd: &OwnedFd, address: &libc::sockaddr_un) -> io::Result<()> {
    loop {
        // SAFETY: a complete address of the announced size.
        let status = unsafe {
            let address = std::ptr::from_ref(address).cast();
            libc::connect(fd.as_raw_fd(), address, size_of::<libc::sockaddr_un>() as u32)
        };
        if status == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Only root's or our own supervisor may be listening there (decisions.md, "The parent and the supervisor are
/// privileged").
fn trusted(fd: OwnedFd) -> io::Result<DaemonConnection> {
    // SAFETY: the kernel fills a ucred of the announced size.
    let uid = unsafe {
        let mut peer: libc::ucred = std::mem::zeroed();
        let mut len = size_of::<libc::ucred>() as u32;
        let to = (&raw mut peer).cast();
        if libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, to, &mut len) != 0 {
            return Err(io::Error::last_os_error());
        }
        peer.uid
    };
    // SAFETY: cannot fail.
    if uid != 0 && uid != unsafe { libc::geteuid() } {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the socket belongs to another user"));
    }
    Ok(DaemonConnection::new(fd))
}
