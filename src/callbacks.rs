//! Ways from C into this module that are registered while it runs. They stand at the door, in `boundary`, which hands them in
//! when httpd loads the module: what registers them need not know the door.

use crate::httpd::server::Server;
use apr_sys as sys;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

/// A cleanup of a pool.
type PoolCleanup = unsafe extern "C" fn(*mut c_void) -> sys::apr_status_t;
/// What apr's other-child list calls: reason, data, status.
type ChildMaintenance = unsafe extern "C" fn(c_int, *mut c_void, c_int);

/// The functions of `boundary` and what the end of a configuration needs.
#[derive(Debug)]
pub struct HandedCallbacks {
    /// httpd's parent ends.
    pub httpd_ends: PoolCleanup,
    /// The supervisor has ended.
    pub supervisor_changed: ChildMaintenance,
    /// A log writer has ended.
    pub log_writer_changed: ChildMaintenance,
    /// No further child of this generation will come. Only on the parent's only thread, while nobody else uses what it keeps;
    /// with the main server, which is still there.
    pub generation_ends: unsafe fn(Server<'static>),
}

static HANDED: OnceLock<&'static HandedCallbacks> = OnceLock::new();

/// When the module is loaded. Where it was not unloaded before, they are the same.
pub fn hand_in(callbacks: &'static HandedCallbacks) {
    let _ = HANDED.set(callbacks);
}

/// The callbacks.
pub fn handed() -> &'static HandedCallbacks {
    // httpd's first call into the module, `register_hooks`, has handed them in.
    HANDED.get().expect("handed in when the module was loaded")
}
