//! Blocks of a response that follow each other quickly are collected and leave together. Flusher threads send what the application
//! does not come back for, so that no block waits for longer than [`DELAY`] (PEP 3333, "Buffering and Streaming").
//!
//! The objects of httpd behind a sink belong to one thread at a time: a flusher uses them only under the lock of a coalescer that holds
//! something, and the request's thread only after it has emptied it, or under that lock.

mod flusher;

use crate::exchange::SendError;
use flusher::{FLUSHERS, FlusherLook, FlusherTarget};
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a block is held, ns.
const DELAY: u64 = 1_000_000;

/// A block that comes within this time of the last send, ns, is collected with what follows; a slower one leaves at once.
const QUICK: u64 = 500_000;

/// Blocks up to this size are copied, so that they leave together with what follows: that costs less than another send.
pub const COPIED: usize = 32 * 1024;

/// Room that is made for the first block.
const FIRST_ROOM: usize = 64 * 1024;

/// Gives the GIL up, if the calling thread has it, around a wait.
pub type WithoutGil = fn(&mut dyn FnMut());

/// Where collected blocks go.
pub trait BlockSink: Send + 'static {
    /// Bytes of stack that a thread needs to send.
    const STACK: usize;
    /// Bytes that are worth a send.
    const FULL: usize;

    /// Whether `amount` bytes of blocks, which were held since anything has been, are worth a send.
    fn is_full(&self, amount: usize) -> bool {
        amount >= Self::FULL
    }

    /// Sends from the front of what is collected, and takes it off; with `flush` so that it leaves at once. What cannot be sent now
    /// stays.
    ///
    /// # Errors
    /// Nothing can be sent any more.
    fn send(&mut self, collected: &mut Vec<u8>, flush: bool) -> Result<(), SendError>;
}

/// When a block last left.
#[derive(Debug, Default)]
pub struct LastSend {
    at: u64,
}

impl LastSend {
    /// A block has left now, monotonic ns.
    pub fn note(&mut self, now: u64) {
        self.at = now;
    }

    /// Whether that was a moment ago.
    pub fn is_recent(&self, now: u64) -> bool {
        now.saturating_sub(self.at) < QUICK
    }

    /// When that was; 0: never.
    pub fn at(&self) -> u64 {
        self.at
    }
}

/// What becomes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBlock {
    /// It waits for what follows it.
    Waits,
    /// What is held has to be sent now: it is enough, or nobody else would send it.
    Due,
}

/// The blocks of one request at a time.
pub struct BlockCoalescer<S> {
    /// Something is held, or an error is to be told; seen without the lock.
    dirty: AtomicBool,
    held: Mutex<HeldBlocks<S>>,
    without_gil: WithoutGil,
}

struct HeldBlocks<S> {
    bytes: Vec<u8>,
    /// Bytes of all blocks since something has been held; a sink may keep them elsewhere than in `bytes`.
    amount: usize,
    /// When the first of them was held, monotonic ns.
    since: u64,
    /// A flusher knows of it.
    watched: bool,
    broken: Option<SendError>,
    sink: S,
}

impl<S: BlockSink> HeldBlocks<S> {
    fn send(&mut self, flush: bool) -> Result<(), SendError> {
        if let Some(error) = &self.broken {
            self.bytes.clear();
            return Err(error.clone());
        }
        if self.bytes.is_empty() {
            return Ok(());
        }
        let sent = self.sink.send(&mut self.bytes, flush);
        let sent = sent.inspect_err(|error| {
            self.bytes.clear();
            self.broken = Some(error.clone());
        });
        self.shrink();
        sent
    }

    /// Keeps no more than [`FIRST_ROOM`] where nothing is held.
    fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > FIRST_ROOM {
            self.bytes = Vec::new();
        }
    }

    fn is_dirty(&self) -> bool {
        !self.bytes.is_empty() || self.broken.is_some()
    }
}

impl<S: BlockSink> BlockCoalescer<S> {
    /// One that sends into `sink`, which no flusher uses any more once [`BlockCoalescer::take`], [`BlockCoalescer::send`] or
    /// [`BlockCoalescer::forget`] was called last.
    pub fn new(sink: S, without_gil: WithoutGil) -> Arc<Self> {
        let held = HeldBlocks { bytes: Vec::new(), amount: 0, since: 0, watched: false, broken: None, sink };
        Arc::new(Self { dirty: AtomicBool::new(false), held: Mutex::new(held), without_gil })
    }

