//! The status memory: one cache line per daemon process, shared by httpd's children and the supervisor
//! (never by a daemon). Children count the requests they have at each process and pick the least loaded. In front of
//! the slots stand the latest deaths ([`ExitRecords`]), written by the supervisor alone.

use crate::death::{EndReason, MAX_STACK, ProcessDeath};
use crate::wire_enum::wire_enum;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

wire_enum! {
    /// State of a slot, as written by the supervisor.
    pub enum SlotState: u32, else Empty {
        /// Not started yet.
        Empty = 0,
        /// Started, not serving yet; requests may be queued on its socket.
        Starting = 1,
        /// Serving.
        Serving = 2,
        /// The process keeps failing and its next start is delayed: answer 503 at once.
        Failed = 3,
        /// A service daemon (`threads=0`): takes no requests.
        Service = 4,
        /// The group has been given fewer processes: this place is not used.
        Retired = 5,
        /// Written by httpd's parent: no supervisor can be started, so nobody looks after the processes. Answer 503 at once.
        Unsupervised = 6,
    }
}

/// One slot; 64 bytes so that two processes' counters never share a cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SlotRecord {
    /// [`SlotState`], written by the supervisor.
    pub state: AtomicU32,
    /// Process id of the daemon, written by the supervisor.
    pub pid: AtomicU32,
    /// Requests httpd's children have under way there.
    pub in_flight: AtomicU32,
    /// Raised each time the process is replaced.
    pub epoch: AtomicU32,
    /// Requests completed, for the status page.
    pub requests: AtomicU32,
    /// Wait status of the last process that died here, as waitpid gave it; `u32::MAX` for none.
    pub last_exit: AtomicU32,
    /// Process id of that one.
    pub last_pid: AtomicU32,
    /// In a group's first slot: how many of its slots are in use; 0 when an operator has stopped the group.
    pub processes: AtomicU32,
    /// Process id of the last one here whose event loop ran a request (ASGI); 0: threads run them.
    event_loop: AtomicU32,
    /// WebSockets that the process has on their own sockets, as it says itself; written by the supervisor.
    pub sockets: AtomicU32,
    reserved: [AtomicU32; 6],
}

/// What decides how many requests a process can run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessConcurrency {
    /// `threads=`
    pub threads: u32,
    /// `max-requests-in-flight=`
    pub on_loop: u32,
    /// `interface=asgi`: it is known without a request.
    pub is_asgi: bool,
}

impl SlotRecord {
    /// A child of httpd has seen a request run in the process `pid` here, on its event loop or in a thread. A process that
    /// is on its way out says nothing of its successor; one that has run ASGI and WSGI applications counts as ASGI.
    pub fn note_runner(&self, pid: u32, on_loop: bool) {
        let known = self.event_loop.load(Ordering::Relaxed);
        let told = if on_loop { pid } else { 0 };
        if known != told && (on_loop || known != pid) && self.pid.load(Ordering::Relaxed) == pid {
            self.event_loop.store(told, Ordering::Relaxed);
        }
    }

    /// Whether an event loop runs the requests of the process.
    #[must_use]
    pub fn is_asgi(&self, concurrency: ProcessConcurrency) -> bool {
        concurrency.is_asgi || self.event_loop.load(Ordering::Relaxed) != 0
    }

    /// How many requests the process can run at once.
    #[must_use]
    pub fn capacity(&self, concurrency: ProcessConcurrency) -> u32 {
        if self.is_asgi(concurrency) { concurrency.on_loop } else { concurrency.threads }
    }
}

/// Where in the memory the first slot stands.
pub const SLOTS_AT: usize = size_of::<ExitRecords>();

/// Bytes of status memory for `slots` processes.
#[must_use]
pub fn memory_len(slots: usize) -> usize {
    SLOTS_AT + slots.max(1) * size_of::<SlotRecord>()
}

/// Deaths that are remembered.
const REMEMBERED: usize = 32;

/// A death as it stands in the memory; all fields as in [`ProcessDeath`].
#[derive(Debug)]
#[repr(C)]
struct ExitRecord {
    /// Odd while the rest is being written.
    version: AtomicU32,
    slot: AtomicU32,
    pid: AtomicU32,
    status: AtomicU32,
    /// Byte of the [`EndReason`], or 0; [`KILLED`] may be added.
    reason: AtomicU32,
    stack_len: AtomicU32,
    /// Monotonic ns.
    at: AtomicU64,
    stack: [AtomicU64; MAX_STACK / 8],
}

const KILLED: u32 = 0x100;

/// The latest deaths of a generation, oldest overwritten first. One writer, the supervisor; all zero is empty.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ExitRecords {
    written: AtomicU32,
    reserved: [AtomicU32; 15],
    records: [ExitRecord; REMEMBERED],
}

