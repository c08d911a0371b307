//! The requests of a process that its event loop runs, as the workers see them: they read a request and hand it over, until it
//! shows that all are for the loop, which then reads them itself.

use super::connection::READ_ROOM;
use super::os;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wsgi_protocol::launch::{ApplicationInterface, Launch};

/// Descriptors that WebSockets leave to everything else.
const SPARE: usize = 256;

/// So many requests in a row are for the loop before it reads them itself; twice as many when another kind comes.
const STREAK: u32 = 16;

/// Most that it takes. Where the loop has read so many before another kind came, it takes half as many the next time.
const MOST_NEEDED: u32 = 4096;

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
    /// How many there had been when the loop began to read.
    begun_by_workers: AtomicU64,
    /// Not everything is for the loop, by configuration or as has been seen.
    is_mixed: AtomicBool,
    /// That has been seen.
    has_other_kind: AtomicBool,
    /// The loop does not come by, and others wait for what it does not read.
    is_blocked: AtomicBool,
    /// The loop is reading, into this.
    is_reading: AtomicBool,
    buffer: Mutex<Vec<u8>>,
    /// For workers while there are as many as there may be, or while the loop reads.
    turns: (Mutex<()>, Condvar),
}

impl InLoop {
    /// For the process described by `launch`.
    pub(super) fn new(launch: &Launch) -> Self {
        let most = launch.requests_in_flight.max(1) as usize;
        Self {
            running: AtomicUsize::new(0),
            most,
            apart: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
            most_sockets: launch.websockets as usize,
            begun: AtomicU64::new(0),
            only: AtomicBool::new(false),
            reader: AtomicU8::new(WORKERS),
            streak: AtomicU32::new(0),
            needed: AtomicU32::new(STREAK),
            begun_by_workers: AtomicU64::new(0),
            is_mixed: AtomicBool::new(launch.interface != ApplicationInterface::Asgi),
            has_other_kind: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            is_reading: AtomicBool::new(false),
            buffer: Mutex::default(),
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
        let is_due = self.streak.fetch_add(1, Relaxed) + 1 >= self.needed.load(Relaxed);
        if !is_due || self.is_blocked.load(SeqCst) {
            return false;
        }
        self.begun_by_workers.store(self.begun(), Relaxed);
        self.reader.compare_exchange(WORKERS, LOOP, SeqCst, SeqCst).is_ok()
    }

    /// Whether the loop reads requests.
    #[inline]
    pub(super) fn is_read_by_loop(&self) -> bool {
        self.reader.load(SeqCst) == LOOP
    }

    /// Workers read again, because the loop cannot; whether it did.
    pub(super) fn give_reading_back(&self) -> bool {
        let did = self.reader.compare_exchange(LOOP, WORKERS, SeqCst, SeqCst).is_ok();
        if did {
            self.streak.store(0, Relaxed);
            self.notify();
        }
        did
    }

    /// The same because of a request that a worker must run.
    pub(super) fn give_back_for_other_kind(&self) {
        let read = self.begun().saturating_sub(self.begun_by_workers.load(Relaxed));
        if self.give_reading_back() {
            let needed = self.needed.load(Relaxed);
            let next = if read >= u64::from(MOST_NEEDED) { needed / 2 } else { needed * 2 };
            self.needed.store(next.clamp(STREAK, MOST_NEEDED), Relaxed);
        }
    }

    /// The loop does not come by, or does again. Workers read meanwhile, unless all is for the loop: that is better
    /// off unread.
    pub(super) fn set_blocked(&self, is_blocked: bool) {
        let is_awaited = is_blocked && self.is_mixed.load(Relaxed);
        self.is_blocked.store(is_awaited, SeqCst);
        if is_awaited {
            self.give_reading_back();
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

    /// What the loop reads into.
    pub(super) fn buffer(&self) -> MutexGuard<'_, Vec<u8>> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() > 4 * READ_ROOM {
            *buffer = Vec::new();
        }
        buffer
    }

    /// A worker waits as long as the loop reads.
    pub(super) fn wait_while_read(&self) {
        let turn = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turns.1.wait_while(turn, |()| self.is_read_by_loop()));
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

    /// One has come that only a worker could run, at that moment: from now on they are looked at before they are taken.
    #[inline]
    pub(super) fn look_before(&self) {
        if !self.has_other_kind.load(Relaxed) {
            self.has_other_kind.store(true, Relaxed);
        }
    }

    /// A worker has run one: there are others than the loop's.
    #[inline]
    pub(super) fn note_other_kind(&self) {
        self.look_before();
        if !self.is_mixed.load(Relaxed) {
            self.is_mixed.store(true, Relaxed);
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

    /// Whether the next request will be one of these, as far as that can be known without it: then no worker needs the GIL
    /// for it. `look` looks at it, where others have come before.
    #[inline]
    pub(super) fn is_next(&self, look: impl FnOnce() -> bool) -> bool {
        self.only.load(Relaxed) && (!self.has_other_kind.load(Relaxed) || look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_loop(interface: ApplicationInterface) -> InLoop {
        InLoop::new(&Launch { interface, requests_in_flight: 10_000, ..Launch::default() })
    }

    /// How many requests it takes until the loop reads.
    fn taken(in_loop: &InLoop) -> u32 {
        (1..)
            .find(|_| {
                in_loop.enter();
                in_loop.hands_reading_over()
            })
            .expect("it is bounded")
    }

    #[test]
    fn other_kinds_make_the_streak_longer_up_to_a_bound() {
        let in_loop = in_loop(ApplicationInterface::Auto);
        for needed in [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096] {
            assert_eq!(taken(&in_loop), needed);
            in_loop.give_back_for_other_kind();
        }
        assert_eq!(taken(&in_loop), 4096);
        assert!(in_loop.give_reading_back());
        assert_eq!(taken(&in_loop), 4096, "no other kind has come");
        (0..MOST_NEEDED).for_each(|_| in_loop.enter());
        in_loop.give_back_for_other_kind();
        assert_eq!(taken(&in_loop), 2048);
        in_loop.end_reading();
        assert!(!in_loop.give_reading_back() && !in_loop.is_read_by_loop());
    }

    #[test]
    fn a_blocked_loop_keeps_what_only_it_can_run() {
        for (interface, other, is_kept) in [
            (ApplicationInterface::Auto, false, false),
            (ApplicationInterface::Asgi, true, false),
            (ApplicationInterface::Asgi, false, true),
        ] {
            let in_loop = in_loop(interface);
            in_loop.look_before();
            taken(&in_loop);
            if other {
                in_loop.note_other_kind();
            }
            in_loop.set_blocked(true);
            assert_eq!(in_loop.is_read_by_loop(), is_kept);
            if !is_kept {
                assert!(!(0..STREAK * 2).any(|_| in_loop.hands_reading_over()));
                in_loop.set_blocked(false);
                assert!(in_loop.hands_reading_over());
            }
        }
    }
}
