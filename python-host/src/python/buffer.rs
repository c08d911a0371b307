//! The bytes behind any bytes-like object. The buffer protocol joined the stable ABI late (3.11), but its functions and
//! its structure are the same in every version (decisions.md, "Symbols outside the stable ABI").

use super::Attached;
use super::handles::Object;
use super::raised::{Raised, Result};
use super::symbols::{self, RawBuffer};
use std::marker::PhantomData;

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
        let mut raw = RawBuffer::EMPTY;
        Raised::check(symbols::get().get_buffer(object, &mut raw))?;
        Ok(Self { raw, attached: PhantomData })
    }

    /// A copy of the bytes: others may change them while the GIL is given up.
    pub fn to_vec(&self) -> Vec<u8> {
        self.raw.to_vec()
    }
}

impl Drop for BufferView<'_> {
    fn drop(&mut self) {
        symbols::get().release_buffer(&mut self.raw);
    }
}
