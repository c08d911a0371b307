//! Whether another supervisor, of this httpd or of one that was killed, still listens at a path.

use crate::facts;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, UnixCredentials, connect, getsockopt, socket, sockopt,
};
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether another supervisor that is alive listens at the path. (A daemon that has lost its supervisor holds the socket
/// open, too, and must not keep the name from the next one; not even by a listen() of its own, which makes it the peer.)
/// Never waits: a full queue is an answer.
#[must_use]
pub fn is_listened_at(path: &Path) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = || -> Result<UnixCredentials, Errno> {
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        // Who called listen(), whoever may hold the socket now.
        getsockopt(&fd, sockopt::PeerCredentials)
    };
    match listener() {
        Ok(who) => {
            let is_privileged = who.uid() == 0 || who.uid() == nix::unistd::geteuid().as_raw();
            is_privileged && who.pid() != std::process::id().cast_signed() && is_supervisor(who.pid())
        }
        // Whose is not to be learned; an application can make it short and fill it.
        Err(Errno::EAGAIN) => is_another_alive(),
        Err(_) => false,
    }
}

/// Whether any other supervisor runs that may have made a socket of ours. What this one has forked is none.
fn is_another_alive() -> bool {
    let (own, user) = (std::process::id().cast_signed(), nix::unistd::geteuid().as_raw());
    let is_privileged = |pid: i32| facts::user(pid).is_some_and(|uid| uid == 0 || uid == user);
    facts::all()
        .filter(|pid| *pid != own && is_supervisor(*pid))
        .any(|pid| is_privileged(pid) && facts::parent(pid) != Some(own))
}

/// Whether the process is alive and runs a program of the name of this one: it may have been upgraded since.
fn is_supervisor(pid: i32) -> bool {
    let program = |pid: &str| -> std::io::Result<Option<Vec<u8>>> {
        let path = std::fs::read_link(format!("/proc/{pid}/exe"))?;
        let name = path.file_name().map(OsStr::as_bytes);
        Ok(name.map(|name| name.strip_suffix(b" (deleted)").unwrap_or(name).to_vec()))
    };
    match program(&pid.to_string()) {
        Ok(name) => facts::is_running(pid) && program("self").is_ok_and(|own| own == name),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied && facts::is_running(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn supervisors_are_known_by_their_program() {
        let own = std::process::id().cast_signed();
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(is_supervisor(own) && !is_supervisor(other.id().cast_signed()) && !is_supervisor(i32::MAX));
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn own_sockets_are_not_those_of_another_supervisor() {
        let path = std::env::temp_dir().join(format!("wsgi-listened-{}", std::process::id()));
        let _ = std::fs::remove_file(&path); // of a process that had this number before
        let listener = UnixListener::bind(&path).unwrap();
        assert!(!is_listened_at(&path));
        drop(listener);
        assert!(!is_listened_at(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_listened_at(&path));
    }
}
