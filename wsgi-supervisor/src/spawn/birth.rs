//! Asks a zygote for a worker (`wsgi_protocol::birth`), and finds out from the kernel which process came of it.

use super::{StartedDaemon, shared_file};
use crate::facts;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, sendmsg, shutdown, socketpair,
};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use wsgi_protocol::birth::{BIRTH_FDS, BirthOrder, HERE, WELCOME};
use wsgi_protocol::launch::STACK_FILE;

/// The supervisor's side of a worker that has been asked for.
#[derive(Debug)]
pub struct UnbornWorker {
    /// It shows itself here.
    pub ready: OwnedFd,
    order: OwnedFd,
    output: OwnedFd,
    /// Whoever has locked it is the worker.
    stack: OwnedFd,
}

/// What a worker has shown of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BirthClaim {
    /// Nothing yet.
    Nothing,
    /// A process says that it is the worker: its id and user by the kernel's word.
    Here(Pid, u32),
    /// There is no worker and will be none.
    Lost,
}

/// A pair of sockets for orders: ours, the zygote's. Nothing can be sent to ours, for what is sent may be a descriptor that
/// takes hours to close, and whoever reads it, or closes the socket that it waits in, closes it.
///
/// # Errors
/// The errno of the call that failed.
pub fn order_sockets() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    shutdown(ours.as_raw_fd(), Shutdown::Read)?;
    Ok((ours, theirs))
}

/// Asks the zygote behind `forker` for a worker. It never waits for it.
///
/// # Errors
/// The errno of the call that failed; EAGAIN: the zygote does not read its orders.
pub fn ask(
    forker: BorrowedFd<'_>,
    order: BirthOrder,
    listener: BorrowedFd<'_>,
    heirloom: BorrowedFd<'_>,
) -> Result<UnbornWorker, Errno> {
    let (ready, ready_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, output_child) = pipe2(OFlag::O_CLOEXEC)?;
    let (order_child, orders) = pipe2(OFlag::O_CLOEXEC)?;
    let stack = shared_file("wsgi stack", STACK_FILE)?;
    for end in [&ready, &output, &orders] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let numbers: [RawFd; BIRTH_FDS] = [
        output_child.as_raw_fd(),
        listener.as_raw_fd(),
        ready_child.as_raw_fd(),
        order_child.as_raw_fd(),
        heirloom.as_raw_fd(),
        stack.as_raw_fd(),
    ];
    let bytes = order.to_bytes();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let rights = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(forker.as_raw_fd(), &[IoSlice::new(&bytes)], &rights, flags, None)?;
    Ok(UnbornWorker { ready, order: orders, output, stack })
}

impl UnbornWorker {
    /// Looks who is there.
    #[must_use]
    pub fn claim(&self) -> BirthClaim {
        let mut byte = [0];
        match nix::unistd::read(&self.ready, &mut byte) {
            Ok(1) if byte == [HERE] => {
                let who = self.holder().and_then(|pid| Some((pid, facts::user(pid.as_raw())?)));
                who.map_or(BirthClaim::Lost, |(pid, user)| BirthClaim::Here(pid, user))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => BirthClaim::Nothing,
            Ok(_) | Err(_) => BirthClaim::Lost,
        }
    }

    /// The process that has locked the file for the last stack.
    fn holder(&self) -> Option<Pid> {
        let kind = libc::c_short::try_from(libc::F_WRLCK).ok()?;
        let mut lock = libc::flock { l_type: kind, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
        fcntl(&self.stack, FcntlArg::F_GETLK(&mut lock)).ok()?;
        // Negative for a lock that belongs to no process, 0 for one of another PID namespace.
        (libc::c_int::from(lock.l_type) != libc::F_UNLCK && lock.l_pid > 0).then(|| Pid::from_raw(lock.l_pid))
    }

    /// Takes the worker `pid` in; `None`: it has ended meanwhile, or is not a child of this process.
    #[must_use]
    pub fn welcome(self, pid: Pid) -> Option<StartedDaemon> {
        if !is_own_child(pid) {
            return None;
        }
        nix::unistd::write(&self.order, &[WELCOME]).ok()?;
        let Self { ready, order, output, stack } = self;
        Some(StartedDaemon { pid, ready, order, output, report: None, stack })
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
    use std::io::IoSliceMut;
    use std::os::fd::AsFd;
    use wsgi_system::sockets::{WaitMode, control_words, receive_with_descriptors};

    /// What was asked for, and the worker's ready pipe, stack, and other descriptors.
    fn ask_for_one() -> (UnbornWorker, OwnedFd, OwnedFd, Vec<OwnedFd>) {
        let (ours, zygote) = order_sockets().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let order = BirthOrder { slot: 2, has_predecessor: true };
        let unborn = ask(ours.as_fd(), order, file.as_fd(), file.as_fd()).unwrap();
        assert_eq!(unborn.claim(), BirthClaim::Nothing);
        let mut bytes = [0; 16];
        let (mut parts, mut fds) = ([IoSliceMut::new(&mut bytes)], Vec::new());
        receive_with_descriptors::<{ control_words(BIRTH_FDS) }>(
            zygote.as_fd(),
            &mut parts,
            &mut fds,
            WaitMode::Yes,
        )
        .unwrap();
        let rights = [ControlMessage::ScmRights(&[file.as_raw_fd()])];
        let sent =
            sendmsg::<()>(zygote.as_raw_fd(), &[IoSlice::new(b"H")], &rights, MsgFlags::MSG_NOSIGNAL, None);
        assert_eq!(sent, Err(Errno::EPIPE), "nothing comes back this way");
        let stack = fds.remove(5);
        (unborn, fds.remove(2), stack, fds)
    }

    /// A process that locks the file and says so.
    fn worker(ready: OwnedFd, stack: OwnedFd) -> std::process::Child {
        let code = "import fcntl, os; fcntl.lockf(0, fcntl.LOCK_EX); os.write(1, b'H'); os.read(2, 1)";
        let mut command = std::process::Command::new("python3");
        command.args(["-c", code]).stdin(stack).stdout(ready).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    }

    /// What is claimed at last. A process that another test has just forked holds copies of the pipes until its exec.
    fn said(unborn: &UnbornWorker) -> Option<BirthClaim> {
        let claim = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            unborn.claim()
        });
        claim.take(2000).find(|claim| *claim != BirthClaim::Nothing)
    }

    #[test]
    fn worker_is_who_the_kernel_says_it_is() {
        let (unborn, ready, stack, _others) = ask_for_one();
        let mut child = worker(ready, stack);
        let Some(BirthClaim::Here(pid, uid)) = said(&unborn) else { panic!("not seen") };
        assert_eq!((pid.as_raw(), uid), (child.id().cast_signed(), nix::unistd::getuid().as_raw()));
        assert!(unborn.welcome(pid).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn silence_and_nonsense_are_no_worker() {
        let (unborn, ready, ..) = ask_for_one();
        drop(ready);
        assert_eq!(said(&unborn), Some(BirthClaim::Lost));
        for text in [b"?", &[HERE]] {
            let (unborn, ready, ..) = ask_for_one();
            nix::unistd::write(&ready, text).unwrap();
            assert_eq!(said(&unborn), Some(BirthClaim::Lost), "nobody has the lock");
        }
        let (unborn, ..) = ask_for_one();
        assert!(unborn.welcome(nix::unistd::getpid()).is_none(), "a process is not its own child");
    }
}
