//! The first moments of a worker, before Python knows of the fork: its own descriptors, and the supervisor as parent.

use crate::daemon::os::{self, DaemonDescriptor};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use wsgi_protocol::birth::{BIRTH_FDS, HERE, WELCOME};
use wsgi_system::{descriptors, process};

/// First number to which descriptors are moved out of the way: behind those of the layout, and no higher, because the limit
/// of open files may be low.
const PARKING: usize = wsgi_protocol::launch::BOARD_FD as usize + 1;

/// How long the kernel may take to make the supervisor the parent: the process in between only has to exit.
const ADOPTION: Duration = Duration::from_secs(5);

/// Exit status of a worker that cannot be set up.
const FAILED: i32 = 70;

/// Takes its place as a child of `supervisor`, or ends. Called between fork and anything of Python's.
pub(super) fn arrive(descriptors: [OwnedFd; BIRTH_FDS], supervisor: i32) {
    // Own session, as each daemon has.
    process::leave_session();
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
    process::die_with_parent(true);
    if os::parent() != supervisor || !is_welcome() {
        os::exit_now(0);
    }
}

/// Puts the descriptors where a daemon has them.
fn lay_out(descriptors: &[OwnedFd; BIRTH_FDS]) {
    let parked = descriptors
        .each_ref()
        .map(|fd| process::park(fd.as_fd(), PARKING).unwrap_or_else(|_| os::exit_now(FAILED)));
    let [output, listener, ready, order, heirloom, stack] = &parked;
    use DaemonDescriptor::{Heirloom, Listener, Order, Ready, Stack};
    let targets =
        [(listener, Listener), (ready, Ready), (order, Order), (heirloom, Heirloom), (stack, Stack)];
    // Programs that the application executes get its output, and nothing else.
    let is_laid_out = descriptors::redirect_output(output.as_fd()).is_ok()
        && targets.into_iter().all(|(source, target)| target.replace(source.as_fd()));
    if !is_laid_out {
        os::exit_now(FAILED);
    }
}

/// Shows itself to the supervisor, which learns from the kernel who has the lock. The copies of that file are closed by
/// now: closing any of them would give it up.
fn is_welcome() -> bool {
    use DaemonDescriptor::{Order, Ready, Stack};
    // SIGPIPE is ignored by Python.
    let sent = Stack.set_lock(true) && Ready.write_byte(HERE);
    let mut byte = [HERE];
    loop {
        match descriptors::read(Order.borrow(), &mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            got => {
                return sent && got.is_ok_and(|got| got == 1) && byte == [WELCOME] && Stack.set_lock(false);
            }
        }
    }
}
