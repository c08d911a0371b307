//! The supervisor's control socket: finding it, asking one question, reading the answer. Any user can bind a socket with
//! such a name: only one that a process of root's or of the caller's listens at is believed.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, recvmsg,
    send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use wsgi_protocol::launch::{decode, encode};
use wsgi_protocol::operator::{
    ANSWER_BYTES, GroupMetrics, OperatorQuestion, OperatorReply, SOCKET_SUFFIX, ServerStatus,
};

/// Seconds to wait for an answer.
const PATIENCE: i64 = 20;

/// Where the supervisor listens.
#[derive(Debug, Clone)]
pub struct ControlAddress {
    path: PathBuf,
    /// Somebody has named it: then a server of the user whom the path belongs to is meant.
    is_named: bool,
}

impl ControlAddress {
    /// The one that was named.
    #[must_use]
    pub fn named(path: PathBuf) -> Self {
        Self { path, is_named: true }
    }

    /// Whether a process of this user is the one meant.
    fn trusts(&self, uid: u32) -> bool {
        let owner = || fs::symlink_metadata(&self.path).is_ok_and(|facts| facts.uid() == uid);
        is_trusted(uid) || (self.is_named && owner())
    }
}

/// Root, and whoever runs this.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// The control socket of the one httpd that runs here, from the kernel's list of bound sockets.
///
/// # Errors
/// A sentence when there is none, or more than one.
pub fn find() -> Result<ControlAddress, String> {
    let list = fs::read("/proc/net/unix").map_err(|error| format!("/proc/net/unix: {error}"))?;
    let candidates = control_sockets(&String::from_utf8_lossy(&list));
    // Nothing is done with a path before it is known who listens: it may lie on a file system that never answers.
    let held = if candidates.is_empty() { Vec::new() } else { sockets_of_trusted_processes() };
    let candidates = candidates.into_iter().filter(|(_, inode)| held.contains(inode));
    let addresses = candidates.map(|(path, _)| ControlAddress { path, is_named: false });
    let mut found: Vec<ControlAddress> = addresses.filter(is_believable).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(
            "no httpd of root's or yours with daemon process groups runs here; name its socket with --socket"
                .to_owned(),
        ),
        _ => {
            let names: Vec<_> =
                found.iter().map(|address| format!("  --socket {}", address.path.display())).collect();
            Err(format!("several servers run here, choose one:\n{}", names.join("\n")))
        }
    }
}

/// Paths in a listing of bound sockets that have the form `PREFIX.PID.control`, with the numbers of their sockets. A path
/// may hold anything, even lines of its own.
fn control_sockets(list: &str) -> BTreeMap<PathBuf, u64> {
    let is_control = |path: &str| {
        let stem = path.strip_suffix(SOCKET_SUFFIX).and_then(|stem| stem.rsplit_once('.'));
        path.starts_with('/') && stem.is_some_and(|(_, pid)| pid.parse::<u32>().is_ok())
    };
    let entry = |line: &str| {
        let (inode, path) = line.splitn(7, ' ').nth(6)?.trim_start().split_once(' ')?;
        is_control(path).then(|| Some((PathBuf::from(path), inode.parse().ok()?))).flatten()
    };
    list.lines().filter_map(entry).collect()
}

/// Numbers of the sockets that processes of root's or of the caller's hold.
fn sockets_of_trusted_processes() -> Vec<u64> {
    let mut held = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process = process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if !is_process || !process.metadata().is_ok_and(|facts| is_trusted(facts.uid())) {
            continue;
        }
        for fd in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            let number = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            held.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
    }
    held
}

/// Whether the file is a socket of root's or of the caller's, at which such a process listens.
fn is_believable(address: &ControlAddress) -> bool {
    let is_own = |facts: fs::Metadata| facts.file_type().is_socket() && is_trusted(facts.uid());
    fs::symlink_metadata(&address.path).is_ok_and(is_own) && open(address).is_ok()
}

/// Asks for the status.
///
/// # Errors
/// As [`ask`].
pub fn status(address: &ControlAddress) -> Result<ServerStatus, String> {
    match ask(address, &OperatorQuestion::Status)? {
        OperatorReply::Status(status) => Ok(status),
        OperatorReply::Refused(reason) => Err(reason),
        _ => Err("the supervisor gave another answer than asked for".to_owned()),
    }
}

/// Asks for what is counted.
///
/// # Errors
/// As [`ask`].
pub fn metrics(address: &ControlAddress) -> Result<Vec<GroupMetrics>, String> {
    match ask(address, &OperatorQuestion::Metrics)? {
        OperatorReply::Metrics(groups) => Ok(groups),
        OperatorReply::Refused(reason) => Err(reason),
        _ => Err("the supervisor gave another answer than asked for".to_owned()),
    }
}

