//! Python exceptions: `Err(Raised)` means that one is set in the thread state, as CPython's own functions say it.

use super::{Attached, Object, Owned, TextValues};
use pyo3::ffi;
use std::ptr;

/// An exception is set in the thread state.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Raised;

/// What a call into Python gives.
pub type Result<T> = std::result::Result<T, Raised>;

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
        // SAFETY: the interpreter's own static objects, alive as long as any interpreter.
        unsafe {
            Object::borrow(match self {
                Self::Attribute => ffi::PyExc_AttributeError,
                Self::Deprecation => ffi::PyExc_DeprecationWarning,
                Self::Os => ffi::PyExc_OSError,
                Self::Runtime => ffi::PyExc_RuntimeError,
                Self::SystemExit => ffi::PyExc_SystemExit,
                Self::Type => ffi::PyExc_TypeError,
                Self::Value => ffi::PyExc_ValueError,
            })
        }
    }
}

impl Raised {
    /// The result of a function that says -1 for failure.
    #[inline]
    pub fn check(result: i32) -> Result<()> {
        if result < 0 { Err(Self) } else { Ok(()) }
    }

    /// Raises `kind` with one text argument.
    #[cold]
    pub fn new(py: Attached<'_>, kind: ExceptionKind, text: &str) -> Self {
        if let Ok(text) = py.text(text) {
            // SAFETY: both are alive. If there is no memory for the text, MemoryError is set instead.
            unsafe { ffi::PyErr_SetObject(kind.class(py).as_ptr(), text.as_ptr()) };
        }
        Self
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
        // SAFETY: an exception is set, the class is alive.
        unsafe { ffi::PyErr_ExceptionMatches(class.as_ptr()) != 0 }
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
        let name = self.kind.attr_named(py, "__name__");
        name.map(|name| name.lossy(py)).unwrap_or_else(|raised| {
            raised.clear(py);
            "Exception".to_owned()
        })
    }

    /// Whether it is of this kind or derived from it.
    pub fn is(&self, py: Attached<'py>, kind: ExceptionKind) -> bool {
        self.is_a(kind.class(py))
    }

    /// Whether it is of this class or derived from it.
    pub fn is_a(&self, class: &Object) -> bool {
        // SAFETY: both are alive.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.kind.as_ptr(), class.as_ptr()) != 0 }
    }

    /// Sets it again.
    pub fn restore(self) -> Raised {
        let trace = self.trace.map_or(ptr::null_mut(), Owned::into_raw);
        // SAFETY: three references are given away.
        unsafe { ffi::PyErr_Restore(self.kind.into_raw(), self.value.into_raw(), trace) };
        Raised
    }
}
