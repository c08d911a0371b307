//! Blocks that follow each other quickly leave together: a worker collects them, and the flusher thread sends what the
//! worker does not come back for, so that no block waits for the application (PEP 3333, "Buffering and Streaming").

use super::os::{self, WaitMode};
use super::socket_exchange::{UnsentRecord, send_error};
use crate::exchange::SendError;
use crate::scheduler::wakeup::Wakeup;
use std::io::IoSlice;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;
use wsgi_protocol::frame::{self, FrameKind};

/// Longest time a block waits for the next one; also the flusher's step. httpd waits longer before it flushes
/// (`response-flush-delay`), so nobody can tell.
const STEP: Duration = Duration::from_micros(500);

/// Steps without work after which the flusher goes to sleep.
const CALM_STEPS: u32 = 8;

/// A send is worth its price from this size on.
const FULL: usize = 64 * 1024;

/// What one worker has collected.
#[derive(Debug, Default)]
pub(super) struct ResponseStream {
    /// Something is held, or an error is to be told; only the worker sets it.
    dirty: AtomicBool,
    held: Mutex<HeldBlocks>,
}

#[derive(Debug, Default)]
struct HeldBlocks {
    socket: RawFd,
    bytes: Vec<u8>,
    /// Where the last frame begins if more may be added to it.
    open: Option<usize>,
    /// When the first of the bytes came, monotonic ns.
    since: u64,
    error: Option<SendError>,
}

impl ResponseStream {
    fn lock(&self) -> MutexGuard<'_, HeldBlocks> {
        // Nothing panics between two writes.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is held.
    #[inline]
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Acquire)
    }

    /// Adds a block; whether so much is held now that it should be sent at once.
    ///
    /// # Errors
    /// The flusher could not send what was held before.
    pub(super) fn hold(&self, socket: RawFd, seq: u16, block: &[u8], now: u64) -> Result<bool, SendError> {
        let mut held = self.lock();
        if let Some(error) = &held.error {
            return Err(error.clone());
        }
        if held.bytes.is_empty() {
            (held.socket, held.since) = (socket, now);
            held.bytes.reserve(FULL + block.len());
        }
        let HeldBlocks { bytes, open, .. } = &mut *held;
        let start = *open.get_or_insert_with(|| frame::begin_frame(bytes, FrameKind::Data, seq));
        bytes.extend_from_slice(block);
        // Cannot be too long: it is sent when it is FULL.
        let _ = frame::end_frame(bytes, start, 0);
        let is_full = bytes.len() >= FULL;
        self.dirty.store(true, Release);
        Ok(is_full)
    }

    /// Takes what is held, to be sent before anything else, in exchange for an empty buffer.
    ///
    /// # Errors
    /// The flusher could not send what was held before.
    pub(super) fn take(&self, bytes: &mut Vec<u8>) -> Result<(), SendError> {
        let mut held = self.lock();
        std::mem::swap(bytes, &mut held.bytes);
        held.open = None;
        self.dirty.store(false, Relaxed);
        held.error.take().map_or(Ok(()), Err)
    }

    /// Sends what has been waiting for a step; whether anything is held.
    fn flush(&self, now: u64) -> bool {
        if !self.is_dirty() {
            return false;
        }
        let mut held = self.lock();
        if held.bytes.is_empty() {
            return false;
        }
        if now.saturating_sub(held.since) < STEP.as_nanos() as u64 {
            return true;
        }
        held.open = None;
        // SAFETY: as long as anything is held its worker keeps the connection open: `take` comes before the end.
        let socket = unsafe { BorrowedFd::borrow_raw(held.socket) };
        match os::send(socket, &[IoSlice::new(&held.bytes)], None, WaitMode::No) {
            Ok(sent) => drop(held.bytes.drain(..sent)),
            // Full: whoever sends next waits for room; until then it is tried again.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => held.since = now,
            Err(error) => {
                held.error = Some(send_error(&error));
                held.bytes.clear();
            }
        }
        let is_empty = held.bytes.is_empty();
        if is_empty && held.error.is_none() {
            self.dirty.store(false, Release);
        }
        !is_empty
    }

    /// Whether there is something to send.
    fn is_waiting(&self) -> bool {
        self.is_dirty() && !self.lock().bytes.is_empty()
    }
}

/// The streams of all workers, and the thread that looks after them.
#[derive(Debug)]
pub(super) struct StreamFlusher {
    streams: Box<[ResponseStream]>,
    wakeup: Wakeup,
    start: Once,
    runs: AtomicBool,
}

