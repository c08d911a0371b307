//! Listening sockets: created once per slot, kept over generations under every path that is still in use.

use crate::messages::Message;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{lstat, stat};
use nix::unistd::{AccessFlags, Uid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use wsgi_protocol::control::Sockets;

/// Longest path that fits into `sun_path` with its NUL.
pub const MAX_PATH: usize = 107;

/// Why a socket cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenError {
    /// The path does not fit into a socket address.
    TooLong(PathBuf),
    /// Something that is no socket has that name.
    Occupied(PathBuf),
    /// Another supervisor that is alive listens there.
    InUse(PathBuf),
    /// A system call failed.
    Call(Message, PathBuf, Errno),
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong(path) => write!(
                f,
                "{}the socket path '{}' has {} bytes, {MAX_PATH} are possible: set WSGISocketPrefix to a shorter one",
                Message::PathTooLong.prefix(),
                path.display(),
                path.as_os_str().len()
            ),
            Self::Occupied(path) => {
                write!(f, "{}'{}' exists and is not a socket", Message::Bind.prefix(), path.display())
            }
            Self::InUse(path) => {
                let (prefix, path) = (Message::Bind.prefix(), path.display());
                write!(f, "{prefix}another supervisor listens at '{path}'")
            }
            Self::Call(message, path, errno) => {
                let attempt = match message {
                    Message::Socket => "create a socket for",
                    Message::Listen => "listen on",
                    Message::SocketOwner => "change the owner of",
                    _ => "bind",
                };
                let (number, text) = (*errno as i32, errno.desc());
                write!(
                    f,
                    "{}cannot {attempt} '{}': {text} (error {number})",
                    message.prefix(),
                    path.display()
                )?;
                match (message, errno) {
                    (Message::Bind, Errno::ENOENT | Errno::EACCES | Errno::EROFS | Errno::ENOTDIR) => {
                        f.write_str("; set WSGISocketPrefix to a writable directory")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for ListenError {}

/// Checks a path before it is used.
///
/// # Errors
/// It would not fit; cutting it, as the original does, leaves stray sockets behind.
pub fn check_path(path: &Path) -> Result<(), ListenError> {
    if path.as_os_str().len() > MAX_PATH { Err(ListenError::TooLong(path.to_owned())) } else { Ok(()) }
}

/// A name under which a socket can be reached.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    /// Device and inode of what we made there: only that is removed.
    identity: (u64, u64),
    /// Another name points here by symbolic link, so it stays until the end.
    pinned: bool,
}

/// A listening socket and its names.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    names: Vec<Name>,
}

impl Listener {
    /// Binds a socket and listens. `warn` is told about a stale socket that had to go.
    ///
    /// # Errors
    /// See [`ListenError`]. Nothing is left behind.
    pub fn bind(
        path: &Path,
        options: &Sockets,
        as_root: bool,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, ListenError> {
        let failed = |message| move |errno| ListenError::Call(message, path.to_owned(), errno);
        check_path(path)?;
        let address = UnixAddr::new(path).map_err(failed(Message::Bind))?;
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
            .map_err(failed(Message::Socket))?;
        set_buffers(&fd, options);
        match bind(fd.as_raw_fd(), &address) {
            Err(Errno::EADDRINUSE) => {
                remove_stale(path, warn)?;
                bind(fd.as_raw_fd(), &address)
            }
            result => result,
        }
        .map_err(failed(Message::Bind))?;
        let mut listener = Self { fd, names: Vec::new() };
        let finish = || -> Result<(), ListenError> {
            listen(&listener.fd, backlog(options)).map_err(failed(Message::Listen))?;
            own(path, options, as_root)
        };
        if let Err(error) = finish() {
            let _ = nix::unistd::unlink(path);
            return Err(error);
        }
        listener.remember(path, false);
        Ok(listener)
    }

    /// Gives a kept socket the options and the path of a new generation; its queue and old paths stay.
    ///
    /// # Errors
    /// See [`ListenError`]; the socket is then as it was. ENOENT means that its files have been removed.
    pub fn adapt(
        &mut self,
        path: &Path,
        options: &Sockets,
        as_root: bool,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), ListenError> {
        check_path(path)?;
        if !self.is_at(path) {
            self.link(path, warn)?;
        }
        own(path, options, as_root)?;
        set_buffers(&self.fd, options);
        // A second listen() only changes the length of the queue.
        listen(&self.fd, backlog(options))
            .map_err(|errno| ListenError::Call(Message::Listen, path.to_owned(), errno))
    }

    /// Whether it can be reached at this path.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        self.names.iter().any(|name| name.path == path && name.is_ours())
    }

    /// Removes all paths but those wanted; returns what could not be removed.
    pub fn retain(&mut self, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
        let (keep, drop): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.names).into_iter().partition(|name| name.pinned || wanted(&name.path));
        self.names = keep;
        drop.iter().filter_map(Name::remove).collect()
    }

    /// Removes all paths: the socket is not wanted any more.
    pub fn withdraw(&mut self) -> Vec<String> {
        std::mem::take(&mut self.names).iter().filter_map(Name::remove).collect()
    }

    fn remember(&mut self, path: &Path, pinned: bool) {
        let identity = lstat(path).map(|facts| (facts.st_dev, facts.st_ino)).unwrap_or_default();
        self.names.push(Name { path: path.to_owned(), identity, pinned });
    }

    /// A second name for the same socket: a hard link, or a symbolic one where the file system ends.
    fn link(&mut self, path: &Path, warn: &mut dyn FnMut(String)) -> Result<(), ListenError> {
        let failed = |errno| ListenError::Call(Message::Bind, path.to_owned(), errno);
        if nix::unistd::access(path, AccessFlags::F_OK).is_ok() || lstat(path).is_ok() {
            remove_stale(path, warn)?;
        }
        let source = self.names.iter_mut().find(|name| name.is_ours() && !name.is_link());
        let source = source.ok_or_else(|| failed(Errno::ENOENT))?;
        match std::fs::hard_link(&source.path, path) {
            Ok(()) => {}
            Err(_) => {
                std::os::unix::fs::symlink(&source.path, path)
                    .map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))))?;
                source.pinned = true;
            }
        }
        self.remember(path, false);
        Ok(())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Name {
    fn is_ours(&self) -> bool {
        lstat(self.path.as_path()).is_ok_and(|facts| (facts.st_dev, facts.st_ino) == self.identity)
    }

    fn is_link(&self) -> bool {
        lstat(self.path.as_path()).is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFLNK)
    }

    /// Unlinks it unless somebody else (a newer supervisor) has put a socket of the same name there.
    fn remove(&self) -> Option<String> {
        if !self.is_ours() {
            return None;
        }
        match nix::unistd::unlink(self.path.as_path()) {
            Ok(()) | Err(Errno::ENOENT) => None,
            Err(errno) => {
                let (prefix, path) = (Message::Unlink.prefix(), self.path.display());
                Some(format!(
                    "{prefix}cannot remove the socket '{path}': {} (error {})",
                    errno.desc(),
                    errno as i32
                ))
            }
        }
    }
}

