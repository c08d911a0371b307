//! Which httpd child has how many requests under way where, so that the counts of one that died can be taken back.
//! The rows lie behind the slots in the status memory; only their child writes to one, and the parent after its death.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU16, AtomicU32};
use wsgi_protocol::status::SlotRecord;
use wsgi_system::memory::LastingMapping;

/// Bytes of a cache line: rows of different children never share one.
const LINE: usize = 64;

/// The rows of all children.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    memory: LastingMapping,
    first: usize,
    rows: usize,
    slots: usize,
}

/// One child's counts by slot.
#[derive(Clone, Copy)]
struct LedgerRow {
    pid: &'static AtomicU32,
    counts: &'static [AtomicU16],
}

/// The counts of this child; none in the parent, and when there was no row left.
static OWN: OnceLock<&'static [AtomicU16]> = OnceLock::new();

/// Bytes of one row.
fn row_len(slots: usize) -> usize {
    (size_of::<AtomicU32>() + slots * size_of::<AtomicU16>()).next_multiple_of(LINE)
}

/// Bytes for `children` rows.
#[must_use]
pub fn ledger_len(slots: usize, children: usize) -> usize {
    row_len(slots) * children
}

impl Ledger {
    /// The ledger at a place of a memory: a multiple of cache lines, with [`ledger_len`] zeroed bytes behind it.
    pub fn at(memory: LastingMapping, first: usize, slots: usize, children: usize) -> Self {
        Self { memory, first, rows: children, slots }
    }

    fn all_rows(&self) -> impl Iterator<Item = LedgerRow> {
        let ledger = *self;
        (0..self.rows).filter_map(move |index| {
            let start = ledger.first + index * row_len(ledger.slots);
            let counts = ledger.memory.records(start + size_of::<AtomicU32>(), ledger.slots)?;
            Some(LedgerRow { pid: ledger.memory.record(start)?, counts })
        })
    }

    /// In a new child, once: takes a free row. Without one its requests are counted as before, and only its death leaks.
    pub fn join(&self, pid: u32) {
        let free = self.all_rows().find(|row| row.pid.compare_exchange(0, pid, AcqRel, Relaxed).is_ok());
        // A process is one child only.
        let _ = free.map(|row| OWN.set(row.counts));
    }

    /// In the parent: a child has ended; what it still had under way is taken off the slots.
    pub fn settle(&self, pid: u32, slot: impl Fn(usize) -> Option<&'static SlotRecord>) {
        let Some(row) = self.all_rows().find(|row| row.pid.load(Acquire) == pid) else { return };
        for (index, count) in row.counts.iter().enumerate() {
            let left = u32::from(count.swap(0, AcqRel));
            if let Some(slot) = slot(index).filter(|_| left > 0) {
                let less = |now: u32| Some(now.saturating_sub(left));
                let _ = slot.in_flight.fetch_update(AcqRel, Relaxed, less);
            }
        }
        row.pid.store(0, Release);
    }
}

/// Counts a request of this child at a slot of the status memory.
pub fn begin(slot: usize) {
    if let Some(count) = own(slot) {
        count.fetch_add(1, Relaxed);
    }
}

/// Takes it off again.
pub fn end(slot: usize) {
    if let Some(count) = own(slot) {
        count.fetch_sub(1, Relaxed);
    }
}

fn own(slot: usize) -> Option<&'static AtomicU16> {
    OWN.get()?.get(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsgi_system::memory::SharedMapping;

    #[test]
    fn counts_of_a_dead_child_are_taken_back() {
        let memory = SharedMapping::anonymous(ledger_len(40, 3)).unwrap().leak();
        let ledger = Ledger::at(memory, 0, 40, 3);
        let slots: &'static [SlotRecord] = (0..40).map(|_| SlotRecord::default()).collect::<Vec<_>>().leak();
        ledger.join(8); // this one
        ledger.join(7);
        begin(39);
        begin(39);
        begin(1);
        end(1);
        slots[39].in_flight.store(5, Relaxed);
        ledger.settle(7, |index| slots.get(index));
        assert_eq!(slots[39].in_flight.load(Relaxed), 5, "7 had nothing");
        ledger.settle(8, |index| slots.get(index));
        assert_eq!(slots[39].in_flight.load(Relaxed), 3);
        for pid in 9..13 {
            ledger.join(pid); // the fourth finds no room
        }
        begin(0);
        end(0);
    }
}
