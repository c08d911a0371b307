//! Which httpd child has how many requests under way where, so that the counts of one that died can be taken back.
//! The rows lie behind the slots in the status memory; only their child writes to one, and the parent after its death.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32};
use wsgi_protocol::status::SlotRecord;

/// Bytes of a cache line: rows of different children never share one.
const LINE: usize = 64;

/// The rows of all children.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    first: *mut u8,
    rows: usize,
    slots: usize,
}

// SAFETY: the rows are atomics in a mapping that is never removed while a generation uses it.
unsafe impl Send for Ledger {}
// SAFETY: as above.
unsafe impl Sync for Ledger {}

/// One child's counts by slot.
#[derive(Clone, Copy)]
struct LedgerRow<'a> {
    pid: &'a AtomicU32,
    counts: &'a [AtomicU16],
}

/// The row of this child; null in the parent, and when there was none left.
static OWN: AtomicPtr<AtomicU16> = AtomicPtr::new(std::ptr::null_mut());

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
    /// The ledger at an address.
    ///
    /// # Safety
    /// `first` is aligned to a cache line and starts [`ledger_len`] zeroed bytes that stay mapped.
    pub unsafe fn at(first: *mut u8, slots: usize, children: usize) -> Self {
        Self { first, rows: children, slots }
    }

    fn row(&self, index: usize) -> LedgerRow<'static> {
        debug_assert!(index < self.rows);
        // SAFETY: within the ledger, aligned, and atomics for which every bit pattern is valid.
        unsafe {
            let start = self.first.add(index * row_len(self.slots));
            let counts = start.add(size_of::<AtomicU32>()).cast::<AtomicU16>();
            LedgerRow { pid: &*start.cast(), counts: std::slice::from_raw_parts(counts, self.slots) }
        }
    }

    /// In a new child: takes a free row. Without one its requests are counted as before, and only its death leaks.
    pub fn join(&self, pid: u32) {
        let free = (0..self.rows)
            .map(|index| self.row(index))
            .find(|row| row.pid.compare_exchange(0, pid, AcqRel, Relaxed).is_ok());
        let counts = free.map_or(std::ptr::null_mut(), |row| row.counts.as_ptr().cast_mut());
        OWN.store(counts, Release);
    }

    /// In the parent: a child has ended; what it still had under way is taken off the slots.
    pub fn settle(&self, pid: u32, slot: impl Fn(usize) -> Option<&'static SlotRecord>) {
        let Some(row) = (0..self.rows).map(|index| self.row(index)).find(|row| row.pid.load(Acquire) == pid)
        else {
            return;
        };
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
    let counts = OWN.load(Relaxed);
    // SAFETY: a row is as long as the status memory has slots, from which `slot` was chosen.
    (!counts.is_null()).then(|| unsafe { &*counts.add(slot) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_dead_child_are_taken_back() {
        let memory = vec![0u64; ledger_len(40, 3) / 8 + 8].leak();
        let start = memory.as_mut_ptr().cast::<u8>();
        let aligned = start.wrapping_add(start.align_offset(LINE));
        // SAFETY: long enough, aligned, zeroed, never freed.
        let ledger = unsafe { Ledger::at(aligned, 40, 3) };
        let slots: &'static [SlotRecord] = (0..40).map(|_| SlotRecord::default()).collect::<Vec<_>>().leak();
        ledger.join(7);
        ledger.join(8);
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
