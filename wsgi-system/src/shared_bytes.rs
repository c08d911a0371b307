//! Bytes that one process writes and another, which does not trust it, reads, or the other way round: a file in memory that both
//! have mapped, and of which no page can go.
//!
//! * F_SEAL_SHRINK keeps it from being cut, F_SEAL_FUTURE_WRITE from getting holes (fallocate(2), madvise(2)), and F_SEAL_SEAL
//!   from losing these. All of its pages are there when it is admitted: no access meets one that is not (SIGBUS), or takes
//!   memory of its own.
//! * Only files of memfd_create(2) have these seals: none for whose pages another process has to answer.
//! * Where it begins and how long it is each side knows by itself.

use crate::memory::{MemorySeal, memory_file, seal};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, fallocate, fcntl};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::sys::stat::fstat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::unistd::{Whence, lseek};
use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that this process has mapped so.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// fcntl.h's F_SEAL_FUTURE_WRITE, Linux 5.1.
const FUTURE_WRITE: MemorySeal = MemorySeal::from_bits_retain(0x10);

/// Neither shorter nor longer.
const LENGTH: MemorySeal = MemorySeal::F_SEAL_SHRINK.union(MemorySeal::F_SEAL_GROW);

/// Neither that, nor holes, nor other seals.
const ALL: MemorySeal = LENGTH.union(FUTURE_WRITE).union(MemorySeal::F_SEAL_SEAL);

/// What a refused file comes back with.
pub type RefusedFile = (OwnedFd, String);

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteWriter {
    /// The process that has made it.
    Maker,
    /// The process that has got it; the maker only reads, for all that this process knows.
    Receiver,
}

/// The mapping.
#[derive(Debug)]
pub struct SharedBytes {
    start: NonNull<u8>,
    length: usize,
    is_writable: bool,
}

