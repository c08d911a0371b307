//! Memory that httpd's child maps, too: large parts of a response are copied into it once, and httpd sends them from there. The
//! socket only tells where they are.
//!
//! A connection gets it when it has carried a large response already, so that a single one costs no more than before. It is filled
//! from its beginning by one response at a time; httpd says with each request whether it has sent all of the last one. What does
//! not fit goes over the socket. httpd closes connections whose memory nobody has used for a while.

use super::memory_store::{self, ConnectionMemory};
use std::os::fd::OwnedFd;
use wsgi_protocol::frame::RESPONSE_MEMORY;
use wsgi_system::shared_bytes::ByteWriter;

/// What is shorter goes over the socket, which costs less than a look at the memory.
pub(super) const LARGE: usize = 32 * 1024;

/// The memory of one connection, if it has any.
#[derive(Debug, Default)]
pub(super) struct ResponseMemory {
    memory: Option<ConnectionMemory>,
    /// Bytes in use, from the front.
    used: usize,
    /// httpd reads none of it any more.
    is_free: bool,
    /// An earlier response was large.
    is_wanted: bool,
    /// This response is.
    is_large: bool,
}

impl ResponseMemory {
    /// Another request begins; `is_free`: httpd has sent all that was here.
    pub(super) fn begin(&mut self, is_free: bool) {
        self.is_wanted |= std::mem::take(&mut self.is_large);
        (self.is_free, self.used) = (is_free, 0);
    }

    /// Copies the front of a block, as far as there is room: where it lies, and how long it is. `None`: it goes over the socket.
    pub(super) fn put(&mut self, block: &[u8]) -> Option<(usize, usize)> {
        if block.len() < LARGE {
            return None;
        }
        self.is_large = true;
        if !self.is_wanted || !self.is_free || RESPONSE_MEMORY - self.used < LARGE {
            return None;
        }
        if self.memory.is_none() {
            self.memory = memory_store::take(RESPONSE_MEMORY, ByteWriter::Maker);
            self.is_wanted = self.memory.is_some();
        }
        let len = block.len().min(self.room());
        Some((self.copy(&block[..len])?, len))
    }

    /// Copies the whole of a block that will be told of later, if httpd has the memory already and the response is known to be
    /// large: where it lies.
    pub(super) fn place(&mut self, block: &[u8]) -> Option<usize> {
        self.is_large |= block.len() >= LARGE;
        let is_known = self.memory.as_ref().is_some_and(|memory| memory.file.is_none());
        let is_usable = is_known && self.is_large && self.is_free && block.len() <= self.room();
        is_usable.then(|| self.copy(block)).flatten()
    }

    /// Copies a block for which there is room behind the last one: where it lies.
    fn copy(&mut self, block: &[u8]) -> Option<usize> {
        let start = self.used;
        self.used += self.memory.as_mut()?.bytes.write(start, block);
        Some(start)
    }

    /// How much may still be put into it.
    pub(super) fn room(&self) -> usize {
        RESPONSE_MEMORY - self.used
    }

    /// Its descriptor, as long as httpd has not got it.
    pub(super) fn take_file(&mut self) -> Option<OwnedFd> {
        self.memory.as_mut()?.file.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_large_blocks_of_later_responses_as_long_as_it_is_free() {
        let (mut memory, block) = (ResponseMemory::default(), vec![b'x'; LARGE]);
        memory.begin(true);
        assert!(memory.put(&block).is_none() && memory.take_file().is_none());
        memory.begin(true);
        assert!(memory.put(&block[1..]).is_none());
        assert_eq!(memory.put(&block), Some((0, LARGE)));
        assert!(memory.take_file().is_some() && memory.take_file().is_none());
        let rest = vec![b'y'; RESPONSE_MEMORY];
        assert_eq!(memory.put(&rest), Some((LARGE, RESPONSE_MEMORY - LARGE)));
        assert_eq!((memory.room(), memory.put(&block)), (0, None));
        memory.begin(false);
        assert_eq!(memory.put(&block), None);
        memory.begin(true);
        assert_eq!((memory.put(&block), memory.room()), (Some((0, LARGE)), RESPONSE_MEMORY - LARGE));
    }

    #[test]
    fn what_is_told_of_later_needs_memory_that_httpd_has() {
        let (mut memory, block) = (ResponseMemory::default(), vec![b'x'; LARGE]);
        memory.begin(true);
        assert_eq!(memory.place(&block), None, "there is none");
        memory.begin(true);
        assert_eq!((memory.put(&block), memory.place(&block)), (Some((0, LARGE)), None), "its file is here");
        assert!(memory.take_file().is_some());
        assert_eq!((memory.place(&block), memory.place(b"small")), (Some(LARGE), Some(2 * LARGE)));
        assert_eq!(memory.place(&vec![b'y'; RESPONSE_MEMORY - 2 * LARGE]), None, "all of it has to fit");
        memory.begin(true);
        assert_eq!(memory.place(b"small"), None, "a response that may be small");
        memory.begin(false);
        assert_eq!(memory.place(&block), None, "httpd reads it");
    }
}
