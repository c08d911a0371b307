//! The operator's socket: questions from `mod_wsgi-ctl`, one record each, asked by root or by the user httpd
//! was started as. Nothing here waits: a question comes in one piece, an answer leaves in a memory file.

use crate::disposal::ExposedSocket;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, getsockopt, listen,
    recv, recvmsg, sendmsg, socket, sockopt,
};
use nix::sys::stat::{Mode, lstat, umask};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wsgi_protocol::launch::{decode, encode};
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply, QUESTION_BYTES};
use wsgi_system::sockets::accept_nonblocking;

/// Operators who are connected at the same time; the one who has been silent longest makes room.
const MAX_PEERS: usize = 4;
/// How long a connected operator may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket and who is connected to it.
#[derive(Debug)]
pub struct OperatorSocket {
    fd: ExposedSocket,
    path: PathBuf,
    /// Device and inode of what we made at `path`: only that is removed.
    identity: (u64, u64),
    peers: Vec<(ExposedSocket, Instant)>,
}

impl OperatorSocket {
    /// Listens at `path`, readable and writable for the owner only. What lies there is the rest of an earlier
    /// supervisor and goes.
    ///
    /// # Errors
    /// The errno of the call that failed; ENOTSOCK when something else lies there.
    pub fn bind(path: &Path) -> Result<Self, Errno> {
        let address = UnixAddr::new(path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = ExposedSocket::new(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?);
        match lstat(path).map(|facts| facts.st_mode & libc::S_IFMT) {
            Ok(libc::S_IFSOCK) => nix::unistd::unlink(path)?,
            Ok(_) => return Err(Errno::ENOTSOCK),
            Err(_) => {}
        }
        let before = umask(Mode::S_IXUSR | Mode::S_IRWXG | Mode::S_IRWXO);
        let bound = bind(fd.as_raw_fd(), &address);
        umask(before);
        bound?;
        listen(&fd, Backlog::new(i32::try_from(MAX_PEERS).unwrap_or(1))?)?;
        let identity = lstat(path).map(|facts| (facts.st_dev, facts.st_ino))?;
        Ok(Self { fd, path: path.to_owned(), identity, peers: Vec::new() })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its file is still there.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        lstat(self.path.as_path()).is_ok_and(|facts| (facts.st_dev, facts.st_ino) == self.identity)
    }

    /// Takes a connection, if the other side is allowed to ask.
    pub fn accept(&mut self, now: Instant) {
        let Ok(Some(peer)) = accept_nonblocking(self.fd.as_fd()) else { return };
        let peer = ExposedSocket::new(peer);
        let own = nix::unistd::geteuid().as_raw();
        let is_allowed =
            getsockopt(&peer, sockopt::PeerCredentials).is_ok_and(|who| who.uid() == 0 || who.uid() == own);
        if !is_allowed {
            return; // closed without a word; the mode of the file already forbids it
        }
        if self.peers.len() == MAX_PEERS {
            self.peers.remove(0);
        }
        self.peers.push((peer, now + PATIENCE));
    }

    /// The connected operators, for poll.
    pub fn peers(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.peers.iter().map(|(fd, _)| fd.as_fd())
    }

    /// Reads the question of the peer at `index` and hands the peer out for its answer; a bad question ends the
    /// conversation, as does the end of the connection.
    pub fn question(&mut self, index: usize) -> Option<(ExposedSocket, OperatorQuestion)> {
        let (peer, _) = self.peers.get(index)?;
        let mut bytes = [0; QUESTION_BYTES];
        // Looked at first: reading it would close descriptors that came along.
        let look = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let seen = recvmsg::<()>(peer.as_raw_fd(), &mut parts, None, look);
        let length = match seen.map(|seen| seen.flags.contains(MsgFlags::MSG_CTRUNC)) {
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            Ok(false) => recv(peer.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT).unwrap_or(0),
            Ok(true) | Err(_) => 0,
        };
        let (peer, _) = self.peers.remove(index);
        match decode(&bytes[..length]) {
            Ok(question) => Some((peer, question)),
            Err(error) if length > 0 => {
                answer(
                    &peer,
                    &OperatorReply::Refused(format!("mod_wsgi-ctl and the running module differ: {error}")),
                );
                None
            }
            Err(_) => None,
        }
    }

    /// Lets those go who are connected and do not ask; returns when to look again.
    pub fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.peers.retain(|(_, until)| *until > now);
        self.peers.iter().map(|(_, until)| *until).min()
    }
}

impl AsFd for OperatorSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        if self.is_reachable() {
            let _ = nix::unistd::unlink(self.path.as_path());
        }
    }
}

/// Sends an answer. An operator who has gone is not missed.
pub fn answer(peer: &ExposedSocket, reply: &OperatorReply) {
    let send = || -> Result<(), Errno> {
        let bytes = encode(reply).map_err(|_| Errno::EINVAL)?;
        let mut file = File::from(memfd_create("wsgi answer", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&bytes).map_err(|_| Errno::EIO)?;
        let fds = [file.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(peer.as_raw_fd(), &[IoSlice::new(b".")], &rights, flags, None).map(drop)
    };
    let _ = send();
}
