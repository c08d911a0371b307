//! Calls of the embedded host library into this child (`wsgi_protocol::abi::HttpdTable`).

use super::exchange::{self, RequestHandle, SendFailure};
use crate::httpd::brigade::AprStatus;
use crate::panics::guard;
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use wsgi_protocol::abi;

/// # Safety
/// `request` is the handle given to the host for the request under way.
unsafe fn handle<'h>(request: *mut c_void) -> &'h mut RequestHandle<'h> {
    // SAFETY: by the contract; the host makes one call at a time for a request.
    unsafe { &mut *request.cast() }
}

/// # Safety
/// `data` holds `len` bytes.
unsafe fn bytes<'b>(data: *const u8, len: usize) -> &'b [u8] {
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// The code for the host; the status of the chain goes to `error`.
fn code(result: Result<(), SendFailure>, error: &mut i32) -> i32 {
    let Err(failure) = result else { return abi::OK };
    if let Some(AprStatus(status)) = failure.status {
        *error = status;
    }
    failure.code
}

/// Copies as much of a text as there is room for.
///
/// # Safety
/// `buffer` holds `len` bytes.
unsafe fn put(text: &[u8], buffer: *mut u8, len: usize) -> usize {
    let take = text.len().min(len);
    // SAFETY: by the contract.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, take) };
    take
}

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
    guard(abi::FAILED, || unsafe {
        match handle(request).read_body(std::slice::from_raw_parts_mut(buffer, len)) {
            Ok(got) => {
                *read = got;
                abi::OK
            }
            Err(AprStatus(status)) => {
                *error = status;
                abi::FAILED
            }
        }
    })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn send_head(request: *mut c_void, head: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe { handle(request).send_head(bytes(head, len)) })
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
    guard(abi::FAILED, || unsafe { code(handle(request).write(bytes(data, len), flush != 0), &mut *error) })
}

/// # Safety
/// As [`read_body`]; the descriptor is open during the call.
pub unsafe extern "C" fn send_file(
    request: *mut c_void,
    fd: i32,
    offset: u64,
    len: u64,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe {
        code(handle(request).send_file(BorrowedFd::borrow_raw(fd), offset, len), &mut *error)
    })
}

/// # Safety
/// `request` is null or as in [`read_body`]; `text` holds `len` bytes.
pub unsafe extern "C" fn log(request: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: by the contract.
    guard((), || unsafe {
        match request.is_null() {
            true => exchange::log_without_request(level, bytes(text, len)),
            false => handle(request).log(level, bytes(text, len)),
        }
    });
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn is_aborted(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    guard(1, || i32::from(unsafe { handle(request) }.is_aborted()))
}

/// # Safety
/// `buffer` holds `len` bytes.
pub unsafe extern "C" fn error_text(error: i32, buffer: *mut u8, len: usize) -> usize {
    // SAFETY: by the contract.
    guard(0, || unsafe { put(AprStatus(error).text().as_bytes(), buffer, len) })
}

/// # Safety
/// `buffer` holds `len` bytes.
pub unsafe extern "C" fn scoreboard(buffer: *mut u8, len: usize) -> usize {
    guard(0, || {
        let Some(board) = exchange::scoreboard() else { return 0 };
        if board.len() <= len {
            // SAFETY: it fits.
            unsafe { std::ptr::copy_nonoverlapping(board.as_ptr(), buffer, board.len()) };
        }
        board.len()
    })
}

/// # Safety
/// As [`read_body`]; `text` holds `len` bytes.
pub unsafe extern "C" fn answer(request: *mut c_void, number: u32, text: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    guard(abi::FAILED, || unsafe {
        handle(request).answer(number, bytes(text, len));
        abi::OK
    })
}

/// # Safety
/// As [`read_body`].
pub unsafe extern "C" fn ssl_is_https(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    guard(0, || i32::from(unsafe { handle(request) }.is_tls()))
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
    // SAFETY: by the contract; the value lives in the request's pool.
    guard(abi::FAILED, || unsafe {
        let Some(value) = handle(request).tls_variable(bytes(name, len)) else { return abi::FAILED };
        *text = value.as_ptr();
        *text_len = value.len();
        abi::OK
    })
}
