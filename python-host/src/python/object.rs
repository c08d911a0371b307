//! What can be asked of any object: attributes, calls, whether it is of a built-in type, its items, copies, texts of it.

use super::exceptions::ExceptionKind;
use super::handles::{Object, Owned};
use super::raised::{Raised, Result};
use super::values::TextValues;
use super::{Attached, stable_abi, symbols};
use crate::forked;
use pyo3::ffi;
use std::ffi::c_ulong;
use std::os::fd::BorrowedFd;
use std::ptr;

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
            Err(Raised) if !Raised::is_set(py) => Ok(None),
            Err(raised) => Err(raised),
        }
    }
}

impl Object {
    /// Whether it is None.
    #[inline]
    pub fn is_none(&self) -> bool {
        ptr::eq(self, &raw const stable_abi::_Py_NoneStruct)
    }

    /// Its type.
    #[inline]
    pub fn kind(&self) -> &Object {
        // SAFETY: an object keeps its type alive.
        unsafe { Self::borrow(ffi::Py_TYPE(self.as_ptr()).cast()) }
    }

    /// What CPython says of its type.
    #[inline]
    fn kind_flags(&self) -> c_ulong {
        // SAFETY: an object keeps its type alive.
        unsafe { ffi::PyType_GetFlags(ffi::Py_TYPE(self.as_ptr())) }
    }

    /// Number of references, as far as numbers go: immortal objects have a large one.
    #[inline]
    pub fn references(&self) -> u32 {
        // SAFETY: alive. From 3.12 on only the low half of the field counts (3.14 keeps flags in the other).
        unsafe { ffi::Py_REFCNT(self.as_ptr()) as u32 }
    }

    /// Whether it is an instance of the class `of`; of nothing that is no class.
    pub fn is_instance(&self, of: &Object) -> bool {
        let is_class = of.kind_flags() & ffi::Py_TPFLAGS_TYPE_SUBCLASS != 0;
        // SAFETY: both are alive, and `of` is a class by the check.
        is_class && unsafe { ffi::PyObject_TypeCheck(self.as_ptr(), of.as_ptr().cast()) != 0 }
    }

