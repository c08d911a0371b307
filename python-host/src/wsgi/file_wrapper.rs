//! `mod_wsgi.FileWrapper`, the class behind `wsgi.file_wrapper` (spec/behaviour.md §5.1).

use super::kit::FileWrapperClass;
use crate::interpreter;
use crate::python::class::{ClassBuilder, ClassKey, ClassValue, MethodSelf, OwnedClass};
use crate::python::trampoline::{CallArguments, object_and_number};
use crate::python::{
    Attached, ExceptionKind, NumberValues, Object, ObjectSlot, Owned, Raised, Result, TextValues,
};
use pyo3::ffi::PyObject;
use std::cell::Cell;

/// By default a closed wrapper.
#[derive(Default)]
pub struct FileWrapper {
    /// Empty when closed.
    filelike: ObjectSlot,
    block_size: Cell<i32>,
}

impl ClassValue for FileWrapper {
    const COLLECTED: bool = true;

    fn held(&self) -> *mut PyObject {
        self.filelike.address()
    }

    fn let_go(&self, py: Attached<'_>) {
        drop(self.filelike.take(py));
    }
}

impl ClassKey for FileWrapperClass {
    type Value = FileWrapper;
}

/// The class.
pub fn class(py: Attached<'_>) -> Result<OwnedClass<'_, FileWrapper>> {
    ClassBuilder::<FileWrapper>::new(c"mod_wsgi.FileWrapper")
        .open(init)
        .method(c"close", close)
        .getter(c"filelike", |py, this| this.filelike(py))
        .getter(c"blksize", |py, this| py.int(this.block_size.get().into()))
        .iterator(|py, this| Ok(this.object.own(py)), next)
        .build(py)
}

impl FileWrapper {
    /// The wrapped object; none when closed.
    pub fn wrapped<'py>(&self, py: Attached<'py>) -> Option<Owned<'py>> {
        self.filelike.get(py)
    }

    fn filelike<'py>(&self, py: Attached<'py>) -> Result<Owned<'py>> {
        let filelike = self.wrapped(py);
        filelike.ok_or_else(|| Raised::new(py, ExceptionKind::Value, "I/O operation on closed file"))
    }
}

fn init<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, FileWrapper>,
    arguments: &'py Object,
    keywords: Option<&'py Object>,
) -> Result<()> {
    let names = [c"filelike", c"blksize"];
    let (filelike, block_size) =
        object_and_number(py, (arguments, keywords), c"O|i:FileWrapper", names, 8192)?;
    if block_size < 0 {
        return Err(Raised::new(py, ExceptionKind::Value, "blksize must not be negative"));
    }
    let before = this.filelike.replace(filelike, py);
    this.block_size.set(block_size);
    drop(before);
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
    if let Some(Err(raised)) = this.filelike.take(py).map(|filelike| filelike.call_method(py, "close", &[])) {
        raised.clear(py);
    }
    Ok(py.none().own(py))
}
