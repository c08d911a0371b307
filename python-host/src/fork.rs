//! Forking a process with Python in it (`preload=on`), by the functions that `os.fork` uses itself.

use crate::forked;
use crate::host::texts;
use crate::interpreter::{self, threads};
use crate::wsgi::{failures, metrics};
use pyo3::ffi;
use std::fs;
use std::io;
use wsgi_system::process;

/// Takes notice of forks from now on; before any code of the application runs. (A daemon that serves does more then.)
pub fn watch() {
    // SAFETY: the handler only stores to an atomic, and this library is never unloaded.
    unsafe { libc::pthread_atfork(None, None, Some(forked::in_forked_child)) };
}

/// Where a forked thread finds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkSide {
    /// In the process that forked.
    Parent,
    /// In the new one.
    Child,
}

/// Threads besides the calling one.
#[derive(Debug, Default)]
pub struct OtherThreads {
    /// How many.
    pub count: usize,
    /// Those that `threading` knows.
    names: Vec<String>,
}

impl OtherThreads {
    /// `'a', 'b' and 1 that Python does not know`.
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| format!("'{name}'")).collect();
        let unknown = self.count.saturating_sub(names.len());
        match (names.join(", "), unknown) {
            (names, 0) => names,
            (names, count) if names.is_empty() => format!("{count} of a library"),
            (names, count) => format!("{names} and {count} of a library"),
        }
    }
}

/// The threads that a child would not have.
pub fn other_threads() -> OtherThreads {
    let main = interpreter::main();
    let names = threads::within(main, |py| texts(py, main, "thread_names"));
    // Without /proc only Python can be asked.
    let count = fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count().saturating_sub(1));
    OtherThreads { count: count.max(names.len()), names }
}

/// Leaves no garbage to the children, and keeps their collectors from writing to what was imported: pages that
/// nobody writes to stay shared.
pub fn freeze() {
    run("freeze");
}

/// What a new child changes about Python: what was the parent's own is its own now.
pub fn settle() {
    run("born");
    let main = interpreter::main();
    threads::within(main, |py| metrics::begin_again(py, main.host.launch().threads));
}

fn run(name: &str) {
    let main = interpreter::main();
    threads::within(main, |py| {
        if let Err(raised) = main.fixture(py, name, &[]) {
            failures::report_startup(py, main, raised.take(py));
        }
    });
}

/// Forks a process that is not a child of this one, but of the nearest ancestor that adopts (PR_SET_CHILD_SUBREAPER):
/// by way of one in between that ends at once. glibc's own fork, so that libraries get their chance too. `arrive`
/// runs in the child before Python knows of it. On the main thread, detached before and after.
///
/// # Errors
/// The system cannot create a process.
pub fn fork_away(arrive: impl FnOnce()) -> io::Result<ForkSide> {
    struct Ours;
    impl Drop for Ours {
        fn drop(&mut self) {
            forked::note_ours(false);
        }
    }
    forked::note_ours(true);
    let _ours = Ours;
    let between = threads::within(interpreter::main(), |_| {
        // SAFETY: attached; each way out below calls the function that belongs to it.
        unsafe { ffi::PyOS_BeforeFork() };
        // SAFETY: the child has this thread only, with Python's lock and those that the line above took.
        match unsafe { libc::fork() } {
            0 => {
                pass_on(arrive);
                // SAFETY: attached, in the child of the fork announced above.
                unsafe { ffi::PyOS_AfterFork_Child() };
                Ok(0)
            }
            result => {
                let error = io::Error::last_os_error();
                // SAFETY: attached, in the process that announced the fork.
                unsafe { ffi::PyOS_AfterFork_Parent() };
                if result < 0 { Err(error) } else { Ok(result) }
            }
        }
    })?;
    if between == 0 {
        return Ok(ForkSide::Child);
    }
    wait_for(between).map(|()| ForkSide::Parent)
}

/// In the process in between: forks again, and ends; returns in the child's child.
fn pass_on(arrive: impl FnOnce()) {
    // SAFETY: as the first fork; nothing has happened since.
    match unsafe { libc::fork() } {
        0 => arrive(),
        result => process::exit_now(i32::from(result < 0)),
    }
}

fn wait_for(pid: i32) -> io::Result<()> {
    match process::await_child(pid) {
        Some(0) => Ok(()),
        Some(_) => Err(io::ErrorKind::OutOfMemory.into()),
        // The application ignores SIGCHLD: the kernel has reaped it, and the supervisor knows what came of it.
        None => Ok(()),
    }
}
