//! The Python stack with which a daemon ends, in a memory file that its supervisor reads when it is dead.
//!
//! `faulthandler` writes it: by itself when C code crashes, and for a thread that does not come to its end when that
//! thread gets our signal. Neither needs the GIL, which is what such threads often sit on.

use super::os::DaemonDescriptor;
use super::signals;
use crate::interpreter::Interpreter;
use crate::python::{Attached, NumberValues, Result};
use crate::thread_record::{ThreadRecord, ThreadState};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wsgi_protocol::launch::{SOCKETS_AT, STACK_FD, STACK_FILE};
use wsgi_system::descriptors::position;
use wsgi_system::stat::FileFacts;

/// How long a thread may take to write its stack.
const PATIENCE: Duration = Duration::from_millis(50);

/// Stands for the event loop among the numbers of request threads.
pub(super) const EVENT_LOOP: u32 = 0;

/// The kernel's id of the event loop's thread while it is blocked.
static BLOCKED_LOOP: AtomicI32 = AtomicI32::new(0);

/// The file is there.
static PREPARED: AtomicBool = AtomicBool::new(false);

/// A signal that nobody else is likely to use.
fn signal() -> i32 {
    libc::SIGRTMAX() - 3
}

/// Lets `faulthandler` write to the file, unless the operator has switched it on in another way. An application that
/// enables it later takes it over.
///
/// # Errors
/// What Python raises.
pub fn prepare(py: Attached<'_>, main: &Interpreter) -> Result<()> {
    if !is_stack_file() {
        return Ok(());
    }
    DaemonDescriptor::Stack.close_at_exec();
    main.fixture(py, "watch_faults", &[&*py.int(STACK_FD.into())?, &*py.int(signal().into())?])?;
    signals::complete_stacks(signal());
    PREPARED.store(true, Relaxed);
    Ok(())
}

/// Whether the number is the supervisor's file, and not something that Python has opened.
fn is_stack_file() -> bool {
    FileFacts::of(DaemonDescriptor::Stack.borrow()).is_some_and(|facts| facts.size == STACK_FILE as u64)
}

/// Leaves the number of WebSockets that have their own sockets, for the supervisor to show.
pub fn leave_sockets(count: u32) {
    if let Some(file) = DaemonDescriptor::Stack.file().filter(|_| PREPARED.load(Relaxed)) {
        // It is as long as it has to be.
        let _ = file.write_all_at(&count.to_ne_bytes(), SOCKETS_AT as u64);
        super::link::say_sockets();
    }
}

/// The thread of the event loop, by the kernel's id, is blocked, or is not (0).
pub(super) fn note_blocked_loop(tid: i32) {
    BLOCKED_LOOP.store(tid, Relaxed);
}

/// A process that the application forks off tells its end on standard error: the file is its parent's.
pub(super) fn leave_to_parent() {
    if PREPARED.swap(false, Relaxed) {
        DaemonDescriptor::Stack.replace(std::io::stderr().as_fd());
    }
}

/// Has the threads that run requests write their stacks, that of request thread `first` before all others. Calls of
/// theirs may be interrupted, so this is for a process that ends anyway.
pub(super) fn leave(slots: &[Arc<ThreadRecord>], first: Option<u32>) {
    if !PREPARED.load(Relaxed) || !is_handled() {
        return;
    }
    let event_loop = BLOCKED_LOOP.load(Relaxed);
    if event_loop != 0 {
        leave_one("Event loop", event_loop);
    }
    let slot_of = |thread: u32| (thread as usize).checked_sub(1).and_then(|index| slots.get(index));
    let first = first.and_then(|thread| slot_of(thread).map(|slot| (thread, slot)));
    let others = slots.iter().enumerate().map(|(index, slot)| (index as u32 + 1, slot));
    let others = others.filter(|(thread, _)| first.is_none_or(|(first, _)| first != *thread));
    for (thread, slot) in
        first.into_iter().chain(others).filter(|(_, slot)| slot.state() == ThreadState::Running)
    {
        leave_one(&format!("Request thread {thread}"), slot.tid());
    }
}

/// Whether the signal does what we want: by default it would end the process.
fn is_handled() -> bool {
    wsgi_system::signals::has_handler(signal())
}

fn leave_one(name: &str, tid: i32) {
    let title = format!("{name}:\n");
    let stack = DaemonDescriptor::Stack.borrow();
    // The position is shared with `faulthandler`.
    let _ = wsgi_system::descriptors::write(stack, title.as_bytes());
    let begun = position(stack);
    wsgi_system::process::signal_thread(tid, signal());
    let (deadline, mut last) = (Instant::now() + PATIENCE, begun);
    loop {
        std::thread::sleep(Duration::from_millis(2));
        let now = position(stack);
        // It has begun, and nothing more has come since the last look.
        if (now > begun && now == last) || Instant::now() >= deadline {
            return;
        }
        last = now;
    }
}

/// Leaves the stacks when a process that shall end soon goes on burning CPU time, once.
pub(super) fn leave_once(slots: &[Arc<ThreadRecord>]) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Relaxed) {
        leave(slots, None);
    }
}
