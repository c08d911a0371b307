//! The requests of a process that its event loop runs, as the workers see them: they read a request and hand it over.

use super::os;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Descriptors that WebSockets leave to everything else.
const SPARE: usize = 256;

/// See the module's comment.
#[derive(Debug)]
pub(super) struct InLoop {
    running: AtomicUsize,
    most: usize,
    /// WebSockets on their own sockets, which are not among them.
    apart: AtomicUsize,
    /// All WebSockets, and how many there may be.
    sockets: AtomicUsize,
    most_sockets: usize,
    begun: AtomicU64,
    /// The last request was for the event loop.
    only: AtomicBool,
    /// For workers while there are as many as there may be.
    turns: (Mutex<()>, Condvar),
}

impl InLoop {
    /// Up to `most` requests at once, and `most_sockets` WebSockets.
    pub(super) fn new(most: u32, most_sockets: u32) -> Self {
        let most = most.max(1) as usize;
        Self {
            running: AtomicUsize::new(0),
            most,
            apart: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
            most_sockets: most_sockets as usize,
            begun: AtomicU64::new(0),
            only: AtomicBool::new(false),
            turns: Default::default(),
        }
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
        if self.running.fetch_sub(1, SeqCst) == self.most {
            drop(self.turns.0.lock().unwrap_or_else(PoisonError::into_inner));
            self.turns.1.notify_all();
        }
    }

    /// A WebSocket has got its own socket: it takes no request's place any more.
    pub(super) fn set_apart(&self) {
        self.apart.fetch_add(1, SeqCst);
        self.leave();
    }

    /// One of these has ended.
    pub(super) fn leave_apart(&self) {
        self.apart.fetch_sub(1, SeqCst);
    }

    /// A WebSocket is opened; false: there are as many as there may be, by the limit or for lack of descriptors.
    pub(super) fn open_socket(&self) -> bool {
        let open = self.sockets.fetch_add(1, SeqCst);
        let is_room = open < self.most_sockets && os::has_descriptors(open + SPARE);
        if !is_room {
            self.close_socket();
        }
        is_room
    }

    /// One is closed.
    pub(super) fn close_socket(&self) {
        self.sockets.fetch_sub(1, SeqCst);
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
        self.running.load(SeqCst) + self.apart.load(SeqCst)
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

    /// Waits for a while, or until there is room again.
    pub(super) fn wait_for_room(&self, limit: Duration) {
        let turn = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turns.1.wait_timeout_while(turn, limit, |()| self.is_full()));
    }

    /// Whether the next request will be one of these, as far as that can be known: then no worker needs the GIL for it.
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.only.load(Relaxed)
    }
}