fn backlog(options: &Sockets) -> Backlog {
    let wanted = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    Backlog::new(wanted).unwrap_or(Backlog::MAXCONN)
}

fn set_buffers(fd: &OwnedFd, options: &Sockets) {
    for (size, send) in [(options.send_buffer, true), (options.receive_buffer, false)] {
        let size = size as usize;
        // The kernel bounds the size itself; there is nothing to report.
        let _ = match (size, send) {
            (0, _) => Ok(()),
            (_, true) => setsockopt(fd, sockopt::SndBuf, &size),
            (_, false) => setsockopt(fd, sockopt::RcvBuf, &size),
        };
    }
}

/// The mode comes from the supervisor's umask 0077; the owner is who may connect.
fn own(path: &Path, options: &Sockets, as_root: bool) -> Result<(), ListenError> {
    if !as_root || stat(path).is_ok_and(|facts| facts.st_uid == options.owner) {
        return Ok(());
    }
    let owner = Some(Uid::from_raw(options.owner).as_raw());
    std::os::unix::fs::lchown(path, owner, None).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        ListenError::Call(Message::SocketOwner, path.to_owned(), errno)
    })
}

fn remove_stale(path: &Path, warn: &mut dyn FnMut(String)) -> Result<(), ListenError> {
    let kind = lstat(path).map(|facts| facts.st_mode & libc::S_IFMT);
    if !matches!(kind, Ok(libc::S_IFSOCK | libc::S_IFLNK) | Err(Errno::ENOENT)) {
        return Err(ListenError::Occupied(path.to_owned()));
    }
    if crate::leftovers::is_listened_at(path) {
        return Err(ListenError::InUse(path.to_owned()));
    }
    warn(format!("{}removing the stale socket '{}'", Message::StaleSocket.prefix(), path.display()));
    match nix::unistd::unlink(path) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(ListenError::Call(Message::Bind, path.to_owned(), errno)),
    }
}

#[cfg(test)]
mod tests;
