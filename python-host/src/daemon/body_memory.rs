//! Memory into which httpd's child writes large request bodies, so that the socket only tells where they are. As that for
//! responses (`response_memory`) a connection gets it when it has carried a large one.
//!
//! httpd writes round and round, and never over what was not read: no more is granted at once than fits.

use super::memory_store::{self, ConnectionMemory};
use std::os::fd::OwnedFd;
use wsgi_protocol::frame::BODY_MEMORY;
use wsgi_system::shared_bytes::ByteWriter;

/// The memory of one connection, if it has any.
#[derive(Debug, Default)]
pub(super) struct BodyMemory {
    memory: Option<ConnectionMemory>,
    /// httpd knows that the body of this request may come here.
    is_offered: bool,
    /// An earlier body was large.
    is_wanted: bool,
    /// Where the next bytes are, and how many.
    at: usize,
    left: usize,
}

impl BodyMemory {
    /// Another request begins.
    pub(super) fn begin(&mut self) {
        (self.is_offered, self.left) = (false, 0);
    }

    /// The body is a large one: the next one may come here.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether httpd is to be told that the body may come here; for the first time with a descriptor.
    pub(super) fn offer(&mut self) -> Option<Option<OwnedFd>> {
        if !self.is_wanted || self.is_offered {
            return None;
        }
        if self.memory.is_none() {
            self.memory = memory_store::take(BODY_MEMORY, ByteWriter::Receiver);
        }
        let file = self.memory.as_mut()?.file.take();
        self.is_offered = true;
        Some(file)
    }

    /// Whether the body may come here.
    pub(super) fn is_offered(&self) -> bool {
        self.is_offered
    }

    /// httpd has written here; false: it cannot have.
    pub(super) fn announce(&mut self, offset: u32, length: u32) -> bool {
        let (at, left) = (offset as usize, length as usize);
        let is_good = self.is_offered && self.left == 0 && at <= BODY_MEMORY && left <= BODY_MEMORY - at;
        if is_good {
            (self.at, self.left) = (at, left);
        }
        is_good
    }

    /// Whether something has not been read.
    pub(super) fn has_more(&self) -> bool {
        self.left > 0
    }

    /// Reads what has been announced; how much.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(memory) = self.memory.as_ref().filter(|_| self.left > 0) else { return 0 };
        let len = buffer.len().min(self.left);
        memory.bytes.read(self.at, &mut buffer[..len]);
        (self.at, self.left) = (self.at + len, self.left - len);
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_has_bounds() {
        const SIZE: u32 = BODY_MEMORY as u32;
        let mut memory = BodyMemory::default();
        assert!(memory.offer().is_none() && !memory.announce(0, 1));
        memory.want();
        assert!(memory.offer().unwrap().is_some());
        assert!(memory.offer().is_none() && memory.is_offered());
        for (offset, length) in [(0, SIZE + 1), (SIZE, 1), (u32::MAX, u32::MAX), (1, SIZE)] {
            assert!(!memory.announce(offset, length), "{offset} {length}");
        }
        assert!(memory.announce(SIZE - 3, 3) && !memory.announce(0, 1));
        let mut buffer = [1; 2];
        assert_eq!((memory.read(&mut buffer), buffer), (2, [0; 2]));
        assert_eq!((memory.read(&mut buffer), memory.has_more(), memory.read(&mut buffer)), (1, false, 0));
        memory.begin();
        assert!(!memory.announce(0, 1) && memory.offer().unwrap().is_none() && memory.announce(0, 1));
    }
}