    /// Whether anything is held, or an error is to be told. The request's thread is the only one that makes it so.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Acquire)
    }

    /// Holds a block of `length` bytes, which `append` adds to what is held, under the lock.
    ///
    /// # Errors
    /// What was held before could not be sent.
    pub fn hold(
        self: &Arc<Self>,
        length: usize,
        now: u64,
        append: impl FnOnce(&mut S, &mut Vec<u8>),
    ) -> Result<HeldBlock, SendError> {
        let mut held = self.locked();
        if let Some(error) = &held.broken {
            return Err(error.clone());
        }
        let HeldBlocks { bytes, amount, since, sink, .. } = &mut *held;
        if bytes.is_empty() {
            (*since, *amount) = (now, 0);
            bytes.reserve(S::FULL.min(FIRST_ROOM));
        }
        append(sink, bytes);
        *amount += length;
        self.dirty.store(true, Release);
        if held.sink.is_full(held.amount) {
            return Ok(HeldBlock::Due);
        }
        held.watched = held.watched || FLUSHERS.watch(self.clone(), S::STACK);
        Ok(if held.watched { HeldBlock::Waits } else { HeldBlock::Due })
    }

    /// Takes what is held, to be sent before anything else, and what `look` says of the sink.
    ///
    /// # Errors
    /// Something before could not be sent.
    pub fn take<T>(&self, look: impl FnOnce(&S) -> T) -> Result<(Vec<u8>, T), SendError> {
        let mut held = self.locked();
        let bytes = std::mem::take(&mut held.bytes);
        let found = look(&held.sink);
        self.dirty.store(held.is_dirty(), Release);
        held.broken.clone().map_or(Ok((bytes, found)), Err)
    }

    /// Sends what is held. The calling thread has given the GIL up.
    ///
    /// # Errors
    /// That, or something before, could not be sent.
    pub fn send(&self, flush: bool) -> Result<(), SendError> {
        let mut held = self.locked();
        let sent = held.send(flush);
        self.dirty.store(held.is_dirty(), Release);
        sent
    }

    /// Forgets what is held, and what could not be sent: the request is over.
    pub fn forget(&self) {
        let mut held = self.locked();
        held.bytes.clear();
        held.shrink();
        held.broken = None;
        self.dirty.store(false, Release);
    }

    /// Runs `f` while nobody else uses the sink.
    pub fn alone<T>(&self, f: impl FnOnce() -> T) -> T {
        let _held = self.locked();
        f()
    }

    /// Whether nothing could be sent any more; `None` while somebody is sending.
    pub fn is_broken(&self) -> Option<bool> {
        self.held.try_lock().ok().map(|held| held.broken.is_some())
    }

    fn locked(&self) -> MutexGuard<'_, HeldBlocks<S>> {
        let mut held = self.held.try_lock().ok();
        if held.is_none() {
            // A flusher may be sending to a slow client: others shall have the GIL meanwhile. Nothing panics under this lock:
            // callbacks of httpd catch panics.
            (self.without_gil)(&mut || held = Some(self.held.lock().unwrap_or_else(PoisonError::into_inner)));
        }
        held.unwrap_or_else(|| self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: BlockSink> FlusherTarget for BlockCoalescer<S> {
    fn inspect(&self, now: u64) -> FlusherLook {
        // Whoever has it locked is sending.
        let Ok(mut held) = self.held.try_lock() else { return FlusherLook::Again(now + DELAY) };
        if held.bytes.is_empty() {
            held.watched = false;
            return FlusherLook::Done;
        }
        let due = held.since + DELAY;
        if now < due { FlusherLook::Again(due) } else { FlusherLook::Due }
    }

    fn flush(&self, now: u64) {
        // The request's thread is told by its next block.
        let _ = self.send(true);
        if let Ok(mut held) = self.held.try_lock() {
            // What did not go is tried again later, not at once.
            held.since = now;
        }
    }
}

#[cfg(test)]
mod tests;
