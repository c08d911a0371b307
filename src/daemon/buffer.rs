//! What a connection has received and nobody has taken yet. It holds memory only while there is something in it, or while
//! something is being read.

use crate::httpd::block::{self, MemoryBlock, MemoryMapping};
use std::io;

/// See the module's comment.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    memory: BufferMemory,
    start: usize,
    end: usize,
}

#[derive(Debug, Default)]
enum BufferMemory {
    #[default]
    None,
    Block(MemoryBlock),
    /// One frame that must be there as a whole (a huge head) is larger than a block.
    Large(MemoryMapping),
}

impl BufferMemory {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Block(block) => block,
            Self::Large(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::None => &mut [],
            Self::Block(block) => block,
            Self::Large(bytes) => bytes,
        }
    }
}

impl ReadBuffer {
    /// Bytes received and not taken.
    pub fn pending(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.end]
    }

    /// Takes `len` pending bytes off.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if matches!(self.memory, BufferMemory::Large(_)) {
                self.memory = BufferMemory::None;
            }
        }
    }

    /// Gives the memory back if nothing is pending.
    pub fn rest(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }

    /// Room behind the pending bytes, for at least `need` bytes together with them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn room(&mut self, need: usize) -> io::Result<&mut [u8]> {
        let pending = self.start..self.end;
        if need > self.memory.bytes().len() || pending.is_empty() && matches!(self.memory, BufferMemory::None)
        {
            let mut memory = if need > block::SIZE {
                BufferMemory::Large(MemoryMapping::of(need).ok_or(io::ErrorKind::OutOfMemory)?)
            } else {
                BufferMemory::Block(MemoryBlock::take().ok_or(io::ErrorKind::OutOfMemory)?)
            };
            memory.bytes_mut()[..pending.len()].copy_from_slice(self.pending());
            self.memory = memory;
        } else if pending.start > 0 {
            self.memory.bytes_mut().copy_within(pending.clone(), 0);
        }
        (self.start, self.end) = (0, pending.len());
        Ok(&mut self.memory.bytes_mut()[pending.len()..])
    }

    /// `len` bytes have been written to the room.
    pub fn received(&mut self, len: usize) {
        self.end += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffer: &mut ReadBuffer, need: usize, bytes: &[u8]) {
        buffer.room(need).unwrap()[..bytes.len()].copy_from_slice(bytes);
        buffer.received(bytes.len());
    }

    #[test]
    fn what_is_pending_stays_when_the_buffer_moves_and_grows() {
        let mut buffer = ReadBuffer::default();
        assert_eq!(buffer.pending(), b"");
        receive(&mut buffer, 0, b"abc");
        buffer.consume(1);
        buffer.rest();
        receive(&mut buffer, 0, b"d");
        assert_eq!(buffer.pending(), b"bcd");
        assert_eq!(buffer.room(0).unwrap().len(), block::SIZE - 3);
        buffer.consume(1);
        receive(&mut buffer, block::SIZE + 1, b"e");
        assert_eq!(buffer.pending(), b"cde");
        assert_eq!(buffer.room(0).unwrap().len(), block::SIZE - 2);
        buffer.consume(3);
        assert!(matches!(buffer.memory, BufferMemory::None));
    }
}
