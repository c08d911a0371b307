//! Watches the import of a script: one that does not come back says where it is, and a process that serves nothing yet
//! gives way to another one when a file that it is in has changed.

use crate::interpreter::{Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, detached};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// After how long a line is worth writing; earlier with WSGISlowRequests.
const LONG: Duration = Duration::from_secs(30);

/// How often the files are looked at in which an import is.
const LOOK: Duration = Duration::from_millis(500);

/// The watch over one import.
pub struct ImportWatch {
    /// Dropped when it is over.
    over: Sender<()>,
    thread: JoinHandle<()>,
    /// Threads of this process before, where others must not remain (in a zygote).
    before: Option<usize>,
}

impl ImportWatch {
    /// Begins to watch what the calling thread imports. `None`: no thread can be made.
    pub fn begin(interpreter: &'static Interpreter, script: &[u8]) -> Option<Self> {
        let (over, end) = channel::<()>();
        let script = script.to_vec();
        let ident = crate::python::thread_ident() as i64;
        let launch = interpreter.host.launch();
        let slow = Duration::from_millis(launch.timers.slow_request);
        let limit = if slow.is_zero() { LONG } else { slow.min(LONG) };
        let before = launch.zygote.then(threads_of_process);
        let body = move || {
            crate::scheduler::block_signals();
            // With locks of their own, others run while the frames of all interpreters are looked at.
            let watches = interpreter.host.may_give_way() && interpreter.host.shares_lock();
            let first = if watches { LOOK.min(limit) } else { limit };
            if end.recv_timeout(first) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            // A thread of its own: it may wait for the GIL or for a file system, and the line must come in any case.
            let files = watches.then(|| FileWatch::begin(interpreter, &script, ident)).flatten();
            if end.recv_timeout(limit - first) == Err(RecvTimeoutError::Timeout) {
                report(interpreter, &script, ident, limit);
                let _ = end.recv();
            }
            if let Some(files) = files {
                files.end();
            }
        };
        let thread = thread::Builder::new().name("wsgi-import".to_owned()).spawn(body).ok()?;
        Some(Self { over, thread, before })
    }

    /// It has come back.
    pub fn end(self, _: Attached<'_>) {
        let Self { over, thread, before } = self;
        // The thread may be waiting for the GIL.
        detached(move || {
            drop(over);
            // A panic has been logged.
            let _ = thread.join();
            // The kernel shows it for a moment longer.
            for _ in 0..100 {
                if before.is_none_or(|before| threads_of_process() <= before) {
                    break;
                }
                thread::sleep(Duration::from_micros(100));
            }
        });
    }
}

/// Looks at the files in which an import is, as long as it lasts.
struct FileWatch {
    /// Dropped when it is over.
    over: Sender<()>,
    thread: JoinHandle<()>,
}

impl FileWatch {
    /// `None`: no thread can be made.
    fn begin(interpreter: &'static Interpreter, script: &[u8], ident: i64) -> Option<Self> {
        let (over, end) = channel::<()>();
        let script = script.to_vec();
        let launch = interpreter.host.launch();
        // That a script itself has changed is seen by the requests of its predecessor.
        let is_seen = launch.has_predecessor && !launch.lenient;
        let body = move || {
            crate::scheduler::block_signals();
            let mut known = HashMap::new();
            loop {
                let files = files_of_thread(interpreter, ident);
                if let Some(file) = changed_file(&mut known, files, is_seen.then_some(&script)) {
                    interpreter.host.give_way(&script, interpreter.name(), &file);
                }
                if end.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("wsgi-files".to_owned()).spawn(body).ok()?;
        Some(Self { over, thread })
    }

    fn end(self) {
        drop(self.over);
        // A panic has been logged.
        let _ = self.thread.join();
    }
}

/// Files through which a thread's calls go.
fn files_of_thread(interpreter: &'static Interpreter, ident: i64) -> Vec<Vec<u8>> {
    threads::visit(interpreter, |py| {
        let files = py.int(ident).and_then(|ident| interpreter.fixture(py, "files_of_thread", &[&*ident]));
        match files {
            Ok(files) => files.texts(py).into_iter().map(String::into_bytes).collect(),
            Err(raised) => {
                raised.clear(py);
                Vec::new()
            }
        }
    })
}

/// One of `files` that is another one than at an earlier look; `known` has their times. One that is seen for the first time
/// may have been written by the import itself.
fn changed_file(
    known: &mut HashMap<Vec<u8>, SystemTime>,
    files: Vec<Vec<u8>>,
    but: Option<&Vec<u8>>,
) -> Option<Vec<u8>> {
    files.into_iter().filter(|file| Some(file) != but).find(|file| {
        let time = fs::metadata(OsStr::from_bytes(file)).and_then(|facts| facts.modified());
        time.is_ok_and(|time| known.insert(file.clone(), time).is_some_and(|before| before != time))
    })
}

fn threads_of_process() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// First what needs no GIL: whoever does not come back may hold it.
fn report(interpreter: &'static Interpreter, script: &[u8], ident: i64, limit: Duration) {
    log::write(log::WARN, &messages::import_hangs(script, limit.as_secs_f64(), &interpreter.place()));
    threads::visit(interpreter, |py| {
        let stack = py.int(ident).and_then(|ident| interpreter.fixture(py, "stack", &[&*ident]));
        match stack {
            Ok(stack) => {
                let entries = stack.texts(py);
                entries.iter().flat_map(|entry| entry.lines()).for_each(|line| log::write(log::WARN, line));
            }
            Err(raised) => raised.clear(py),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_changed_when_it_was_seen_before() {
        let path = std::env::temp_dir().join(format!("wsgi-import-{}", std::process::id()));
        let name = path.as_os_str().as_bytes().to_vec();
        let mut known = HashMap::new();
        let mut look = |but: Option<&Vec<u8>>| changed_file(&mut known, vec![name.clone()], but);
        fs::write(&path, "").unwrap();
        assert_eq!(look(None), None, "seen for the first time");
        assert_eq!(look(None), None);
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(look(Some(&name)), None);
        assert_eq!(look(None), Some(name.clone()));
        assert_eq!(look(None), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(look(None), None, "it may be on its way");
    }
}
