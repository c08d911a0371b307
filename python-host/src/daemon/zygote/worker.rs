//! The first moments of a worker, before Python knows of the fork: its own descriptors, and the supervisor as parent.

use crate::daemon::os;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};
use wsgi_protocol::birth::{BIRTH_FDS, HERE, WELCOME};
use wsgi_protocol::launch::{HEIRLOOM_FD, LISTEN_FD, ORDER_FD, READY_FD, STACK_FD};

/// First number to which descriptors are moved out of the way: behind those of the layout, and no higher, because the limit
/// of open files may be low.
const PARKING: RawFd = wsgi_protocol::launch::BOARD_FD + 1;

/// How long the kernel may take to make the supervisor the parent: the process in between only has to exit.
const ADOPTION: Duration = Duration::from_secs(5);

/// Exit status of a worker that cannot be set up.
const FAILED: i32 = 70;

/// Takes its place as a child of `supervisor`, or ends. Called between fork and anything of Python's.
pub(super) fn arrive(descriptors: [OwnedFd; BIRTH_FDS], supervisor: i32) {
    // SAFETY: no arguments; own session, as each daemon has.
    unsafe { libc::setsid() };
    lay_out(&descriptors);
    // The copies behind the layout go; nothing of the zygote's is left, its socket and pipes were replaced.
    drop(descriptors);
    let begun = Instant::now();
    while os::parent() != supervisor {
        if begun.elapsed() > ADOPTION {
            os::exit_now(FAILED);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    // A fork clears it. If the supervisor died meanwhile, nobody would ever tell.
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if os::parent() != supervisor || !is_welcome() {
        os::exit_now(0);
    }
}

/// Puts the descriptors where a daemon has them.
fn lay_out(descriptors: &[OwnedFd; BIRTH_FDS]) {
    let parked = descriptors.each_ref().map(|fd| {
        // SAFETY: an open descriptor is copied.
        let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, PARKING) };
        if copy < 0 {
            os::exit_now(FAILED);
        }
        copy
    });
    let [output, listener, ready, order, heirloom, stack] = parked;
    let targets = [
        (output, libc::STDOUT_FILENO),
        (output, libc::STDERR_FILENO),
        (listener, LISTEN_FD),
        (ready, READY_FD),
        (order, ORDER_FD),
        (heirloom, HEIRLOOM_FD),
        (stack, STACK_FD),
    ];
    for (source, target) in targets {
        // Programs that the application executes get its output, and nothing else.
        let flags = if target > libc::STDERR_FILENO { libc::O_CLOEXEC } else { 0 };
        // SAFETY: the targets are known by number only, here as in the zygote; no owner object has them.
        if unsafe { libc::dup3(source, target, flags) } < 0 {
            os::exit_now(FAILED);
        }
    }
    for copy in [output, listener, ready, order, heirloom, stack] {
        // SAFETY: opened above and owned by nobody else.
        unsafe { libc::close(copy) };
    }
}

/// Shows itself to the supervisor, which learns from the kernel who has the lock. The copies of that file are closed by
/// now: closing any of them would give it up.
fn is_welcome() -> bool {
    let mut byte = HERE;
    // SAFETY: one byte is written from a live local; SIGPIPE is ignored by Python.
    let write = |byte: &u8| unsafe { libc::write(READY_FD, std::ptr::from_ref(byte).cast(), 1) == 1 };
    let sent = lock_stack(libc::F_WRLCK) && write(&byte);
    loop {
        // SAFETY: room for one byte is passed.
        let got = unsafe { libc::read(ORDER_FD, (&raw mut byte).cast(), 1) };
        let interrupted = std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted;
        if got < 0 && interrupted {
            continue;
        }
        return sent && got == 1 && byte == WELCOME && lock_stack(libc::F_UNLCK);
    }
}

/// Locks or unlocks the file for the last stack.
fn lock_stack(kind: libc::c_int) -> bool {
    // SAFETY: all-zero is a valid record: all of the file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    // SAFETY: the record lives through the call, which only reads it.
    unsafe { libc::fcntl(STACK_FD, libc::F_SETLK, &raw const lock) == 0 }
}
