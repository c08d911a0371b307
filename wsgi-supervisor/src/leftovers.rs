//! Socket files that an earlier supervisor of this httpd has left because it was killed, and the question whether
//! somebody still listens at a path.

use crate::facts;
use crate::listen::{PROVISIONAL, SUFFIX};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, UnixCredentials, connect, getsockopt, socket, sockopt,
};
use nix::sys::stat::lstat;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wsgi_protocol::operator::SOCKET_SUFFIX;

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

/// Removes the sockets of this httpd that are not among `claimed` and that nobody listens at. They have the name of the
/// operator's socket up to its suffix, which holds the process id of httpd's parent.
pub fn remove(operator_socket: &[u8], claimed: &BTreeSet<PathBuf>) {
    let Some(base) = operator_socket.strip_suffix(SOCKET_SUFFIX.as_bytes()) else { return };
    let base = Path::new(OsStr::from_bytes(base));
    let (Some(folder), Some(name)) = (base.parent(), base.file_name()) else { return };
    let start = [name.as_bytes(), b"."].concat();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let suffixes = [SUFFIX, PROVISIONAL].map(|suffix| [b".", suffix.as_bytes()].concat());
        let has_suffix = suffixes.iter().any(|suffix| name.as_bytes().ends_with(suffix));
        let is_ours = name.as_bytes().starts_with(&start) && has_suffix;
        let is_socket =
            || lstat(path.as_path()).is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFSOCK);
        if is_ours && !claimed.contains(&path) && is_socket() && !is_listened_at(&path) {
            let _ = nix::unistd::unlink(path.as_path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_nobody_listens_at_goes() {
        let folder = std::env::temp_dir().join(format!("wsgi-leftovers-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder); // of a process that had this number before
        std::fs::create_dir_all(&folder).unwrap();
        let bind = |name: &str| UnixListener::bind(folder.join(name)).unwrap();
        let (dead, claimed, other) = (bind("w.7.0.1.sock"), bind("w.7.1.1.sock"), bind("w.70.0.1.sock"));
        drop((dead, claimed, other, bind("w.7.0.1.next")));
        std::fs::write(folder.join("w.7.text.sock"), "").unwrap();
        remove(folder.join("w.7.control").as_os_str().as_bytes(), &[folder.join("w.7.1.1.sock")].into());
        let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["w.7.1.1.sock", "w.7.text.sock", "w.70.0.1.sock"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

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
