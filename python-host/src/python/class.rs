//! Classes of our own: heap types, made anew for each interpreter.

use super::trampoline::{self, CallArguments, METH_FASTCALL};
use super::{Attached, Object, Owned, Result};
use pyo3::ffi;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;

/// What an instance of a class holds.
pub trait ClassValue: Sized + 'static {
    /// Whether it holds a Python object that may refer back to it.
    const COLLECTED: bool = false;

    /// The object that it holds, for the collector; null if none.
    fn held(&self) -> *mut ffi::PyObject {
        ptr::null_mut()
    }

    /// Gives that object up.
    fn let_go(&self, _: Attached<'_>) {}
}

/// The memory of an instance.
#[repr(C)]
pub struct ClassInstance<T> {
    head: ffi::PyObject,
    /// Ours.
    pub value: T,
}

/// `self` of a method.
pub struct MethodSelf<'py, T> {
    /// The object.
    pub object: &'py Object,
    value: &'py T,
}

impl<T> Deref for MethodSelf<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value
    }
}

impl<'py, T> MethodSelf<'py, T> {
    /// # Safety
    /// `object` is a live instance of a class built for `T`.
    pub unsafe fn of(object: *mut ffi::PyObject) -> Self {
        // SAFETY: by the contract.
        unsafe { Self { object: Object::borrow(object), value: &(*object.cast::<ClassInstance<T>>()).value } }
    }
}

/// Makes a class.
pub struct ClassBuilder<T> {
    name: &'static CStr,
    flags: u64,
    slots: Vec<ffi::PyType_Slot>,
    methods: Vec<ffi::PyMethodDef>,
    getters: Vec<ffi::PyGetSetDef>,
    value: PhantomData<T>,
}

impl<T: ClassValue> ClassBuilder<T> {
    /// A class with this full name, which only [`instance`] makes instances of.
    pub fn new(name: &'static CStr) -> Self {
        let mut builder = Self {
            name,
            flags: u64::from(ffi::Py_TPFLAGS_DEFAULT as u32),
            slots: Vec::new(),
            methods: Vec::new(),
            getters: Vec::new(),
            value: PhantomData,
        };
        builder.slot(ffi::Py_tp_dealloc, trampoline::dealloc::<T> as *mut c_void);
        if T::COLLECTED {
            builder.flags |= u64::from(ffi::Py_TPFLAGS_HAVE_GC as u32);
            builder.slot(ffi::Py_tp_traverse, trampoline::traverse::<T> as *mut c_void);
            builder.slot(ffi::Py_tp_clear, trampoline::clear::<T> as *mut c_void);
        }
        builder
    }

    fn slot(&mut self, slot: c_int, function: *mut c_void) {
        self.slots.push(ffi::PyType_Slot { slot, pfunc: function });
    }

    /// Lets Python make instances and derive from the class. A value of zeroes must be valid: `init` may not run.
    pub fn open<F>(mut self, _: F) -> Self
    where
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, &'py Object, Option<&'py Object>) -> Result<()>
            + Copy,
    {
        self.flags |= u64::from(ffi::Py_TPFLAGS_BASETYPE as u32);
        self.slot(ffi::Py_tp_new, ffi::PyType_GenericNew as *mut c_void);
        self.slot(ffi::Py_tp_init, trampoline::init::<T, F> as *mut c_void);
        self
    }

    /// A method with positional arguments.
    pub fn method<F>(mut self, name: &'static CStr, _: F) -> Self
    where
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
    {
        self.methods.push(definition(name, trampoline::method::<T, F>));
        self
    }

    /// A read-only attribute.
    pub fn getter<F>(mut self, name: &'static CStr, _: F) -> Self
    where
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
    {
        self.getters.push(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(trampoline::getter::<T, F>),
            ..ffi::PyGetSetDef::default()
        });
        self
    }

    /// `__iter__` and `__next__`.
    pub fn iterator<I, N>(mut self, _: I, _: N) -> Self
    where
        I: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
        N: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Option<Owned<'py>>> + Copy,
    {
        self.slot(ffi::Py_tp_iter, trampoline::unary::<T, I> as *mut c_void);
        self.slot(ffi::Py_tp_iternext, trampoline::next::<T, N> as *mut c_void);
        self
    }

    /// The class. Its tables are kept for good: Python refers to them as long as the class lives, and there are
    /// few interpreters.
    pub fn build<'py>(mut self, py: Attached<'py>) -> Result<Owned<'py>> {
        if !self.slots.iter().any(|slot| slot.slot == ffi::Py_tp_new) {
            self.slot(ffi::Py_tp_new, trampoline::refuse_new as *mut c_void);
        }
        // SAFETY: all zero is the end marker of both tables.
        unsafe {
            self.methods.push(std::mem::zeroed());
            self.getters.push(std::mem::zeroed());
        }
        let methods = self.methods.leak().as_mut_ptr();
        let getters = self.getters.leak().as_mut_ptr();
        self.slots.push(ffi::PyType_Slot { slot: ffi::Py_tp_methods, pfunc: methods.cast() });
        self.slots.push(ffi::PyType_Slot { slot: ffi::Py_tp_getset, pfunc: getters.cast() });
        self.slots.push(ffi::PyType_Slot { slot: 0, pfunc: ptr::null_mut() });
        let mut spec = ffi::PyType_Spec {
            name: self.name.as_ptr(),
            basicsize: size_of::<ClassInstance<T>>() as c_int,
            itemsize: 0,
            flags: self.flags as _,
            slots: self.slots.as_mut_ptr(),
        };
        // SAFETY: the slots are functions of the types that their numbers ask for, ended by a zero.
        unsafe { Owned::from_raw(py, ffi::PyType_FromSpec(&raw mut spec)) }
    }
}

/// A C function that takes an array of positional arguments.
pub type FastFunction =
    unsafe extern "C" fn(*mut ffi::PyObject, *const *mut ffi::PyObject, isize) -> *mut ffi::PyObject;

/// A method table entry for functions with positional arguments.
pub fn definition(name: &'static CStr, function: FastFunction) -> ffi::PyMethodDef {
    // SAFETY: the flag tells Python the real type; the field's type is the one the stable ABI of 3.9 knows.
    let function = unsafe { std::mem::transmute::<FastFunction, ffi::PyCFunction>(function) };
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: METH_FASTCALL,
        ml_doc: ptr::null(),
    }
}

/// Makes an instance of a class that was built for `T`.
///
/// # Safety
/// `class` was built by a [`ClassBuilder`] for the same `T`.
pub unsafe fn instance<'py, T: ClassValue>(
    py: Attached<'py>,
    class: &Object,
    value: T,
) -> Result<Owned<'py>> {
    // SAFETY: the memory is as large as the class says; the value is written before anybody sees it.
    unsafe {
        let object = Owned::from_raw(py, ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0))?;
        (&raw mut (*object.as_ptr().cast::<ClassInstance<T>>()).value).write(value);
        Ok(object)
    }
}
