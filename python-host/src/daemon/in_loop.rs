//! The requests of a process that its event loop runs, as the workers see them: they read a request and hand it over, until it
//! shows that all are for the loop, which then reads them itself.

use super::os;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Descriptors that WebSockets leave to everything else.
const SPARE: usize = 256;

/// So many requests in a row are for the loop before it reads them itself; twice as many each time that another kind came then.
const STREAK: u32 = 16;

/// Who reads requests.
const WORKERS: u8 = 0;
const LOOP: u8 = 1;
/// Workers, or nobody; it stays so.
const ENDED: u8 = 2;

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
    /// Who reads requests now.
    reader: AtomicU8,
    /// How many in a row were for the loop, and how many it takes.
    streak: AtomicU32,
    needed: AtomicU32,
    /// The loop is reading.
    is_reading: AtomicBool,
    /// For workers while there are as many as there may be, or while the loop reads.
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
            reader: AtomicU8::new(WORKERS),
            streak: AtomicU32::new(0),
            needed: AtomicU32::new(STREAK),
            is_reading: AtomicBool::new(false),
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

    /// One has ended; whether there was room for none before.
    pub(super) fn leave(&self) -> bool {
        let was_full = self.running.fetch_sub(1, SeqCst) == self.most;
        if was_full {
            self.notify();
        }
        was_full
    }

    fn notify(&self) {
        drop(self.turns.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.turns.1.notify_all();
    }

    /// A worker has handed a request over; whether the loop reads the next ones itself from now on.
    pub(super) fn hands_reading_over(&self) -> bool {
        self.streak.fetch_add(1, Relaxed) + 1 >= self.needed.load(Relaxed)
            && self.reader.compare_exchange(WORKERS, LOOP, SeqCst, SeqCst).is_ok()
    }

    /// Whether the loop reads requests.
    #[inline]
    pub(super) fn is_read_by_loop(&self) -> bool {
        self.reader.load(SeqCst) == LOOP
    }

    /// Workers read again: not all requests are for the loop, or it cannot.
    pub(super) fn give_reading_back(&self) {
        if self.reader.compare_exchange(LOOP, WORKERS, SeqCst, SeqCst).is_ok() {
            let needed = self.needed.load(Relaxed);
            self.needed.store(needed.saturating_mul(2), Relaxed);
            self.streak.store(0, Relaxed);
            self.notify();
        }
    }

    /// The loop reads no more, ever.
    pub(super) fn end_reading(&self) {
        self.reader.store(ENDED, SeqCst);
        self.notify();
    }

    /// The loop is reading now, or is not: what it has in hand is counted meanwhile.
    pub(super) fn set_reading(&self, is_reading: bool) {
        self.is_reading.store(is_reading, SeqCst);
    }

    /// A worker waits as long as the loop reads.
    pub(super) fn wait_while_read(&self) {
        let turn = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turns.1.wait_while(turn, |()| self.is_read_by_loop()));
    }

    /// How many more there may be.
    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.running.load(SeqCst))
    }

    /// A WebSocket has got its own socket: it takes no request's place any more. As [`InLoop::leave`].
    pub(super) fn set_apart(&self) -> bool {
        self.apart.fetch_add(1, SeqCst);
        self.leave()
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
            self.streak.store(0, Relaxed);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let in_hand = usize::from(self.is_reading.load(SeqCst));
        in_hand + self.running.load(SeqCst) + self.apart.load(SeqCst)
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
