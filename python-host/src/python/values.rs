//! Making Python values from ours, and reading them.

use super::{Attached, Object, Owned, Raised, Result, symbols};
use pyo3::ffi;
use std::borrow::Cow;

/// Text and bytes.
pub trait TextValues<'py>: Copy {
    /// A str.
    fn text(self, text: &str) -> Result<Owned<'py>>;
    /// A str that is the same object for the same text.
    fn interned(self, text: &str) -> Result<Owned<'py>>;
    /// A str by PEP 3333: every byte is a character.
    fn latin1(self, bytes: &[u8]) -> Result<Owned<'py>>;
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
        // SAFETY: immortal.
        unsafe { Object::borrow(ffi::Py_None()) }
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
        // SAFETY: both are immortal.
        unsafe { Object::borrow(if truth { ffi::Py_True() } else { ffi::Py_False() }) }
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
            // SAFETY: the place exists and is empty; the reference is given away.
            unsafe {
                ffi::PyTuple_SetItem(tuple.as_ptr(), place as isize, item.own(self).into_raw());
            }
        }
        Ok(tuple)
    }

    fn version(self, version: (u32, u32, u32)) -> Result<Owned<'py>> {
        let numbers = [version.0, version.1, version.2].map(|number| self.int(number.into()));
        let [a, b, c] = numbers;
        self.tuple(&[&*a?, &*b?, &*c?])
    }
}

impl Object {
    /// Whether it is a str.
    #[inline]
    pub fn is_str(&self) -> bool {
        // SAFETY: alive.
        unsafe { ffi::PyUnicode_Check(self.as_ptr()) != 0 }
    }

    /// The bytes of a str that holds only latin-1.
    ///
    /// # Errors
    /// UnicodeEncodeError of the codec `latin-1`.
    #[inline]
    pub fn latin1_bytes(&self, py: Attached<'_>) -> Result<Cow<'_, [u8]>> {
        let mut length = 0;
        // SAFETY: alive and a str by the caller's check; the text lives as long as the object.
        unsafe {
            let text = symbols::get().utf8(self.as_ptr(), &raw mut length);
            if text.is_null() {
                // A lone surrogate: the other codec says so in its own words.
                ffi::PyErr_Clear();
            } else {
                let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
                if bytes.is_ascii() {
                    return Ok(Cow::Borrowed(bytes));
                }
            }
            let bytes = Owned::from_raw(py, ffi::PyUnicode_AsLatin1String(self.as_ptr()))?;
            Ok(Cow::Owned(bytes.as_bytes().unwrap_or_default().to_vec()))
        }
    }

    /// The number behind `operator.index`; too large ones become the nearest.
    ///
    /// # Errors
    /// TypeError `… object cannot be interpreted as an integer`.
    pub fn index(&self, py: Attached<'_>) -> Result<isize> {
        // SAFETY: alive; what does not fit is an OverflowError.
        unsafe {
            let index = Owned::from_raw(py, ffi::PyNumber_Index(self.as_ptr()))?;
            match ffi::PyLong_AsSsize_t(index.as_ptr()) {
                -1 if !ffi::PyErr_Occurred().is_null() => Err(Raised),
                number => Ok(number),
            }
        }
    }

    /// The value of an int that fits; `None` for everything else.
    pub fn as_int(&self, py: Attached<'_>) -> Option<i64> {
        // SAFETY: alive; the type is checked.
        unsafe {
            if ffi::PyLong_Check(self.as_ptr()) == 0 {
                return None;
            }
            match ffi::PyLong_AsLongLong(self.as_ptr()) {
                -1 if !ffi::PyErr_Occurred().is_null() => {
                    Raised.clear(py);
                    None
                }
                number => Some(number),
            }
        }
    }
}
