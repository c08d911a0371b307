//! Receiving an order: one record of fixed size with the descriptors of a worker.

use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use wsgi_protocol::birth::{BIRTH_FDS, BirthOrder, ORDER_BYTES};
use wsgi_system::sockets::{WaitMode, control_words, receive_with_descriptors};

/// Words of room for the control data of a record.
const ROOM: usize = control_words(BIRTH_FDS);

/// A worker to be forked.
#[derive(Debug)]
pub(super) struct ForkOrder {
    /// What it is told.
    pub(super) birth: BirthOrder,
    /// Its descriptors, in the order of `wsgi_protocol::birth`.
    pub(super) descriptors: [OwnedFd; BIRTH_FDS],
}

/// What came over the socket.
#[derive(Debug)]
pub(super) enum ZygoteRequest {
    /// A worker is wanted.
    Birth(ForkOrder),
    /// Nothing yet.
    Nothing,
    /// A record that cannot be used.
    Unknown,
    /// The supervisor has closed its end.
    End,
}

/// Takes the next record, without waiting.
pub(super) fn receive(socket: BorrowedFd<'_>) -> ZygoteRequest {
    let (mut bytes, mut descriptors) = ([0; ORDER_BYTES], Vec::new());
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    match receive_with_descriptors::<ROOM>(socket, parts, &mut descriptors, WaitMode::No) {
        Ok(got) if got.length == 0 => ZygoteRequest::End,
        Ok(got) if got.length == ORDER_BYTES && !got.is_cut && !got.has_lost => {
            match (BirthOrder::from_bytes(bytes), descriptors.try_into()) {
                (Some(birth), Ok(descriptors)) => ZygoteRequest::Birth(ForkOrder { birth, descriptors }),
                _ => ZygoteRequest::Unknown,
            }
        }
        Ok(_) => ZygoteRequest::Unknown,
        Err(error) if error.kind() == ErrorKind::WouldBlock => ZygoteRequest::Nothing,
        Err(_) => ZygoteRequest::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::os::send;
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    #[test]
    fn only_complete_records_are_taken() {
        let (ours, theirs) = wsgi_system::sockets::record_pair().unwrap();
        let socket = theirs.as_fd();
        assert!(matches!(receive(socket), ZygoteRequest::Nothing));
        let record = BirthOrder { slot: 1, has_predecessor: true }.to_bytes();
        let file = ours.as_fd();
        send(file, &[IoSlice::new(&record)], Some(file), WaitMode::No).unwrap();
        assert!(matches!(receive(socket), ZygoteRequest::Unknown), "one descriptor is too few");
        send(file, &[IoSlice::new(b"short")], None, WaitMode::No).unwrap();
        assert!(matches!(receive(socket), ZygoteRequest::Unknown));
        drop(ours);
        assert!(matches!(receive(socket), ZygoteRequest::End));
    }
}
