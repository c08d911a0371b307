//! Where blocks of a response that follow each other quickly are collected, and the threads that send them on when the
//! application does not come back in time: no block waits for longer than [`DELAY`], whatever the application does.
//!
//! httpd's objects belong to one thread at a time. A flusher uses them only under the lock of an outlet that holds
//! something, and the request thread only after it has emptied the outlet, or under that lock.

use crate::exchange::SendError;
use crate::scheduler::block_signals;
use crate::scheduler::clock::now_ns;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a block is held, ns.
const DELAY: u64 = 1_000_000;

/// How much is held.
const ENOUGH: usize = 32 * 1024;

/// Sends bytes to the client; with `true` so that they leave at once.
pub type ClientSink = Box<dyn FnMut(&[u8], bool) -> Result<(), SendError> + Send>;

/// Gives the GIL up, if the calling thread has it, around a wait.
pub type WithoutGil = fn(&mut dyn FnMut());

/// The blocks of one request.
pub struct ResponseOutlet {
    held: Mutex<HeldOutput>,
    released: WithoutGil,
}

struct HeldOutput {
    bytes: Vec<u8>,
    /// When the first of them was held, monotonic ns.
    since: u64,
    /// A flusher knows of this outlet.
    listed: bool,
    broken: Option<SendError>,
    sink: ClientSink,
}

