//! A frame that is ready to be sent: header and short fields in one array, and whatever is longer where it lies.

use super::{FrameHeader, FrameKind, HEADER_LEN};
use crate::metrics;

/// Most bytes before the tail: those of FAIL with the account of a request.
const ROOM: usize = HEADER_LEN + 2 + metrics::ACCOUNT_LEN;

/// See the module's comment. Nothing is allocated, and no text or head is copied before it goes to its buffer or socket.
#[derive(Debug, Clone, Copy)]
pub struct EncodedFrame<'a> {
    bytes: [u8; ROOM],
    len: usize,
    tail: &'a [u8],
}

impl<'a> EncodedFrame<'a> {
    /// A frame of `fields` and `tail`, behind which the sender sends `extra` bytes more.
    pub(super) fn new(kind: FrameKind, seq: u16, fields: &[&[u8]], tail: &'a [u8], extra: usize) -> Self {
        let mut frame = Self { bytes: [0; ROOM], len: HEADER_LEN, tail };
        for field in fields {
            frame.bytes[frame.len..frame.len + field.len()].copy_from_slice(field);
            frame.len += field.len();
        }
        let payload = frame.len - HEADER_LEN + tail.len() + extra;
        frame.bytes[..HEADER_LEN].copy_from_slice(&FrameHeader::new(kind, seq, payload).encode());
        frame
    }

    /// Header and short fields.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// What follows them.
    #[must_use]
    pub fn tail(&self) -> &'a [u8] {
        self.tail
    }

    /// Appends all of it to a buffer.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix());
        out.extend_from_slice(self.tail);
    }

    /// All of it.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [self.prefix(), self.tail].concat()
    }
}