// SAFETY: bytes that mean nothing to whoever maps them, with one owner in this process who unmaps them.
unsafe impl Send for SharedBytes {}
// SAFETY: as above; writing needs the only reference.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// A new one, and its descriptor for the other side. Children of this process do not get the mapping.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn create(name: &CStr, length: usize, writer: ByteWriter) -> Result<(Self, OwnedFd), Errno> {
        let file = memory_file(name, length, MemorySeal::empty())?;
        if writer == ByteWriter::Receiver {
            // The receiver will: an older kernel is met here, and not there.
            seal(memory_file(name, 1, MemorySeal::empty())?.as_fd(), ALL)?;
        }
        fallocate(&file, FallocateFlags::empty(), 0, i64::try_from(length).map_err(|_| Errno::EFBIG)?)?;
        let made = Self::map(file.as_fd(), length, true, MapFlags::MAP_POPULATE)?;
        // SAFETY: the whole of a mapping that is this process's own.
        unsafe { madvise(made.start.cast(), length, MmapAdvise::MADV_DONTFORK)? };
        // The receiver has to map it for writing before it can be sealed against that.
        seal(file.as_fd(), if writer == ByteWriter::Maker { ALL } else { LENGTH })?;
        Ok((made, file))
    }

    /// Maps what another process has made, if no page of it can go; else gives it back, with what is wrong.
    ///
    /// # Errors
    /// It is no such file, or cannot be mapped.
    pub fn admit(file: OwnedFd, length: usize, writer: ByteWriter) -> Result<Self, RefusedFile> {
        Self::admitted(file.as_fd(), length, writer == ByteWriter::Receiver)
            .map_err(|reason| (file, format!("MEMORY {reason}")))
    }

    fn admitted(file: BorrowedFd<'_>, length: usize, writable: bool) -> Result<Self, String> {
        // Asked first: on a file of another process's file system any other question may take for ever.
        let seals =
            fcntl(file, FcntlArg::F_GET_SEALS).map_or(MemorySeal::empty(), MemorySeal::from_bits_retain);
        if !seals.contains(if writable { LENGTH } else { ALL }) {
            return Err("is not sealed".to_owned());
        }
        if fstatfs(file).map_err(|errno| errno.to_string())?.filesystem_type() != TMPFS_MAGIC {
            return Err("is no memory file".to_owned());
        }
        if fstat(file).map_err(|errno| errno.to_string())?.st_size != length as i64 {
            return Err("is not as long as it should be".to_owned());
        }
        let map = |flags| {
            Self::map(file, length, writable, flags).map_err(|errno| format!("cannot be mapped: {errno}"))
        };
        if !writable {
            check_pages(file, length)?;
            return map(MapFlags::MAP_POPULATE);
        }
        // Pages that are not there must not come by this mapping: they would be this process's own.
        let made = map(MapFlags::empty())?;
        seal(file, ALL).map_err(|errno| format!("cannot be sealed: {errno}"))?;
        check_pages(file, length)?;
        Ok(made)
    }

    fn map(file: BorrowedFd<'_>, length: usize, is_writable: bool, flags: MapFlags) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let access =
            if is_writable { ProtFlags::PROT_READ | ProtFlags::PROT_WRITE } else { ProtFlags::PROT_READ };
        // SAFETY: a new mapping, which touches no other.
        let start = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED | flags, file, 0)? };
        MAPPED.fetch_add(length, Relaxed);
        Ok(Self { start: start.cast(), length, is_writable })
    }

    /// How many bytes this process has mapped so.
    #[must_use]
    pub fn mapped() -> usize {
        MAPPED.load(Relaxed)
    }

    /// How many bytes there are from `at`.
    #[must_use]
    pub fn length_from(&self, at: usize) -> usize {
        self.length.saturating_sub(at)
    }

    /// Where the byte `at` lies, or the end if there is none. What is there may change at any time.
    #[must_use]
    pub fn address(&self, at: usize) -> *const u8 {
        self.start.as_ptr().wrapping_add(at.min(self.length))
    }

    /// Copies bytes to `at`, as far as there is room; how many. Nothing if the other side is the one that writes.
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> usize {
        let length = if self.is_writable { bytes.len().min(self.length_from(at)) } else { 0 };
        // SAFETY: within both; nothing borrows from a mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.address(at).cast_mut(), length) };
        length
    }

    /// Copies bytes from `at` on, as far as there are any; how many. If the other side writes meanwhile they are some of each.
    pub fn read(&self, at: usize, room: &mut [u8]) -> usize {
        let length = room.len().min(self.length_from(at));
        // SAFETY: within both; nothing borrows from a mapping.
        unsafe { std::ptr::copy_nonoverlapping(self.address(at), room.as_mut_ptr(), length) };
        length
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        // SAFETY: exactly the range that was mapped, and nothing borrows from it.
        let _ = unsafe { munmap(self.start.cast(), self.length) };
        MAPPED.fetch_sub(self.length, Relaxed);
    }
}

