//! The status memory on httpd's side: made by the parent, shared with the supervisor and the children.

use super::ledger::{Ledger, ledger_len};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use wsgi_protocol::status::{ExitRecords, SLOTS_AT, SlotRecord, memory_len};
use wsgi_system::memory::{LastingMapping, MemorySeal, SharedMapping, memory_file};

/// A shared mapping of [`ExitRecords`] and [`SlotRecord`]s, with the [`Ledger`] behind them. Stays mapped as long as a
/// generation uses it.
#[derive(Debug, Clone, Copy)]
pub struct StatusMemory {
    mapping: LastingMapping,
    exit_records: &'static ExitRecords,
    slots: &'static [SlotRecord],
    children: usize,
}

impl StatusMemory {
    /// Makes and maps a memory file for `count` slots and so many children at most.
    pub fn create(count: usize, children: usize) -> io::Result<(Self, OwnedFd)> {
        let len = memory_len(count) + ledger_len(count, children);
        let file = memory_file(c"mod_wsgi status", len, MemorySeal::empty())?;
        let mapping = SharedMapping::of_file(file.as_fd(), len)?.leak();
        let parts = mapping.record(0).zip(mapping.records(SLOTS_AT, count));
        let (exit_records, slots) = parts.ok_or(io::ErrorKind::InvalidData)?;
        Ok((Self { mapping, exit_records, slots, children }, file))
    }

    /// The mapping, to remove it when the generation is over.
    pub fn mapping(self) -> LastingMapping {
        self.mapping
    }

    /// Which child has how many requests where.
    pub fn ledger(&self) -> Ledger {
        // Its length is a multiple of cache lines.
        Ledger::at(self.mapping, memory_len(self.slots.len()), self.slots.len(), self.children)
    }

    /// The slot with this number.
    pub fn slot(&self, index: usize) -> Option<&'static SlotRecord> {
        self.slots.get(index)
    }

    /// The latest deaths.
    pub fn exit_records(&self) -> &'static ExitRecords {
        self.exit_records
    }
}
