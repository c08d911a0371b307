//! libpython and the host library in this process, and the calls into them (wsgi_protocol::abi).

use super::exchange::RequestHandle;
use super::from_host;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use wsgi_protocol::PROTOCOL_VERSION;
use wsgi_protocol::abi::{self, HostTable, HttpdTable};

/// The host's table; the library is never closed.
#[derive(Clone, Copy)]
pub struct LoadedHost(&'static HostTable);

/// The thread on which Python starts, which will be its main thread.
#[derive(Clone, Copy)]
pub enum MainThread {
    /// The calling one.
    This,
    /// One that the host makes.
    Apart,
}

static HTTPD: HttpdTable = HttpdTable {
    version: PROTOCOL_VERSION,
    read_body: from_host::read_body,
    send_head: from_host::send_head,
    write: from_host::write,
    send_file: from_host::send_file,
    log: from_host::log,
    is_aborted: from_host::is_aborted,
    error_text: from_host::error_text,
    answer: from_host::answer,
    ssl_is_https: from_host::ssl_is_https,
    ssl_variable: from_host::ssl_variable,
    scoreboard: from_host::scoreboard,
};

impl LoadedHost {
    /// Opens both.
    pub fn open(libpython: &Path, host_library: &Path) -> Result<Self, String> {
        // Extension modules resolve libpython's symbols through the global scope (decisions.md, "Embedded Python in an
        // httpd child").
        open(libpython, libc::RTLD_NOW | libc::RTLD_GLOBAL)?;
        let host = open(host_library, libc::RTLD_NOW)?;
        // SAFETY: the symbol has the documented type; the tables live as long as the process.
        let table = unsafe {
            let entry = libc::dlsym(host, abi::ENTRY_SYMBOL.as_ptr());
            if entry.is_null() {
                return Err(format!("'{}' is not a host library", host_library.display()));
            }
            let entry = std::mem::transmute::<*mut c_void, abi::HostEntry>(entry);
            entry(&raw const HTTPD).as_ref()
        };
        let table = table.filter(|t| t.version == PROTOCOL_VERSION);
        let table =
            table.ok_or("the host library is of another version than mod_wsgi.so; install both together")?;
        Ok(Self(table))
    }

    /// Starts Python; false if that fails.
    pub fn start(self, launch: &[u8], thread: MainThread) -> bool {
        let start = match thread {
            MainThread::This => self.0.start,
            MainThread::Apart => self.0.start_apart,
        };
        // SAFETY: the host copies what it needs of the message.
        unsafe { start(launch.as_ptr(), launch.len()) == 0 }
    }

    /// The child ends.
    pub fn stop(self) {
        // SAFETY: a table of a host.
        unsafe { (self.0.stop)() };
    }

    /// Runs a request; `abi` code.
    pub fn request(self, handle: &mut RequestHandle<'_>, payload: &[u8]) -> i32 {
        // SAFETY: handle and payload outlive the call; the host makes one call at a time for a request (abi::HttpdTable).
        unsafe { (self.0.request)(ptr::from_mut(handle).cast(), payload.as_ptr(), payload.len()) }
    }

    /// Asks a host script; the number of its verdict.
    pub fn call(self, handle: &mut RequestHandle<'_>, payload: &[u8]) -> i32 {
        // SAFETY: handle and payload outlive the call; the host uses the handle only on this thread.
        unsafe { (self.0.call)(ptr::from_mut(handle).cast(), payload.as_ptr(), payload.len()) }
    }
}

fn open(path: &Path, flags: c_int) -> Result<*mut c_void, String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: loading a library runs its initialisers; both libraries are meant for it.
    unsafe {
        let handle = libc::dlopen(name.as_ptr(), flags);
        if !handle.is_null() {
            return Ok(handle);
        }
        let reason = libc::dlerror();
        let reason =
            if reason.is_null() { "unknown reason".into() } else { CStr::from_ptr(reason).to_string_lossy() };
        Err(format!("'{}' cannot be loaded: {reason}", path.display()))
    }
}
