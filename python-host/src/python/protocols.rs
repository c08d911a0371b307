//! What can be asked of any object: whether it is of a built-in type, its items, copies, texts of it.

use super::{Attached, Exception, Object, Owned, Raised, Result};
use crate::forked;
use pyo3::ffi;
use std::ffi::CStr;

/// What an object gives its items by.
pub struct PythonIterator<'py>(Owned<'py>);

impl<'py> PythonIterator<'py> {
    /// The next item; `None` at the end. Application code: does not come back in a process that it forked off meanwhile.
    pub fn next_item(&self, py: Attached<'py>) -> Result<Option<Owned<'py>>> {
        // SAFETY: an iterator; a new reference comes back, null at the end or with an exception.
        let item = unsafe { Owned::from_raw(py, ffi::PyIter_Next(self.0.as_ptr())) };
        forked::end_if_forked();
        match item {
            Ok(item) => Ok(Some(item)),
            // SAFETY: attached.
            Err(Raised) if unsafe { ffi::PyErr_Occurred().is_null() } => Ok(None),
            Err(raised) => Err(raised),
        }
    }
}

impl Object {
    /// Whether it is a dict.
    pub fn is_dict(&self) -> bool {
        // SAFETY: alive.
        unsafe { ffi::PyDict_Check(self.as_ptr()) != 0 }
    }

    /// Whether it can be called.
    pub fn is_callable(&self) -> bool {
        // SAFETY: alive; the check runs no code.
        unsafe { ffi::PyCallable_Check(self.as_ptr()) != 0 }
    }

    /// Whether it is a list, of no subclass.
    pub fn is_list(&self) -> bool {
        // SAFETY: alive.
        unsafe { ffi::PyList_CheckExact(self.as_ptr()) != 0 }
    }

    /// Whether it is a tuple, of no subclass.
    pub fn is_tuple(&self) -> bool {
        // SAFETY: alive.
        unsafe { ffi::PyTuple_CheckExact(self.as_ptr()) != 0 }
    }

    /// How many items a tuple has; none for anything else.
    pub fn tuple_len(&self) -> usize {
        // SAFETY: alive, and a tuple by the check.
        let length = unsafe { if self.is_tuple() { ffi::PyTuple_Size(self.as_ptr()) } else { 0 } };
        usize::try_from(length).unwrap_or_default()
    }

    /// An item of a tuple, which keeps it.
    pub fn tuple_item(&self, place: usize) -> Option<&Object> {
        let index = isize::try_from(place).ok().filter(|_| place < self.tuple_len())?;
        // SAFETY: the place exists, and a tuple does not change.
        Some(unsafe { Object::borrow(ffi::PyTuple_GetItem(self.as_ptr(), index)) })
    }

    /// All items that it has, as a tuple. Application code.
    pub fn tuple_of<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new reference comes back.
        unsafe { Owned::from_raw(py, ffi::PySequence_Tuple(self.as_ptr())) }
    }

    /// Goes through its items. Application code.
    pub fn iterator<'py>(&self, py: Attached<'py>) -> Result<PythonIterator<'py>> {
        // SAFETY: alive; a new reference to an iterator comes back.
        unsafe { Owned::from_raw(py, ffi::PyObject_GetIter(self.as_ptr())) }.map(PythonIterator)
    }

    /// A copy of a list.
    pub fn list_copy<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new list comes back, or an exception for another type.
        unsafe { Owned::from_raw(py, ffi::PyList_GetSlice(self.as_ptr(), 0, isize::MAX)) }
    }

    /// The texts of a list, for messages.
    pub fn texts(&self, py: Attached<'_>) -> Vec<String> {
        (0..self.list_len()).filter_map(|place| Some(self.list_item(py, place)?.lossy(py))).collect()
    }

    /// A copy of a dict.
    pub fn dict_copy<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new reference comes back, or an exception for another type.
        unsafe { Owned::from_raw(py, ffi::PyDict_Copy(self.as_ptr())) }
    }

    /// Takes the entries of another dict over.
    pub fn dict_update(&self, other: &Object) -> Result<()> {
        // SAFETY: both are alive; another type raises.
        Raised::check(unsafe { ffi::PyDict_Update(self.as_ptr(), other.as_ptr()) })
    }

    /// `str(x)`. Application code.
    pub fn to_text<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new reference comes back, or an exception is set.
        unsafe { Owned::from_raw(py, ffi::PyObject_Str(self.as_ptr())) }
    }

    /// The bytes of a str in UTF-8; an exception for another type, and for a lone surrogate.
    pub fn to_utf8<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new reference comes back, or an exception is set.
        unsafe { Owned::from_raw(py, ffi::PyUnicode_AsUTF8String(self.as_ptr())) }
    }

    /// The bytes of a str that is a path.
    pub fn to_path<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: alive; a new reference comes back, or an exception is set.
        unsafe { Owned::from_raw(py, ffi::PyUnicode_EncodeFSDefault(self.as_ptr())) }
    }

    /// Raises an instance of an exception.
    pub fn raise(&self) -> Raised {
        // SAFETY: alive; what is no exception raises another one.
        unsafe { ffi::PyErr_SetObject(self.kind().as_ptr(), self.as_ptr()) };
        Raised
    }
}

impl Exception<'_> {
    /// Has Python print it to `sys.stderr`. One that is SystemExit ends the process.
    pub fn print(self) {
        let _ = self.restore();
        // SAFETY: an exception is set; without `1` it would be kept in `sys.last_traceback`.
        unsafe { ffi::PyErr_PrintEx(0) };
    }
}

/// `sys.modules`.
pub fn modules<'py>(py: Attached<'py>) -> Owned<'py> {
    // SAFETY: attached; the dict lives as long as the interpreter.
    unsafe { Object::borrow(ffi::PyImport_GetModuleDict()) }.own(py)
}

/// What Python calls the calling thread.
pub fn thread_ident() -> u64 {
    // SAFETY: the number only names this thread; also without the GIL.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// Raises an exception of a class in a thread of this interpreter as soon as that runs Python code; whether there is such a
/// thread.
pub fn raise_in_thread(_: Attached<'_>, ident: u64, class: &Object) -> bool {
    // SAFETY: attached; the class is alive.
    unsafe { ffi::PyThreadState_SetAsyncExc(ident as _, class.as_ptr()) > 0 }
}

/// Nothing is raised in the calling thread any more.
pub fn raise_nothing(_: Attached<'_>) {
    // SAFETY: attached; null clears what is pending for this thread.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread_ident() as _, std::ptr::null_mut()) };
}

/// The version of Python, with more behind a space.
pub fn version_text() -> &'static [u8] {
    // SAFETY: a static text, also without the GIL.
    unsafe { CStr::from_ptr(ffi::Py_GetVersion()) }.to_bytes()
}
