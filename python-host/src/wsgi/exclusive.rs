//! Whether an import failed because of something that only one process can have: a port, a lock, a lock file. Then
//! the code may be as good as before, and only the predecessor that still holds it is in the way.

use crate::interpreter::Interpreter;
use crate::python::{Attached, Exception, Object, TextValues};

/// Error numbers of what is taken: EAGAIN (flock), EBUSY, EEXIST (a lock file), ETXTBSY, EADDRINUSE.
const NUMBERS: [i32; 5] = [libc::EAGAIN, libc::EBUSY, libc::EEXIST, libc::ETXTBSY, libc::EADDRINUSE];
/// What libraries say in their own words: `LockError: Couldn't lock`, `database is locked`, `already running`.
const WORDS: [&str; 4] = ["lock", "already running", "already in use", "in use by"];
/// Words that have `lock` in them and do not mean it.
const OTHERS: [&str; 2] = ["block", "clock"];
/// Exceptions that tell of the code, whatever words are in it: a module `filelock` that is not installed is not taken.
const OF_THE_CODE: [&str; 9] = [
    "attributeerror",
    "importerror",
    "indentationerror",
    "indexerror",
    "keyerror",
    "modulenotfounderror",
    "nameerror",
    "syntaxerror",
    "typeerror",
];

/// Whether the exception, or one that it was raised from, says so.
pub fn is_evidence(py: Attached<'_>, interpreter: &Interpreter, exception: &Exception<'_>) -> bool {
    let trace = exception.trace.as_deref().unwrap_or(py.none());
    let parts: [&Object; 3] = [&exception.kind, &exception.value, trace];
    match interpreter.fixture(py, "describe", &parts) {
        Ok(text) => names_what_is_taken(&text.lossy(py)),
        Err(raised) => {
            raised.clear(py);
            false
        }
    }
}

/// The same of a traceback's text: only the lines that name exceptions count.
fn names_what_is_taken(traceback: &str) -> bool {
    let is_summary = |line: &&str| !line.starts_with(char::is_whitespace) && !line.starts_with("Traceback");
    traceback.lines().filter(is_summary).any(|line| {
        let mut line = line.to_ascii_lowercase();
        if OF_THE_CODE.iter().any(|kind| line.split(':').next() == Some(kind)) {
            return false;
        }
        for other in OTHERS {
            line = line.replace(other, "");
        }
        let has_number = |number: &i32| line.contains(&format!("[errno {number}]"));
        NUMBERS.iter().any(has_number) || WORDS.iter().any(|word| line.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::names_what_is_taken;

    #[test]
    fn what_is_taken_is_told_from_what_is_broken() {
        let of = |summary: &str| {
            names_what_is_taken(&format!(
                "Traceback (most recent call last):\n  File \"lock.py\", line 3, in acquire_lock\n    lock()\n{summary}\n"
            ))
        };
        assert!(of("OSError: [Errno 98] Address already in use"));
        assert!(of("BlockingIOError: [Errno 11] Resource temporarily unavailable"));
        assert!(of("zc.lockfile.LockError: Couldn't lock '/srv/var/Data.fs.lock'"));
        assert!(of("sqlite3.OperationalError: database is locked"));
        assert!(of("FileExistsError: [Errno 17] File exists: '/run/app.pid'"));
        assert!(of(
            "OSError: [Errno 98] Address already in use\n\nDuring handling of the above exception:\nValueError: x"
        ));
        assert!(!of("SyntaxError: invalid syntax"));
        assert!(!of("NameError: name 'block' is not defined"));
        assert!(!of("FileNotFoundError: [Errno 2] No such file or directory: 'x'"));
        assert!(!of("KeyError: 'CLOCK'"));
        assert!(!of("ModuleNotFoundError: No module named 'filelock'"));
        assert!(!of("ImportError: cannot import name 'Lock' from 'app.locks'"));
        assert!(!of("NameError: name 'lock' is not defined"));
    }
}
