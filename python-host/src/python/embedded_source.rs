//! Python source that belongs to this library, run in a namespace of its own with functions of this library in it.

use super::Attached;
use super::exceptions::ExceptionKind;
use super::handles::{Object, Owned};
use super::raised::{Raised, Result};
use super::trampoline::{self, CallArguments, END_OF_METHODS};
use super::values::{NumberValues, TextValues};
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
pub fn native<F>(name: &'static CStr, f: F) -> NativeFunction
where
    F: for<'py> Fn(Attached<'py>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    NativeFunction(trampoline::function_entry(name, f))
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
    let code = compile(py, source, file)?;
    // SAFETY: a code object and a dict; a new reference comes back.
    unsafe { Owned::from_raw(py, ffi::PyEval_EvalCode(code.as_ptr(), space.as_ptr(), space.as_ptr())) }?;
    Ok(space)
}

/// A code object.
fn compile<'py>(py: Attached<'py>, source: &CStr, file: &CStr) -> Result<Owned<'py>> {
    // SAFETY: both texts end with NUL; a new reference comes back.
    unsafe { Owned::from_raw(py, ffi::Py_CompileString(source.as_ptr(), file.as_ptr(), ffi::Py_file_input)) }
}

/// Makes a module of this name by running `code`, a code object that came from the file `path`. A failure leaves nothing in
/// `sys.modules`.
///
/// # Errors
/// What the code raises.
pub fn execute<'py>(py: Attached<'py>, name: &Object, code: &Object, path: &Object) -> Result<Owned<'py>> {
    if !name.is_str() || !path.is_str() || !ptr::eq(code.kind(), compile(py, c"", c"")?.kind()) {
        return Err(Raised::new(py, ExceptionKind::Type, "a name, a code object and a path"));
    }
    // SAFETY: all are alive, and of the types that it wants; a new reference comes back.
    unsafe {
        let (name, code, path) = (name.as_ptr(), code.as_ptr(), path.as_ptr());
        Owned::from_raw(py, ffi::PyImport_ExecCodeModuleObject(name, code, path, ptr::null_mut()))
    }
}

/// A module with these functions, that nobody can import yet.
pub fn module<'py>(
    py: Attached<'py>,
    name: &CStr,
    functions: &'static ModuleFunctions,
) -> Result<Owned<'py>> {
    // SAFETY: a NUL-ended name; the table is static and has an end.
    unsafe {
        let module = Owned::from_raw(py, ffi::PyModule_New(name.as_ptr()))?;
        let functions = functions.0.as_ptr().cast_mut();
        Raised::check(ffi::PyModule_AddFunctions(module.as_ptr(), functions))?;
        Ok(module)
    }
}

/// The functions of a module.
pub struct ModuleFunctions(Vec<ffi::PyMethodDef>);

// SAFETY: never changed.
unsafe impl Sync for ModuleFunctions {}
// SAFETY: as above.
unsafe impl Send for ModuleFunctions {}

impl ModuleFunctions {
    /// The rows of [`native`].
    pub fn new(functions: impl IntoIterator<Item = NativeFunction>) -> Self {
        let functions = functions.into_iter().map(|NativeFunction(function)| function);
        Self(functions.chain([END_OF_METHODS]).collect())
    }
}