    /// The attribute `name`, a str.
    #[inline]
    pub fn attr<'py>(&self, py: Attached<'py>, name: &Object) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PyObject_GetAttr(self, name))
    }

    /// The attribute `name`; not for the request path.
    pub fn attr_named<'py>(&self, py: Attached<'py>, name: &str) -> Result<Owned<'py>> {
        self.attr(py, &*py.text(name)?)
    }

    /// Sets an attribute; not for the request path.
    pub fn set_attr(&self, py: Attached<'_>, name: &str, value: &Object) -> Result<()> {
        self.put_attr(&*py.text(name)?, value)
    }

    /// The same by a str.
    pub fn put_attr(&self, name: &Object, value: &Object) -> Result<()> {
        Raised::check(stable_abi::PyObject_SetAttr(self, name, value))
    }

    /// Calls it with positional arguments.
    #[inline]
    pub fn call<'py>(&self, py: Attached<'py>, arguments: &[&Object]) -> Result<Owned<'py>> {
        Owned::new(py, symbols::get().vectorcall(self, arguments))
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
        if !arguments.is_any_tuple() || !keywords.is_dict() {
            return Err(Raised::new(py, ExceptionKind::Type, "a tuple and a dict"));
        }
        // SAFETY: all are alive, and of the types that it wants.
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
        self.kind().class_name(py, "object")
    }

    /// Its own name, for messages, if it is a class that has one.
    pub fn class_name(&self, py: Attached<'_>, otherwise: &str) -> String {
        let name = self.attr_named(py, "__name__");
        name.map(|name| name.lossy(py)).unwrap_or_else(|raised| {
            raised.clear(py);
            otherwise.to_owned()
        })
    }

    /// `str(x)` for messages; never fails.
    pub fn lossy(&self, py: Attached<'_>) -> String {
        // SAFETY: alive, both names are NUL-ended literals; a new reference comes back.
        let bytes = self.to_text(py).and_then(|text| unsafe {
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
        if self.kind_flags() & ffi::Py_TPFLAGS_BYTES_SUBCLASS == 0 {
            return None;
        }
        // SAFETY: the type is checked, and a bytes object does not change.
        unsafe {
            let data = ffi::PyBytes_AsString(self.as_ptr());
            let length = ffi::PyBytes_Size(self.as_ptr());
            Some(std::slice::from_raw_parts(data.cast(), length as usize))
        }
    }

    /// Whether it is true.
    pub fn is_true(&self) -> Result<bool> {
        match stable_abi::PyObject_IsTrue(self) {
            -1 => Err(Raised),
            truth => Ok(truth == 1),
        }
    }

    /// The entry `key` of a dict.
    #[inline]
    pub fn dict_get<'py>(&self, py: Attached<'py>, key: &Object) -> Result<Option<Owned<'py>>> {
        // SAFETY: alive; the borrowed entry becomes ours before anything else runs.
        let entry =
            unsafe { Owned::from_borrowed(py, ffi::PyDict_GetItemWithError(self.as_ptr(), key.as_ptr())) };
        match entry {
            None if Raised::is_set(py) => Err(Raised),
            entry => Ok(entry),
        }
    }

    /// Sets an entry of a dict.
    #[inline]
    pub fn dict_set(&self, key: &Object, value: &Object) -> Result<()> {
        Raised::check(stable_abi::PyDict_SetItem(self, key, value))
    }

    /// Removes an entry of a dict, which need not be there.
    pub fn dict_remove(&self, py: Attached<'_>, key: &Object) {
        if stable_abi::PyDict_DelItem(self, key) != 0 {
            Raised.clear(py);
        }
    }

    /// Sets an entry of a dict by name; not for the request path.
    pub fn dict_set_named(&self, py: Attached<'_>, key: &str, value: &Object) -> Result<()> {
        self.dict_set(&*py.text(key)?, value)
    }

    /// Appends to a list.
    pub fn list_append(&self, item: &Object) -> Result<()> {
        Raised::check(stable_abi::PyList_Append(self, item))
    }

    /// An item of a list, if there are so many.
    pub fn list_item<'py>(&self, py: Attached<'py>, place: usize) -> Option<Owned<'py>> {
        let index = isize::try_from(place).ok().filter(|_| place < self.list_len())?;
        // SAFETY: the place exists; the item is owned before anything else runs.
        Some(unsafe { Object::borrow(ffi::PyList_GetItem(self.as_ptr(), index)) }.own(py))
    }

    /// Length of a list.
    pub fn list_len(&self) -> usize {
        // -1 for another type.
        usize::try_from(stable_abi::PyList_Size(self)).unwrap_or_default()
    }

    /// Whether it is a dict.
    pub fn is_dict(&self) -> bool {
        self.kind_flags() & ffi::Py_TPFLAGS_DICT_SUBCLASS != 0
    }

    /// Whether it can be called.
    pub fn is_callable(&self) -> bool {
        stable_abi::PyCallable_Check(self) != 0
    }

    /// Whether it is a list, of no subclass.
    pub fn is_list(&self) -> bool {
        ptr::eq(self.kind(), &raw const stable_abi::PyList_Type)
    }

    /// Whether it is a list, or an instance of a subclass.
    pub fn is_any_list(&self) -> bool {
        self.kind_flags() & ffi::Py_TPFLAGS_LIST_SUBCLASS != 0
    }

    /// Whether it is a tuple, of no subclass.
    pub fn is_tuple(&self) -> bool {
        ptr::eq(self.kind(), &raw const stable_abi::PyTuple_Type)
    }

    /// Whether it is a tuple, or an instance of a subclass.
    pub fn is_any_tuple(&self) -> bool {
        self.kind_flags() & ffi::Py_TPFLAGS_TUPLE_SUBCLASS != 0
    }

    /// Whether it is a str.
    #[inline]
    pub fn is_str(&self) -> bool {
        self.kind_flags() & ffi::Py_TPFLAGS_UNICODE_SUBCLASS != 0
    }

    /// Whether it is an int.
    pub fn is_int(&self) -> bool {
        self.kind_flags() & ffi::Py_TPFLAGS_LONG_SUBCLASS != 0
    }

    /// Whether it is a class of exceptions.
    pub fn is_exception_class(&self) -> bool {
        let is_class = self.kind_flags() & ffi::Py_TPFLAGS_TYPE_SUBCLASS != 0;
        let base = stable_abi::PyExc_BaseException.as_ptr();
        // SAFETY: both are classes, the one by the check.
        is_class && unsafe { ffi::PyType_IsSubtype(self.as_ptr().cast(), base.cast()) != 0 }
    }

    /// How many items a tuple has; none for anything else.
    pub fn tuple_len(&self) -> usize {
        let length = if self.is_any_tuple() { stable_abi::PyTuple_Size(self) } else { 0 };
        usize::try_from(length).unwrap_or_default()
    }

    /// An item of a tuple, which keeps it.
    pub fn tuple_item(&self, place: usize) -> Option<&Object> {
        let index = isize::try_from(place).ok().filter(|_| place < self.tuple_len())?;
        stable_abi::PyTuple_GetItem(self, index)
    }

    /// The items of a tuple of two.
    #[inline]
    pub fn pair(&self) -> Option<(&Object, &Object)> {
        if self.tuple_len() != 2 {
            return None;
        }
        stable_abi::PyTuple_GetItem(self, 0).zip(stable_abi::PyTuple_GetItem(self, 1))
    }

    /// All items that it has, as a tuple. Application code.
    pub fn tuple_of<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PySequence_Tuple(self))
    }

    /// Goes through its items. Application code.
    pub fn iterator<'py>(&self, py: Attached<'py>) -> Result<PythonIterator<'py>> {
        Owned::new(py, stable_abi::PyObject_GetIter(self)).map(PythonIterator)
    }

    /// A copy of a list.
    pub fn list_copy<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PyList_GetSlice(self, 0, isize::MAX))
    }

    /// The texts of a list, for messages.
    pub fn texts(&self, py: Attached<'_>) -> Vec<String> {
        (0..self.list_len()).filter_map(|place| Some(self.list_item(py, place)?.lossy(py))).collect()
    }

    /// A copy of a dict.
    pub fn dict_copy<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PyDict_Copy(self))
    }

    /// Number of entries of a dict; none for another type.
    pub fn dict_len(&self) -> Option<usize> {
        if !self.is_dict() {
            return None;
        }
        usize::try_from(stable_abi::PyDict_Size(self)).ok()
    }

    /// Takes the entries of another dict over.
    pub fn dict_update(&self, other: &Object) -> Result<()> {
        Raised::check(stable_abi::PyDict_Update(self, other))
    }

    /// `str(x)`. Application code.
    pub fn to_text<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PyObject_Str(self))
    }

    /// The bytes of a str in UTF-8; an exception for another type, and for a lone surrogate.
    pub fn to_utf8<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        Owned::new(py, stable_abi::PyUnicode_AsUTF8String(self))
    }

    /// The bytes of a str that is a path.
    pub fn to_path<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        if !self.is_str() {
            return Err(Raised::new(py, ExceptionKind::Type, "a path is a str"));
        }
        // SAFETY: alive, and a str; a new reference comes back, or an exception is set.
        unsafe { Owned::from_raw(py, ffi::PyUnicode_EncodeFSDefault(self.as_ptr())) }
    }

    /// Raises an instance of an exception.
    pub fn raise(&self) -> Raised {
        stable_abi::PyErr_SetObject(self.kind(), self);
        Raised
    }

    /// The namespace of a module; none for anything else.
    pub fn module_space(&self) -> Option<&Object> {
        if !self.is_instance(&stable_abi::PyModule_Type) {
            return None;
        }
        stable_abi::PyModule_GetDict(self)
    }

    /// The descriptor of a file object, or of an int; an exception for anything else. As long as the file object is not
    /// closed, which is the application's business, it is open.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        let number = stable_abi::PyObject_AsFileDescriptor(self);
        Raised::check(number)?;
        // SAFETY: no negative number; the file object keeps it open.
        Ok(unsafe { BorrowedFd::borrow_raw(number) })
    }

    /// The bytes of what `os.fspath` takes.
    pub fn fs_path<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let mut bytes: *mut ffi::PyObject = ptr::null_mut();
        // SAFETY: alive; a bytes object comes back in the place given, or an exception is set.
        unsafe {
            let converted = ffi::PyUnicode_FSConverter(self.as_ptr(), (&raw mut bytes).cast());
            if converted == 0 { Err(Raised) } else { Owned::from_raw(py, bytes) }
        }
    }
}

/// `sys.modules`.
pub fn modules<'py>(py: Attached<'py>) -> Owned<'py> {
    // SAFETY: attached; the dict lives as long as the interpreter.
    unsafe { Object::borrow(ffi::PyImport_GetModuleDict()) }.own(py)
}

/// Imports a module; not for the request path.
pub fn import<'py>(py: Attached<'py>, name: &str) -> Result<Owned<'py>> {
    Owned::new(py, stable_abi::PyImport_Import(&*py.text(name)?))
}
