//! Listening sockets: created once per slot, kept over generations under every path that is still in use.

use crate::disposal::ExposedSocket;
use crate::log_line::LogLine;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, setsockopt, socket, sockopt,
};
use nix::sys::stat::{lstat, stat};
use nix::unistd::Uid;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use wsgi_protocol::control::GroupSockets;
use wsgi_protocol::events::{self, LogEvent};

/// Longest path that fits into `sun_path` with its NUL.
pub const MAX_PATH: usize = 107;

/// What paths end in.
pub const SUFFIX: &str = "sock";
/// What a path ends in instead as long as its socket is not in its place.
pub const PROVISIONAL: &str = "next";

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
    Call(&'static LogEvent, PathBuf, Errno),
}

impl ListenError {
    /// The row of the error map that it is.
    #[must_use]
    pub fn event(&self) -> &'static LogEvent {
        match self {
            Self::TooLong(_) => &events::PATH_TOO_LONG,
            Self::Occupied(_) | Self::InUse(_) => &events::BIND,
            Self::Call(event, ..) => event,
        }
    }

    /// Its line.
    #[must_use]
    pub fn line(&self) -> LogLine {
        LogLine::of(self.event(), self)
    }

    /// Whether it may go away by itself, or by what an operator does: a full disk, a missing directory.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::TooLong(_))
    }
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong(path) => write!(
                f,
                "the socket path '{}' has {} bytes, {MAX_PATH} are possible: set WSGISocketPrefix to a shorter one",
                path.display(),
                path.as_os_str().len()
            ),
            Self::Occupied(path) => {
                write!(f, "'{}' exists and is not a socket", path.display())
            }
            Self::InUse(path) => {
                write!(f, "another supervisor listens at '{}'", path.display())
            }
            Self::Call(event, path, errno) => {
                let attempt = match event.number {
                    number if number == events::SOCKET.number => "create a socket for",
                    number if number == events::LISTEN.number => "listen on",
                    number if number == events::SOCKET_OWNER.number => "change the owner of",
                    _ => "bind",
                };
                let (number, text) = (*errno as i32, errno.desc());
                write!(f, "cannot {attempt} '{}': {text} (error {number})", path.display())?;
                let is_place = matches!(errno, Errno::ENOENT | Errno::EACCES | Errno::EROFS | Errno::ENOTDIR);
                if is_place && **event == events::BIND {
                    f.write_str("; set WSGISocketPrefix to a writable directory")?;
                }
                Ok(())
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
struct SocketName {
    path: PathBuf,
    /// Device and inode of what we made there: only that is removed.
    identity: (u64, u64),
    /// Another name points here by symbolic link, so it stays until the end.
    pinned: bool,
}

/// A listening socket and its names.
#[derive(Debug)]
pub struct ListeningSocket {
    fd: ExposedSocket,
    names: Vec<SocketName>,
}

impl ListeningSocket {
    /// Binds a socket and listens. `warn` is told about a stale socket that had to go.
    ///
    /// # Errors
    /// See [`ListenError`]. Nothing is left behind.
    pub fn bind(
        path: &Path,
        options: &GroupSockets,
        as_root: bool,
        warn: &mut dyn FnMut(LogLine),
    ) -> Result<Self, ListenError> {
        let failed = |message| move |errno| ListenError::Call(message, path.to_owned(), errno);
        check_path(path)?;
        let address = UnixAddr::new(path).map_err(failed(&events::BIND))?;
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
            .map(ExposedSocket::new)
            .map_err(failed(&events::SOCKET))?;
        set_buffers(&fd, options);
        match bind(fd.as_raw_fd(), &address) {
            Err(Errno::EADDRINUSE) => {
                remove_stale(path, warn)?;
                bind(fd.as_raw_fd(), &address)
            }
            result => result,
        }
        .map_err(failed(&events::BIND))?;
        let mut listener = Self { fd, names: Vec::new() };
        let finish = || -> Result<(), ListenError> {
            listen(&listener.fd, backlog(options)).map_err(failed(&events::LISTEN))?;
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
        options: &GroupSockets,
        as_root: bool,
        warn: &mut dyn FnMut(LogLine),
    ) -> Result<(), ListenError> {
        check_path(path)?;
        if !self.is_at(path) {
            self.link(path, true, warn)?;
        }
        own(path, options, as_root)?;
        set_buffers(&self.fd, options);
        // A second listen() only changes the length of the queue.
        listen(&self.fd, backlog(options))
            .map_err(|errno| ListenError::Call(&events::LISTEN, path.to_owned(), errno))
    }

    /// Another socket that shall take this name: bound under a provisional one, then moved there at once (`is_at_once`),
    /// or left to [`ListeningSocket::take_over`]. Nobody who connects in between finds nothing.
    ///
    /// # Errors
    /// See [`ListenError`]. Nothing is left behind.
    pub fn bind_over(
        path: &Path,
        options: &GroupSockets,
        as_root: bool,
        is_at_once: bool,
        warn: &mut dyn FnMut(LogLine),
    ) -> Result<Self, ListenError> {
        check_path(path)?;
        let mut listener = Self::bind(&path.with_extension(PROVISIONAL), options, as_root, warn)?;
        if is_at_once && let Err(error) = listener.move_to(path) {
            listener.withdraw();
            return Err(error);
        }
        Ok(listener)
    }

    /// Moves its only name.
    fn move_to(&mut self, path: &Path) -> Result<(), ListenError> {
        let failed = |errno| ListenError::Call(&events::BIND, path.to_owned(), errno);
        let name = self.names.first().ok_or(Errno::ENOENT).map_err(failed)?;
        std::fs::rename(&name.path, path).map_err(|error| failed(errno(&error)))?;
        self.names.clear();
        self.remember(path, false);
        Ok(())
    }

    /// Gets all names of `old` and `path`, one by one, each in one step. Returns what could not be done.
    pub fn take_over(&mut self, old: &mut Self, path: &Path) -> Vec<LogLine> {
        let mut problems = Vec::new();
        if !old.is_at(path) && !self.is_at(path) && crate::other_supervisor::is_listened_at(path) {
            problems.push(ListenError::InUse(path.to_owned()).line());
        } else if !self.is_at(path) {
            problems.extend(self.move_to(path).err().map(|error| error.line()));
        }
        for name in std::mem::take(&mut old.names) {
            if name.path != path && name.is_ours() {
                problems.extend(self.replace(&name.path).err().map(|error| error.line()));
            }
        }
        problems
    }

    /// Takes the names of one that is not needed any more. Returns what could not be done.
    pub fn absorb(&mut self, other: &mut Self) -> Vec<LogLine> {
        let names = std::mem::take(&mut other.names).into_iter().filter(SocketName::is_ours);
        let taken: Vec<_> = names.collect();
        taken.iter().filter_map(|name| Some(self.replace(&name.path).err()?.line())).collect()
    }

    /// Puts itself where another socket is, in one step.
    ///
    /// # Errors
    /// See [`ListenError`]; the other one is still there. ENOENT means that its own files have been removed.
    pub fn replace(&mut self, path: &Path) -> Result<(), ListenError> {
        let provisional = path.with_extension(PROVISIONAL);
        self.link(&provisional, false, &mut |_| ())?;
        self.names.pop();
        std::fs::rename(&provisional, path).map_err(|error| {
            let _ = nix::unistd::unlink(&provisional);
            ListenError::Call(&events::BIND, path.to_owned(), errno(&error))
        })?;
        self.remember(path, false);
        Ok(())
    }

    /// Whether it takes connections; what an application has made of its queue by another listen() is mended.
    #[must_use]
    pub fn is_listening(&self, options: &GroupSockets) -> bool {
        let is_shut = wsgi_system::polling::is_shut_down(self.fd.as_fd());
        !is_shut && listen(&self.fd, backlog(options)).is_ok()
    }

    /// Whether it can be reached at this path.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        self.names.iter().any(|name| name.path == path && name.is_ours())
    }

    /// Removes all paths but those wanted; returns what could not be removed.
    pub fn retain(&mut self, wanted: impl Fn(&Path) -> bool) -> Vec<LogLine> {
        let (keep, drop): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.names).into_iter().partition(|name| name.pinned || wanted(&name.path));
        self.names = keep;
        drop.iter().filter_map(SocketName::remove).collect()
    }

    /// Removes all paths: the socket is not wanted any more.
    pub fn withdraw(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.names).iter().filter_map(SocketName::remove).collect()
    }

    fn remember(&mut self, path: &Path, pinned: bool) {
        let identity = lstat(path).map(|facts| (facts.st_dev, facts.st_ino)).unwrap_or_default();
        self.names.push(SocketName { path: path.to_owned(), identity, pinned });
    }

    /// A second name for the same socket: a hard link, or a symbolic one where the file system ends. Where there is no room
    /// for it, the first name may become it (`may_move`).
    fn link(
        &mut self,
        path: &Path,
        may_move: bool,
        warn: &mut dyn FnMut(LogLine),
    ) -> Result<(), ListenError> {
        let failed = |errno| ListenError::Call(&events::BIND, path.to_owned(), errno);
        let source = self.names.iter_mut().find(|name| name.is_ours() && !name.is_link());
        let source = source.ok_or_else(|| failed(Errno::ENOENT))?;
        if lstat(path).is_ok() {
            remove_stale(path, warn)?;
        }
        if std::fs::hard_link(&source.path, path).is_err()
            && let Err(error) = std::os::unix::fs::symlink(&source.path, path)
        {
            let is_full = matches!(errno(&error), Errno::ENOSPC | Errno::EDQUOT);
            if !may_move || !is_full || source.pinned {
                return Err(failed(errno(&error)));
            }
            // Who still asks by the old name gets it back when there is room.
            std::fs::rename(&source.path, path).map_err(|error| failed(errno(&error)))?;
            path.clone_into(&mut source.path);
            return Ok(());
        }
        source.pinned |= is_symbolic(path);
        self.remember(path, false);
        Ok(())
    }

    /// Gives it a name again that somebody has removed, if it has another one left.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn restore(&mut self, path: &Path) -> Result<(), ListenError> {
        check_path(path)?;
        self.names.retain(|name| name.path != path);
        self.link(path, false, &mut |_| ())
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl SocketName {
    fn is_ours(&self) -> bool {
        lstat(self.path.as_path()).is_ok_and(|facts| (facts.st_dev, facts.st_ino) == self.identity)
    }

    fn is_link(&self) -> bool {
        lstat(self.path.as_path()).is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFLNK)
    }

    /// Unlinks it unless somebody else (a newer supervisor) has put a socket of the same name there.
    fn remove(&self) -> Option<LogLine> {
        if !self.is_ours() {
            return None;
        }
        match nix::unistd::unlink(self.path.as_path()) {
            Ok(()) | Err(Errno::ENOENT) => None,
            Err(errno) => {
                let (path, why, number) = (self.path.display(), errno.desc(), errno as i32);
                let words = format!("cannot remove the socket '{path}': {why} (error {number})");
                Some(LogLine::of(&events::UNLINK, words))
            }
        }
    }
}

