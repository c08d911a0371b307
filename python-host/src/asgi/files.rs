//! Files that httpd sends itself: `http.response.pathsend` and `http.response.zerocopysend`.

use super::names::ScopeNames;
use crate::python::{Attached, ExceptionKind, Object, Raised, Result, detached};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

/// A part of a file.
pub struct PendingFile {
    pub file: File,
    pub offset: u64,
    pub length: u64,
    /// It is not the end of the response.
    pub more: bool,
}

/// What a message asks for.
///
/// # Errors
/// OSError for what cannot be opened, or is no regular file; TypeError and ValueError for what is no such message.
pub fn part(py: Attached<'_>, names: &ScopeNames, message: &Object, kind: &str) -> Result<PendingFile> {
    let number = |name| match super::entry(py, message, name)? {
        Some(number) if !number.is_none() => Ok(u64::try_from(number.index(py)?).ok()),
        _ => Ok(None),
    };
    let more = match super::entry(py, message, &names.more_body)? {
        Some(more) => more.is_true()?,
        None => false,
    };
    if kind == "http.response.pathsend" {
        let path = super::entry(py, message, &names.path)?;
        let path =
            path.ok_or_else(|| Raised::new(py, ExceptionKind::Value, "http.response.pathsend needs a path"))?;
        let path = path.fs_path(py)?;
        let path = path.as_bytes().unwrap_or_default().to_vec();
        let opened = detached(move || open(&path));
        let file = opened.map_err(|error| failed(py, &error))?;
        return whole(file, 0, None, more).map_err(|error| failed(py, &error));
    }
    let file = super::entry(py, message, &names.file)?;
    let file =
        file.ok_or_else(|| Raised::new(py, ExceptionKind::Value, "http.response.zerocopysend needs a file"))?;
    let fd = file.descriptor()?;
    let (offset, count) = (number(&names.offset)?, number(&names.count)?);
    from_open(fd, offset, count, more).map_err(|error| failed(py, &error))
}

/// Opens what may be no regular file, without waiting for anybody.
fn open(path: &[u8]) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    File::options().read(true).custom_flags(flags).open(OsStr::from_bytes(path))
}

/// A part of an open file. Without an offset it begins, and moves on, where the file stands.
fn from_open(
    fd: BorrowedFd<'_>,
    offset: Option<u64>,
    count: Option<u64>,
    more: bool,
) -> io::Result<PendingFile> {
    let mut file = File::from(fd.try_clone_to_owned()?);
    let begin = match offset {
        Some(offset) => offset,
        None => file.stream_position()?,
    };
    let part = whole(file, begin, count, more)?;
    if offset.is_none() {
        (&part.file).seek(SeekFrom::Start(begin + part.length))?;
    }
    Ok(part)
}

fn whole(file: File, offset: u64, count: Option<u64>, more: bool) -> io::Result<PendingFile> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let rest = metadata.len().saturating_sub(offset);
    Ok(PendingFile { file, offset, length: count.map_or(rest, |count| count.min(rest)), more })
}

fn failed(py: Attached<'_>, error: &io::Error) -> Raised {
    Raised::new(py, ExceptionKind::Os, &error.to_string())
}
