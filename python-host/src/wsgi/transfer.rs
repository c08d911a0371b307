//! Sending the file of a FileWrapper as a file (spec/behaviour.md §5.2). Any doubt, and it is iterated instead.

use super::request::RequestState;
use super::response::{FilePart, ResponseStop};
use crate::exchange::SendError;
use crate::python::{Attached, Object, Owned, lock};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use wsgi_system::descriptors::position;
use wsgi_system::stat::{FileFacts, file_system};

/// Sends the wrapped file. `None`: it has to be iterated.
pub fn send<'py>(
    py: Attached<'py>,
    state: &RequestState,
    wrapper: &'py Object,
) -> Option<std::result::Result<(), ResponseStop>> {
    let kit = state.interpreter.kit();
    let wrapper = kit.file_wrapper.cast(py, wrapper)?;
    if lock(py, &state.response).sent > 0 {
        return None;
    }
    let filelike = wrapper.wrapped(py)?;
    let (fd, rest) = probe(py, state, &filelike)?;
    Some(transfer(py, state, fd, rest))
}

/// Descriptor, and what is between the position and the end of the file.
fn probe<'f>(
    py: Attached<'_>,
    state: &RequestState,
    filelike: &'f Owned<'_>,
) -> Option<(BorrowedFd<'f>, FilePart)> {
    let names = &state.interpreter.kit().names;
    let number = |name: &Object| {
        let answer = filelike.attr(py, name).and_then(|method| method.call(py, &[]));
        match answer {
            Ok(answer) => answer.as_int(py),
            Err(raised) => {
                raised.clear(py);
                None
            }
        }
    };
    // A number is a file to Python, but not to WSGI.
    let fd =
        if filelike.is_int() { None } else { filelike.descriptor().map_err(|raised| raised.clear(py)).ok() }?;
    let size = regular_size(fd)?;
    let offset = u64::try_from(number(names.tell.get(py))?).ok()?;
    Some((fd, FilePart { offset, length: size.saturating_sub(offset) }))
}

/// The size of a regular, seekable file that httpd would send. Not one of FUSE: httpd waits for no process of users.
fn regular_size(file: BorrowedFd<'_>) -> Option<u64> {
    let facts = FileFacts::of(file).filter(|_| position(file) >= 0).filter(FileFacts::is_regular)?;
    (!is_fuse(file, facts.device)).then_some(facts.size)
}

/// Whether a file is of a FUSE file system. Most files are of the same device, and NFS would ask its server each time.
fn is_fuse(file: BorrowedFd<'_>, device: u64) -> bool {
    /// linux/magic.h's FUSE_SUPER_MAGIC.
    const FUSE: u64 = 0x6573_5546;
    /// The last device that was none; no file is of device 0.
    static OTHER: AtomicU64 = AtomicU64::new(0);
    if OTHER.load(Ordering::Relaxed) == device {
        return false;
    }
    let is_fuse = file_system(file) == Some(FUSE);
    if !is_fuse {
        OTHER.store(device, Ordering::Relaxed);
    }
    is_fuse
}

fn transfer(
    py: Attached<'_>,
    state: &RequestState,
    own: BorrowedFd<'_>,
    rest: FilePart,
) -> std::result::Result<(), ResponseStop> {
    state.commit(py).map_err(ResponseStop::Raised)?;
    let announced = lock(py, &state.response).announced;
    let length = announced.map_or(rest.length, |announced| announced.min(rest.length));
    // A duplicate would share the position, which httpd moves while it reads; a file opened anew has its own. Without
    // /proc, or the right to open the file, the application must live with that.
    let opened = File::open(format!("/proc/self/fd/{}", own.as_raw_fd())).ok();
    let file = opened.as_ref().map_or(own, AsFd::as_fd);
    let part = FilePart { length, ..rest };
    state.send_file(py, file, part).map_err(|error: SendError| ResponseStop::Broken(Some(error)))
}
