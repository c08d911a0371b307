//! Memory that processes share: files in memory, and records of atomics in mappings of them.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};
use wsgi_protocol::metrics::{
    BLOCKS_AT, GROUPS_AT, GroupRecord, MAX_BLOCKS, MAX_GROUPS, MemoryHeader, MetricsBlock, MetricsView,
};
use wsgi_protocol::status::{ExitRecords, SlotRecord};

pub use nix::fcntl::SealFlag as MemorySeal;

/// A record that processes may share: atomics only.
///
/// # Safety
/// Every bit pattern is a valid value, and all of it is changed through atomics.
pub unsafe trait SharedRecord: Sync + 'static {}

// SAFETY: atomics.
unsafe impl SharedRecord for AtomicU16 {}
// SAFETY: atomics.
unsafe impl SharedRecord for AtomicU32 {}
// SAFETY: atomics.
unsafe impl SharedRecord for AtomicU64 {}
// SAFETY: all fields are atomics.
unsafe impl SharedRecord for ExitRecords {}
// SAFETY: all fields are atomics.
unsafe impl SharedRecord for SlotRecord {}
// SAFETY: all fields are atomics.
unsafe impl SharedRecord for MemoryHeader {}
// SAFETY: all fields are atomics.
unsafe impl SharedRecord for GroupRecord {}
// SAFETY: all fields are atomics.
unsafe impl SharedRecord for MetricsBlock {}

/// A mapped file, or memory without one; unmapped when dropped.
#[derive(Debug)]
pub struct SharedMapping(LastingMapping);

/// A mapping that stays as long as the process, or until a [`ReplacedMapping`] unmaps it.
#[derive(Debug, Clone, Copy)]
pub struct LastingMapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: what is in it is only reached through atomics.
unsafe impl Send for LastingMapping {}
// SAFETY: as above.
unsafe impl Sync for LastingMapping {}
// SAFETY: as above.
unsafe impl Send for SharedMapping {}
// SAFETY: as above.
unsafe impl Sync for SharedMapping {}

impl SharedMapping {
    /// Maps the first `length` bytes of a file. Pages that are never touched take no memory.
    ///
    /// # Errors
    /// The errno of mmap(2), EINVAL for no length.
    pub fn of_file(file: BorrowedFd<'_>, length: usize) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice aliases no Rust object; accesses go through atomics.
        let start =
            unsafe { mmap(None, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags, file, 0)? };
        Ok(Self(LastingMapping { start: start.cast(), length }))
    }

    /// Memory of this process and those that it forks.
    ///
    /// # Errors
    /// The errno of mmap(2), EINVAL for no length.
    pub fn anonymous(length: usize) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: as in `of_file`.
        let start = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_SHARED)? };
        Ok(Self(LastingMapping { start: start.cast(), length }))
    }

    /// Has it stay.
    #[must_use]
    pub fn leak(self) -> LastingMapping {
        std::mem::ManuallyDrop::new(self).0
    }

    /// Bytes of it.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.length
    }

    /// The record at an offset, if it lies within.
    #[must_use]
    pub fn record<T: SharedRecord>(&self, at: usize) -> Option<&T> {
        self.0.record(at)
    }

    /// The metrics memory, if this is as long.
    #[must_use]
    pub fn metrics(&self) -> Option<MetricsView<'_>> {
        self.0.metrics()
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that was mapped, and references into it cannot outlive `self`.
        let _ = unsafe { munmap(self.0.start.cast(), self.0.length) };
    }
}

impl LastingMapping {
    /// Bytes of it.
    #[must_use]
    pub fn length(self) -> usize {
        self.length
    }

    /// Address and length.
    fn parts(self) -> (usize, usize) {
        (self.start.as_ptr().expose_provenance(), self.length)
    }

    /// The record at an offset, if it lies within.
    #[must_use]
    pub fn record<T: SharedRecord>(self, at: usize) -> Option<&'static T> {
        self.records(at, 1)?.first()
    }

    /// So many records from an offset on, if they lie within.
    #[must_use]
    pub fn records<T: SharedRecord>(self, at: usize, count: usize) -> Option<&'static [T]> {
        let bytes = count.checked_mul(size_of::<T>())?;
        let end = at.checked_add(bytes)?;
        if end > self.length || !at.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: within the mapping, which is page aligned and stays as long as anybody uses it; every bit pattern is a valid record.
        Some(unsafe { std::slice::from_raw_parts(self.start.byte_add(at).cast().as_ptr(), count) })
    }

    /// The metrics memory, if this is as long.
    #[must_use]
    pub fn metrics(self) -> Option<MetricsView<'static>> {
        Some(MetricsView {
            header: self.record(0)?,
            groups: self.records::<GroupRecord>(GROUPS_AT, MAX_GROUPS)?,
            blocks: self.records::<MetricsBlock>(BLOCKS_AT, MAX_BLOCKS)?,
        })
    }
}

/// The numbers of a lasting mapping in a record that outlives the code which has made it. It is never unmapped.
#[derive(Debug)]
#[repr(C)]
pub struct KeptMapping {
    address: usize,
    length: usize,
}

impl KeptMapping {
    /// None.
    pub const NONE: Self = Self { address: 0, length: 0 };

    /// The mapping.
    #[must_use]
    pub fn get(&self) -> Option<LastingMapping> {
        // Only `keep` writes the numbers.
        let start = NonNull::new(std::ptr::with_exposed_provenance_mut(self.address))?;
        Some(LastingMapping { start, length: self.length })
    }

