//! Making Python values from ours, and reading them.

use super::handles::{NewReference, Object, Owned};
use super::raised::{Raised, Result};
use super::{Attached, stable_abi, symbols};
use pyo3::ffi;
use std::borrow::Cow;
use std::ffi::c_void;

/// Text and bytes.
pub trait TextValues<'py>: Copy {
    /// A str.
    fn text(self, text: &str) -> Result<Owned<'py>>;
    /// A str that is the same object for the same text.
    fn interned(self, text: &str) -> Result<Owned<'py>>;
    /// A str by PEP 3333: every byte is a character.
    fn latin1(self, bytes: &[u8]) -> Result<Owned<'py>>;
    /// A str from UTF-8; what is none is replaced.
    fn utf8(self, bytes: &[u8]) -> Result<Owned<'py>>;
    /// A str from the bytes of a path.
    fn path(self, bytes: &[u8]) -> Result<Owned<'py>>;
    /// A bytes object.
    fn bytes(self, bytes: &[u8]) -> Result<Owned<'py>>;
    /// A bytes object of up to `size` bytes (more than one) that `fill` writes, and says how many it wrote.
    fn filled_bytes(self, size: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Owned<'py>>;
    /// None.
    fn none(self) -> &'py Object;
}

impl<'py> TextValues<'py> for Attached<'py> {
    fn text(self, text: &str) -> Result<Owned<'py>> {
        // SAFETY: pointer and length belong together; a new reference comes back.
        unsafe {
            let pointer = text.as_ptr().cast();
            Owned::from_raw(self, ffi::PyUnicode_FromStringAndSize(pointer, text.len() as isize))
        }
    }

    fn interned(self, text: &str) -> Result<Owned<'py>> {
        let mut text = self.text(text)?.into_raw();
        // SAFETY: the reference is ours and is exchanged for another one.
        unsafe {
            ffi::PyUnicode_InternInPlace(&raw mut text);
            Owned::from_raw(self, text)
        }
    }

    #[inline]
    fn latin1(self, bytes: &[u8]) -> Result<Owned<'py>> {
        // SAFETY: pointer and length belong together; a new reference comes back.
        unsafe {
            let pointer = bytes.as_ptr().cast();
            Owned::from_raw(
                self,
                ffi::PyUnicode_DecodeLatin1(pointer, bytes.len() as isize, std::ptr::null()),
            )
        }
    }

    fn utf8(self, bytes: &[u8]) -> Result<Owned<'py>> {
        // SAFETY: pointer and length belong together, the name is NUL-ended; a new reference comes back.
        unsafe {
            let pointer = bytes.as_ptr().cast();
            Owned::from_raw(
                self,
                ffi::PyUnicode_DecodeUTF8(pointer, bytes.len() as isize, c"replace".as_ptr()),
            )
        }
    }

    #[inline]
    fn path(self, bytes: &[u8]) -> Result<Owned<'py>> {
        if bytes.is_ascii() {
            return self.latin1(bytes);
        }
        // SAFETY: as above.
        let text = unsafe {
            let pointer = bytes.as_ptr().cast();
            Owned::from_raw(self, ffi::PyUnicode_DecodeFSDefaultAndSize(pointer, bytes.len() as isize))
        };
        text.or_else(|raised| {
            raised.clear(self);
            self.latin1(bytes)
        })
    }

    fn bytes(self, bytes: &[u8]) -> Result<Owned<'py>> {
        // SAFETY: pointer and length belong together; a new reference comes back.
        unsafe {
            let pointer = bytes.as_ptr().cast();
            Owned::from_raw(self, ffi::PyBytes_FromStringAndSize(pointer, bytes.len() as isize))
        }
    }

    fn filled_bytes(self, size: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Owned<'py>> {
        // SAFETY: without a pointer Python leaves the memory to the caller; a new reference comes back.
        let bytes = unsafe {
            Owned::from_raw(self, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size as isize))
        }?;
        // SAFETY: nobody else has the object yet, and its memory is only written below.
        let memory = unsafe {
            std::slice::from_raw_parts_mut(ffi::PyBytes_AsString(bytes.as_ptr()).cast::<u8>(), size)
        };
        let filled = fill(memory)?;
        if filled == size { Ok(bytes) } else { self.bytes(&memory[..filled]) }
    }

    #[inline]
    fn none(self) -> &'py Object {
        &stable_abi::_Py_NoneStruct
    }
}

