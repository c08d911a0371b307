//! Asks a zygote for a worker (`wsgi_protocol::birth`), and finds out from the kernel which process came of it.

use super::{Started, shared_file};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixCredentials,
    recvmsg, send, sendmsg, setsockopt, socketpair, sockopt,
};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use wsgi_protocol::birth::{BIRTH_FDS, BirthOrder, HERE, WELCOME};
use wsgi_protocol::death::MAX_STACK;

/// The supervisor's side of a worker that has been asked for.
#[derive(Debug)]
pub struct Unborn {
    ready: OwnedFd,
    order: OwnedFd,
    output: OwnedFd,
    stack: OwnedFd,
    /// It shows itself here.
    pub claim: OwnedFd,
}

/// What came over a claim socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing yet.
    Nothing,
    /// A process says that it is the worker: its id and user by the kernel's word.
    Here(Pid, u32),
    /// There is no worker and will be none.
    Lost,
}

/// A pair of sockets that keep records apart: ours, the other process's.
///
/// # Errors
/// The errno of the call that failed.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Asks the zygote behind `nursery` for a worker. It never waits for it.
///
/// # Errors
/// The errno of the call that failed; EAGAIN: the zygote does not read its orders.
pub fn ask(
    nursery: BorrowedFd<'_>,
    order: BirthOrder,
    listener: BorrowedFd<'_>,
    heirloom: BorrowedFd<'_>,
) -> Result<Unborn, Errno> {
    let (ready, ready_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, output_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (order_child, orders) = pipe2(OFlag::O_CLOEXEC)?;
    let (claim, claim_child) = socket_pair()?;
    let stack = shared_file("wsgi stack", MAX_STACK)?;
    for end in [&ready, &output, &orders, &claim] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    setsockopt(&claim, sockopt::PassCred, &true)?;
    let numbers: [RawFd; BIRTH_FDS] = [
        output_child.as_raw_fd(),
        listener.as_raw_fd(),
        ready_child.as_raw_fd(),
        order_child.as_raw_fd(),
        heirloom.as_raw_fd(),
        stack.as_raw_fd(),
        claim_child.as_raw_fd(),
    ];
    let bytes = order.to_bytes();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let rights = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(nursery.as_raw_fd(), &[IoSlice::new(&bytes)], &rights, flags, None)?;
    Ok(Unborn { ready, order: orders, output, stack, claim })
}

impl Unborn {
    /// Looks who is there.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let mut byte = [0];
        match self.receive(&mut byte) {
            Ok((1, Some(sender))) if byte == [HERE] => Claim::Here(Pid::from_raw(sender.pid()), sender.uid()),
            Err(Errno::EAGAIN | Errno::EINTR) => Claim::Nothing,
            Ok(_) | Err(_) => Claim::Lost,
        }
    }

    fn receive(&self, byte: &mut [u8; 1]) -> Result<(usize, Option<UnixCredentials>), Errno> {
        // No room for descriptors: the kernel closes what a worker should not have sent, and the claim counts as lost.
        let mut space = nix::cmsg_space!(UnixCredentials);
        let mut parts = [IoSliceMut::new(byte)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(self.claim.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
        let sender = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
            _ => None,
        });
        Ok((message.bytes, sender))
    }

    /// Takes the worker `pid` in; `None`: it has ended meanwhile, or is not a child of this process.
    #[must_use]
    pub fn welcome(self, pid: Pid) -> Option<Started> {
        if !is_own_child(pid) {
            return None;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.claim.as_raw_fd(), &[WELCOME], flags).ok()?;
        let Self { ready, order, output, stack, .. } = self;
        Some(Started { pid, ready, order, output, report: None, stack })
    }
}

/// Whether the process is a child that has not been waited for, so that its number cannot mean another one.
fn is_own_child(pid: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), flags).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::descriptors::adopt;
    use std::os::fd::AsFd;

    fn ask_for_one() -> (Unborn, OwnedFd) {
        let (ours, zygote) = socket_pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let order = BirthOrder { slot: 2, has_predecessor: true };
        let unborn = ask(ours.as_fd(), order, file.as_fd(), file.as_fd()).unwrap();
        assert_eq!(unborn.claim(), Claim::Nothing);
        let mut bytes = [0; 16];
        let mut space = nix::cmsg_space!([RawFd; BIRTH_FDS]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message =
            recvmsg::<()>(zygote.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).unwrap();
        let Some(ControlMessageOwned::ScmRights(fds)) = message.cmsgs().unwrap().next() else { panic!() };
        let claim = adopt(fds[BIRTH_FDS - 1]).unwrap();
        fds[..BIRTH_FDS - 1].iter().for_each(|fd| drop(adopt(*fd)));
        (unborn, claim)
    }

    #[test]
    fn worker_is_who_the_kernel_says_it_is() {
        let (unborn, claim) = ask_for_one();
        send(claim.as_raw_fd(), &[HERE], MsgFlags::empty()).unwrap();
        let Claim::Here(pid, uid) = unborn.claim() else { panic!("not seen") };
        assert_eq!((pid, uid), (nix::unistd::getpid(), nix::unistd::getuid().as_raw()));
        assert!(unborn.welcome(pid).is_none(), "a process is not its own child");
    }

    #[test]
    fn silence_and_nonsense_are_no_worker() {
        let (unborn, claim) = ask_for_one();
        drop(claim);
        assert_eq!(unborn.claim(), Claim::Lost);
        let (unborn, claim) = ask_for_one();
        send(claim.as_raw_fd(), b"?", MsgFlags::empty()).unwrap();
        assert_eq!(unborn.claim(), Claim::Lost);
    }
}