/// Whether all of its pages are there and have been written to. It is sealed: none goes any more. (Its blocks are not counted:
/// there may be some beyond its end.)
fn check_pages(file: BorrowedFd<'_>, length: usize) -> Result<(), String> {
    let hole = lseek(file, 0, Whence::SeekHole).map_err(|errno| errno.to_string())?;
    if hole == length as i64 { Ok(()) } else { Err("has not all of its pages".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::ByteWriter::{Maker, Receiver};
    use super::*;

    const SIZE: usize = 64 * 1024;

    /// A file in memory with `length` bytes, of which `filled` are there, and these seals.
    fn file(length: usize, filled: usize, seals: i32) -> OwnedFd {
        let file = memory_file(c"x", length, MemorySeal::empty()).unwrap();
        let file = std::fs::File::from(file);
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0; filled], 0).unwrap();
        let file = OwnedFd::from(file);
        seal(file.as_fd(), MemorySeal::from_bits_retain(seals)).unwrap();
        file
    }

    fn refused(file: OwnedFd, writer: ByteWriter) -> String {
        SharedBytes::admit(file, SIZE, writer).unwrap_err().1
    }

    #[test]
    fn only_what_stays_is_admitted() {
        assert!(SharedBytes::admit(file(SIZE, SIZE, 0x17), SIZE, Maker).is_ok());
        assert!(SharedBytes::admit(file(SIZE, SIZE, 0x6), SIZE, Receiver).is_ok());
        for seal in [0x1, 0x2, 0x4, 0x10] {
            assert_eq!(refused(file(SIZE, SIZE, 0x17 & !seal), Maker), "MEMORY is not sealed", "{seal:#x}");
        }
        for seals in [0x0, 0x2, 0x4] {
            assert_eq!(refused(file(SIZE, SIZE, seals), Receiver), "MEMORY is not sealed", "{seals:#x}");
        }
        assert!(refused(file(SIZE, SIZE, 0x7), Receiver).starts_with("MEMORY cannot be sealed"));
        assert!(refused(file(SIZE, SIZE, 0xe), Receiver).starts_with("MEMORY cannot be mapped"));
        for (seals, writer) in [(0x17, Maker), (0x6, Receiver)] {
            for length in [SIZE - 4096, SIZE + 4096] {
                let found = refused(file(length, length, seals), writer);
                assert_eq!(found, "MEMORY is not as long as it should be", "{length}");
            }
            // Pages beyond the end do not make up for holes before it.
            let forged = memory_file(c"x", SIZE, MemorySeal::empty()).unwrap();
            fallocate(&forged, FallocateFlags::FALLOC_FL_KEEP_SIZE, SIZE as i64, SIZE as i64).unwrap();
            seal(forged.as_fd(), MemorySeal::from_bits_retain(seals)).unwrap();
            assert_eq!(refused(forged, writer), "MEMORY has not all of its pages");
            for filled in [0, SIZE - 4096] {
                assert_eq!(refused(file(SIZE, filled, seals), writer), "MEMORY has not all of its pages");
            }
        }
        let plain = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        assert_eq!(refused(plain, Maker), "MEMORY is not sealed");
    }

    #[test]
    fn what_is_admitted_gets_no_holes() {
        for writer in [Maker, Receiver] {
            let (_ours, file) = SharedBytes::create(c"x", SIZE, writer).unwrap();
            let kept = file.try_clone().unwrap();
            let _theirs = SharedBytes::admit(file, SIZE, writer).unwrap();
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            assert_eq!(fallocate(&kept, hole, 0, 4096), Err(Errno::EPERM));
            assert_eq!(nix::unistd::ftruncate(&kept, 0), Err(Errno::EPERM));
        }
    }

    #[test]
    fn both_sides_see_the_same_and_nothing_beyond() {
        for writer in [Maker, Receiver] {
            let before = SharedBytes::mapped();
            let (ours, file) = SharedBytes::create(c"x", SIZE, writer).unwrap();
            let theirs = SharedBytes::admit(file, SIZE, writer).unwrap();
            assert!(SharedBytes::mapped() >= before.min(SIZE));
            let (mut from, mut to) = if writer == Maker { (ours, theirs) } else { (theirs, ours) };
            assert_eq!(
                (from.write(5, b"bytes"), from.write(SIZE - 2, b"bytes"), from.write(SIZE, b"x")),
                (5, 2, 0)
            );
            let mut room = [1; 6];
            assert_eq!((to.read(4, &mut room), &room), (6, b"\0bytes"));
            assert_eq!((to.read(SIZE - 3, &mut room), &room), (3, b"\0bytes"));
            assert_eq!((to.read(SIZE + 9, &mut room), to.length_from(SIZE + 9)), (0, 0));
            if writer == Maker {
                assert_eq!(to.write(0, b"x"), 0);
            }
        }
    }
}