/// Numbers and containers.
pub trait NumberValues<'py>: Copy {
    /// An int.
    fn int(self, number: i64) -> Result<Owned<'py>>;
    /// A float.
    fn float(self, number: f64) -> Result<Owned<'py>>;
    /// True or False.
    fn truth(self, truth: bool) -> &'py Object;
    /// An empty dict.
    fn dict(self) -> Result<Owned<'py>>;
    /// A list.
    fn list(self, items: &[&Object]) -> Result<Owned<'py>>;
    /// A tuple.
    fn tuple(self, items: &[&Object]) -> Result<Owned<'py>>;
    /// A nameless capsule around an address, which nobody follows.
    fn address(self, address: usize) -> Result<Owned<'py>>;
    /// A tuple of three ints.
    fn version(self, version: (u32, u32, u32)) -> Result<Owned<'py>>;
}

impl<'py> NumberValues<'py> for Attached<'py> {
    fn int(self, number: i64) -> Result<Owned<'py>> {
        // SAFETY: a new reference comes back.
        unsafe { Owned::from_raw(self, ffi::PyLong_FromLongLong(number)) }
    }

    fn float(self, number: f64) -> Result<Owned<'py>> {
        // SAFETY: a new reference comes back.
        unsafe { Owned::from_raw(self, ffi::PyFloat_FromDouble(number)) }
    }

    fn truth(self, truth: bool) -> &'py Object {
        if truth { &stable_abi::_Py_TrueStruct } else { &stable_abi::_Py_FalseStruct }
    }

    fn dict(self) -> Result<Owned<'py>> {
        // SAFETY: a new reference comes back.
        unsafe { Owned::from_raw(self, ffi::PyDict_New()) }
    }

    fn list(self, items: &[&Object]) -> Result<Owned<'py>> {
        // SAFETY: a new reference comes back.
        let list = unsafe { Owned::from_raw(self, ffi::PyList_New(0)) }?;
        items.iter().try_for_each(|item| list.list_append(item))?;
        Ok(list)
    }

    fn tuple(self, items: &[&Object]) -> Result<Owned<'py>> {
        // SAFETY: a new reference comes back.
        let tuple = unsafe { Owned::from_raw(self, ffi::PyTuple_New(items.len() as isize)) }?;
        for (place, item) in items.iter().enumerate() {
            let item: NewReference = item.own(self).give();
            Raised::check(stable_abi::PyTuple_SetItem(&tuple, place as isize, item))?;
        }
        Ok(tuple)
    }

    fn address(self, address: usize) -> Result<Owned<'py>> {
        let pointer = std::ptr::without_provenance_mut::<c_void>(address);
        // SAFETY: only the number is kept; a new reference comes back.
        unsafe { Owned::from_raw(self, ffi::PyCapsule_New(pointer, std::ptr::null(), None)) }
    }

    fn version(self, version: (u32, u32, u32)) -> Result<Owned<'py>> {
        let numbers = [version.0, version.1, version.2].map(|number| self.int(number.into()));
        let [a, b, c] = numbers;
        self.tuple(&[&*a?, &*b?, &*c?])
    }
}

impl Object {
    /// The bytes of a str that holds only latin-1.
    ///
    /// # Errors
    /// UnicodeEncodeError of the codec `latin-1`.
    #[inline]
    pub fn latin1_bytes(&self, py: Attached<'_>) -> Result<Cow<'_, [u8]>> {
        match symbols::get().utf8(self) {
            // A lone surrogate: the other codec says so in its own words.
            None => Raised.clear(py),
            Some(bytes) if bytes.is_ascii() => return Ok(Cow::Borrowed(bytes)),
            Some(_) => {}
        }
        let bytes = Owned::new(py, stable_abi::PyUnicode_AsLatin1String(self))?;
        Ok(Cow::Owned(bytes.as_bytes().unwrap_or_default().to_vec()))
    }

    /// The number behind `operator.index`; too large ones become the nearest.
    ///
    /// # Errors
    /// TypeError `… object cannot be interpreted as an integer`.
    pub fn index(&self, py: Attached<'_>) -> Result<isize> {
        let index = Owned::new(py, stable_abi::PyNumber_Index(self))?;
        // What does not fit is an OverflowError.
        match stable_abi::PyLong_AsSsize_t(&index) {
            -1 if Raised::is_set(py) => Err(Raised),
            number => Ok(number),
        }
    }

    /// The value of an int that fits; `None` for everything else.
    pub fn as_int(&self, py: Attached<'_>) -> Option<i64> {
        if !self.is_int() {
            return None;
        }
        match stable_abi::PyLong_AsLongLong(self) {
            -1 if Raised::is_set(py) => {
                Raised.clear(py);
                None
            }
            number => Some(number),
        }
    }
}
