//! The child's open connections per daemon process, and the choice of the process with the least work.

use super::connection::{DaemonConnection, DaemonPeer};
use super::descriptors;
use crate::generation::ledger;
use crate::generation::runtime::{ChildRuntime, GroupView};
use crate::generation::status::StatusMemory;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wsgi_protocol::choice::ProcessBurden;
use wsgi_protocol::death::ProcessDeath;
use wsgi_protocol::status::{SlotRecord, SlotState};
use wsgi_system::clock::monotonic_ns;
use wsgi_system::shared_bytes::SharedBytes;
use wsgi_system::stat::ProcessStat;

/// Idle connections that live longer than this are closed when somebody looks at them.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Idle connections with memory are closed after this time, so that it goes. New pages for the next large body cost as much as
/// one that goes through the socket, so this is longer than the pauses of somebody who sends one after the other.
const MEMORY_LIMIT: Duration = Duration::from_millis(500);
/// The same for those that go on being used, but not for large responses.
const UNUSED_MEMORY_LIMIT: Duration = Duration::from_secs(2);
/// How often somebody looks for them, while there are any.
const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// How long a request that was cut off waits for the supervisor to find out why; it takes a few milliseconds.
const EXIT_LOOKUP: Duration = Duration::from_secs(1);
/// The same when the process is seen to be alive: its connection broke for another reason.
const ALIVE: Duration = Duration::from_millis(150);
/// The same when one explanation is there already.
const SECOND_THOUGHT: Duration = Duration::from_millis(50);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// What a child knows of the process of a slot.
#[derive(Default)]
struct SlotPool {
    /// Connections, newest last.
    idle: Mutex<Vec<DaemonConnection>>,
    /// Process id of one that is not asked any more; 0 for none.
    banned: AtomicU32,
}

/// By slot.
type SlotPools = Vec<SlotPool>;

static POOLS: OnceLock<SlotPools> = OnceLock::new();

/// Makes the pools of this child.
pub fn prepare(runtime: &ChildRuntime) {
    let highest = runtime.groups.iter().map(|group| group.first_slot + group.sockets.len()).max();
    let pools: SlotPools = (0..highest.unwrap_or(0)).map(|_| SlotPool::default()).collect();
    // A child starts once.
    let _ = POOLS.set(pools);
}

fn pool(slot: usize) -> Option<&'static SlotPool> {
    POOLS.get()?.get(slot)
}

impl SlotPool {
    fn idle(&self) -> MutexGuard<'_, Vec<DaemonConnection>> {
        // A poisoned pool only means that another request's thread panicked between two requests.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a process of the group is not asked any more.
pub fn is_any_banned(runtime: &ChildRuntime, group: &GroupView) -> bool {
    (0..count(runtime, group)).any(|process| is_banned(runtime, group.first_slot + process))
}

fn is_banned(runtime: &ChildRuntime, index: usize) -> bool {
    let banned = pool(index).map_or(0, |pool| pool.banned.load(Ordering::Relaxed));
    banned != 0 && runtime.status.slot(index).is_some_and(|slot| slot.pid.load(Ordering::Relaxed) == banned)
}

/// How many processes the group has now; 0: an operator has stopped it.
pub fn count(runtime: &ChildRuntime, group: &GroupView) -> usize {
    let first = runtime.status.slot(group.first_slot);
    let count = first.map_or(0, |slot| slot.processes.load(Ordering::Acquire) as usize);
    count.min(group.sockets.len())
}

/// Whether no supervisor looks after the group.
pub fn is_unsupervised(runtime: &ChildRuntime, group: &GroupView) -> bool {
    let first = runtime.status.slot(group.first_slot);
    first.is_some_and(|slot| slot.state.load(Ordering::Relaxed) == SlotState::Unsupervised as u32)
}

/// A request counted at one daemon process.
pub struct InFlight {
    status: StatusMemory,
    slot: &'static SlotRecord,
    index: usize,
    process: usize,
    /// Process id at the time of the choice.
    pid: u32,
}

impl InFlight {
    /// Chooses the process with the least requests under way; `None` when all keep failing.
    pub fn choose(runtime: &ChildRuntime, group: &GroupView) -> Option<Self> {
        let candidates = (0..count(runtime, group)).filter_map(|process| {
            let index = group.first_slot + process;
            let slot = runtime.status.slot(index).filter(|_| !is_banned(runtime, index))?;
            let state = SlotState::from_number(slot.state.load(Ordering::Relaxed));
            let in_flight = slot.in_flight.load(Ordering::Relaxed);
            let burden = ProcessBurden::of(state, in_flight, || slot.capacity(group.concurrency))?;
            Some((burden, process, index, slot))
        });
        let (_, process, index, slot) = candidates.min_by_key(|candidate| (candidate.0, candidate.1))?;
        ledger::begin(index);
        slot.in_flight.fetch_add(1, Ordering::Relaxed);
        let pid = slot.pid.load(Ordering::Relaxed);
        Some(Self { status: runtime.status, slot, index, process, pid })
    }

    /// A request of the process was seen to run on its event loop, or in a thread.
    pub fn note_runner(&self, on_loop: bool) {
        self.slot.note_runner(self.pid(), on_loop);
    }

