//! Receiving an order: one record of fixed size with the descriptors of a worker.

use std::io::IoSliceMut;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use wsgi_protocol::birth::{BIRTH_FDS, BirthOrder, ORDER_BYTES};

/// Room for the control data of a record: its header and the descriptors.
const CONTROL_BYTES: usize = 64;

/// Type of a length in control data: it differs between C libraries.
#[cfg(target_env = "musl")]
type ControlLength = libc::socklen_t;
#[cfg(not(target_env = "musl"))]
type ControlLength = libc::size_t;

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
pub(super) fn receive(socket: RawFd) -> ZygoteRequest {
    #[repr(align(8))]
    struct OrderControl([u8; CONTROL_BYTES]);
    let mut control = OrderControl([0; CONTROL_BYTES]);
    let mut bytes = [0; ORDER_BYTES];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSliceMut is guaranteed to have the layout of iovec.
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message describes writable memory that lives through the call.
    let length = unsafe { libc::recvmsg(socket, &raw mut message, flags) };
    let descriptors = descriptors(&message);
    match usize::try_from(length) {
        Ok(0) => ZygoteRequest::End,
        Ok(ORDER_BYTES) if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0 => {
            match (BirthOrder::from_bytes(bytes), descriptors.try_into()) {
                (Some(birth), Ok(descriptors)) => ZygoteRequest::Birth(ForkOrder { birth, descriptors }),
                _ => ZygoteRequest::Unknown,
            }
        }
        Ok(_) => ZygoteRequest::Unknown,
        Err(_) => match std::io::Error::last_os_error().kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => ZygoteRequest::Nothing,
            _ => ZygoteRequest::End,
        },
    }
}

/// Takes the descriptors out of a received message.
fn descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    // SAFETY: the kernel has filled the control buffer up to `msg_controllen`; CMSG_* stay within it, and each
    // descriptor in it is new and ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(entry) = header.as_ref() {
            if entry.cmsg_level == libc::SOL_SOCKET && entry.cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                let mut count = 0;
                while libc::CMSG_LEN((count + 1) * size_of::<RawFd>() as u32) as ControlLength
                    <= entry.cmsg_len
                {
                    found.push(OwnedFd::from_raw_fd(data.add(count as usize).read_unaligned()));
                    count += 1;
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::os::{WaitMode, send};
    use std::io::IoSlice;
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn only_complete_records_are_taken() {
        let mut pair = [0; 2];
        // SAFETY: room for two descriptors, which become ours.
        let (ours, theirs) = unsafe {
            assert_eq!(libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, pair.as_mut_ptr()), 0);
            (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1]))
        };
        let socket = theirs.as_raw_fd();
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