/// Connects, and looks who listens.
///
/// # Errors
/// A sentence that names the socket and what to do.
fn open(address: &ControlAddress) -> Result<OwnedFd, String> {
    let path = address.path.as_path();
    let failed = |errno: Errno| complaint(path, errno);
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(failed)?;
    let patience = TimeVal::new(PATIENCE, 0);
    setsockopt(&fd, sockopt::ReceiveTimeout, &patience).map_err(failed)?;
    setsockopt(&fd, sockopt::SendTimeout, &patience).map_err(failed)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path).map_err(failed)?).map_err(failed)?;
    let peer = getsockopt(&fd, sockopt::PeerCredentials).map_err(failed)?;
    if address.trusts(peer.uid()) {
        return Ok(fd);
    }
    Err(format!(
        "{}: a process of user id {} listens there, which is neither root nor you: it is not believed",
        path.display(),
        peer.uid()
    ))
}

fn complaint(path: &Path, errno: Errno) -> String {
    let hint = match errno {
        Errno::EACCES | Errno::EPERM => "; only root and the user httpd was started as may ask",
        Errno::ENOENT | Errno::ECONNREFUSED => "; is httpd running, with daemon process groups?",
        Errno::EAGAIN => "; the supervisor does not answer",
        Errno::EPROTO => "; what came back is no answer of the supervisor",
        _ => "",
    };
    format!("{}: {}{hint}", path.display(), errno.desc())
}

/// Asks one question.
///
/// # Errors
/// A sentence that names the socket and what to do.
pub fn ask(address: &ControlAddress, question: &OperatorQuestion) -> Result<OperatorReply, String> {
    let failed = |errno: Errno| complaint(&address.path, errno);
    let fd = open(address)?;
    let bytes = encode(question).map_err(|error| error.to_string())?;
    send(fd.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL).map_err(failed)?;
    let bytes = answer(&fd).map_err(failed)?;
    decode(&bytes).map_err(|error| format!("mod_wsgi-ctl and the running module differ: {error}"))
}

/// The content of the memory file that comes back.
fn answer(fd: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut space = nix::cmsg_space!(RawFd);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = part
            && let Some(number) = numbers.first()
        {
            // Opened anew by its number: this program has no unsafe code, and it ends soon.
            let name = format!("/proc/self/fd/{number}");
            let bytes = read_memory(Path::new(&name));
            let _ = nix::unistd::close(*number);
            return bytes;
        }
    }
    Err(Errno::EPROTO)
}

/// Reads a memory file of a plain size; a pipe, a device or another file is not opened.
fn read_memory(name: &Path) -> Result<Vec<u8>, Errno> {
    let is_memory = fs::read_link(name).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:"));
    let is_plain = |facts: fs::Metadata| facts.is_file() && facts.len() <= ANSWER_BYTES as u64;
    if !is_memory || !fs::metadata(name).is_ok_and(is_plain) {
        return Err(Errno::EPROTO);
    }
    let file = fs::File::open(name).map_err(|_| Errno::EBADF)?;
    let mut bytes = Vec::new();
    file.take(ANSWER_BYTES as u64).read_to_end(&mut bytes).map_err(|_| Errno::EIO)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sockets_are_known_by_their_name() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 17 /run/wsgi.12.control\n\
            0000000000000000: 00000002 00000000 00010000 0005 01     9 /run/a b.13.control\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2 /run/wsgi.12.0.1.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 3 /run/other.control\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 4 @wsgi.12.control\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 5\n\
            .12.control\n";
        let found: Vec<_> = control_sockets(list).into_iter().collect();
        assert_eq!(found, [("/run/a b.13.control".into(), 9), ("/run/wsgi.12.control".into(), 17)]);
    }

    #[test]
    fn own_sockets_are_found_held() {
        let _listener = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let target = fs::read_link(format!("/proc/self/fd/{}", _listener.as_raw_fd())).unwrap();
        let number: u64 = target.to_str().unwrap()["socket:[".len()..].trim_end_matches(']').parse().unwrap();
        assert!(sockets_of_trusted_processes().contains(&number));
    }

    #[test]
    fn only_memory_files_are_read() {
        let (reader, _writer) = std::io::pipe().unwrap();
        for fd in [reader.as_raw_fd(), fs::File::open("/dev/zero").unwrap().as_raw_fd(), 9999] {
            let name = format!("/proc/self/fd/{fd}");
            assert_eq!(read_memory(Path::new(&name)), Err(Errno::EPROTO));
        }
        assert_eq!(read_memory(Path::new("/etc/passwd")), Err(Errno::EPROTO));
    }
}
