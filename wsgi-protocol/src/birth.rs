//! How a supervisor asks a zygote for a worker (`preload=on`): fixed numbers with descriptors one way, one byte and
//! the kernel's word for who sent it the other way.
//!
//! 1. The supervisor sends a record of [`ORDER_BYTES`] with [`BIRTH_FDS`] descriptors over [`FORKER_FD`]. It has shut
//!    down its own end for reading: nothing can be sent back.
//! 2. The zygote forks. The worker waits until it is the supervisor's child, takes a write lock on the file for its last
//!    stack (`fcntl(F_SETLK)`) and writes [`HERE`] to its ready pipe. The kernel says which process has the lock. It could
//!    say so of a message, too (SCM_CREDENTIALS), but over a socket come descriptors as well, and one that takes hours to
//!    close would stop the supervisor; a pipe and a lock carry none.
//! 3. The supervisor writes [`WELCOME`] to the order pipe, or closes it and the worker ends. End of file on the ready
//!    pipe without a byte means that no worker came to be.

use crate::launch::LISTEN_FD;

/// Descriptor of the socket over which a zygote is asked for workers. A zygote listens for no requests.
pub const FORKER_FD: i32 = LISTEN_FD;

/// Descriptors of a record, in this order: output, listening socket, ready pipe, order pipe, heirloom, file for the
/// last stack.
pub const BIRTH_FDS: usize = 6;

/// Bytes of a record.
pub const ORDER_BYTES: usize = 8;

/// What a worker writes to its ready pipe first.
pub const HERE: u8 = b'H';

/// What the supervisor writes to its order pipe first.
pub const WELCOME: u8 = b'W';

/// What a worker is told beyond what its zygote knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthOrder {
    /// Position of the worker in its group.
    pub slot: u32,
    /// As [`crate::launch::Launch::has_predecessor`].
    pub has_predecessor: bool,
}

impl BirthOrder {
    /// The record's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; ORDER_BYTES] {
        let mut bytes = [0; ORDER_BYTES];
        bytes[..4].copy_from_slice(&self.slot.to_le_bytes());
        bytes[4] = self.has_predecessor.into();
        bytes
    }

    /// Reads a record.
    #[must_use]
    pub fn from_bytes(bytes: [u8; ORDER_BYTES]) -> Option<Self> {
        let [a, b, c, d, flag @ (0 | 1), 0, 0, 0] = bytes else { return None };
        Some(Self { slot: u32::from_le_bytes([a, b, c, d]), has_predecessor: flag == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        for order in [(0, false), (7, true), (u32::MAX, false)] {
            let order = BirthOrder { slot: order.0, has_predecessor: order.1 };
            assert_eq!(BirthOrder::from_bytes(order.to_bytes()), Some(order));
        }
        assert_eq!(BirthOrder::from_bytes([0, 0, 0, 0, 2, 0, 0, 0]), None);
        assert_eq!(BirthOrder::from_bytes([0, 0, 0, 0, 0, 0, 0, 1]), None);
    }
}
