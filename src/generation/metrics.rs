//! The metrics memory on httpd's side: made once by the parent, kept over graceful restarts, inherited by children.

use crate::httpd::pool::{LastingRecord, ProcessPool};
use crate::httpd::server::now_us;
use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use wsgi_protocol::metrics::{MetricsBlock, MetricsView, memory_len};
use wsgi_system::clock::monotonic_ns;
use wsgi_system::descriptors::KeptDescriptor;
use wsgi_system::memory::{KeptPage, LastingMapping, MemorySeal, SharedMapping, memory_file};

/// What survives the unloading of the module.
#[repr(C)]
pub struct KeptMetrics {
    memory: KeptPage<{ memory_len() }>,
    fd: KeptDescriptor,
}

// SAFETY: numbers of what the process keeps.
unsafe impl LastingRecord for KeptMetrics {
    const KEY: &'static CStr = c"mod_wsgi:metrics:1";

    fn initial(_: ProcessPool) -> Self {
        Self { memory: KeptPage::NONE, fd: KeptDescriptor::NONE }
    }
}

/// The mapped memory; stays as long as httpd's parent.
#[derive(Debug, Clone, Copy)]
pub struct MetricsMemory {
    view: MetricsView<'static>,
    /// For the supervisor.
    pub fd: BorrowedFd<'static>,
}

impl MetricsMemory {
    /// The memory of this httpd, made now if it is the first configuration.
    pub fn of(kept: &'static mut KeptMetrics) -> io::Result<Self> {
        if kept.memory.get().is_none() {
            let (mapping, file) = create()?;
            kept.memory.keep(mapping);
            kept.fd.keep(file);
        }
        let view = kept.memory.get().and_then(LastingMapping::metrics);
        let view = view.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let memory = Self { view, fd: kept.fd.borrow().ok_or(io::ErrorKind::AddrNotAvailable)? };
        let (header, now) = (memory.view().header, now_us());
        if header.started_us.load(Relaxed) == 0 {
            header.started_us.store(now, Relaxed);
        } else {
            header.reloads.fetch_add(1, Relaxed);
        }
        header.configured_us.store(now, Relaxed);
        memory.settle();
        Ok(memory)
    }

    /// Takes back what children have left that ended while this module was not loaded.
    fn settle(&self) {
        for owner in self.view().owners() {
            let is_gone =
                i32::try_from(owner).is_ok_and(|pid| wsgi_system::process::kill(pid, None).is_err());
            if is_gone {
                self.view().fold(owner);
            }
        }
    }

    /// Its records.
    pub fn view(&self) -> MetricsView<'static> {
        self.view
    }
}

/// The file is sparse: only what is used takes memory.
fn create() -> io::Result<(LastingMapping, OwnedFd)> {
    let seals = MemorySeal::F_SEAL_SHRINK | MemorySeal::F_SEAL_GROW | MemorySeal::F_SEAL_SEAL;
    let file = memory_file(c"mod_wsgi metrics", memory_len(), seals)?;
    Ok((SharedMapping::of_file(file.as_fd(), memory_len())?.leak(), file))
}

/// The blocks of this child by thread and group: index plus 1; 0 is not looked for yet.
struct ChildBlocks {
    view: MetricsView<'static>,
    pid: u32,
    groups: usize,
    blocks: Vec<AtomicU32>,
}

/// The blocks of this child; none in the parent.
static CHILD_BLOCKS: OnceLock<ChildBlocks> = OnceLock::new();
/// Threads of this child that have counted.
static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Number of the thread, from 1.
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// Threads of a child beyond those of the MPM that get blocks of their own: mod_http2 has its own.
const MORE_THREADS: usize = 64;

/// In a new child: makes room for the blocks of its threads.
pub fn prepare(memory: MetricsMemory, groups: usize, threads: usize) {
    let mut blocks = Vec::new();
    blocks.resize_with((threads + MORE_THREADS) * groups, AtomicU32::default);
    let own = ChildBlocks { view: memory.view(), pid: std::process::id(), groups, blocks };
    // A child starts once.
    let _ = CHILD_BLOCKS.set(own);
}

/// The block in which the calling thread counts for a group.
pub fn block(group: usize) -> Option<&'static MetricsBlock> {
    let own = CHILD_BLOCKS.get()?;
    let thread = THREAD.get();
    let thread = if thread == 0 { THREADS.fetch_add(1, Relaxed) + 1 } else { thread };
    THREAD.set(thread);
    let place = own.blocks.get((thread as usize - 1) * own.groups + group).filter(|_| group < own.groups);
    let Some(place) = place else { return own.view.retired(group) };
    match place.load(Relaxed) {
        0 => {
            let claimed = own.view.claim(own.pid, group);
            place.store(claimed.map_or(u32::MAX, |index| index as u32 + 1), Relaxed);
            claimed.map_or_else(|| own.view.retired(group), |index| own.view.blocks.get(index))
        }
        u32::MAX => own.view.retired(group),
        index => own.view.blocks.get(index as usize - 1),
    }
}

/// Nanoseconds of the clock that daemons use, too.
pub fn now() -> u64 {
    monotonic_ns()
}
