//! A server record: the main server or a virtual host; and what httpd says of itself.

use super::log::text_of;
use super::pool::{Pool, ProcessPool};
use super::record::{HttpdText, Record};
use apr_sys as sys;
use std::ffi::{c_char, c_int};
use std::hash::{Hash, Hasher};
use std::os::fd::BorrowedFd;
use wsgi_protocol::events::{EventLine, LogEvent};

/// A borrowed server record. `'static` is as long as the configuration: httpd unloads this module with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Server<'s>(Record<'s, sys::server_rec>);

/// The type of this module's record at each server.
///
/// # Safety
/// One type implements this; the hooks that create and merge records of servers make that.
pub unsafe trait ServerRecord {}

impl Eq for Server<'_> {}

impl Hash for Server<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.raw().hash(state);
    }
}

impl<'s> Server<'s> {
    /// The server of a record.
    pub fn of(record: Record<'s, sys::server_rec>) -> Self {
        Self(record)
    }

    /// The C pointer.
    pub fn raw(self) -> *mut sys::server_rec {
        self.0.raw()
    }

    /// The server itself and all that follow it in httpd's list: with the main server, all.
    pub fn and_next(self) -> impl Iterator<Item = Self> {
        self.0.chain(|s| &s.next).map(Self)
    }

    /// The ServerName as configured or derived.
    pub fn name(self) -> HttpdText<'s> {
        self.0.text(|s| &s.server_hostname)
    }

    /// ServerAdmin.
    pub fn admin(self) -> HttpdText<'s> {
        self.0.text(|s| &s.server_admin)
    }

    /// The port of its ServerName.
    pub fn port(self) -> u16 {
        self.0.get(|s| s.port)
    }

    /// Whether it is a virtual host.
    pub fn is_virtual(self) -> bool {
        self.0.get(|s| s.is_virtual) != 0
    }

    /// Timeout, milliseconds.
    pub fn timeout_ms(self) -> u64 {
        (self.0.get(|s| s.timeout).max(0) / 1000) as u64
    }

    /// The pool that lives as long as httpd.
    pub(super) fn process_pool(self) -> ProcessPool {
        ProcessPool::of(self.0.part(|s| &s.process))
    }

    /// The configuration pool.
    pub(super) fn configuration_pool(self) -> Pool<'s> {
        let process = self.0.part(|s| &s.process);
        Pool::of(process.part(|process| &process.pconf))
    }

    /// Descriptor of the error log, if it has a file or pipe (not syslog).
    pub fn error_log_fd(self) -> Option<BorrowedFd<'s>> {
        let (file, mut fd) = (self.0.get(|s| s.error_log), -1);
        // SAFETY: an error_log that is not null is a file of APR's, which stays open as long as the configuration.
        unsafe {
            let is_there = !file.is_null() && sys::apr_os_file_get(&mut fd, file) == 0;
            is_there.then(|| BorrowedFd::borrow_raw(fd))
        }
    }

    /// Whether it writes a file or a pipe, and not syslog.
    pub(super) fn has_error_file(self) -> bool {
        !self.0.get(|s| s.error_log).is_null()
    }

    /// Whether its log goes to a program.
    pub(super) fn is_piped(self) -> bool {
        self.0.text(|s| &s.error_fname).bytes().is_some_and(|name| name.starts_with(b"|"))
    }

    /// LogLevel of the wsgi module at it.
    pub fn log_level(self) -> u32 {
        // SAFETY: a live server.
        unsafe { sys::mw_server_log_level(self.raw()) }.max(0) as u32
    }

    /// Logs an event in its context, with its number.
    pub fn say(self, (event, text): &EventLine) {
        self.log_event(event, &event.line(text));
    }

    /// Logs an event by a line that has its number, if it has one.
    pub fn log_event(self, event: &LogEvent, line: &str) {
        log_to(Some(self), event.level as u8, line.as_bytes());
    }

    /// Logs one record of any bytes.
    pub fn log_bytes(self, level: u8, message: &[u8]) {
        log_to(Some(self), level, message);
    }

    /// This module's record at it, as it was made by httpd's order when it read its configuration; null if that failed.
    pub fn own_record<R: ServerRecord>(self) -> *mut R {
        self.record_of(crate::module_record())
    }

    /// The same, once the configuration has been read.
    pub fn own<R: ServerRecord>(self) -> &'s R {
        // SAFETY: by the contract of the trait; it lives as long as the server, and changes only while lines are read.
        let found = unsafe { self.own_record::<R>().as_ref() };
        // What reads it comes only where all records were made.
        found.expect("httpd does not start where a record could not be made")
    }

    /// What the core module keeps of it.
    pub(super) fn core(self) -> Option<Record<'s, sys::core_server_config>> {
        let core = (&raw const sys::core_module).cast_mut();
        let found: *mut sys::core_server_config = self.record_of(core);
        // SAFETY: the core module has such a record at each server, which lives as long.
        (!found.is_null()).then(|| unsafe { Record::from_raw(found) })
    }

    fn record_of<R>(self, module: *mut sys::module) -> *mut R {
        // SAFETY: a live server has a place for each module that httpd has loaded: the core, and this one.
        unsafe { sys::mw_get_module_config(self.0.get(|s| s.module_config), module) }.cast()
    }
}

