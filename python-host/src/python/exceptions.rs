//! Python exceptions: which there are, raising them, and taking them out of the thread state.

use super::handles::{Object, Owned};
use super::raised::{Raised, Result};
use super::values::TextValues;
use super::{Attached, stable_abi};
use pyo3::ffi;
use std::ffi::CStr;
use std::ptr;

/// Built-in exceptions that we raise or look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceptionKind {
    /// AttributeError.
    Attribute,
    /// DeprecationWarning, as a category.
    Deprecation,
    /// OSError.
    Os,
    /// RuntimeError.
    Runtime,
    /// SystemExit.
    SystemExit,
    /// TypeError.
    Type,
    /// ValueError.
    Value,
}

impl ExceptionKind {
    /// The class.
    pub fn class<'py>(self, _: Attached<'py>) -> &'py Object {
        match self {
            Self::Attribute => stable_abi::PyExc_AttributeError,
            Self::Deprecation => stable_abi::PyExc_DeprecationWarning,
            Self::Os => stable_abi::PyExc_OSError,
            Self::Runtime => stable_abi::PyExc_RuntimeError,
            Self::SystemExit => stable_abi::PyExc_SystemExit,
            Self::Type => stable_abi::PyExc_TypeError,
            Self::Value => stable_abi::PyExc_ValueError,
        }
    }
}

impl Raised {
    /// Raises `kind` with one text argument.
    #[cold]
    pub fn new(py: Attached<'_>, kind: ExceptionKind, text: &str) -> Self {
        if let Ok(text) = py.text(text) {
            // If there is no memory for the text, MemoryError is set instead.
            stable_abi::PyErr_SetObject(kind.class(py), &text);
        }
        Self
    }

    /// Raises an exception of a class with one argument.
    pub fn of_class(class: &Object, argument: &Object) -> Self {
        stable_abi::PyErr_SetObject(class, argument);
        Self
    }

    /// Whether an exception is set.
    #[inline]
    pub fn is_set(_: Attached<'_>) -> bool {
        // SAFETY: attached.
        unsafe { !ffi::PyErr_Occurred().is_null() }
    }

    /// Warns of something; fails where warnings are errors.
    pub fn warn(py: Attached<'_>, kind: ExceptionKind, text: &CStr) -> Result<()> {
        // SAFETY: the category is alive, the text is NUL-ended.
        Self::check(unsafe { ffi::PyErr_WarnEx(kind.class(py).as_ptr(), text.as_ptr(), 1) })
    }

    /// Forgets the exception.
    pub fn clear(self, _: Attached<'_>) {
        // SAFETY: attached.
        unsafe { ffi::PyErr_Clear() };
    }

    /// Whether it is of this kind or derived from it.
    pub fn is(&self, py: Attached<'_>, kind: ExceptionKind) -> bool {
        self.is_a(kind.class(py))
    }

    /// Whether it is of this class or derived from it.
    pub fn is_a(&self, class: &Object) -> bool {
        stable_abi::PyErr_ExceptionMatches(class) != 0
    }

    /// Takes the exception out of the thread state.
    pub fn take(self, py: Attached<'_>) -> Exception<'_> {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: three references come back, the last one perhaps null; normalising makes the value an instance.
        unsafe {
            ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut trace);
            ffi::PyErr_NormalizeException(&raw mut kind, &raw mut value, &raw mut trace);
            if !trace.is_null() && !value.is_null() {
                ffi::PyException_SetTraceback(value, trace);
            }
            let none = || py.none().own(py);
            Exception {
                kind: Owned::from_raw(py, kind).unwrap_or_else(|_| none()),
                value: Owned::from_raw(py, value).unwrap_or_else(|_| none()),
                trace: Owned::from_raw(py, trace).ok(),
            }
        }
    }
}

/// Leaves no exception behind in the thread state when it is dropped by a panic, which may have come in the midst of one.
pub struct PanicCleanup<'py>(pub Attached<'py>);

impl Drop for PanicCleanup<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            Raised.clear(self.0);
        }
    }
}

/// An exception that was taken out of the thread state.
pub struct Exception<'py> {
    /// Its class.
    pub kind: Owned<'py>,
    /// The instance.
    pub value: Owned<'py>,
    /// The traceback, if it has passed any Python code.
    pub trace: Option<Owned<'py>>,
}

impl<'py> Exception<'py> {
    /// The bare name of its class.
    pub fn name(&self, py: Attached<'py>) -> String {
        self.kind.class_name(py, "Exception")
    }

    /// Whether it is of this kind or derived from it.
    pub fn is(&self, py: Attached<'py>, kind: ExceptionKind) -> bool {
        self.is_a(kind.class(py))
    }

    /// Whether it is of this class or derived from it.
    pub fn is_a(&self, class: &Object) -> bool {
        stable_abi::PyErr_GivenExceptionMatches(&self.kind, class) != 0
    }

    /// Sets it again.
    pub fn restore(self) -> Raised {
        let trace = self.trace.map_or(ptr::null_mut(), Owned::into_raw);
        // SAFETY: three references are given away.
        unsafe { ffi::PyErr_Restore(self.kind.into_raw(), self.value.into_raw(), trace) };
        Raised
    }

    /// Has Python print it to `sys.stderr`. One that is SystemExit ends the process.
    pub fn print(self) {
        let _ = self.restore();
        // SAFETY: an exception is set; without `1` it would be kept in `sys.last_traceback`.
        unsafe { ffi::PyErr_PrintEx(0) };
    }
}

/// A new class of exceptions with this full name, which `except Exception` does not catch.
pub fn base_exception<'py>(py: Attached<'py>, name: &CStr) -> Result<Owned<'py>> {
    let base = stable_abi::PyExc_BaseException.as_ptr();
    // SAFETY: a NUL-ended name and a live base; a new reference comes back.
    unsafe { Owned::from_raw(py, ffi::PyErr_NewException(name.as_ptr(), base, ptr::null_mut())) }
}
