//! Handles: `&Object` is borrowed, [`Owned`] holds a reference for as long as the thread is attached, [`Stored`]
//! holds one across attachments.

use super::{Attached, Raised, Result, TextValues, symbols};
use crate::forked;
use pyo3::ffi;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// A Python object that somebody else keeps alive. Only ever seen behind a reference, and only while attached.
#[repr(C)]
pub struct Object {
    opaque: [u8; 0],
    stays: PhantomData<*const ()>,
}

/// A reference of our own.
pub struct Owned<'py> {
    pointer: NonNull<ffi::PyObject>,
    attached: PhantomData<Attached<'py>>,
}

/// A reference that outlives attachments. It is never given back by dropping it: that needs the right interpreter.
#[derive(Debug)]
pub struct Stored(NonNull<ffi::PyObject>);

// SAFETY: the pointer is only followed by `get`, which wants proof of being attached.
unsafe impl Send for Stored {}
// SAFETY: as above.
unsafe impl Sync for Stored {}

impl Stored {
    /// The object. The caller is attached to the interpreter that it belongs to.
    #[inline]
    pub fn get<'py>(&self, _: Attached<'py>) -> &'py Object {
        // SAFETY: the reference is held until `release`, which consumes it.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// Gives the reference back.
    pub fn release(self, py: Attached<'_>) {
        drop(self.into_owned(py));
    }

    /// The reference itself.
    pub fn into_owned(self, _: Attached<'_>) -> Owned<'_> {
        Owned { pointer: self.0, attached: PhantomData }
    }
}

impl Deref for Owned<'_> {
    type Target = Object;
    #[inline]
    fn deref(&self) -> &Object {
        // SAFETY: the reference keeps the object alive.
        unsafe { &*self.pointer.as_ptr().cast() }
    }
}

impl Drop for Owned<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and `'py` says that the thread is attached.
        unsafe { ffi::Py_DECREF(self.pointer.as_ptr()) }
    }
}

impl<'py> Owned<'py> {
    /// Takes over a new reference; null means that an exception was raised.
    ///
    /// # Safety
    /// `pointer` is null or a reference that the caller owns.
    #[inline]
    pub unsafe fn from_raw(_: Attached<'py>, pointer: *mut ffi::PyObject) -> Result<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, attached: PhantomData }).ok_or(Raised)
    }

    /// Another reference to a borrowed object; null means that there is none.
    ///
    /// # Safety
    /// `pointer` is null or alive.
    #[inline]
    pub unsafe fn from_borrowed(_: Attached<'py>, pointer: *mut ffi::PyObject) -> Option<Self> {
        let pointer = NonNull::new(pointer)?;
        // SAFETY: alive by the contract.
        unsafe { ffi::Py_INCREF(pointer.as_ptr()) };
        Some(Self { pointer, attached: PhantomData })
    }

    /// Gives the reference away.
    #[inline]
    pub fn into_raw(self) -> *mut ffi::PyObject {
        let pointer = self.pointer.as_ptr();
        std::mem::forget(self);
        pointer
    }

    /// Keeps the reference beyond the attachment.
    #[inline]
    pub fn store(self) -> Stored {
        let pointer = self.pointer;
        std::mem::forget(self);
        Stored(pointer)
    }
}

impl Object {
    /// # Safety
    /// `pointer` is alive for `'o`.
    #[inline]
    pub unsafe fn borrow<'o>(pointer: *mut ffi::PyObject) -> &'o Self {
        // SAFETY: by the contract.
        unsafe { &*pointer.cast() }
    }

