//! Handles: `&Object` is borrowed, [`Owned`] holds a reference for as long as the thread is attached, [`Stored`]
//! holds one across attachments, and [`NewReference`] is one that CPython has just given.

use super::{Attached, Raised, Result};
use pyo3::ffi;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// A Python object that somebody else keeps alive. Only ever seen behind a reference, and only while attached. Its memory is
/// Python's, which changes it all the time: without the cell the compiler takes a counted reference to `None` for none.
#[repr(C)]
pub struct Object {
    opaque: UnsafeCell<[u8; 0]>,
    stays: PhantomData<*const ()>,
}

/// A reference that a function of CPython's has given to its caller; lost unless [`Owned::new`] takes it over.
#[repr(transparent)]
#[must_use]
pub struct NewReference(NonNull<Object>);

/// A reference of our own.
#[repr(transparent)]
pub struct Owned<'py> {
    pointer: NonNull<Object>,
    attached: PhantomData<Attached<'py>>,
}

/// A reference that outlives attachments. It is never given back by dropping it: that needs the right interpreter.
#[derive(Debug)]
#[repr(transparent)]
pub struct Stored(NonNull<Object>);

// SAFETY: the pointer is only followed by `get`, which wants proof of being attached.
unsafe impl Send for Stored {}
// SAFETY: as above.
unsafe impl Sync for Stored {}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({:p})", self.as_ptr())
    }
}

impl Stored {
    /// The object. The caller is attached to the interpreter that it belongs to.
    #[inline]
    pub fn get<'py>(&self, _: Attached<'py>) -> &'py Object {
        // SAFETY: the reference is held until `release`, which consumes it.
        unsafe { self.0.as_ref() }
    }

    /// Gives the reference back.
    pub fn release(self, py: Attached<'_>) {
        drop(self.into_owned(py));
    }

    /// The reference itself.
    pub fn into_owned(self, _: Attached<'_>) -> Owned<'_> {
        Owned { pointer: self.0, attached: PhantomData }
    }
}

impl Deref for Owned<'_> {
    type Target = Object;
    #[inline]
    fn deref(&self) -> &Object {
        // SAFETY: the reference keeps the object alive.
        unsafe { self.pointer.as_ref() }
    }
}

impl Drop for Owned<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and `'py` says that the thread is attached.
        unsafe { ffi::Py_DECREF(self.as_ptr()) }
    }
}

impl<'py> Owned<'py> {
    /// Takes over what a function has given; none means that an exception was raised.
    #[inline]
    pub fn new(_: Attached<'py>, reference: Option<NewReference>) -> Result<Self> {
        reference.map(|NewReference(pointer)| Self { pointer, attached: PhantomData }).ok_or(Raised)
    }

    /// Takes over a new reference; null means that an exception was raised.
    ///
    /// # Safety
    /// `pointer` is null or a reference that the caller owns.
    #[inline]
    pub unsafe fn from_raw(py: Attached<'py>, pointer: *mut ffi::PyObject) -> Result<Self> {
        Self::new(py, NonNull::new(pointer.cast()).map(NewReference))
    }

    /// Another reference to a borrowed object; null means that there is none.
    ///
    /// # Safety
    /// `pointer` is null or alive.
    #[inline]
    pub unsafe fn from_borrowed(py: Attached<'py>, pointer: *mut ffi::PyObject) -> Option<Self> {
        let pointer: NonNull<Object> = NonNull::new(pointer.cast())?;
        // SAFETY: alive by the contract.
        Some(unsafe { pointer.as_ref() }.own(py))
    }

    /// Gives the reference to whoever is called, or has called.
    #[inline]
    pub fn give(self) -> NewReference {
        NewReference(ManuallyDrop::new(self).pointer)
    }

    /// Gives the reference away.
    #[inline]
    pub fn into_raw(self) -> *mut ffi::PyObject {
        self.give().0.as_ptr().cast()
    }

    /// Keeps the reference beyond the attachment.
    #[inline]
    pub fn store(self) -> Stored {
        Stored(self.give().0)
    }
}

impl Object {
    /// # Safety
    /// `pointer` is alive for `'o`.
    #[inline]
    pub unsafe fn borrow<'o>(pointer: *mut ffi::PyObject) -> &'o Self {
        // SAFETY: by the contract.
        unsafe { &*pointer.cast() }
    }

    /// The pointer for C.
    #[inline]
    pub fn as_ptr(&self) -> *mut ffi::PyObject {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// A reference of our own to it.
    #[inline]
    pub fn own<'py>(&self, _: Attached<'py>) -> Owned<'py> {
        // SAFETY: a borrowed object is alive.
        unsafe { ffi::Py_INCREF(self.as_ptr()) };
        Owned { pointer: NonNull::from(self), attached: PhantomData }
    }
}

/// A place for an object in an instance of a class of ours. Whoever has it empties it before it is dropped.
#[derive(Default)]
pub struct ObjectSlot(Cell<Option<Stored>>);

impl ObjectSlot {
    /// What is there, which stays.
    pub fn get<'py>(&self, py: Attached<'py>) -> Option<Owned<'py>> {
        let held = self.0.take();
        let object = held.as_ref().map(|held| held.get(py).own(py));
        self.0.set(held);
        object
    }

    /// What was there.
    pub fn take<'py>(&self, py: Attached<'py>) -> Option<Owned<'py>> {
        self.0.take().map(|held| held.into_owned(py))
    }

    /// Puts an object there; what was there before.
    pub fn replace<'py>(&self, object: Owned<'py>, py: Attached<'py>) -> Option<Owned<'py>> {
        self.0.replace(Some(object.store())).map(|held| held.into_owned(py))
    }

    /// Its address, for the collector; null if there is none.
    pub fn address(&self) -> *mut ffi::PyObject {
        let held = self.0.take();
        let address = held.as_ref().map_or(ptr::null_mut(), |held| held.0.as_ptr().cast());
        self.0.set(held);
        address
    }
}
