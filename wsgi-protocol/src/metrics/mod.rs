//! The metrics memory: counters of all groups, shared by httpd's parent, its children and the supervisor (never by a
//! daemon). It lives as long as httpd's parent, over graceful restarts, so that counters only grow.
//!
//! Each thread of a child that serves a group has a [`MetricsBlock`] for it, and is the only one to write to it. When the child
//! ends, the parent adds its blocks to the group's retired block. A reader adds up all blocks of the group; it needs no
//! lock, no Python, and no process that is alive.

mod account;
mod blocks;
mod totals;

pub use account::{LEN as ACCOUNT_LEN, RequestAccount};
pub use blocks::MetricsView;
pub use totals::{Distribution, GroupTotals, ProcessLifecycle, RunningRequest};

use crate::death::{EndReason, ProcessDeath, REASON_COUNT};
use crate::wire_enum::wire_enum;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use serde::{Deserialize, Serialize};

/// Most groups that are counted by themselves, embedded mode included; later ones are not counted.
pub const MAX_GROUPS: usize = 1024;
/// Most blocks. Threads that find none left share the retired block of their group.
pub const MAX_BLOCKS: usize = 16384;

/// Upper bounds of the histograms' buckets, µs; inclusive. A last bucket has no bound. All bounds of OpenTelemetry's
/// `http.server.request.duration` are among them.
pub const BOUNDS_US: [u64; 23] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000,
    750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000,
];
/// Number of buckets.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;

/// How a request ended, as httpd's child saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestOutcome {
    /// The application answered.
    Ok = 0,
    /// It waited longer than queue-timeout.
    QueueTimeout = 1,
    /// The listen queue stayed full for connect-timeout.
    ConnectTimeout = 2,
    /// There was no process to connect to: stopped, failing, or not started.
    Unavailable = 3,
    /// All processes said that they were restarting.
    Restarting = 4,
    /// The process died, or its connection broke, after the request had been read.
    ProcessLost = 5,
    /// No response within socket-timeout.
    ResponseTimeout = 6,
    /// The daemon sent what httpd does not accept.
    BadResponse = 7,
    /// The client went away.
    ClientGone = 8,
    /// Refused before it was sent: ownership of the script, an environ too long, embedded mode not usable.
    Rejected = 9,
}

/// Names of the outcomes in metrics, by number.
pub const OUTCOMES: [(RequestOutcome, &str); 10] = [
    (RequestOutcome::Ok, "ok"),
    (RequestOutcome::QueueTimeout, "queue_timeout"),
    (RequestOutcome::ConnectTimeout, "connect_timeout"),
    (RequestOutcome::Unavailable, "unavailable"),
    (RequestOutcome::Restarting, "daemon_restarting"),
    (RequestOutcome::ProcessLost, "daemon_lost"),
    (RequestOutcome::ResponseTimeout, "response_timeout"),
    (RequestOutcome::BadResponse, "bad_response"),
    (RequestOutcome::ClientGone, "client_abort"),
    (RequestOutcome::Rejected, "rejected"),
];

/// The parts of a request's time that have a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestPhase {
    /// In httpd's handler: from the choice of the group until the response has been passed on.
    Request = 0,
    /// From sending it to a process until a thread there, which has the GIL, has read it.
    Queue = 1,
    /// In that thread, with the import of the script if it was not loaded.
    Application = 2,
    /// Waiting for the GIL, before and during the request. Lies within the other two.
    Gil = 3,
}

/// Number of phases.
pub const PHASES: usize = 4;

wire_enum! {
    /// What a thread of httpd does with its request.
    #[derive(Serialize, Deserialize)]
    pub enum ThreadStage: u32, else Dispatch {
        /// It looks for a process.
        Dispatch = 0,
        /// Sent to a process; not known to have been read.
        Sent = 1,
        /// Seen to have been read by a thread of the process.
        Running = 2,
        /// The response has begun.
        Response = 3,
        /// The client's connection has become a WebSocket.
        WebSocket = 4,
        /// Its body is being received, before a process is looked for.
        Buffering = 5,
    }
}

impl ThreadStage {
    /// What people read.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Sent => "sent",
            Self::Running => "running",
            Self::Response => "response",
            Self::WebSocket => "websocket",
            Self::Buffering => "buffering",
        }
    }
}

/// The reasons for which processes stop, by index: those of [`EndReason`], then a death nobody asked for, then an end in
/// order without a reason.
pub const STOPS: usize = REASON_COUNT + 2;

/// Name of a reason in metrics.
#[must_use]
pub fn stop_name(index: usize) -> &'static str {
    match index.checked_sub(REASON_COUNT) {
        None => EndReason::by_index(index).map_or("other", EndReason::name),
        Some(0) => "crash",
        Some(_) => "replaced",
    }
}

/// The front of the memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct MemoryHeader {
    /// Odd while the parent moves the counters of a dead child.
    folding: AtomicU32,
    /// Records of `groups` in use.
    groups: AtomicU32,
    /// Blocks that were ever in use; all later ones are free.
    used: AtomicU32,
    /// Graceful restarts.
    pub reloads: AtomicU32,
    /// When httpd's parent began, µs since the epoch.
    pub started_us: AtomicU64,
    /// When the last configuration was taken over, µs since the epoch.
    pub configured_us: AtomicU64,
    /// Since when an operator drains the server, µs since the epoch; 0: nobody does. Written by the supervisor.
    pub drained_us: AtomicU64,
}

