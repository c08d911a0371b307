//! Classes of our own: heap types, made anew for each interpreter.

use super::Attached;
use super::handles::{Object, Owned};
use super::raised::Result;
use super::trampoline::{self, CallArguments, ClassInstance, END_OF_METHODS};
pub use super::trampoline::{ClassKey, ClassValue, MethodSelf, OwnedClass, StoredClass};
use pyo3::ffi;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

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

    /// Lets Python make instances and derive from the class. They begin with the default value: `init` may not run.
    pub fn open<F>(mut self, _: F) -> Self
    where
        T: Default,
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, &'py Object, Option<&'py Object>) -> Result<()>
            + Copy,
    {
        self.flags |= u64::from(ffi::Py_TPFLAGS_BASETYPE as u32);
        self.slot(ffi::Py_tp_new, trampoline::new::<T> as *mut c_void);
        self.slot(ffi::Py_tp_init, trampoline::init::<T, F> as *mut c_void);
        self
    }

    /// A method with positional arguments.
    pub fn method<F>(mut self, name: &'static CStr, _: F) -> Self
    where
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
    {
        self.methods.push(trampoline::method_entry::<T, F>(name));
        self
    }

    /// A read-only attribute.
    pub fn getter<F>(mut self, name: &'static CStr, _: F) -> Self
    where
        F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
    {
        self.getters.push(ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(trampoline::getter::<T, F>()),
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
    pub fn build<'py>(mut self, py: Attached<'py>) -> Result<OwnedClass<'py, T>> {
        if !self.slots.iter().any(|slot| slot.slot == ffi::Py_tp_new) {
            self.slot(ffi::Py_tp_new, trampoline::refuse_new as *mut c_void);
        }
        self.methods.push(END_OF_METHODS);
        self.getters.push(ffi::PyGetSetDef::default());
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
        // SAFETY: the slots are functions of the types that their numbers ask for, ended by a zero, all for `T`.
        unsafe {
            let class = Owned::from_raw(py, ffi::PyType_FromSpec(&raw mut spec))?;
            Ok(OwnedClass::new(class))
        }
    }
}
