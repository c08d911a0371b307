//! Processes of the parent that apr looks after: it tells when one has ended. Their records live in httpd's own pool, because
//! they outlive this module.

use apr_sys as sys;
use std::cell::Cell;
use std::ptr;

/// apr's record of such a process.
#[derive(Debug)]
#[repr(transparent)]
pub struct OtherChild(Cell<sys::apr_proc_t>);

/// Who is told of its end.
#[derive(Debug, Clone, Copy)]
pub enum EndWatch {
    /// See `lifecycle::supervisor_changed`.
    Supervisor,
    /// See `lifecycle::log_writer_changed`.
    LogWriter,
}

impl OtherChild {
    /// No process.
    pub const fn none() -> Self {
        let none = ptr::null_mut();
        Self(Cell::new(sys::apr_proc_t { pid: 0, in_: none, out: none, err: none }))
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.0.get().pid
    }

    /// Another process from here on.
    pub fn set_pid(&self, pid: i32) {
        self.0.set(sys::apr_proc_t { pid, ..self.0.get() });
    }

    /// The C pointer, by which it is known.
    pub(super) fn raw(&'static self) -> *mut sys::apr_proc_t {
        self.0.as_ptr()
    }
}