/// A group; `name` and `retired` are written by httpd's parent, the rest by the supervisor.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct GroupRecord {
    name_len: AtomicU32,
    /// Block that holds what dead children have counted.
    retired: AtomicU32,
    name: [AtomicU64; 32],
    starts: AtomicU64,
    /// Not in order, in order.
    stops: [[AtomicU64; STOPS]; 2],
    /// CPU of processes that have ended, µs: user, system.
    cpu_us: [AtomicU64; 2],
    /// Most CPU that was ever told of the group: what lives and what has ended are not read at the same moment, and a
    /// counter must not go back.
    cpu_told: [AtomicU64; 2],
    reload_at: AtomicU64,
    reload_result: AtomicU32,
    reloads: [AtomicU32; 2],
}

impl GroupRecord {
    /// A process was started.
    pub fn note_start(&self) {
        self.starts.fetch_add(1, Relaxed);
    }

    /// A process has ended, having used so many µs of CPU (user, system).
    pub fn note_stop(&self, death: &ProcessDeath, cpu_us: (u64, u64)) {
        let index = match death.reason {
            Some(reason) => reason.index(),
            None if death.cause().is_orderly() => REASON_COUNT + 1,
            None if death.killed => REASON_COUNT + 1,
            None => REASON_COUNT,
        };
        self.stops[usize::from(death.is_orderly())][index].fetch_add(1, Relaxed);
        self.cpu_us[0].fetch_add(cpu_us.0, Relaxed);
        self.cpu_us[1].fetch_add(cpu_us.1, Relaxed);
    }

    /// The CPU used by the group in all, given what its living processes have used, µs: user, system. Never less than what
    /// was told before.
    #[must_use]
    pub fn cpu_with(&self, living: (u64, u64)) -> (u64, u64) {
        let all = |kind: usize, living: u64| {
            let now = self.cpu_us[kind].load(Relaxed).wrapping_add(living);
            self.cpu_told[kind].fetch_max(now, Relaxed).max(now)
        };
        (all(0, living.0), all(1, living.1))
    }

    /// Changed code serves now, or could not be imported; `at` is in µs since the epoch. A process that was replaced for
    /// another reason than changed code is not counted.
    pub fn note_reload(&self, succeeded: bool, at: u64, changed_code: bool) {
        if !changed_code {
            return;
        }
        self.reloads[usize::from(!succeeded)].fetch_add(1, Relaxed);
        self.reload_result.store(if succeeded { 1 } else { 2 }, Relaxed);
        self.reload_at.store(at, Relaxed);
    }
}

/// Longest request line that is shown.
pub const TEXT: usize = 128;

/// What one thread of a child has counted for one group, and what it does now.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct MetricsBlock {
    /// Process id of the child; 0: free. [`RETIRED`] for a group's retired block.
    owner: AtomicU32,
    /// Index of the group.
    group: AtomicU32,
    /// When its request began, monotonic ns; 0: it has none.
    since: AtomicU64,
    /// Slot of the daemon process, plus 1; 0 for none.
    slot: AtomicU32,
    /// [`ThreadStage`].
    stage: AtomicU32,
    /// Odd while `text` is written.
    version: AtomicU32,
    text_len: AtomicU32,
    text: [AtomicU64; TEXT / 8],
    cells: BlockCells,
}

/// `owner` of a block that no child has.
pub const RETIRED: u32 = u32::MAX;

/// The counters of a block.
#[derive(Debug)]
#[repr(C)]
struct BlockCells {
    classes: [AtomicU64; 5],
    outcomes: [AtomicU64; OUTCOMES.len()],
    bytes: [AtomicU64; 2],
    cpu_ns: AtomicU64,
    phases: [Histogram; PHASES],
}

#[derive(Debug)]
#[repr(C)]
struct Histogram {
    sum_ns: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl BlockCells {
    /// All cells, in one order.
    fn each(&self) -> impl Iterator<Item = &AtomicU64> {
        let phases =
            self.phases.iter().flat_map(|phase| std::iter::once(&phase.sum_ns).chain(&phase.buckets));
        let plain = self.classes.iter().chain(&self.outcomes).chain(&self.bytes);
        plain.chain(std::iter::once(&self.cpu_ns)).chain(phases)
    }
}

/// The bucket of a duration.
fn bucket(ns: u64) -> usize {
    let us = ns.div_ceil(1000);
    BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BUCKETS - 1)
}

/// A finished request.
#[derive(Debug, Clone, Copy)]
pub struct RequestSample {
    /// Status that the client got, or would have got; a response that broke off counts as 500.
    pub status: u16,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// Body bytes from the client and to it.
    pub bytes: (u64, u64),
    /// CPU time of its thread in the daemon, ns.
    pub cpu_ns: u64,
    /// By [`RequestPhase`], ns; the last three are `None` for a request that no application has seen. Of a WebSocket only the
    /// queue is measured: how long it stays open is no latency.
    pub phases: [Option<u64>; PHASES],
}

/// Length of the memory in bytes.
#[must_use]
pub const fn memory_len() -> usize {
    BLOCKS_AT + MAX_BLOCKS * size_of::<MetricsBlock>()
}

/// Where the groups' records begin.
pub const GROUPS_AT: usize = size_of::<MemoryHeader>();
/// Where the blocks begin.
pub const BLOCKS_AT: usize = GROUPS_AT + MAX_GROUPS * size_of::<GroupRecord>();

#[cfg(test)]
mod tests;
