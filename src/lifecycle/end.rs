//! The end of httpd: its parent goes after the supervisor, and the supervisor after the daemons. Whoever waits for the
//! parent (a container whose process 1 it is, systemd, an init script) then finds nothing left, and the daemons have had
//! their time to end in order.

use super::process::ProcessStat;
use super::supervisor::PersistentState;
use crate::generation::runtime::ChildRuntime;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The whole wait. The supervisor gives no daemon more than three seconds.
const TOTAL: Duration = Duration::from_secs(5);
/// What is left of it after a second SIGTERM.
const HASTE: Duration = Duration::from_millis(500);
/// Pause between two looks at a supervisor that says nothing.
const LOOK: Duration = Duration::from_millis(100);

impl PersistentState {
    /// Has the supervisor end, and waits for it. A signal to end that arrives meanwhile cuts it short.
    pub fn end(&mut self, runtime: Option<&ChildRuntime>) {
        self.end_pause();
        if !self.is_alive() {
            return;
        }
        let signals = TerminationSignals::block();
        self.tell_stop();
        let mut deadline = Instant::now() + TOTAL;
        let mut is_hasty = false;
        while self.is_alive() {
            let left = deadline.saturating_duration_since(Instant::now());
            let is_stopped = self.state().is_some_and(|state| b"Tt".contains(&state));
            if left.is_zero() || is_stopped {
                self.kill_with_daemons();
                runtime.into_iter().for_each(remove_sockets);
                break;
            }
            if self.wait_for_end(&signals, left.min(LOOK)) && !is_hasty {
                is_hasty = true;
                deadline = Instant::now() + HASTE;
                self.tell_stop();
            }
        }
        self.forget();
    }

    /// Waits for the end of the supervisor, whose socket is closed then, or a signal; true for a signal.
    fn wait_for_end(&self, signals: &TerminationSignals, patience: Duration) -> bool {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // Negative descriptors are passed over by the kernel.
        let mut polled = [entry(self.control), entry(signals.fd.as_ref().map_or(-1, |fd| fd.as_raw_fd()))];
        // SAFETY: two valid entries.
        unsafe { libc::poll(polled.as_mut_ptr(), 2, patience.as_millis() as i32) };
        if polled[0].revents != 0 {
            // Late answers lie there, or it is about to become a zombie.
            let mut rest = [0u8; 4096];
            // SAFETY: the buffer is as long as announced.
            unsafe { libc::recv(self.control, rest.as_mut_ptr().cast(), rest.len(), libc::MSG_DONTWAIT) };
            std::thread::sleep(Duration::from_millis(1));
        }
        polled[1].revents != 0 && signals.take()
    }

    /// A supervisor that cannot act any more: its daemons would go on for a while without it.
    fn kill_with_daemons(&mut self) {
        let daemons = children_of(self.pid);
        self.give_up();
        for daemon in daemons {
            // SAFETY: plain system call; the descriptor names the process that was its child before.
            unsafe {
                let none = std::ptr::null::<libc::siginfo_t>();
                libc::syscall(libc::SYS_pidfd_send_signal, daemon.as_raw_fd(), libc::SIGKILL, none, 0);
            }
        }
    }
}

/// SIGTERM and SIGINT, taken as they come instead of by httpd's handlers, which nobody looks at any more.
struct TerminationSignals {
    fd: Option<OwnedFd>,
}

impl TerminationSignals {
    fn block() -> Self {
        // SAFETY: the set is initialised before use; a fresh descriptor is wrapped at once.
        let fd = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGTERM);
            libc::sigaddset(&mut set, libc::SIGINT);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
        };
        Self { fd }
    }

    /// Takes what has come.
    fn take(&self) -> bool {
        let Some(fd) = &self.fd else { return false };
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        // SAFETY: the buffer has room for one record.
        unsafe { libc::read(fd.as_raw_fd(), record.as_mut_ptr().cast(), record.len()) > 0 }
    }
}

/// Process descriptors of the children of a process.
fn children_of(parent: i32) -> Vec<OwnedFd> {
    let is_child = |pid: i32| {
        let above = ProcessStat::of(pid.cast_unsigned()).and_then(|stat| stat.field(4));
        above == u64::try_from(parent).ok()
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let open = |pid: i32| {
        // SAFETY: plain system call; a fresh descriptor is wrapped at once.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
        };
        // Looked at after it was opened: the number may have been given to another process before.
        fd.filter(|_| is_child(pid))
    };
    pids.filter(|pid| is_child(*pid)).filter_map(open).collect()
}

/// What a supervisor would have removed itself.
fn remove_sockets(runtime: &ChildRuntime) {
    use std::os::unix::ffi::OsStrExt;
    let configuration = &runtime.configuration;
    let paths = configuration.groups.iter().flat_map(|group| &group.sockets.paths);
    for path in paths.chain([&configuration.operator_socket]).filter(|path| !path.is_empty()) {
        let _ = std::fs::remove_file(std::ffi::OsStr::from_bytes(path));
    }
}
