//! The status memory on httpd's side: made by the parent, shared with the supervisor and the children.

use super::ledger::{Ledger, ledger_len};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use wsgi_protocol::status::{ExitRecords, SLOTS_AT, SlotRecord, memory_len};

/// A shared mapping of [`ExitRecords`] and [`SlotRecord`]s, with the [`Ledger`] behind them. Stays mapped as long as the
/// process.
#[derive(Debug, Clone, Copy)]
pub struct StatusMemory {
    start: NonNull<ExitRecords>,
    count: usize,
    children: usize,
}

// SAFETY: all fields of a slot are atomics, and the mapping is never removed while a generation uses it.
unsafe impl Send for StatusMemory {}
// SAFETY: as above.
unsafe impl Sync for StatusMemory {}

impl StatusMemory {
    /// Makes and maps a memory file for `count` slots and so many children at most.
    pub fn create(count: usize, children: usize) -> io::Result<(Self, OwnedFd)> {
        let len = memory_len(count) + ledger_len(count, children);
        // SAFETY: a fresh descriptor is wrapped at once; the mapping covers exactly the file's size.
        unsafe {
            let fd =
                libc::memfd_create(c"mod_wsgi status".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            if libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) != 0 {
                return Err(io::Error::last_os_error());
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let address =
                libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0);
            let start = NonNull::new(address.cast::<ExitRecords>());
            match start.filter(|_| address != libc::MAP_FAILED) {
                Some(start) => Ok((Self { start, count, children }, fd)),
                None => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Address and length, to unmap it when the generation is over.
    pub fn region(self) -> (usize, usize) {
        (self.start.as_ptr() as usize, memory_len(self.count) + ledger_len(self.count, self.children))
    }

    /// Which child has how many requests where.
    pub fn ledger(&self) -> Ledger {
        // SAFETY: `create` has made room for it behind the slots, whose length is a multiple of cache lines.
        unsafe {
            Ledger::at(
                self.start.as_ptr().cast::<u8>().add(memory_len(self.count)),
                self.count,
                self.children,
            )
        }
    }

    /// The slot with this number.
    pub fn slot(&self, index: usize) -> Option<&'static SlotRecord> {
        // SAFETY: within the mapping, which lives as long as any code of this generation runs.
        (index < self.count)
            .then(|| unsafe { self.start.byte_add(SLOTS_AT).cast::<SlotRecord>().add(index).as_ref() })
    }

    /// The latest deaths.
    pub fn exit_records(&self) -> &'static ExitRecords {
        // SAFETY: the mapping begins with them, and lives as long as any code of this generation runs.
        unsafe { self.start.as_ref() }
    }
}
