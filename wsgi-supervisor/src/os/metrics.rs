//! The metrics memory as the supervisor sees it: it counts starts and ends of processes there, and reads nothing.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use wsgi_protocol::metrics::{BLOCKS_AT, GROUPS_AT, GroupRecord, MAX_GROUPS, memory_len};

/// The mapped records of the groups; unmapped when dropped.
#[derive(Debug)]
pub struct MetricsMemory {
    address: NonNull<c_void>,
}

/// Only the front is needed.
const LENGTH: NonZeroUsize = NonZeroUsize::new(BLOCKS_AT).unwrap();

impl MetricsMemory {
    /// Maps the file of a `Configure` record; `None` for any other file, which is what httpd passes when it has none.
    #[must_use]
    pub fn map(fd: &OwnedFd) -> Option<Self> {
        // httpd's parent has sealed its size.
        let length = fstat(fd).ok()?.st_size;
        if usize::try_from(length) != Ok(memory_len()) {
            return None;
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; all accesses go through atomics.
        let mapped: Result<_, Errno> = unsafe { mmap(None, LENGTH, protection, MapFlags::MAP_SHARED, fd, 0) };
        mapped.ok().map(|address| Self { address })
    }

    /// The record with this number.
    #[must_use]
    pub fn group(&self, index: usize) -> Option<&GroupRecord> {
        if index >= MAX_GROUPS {
            return None;
        }
        // SAFETY: within the mapping; it is page aligned and the records' offset a multiple of their alignment; a record
        // is atomics only; the reference cannot outlive the mapping.
        Some(unsafe { self.address.byte_add(GROUPS_AT).cast::<GroupRecord>().add(index).as_ref() })
    }
}

impl Drop for MetricsMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the range mapped in `map`; no reference into it outlives `self`.
        let _ = unsafe { munmap(self.address, LENGTH.get()) };
    }
}
