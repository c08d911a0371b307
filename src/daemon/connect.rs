//! Connecting to a daemon's socket, with the original's patience (spec/daemon.md §1.8).

use super::connection::DaemonConnection;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use wsgi_system::options::peer_uid;
use wsgi_system::process::effective_uid;
use wsgi_system::sockets::{SocketAddress, new_stream};

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

/// How long a path may be missing: longer than the supervisor takes to make it again, which may be two seconds, on a machine that
/// is busy.
const MISSING: Duration = Duration::from_secs(6);

/// Pause between attempts: short ones first, then a second each.
fn pause(slept: Duration) -> Duration {
    if slept < Duration::from_secs(2) { Duration::from_millis(125) } else { Duration::from_secs(1) }
}

/// Connects, retrying while the queue is full or the socket is just being replaced, unless `is_out` says that
/// nobody comes to serve it.
pub fn connect(
    address: &SocketAddress,
    timeout: Duration,
    started: Instant,
    is_out: impl Fn() -> bool,
) -> Result<DaemonConnection, ConnectError> {
    let mut slept = Duration::ZERO;
    loop {
        let fd = new_stream().map_err(ConnectError::Socket)?;
        let error = match address.connect(fd.as_fd()) {
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

/// Only root's or our own supervisor may be listening there (decisions.md, "The parent and the supervisor are
/// privileged").
fn trusted(fd: OwnedFd) -> io::Result<DaemonConnection> {
    let uid = peer_uid(fd.as_fd())?;
    if uid != 0 && uid != effective_uid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the socket belongs to another user"));
    }
    Ok(DaemonConnection::new(fd))
}