    /// Whether the process has been taken out of the group since it was chosen, or cannot be started.
    pub fn is_out(&self) -> bool {
        let state = SlotState::from_number(self.slot.state.load(Ordering::Relaxed));
        matches!(state, SlotState::Retired | SlotState::Failed | SlotState::Unsupervised)
    }

    /// How often its place has got another process.
    pub fn epoch(&self) -> u32 {
        self.slot.epoch.load(Ordering::Acquire)
    }

    /// The process as its connections know it.
    pub fn peer(&self) -> DaemonPeer {
        DaemonPeer::new(pool(self.index).map(|pool| &pool.banned), self.pid)
    }

    /// Process id at the time of the choice.
    pub fn pid(&self) -> u32 {
        if self.pid != 0 { self.pid } else { self.slot.pid.load(Ordering::Relaxed) }
    }

    /// Its slot in the status memory.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Position of the process in its group.
    pub fn process(&self) -> usize {
        self.process
    }

    /// How the process ended whose connection has just broken; `since` is when the request was first sent to any
    /// process of this slot. Waits a moment for the supervisor to find out. `None`: it lives, or nobody knows.
    pub fn death(&self, since: Instant) -> Option<ProcessDeath> {
        let since = monotonic_ns().saturating_sub(since.elapsed().as_nanos() as u64);
        let (begun, slot) = (Instant::now(), self.index as u32);
        let mut exit_lookup = ALIVE;
        loop {
            let found = self.status.exit_records().find(slot, since);
            if exit_lookup == ALIVE && begun.elapsed() >= ALIVE && !self.still_serves() {
                exit_lookup = EXIT_LOOKUP;
            }
            // One that ended in order may be the predecessor of the one that has just died.
            let patience = if found.is_some() { SECOND_THOUGHT } else { exit_lookup };
            if found.as_ref().is_some_and(|death| !death.is_orderly()) || begun.elapsed() >= patience {
                return found;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether the process that was chosen serves and is alive, as far as it can be seen.
    fn still_serves(&self) -> bool {
        let state = SlotState::from_number(self.slot.state.load(Ordering::Relaxed));
        let is_same = self.pid != 0 && self.slot.pid.load(Ordering::Relaxed) == self.pid;
        state == SlotState::Serving
            && is_same
            && ProcessStat::of(self.pid).is_some_and(|stat| stat.is_running())
    }

    /// Its record in the status memory.
    pub fn slot(&self) -> &'static SlotRecord {
        self.slot
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.slot.in_flight.fetch_sub(1, Ordering::Relaxed);
        ledger::end(self.index);
    }
}

/// An open connection to the process, if there is a good one.
pub fn check_out(to: &InFlight) -> Option<DaemonConnection> {
    let pool = pool(to.index)?;
    loop {
        let connection = pool.idle().pop()?;
        if connection.epoch == to.epoch() && connection.is_quiet() {
            return Some(connection);
        }
    }
}

/// Keeps a connection for later if nothing is under way on it.
pub fn check_in(mut connection: DaemonConnection, to: &InFlight) {
    to.slot.requests.fetch_add(1, Ordering::Relaxed);
    if !connection.reusable
        || connection.mid_frame
        || connection.going_away
        || connection.has_fds()
        || !connection.pending().is_empty()
    {
        return;
    }
    if let Some(used_at) = connection.memory_used_at() {
        if used_at.elapsed() > UNUSED_MEMORY_LIMIT {
            return;
        }
        watch_memory();
    }
    connection.retire();
    let Some(pool) = pool(to.index) else { return };
    let mut idle = pool.idle();
    idle.push(connection);
    // The oldest is at the bottom; one look per request is enough to let a crowd go after a peak.
    let is_old = idle.first().is_some_and(|oldest| oldest.idle_since.elapsed() > IDLE_LIMIT);
    let old = is_old.then(|| idle.remove(0));
    drop(idle);
    drop(old);
}

/// Whether a thread looks for connections with memory.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Sees to it that a thread does. It ends when there is no such memory any more: an idle child has nothing to wake it.
fn watch_memory() {
    if !IS_WATCHED.load(Ordering::Acquire)
        && !IS_WATCHED.swap(true, Ordering::AcqRel)
        && !descriptors::start_quiet_thread("wsgi-memory", close_unused)
    {
        IS_WATCHED.store(false, Ordering::Release);
    }
}

fn close_unused() {
    loop {
        std::thread::sleep(MEMORY_LOOK);
        for slot in 0.. {
            let Some(pool) = pool(slot) else { break };
            let is_unused = |connection: &mut DaemonConnection| {
                connection.memory_used_at().is_some() && connection.idle_since.elapsed() > MEMORY_LIMIT
            };
            let unused: Vec<_> = pool.idle().extract_if(.., is_unused).collect();
            drop(unused);
        }
        if SharedBytes::mapped() == 0 {
            IS_WATCHED.store(false, Ordering::Release);
            // Whoever came in between has found that somebody watches.
            if SharedBytes::mapped() == 0 || IS_WATCHED.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

/// The process behind these connections is gone: so are they.
pub fn discard(to: &InFlight) {
    if let Some(pool) = pool(to.index) {
        let all = std::mem::take(&mut *pool.idle());
        drop(all);
    }
}
