//! The status memory: one cache line per daemon process, shared by httpd's children and the supervisor
//! (never by a daemon). Children count the requests they have at each process and pick the least loaded.

use core::sync::atomic::AtomicU32;

/// State of a slot, as written by the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum SlotState {
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
}

impl SlotState {
    /// The state a number stands for; unknown numbers count as `Empty`.
    #[must_use]
    pub fn from_u32(n: u32) -> Self {
        match n {
            1 => Self::Starting,
            2 => Self::Serving,
            3 => Self::Failed,
            4 => Self::Service,
            5 => Self::Retired,
            _ => Self::Empty,
        }
    }
}

/// One slot; 64 bytes so that two processes' counters never share a cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
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
    reserved: [AtomicU32; 8],
}

/// Bytes of status memory for `slots` processes.
#[must_use]
pub fn memory_len(slots: usize) -> usize {
    slots.max(1) * size_of::<Slot>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_cache_line() {
        assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (64, 64));
    }
}
