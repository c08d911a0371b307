//! Which process of httpd this is, and which configuration it serves.

use apr_sys as sys;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The main server of the current configuration, for callbacks that get no server.
static MAIN: AtomicPtr<sys::server_rec> = AtomicPtr::new(ptr::null_mut());

/// Process id of this child of httpd; each request needs it twice, and asking the system is a system call.
static CHILD_PID: AtomicU32 = AtomicU32::new(0);

/// In a new child.
pub fn note_child() {
    CHILD_PID.store(std::process::id(), Ordering::Relaxed);
}

/// Process id of this child of httpd.
pub fn child_pid() -> u32 {
    match CHILD_PID.load(Ordering::Relaxed) {
        0 => std::process::id(),
        pid => pid,
    }
}

/// In post_config, with its main server; null when the configuration is cleared. Answers the one before.
pub fn set_main_server(main: *mut sys::server_rec) -> *mut sys::server_rec {
    MAIN.swap(main, Ordering::AcqRel)
}

/// The main server, or null before post_config.
pub fn main_server() -> *mut sys::server_rec {
    MAIN.load(Ordering::Acquire)
}
