//! A server record: the main server or a virtual host.

use super::bytes;
use apr_sys as sys;
use std::ffi::c_int;

/// The ServerName as configured or derived.
///
/// # Safety
/// `s` is a valid server record that outlives `'a`.
pub unsafe fn hostname<'a>(s: *const sys::server_rec) -> Option<&'a [u8]> {
    // SAFETY: the record and its strings live in the configuration pool.
    unsafe { bytes((*s).server_hostname) }
}

/// The record itself and all that follow it in httpd's list.
///
/// # Safety
/// `first` is httpd's main server; the list is not changed meanwhile.
pub unsafe fn all(first: *mut sys::server_rec) -> impl Iterator<Item = *mut sys::server_rec> {
    std::iter::successors((!first.is_null()).then_some(first), |s| {
        // SAFETY: list members are valid records; the last one's `next` is null.
        let next = unsafe { (**s).next };
        (!next.is_null()).then_some(next)
    })
}

/// Descriptor of the server's error log, if it has a file or pipe (not syslog).
///
/// # Safety
/// `s` is a valid server record.
pub unsafe fn error_log_fd(s: *const sys::server_rec) -> Option<i32> {
    let mut fd = -1;
    // SAFETY: a non-null error_log is an open apr_file_t.
    unsafe {
        let file = (*s).error_log;
        if file.is_null() || sys::apr_os_file_get(&mut fd, file) != 0 {
            return None;
        }
    }
    Some(fd)
}

/// LogLevel of the wsgi module at a server.
///
/// # Safety
/// `s` is a valid server record.
pub unsafe fn log_level(s: *const sys::server_rec) -> u32 {
    // SAFETY: by the contract.
    unsafe { sys::mw_server_log_level(s) }.max(0) as u32
}

/// An answer of the MPM.
pub fn query_mpm(what: u32) -> Option<u32> {
    let mut answer = 0;
    // SAFETY: plain query with a valid result pointer.
    let status = unsafe { sys::ap_mpm_query(what as c_int, &mut answer) };
    (status == 0).then(|| answer.max(0) as u32)
}
