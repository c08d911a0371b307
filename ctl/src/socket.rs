//! The supervisor's control socket: finding it, asking one question, reading the answer.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect, recvmsg, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::fs;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use wsgi_protocol::launch::{decode, encode};
use wsgi_protocol::operator::{ANSWER_BYTES, GroupMetrics, Question, Reply, SOCKET_SUFFIX, Status};

/// Seconds to wait for an answer.
const PATIENCE: i64 = 20;

/// The control socket of the one httpd that runs here, from the kernel's list of bound sockets.
///
/// # Errors
/// A sentence when there is none, or more than one.
pub fn find() -> Result<PathBuf, String> {
    let list = fs::read_to_string("/proc/net/unix").map_err(|error| format!("/proc/net/unix: {error}"))?;
    let mut found = control_sockets(&list);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err("no httpd with daemon process groups runs here; name its socket with --socket".to_owned()),
        _ => {
            let names: Vec<_> = found.iter().map(|path| format!("  --socket {}", path.display())).collect();
            Err(format!("several servers run here, choose one:\n{}", names.join("\n")))
        }
    }
}

/// Paths in a listing of bound sockets that have the form `PREFIX.PID.control`.
fn control_sockets(list: &str) -> Vec<PathBuf> {
    let is_control = |path: &&str| {
        let stem = path.strip_suffix(SOCKET_SUFFIX).and_then(|stem| stem.rsplit_once('.'));
        path.starts_with('/') && stem.is_some_and(|(_, pid)| pid.parse::<u32>().is_ok())
    };
    let mut paths: Vec<PathBuf> = list
        .lines()
        .filter_map(|line| line.split_whitespace().nth(7))
        .filter(is_control)
        .map(PathBuf::from)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Asks for the status.
///
/// # Errors
/// As [`ask`].
pub fn status(path: &Path) -> Result<Status, String> {
    match ask(path, &Question::Status)? {
        Reply::Status(status) => Ok(status),
        Reply::Refused(reason) => Err(reason),
        _ => Err("the supervisor gave another answer than asked for".to_owned()),
    }
}

/// Asks for what is counted.
///
/// # Errors
/// As [`ask`].
pub fn metrics(path: &Path) -> Result<Vec<GroupMetrics>, String> {
    match ask(path, &Question::Metrics)? {
        Reply::Metrics(groups) => Ok(groups),
        Reply::Refused(reason) => Err(reason),
        _ => Err("the supervisor gave another answer than asked for".to_owned()),
    }
}

/// Asks one question.
///
/// # Errors
/// A sentence that names the socket and what to do.
pub fn ask(path: &Path, question: &Question) -> Result<Reply, String> {
    let failed = |errno: Errno| {
        let hint = match errno {
            Errno::EACCES | Errno::EPERM => "; only root and the user httpd was started as may ask",
            Errno::ENOENT | Errno::ECONNREFUSED => "; is httpd running, with daemon process groups?",
            Errno::EAGAIN => "; the supervisor does not answer",
            _ => "",
        };
        format!("{}: {}{hint}", path.display(), errno.desc())
    };
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(failed)?;
    let patience = TimeVal::new(PATIENCE, 0);
    setsockopt(&fd, sockopt::ReceiveTimeout, &patience).map_err(failed)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path).map_err(failed)?).map_err(failed)?;
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
            let file = fs::File::open(format!("/proc/self/fd/{number}")).map_err(|_| Errno::EBADF)?;
            let mut bytes = Vec::new();
            file.take(ANSWER_BYTES as u64).read_to_end(&mut bytes).map_err(|_| Errno::EIO)?;
            let _ = nix::unistd::close(*number);
            return Ok(bytes);
        }
    }
    Err(Errno::EPROTO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sockets_are_known_by_their_name() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0005 01 1 /run/wsgi.12.control\n\
            0000: 00000002 00000000 00010000 0001 01 2 /run/wsgi.12.0.1.sock\n\
            0000: 00000002 00000000 00010000 0001 01 3 /run/other.control\n\
            0000: 00000002 00000000 00010000 0001 01 4 @wsgi.12.control\n\
            0000: 00000002 00000000 00010000 0001 01 5\n";
        assert_eq!(control_sockets(list), [PathBuf::from("/run/wsgi.12.control")]);
    }
}
