//! How much memory this process shares with httpd for bodies: as much as it may, or as the system gives.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wsgi_system::shared_bytes::{ByteWriter, SharedBytes};

/// Most bytes.
const MOST: usize = 16 * 1024 * 1024;

/// What shows in /proc.
const NAME: &CStr = c"wsgi body";

/// The system has none to give, or knows no such seals: nobody asks again.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Memory of a connection, and its descriptor until httpd has got it.
#[derive(Debug)]
pub(super) struct ConnectionMemory {
    pub(super) bytes: SharedBytes,
    pub(super) file: Option<OwnedFd>,
}

/// So much memory, if there may be more.
pub(super) fn take(length: usize, writer: ByteWriter) -> Option<ConnectionMemory> {
    if IS_REFUSED.load(Relaxed) || SharedBytes::mapped() + length > MOST {
        return None;
    }
    let made = SharedBytes::create(NAME, length, writer).inspect_err(|errno| {
        // Of descriptors or memory there may be enough again.
        let is_for_ever = [libc::EINVAL, libc::ENOSYS, libc::EPERM].contains(&(*errno as i32));
        IS_REFUSED.fetch_or(is_for_ever, Relaxed);
    });
    made.ok().map(|(bytes, file)| ConnectionMemory { bytes, file: Some(file) })
}
