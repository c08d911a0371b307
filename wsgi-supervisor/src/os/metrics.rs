//! The metrics memory as the supervisor sees it: it counts starts and ends of processes there, and reads it for
//! `mod_wsgi-ctl`.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use wsgi_protocol::metrics::{
    BLOCKS_AT, GROUPS_AT, GroupRecord, MAX_BLOCKS, MAX_GROUPS, MetricsView, memory_len,
};

/// The mapped memory; unmapped when dropped.
#[derive(Debug)]
pub struct MetricsMemory {
    address: NonNull<c_void>,
}

// Invariant: the memory has a front. Checked by the compiler.
const LENGTH: NonZeroUsize = NonZeroUsize::new(memory_len()).unwrap();

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
        self.view().groups.get(index)
    }

    /// All of it.
    #[must_use]
    pub fn view(&self) -> MetricsView<'_> {
        // SAFETY: `map` has mapped `memory_len` bytes; a mapping is page aligned, and the offsets are multiples of the
        // records' alignment; all records are atomics, for which every bit pattern is valid; the references cannot outlive
        // the mapping.
        unsafe {
            MetricsView {
                header: self.address.cast().as_ref(),
                groups: std::slice::from_raw_parts(
                    self.address.byte_add(GROUPS_AT).cast().as_ptr(),
                    MAX_GROUPS,
                ),
                blocks: std::slice::from_raw_parts(
                    self.address.byte_add(BLOCKS_AT).cast().as_ptr(),
                    MAX_BLOCKS,
                ),
            }
        }
    }
}

impl Drop for MetricsMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the range mapped in `map`; no reference into it outlives `self`.
        let _ = unsafe { munmap(self.address, LENGTH.get()) };
    }
}
