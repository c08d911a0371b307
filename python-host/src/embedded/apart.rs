//! The thread on which Python starts when a request needs it first. Python's main thread must not be one that runs requests,
//! and must be the one that ends it: CPython 3.13 frees what belongs to the state of the thread that started it, and
//! crashes when that happens on another one.

use crate::scheduler::block_signals;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// As much as a main thread usually has: scripts are imported on it.
const STACK: usize = 8 * 1024 * 1024;

/// The thread, and where it is told what to do at the end.
struct PythonThread {
    order: Sender<fn()>,
    thread: JoinHandle<()>,
}

static APART: Mutex<Option<PythonThread>> = Mutex::new(None);

/// Starts Python as [`super::start`] does, on a thread of its own, which then sleeps until Python is ended.
pub fn start_apart(message: &[u8]) -> bool {
    let (tell, told) = channel();
    let (order, orders) = channel::<fn()>();
    let message = message.to_vec();
    let body = move || {
        block_signals();
        // The receiver waits below.
        let _ = tell.send(super::start(&message));
        // The sender is never dropped without an order, but in a process that is ending.
        if let Ok(task) = orders.recv() {
            task();
        }
    };
    match Builder::new().name("wsgi-python".to_owned()).stack_size(STACK).spawn(body) {
        Ok(thread) => {
            *APART.lock().unwrap_or_else(PoisonError::into_inner) = Some(PythonThread { order, thread });
            // Nothing comes if the start panicked, which has been logged.
            told.recv().unwrap_or(false)
        }
        Err(error) => {
            crate::log::write(crate::log::CRIT, &crate::messages::cannot_start(error));
            false
        }
    }
}

/// Runs `task` on the thread that started Python, and waits for it.
pub fn on_its_thread(task: fn()) {
    let apart = APART.lock().unwrap_or_else(PoisonError::into_inner).take();
    match apart {
        Some(PythonThread { order, thread }) => {
            // A thread that is gone, by a panic that has been logged, does nothing.
            let _ = order.send(task);
            let _ = thread.join();
        }
        None => task(),
    }
}
