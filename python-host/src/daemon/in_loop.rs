//! The requests of a process that its event loop runs, as the workers see them: they read a request and hand it over.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

/// See the module's comment.
#[derive(Debug)]
pub(super) struct InLoop {
    running: AtomicUsize,
    most: usize,
    begun: AtomicU64,
    /// The last request was for the event loop.
    only: AtomicBool,
}

impl InLoop {
    /// Up to `most` requests at once.
    pub(super) fn new(most: u32) -> Self {
        let most = most.max(1) as usize;
        Self { running: AtomicUsize::new(0), most, begun: AtomicU64::new(0), only: AtomicBool::new(false) }
    }

    /// A request is handed over.
    pub(super) fn enter(&self) {
        self.running.fetch_add(1, SeqCst);
        self.begun.fetch_add(1, Relaxed);
        if !self.only.load(Relaxed) {
            self.only.store(true, Relaxed);
        }
    }

    /// One has ended.
    pub(super) fn leave(&self) {
        self.running.fetch_sub(1, SeqCst);
    }

    /// A worker runs a request itself.
    #[inline]
    pub(super) fn pass(&self) {
        if self.only.load(Relaxed) {
            self.only.store(false, Relaxed);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.running.load(SeqCst)
    }

    /// How many there have been.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Whether there are as many as there may be.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.running.load(Relaxed) >= self.most
    }

    /// Whether the next request will be one of these, as far as that can be known: then no worker needs the GIL for it.
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.only.load(Relaxed)
    }
}
