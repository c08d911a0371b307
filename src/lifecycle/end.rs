//! The end of httpd: its parent goes after the supervisor, and the supervisor after the daemons. Whoever waits for the
//! parent (a container whose process 1 it is, systemd, an init script) then finds nothing left, and the daemons have had
//! their time to end in order.

use super::supervisor::PersistentState;
use crate::generation::runtime::ChildRuntime;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use wsgi_system::polling::poll;
use wsgi_system::process::{open_process, signal_process};
use wsgi_system::signals::{SignalNumber, SignalQueue};
use wsgi_system::sockets::{RecordLook, record};
use wsgi_system::stat::ProcessStat;

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
        // Taken as they come instead of by httpd's handlers, which nobody looks at any more.
        let signals = SignalQueue::block(&[SignalNumber::SIGTERM, SignalNumber::SIGINT]);
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
    fn wait_for_end(&self, signals: &SignalQueue, patience: Duration) -> bool {
        // Negative descriptors are passed over by the kernel.
        let mut polled = [(self.control.number(), libc::POLLIN), (signals.number(), libc::POLLIN)];
        let _ = poll(&mut polled, Some(patience));
        if polled[0].1 != 0 {
            // Late answers lie there, or it is about to become a zombie.
            let _ = self.control.borrow().map(|socket| record(socket, &mut [0; 4096], RecordLook::TakeNow));
            std::thread::sleep(Duration::from_millis(1));
        }
        polled[1].1 != 0 && signals.take()
    }

    /// A supervisor that cannot act any more: its daemons would go on for a while without it.
    fn kill_with_daemons(&mut self) {
        let daemons = children_of(self.pid);
        self.give_up();
        for daemon in daemons {
            // The descriptor names the process that was its child before.
            let _ = signal_process(&daemon, SignalNumber::SIGKILL);
        }
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
        // Looked at after it was opened: the number may have been given to another process before.
        open_process(pid).ok().filter(|_| is_child(pid))
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