impl HeldOutput {
    fn send(&mut self, flush: bool) -> Result<(), SendError> {
        if !self.bytes.is_empty() && self.broken.is_none() {
            self.broken = (self.sink)(&self.bytes, flush).err();
        }
        self.bytes.clear();
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl ResponseOutlet {
    /// An outlet into `sink`, which is not used any more once [`ResponseOutlet::send`] or [`ResponseOutlet::close`] was called last.
    pub fn new(sink: ClientSink, released: WithoutGil) -> Arc<Self> {
        let bytes = Vec::with_capacity(ENOUGH);
        let held = Mutex::new(HeldOutput { bytes, since: 0, listed: false, broken: None, sink });
        Arc::new(Self { held, released })
    }

    /// Holds a block. False: [`ResponseOutlet::send`] has to follow.
    ///
    /// # Errors
    /// What was held before could not be sent.
    pub fn hold(self: &Arc<Self>, block: &[u8], now: u64) -> Result<bool, SendError> {
        let mut held = self.locked();
        if let Some(error) = &held.broken {
            return Err(error.clone());
        }
        if held.bytes.is_empty() {
            held.since = now;
        }
        held.bytes.extend_from_slice(block);
        if held.bytes.len() >= ENOUGH {
            return Ok(false);
        }
        held.listed = held.listed || FLUSHERS.list(self.clone());
        Ok(held.listed)
    }

    /// Sends what is held. The calling thread has given the GIL up.
    ///
    /// # Errors
    /// That, or something before, could not be sent.
    pub fn send(&self, flush: bool) -> Result<(), SendError> {
        self.locked().send(flush)
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

    /// Forgets what is held: the request is over.
    pub fn close(&self) {
        self.locked().bytes.clear();
    }

    fn locked(&self) -> MutexGuard<'_, HeldOutput> {
        let mut held = self.held.try_lock().ok();
        if held.is_none() {
            // A flusher may be sending to a slow client: others shall have the GIL meanwhile. Nothing panics under
            // this lock: callbacks of httpd catch panics.
            (self.released)(&mut || held = Some(self.held.lock().unwrap_or_else(PoisonError::into_inner)));
        }
        held.unwrap_or_else(|| self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A flusher looks: when it shall look again, if it shall.
    fn inspect(&self, now: u64) -> FlusherLook {
        // Whoever has it locked is sending.
        let Ok(mut held) = self.held.try_lock() else { return FlusherLook::Again(now + DELAY) };
        if held.bytes.is_empty() {
            held.listed = false;
            return FlusherLook::Done;
        }
        let due = held.since + DELAY;
        if now < due { FlusherLook::Again(due) } else { FlusherLook::Due }
    }
}

enum FlusherLook {
    Done,
    Again(u64),
    Due,
}

/// The flushers of this process: one that watches, and as many more as are kept by slow clients.
struct OutletFlushers {
    books: Mutex<FlusherBooks>,
    wakeup: Condvar,
}

struct FlusherBooks {
    /// What to look at, and when.
    list: VecDeque<(u64, Arc<ResponseOutlet>)>,
    /// A flusher sleeps until the next of the list is due.
    watched: bool,
    /// Flushers that wait for the list, or are about to.
    idle: usize,
}

static FLUSHERS: OutletFlushers = OutletFlushers {
    books: Mutex::new(FlusherBooks { list: VecDeque::new(), watched: false, idle: 0 }),
    wakeup: Condvar::new(),
};

impl OutletFlushers {
    fn books(&self) -> MutexGuard<'_, FlusherBooks> {
        // Nothing panics under this lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an outlet looked at. False: nobody can.
    fn list(&'static self, outlet: Arc<ResponseOutlet>) -> bool {
        let mut books = self.books();
        books.list.push_back((now_ns() + DELAY, outlet));
        let provided = self.provide(&mut books);
        if !provided {
            books.list.pop_back();
        }
        provided
    }

    /// Sees to it that somebody watches the list.
    fn provide(&'static self, books: &mut FlusherBooks) -> bool {
        if books.watched || books.list.is_empty() {
            return true;
        }
        if books.idle > 0 {
            self.wakeup.notify_one();
            return true;
        }
        let flusher = thread::Builder::new().name("wsgi-flush".to_owned()).spawn(|| self.run());
        books.idle += usize::from(flusher.is_ok());
        flusher.is_ok()
    }

    /// The body of a flusher.
    fn run(&'static self) {
        block_signals();
        let mut books = self.books();
        loop {
            let next = if books.watched { None } else { books.list.pop_front() };
            let Some((due, outlet)) = next else {
                books = self.wakeup.wait(books).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            (books.watched, books.idle) = (true, books.idle - 1);
            drop(books);
            let pause = due.saturating_sub(now_ns());
            if pause > 0 {
                thread::sleep(Duration::from_nanos(pause));
            }
            let look = outlet.inspect(now_ns());
            books = self.books();
            books.watched = false;
            match look {
                FlusherLook::Done => {}
                FlusherLook::Again(at) => books.list.push_back((at, outlet)),
                FlusherLook::Due => {
                    self.provide(&mut books);
                    drop(books);
                    // The request thread is told by its next block.
                    let _ = outlet.send(true);
                    books = self.books();
                    books.list.push_back((now_ns() + DELAY, outlet));
                }
            }
            books.idle += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn outlet() -> (Arc<ResponseOutlet>, mpsc::Receiver<(usize, bool)>) {
        let (sender, sent) = mpsc::channel();
        let sink = move |bytes: &[u8], flush: bool| {
            sender.send((bytes.len(), flush)).map_err(|_| SendError::ClientGone)
        };
        (ResponseOutlet::new(Box::new(sink), |f| f()), sent)
    }

    #[test]
    fn what_the_application_does_not_follow_up_leaves_by_itself() {
        let (outlet, sent) = outlet();
        for _ in 0..3 {
            assert_eq!(outlet.hold(b"block", now_ns()), Ok(true));
            assert_eq!(sent.recv(), Ok((5, true)));
        }
    }

    #[test]
    fn much_is_sent_by_the_request_itself() {
        let (outlet, sent) = outlet();
        // As if just held, so that no flusher finds it due.
        while outlet.hold(&[0; 4096], u64::MAX - DELAY) == Ok(true) {}
        outlet.send(false).unwrap();
        assert_eq!(sent.try_recv(), Ok((ENOUGH, false)));
        outlet.send(true).unwrap();
        assert!(sent.try_recv().is_err());
    }

    #[test]
    fn a_failure_stays_and_a_closed_outlet_sends_nothing() {
        let (outlet, sent) = outlet();
        assert_eq!(outlet.hold(b"lost", now_ns()), Ok(true));
        outlet.close();
        outlet.send(true).unwrap();
        drop(sent);
        assert_eq!(outlet.hold(b"block", u64::MAX - DELAY), Ok(true));
        assert_eq!(outlet.send(true), Err(SendError::ClientGone));
        assert_eq!(outlet.hold(b"block", now_ns()), Err(SendError::ClientGone));
        assert_eq!(outlet.is_broken(), Some(true));
    }

    #[test]
    fn one_slow_client_does_not_hold_up_others() {
        let (release, slow) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let sink = move |_: &[u8], _| {
            started.send(()).unwrap();
            let _ = slow.recv();
            Ok(())
        };
        let stuck = ResponseOutlet::new(Box::new(sink), |f| f());
        stuck.hold(b"block", now_ns()).unwrap();
        start.recv().unwrap();
        let (quick, sent) = outlet();
        quick.hold(b"block", now_ns()).unwrap();
        assert_eq!(sent.recv(), Ok((5, true)));
        drop(release);
    }
}
