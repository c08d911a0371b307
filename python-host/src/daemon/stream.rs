//! Where the collected blocks of a worker go: as one frame into its request's connection, without waiting for room there. It
//! carries them, or tells where in the memory that httpd shares they are collected.

use super::os::{self, WaitMode};
use super::response_memory::{LARGE, ResponseMemory};
use super::sending::send_error;
use crate::coalesce::{BlockSink, COPIED};
use crate::exchange::SendError;
use std::io::IoSlice;
use std::os::fd::{BorrowedFd, RawFd};
use wsgi_protocol::frame::{self, FrameKind, FromDaemon, HEADER_LEN};

/// The last frame of what is collected, as long as more may be added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenFrame {
    /// Begins at this byte of what is collected, and carries the blocks.
    Data(usize),
    /// Begins at `frame`, and tells of the bytes from `start` to `end` of the memory.
    Memory { frame: usize, start: usize, end: usize },
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct SocketSink {
    socket: RawFd,
    seq: u16,
    open: Option<OpenFrame>,
}

impl SocketSink {
    /// What is collected from now on is the response to the request `seq` on this connection.
    pub(super) fn begin(&mut self, socket: RawFd, seq: u16) {
        *self = Self { socket, seq, open: None };
    }

    /// Whether what is collected is a single frame with blocks in it, of which nothing has been sent.
    pub(super) fn is_one_frame(&self) -> bool {
        self.open == Some(OpenFrame::Data(0))
    }

    /// Adds a block; to `memory`, if the response is large enough, with what was collected until it was known to be.
    pub(super) fn add(&mut self, collected: &mut Vec<u8>, block: &[u8], memory: &mut ResponseMemory) {
        if self.is_one_frame()
            && collected.len() >= HEADER_LEN + LARGE
            && let Some(start) = memory.place(&collected[HEADER_LEN..])
        {
            let end = start + collected.len() - HEADER_LEN;
            collected.clear();
            self.tell(collected, start, end);
        }
        // Behind blocks that are in a frame: those are few, or the memory is full.
        let may_place = !matches!(self.open, Some(OpenFrame::Data(_)));
        match may_place.then(|| memory.place(block)).flatten() {
            Some(start) => self.tell(collected, start, start + block.len()),
            None => self.carry(collected, block),
        }
    }

    /// Puts a block into the frame.
    fn carry(&mut self, collected: &mut Vec<u8>, block: &[u8]) {
        let start = match self.open {
            Some(OpenFrame::Data(start)) => start,
            _ => frame::begin_frame(collected, FrameKind::Data, self.seq),
        };
        self.open = Some(OpenFrame::Data(start));
        collected.extend_from_slice(block);
        // Cannot be too long: it is sent when it is full.
        let _ = frame::end_frame(collected, start, 0);
    }

    /// Tells of bytes in the memory, with those before them if they follow each other.
    fn tell(&mut self, collected: &mut Vec<u8>, start: usize, end: usize) {
        let (frame, start) = match self.open {
            Some(OpenFrame::Memory { frame, start: first, end: before }) if before == start => (frame, first),
            _ => (collected.len(), start),
        };
        collected.truncate(frame);
        FromDaemon::Memory { offset: start as u32, length: (end - start) as u32 }
            .encode(self.seq)
            .put(collected);
        self.open = Some(OpenFrame::Memory { frame, start, end });
    }
}

impl BlockSink for SocketSink {
    const STACK: usize = 64 * 1024;
    // Each part wakes httpd, and then the client. With the longest block behind it a part has 256 KiB.
    const FULL: usize = 256 * 1024 - COPIED - HEADER_LEN;

    fn is_full(&self, amount: usize) -> bool {
        // In the memory there is room for them until it is full; then what comes next is in a frame.
        amount >= Self::FULL && !matches!(self.open, Some(OpenFrame::Memory { .. }))
    }

    fn send(&mut self, collected: &mut Vec<u8>, _flush: bool) -> Result<(), SendError> {
        self.open = None;
        // SAFETY: as long as anything is collected the worker keeps the connection open: it takes it, or forgets it, before the end.
        let socket = unsafe { BorrowedFd::borrow_raw(self.socket) };
        match os::send(socket, &[IoSlice::new(collected)], None, WaitMode::No) {
            Ok(sent) => drop(collected.drain(..sent)),
            // Full: whoever sends next waits for room; until then it is tried again.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(send_error(&error)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use wsgi_protocol::frame::RESPONSE_MEMORY;

    #[test]
    fn blocks_make_one_frame_until_somebody_sends() {
        let (mut sink, mut collected) = (SocketSink::default(), Vec::new());
        sink.begin(0, 7);
        let mut memory = ResponseMemory::default();
        sink.add(&mut collected, b"one", &mut memory);
        sink.add(&mut collected, b"two", &mut memory);
        assert_eq!(collected, [FromDaemon::Data(6).encode(7).prefix(), b"onetwo"].concat());
    }

    #[test]
    fn large_responses_are_collected_in_the_memory() {
        let (mut sink, mut collected) = (SocketSink::default(), Vec::new());
        let (mut memory, block) = (ResponseMemory::default(), vec![b'x'; LARGE]);
        let told = |start: usize, end: usize| {
            FromDaemon::Memory { offset: start as u32, length: (end - start) as u32 }.encode(7).to_vec()
        };
        memory.begin(true);
        memory.put(&block);
        memory.begin(true);
        assert!(memory.put(&block).is_some() && memory.take_file().is_some());
        memory.begin(true);
        sink.begin(0, 7);
        sink.add(&mut collected, &block[3..], &mut memory);
        sink.add(&mut collected, b"one", &mut memory);
        assert!(sink.is_one_frame(), "as long as it may be a small one");
        sink.add(&mut collected, b"two", &mut memory);
        assert_eq!(collected, told(0, LARGE + 3));
        sink.add(&mut collected, b"three", &mut memory);
        assert_eq!(collected, told(0, LARGE + 8));
        assert!(!sink.is_full(SocketSink::FULL), "it needs no room of its own");
        // As if sent: what follows is told of by a frame of its own.
        collected.clear();
        sink.begin(0, 7);
        sink.add(&mut collected, b"four", &mut memory);
        assert_eq!(collected, told(LARGE + 8, LARGE + 12));
        let rest = vec![b'y'; RESPONSE_MEMORY];
        sink.add(&mut collected, &rest, &mut memory);
        sink.add(&mut collected, b"five", &mut memory);
        let carried = [FromDaemon::Data(rest.len() as u32 + 4).encode(7).prefix(), &rest, b"five"].concat();
        assert!(collected == [told(LARGE + 8, LARGE + 12), carried].concat());
        assert!(sink.is_full(SocketSink::FULL));
    }

    #[test]
    fn a_full_socket_and_a_closed_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (mut sink, mut collected) = (SocketSink::default(), Vec::new());
        sink.begin(ours.as_raw_fd(), 1);
        let big = vec![b'x'; 4 << 20];
        sink.carry(&mut collected, &big);
        sink.send(&mut collected, true).unwrap();
        let left = collected.len();
        assert!(left > 0 && left < big.len());
        // The rest begins in the middle of a frame: what is added makes a frame of its own behind it.
        sink.carry(&mut collected, b"end");
        assert_eq!(collected[left..], [FromDaemon::Data(3).encode(1).prefix(), b"end"].concat());
        let mut first = vec![0; HEADER_LEN + big.len() - left];
        theirs.read_exact(&mut first).unwrap();
        drop(theirs);
        assert_eq!(sink.send(&mut collected, true), Err(SendError::ClientGone));
    }
}
