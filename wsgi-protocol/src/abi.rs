//! The C tables between an httpd child and the embedded host library it opened at run time.
//!
//! `wsgi_host_tables` is the one symbol the child looks up. Strings are pointer and length, never NUL-ended.
//! No function unwinds; results are small integers. `request` is an opaque handle owned by httpd's side.

use core::ffi::c_void;

/// Name of the symbol exported by the host library.
pub const ENTRY_SYMBOL: &core::ffi::CStr = c"wsgi_host_tables";

/// Type of the function behind [`ENTRY_SYMBOL`]: takes httpd's table, gives the host's, or null when the
/// protocol version does not fit. Both tables live as long as the process.
pub type HostEntry = unsafe extern "C" fn(httpd: *const HttpdTable) -> *const HostTable;

/// A callback finished as asked.
pub const OK: i32 = 0;
/// The client is gone.
pub const CLIENT_GONE: i32 = -1;
/// The operation failed; `error` holds an APR status where there is such a parameter.
pub const FAILED: i32 = -2;

/// What the host may call in the httpd child. `request` comes from [`HostTable::request`]. For one request there is one
/// call at a time, but not all on its own thread: another one may call `write` while application code runs there.
#[derive(Debug)]
#[repr(C)]
pub struct HttpdTable {
    /// [`crate::PROTOCOL_VERSION`] of the side that filled the table.
    pub version: u32,
    /// Reads up to `len` bytes of the request body into `buffer`; blocks; 0 bytes in `read` is end of input.
    /// Called without the GIL. On [`FAILED`] `error` gets the APR status.
    pub read_body: unsafe extern "C" fn(
        request: *mut c_void,
        buffer: *mut u8,
        len: usize,
        read: *mut usize,
        error: *mut i32,
    ) -> i32,
    /// Commits status and headers; `head` is a [`crate::response`] payload.
    pub send_head: unsafe extern "C" fn(request: *mut c_void, head: *const u8, len: usize) -> i32,
    /// Sends response bytes and flushes if `flush` is not 0. Called without the GIL.
    pub write: unsafe extern "C" fn(
        request: *mut c_void,
        data: *const u8,
        len: usize,
        flush: i32,
        error: *mut i32,
    ) -> i32,
    /// Sends `len` bytes of the regular file `fd` from `offset`; httpd duplicates the descriptor.
    pub send_file:
        unsafe extern "C" fn(request: *mut c_void, fd: i32, offset: u64, len: u64, error: *mut i32) -> i32,
    /// Logs one record; `request` may be null (server log).
    pub log: unsafe extern "C" fn(request: *mut c_void, level: u32, text: *const u8, len: usize),
    /// 1 if the client's connection is known to be broken.
    pub is_aborted: unsafe extern "C" fn(request: *mut c_void) -> i32,
    /// The APR text of a status, written to `buffer`; returns its length.
    pub error_text: unsafe extern "C" fn(error: i32, buffer: *mut u8, len: usize) -> usize,
    /// Takes one answer of a host script; `number` is [`crate::call::DispatchRoute`] or 0. During [`HostTable::call`] only.
    /// On [`FAILED`] it is lost, and the call must fail.
    pub answer: unsafe extern "C" fn(request: *mut c_void, number: u32, text: *const u8, len: usize) -> i32,
    /// 1 if mod_ssl says that the client's connection is TLS.
    pub ssl_is_https: unsafe extern "C" fn(request: *mut c_void) -> i32,
    /// mod_ssl's variable `name`: [`OK`] and the text, which lives as long as the request, or [`FAILED`] if there is none.
    pub ssl_variable: unsafe extern "C" fn(
        request: *mut c_void,
        name: *const u8,
        len: usize,
        text: *mut *const u8,
        text_len: *mut usize,
    ) -> i32,
    /// Length of httpd's encoded [`crate::scoreboard::Scoreboard`], which is written to `buffer` if it fits; 0 if there is
    /// none, or WSGIServerMetrics is off.
    pub scoreboard: unsafe extern "C" fn(buffer: *mut u8, len: usize) -> usize,
}

/// How a request ended, as [`HostTable::request`] returns it: 0 is a complete response, a positive number is
/// the HTTP status httpd shall answer by its own error handling (nothing was committed), [`FAILED`] means the
/// response broke off after it was committed, and httpd must break the client's connection.
pub type HostOutcome = i32;

/// What httpd may call in the host.
#[derive(Debug)]
#[repr(C)]
pub struct HostTable {
    /// [`crate::PROTOCOL_VERSION`] of the host.
    pub version: u32,
    /// Starts Python on the calling thread (the child's main thread) from an encoded [`crate::launch::Launch`].
    /// 0 on success; otherwise a record has been logged and requests must be answered 500.
    pub start: unsafe extern "C" fn(launch: *const u8, len: usize) -> i32,
    /// As `start`, when the calling thread is a request thread: Python starts, and later ends, on a thread that the host
    /// makes for it.
    pub start_apart: unsafe extern "C" fn(launch: *const u8, len: usize) -> i32,
    /// Runs one request on the calling thread; `payload` is a [`crate::request`] payload without body.
    pub request: unsafe extern "C" fn(request: *mut c_void, payload: *const u8, len: usize) -> HostOutcome,
    /// Asks a host script on the calling thread; `payload` is a [`crate::call`] payload. Gives the number of a
    /// [`crate::call::ScriptVerdict`]; answers come by [`HttpdTable::answer`] before it returns.
    pub call: unsafe extern "C" fn(request: *mut c_void, payload: *const u8, len: usize) -> i32,
    /// Publishes `process_stopping` and, if no request is running, ends the interpreters. Does nothing when the process ends
    /// in the midst of Python (C's `exit()`), or is a copy that the application forked off.
    pub stop: unsafe extern "C" fn(),
}