impl StreamFlusher {
    /// For so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            streams: (0..workers).map(|_| ResponseStream::default()).collect(),
            wakeup: Wakeup::default(),
            start: Once::new(),
            runs: AtomicBool::new(false),
        }
    }

    /// The stream of a worker.
    pub(super) fn stream(&self, worker: usize) -> &ResponseStream {
        &self.streams[worker]
    }

    /// Whether somebody looks at what is held; asked before anything is.
    pub(super) fn is_there(&'static self, unsent: UnsentRecord) -> bool {
        self.start.call_once(|| {
            let thread = thread::Builder::new().name("wsgi-flusher".into()).stack_size(64 * 1024);
            match thread.spawn(|| self.run()) {
                Ok(_) => self.runs.store(true, Relaxed),
                Err(error) => {
                    unsent(4, format!("No thread to send collected blocks: {error}.").as_bytes());
                }
            }
        });
        self.runs.load(Relaxed)
    }

    /// Something is held: from now on the thread looks at it.
    pub(super) fn watch(&self) {
        self.wakeup.ring();
    }

    /// The thread; it lives as long as the process and knows nothing of Python.
    fn run(&self) {
        self.wakeup.listen();
        os::sleep_exactly();
        loop {
            let mut calm = 0;
            while calm < CALM_STEPS {
                thread::sleep(STEP);
                let now = os::now_ns();
                let busy = self.streams.iter().filter(|stream| stream.flush(now)).count() > 0;
                calm = if busy { 0 } else { calm + 1 };
            }
            self.wakeup.sleep_unless(|| self.streams.iter().any(ResponseStream::is_waiting));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use wsgi_protocol::frame::{HEADER_LEN, put_frame};

    #[test]
    fn blocks_make_one_frame_until_somebody_sends() {
        let stream = ResponseStream::default();
        assert!(!stream.hold(0, 7, b"one", 1).unwrap());
        assert!(!stream.hold(0, 7, b"two", 2).unwrap());
        let (mut taken, mut expected) = (Vec::new(), Vec::new());
        stream.take(&mut taken).unwrap();
        put_frame(&mut expected, FrameKind::Data, 7, b"onetwo");
        assert_eq!(taken, expected);
        assert!(!stream.is_dirty());
        assert!(stream.hold(0, 7, &vec![b'x'; FULL], 3).unwrap(), "enough for a send");
    }

    #[test]
    fn what_the_worker_does_not_come_back_for_is_sent() {
        let flusher: &'static StreamFlusher = Box::leak(Box::new(StreamFlusher::new(2)));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for round in 0..3 {
            let mut got = [0; HEADER_LEN + 5];
            flusher.stream(1).hold(ours.as_raw_fd(), 1, b"block", os::now_ns()).unwrap();
            assert!(flusher.is_there(|_, _| ()));
            flusher.watch();
            theirs.read_exact(&mut got).unwrap();
            assert_eq!(&got[HEADER_LEN..], b"block", "round {round}");
            // Long enough for it to go to sleep.
            thread::sleep(STEP * 4 * CALM_STEPS);
        }
    }

    #[test]
    fn a_full_socket_and_a_closed_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stream = ResponseStream::default();
        let big = vec![b'x'; 4 << 20];
        stream.hold(ours.as_raw_fd(), 1, &big, 0).unwrap();
        assert!(stream.flush(u64::MAX / 2));
        // The rest begins in the middle of a frame: what is added makes a frame of its own behind it.
        stream.hold(ours.as_raw_fd(), 1, b"end", 0).unwrap();
        let mut rest = Vec::new();
        stream.take(&mut rest).unwrap();
        assert!(rest.len() < big.len() && rest.ends_with(b"end"));
        assert_eq!(rest[rest.len() - 3 - HEADER_LEN], FrameKind::Data as u8);
        let mut first = vec![0; HEADER_LEN + big.len() + HEADER_LEN + 3 - rest.len()];
        theirs.read_exact(&mut first).unwrap();
        drop(theirs);
        stream.hold(ours.as_raw_fd(), 1, b"late", 0).unwrap();
        assert!(!stream.flush(u64::MAX / 2));
        assert_eq!(stream.hold(ours.as_raw_fd(), 1, b"more", 0), Err(SendError::ClientGone));
        assert_eq!(stream.take(&mut Vec::new()), Err(SendError::ClientGone));
    }
}
