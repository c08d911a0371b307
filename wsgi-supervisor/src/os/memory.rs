//! The status memory as a mapping shared with httpd's children (wsgi_protocol::status).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use wsgi_protocol::status::{ExitRecords, SLOTS_AT, SlotRecord};

/// Gives back to the kernel what a generation that is over has left in the heap, so that a thousand restarts take no
/// more than one.
pub fn trim_heap() {
    // SAFETY: has no preconditions; only unused memory is given back.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// A mapped status memory; unmapped when dropped.
#[derive(Debug)]
pub struct StatusMemory {
    address: NonNull<c_void>,
    length: NonZeroUsize,
    identity: (u64, u64),
}

impl StatusMemory {
    /// Maps the memory file of a `Configure` record.
    ///
    /// # Errors
    /// The errno of the call that failed, EINVAL for a file that is too short.
    pub fn map(fd: &OwnedFd) -> Result<Self, Errno> {
        // A file that nobody can shrink cannot turn our accesses into SIGBUS. A parent that has not allowed
        // sealing is trusted: only it and its children have the descriptor.
        let _ = fcntl(fd, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW));
        let facts = fstat(fd)?;
        let length = usize::try_from(facts.st_size).ok().filter(|length| *length >= SLOTS_AT);
        let length = length.and_then(NonZeroUsize::new).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; it aliases no Rust object, and all
        // accesses go through the atomics of `SlotRecord`.
        let address = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, fd, 0)? };
        Ok(Self { address, length, identity: (facts.st_dev, facts.st_ino) })
    }

    /// Device and inode of the file: two generations with the same ones share it.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Number of slots that fit.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.length.get() - SLOTS_AT) / size_of::<SlotRecord>()
    }

    /// One slot, if it lies within the memory.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<&SlotRecord> {
        if index >= self.len() {
            return None;
        }
        // SAFETY: in bounds (above); a mapping is page aligned; `SlotRecord` is atomics only, for which every bit
        // pattern is valid; the reference cannot outlive the mapping.
        Some(unsafe { self.address.byte_add(SLOTS_AT).cast::<SlotRecord>().add(index).as_ref() })
    }

    /// The latest deaths.
    #[must_use]
    pub fn exit_records(&self) -> &ExitRecords {
        // SAFETY: `map` refuses a file without room for it; otherwise as in `slot`.
        unsafe { self.address.cast::<ExitRecords>().as_ref() }
    }
}

impl Drop for StatusMemory {
    fn drop(&mut self) {
        // SAFETY: exactly the range mapped in `map`; no reference into it outlives `self`.
        let _ = unsafe { munmap(self.address, self.length.get()) };
    }
}
