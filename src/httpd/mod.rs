//! Thin safe wrappers over httpd's objects; each carries the lifetime of the pool or request it lives in.

pub mod answer;
pub mod block;
pub mod brigade;
pub mod cleanup;
pub mod file_bucket;
pub mod log;
pub mod memory_bucket;
pub mod origin;
pub mod pool;
pub mod request;
pub mod server;
pub mod table;
pub mod temporary_file;
pub mod websocket;

use std::ffi::{CStr, c_char};

/// The bytes of a C string owned by httpd; `None` for a null pointer.
///
/// # Safety
/// `text` is null or NUL-terminated, and lives unchanged for `'a`.
pub unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null; the caller guarantees termination and lifetime.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}
