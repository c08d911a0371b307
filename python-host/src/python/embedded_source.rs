//! Python source that belongs to this library, run in a namespace of its own with functions of this library in it.

use super::class::definition;
use super::trampoline::{self, CallArguments};
use super::{Attached, NumberValues, Owned, Result, TextValues};
use pyo3::ffi;
use std::ffi::CStr;
use std::ptr;

/// A function of this library that Python can call.
pub struct NativeFunction(ffi::PyMethodDef);

// SAFETY: never changed; it points to a static name and a function.
unsafe impl Sync for NativeFunction {}
// SAFETY: as above.
unsafe impl Send for NativeFunction {}

/// A row of a table of functions; `f` captures nothing.
pub fn native<F>(name: &'static CStr, _: F) -> NativeFunction
where
    F: for<'py> Fn(Attached<'py>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    NativeFunction(definition(name, trampoline::function::<F>))
}

/// A text of Python that ends with NUL.
///
/// # Panics
/// When it does not, or has NUL elsewhere; for constants.
pub const fn source(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("one NUL, at the end"),
    }
}

/// Runs `source` under the name `file`, as a module `mod_wsgi` that holds `functions`; its namespace.
///
/// # Errors
/// What the source raises.
pub fn run<'py>(
    py: Attached<'py>,
    source: &CStr,
    file: &CStr,
    functions: &'static [NativeFunction],
) -> Result<Owned<'py>> {
    let space = py.dict()?;
    // SAFETY: borrowed from the thread; alive while attached.
    let builtins = unsafe { Owned::from_borrowed(py, ffi::PyEval_GetBuiltins()) };
    if let Some(builtins) = builtins {
        space.dict_set_named(py, "__builtins__", &builtins)?;
    }
    space.dict_set_named(py, "__name__", &*py.text("mod_wsgi")?)?;
    for NativeFunction(function) in functions {
        // SAFETY: the table is static.
        let function = unsafe {
            let table = ptr::from_ref(function).cast_mut();
            Owned::from_raw(py, ffi::PyCFunction_NewEx(table, ptr::null_mut(), ptr::null_mut()))
        }?;
        space.dict_set(&*function.attr_named(py, "__name__")?, &function)?;
    }
    // SAFETY: both texts end with NUL; new references come back.
    unsafe {
        let code =
            Owned::from_raw(py, ffi::Py_CompileString(source.as_ptr(), file.as_ptr(), ffi::Py_file_input))?;
        Owned::from_raw(py, ffi::PyEval_EvalCode(code.as_ptr(), space.as_ptr(), space.as_ptr()))?;
    }
    Ok(space)
}
