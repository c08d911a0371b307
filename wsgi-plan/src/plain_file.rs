//! Opens files that another user may have made: only once it is known that they are plain ones, so that no device feels it
//! and no pipe waits.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a file was not opened.
#[derive(Debug)]
pub enum OpenRefusal {
    /// The system says so.
    Failed(io::Error),
    /// It is a pipe, a device, a socket, a directory or a link that must not be followed, or larger than allowed.
    NotPlain,
}

/// Opens a plain file of at most `limit` bytes. Nothing else is opened, so that no device feels it and no pipe waits.
///
/// # Errors
/// It cannot be opened, or is something else.
pub fn open_plain(path: &Path, limit: u64, follow: bool) -> Result<File, OpenRefusal> {
    let options = |flags: i32| {
        let flags = flags | if follow { 0 } else { libc::O_NOFOLLOW };
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(OpenRefusal::Failed)
    };
    let is_plain = |file: &File| {
        let facts = file.metadata().map_err(OpenRefusal::Failed)?;
        if facts.is_file() && facts.len() <= limit { Ok(()) } else { Err(OpenRefusal::NotPlain) }
    };
    let place = options(libc::O_PATH)?;
    is_plain(&place)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let again = format!("/proc/self/fd/{}", place.as_raw_fd());
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(again);
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => options(flags)?, // without /proc
        other => other.map_err(OpenRefusal::Failed)?,
    };
    is_plain(&file)?;
    Ok(file)
}

/// Reads a plain file of at most `limit` bytes.
///
/// # Errors
/// As [`open_plain`]; it is longer than it said, or no UTF-8.
pub fn read_plain(file: File, limit: u64) -> Result<String, OpenRefusal> {
    let mut text = String::new();
    // A file of procfs says that it is empty.
    file.take(limit + 1).read_to_string(&mut text).map_err(OpenRefusal::Failed)?;
    if text.len() as u64 > limit { Err(OpenRefusal::NotPlain) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_opened() {
        let folder = std::env::temp_dir().join(format!("wsgi-plain-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
        std::fs::write(folder.join("long"), [b'x'; 11]).unwrap();
        std::fs::write(folder.join("good"), "0123456789").unwrap();
        std::os::unix::fs::symlink("good", folder.join("link")).unwrap();
        for name in ["fifo", "socket", "zero", "long", "."] {
            let result = open_plain(&folder.join(name), 10, true);
            assert!(matches!(result, Err(OpenRefusal::NotPlain)), "{name}: {result:?}");
        }
        assert!(matches!(open_plain(&folder.join("none"), 10, true), Err(OpenRefusal::Failed(_))));
        let read =
            |follow| open_plain(&folder.join("link"), 10, follow).and_then(|file| read_plain(file, 10));
        assert_eq!(read(true).unwrap(), "0123456789");
        assert!(matches!(read(false), Err(OpenRefusal::NotPlain)), "the link itself is no plain file");
        let endless = File::open("/dev/zero").unwrap();
        assert!(matches!(read_plain(endless, 10), Err(OpenRefusal::NotPlain)));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
