//! Functions of CPython that are safe with everything that their types admit: a `&Object` is alive, and is only seen while
//! the thread is attached; a [`NewReference`] is the caller's; and each function that wants an object of some type looks, and
//! raises an exception when it is another one. What does not fit into that is called by `pyo3::ffi`, in an unsafe block of
//! its own.

use super::handles::{NewReference, Object};
use std::ffi::c_int;

// SAFETY: the signatures are CPython's, with types that say which pointers may be null and to whom references belong.
#[allow(non_upper_case_globals, reason = "CPython's names")]
unsafe extern "C" {
    pub(super) safe static _Py_NoneStruct: Object;
    pub(super) safe static _Py_TrueStruct: Object;
    pub(super) safe static _Py_FalseStruct: Object;
    pub(super) safe static PyList_Type: Object;
    pub(super) safe static PyTuple_Type: Object;
    pub(super) safe static PyModule_Type: Object;
    pub(super) safe static PyExc_AttributeError: &'static Object;
    pub(super) safe static PyExc_BaseException: &'static Object;
    pub(super) safe static PyExc_DeprecationWarning: &'static Object;
    pub(super) safe static PyExc_OSError: &'static Object;
    pub(super) safe static PyExc_RuntimeError: &'static Object;
    pub(super) safe static PyExc_SystemExit: &'static Object;
    pub(super) safe static PyExc_TypeError: &'static Object;
    pub(super) safe static PyExc_ValueError: &'static Object;

    pub(super) safe fn PyObject_GetAttr(object: &Object, name: &Object) -> Option<NewReference>;
    pub(super) safe fn PyObject_SetAttr(object: &Object, name: &Object, value: &Object) -> c_int;
    pub(super) safe fn PyObject_Str(object: &Object) -> Option<NewReference>;
    pub(super) safe fn PyObject_IsTrue(object: &Object) -> c_int;
    pub(super) safe fn PyObject_GetIter(object: &Object) -> Option<NewReference>;
    pub(super) safe fn PyObject_AsFileDescriptor(object: &Object) -> c_int;
    pub(super) safe fn PyCallable_Check(object: &Object) -> c_int;
    pub(super) safe fn PySequence_Tuple(object: &Object) -> Option<NewReference>;
    pub(super) safe fn PyNumber_Index(object: &Object) -> Option<NewReference>;
    pub(super) safe fn PyLong_AsSsize_t(object: &Object) -> isize;
    pub(super) safe fn PyLong_AsLongLong(object: &Object) -> i64;

    pub(super) safe fn PyDict_SetItem(dict: &Object, key: &Object, value: &Object) -> c_int;
    pub(super) safe fn PyDict_DelItem(dict: &Object, key: &Object) -> c_int;
    pub(super) safe fn PyDict_Size(dict: &Object) -> isize;
    pub(super) safe fn PyDict_Copy(dict: &Object) -> Option<NewReference>;
    pub(super) safe fn PyDict_Update(dict: &Object, other: &Object) -> c_int;

    pub(super) safe fn PyList_Append(list: &Object, item: &Object) -> c_int;
    pub(super) safe fn PyList_Size(list: &Object) -> isize;
    pub(super) safe fn PyList_GetSlice(list: &Object, from: isize, to: isize) -> Option<NewReference>;

    pub(super) safe fn PyTuple_Size(tuple: &Object) -> isize;
    // A tuple never changes once others have it: it keeps its items.
    pub(super) safe fn PyTuple_GetItem(tuple: &Object, place: isize) -> Option<&Object>;
    // Takes the item over, also when it fails, as it does for a tuple that others have.
    pub(super) safe fn PyTuple_SetItem(tuple: &Object, place: isize, item: NewReference) -> c_int;

    pub(super) safe fn PyUnicode_AsUTF8String(text: &Object) -> Option<NewReference>;
    pub(super) safe fn PyUnicode_AsLatin1String(text: &Object) -> Option<NewReference>;

    pub(super) safe fn PyErr_SetObject(kind: &Object, value: &Object);
    pub(super) safe fn PyErr_ExceptionMatches(class: &Object) -> c_int;
    pub(super) safe fn PyErr_GivenExceptionMatches(exception: &Object, class: &Object) -> c_int;

    pub(super) safe fn PyImport_Import(name: &Object) -> Option<NewReference>;
    // A module keeps its namespace as long as it lives.
    pub(super) safe fn PyModule_GetDict(module: &Object) -> Option<&Object>;
}
