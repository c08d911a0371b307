//! A copy of httpd's scoreboard that daemons with `server-metrics=On` can read: a memory file that httpd's children renew
//! while requests come, and that nobody else can write to. Made only if some group wants it.

use crate::httpd::pool::{LastingRecord, ProcessPool};
use crate::scoreboard;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use wsgi_protocol::scoreboard::FILE_HEADER;
use wsgi_system::clock::monotonic_ns;
use wsgi_system::descriptors::KeptDescriptor;
use wsgi_system::memory::{KeptMapping, LastingMapping, MemorySeal, SharedMapping, memory_file, seal};

/// At most so often is the copy renewed, ns; and it takes at most a fiftieth of one CPU.
const INTERVAL: u64 = 50_000_000;
const SHARE: u64 = 50;
/// A child that has had the copy for so long has died over it, ns.
const STALE: u64 = 1_000_000_000;

/// Room for one worker, and for one process.
const WORKER: usize = 256;

/// What survives the unloading of the module.
#[repr(C)]
pub struct KeptBoard {
    memory: KeptMapping,
    fd: KeptDescriptor,
}

// SAFETY: numbers of what the process keeps.
unsafe impl LastingRecord for KeptBoard {
    const KEY: &'static CStr = c"mod_wsgi:board:1";

    fn initial(_: ProcessPool) -> Self {
        Self { memory: KeptMapping::NONE, fd: KeptDescriptor::NONE }
    }
}

/// The file by words. The first two are what readers look at ([`FILE_HEADER`] bytes): the version, which is odd while the rest
/// is written, and the length.
const VERSION: usize = 0;
const LENGTH: usize = 1;
/// When the child that writes began, monotonic ns; 0: none does.
const TAKEN: usize = 2;
/// Not to be renewed before this.
const NEXT: usize = 3;

/// The mapped file; stays as long as httpd's parent.
#[derive(Debug, Clone, Copy)]
pub struct StatusBoard {
    front: &'static [AtomicU64],
    copy: &'static [AtomicU64],
    /// For daemons.
    pub fd: BorrowedFd<'static>,
}

impl StatusBoard {
    /// The file of this httpd, made now if it is the first time that it is wanted.
    pub fn of(kept: &'static mut KeptBoard, workers: usize) -> io::Result<Self> {
        if kept.memory.get().is_none() {
            let (mapping, file) = create(FILE_HEADER + 64 * 1024 + workers * WORKER)?;
            kept.memory.keep(mapping);
            kept.fd.keep(file);
        }
        let words = |at: usize, len: usize| kept.memory.get()?.records(at, len / size_of::<AtomicU64>());
        let length = kept.memory.get().map_or(0, LastingMapping::length);
        let parts = words(0, FILE_HEADER).zip(words(FILE_HEADER, length.saturating_sub(FILE_HEADER)));
        let ((front, copy), fd) = parts.zip(kept.fd.borrow()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { front, copy, fd })
    }

    /// Renews the copy, if it is time and no other child does.
    pub fn renew(&self) {
        let now = monotonic_ns();
        let [version, length, taken, next] = [VERSION, LENGTH, TAKEN, NEXT].map(|word| &self.front[word]);
        if now < next.load(Relaxed) {
            return;
        }
        let since = taken.load(Relaxed);
        let is_free = since == 0 || now.saturating_sub(since) > STALE;
        if !is_free || taken.compare_exchange(since, now, Acquire, Relaxed).is_err() {
            return;
        }
        let bytes = scoreboard::snapshot().filter(|bytes| bytes.len() <= size_of_val(self.copy));
        if let Some(bytes) = bytes {
            let odd = version.load(Relaxed) | 1;
            version.store(odd, Relaxed);
            fence(Release);
            length.store(bytes.len() as u64, Relaxed);
            for (to, from) in self.copy.iter().zip(bytes.chunks(size_of::<AtomicU64>())) {
                let mut word = [0; size_of::<AtomicU64>()];
                word[..from.len()].copy_from_slice(from);
                to.store(u64::from_ne_bytes(word), Relaxed);
            }
            version.store(odd.wrapping_add(1), Release);
        }
        let end = monotonic_ns();
        next.store(end + INTERVAL.max(SHARE * (end - now)), Relaxed);
        taken.store(0, Release);
    }
}

/// This mapping stays writable; who gets the descriptor can only read.
fn create(len: usize) -> io::Result<(LastingMapping, OwnedFd)> {
    let file = memory_file(c"mod_wsgi board", len, MemorySeal::empty())?;
    let mapping = SharedMapping::of_file(file.as_fd(), len)?;
    let seals = MemorySeal::F_SEAL_SHRINK
        | MemorySeal::F_SEAL_GROW
        | MemorySeal::F_SEAL_FUTURE_WRITE
        | MemorySeal::F_SEAL_SEAL;
    seal(file.as_fd(), seals)?;
    Ok((mapping.leak(), file))
}
