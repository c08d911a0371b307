//! Memory of a daemon into which this child writes large request bodies; it never reads there.

use std::os::fd::OwnedFd;
use wsgi_protocol::frame::BODY_MEMORY;
use wsgi_system::shared_bytes::{ByteWriter, RefusedFile, SharedBytes};

/// The memory, and where the next bytes go. No more is granted at once than fits, so what lies there has been read.
#[derive(Debug)]
pub struct BodyMemory {
    bytes: SharedBytes,
    next: usize,
}

impl BodyMemory {
    /// What a daemon has sent, if it is what it should be.
    ///
    /// # Errors
    /// It is no such memory, or cannot be mapped.
    pub fn admit(file: OwnedFd) -> Result<Self, RefusedFile> {
        Ok(Self { bytes: SharedBytes::admit(file, BODY_MEMORY, ByteWriter::Receiver)?, next: 0 })
    }

    /// Another request begins.
    pub fn begin(&mut self) {
        self.next = 0;
    }

    /// Where the next bytes go, and for how many there is room in one piece.
    pub fn place(&mut self) -> (usize, usize) {
        if self.bytes.length_from(self.next) == 0 {
            self.next = 0;
        }
        (self.next, self.bytes.length_from(self.next))
    }

    /// Copies bytes behind the last ones, as far as there is room in one piece.
    pub fn write(&mut self, bytes: &[u8]) {
        self.next += self.bytes.write(self.next, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_goes_round_and_never_beyond() {
        let (seen, file) = SharedBytes::create(c"x", BODY_MEMORY, ByteWriter::Receiver).unwrap();
        let mut memory = BodyMemory::admit(file).unwrap();
        let (large, small) = (vec![b'l'; BODY_MEMORY - 3], *b"small");
        assert_eq!(memory.place(), (0, BODY_MEMORY));
        memory.write(&large);
        assert_eq!(memory.place(), (BODY_MEMORY - 3, 3));
        memory.write(b"x");
        memory.write(&small);
        assert_eq!(memory.place(), (0, BODY_MEMORY));
        memory.write(&small[2..]);
        assert_eq!(memory.place(), (3, BODY_MEMORY - 3));
        memory.begin();
        assert_eq!(memory.place(), (0, BODY_MEMORY));
        let mut bytes = [0; 4];
        seen.read(0, &mut bytes);
        assert_eq!(&bytes, b"alll");
        seen.read(BODY_MEMORY - 4, &mut bytes);
        assert_eq!(&bytes, b"lxsm");
    }
}
