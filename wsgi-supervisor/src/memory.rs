//! The memories that are shared with httpd's children: the state of processes, and the counters.

use nix::errno::Errno;
use nix::fcntl::SealFlag;
use nix::sys::stat::fstat;
use std::os::fd::{AsFd, OwnedFd};
use wsgi_protocol::metrics::{GroupRecord, MetricsView, memory_len};
use wsgi_protocol::status::{ExitRecords, SLOTS_AT, SlotRecord};
use wsgi_system::memory::{SharedMapping, seal};

/// A mapped status memory (wsgi_protocol::status); unmapped when dropped.
#[derive(Debug)]
pub struct StatusMemory {
    mapping: SharedMapping,
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
        let _ = seal(fd.as_fd(), SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW);
        let facts = fstat(fd)?;
        let length = usize::try_from(facts.st_size).ok().filter(|length| *length >= SLOTS_AT);
        let mapping = SharedMapping::of_file(fd.as_fd(), length.ok_or(Errno::EINVAL)?)?;
        mapping.record::<ExitRecords>(0).ok_or(Errno::EINVAL)?;
        Ok(Self { mapping, identity: (facts.st_dev, facts.st_ino) })
    }

    /// Device and inode of the file: two generations with the same ones share it.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Number of slots that fit.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.mapping.length() - SLOTS_AT) / size_of::<SlotRecord>()
    }

    /// One slot, if it lies within the memory.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<&SlotRecord> {
        self.mapping.record(index.checked_mul(size_of::<SlotRecord>())?.checked_add(SLOTS_AT)?)
    }

    /// The latest deaths.
    #[must_use]
    pub fn exit_records(&self) -> Option<&ExitRecords> {
        self.mapping.record(0)
    }
}

/// The mapped metrics memory; unmapped when dropped. The supervisor counts starts and ends of processes there, and reads it
/// for `mod_wsgi-ctl`.
#[derive(Debug)]
pub struct MetricsMemory(SharedMapping);

impl MetricsMemory {
    /// Maps the file of a `Configure` record; `None` for any other file, which is what httpd passes when it has none.
    #[must_use]
    pub fn map(fd: &OwnedFd) -> Option<Self> {
        // httpd's parent has sealed its size.
        let length = fstat(fd).ok()?.st_size;
        if usize::try_from(length) != Ok(memory_len()) {
            return None;
        }
        SharedMapping::of_file(fd.as_fd(), memory_len()).ok().map(Self)
    }

    /// The record with this number.
    #[must_use]
    pub fn group(&self, index: usize) -> Option<&GroupRecord> {
        self.view()?.groups.get(index)
    }

    /// All of it.
    #[must_use]
    pub fn view(&self) -> Option<MetricsView<'_>> {
        self.0.metrics()
    }
}