/// Logs one record in the context of a server, or in the main log where there is none.
pub fn log_to(server: Option<Server<'_>>, level: u8, message: &[u8]) {
    let server = server.map_or(std::ptr::null_mut(), Server::raw);
    // SAFETY: a server, or null for the main log; the text is NUL-terminated and passed through a fixed "%s".
    unsafe { sys::mw_log_server(c_int::from(level), 0, server, text_of(message).as_ptr()) }
}

/// An answer of the MPM.
pub fn query_mpm(what: u32) -> Option<u32> {
    let mut answer = 0;
    // SAFETY: plain query with a valid result pointer.
    let status = unsafe { sys::ap_mpm_query(what as c_int, &mut answer) };
    (status == 0).then(|| answer.max(0) as u32)
}

/// Whether httpd is ending.
pub fn is_stopping() -> bool {
    query_mpm(sys::AP_MPMQ_MPM_STATE) == Some(sys::AP_MPMQ_STOPPING)
}

/// Whether this run only tests the configuration (`httpd -t`).
pub fn is_config_test() -> bool {
    sys::ap_state_query(sys::AP_SQ_RUN_MODE as c_int) == sys::AP_SQ_RM_CONFIG_TEST as c_int
}

/// The wall clock, µs since the epoch.
pub fn now_us() -> u64 {
    sys::apr_time_now().max(0) as u64
}

/// What httpd says of itself.
pub struct HttpdNames {
    /// Name, version, and those of modules.
    pub description: HttpdText<'static>,
    /// When it was built.
    pub built: HttpdText<'static>,
    /// Its MPM.
    pub mpm: HttpdText<'static>,
    /// ServerRoot.
    pub root: HttpdText<'static>,
}

impl HttpdNames {
    /// As the configuration has it.
    pub fn get() -> Self {
        let description = sys::ap_get_server_description();
        let (built, mpm) = (sys::ap_get_server_built(), sys::ap_show_mpm());
        // SAFETY: strings of httpd's own, or of the configuration; httpd sets them before it starts any thread.
        unsafe {
            let [description, built, mpm, root] =
                [description, built, mpm, sys::ap_server_root].map(|text| HttpdText::from_raw(text));
            Self { description, built, mpm, root }
        }
    }
}

/// Addresses that httpd listens on.
pub(super) fn listeners() -> impl Iterator<Item = Record<'static, sys::ap_listen_rec>> {
    // SAFETY: httpd changes the list on its parent's only thread, between two configurations.
    let first = unsafe {
        let first = sys::ap_listeners;
        (!first.is_null()).then(|| Record::from_raw(first))
    };
    first.into_iter().flat_map(|first| first.chain(|listener| &listener.next))
}

/// Their ports.
pub fn listening_ports() -> impl Iterator<Item = u16> {
    listeners().filter_map(|listener| Some(listener.follow(|l| &l.bind_addr)?.get(|address| address.port)))
}

/// Whether a name was defined, by `-D` or Define.
pub fn is_defined(name: &std::ffi::CStr) -> bool {
    // SAFETY: httpd only reads the name.
    unsafe { sys::ap_exists_config_define(name.as_ptr()) != 0 }
}

/// httpd's scoreboard, which is there as long as the child. Other processes write to it meanwhile, hence copies.
pub struct HttpdScoreboard(());

impl HttpdScoreboard {
    /// If there is one.
    pub fn get() -> Option<Self> {
        (sys::ap_exists_scoreboard_image() != 0).then_some(Self(()))
    }

    /// What it says of the whole server.
    pub fn global(&self) -> Option<sys::global_score> {
        // SAFETY: there is a scoreboard, so that httpd answers null or a record of it.
        unsafe { copied(sys::ap_get_scoreboard_global()) }
    }

    /// What it says of a process.
    pub fn process(&self, slot: c_int) -> Option<sys::process_score> {
        // SAFETY: as in `global`.
        unsafe { copied(sys::ap_get_scoreboard_process(slot)) }
    }

    /// What it says of a thread of a process.
    pub fn worker(&self, slot: c_int, thread: c_int) -> Option<sys::worker_score> {
        // SAFETY: as in `global`.
        unsafe { copied(sys::ap_get_scoreboard_worker_from_indexes(slot, thread)) }
    }

    /// The client's address, up to the end mark.
    pub fn client(score: &sys::worker_score) -> [c_char; 64] {
        let mut buffer = [0; 64];
        // SAFETY: a buffer of the size given.
        unsafe { sys::mw_worker_client(score, buffer.as_mut_ptr(), buffer.len()) };
        buffer
    }
}

/// # Safety
/// Null, or a record that is there; any bytes are one.
unsafe fn copied<T>(record: *const T) -> Option<T> {
    // SAFETY: by the contract.
    (!record.is_null()).then(|| unsafe { std::ptr::read_volatile(record) })
}
