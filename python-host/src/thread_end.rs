//! What is done when a thread ends, by a key of pthread's. Destructors of thread-local data would also run in C's `exit()`,
//! in the midst of whatever the thread is doing: there they would wait for a GIL that the thread itself holds, or for a lock
//! that a thread of the parent process held when this process was forked off. Keys are only looked at when a thread ends.

use crate::boundary;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

/// As many tasks as there are callers of [`arrange`].
const MOST: usize = 3;

static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

type EndTask = Option<fn()>;

thread_local! {
    static TASKS: Cell<[EndTask; MOST]> = const { Cell::new([None; MOST]) };
}

/// Makes the key. Of two keys the older one comes first, so an httpd child calls this before Python makes its own: what
/// tasks do needs Python's.
pub fn prepare() {
    let _ = key();
}

fn key() -> Option<libc::pthread_key_t> {
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: writes a live local; the function is part of this library, which is never unloaded.
        let result = unsafe { libc::pthread_key_create(&raw mut key, Some(at_end_of_thread)) };
        (result == 0).then_some(key)
    })
}

/// Has `task` run when the calling thread ends, after those that were arranged later; once, however often it is asked for.
pub fn arrange(task: fn()) {
    let mut tasks = TASKS.get();
    if tasks.iter().flatten().any(|known| ptr::fn_addr_eq(*known, task)) {
        return;
    }
    if let (Some(place), Some(key)) = (tasks.iter_mut().find(|place| place.is_none()), key()) {
        *place = Some(task);
        TASKS.set(tasks);
        // SAFETY: a key of this library; the value only has to differ from null.
        unsafe { libc::pthread_setspecific(key, ptr::from_ref(&KEY).cast::<c_void>()) };
    }
}

/// Runs at the end of each thread that asked for it.
extern "C" fn at_end_of_thread(_: *mut c_void) {
    boundary::guard((), run);
}

/// Runs what was arranged; on a thread that is ending.
fn run() {
    for task in TASKS.take().into_iter().rev().flatten() {
        task();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    static DONE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

    #[test]
    fn tasks_run_once_and_backwards() {
        fn first() {
            DONE.lock().unwrap().push(1);
        }
        fn second() {
            DONE.lock().unwrap().push(2);
        }
        let thread = std::thread::spawn(|| {
            for task in [first, second, first] {
                arrange(task);
            }
            assert!(DONE.lock().unwrap().is_empty());
        });
        thread.join().unwrap();
        assert_eq!(*DONE.lock().unwrap(), [2, 1]);
    }
}