    /// The pointer for C.
    #[inline]
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// A reference of our own to it.
    #[inline]
    pub fn own<'py>(&self, _: Attached<'py>) -> Owned<'py> {
        let pointer = NonNull::from(self).cast();
        // SAFETY: a borrowed object is alive.
        unsafe { ffi::Py_INCREF(self.as_ptr()) };
        Owned { pointer, attached: PhantomData }
    }

    /// Whether it is None.
    #[inline]
    pub fn is_none(&self) -> bool {
        // SAFETY: None is immortal; only its address is taken.
        unsafe { self.as_ptr() == ffi::Py_None() }
    }

    /// Its type.
    #[inline]
    pub fn kind(&self) -> &Object {
        // SAFETY: an object keeps its type alive.
        unsafe { Self::borrow(ffi::Py_TYPE(self.as_ptr()).cast()) }
    }

    /// Number of references, as far as numbers go: immortal objects have a large one.
    #[inline]
    pub fn references(&self) -> u32 {
        // SAFETY: alive. From 3.12 on only the low half of the field counts (3.14 keeps flags in the other).
        unsafe { ffi::Py_REFCNT(self.as_ptr()) as u32 }
    }

    /// Whether it is an instance of the class `of`.
    pub fn is_instance(&self, of: &Object) -> bool {
        // SAFETY: both are alive, and `of` is a type.
        unsafe { ffi::PyObject_TypeCheck(self.as_ptr(), of.as_ptr().cast()) != 0 }
    }

    /// The attribute `name`, a str.
    #[inline]
    pub fn attr<'py>(&self, py: Attached<'py>, name: &Object) -> Result<Owned<'py>> {
        // SAFETY: both are alive; a new reference comes back.
        unsafe { Owned::from_raw(py, ffi::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) }
    }

    /// The attribute `name`; not for the request path.
    pub fn attr_named<'py>(&self, py: Attached<'py>, name: &str) -> Result<Owned<'py>> {
        self.attr(py, &*py.text(name)?)
    }

    /// Sets an attribute; not for the request path.
    pub fn set_attr(&self, py: Attached<'_>, name: &str, value: &Object) -> Result<()> {
        let name = py.text(name)?;
        // SAFETY: all are alive.
        Raised::check(unsafe { ffi::PyObject_SetAttr(self.as_ptr(), name.as_ptr(), value.as_ptr()) })
    }

    /// Calls it with positional arguments.
    #[inline]
    pub fn call<'py>(&self, py: Attached<'py>, arguments: &[&Object]) -> Result<Owned<'py>> {
        // SAFETY: `&Object` is a pointer to a live object; there are as many as said.
        unsafe {
            let result = symbols::get().vectorcall(self.as_ptr(), arguments.as_ptr().cast(), arguments.len());
            Owned::from_raw(py, result)
        }
    }

    /// Calls application code. Does not come back in a process that the application forked off meanwhile, before anything
    /// that another thread may have locked at that moment.
    #[inline]
    pub fn call_out<'py>(&self, py: Attached<'py>, arguments: &[&Object]) -> Result<Owned<'py>> {
        let result = self.call(py, arguments);
        forked::end_if_forked();
        result
    }

    /// Calls it with a tuple and a dict of keyword arguments; application code, as in [`Object::call_out`].
    pub fn call_with<'py>(
        &self,
        py: Attached<'py>,
        arguments: &Object,
        keywords: &Object,
    ) -> Result<Owned<'py>> {
        // SAFETY: all are alive; the types are the caller's promise, and Python checks them.
        let result = unsafe {
            Owned::from_raw(py, ffi::PyObject_Call(self.as_ptr(), arguments.as_ptr(), keywords.as_ptr()))
        };
        forked::end_if_forked();
        result
    }

    /// Calls the method `name`; not for the request path.
    pub fn call_method<'py>(
        &self,
        py: Attached<'py>,
        name: &str,
        arguments: &[&Object],
    ) -> Result<Owned<'py>> {
        self.attr_named(py, name)?.call(py, arguments)
    }

    /// The name of its type, for messages.
    pub fn type_name(&self, py: Attached<'_>) -> String {
        let name = self.kind().attr_named(py, "__name__");
        name.map(|name| name.lossy(py)).unwrap_or_else(|raised| {
            raised.clear(py);
            "object".to_owned()
        })
    }

    /// `str(x)` for messages; never fails.
    pub fn lossy(&self, py: Attached<'_>) -> String {
        // SAFETY: alive; a new reference comes back.
        let text = unsafe { Owned::from_raw(py, ffi::PyObject_Str(self.as_ptr())) };
        // SAFETY: as above, both names are NUL-ended literals.
        let bytes = text.and_then(|text| unsafe {
            let bytes =
                ffi::PyUnicode_AsEncodedString(text.as_ptr(), c"utf-8".as_ptr(), c"surrogateescape".as_ptr());
            Owned::from_raw(py, bytes)
        });
        match bytes {
            Ok(bytes) => String::from_utf8_lossy(bytes.as_bytes().unwrap_or_default()).into_owned(),
            Err(raised) => {
                raised.clear(py);
                "<unprintable>".to_owned()
            }
        }
    }

    /// The content if it is a bytes object (subclasses too).
    #[inline]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        // SAFETY: the type is checked, and a bytes object does not change.
        unsafe {
            if ffi::PyBytes_Check(self.as_ptr()) == 0 {
                return None;
            }
            let data = ffi::PyBytes_AsString(self.as_ptr());
            let length = ffi::PyBytes_Size(self.as_ptr());
            Some(std::slice::from_raw_parts(data.cast(), length as usize))
        }
    }

    /// Whether it is true.
    pub fn is_true(&self) -> Result<bool> {
        // SAFETY: alive.
        match unsafe { ffi::PyObject_IsTrue(self.as_ptr()) } {
            -1 => Err(Raised),
            truth => Ok(truth == 1),
        }
    }

    /// The entry `key` of a dict.
    #[inline]
    pub fn dict_get<'py>(&self, py: Attached<'py>, key: &Object) -> Result<Option<Owned<'py>>> {
        // SAFETY: alive; the borrowed entry becomes ours before anything else runs.
        unsafe {
            let entry = ffi::PyDict_GetItemWithError(self.as_ptr(), key.as_ptr());
            match Owned::from_borrowed(py, entry) {
                None if !ffi::PyErr_Occurred().is_null() => Err(Raised),
                entry => Ok(entry),
            }
        }
    }

    /// Sets an entry of a dict.
    #[inline]
    pub fn dict_set(&self, key: &Object, value: &Object) -> Result<()> {
        // SAFETY: all are alive; a wrong type raises.
        Raised::check(unsafe { ffi::PyDict_SetItem(self.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }

    /// Removes an entry of a dict, which need not be there.
    pub fn dict_remove(&self, py: Attached<'_>, key: &Object) {
        // SAFETY: both are alive.
        if unsafe { ffi::PyDict_DelItem(self.as_ptr(), key.as_ptr()) } != 0 {
            Raised.clear(py);
        }
    }

    /// Sets an entry of a dict by name; not for the request path.
    pub fn dict_set_named(&self, py: Attached<'_>, key: &str, value: &Object) -> Result<()> {
        self.dict_set(&*py.text(key)?, value)
    }

    /// Appends to a list.
    pub fn list_append(&self, item: &Object) -> Result<()> {
        // SAFETY: both are alive; a wrong type raises.
        Raised::check(unsafe { ffi::PyList_Append(self.as_ptr(), item.as_ptr()) })
    }

    /// An item of a list, if there are so many.
    pub fn list_item<'py>(&self, py: Attached<'py>, place: usize) -> Option<Owned<'py>> {
        let index = isize::try_from(place).ok().filter(|_| place < self.list_len())?;
        // SAFETY: the place exists; the item is owned before anything else runs.
        Some(unsafe { Object::borrow(ffi::PyList_GetItem(self.as_ptr(), index)) }.own(py))
    }

    /// Length of a list.
    pub fn list_len(&self) -> usize {
        // SAFETY: alive; -1 for another type.
        usize::try_from(unsafe { ffi::PyList_Size(self.as_ptr()) }).unwrap_or_default()
    }
}
