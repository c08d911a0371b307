//! Calls of the embedded host library into this child (`wsgi_protocol::abi::HttpdTable`).

use super::exchange;
use crate::panics::guard;
use std::ffi::c_void;
use wsgi_protocol::abi;

/// # Safety
/// `request` is the handle given to the host for the request under way; pointers are valid.
pub unsafe extern "C" fn read_body(
    request: *mut c_void,
    buffer: *mut u8,
    len: usize,
    read: *mut usize,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::read_body(request, buffer, len, read, error) })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn send_head(request: *mut c_void, head: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::send_head(request, head, len) })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn write(
    request: *mut c_void,
    data: *const u8,
    len: usize,
    flush: i32,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::write(request, data, len, flush, error) })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn send_file(
    request: *mut c_void,
    fd: i32,
    offset: u64,
    len: u64,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::send_file(request, fd, offset, len, error) })
}

/// # Safety
/// `request` is null or as in [`read_body`]; `text` holds `len` bytes.
pub unsafe extern "C" fn log(request: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: by the contract.
    guard((), || unsafe { exchange::log(request, level, text, len) });
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn is_aborted(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    guard(1, || unsafe { exchange::is_aborted(request) })
}

/// # Safety
/// `buffer` holds `len` bytes.
pub unsafe extern "C" fn error_text(error: i32, buffer: *mut u8, len: usize) -> usize {
    // SAFETY: by the contract.
    guard(0, || unsafe { exchange::error_text(error, buffer, len) })
}

/// # Safety
/// `buffer` holds `len` bytes.
pub unsafe extern "C" fn scoreboard(buffer: *mut u8, len: usize) -> usize {
    // SAFETY: by the contract.
    guard(0, || unsafe { exchange::scoreboard(buffer, len) })
}

/// # Safety
/// As [`read_body`]; `text` holds `len` bytes.
pub unsafe extern "C" fn answer(request: *mut c_void, number: u32, text: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::answer(request, number, text, len) })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn ssl_is_https(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    guard(0, || unsafe { exchange::ssl_is_https(request) })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn ssl_variable(
    request: *mut c_void,
    name: *const u8,
    len: usize,
    text: *mut *const u8,
    text_len: *mut usize,
) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { exchange::ssl_variable(request, name, len, text, text_len) })
}
