//! httpd's error log: one call per record, in the context of a request or of a server.

use apr_sys as sys;
use std::ffi::CString;
use std::ffi::c_int;

/// httpd's log levels used here (APLOG_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// APLOG_CRIT
    Crit = 2,
    /// APLOG_ERR
    Error = 3,
    /// APLOG_WARNING
    Warning = 4,
    /// APLOG_NOTICE
    Notice = 5,
    /// APLOG_INFO
    Info = 6,
}

/// A C string: NULs, at which a record would end, are written out. (httpd escapes all other control characters.)
fn text(message: &[u8]) -> CString {
    CString::new(message).unwrap_or_else(|_| {
        let mut escaped = Vec::with_capacity(message.len() + 16);
        for byte in message {
            match byte {
                0 => escaped.extend_from_slice(b"\\x00"),
                other => escaped.push(*other),
            }
        }
        // No NUL is left, so the conversion cannot fail; an empty record stands in if it did.
        CString::new(escaped).unwrap_or_default()
    })
}

/// Logs in a request's context.
///
/// # Safety
/// `r` is a valid request of this thread.
pub unsafe fn request(r: *const sys::request_rec, level: u8, status: i32, message: &[u8]) {
    // SAFETY: `r` is valid; the text is NUL-terminated and passed through a fixed "%s".
    unsafe { sys::mw_log_request(c_int::from(level), status, r, text(message).as_ptr()) }
}

/// Logs in a server's context; a null server is the main log.
///
/// # Safety
/// `s` is null or a valid server record.
pub unsafe fn server(s: *const sys::server_rec, level: u8, status: i32, message: &[u8]) {
    // SAFETY: as above.
    unsafe { sys::mw_log_server(c_int::from(level), status, s, text(message).as_ptr()) }
}
