//! httpd's parent while it reads its configuration, starts, and looks after its children: it has one thread then.

use super::other_child::{EndWatch, OtherChild};
use super::pool::{LastingRecord, Pool};
use super::record::{HttpdText, Record};
use super::server::Server;
use super::tree::ConfigTree;
use crate::callbacks::handed;
use apr_sys as sys;
use std::io;
use std::marker::PhantomData;
use std::ptr;
use wsgi_system::process::{self, ForkedChild};

/// Proof that this process has one thread, this one: it can fork, and nothing is locked for ever in the child.
#[derive(Debug, Clone, Copy)]
pub struct OnlyThread(PhantomData<*const ()>);

impl OnlyThread {
    /// # Safety
    /// It has, and no other one begins while this is used.
    pub unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// Runs `child` in a forked process, which ends with the status that `child` gives.
    ///
    /// # Errors
    /// The errno of fork.
    pub fn fork(self, child: impl FnOnce(&ForkedChild) -> i32) -> io::Result<i32> {
        // SAFETY: there is no other thread.
        Ok(unsafe { process::fork(child)? })
    }
}

/// Proof that this is httpd's parent, or a process just forked off it, on its only thread; with the main server of the
/// configuration that was read.
#[derive(Debug, Clone, Copy)]
pub struct ParentThread {
    main: Server<'static>,
    thread: OnlyThread,
}

impl ParentThread {
    /// # Safety
    /// It is so, and stays so while this is used.
    pub unsafe fn new(main: Server<'static>) -> Self {
        // SAFETY: by the contract.
        Self { main, thread: unsafe { OnlyThread::new() } }
    }

    /// As far as there is no other one.
    pub fn thread(self) -> OnlyThread {
        self.thread
    }

    /// The main server.
    pub fn main(self) -> Server<'static> {
        self.main
    }

    /// The configuration pool.
    pub fn configuration_pool(self) -> Pool<'static> {
        self.main.configuration_pool()
    }

    /// See [`OnlyThread::fork`].
    ///
    /// # Errors
    /// The errno of fork.
    pub fn fork(self, child: impl FnOnce(&ForkedChild) -> i32) -> io::Result<i32> {
        self.thread.fork(child)
    }

    /// The record that survives the unloading of this module.
    ///
    /// # Safety
    /// Nobody else uses it for `'k`.
    pub unsafe fn lasting<'k, T: LastingRecord>(self) -> &'k mut T {
        // SAFETY: by the contract.
        unsafe { self.main.process_pool().lasting_record() }
    }

    /// The lines of the configuration.
    pub fn tree(self) -> ConfigTree<'static> {
        // SAFETY: it was read on this thread, and is null or complete.
        ConfigTree::of(unsafe {
            let first = sys::ap_conftree;
            (!first.is_null()).then(|| Record::from_raw(first))
        })
    }

    /// Names something more in what httpd says of itself.
    pub fn add_version(self, name: &str) {
        let pool = self.configuration_pool();
        // SAFETY: both live as long as the configuration.
        unsafe { sys::ap_add_version_component(pool.raw(), pool.dup(name.as_bytes()).raw()) };
    }

    /// User and Group: the name as it was written, and both numbers.
    pub fn user(self) -> (HttpdText<'static>, u32, u32) {
        // SAFETY: httpd's own record, which it changes on this thread only; the name lives as long as the configuration.
        unsafe {
            let unixd = &raw const sys::ap_unixd_config;
            (HttpdText::from_raw((*unixd).user_name), (*unixd).user_id, (*unixd).group_id)
        }
    }

    /// Whether CoreDumpDirectory was set.
    pub fn wants_core_dumps(self) -> bool {
        // SAFETY: httpd's own flag, which it changes on this thread only.
        unsafe { sys::ap_coredumpdir_configured != 0 }
    }

    /// In a forked process: becomes what httpd's children are; false if that fails.
    pub fn drop_privileges(self, _proof: &ForkedChild) -> bool {
        let pool = self.configuration_pool();
        // SAFETY: pool and server are those that httpd itself would pass.
        unsafe { sys::ap_run_drop_privileges(pool.raw(), self.main.raw()) == 0 }
    }

    /// Has the end of a process told, until the configuration is cleared.
    pub fn watch(self, process: &'static OtherChild, who: EndWatch) {
        let callback = match who {
            EndWatch::Supervisor => handed().supervisor_changed,
            EndWatch::LogWriter => handed().log_writer_changed,
        };
        let (process, none, pool) = (process.raw(), ptr::null_mut(), self.configuration_pool());
        // SAFETY: the record stays where it is for good, and its bytes are in a cell; the callbacks know by its address whose end
        // it is.
        unsafe {
            sys::apr_proc_other_child_register(process, Some(callback), process.cast(), none, pool.raw());
        }
    }

    /// Has the end of httpd told before any of its pools is cleared.
    pub fn tell_end(self) {
        let pool = self.main.process_pool();
        // SAFETY: the callback needs no data; this module is still loaded when it is called, or `tell_no_end` has taken it back.
        unsafe { sys::apr_pool_pre_cleanup_register(pool.raw(), ptr::null(), Some(handed().httpd_ends)) };
    }

    /// Takes that back, if it was asked for.
    pub fn tell_no_end(self) {
        let pool = self.main.process_pool();
        // SAFETY: what is not registered is not removed.
        unsafe { sys::apr_pool_cleanup_kill(pool.raw(), ptr::null(), Some(handed().httpd_ends)) };
    }
}
