//! Socket files that an earlier supervisor of this httpd has left because it was killed.

use crate::listen::{PROVISIONAL, SUFFIX};
use crate::other_supervisor::is_listened_at;
use nix::sys::stat::lstat;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wsgi_protocol::operator::SOCKET_SUFFIX;

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
}
