//! `mod_wsgi.FileWrapper`, the class behind `wsgi.file_wrapper` (spec/behaviour.md §5.1).

use crate::interpreter;
use crate::python::class::{ClassBuilder, ClassValue, MethodSelf};
use crate::python::trampoline::CallArguments;
use crate::python::{Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues};
use pyo3::ffi;
use std::cell::Cell;
use std::ffi::c_char;
use std::ptr;

/// A value of zeroes is a closed wrapper.
pub struct FileWrapper {
    /// Ours, or null when closed.
    filelike: Cell<*mut ffi::PyObject>,
    block_size: Cell<i32>,
}

impl ClassValue for FileWrapper {
    const COLLECTED: bool = true;

    fn held(&self) -> *mut ffi::PyObject {
        self.filelike.get()
    }

    fn let_go(&self, py: Attached<'_>) {
        drop(self.take(py));
    }
}

impl Drop for FileWrapper {
    fn drop(&mut self) {
        // SAFETY: instances are only deallocated while attached, and the reference is ours.
        unsafe { ffi::Py_XDECREF(self.filelike.replace(ptr::null_mut())) };
    }
}

/// The class.
pub fn class(py: Attached<'_>) -> Result<Owned<'_>> {
    ClassBuilder::<FileWrapper>::new(c"mod_wsgi.FileWrapper")
        .open(init)
        .method(c"close", close)
        .getter(c"filelike", |py, this| this.filelike(py))
        .getter(c"blksize", |py, this| py.int(this.block_size.get().into()))
        .iterator(|py, this| Ok(this.object.own(py)), next)
        .build(py)
}

/// The wrapped object of an instance of `class`.
///
/// # Safety
/// `object` is an instance of the class built by [`class`].
pub unsafe fn wrapped<'py>(py: Attached<'py>, object: &Object) -> Option<Owned<'py>> {
    // SAFETY: by the contract; the pointer is null or alive.
    unsafe { Owned::from_borrowed(py, MethodSelf::<FileWrapper>::of(object.as_ptr()).filelike.get()) }
}

impl FileWrapper {
    fn filelike<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        // SAFETY: null or alive.
        let filelike = unsafe { Owned::from_borrowed(py, self.filelike.get()) };
        filelike.ok_or_else(|| Raised::new(py, ExceptionKind::Value, "I/O operation on closed file"))
    }

    fn take<'py>(&self, py: Attached<'py>) -> Option<Owned<'py>> {
        // SAFETY: the reference is ours and goes to the caller.
        unsafe { Owned::from_raw(py, self.filelike.replace(ptr::null_mut())).ok() }
    }
}

fn init<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, FileWrapper>,
    arguments: &'py Object,
    keywords: Option<&'py Object>,
) -> Result<()> {
    let mut filelike: *mut ffi::PyObject = ptr::null_mut();
    let mut block_size: i32 = 8192;
    let mut names: [*const c_char; 3] = [c"filelike".as_ptr(), c"blksize".as_ptr(), ptr::null()];
    // SAFETY: the format asks for an object (borrowed from the arguments) and an int; the names end with null.
    let parsed = unsafe {
        ffi::PyArg_ParseTupleAndKeywords(
            arguments.as_ptr(),
            keywords.map_or(ptr::null_mut(), Object::as_ptr),
            c"O|i:FileWrapper".as_ptr(),
            names.as_mut_ptr().cast(),
            &raw mut filelike,
            &raw mut block_size,
        )
    };
    if parsed == 0 {
        return Err(Raised);
    }
    if block_size < 0 {
        return Err(Raised::new(py, ExceptionKind::Value, "blksize must not be negative"));
    }
    // SAFETY: the arguments keep it alive.
    let filelike = unsafe { Object::borrow(filelike) }.own(py);
    let before = this.filelike.replace(filelike.into_raw());
    this.block_size.set(block_size);
    // SAFETY: null, or the reference of an earlier call.
    unsafe { ffi::Py_XDECREF(before) };
    Ok(())
}

fn next<'py>(py: Attached<'py>, this: MethodSelf<'py, FileWrapper>) -> Result<Option<Owned<'py>>> {
    let filelike = this.filelike(py)?;
    let read = match interpreter::current(py).and_then(|interpreter| interpreter.furnished()) {
        Some(kit) => filelike.attr(py, kit.names.read.get(py)),
        None => filelike.attr_named(py, "read"),
    }?;
    let block = read.call(py, &[&*py.int(this.block_size.get().into())?])?;
    match block.as_bytes() {
        Some([]) => Ok(None),
        Some(_) => Ok(Some(block)),
        None => {
            let text = format!("file wrapper read() must return bytes, not {}", block.type_name(py));
            Err(Raised::new(py, ExceptionKind::Type, &text))
        }
    }
}

fn close<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, FileWrapper>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    if !arguments.is_empty() {
        let text = format!("close() takes no arguments ({} given)", arguments.len());
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    if let Some(Err(raised)) = this.take(py).map(|filelike| filelike.call_method(py, "close", &[])) {
        raised.clear(py);
    }
    Ok(py.none().own(py))
}