impl ExitRecords {
    /// Adds the death of the process in slot `slot` of this memory at `at` (CLOCK_MONOTONIC, ns).
    pub fn publish(&self, slot: u32, at: u64, death: &ProcessDeath) {
        let count = self.written.load(Ordering::Relaxed);
        let record = &self.records[count as usize % REMEMBERED];
        let version = record.version.load(Ordering::Relaxed) | 1;
        record.version.store(version, Ordering::Relaxed);
        fence(Ordering::Release);
        record.slot.store(slot, Ordering::Relaxed);
        record.pid.store(death.pid, Ordering::Relaxed);
        record.status.store(death.status.cast_unsigned(), Ordering::Relaxed);
        let killed = if death.killed { KILLED } else { 0 };
        record.reason.store(death.reason.map_or(0, |reason| reason as u32) | killed, Ordering::Relaxed);
        let stack = &death.stack[..death.stack.len().min(MAX_STACK)];
        record.stack_len.store(stack.len() as u32, Ordering::Relaxed);
        for (to, from) in record.stack.iter().zip(stack.chunks(8)) {
            let mut word = [0; 8];
            word[..from.len()].copy_from_slice(from);
            to.store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
        record.at.store(at, Ordering::Relaxed);
        record.version.store(version.wrapping_add(1), Ordering::Release);
        self.written.store(count.wrapping_add(1), Ordering::Release);
    }

    /// The death in slot `slot` since `since` that explains a broken connection best: the latest one that was not in
    /// order, else the latest.
    #[must_use]
    pub fn find(&self, slot: u32, since: u64) -> Option<ProcessDeath> {
        let found = self.records.iter().filter_map(ExitRecord::read);
        let found = found.filter(|(of, at, _)| *of == slot && *at >= since);
        found.max_by_key(|(_, at, death)| (!death.is_orderly(), *at)).map(|(_, _, death)| death)
    }
}

impl ExitRecord {
    /// Slot, time and death; `None` if there is none, or it is just being overwritten.
    fn read(&self) -> Option<(u32, u64, ProcessDeath)> {
        let version = self.version.load(Ordering::Acquire);
        if version == 0 || version % 2 == 1 {
            return None;
        }
        let reason = self.reason.load(Ordering::Relaxed);
        let len = (self.stack_len.load(Ordering::Relaxed) as usize).min(MAX_STACK);
        let words = self.stack.iter().take(len.div_ceil(8));
        let mut stack: Vec<u8> = words.flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect();
        stack.truncate(len);
        let death = ProcessDeath {
            pid: self.pid.load(Ordering::Relaxed),
            status: self.status.load(Ordering::Relaxed).cast_signed(),
            reason: EndReason::from_number((reason & 0xff) as u8),
            killed: reason & KILLED != 0,
            stack,
        };
        let (slot, at) = (self.slot.load(Ordering::Relaxed), self.at.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        (self.version.load(Ordering::Relaxed) == version).then_some((slot, at, death))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_cache_line() {
        assert_eq!((size_of::<SlotRecord>(), align_of::<SlotRecord>()), (64, 64));
        assert_eq!(SLOTS_AT % 64, 0);
    }

    #[test]
    fn what_runs_requests_is_seen_from_them() {
        let (slot, rule) =
            (SlotRecord::default(), ProcessConcurrency { threads: 5, on_loop: 1000, is_asgi: false });
        let runs = |pid: u32, on_loop: bool| {
            slot.note_runner(pid, on_loop);
            slot.capacity(rule)
        };
        slot.pid.store(7, Ordering::Relaxed);
        assert_eq!((runs(7, false), runs(7, true)), (5, 1000));
        assert_eq!(runs(7, false), 1000, "it runs both");
        slot.pid.store(8, Ordering::Relaxed);
        assert_eq!(slot.capacity(rule), 1000, "the successor is likely to be the same");
        assert_eq!((runs(7, true), runs(8, false), runs(7, true)), (1000, 5, 5));
        assert_eq!(slot.capacity(ProcessConcurrency { is_asgi: true, ..rule }), 1000);
    }

    fn empty() -> ExitRecords {
        let record = || ExitRecord {
            version: AtomicU32::new(0),
            slot: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            status: AtomicU32::new(0),
            reason: AtomicU32::new(0),
            stack_len: AtomicU32::new(0),
            at: AtomicU64::new(0),
            stack: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        ExitRecords {
            written: AtomicU32::new(0),
            reserved: std::array::from_fn(|_| AtomicU32::new(0)),
            records: std::array::from_fn(|_| record()),
        }
    }

    fn death(pid: u32, status: i32) -> ProcessDeath {
        ProcessDeath {
            pid,
            status,
            reason: Some(EndReason::RequestTimeout),
            killed: true,
            stack: b"0123456789".to_vec(),
        }
    }

    #[test]
    fn a_death_is_read_as_it_was_written() {
        let ring = empty();
        assert_eq!(ring.find(3, 0), None);
        ring.publish(3, 50, &death(7, 11));
        assert_eq!(ring.find(3, 50), Some(death(7, 11)));
        assert_eq!((ring.find(3, 51), ring.find(2, 0)), (None, None));
        let long = ProcessDeath { stack: vec![b'x'; MAX_STACK + 1], ..death(8, 9) };
        ring.publish(3, 60, &long);
        assert_eq!(ring.find(3, 60).unwrap().stack.len(), MAX_STACK);
    }

    #[test]
    fn a_process_that_ended_in_order_does_not_hide_one_that_crashed() {
        let ring = empty();
        ring.publish(0, 10, &death(7, 11));
        ring.publish(0, 20, &death(8, 0));
        assert_eq!(ring.find(0, 0).unwrap().pid, 7);
        assert_eq!(ring.find(0, 11).unwrap().pid, 8);
    }

    #[test]
    fn the_oldest_is_overwritten() {
        let ring = empty();
        for n in 0..100 {
            ring.publish(n, u64::from(n), &death(n, 9));
        }
        assert_eq!(ring.find(99, 0).map(|death| death.pid), Some(99));
        assert_eq!(ring.find(68, 0).map(|death| death.pid), Some(68));
        assert_eq!(ring.find(67, 0), None);
    }
}
