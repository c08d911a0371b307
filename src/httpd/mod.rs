//! Thin safe wrappers over httpd's objects; each carries the lifetime of the pool or request it lives in.

pub mod answer;
pub mod block;
pub mod brigade;
pub mod bucket;
pub mod cleanup;
pub mod facts;
pub mod log;
pub mod origin;
pub mod pool;
pub mod request;
pub mod server;
pub mod table;
pub mod temporary_file;
pub mod tree;
pub mod websocket;

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

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

/// A string of httpd's that lives for `'t`, or none; its length is not known.
#[derive(Clone, Copy)]
pub struct HttpdText<'t> {
    raw: *const c_char,
    life: PhantomData<&'t CStr>,
}

impl<'t> HttpdText<'t> {
    /// # Safety
    /// Null, or NUL-terminated and unchanged for `'t`.
    pub unsafe fn from_raw(raw: *const c_char) -> Self {
        Self { raw, life: PhantomData }
    }

    /// The C pointer; null for none.
    pub fn raw(self) -> *const c_char {
        self.raw
    }

    /// The bytes.
    pub fn bytes(self) -> Option<&'t [u8]> {
        // SAFETY: by the contract of `from_raw`.
        unsafe { bytes(self.raw) }
    }
}

impl From<&'static CStr> for HttpdText<'_> {
    fn from(text: &'static CStr) -> Self {
        Self { raw: text.as_ptr(), life: PhantomData }
    }
}
