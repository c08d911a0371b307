//! Where the collected blocks of a worker go: as one DATA frame into its request's connection, without waiting for room there.

use super::os::{self, WaitMode};
use super::sending::send_error;
use crate::coalesce::{BlockSink, COPIED};
use crate::exchange::SendError;
use std::io::IoSlice;
use std::os::fd::{BorrowedFd, RawFd};
use wsgi_protocol::frame::{self, FrameKind, HEADER_LEN};

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct SocketSink {
    socket: RawFd,
    seq: u16,
    /// Where the last frame begins if more may be added to it.
    open: Option<usize>,
}

impl SocketSink {
    /// What is collected from now on is the response to the request `seq` on this connection.
    pub(super) fn begin(&mut self, socket: RawFd, seq: u16) {
        *self = Self { socket, seq, open: None };
    }

    /// Whether what is collected is a single frame, of which nothing has been sent.
    pub(super) fn is_one_frame(&self) -> bool {
        self.open == Some(0)
    }
}

impl BlockSink for SocketSink {
    const STACK: usize = 64 * 1024;
    // Each part wakes httpd, and then the client. With the longest block behind it a part has 256 KiB.
    const FULL: usize = 256 * 1024 - COPIED - HEADER_LEN;

    fn append(&mut self, collected: &mut Vec<u8>, block: &[u8]) {
        let start =
            *self.open.get_or_insert_with(|| frame::begin_frame(collected, FrameKind::Data, self.seq));
        collected.extend_from_slice(block);
        // Cannot be too long: it is sent when it is full.
        let _ = frame::end_frame(collected, start, 0);
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
    use wsgi_protocol::frame::FromDaemon;

    #[test]
    fn blocks_make_one_frame_until_somebody_sends() {
        let (mut sink, mut collected) = (SocketSink::default(), Vec::new());
        sink.begin(0, 7);
        sink.append(&mut collected, b"one");
        sink.append(&mut collected, b"two");
        assert_eq!(collected, [FromDaemon::Data(6).encode(7).prefix(), b"onetwo"].concat());
    }

    #[test]
    fn a_full_socket_and_a_closed_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (mut sink, mut collected) = (SocketSink::default(), Vec::new());
        sink.begin(ours.as_raw_fd(), 1);
        let big = vec![b'x'; 4 << 20];
        sink.append(&mut collected, &big);
        sink.send(&mut collected, true).unwrap();
        let left = collected.len();
        assert!(left > 0 && left < big.len());
        // The rest begins in the middle of a frame: what is added makes a frame of its own behind it.
        sink.append(&mut collected, b"end");
        assert_eq!(collected[left..], [FromDaemon::Data(3).encode(1).prefix(), b"end"].concat());
        let mut first = vec![0; HEADER_LEN + big.len() - left];
        theirs.read_exact(&mut first).unwrap();
        drop(theirs);
        assert_eq!(sink.send(&mut collected, true), Err(SendError::ClientGone));
    }
}