    /// Keeps another one.
    pub fn keep(&mut self, mapping: LastingMapping) {
        (self.address, self.length) = mapping.parts();
    }
}

/// The same, for one that is unmapped when the next one takes its place: nobody gets at it by this.
#[derive(Debug)]
#[repr(transparent)]
pub struct ReplacedMapping(KeptMapping);

impl ReplacedMapping {
    /// None.
    pub const NONE: Self = Self(KeptMapping::NONE);

    /// Keeps another one, and unmaps the one before.
    ///
    /// # Safety
    /// Neither the one before nor anything that was taken out of it is used any more.
    pub unsafe fn replace(&mut self, mapping: LastingMapping) {
        drop(self.0.get().map(SharedMapping));
        self.0.keep(mapping);
    }
}

/// The same, for mappings that are all of one length.
#[derive(Debug)]
#[repr(transparent)]
pub struct KeptPage<const LENGTH: usize>(usize);

impl<const LENGTH: usize> KeptPage<LENGTH> {
    /// None.
    pub const NONE: Self = Self(0);

    /// The mapping.
    #[must_use]
    pub fn get(&self) -> Option<LastingMapping> {
        KeptMapping { address: self.0, length: LENGTH }.get()
    }

    /// Keeps a mapping, if it is as long.
    pub fn keep(&mut self, mapping: LastingMapping) {
        let (address, length) = mapping.parts();
        if length >= LENGTH {
            self.0 = address;
        }
    }
}

/// A memory file of this size with these seals.
///
/// # Errors
/// The errno of the call that failed.
pub fn memory_file(name: &CStr, length: usize, seals: SealFlag) -> Result<OwnedFd, Errno> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    nix::unistd::ftruncate(&file, i64::try_from(length).map_err(|_| Errno::EFBIG)?)?;
    seal(file.as_fd(), seals)?;
    Ok(file)
}

/// Seals a memory file; nothing to do without seals.
///
/// # Errors
/// The errno of fcntl(2).
pub fn seal(file: BorrowedFd<'_>, seals: SealFlag) -> Result<(), Errno> {
    if seals.is_empty() { Ok(()) } else { fcntl(file, FcntlArg::F_ADD_SEALS(seals)).map(drop) }
}

/// Whether it is a file in memory (memfd_create): only they can have seals. The kernel itself answers.
#[must_use]
pub fn is_memory_file(file: BorrowedFd<'_>) -> bool {
    fcntl(file, FcntlArg::F_GET_SEALS).is_ok()
}

/// Where a byte is found first: libc's search, which looks at many bytes at once.
#[must_use]
pub fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    // SAFETY: pointer and length belong together.
    let found = unsafe { libc::memchr(bytes.as_ptr().cast(), byte.into(), bytes.len()) };
    (!found.is_null()).then(|| found.addr() - bytes.as_ptr().addr())
}

/// Gives back to the kernel what is free in the heap, so that a thousand restarts take no more than one.
pub fn trim_heap() {
    // SAFETY: has no preconditions; only unused memory is given back.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn records_lie_within() {
        let mapping = SharedMapping::anonymous(64).unwrap().leak();
        for at in [0, 60] {
            mapping.record::<AtomicU32>(at).unwrap().store(7, Relaxed);
        }
        assert_eq!(mapping.records::<AtomicU32>(0, 16).unwrap()[15].load(Relaxed), 7);
        assert!(mapping.record::<AtomicU64>(60).is_none() && mapping.record::<AtomicU32>(62).is_none());
        assert!(mapping.records::<AtomicU64>(8, usize::MAX / 4).is_none() && mapping.metrics().is_none());
        let (mut kept, mut page) = (KeptMapping::NONE, KeptPage::<4>::NONE);
        assert!(kept.get().is_none() && page.get().is_none());
        kept.keep(mapping);
        page.keep(mapping);
        let [one, two] = [kept.get(), page.get()].map(|kept| kept.unwrap().record::<AtomicU32>(0).unwrap());
        assert_eq!([one, two].map(|word| word.load(Relaxed)), [7, 7]);
        assert!(page.get().unwrap().record::<AtomicU32>(4).is_none());
    }

    #[test]
    fn what_is_replaced_is_unmapped() {
        // Of a size that no other mapping of the process has.
        const LENGTH: usize = 12_345 << 12;
        let count = || {
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            maps.lines().filter(|line| line.starts_with("Size:") && line.contains(" 49380 kB")).count()
        };
        let mapping = || SharedMapping::anonymous(LENGTH).unwrap().leak();
        let mut kept = ReplacedMapping::NONE;
        for _ in 0..3 {
            // SAFETY: nobody uses them.
            unsafe { kept.replace(mapping()) };
            assert_eq!(count(), 1);
        }
    }

    #[test]
    fn a_file_is_shared() {
        let file = memory_file(c"shared", 4096, SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW).unwrap();
        let [one, two] = [0; 2].map(|_| SharedMapping::of_file(file.as_fd(), 4096).unwrap());
        one.record::<AtomicU64>(8).unwrap().store(5, Relaxed);
        assert_eq!(two.record::<AtomicU64>(8).unwrap().load(Relaxed), 5);
        assert!(is_memory_file(file.as_fd()) && nix::unistd::ftruncate(&file, 1).is_err());
    }
}
