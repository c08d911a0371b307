//! The bytes behind any bytes-like object. The buffer protocol joined the stable ABI late (3.11), but its functions and
//! its structure are the same in every version (decisions.md, "Symbols outside the stable ABI").

use super::{Attached, Object, Raised, Result, symbols};
use pyo3::ffi;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_int, c_void};

/// CPython's `Py_buffer`.
#[repr(C)]
pub struct RawBuffer {
    buf: *mut c_void,
    obj: *mut ffi::PyObject,
    len: isize,
    itemsize: isize,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut isize,
    strides: *mut isize,
    suboffsets: *mut isize,
    internal: *mut c_void,
}

/// A contiguous view; released when dropped.
pub struct BufferView<'py> {
    raw: RawBuffer,
    attached: PhantomData<Attached<'py>>,
}

impl<'py> BufferView<'py> {
    /// The view of a bytes-like object.
    ///
    /// # Errors
    /// CPython's TypeError `a bytes-like object is required, not …`.
    pub fn new(_: Attached<'py>, object: &Object) -> Result<Self> {
        // SAFETY: all zero is a valid empty structure.
        let mut raw: RawBuffer = unsafe { std::mem::zeroed() };
        // SAFETY: alive; flags 0 ask for a simple contiguous view.
        Raised::check(unsafe { symbols::get().get_buffer(object.as_ptr(), &raw mut raw) })?;
        Ok(Self { raw, attached: PhantomData })
    }

    /// A copy of the bytes: others may change them while the GIL is given up.
    pub fn to_vec(&self) -> Vec<u8> {
        if self.raw.buf.is_null() {
            return Vec::new();
        }
        // SAFETY: a simple view is contiguous and `len` bytes long, and the GIL is held during the copy.
        unsafe { std::slice::from_raw_parts(self.raw.buf.cast::<u8>(), self.raw.len as usize) }.to_vec()
    }
}

impl Drop for BufferView<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by `new` and released once.
        unsafe { symbols::get().release_buffer(&raw mut self.raw) }
    }
}
