//! Where Python calls Rust: one shell per C signature around a safe function. The safe functions are zero-sized
//! function items, so that each shell is a plain C function that knows which one it is for.

use super::class::{ClassInstance, ClassValue, MethodSelf};
use super::{Attached, ExceptionKind, Object, Owned, Raised, Result};
use crate::boundary;
use pyo3::ffi;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

/// Positional arguments.
pub type CallArguments<'py> = &'py [&'py Object];

/// Refuses any argument.
pub fn none<'py>(py: Attached<'py>, function: &str, arguments: CallArguments<'py>) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    let text = format!("{function}() takes no arguments ({} given)", arguments.len());
    Err(Raised::new(py, ExceptionKind::Type, &text))
}

/// The flag of methods that take an array of positional arguments; in the stable ABI since 3.10, in CPython since 3.7.
pub const METH_FASTCALL: c_int = 0x0080;

/// The function item itself.
fn item<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a function item, not a pointer or a closure with captures") };
    // SAFETY: a value without size is read from any aligned address; the item exists, its type was inferred from it.
    unsafe { NonNull::<F>::dangling().as_ptr().read() }
}

/// Runs a body for Python; null with an exception set if it fails or panics.
fn shell<'py>(body: impl FnOnce(Attached<'py>) -> Result<Owned<'py>>) -> *mut ffi::PyObject {
    // SAFETY: Python calls with its lock held and keeps it for the call.
    let py = unsafe { Attached::assume() };
    match boundary::caught(|| body(py)) {
        Some(Ok(value)) => value.into_raw(),
        Some(Err(Raised)) => ptr::null_mut(),
        None => {
            let _ = Raised::new(py, ExceptionKind::Runtime, "internal error in mod_wsgi");
            ptr::null_mut()
        }
    }
}

/// # Safety
/// `arguments` are `count` live objects.
unsafe fn args<'py>(arguments: *const *mut ffi::PyObject, count: isize) -> CallArguments<'py> {
    if count <= 0 {
        return &[];
    }
    // SAFETY: a reference to an opaque object is its address.
    unsafe { std::slice::from_raw_parts(arguments.cast(), count as usize) }
}

/// A method of the class of `T`.
pub unsafe extern "C" fn method<T: ClassValue, F>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: isize,
) -> *mut ffi::PyObject
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: Python checked the type of `this`, and keeps it and the arguments alive for the call.
    shell(|py| unsafe { item::<F>()(py, MethodSelf::of(this), args(arguments, count)) })
}

/// A function of a module.
pub unsafe extern "C" fn function<F>(
    _module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: isize,
) -> *mut ffi::PyObject
where
    F: for<'py> Fn(Attached<'py>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: Python keeps the arguments alive for the call.
    shell(|py| item::<F>()(py, unsafe { args(arguments, count) }))
}

/// A slot without arguments, `tp_iter` or the getter of an attribute.
pub unsafe extern "C" fn unary<T: ClassValue, F>(this: *mut ffi::PyObject) -> *mut ffi::PyObject
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: as in `method`.
    shell(|py| item::<F>()(py, unsafe { MethodSelf::of(this) }))
}

/// The getter of an attribute.
pub unsafe extern "C" fn getter<T: ClassValue, F>(
    this: *mut ffi::PyObject,
    _: *mut c_void,
) -> *mut ffi::PyObject
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: as in `method`.
    unsafe { unary::<T, F>(this) }
}

/// `tp_iternext`: null without an exception is the end.
pub unsafe extern "C" fn next<T: ClassValue, F>(this: *mut ffi::PyObject) -> *mut ffi::PyObject
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Option<Owned<'py>>> + Copy,
{
    let mut ended = false;
    let result = shell(|py| {
        // SAFETY: as in `method`.
        let item = item::<F>()(py, unsafe { MethodSelf::of(this) })?;
        item.ok_or_else(|| {
            ended = true;
            Raised
        })
    });
    debug_assert!(!ended || result.is_null());
    result
}

/// `tp_init`.
pub unsafe extern "C" fn init<T: ClassValue, F>(
    this: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> c_int
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, &'py Object, Option<&'py Object>) -> Result<()> + Copy,
{
    let result = shell(|py| {
        // SAFETY: as in `method`; the keywords may be null.
        unsafe {
            let keywords = (!keywords.is_null()).then(|| Object::borrow(keywords));
            item::<F>()(py, MethodSelf::of(this), Object::borrow(arguments), keywords)?;
        }
        Ok(Object::own(super::TextValues::none(py), py))
    });
    if result.is_null() {
        return -1;
    }
    // SAFETY: the reference that `shell` gave.
    unsafe { ffi::Py_DECREF(result) };
    0
}

/// `tp_new` of classes that only this library makes instances of.
pub unsafe extern "C" fn refuse_new(
    class: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    shell(|py| {
        // SAFETY: Python gives a live type.
        let name = unsafe { Object::borrow(class.cast()) }.attr_named(py, "__name__")?.lossy(py);
        Err(Raised::new(py, ExceptionKind::Type, &format!("cannot create 'mod_wsgi.{name}' instances")))
    })
}

/// `tp_dealloc`.
pub unsafe extern "C" fn dealloc<T: ClassValue>(this: *mut ffi::PyObject) {
    // SAFETY: the last reference is gone. Heap types are kept alive by their instances (decisions.md, "Heap types
    // and module state").
    unsafe {
        if T::COLLECTED {
            ffi::PyObject_GC_UnTrack(this.cast());
        }
        boundary::guard((), || ptr::drop_in_place(&raw mut (*this.cast::<ClassInstance<T>>()).value));
        let class = ffi::Py_TYPE(this);
        let free = ffi::PyType_GetSlot(class, ffi::Py_tp_free);
        let free = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(free);
        free(this.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// `tp_traverse`.
pub unsafe extern "C" fn traverse<T: ClassValue>(
    this: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls with a live object of this type; `visit` takes what it was given.
    unsafe {
        let class = visit(ffi::Py_TYPE(this).cast(), argument);
        let held = (*this.cast::<ClassInstance<T>>()).value.held();
        if class != 0 || held.is_null() { class } else { visit(held, argument) }
    }
}

/// `tp_clear`.
pub unsafe extern "C" fn clear<T: ClassValue>(this: *mut ffi::PyObject) -> c_int {
    // SAFETY: as in `traverse`, with the lock held.
    boundary::guard((), || unsafe {
        (*this.cast::<ClassInstance<T>>()).value.let_go(Attached::assume());
    });
    0
}
