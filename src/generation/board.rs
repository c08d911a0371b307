//! A copy of httpd's scoreboard that daemons with `server-metrics=On` can read: a memory file that httpd's children renew
//! while requests come, and that nobody else can write to. Made only if some group wants it.

use crate::clock::monotonic_ns;
use crate::httpd::pool::persistent;
use crate::scoreboard;
use apr_sys as sys;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use wsgi_protocol::scoreboard::FILE_HEADER;

const KEY: &CStr = c"mod_wsgi:board:1";

/// At most so often is the copy renewed, ns; and it takes at most a fiftieth of one CPU.
const INTERVAL: u64 = 50_000_000;
const SHARE: u64 = 50;
/// A child that has had the copy for so long has died over it, ns.
const STALE: u64 = 1_000_000_000;

/// Room for one worker, and for one process.
const WORKER: usize = 256;

/// What survives the unloading of the module.
#[derive(Clone, Copy)]
#[repr(C)]
struct KeptBoard {
    address: usize,
    len: usize,
    fd: RawFd,
}

/// The front of the file; `version` and `len` are what readers look at ([`FILE_HEADER`] bytes).
#[repr(C)]
struct MetricsFront {
    /// Odd while the rest is written.
    version: AtomicU64,
    len: AtomicU64,
    /// When the child that writes began, monotonic ns; 0: none does.
    taken: AtomicU64,
    /// Not to be renewed before this.
    next: AtomicU64,
}

/// The mapped file; stays as long as httpd's parent.
#[derive(Debug, Clone, Copy)]
pub struct StatusBoard {
    start: NonNull<u8>,
    len: usize,
    /// For daemons.
    pub fd: RawFd,
}

// SAFETY: the front is atomics, and what follows is only touched by whoever has taken it; never unmapped.
unsafe impl Send for StatusBoard {}
// SAFETY: as above.
unsafe impl Sync for StatusBoard {}

impl StatusBoard {
    /// The file of this httpd.
    ///
    /// # Safety
    /// Parent process, live main server.
    pub unsafe fn of(main: *mut sys::server_rec, workers: usize) -> io::Result<Self> {
        let none = KeptBoard { address: 0, len: 0, fd: -1 };
        // SAFETY: the process pool lives as long as httpd; the record holds no pointer into this module.
        let kept = unsafe { &mut *persistent((*(*main).process).pool, KEY, none) };
        if kept.address == 0 {
            *kept = create(FILE_HEADER + 64 * 1024 + workers * WORKER)?;
        }
        let start = NonNull::new(kept.address as *mut u8).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, len: kept.len, fd: kept.fd })
    }

    fn front(&self) -> &MetricsFront {
        // SAFETY: mapped, page aligned, atomics.
        unsafe { self.start.cast().as_ref() }
    }

    /// Renews the copy, if it is time and no other child does.
    pub fn renew(&self) {
        let (front, now) = (self.front(), monotonic_ns());
        if now < front.next.load(Relaxed) {
            return;
        }
        let taken = front.taken.load(Relaxed);
        let is_free = taken == 0 || now.saturating_sub(taken) > STALE;
        if !is_free || front.taken.compare_exchange(taken, now, Acquire, Relaxed).is_err() {
            return;
        }
        if let Some(bytes) = scoreboard::snapshot().filter(|bytes| FILE_HEADER + bytes.len() <= self.len) {
            let version = front.version.load(Relaxed) | 1;
            front.version.store(version, Relaxed);
            fence(Release);
            front.len.store(bytes.len() as u64, Relaxed);
            // SAFETY: it fits; this child has taken the file, and readers check the version.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(FILE_HEADER), bytes.len());
            }
            front.version.store(version.wrapping_add(1), Release);
        }
        let end = monotonic_ns();
        front.next.store(end + INTERVAL.max(SHARE * (end - now)), Relaxed);
        front.taken.store(0, Release);
    }
}

fn create(len: usize) -> io::Result<KeptBoard> {
    // SAFETY: a fresh descriptor is wrapped at once; the mapping covers exactly the file's size.
    unsafe {
        let fd = libc::memfd_create(c"mod_wsgi board".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = OwnedFd::from_raw_fd(fd);
        if libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) != 0 {
            return Err(io::Error::last_os_error());
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let address = libc::mmap(ptr::null_mut(), len, access, libc::MAP_SHARED, fd.as_raw_fd(), 0);
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // This mapping stays writable; who gets the descriptor can only read.
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
        if libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) != 0 {
            let error = io::Error::last_os_error();
            libc::munmap(address, len);
            return Err(error);
        }
        Ok(KeptBoard { address: address as usize, len, fd: fd.into_raw_fd() })
    }
}