fn backlog(options: &GroupSockets) -> Backlog {
    let wanted = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    Backlog::new(wanted).unwrap_or(Backlog::MAXCONN)
}

fn set_buffers(fd: &ExposedSocket, options: &GroupSockets) {
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

fn is_symbolic(path: &Path) -> bool {
    lstat(path).is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFLNK)
}

/// The mode comes from the supervisor's umask 0077; the owner is who may connect.
fn own(path: &Path, options: &GroupSockets, as_root: bool) -> Result<(), ListenError> {
    if !as_root || stat(path).is_ok_and(|facts| facts.st_uid == options.owner) {
        return Ok(());
    }
    let owner = Some(Uid::from_raw(options.owner).as_raw());
    std::os::unix::fs::lchown(path, owner, None)
        .map_err(|error| ListenError::Call(&events::SOCKET_OWNER, path.to_owned(), errno(&error)))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn remove_stale(path: &Path, warn: &mut dyn FnMut(LogLine)) -> Result<(), ListenError> {
    let kind = lstat(path).map(|facts| facts.st_mode & libc::S_IFMT);
    if !matches!(kind, Ok(libc::S_IFSOCK | libc::S_IFLNK) | Err(Errno::ENOENT)) {
        return Err(ListenError::Occupied(path.to_owned()));
    }
    if crate::other_supervisor::is_listened_at(path) {
        return Err(ListenError::InUse(path.to_owned()));
    }
    warn(LogLine::of(&events::STALE_SOCKET, format!("removing the stale socket '{}'", path.display())));
    match nix::unistd::unlink(path) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(ListenError::Call(&events::BIND, path.to_owned(), errno)),
    }
}

#[cfg(test)]
mod tests;
