//! Where Python calls Rust: instances of classes of our own, and one shell per C signature around a safe function. The safe
//! functions are zero-sized function items, so that each shell is a plain C function that knows which one it is for.

use super::exceptions::ExceptionKind;
use super::handles::{NewReference, Object, Owned, Stored};
use super::raised::{Raised, Result};
use super::{Attached, symbols};
use crate::boundary;
use pyo3::ffi;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ops::Deref;
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
const METH_FASTCALL: c_int = 0x0080;

/// What such a method is for C.
type FastFunction = unsafe extern "C" fn(&Object, *const &Object, isize) -> Option<NewReference>;

/// What CPython's structures call a function that gets an attribute.
type Getter = unsafe extern "C" fn(*mut ffi::PyObject, *mut c_void) -> *mut ffi::PyObject;

/// The end of a table of methods.
pub const END_OF_METHODS: ffi::PyMethodDef = ffi::PyMethodDef::zeroed();

/// A row of the table of methods of the class of `T`.
pub fn method_entry<T: ClassValue, F>(name: &'static CStr) -> ffi::PyMethodDef
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    definition(name, method::<T, F>)
}

/// A row of the table of functions of a module; `f` captures nothing.
pub fn function_entry<F>(name: &'static CStr, _: F) -> ffi::PyMethodDef
where
    F: for<'py> Fn(Attached<'py>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    definition(name, function::<F>)
}

/// A row of a table for a function with positional arguments.
fn definition(name: &'static CStr, function: FastFunction) -> ffi::PyMethodDef {
    // SAFETY: the flag tells Python the real type; the field's type is the one the stable ABI of 3.9 knows. References and
    // pointers are the same for C.
    let function = unsafe { std::mem::transmute::<FastFunction, ffi::PyCFunction>(function) };
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: METH_FASTCALL,
        ml_doc: ptr::null(),
    }
}

/// The function item itself.
fn item<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a function item, not a pointer or a closure with captures") };
    // SAFETY: a value without size is read from any aligned address; the item exists, its type was inferred from it.
    unsafe { NonNull::<F>::dangling().as_ptr().read() }
}

/// Runs a body for Python; none with an exception set if it fails or panics.
fn shell<'py>(body: impl FnOnce(Attached<'py>) -> Result<Owned<'py>>) -> Option<NewReference> {
    // SAFETY: Python calls with its lock held and keeps it for the call.
    let py = unsafe { Attached::assume() };
    match boundary::caught(|| body(py)) {
        Some(Ok(value)) => Some(value.give()),
        Some(Err(Raised)) => None,
        None => {
            let _ = Raised::new(py, ExceptionKind::Runtime, "internal error in mod_wsgi");
            None
        }
    }
}

/// # Safety
/// `arguments` are `count` live objects.
unsafe fn args<'py>(arguments: *const &'py Object, count: isize) -> CallArguments<'py> {
    if count <= 0 {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { std::slice::from_raw_parts(arguments, count as usize) }
}

/// A method of the class of `T`.
unsafe extern "C" fn method<T: ClassValue, F>(
    this: &Object,
    arguments: *const &Object,
    count: isize,
) -> Option<NewReference>
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: Python checked the type of `this`, and keeps it and the arguments alive for the call.
    shell(|py| unsafe { item::<F>()(py, MethodSelf::of(this.as_ptr()), args(arguments, count)) })
}

/// A function of a module.
unsafe extern "C" fn function<F>(_: &Object, arguments: *const &Object, count: isize) -> Option<NewReference>
where
    F: for<'py> Fn(Attached<'py>, CallArguments<'py>) -> Result<Owned<'py>> + Copy,
{
    // SAFETY: Python keeps the arguments alive for the call.
    shell(|py| item::<F>()(py, unsafe { args(arguments, count) }))
}

/// A slot without arguments, `tp_iter`.
pub extern "C" fn unary<T: ClassValue, F>(this: &ClassInstance<T>) -> Option<NewReference>
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
{
    shell(|py| item::<F>()(py, MethodSelf::new(this)))
}

/// The getter of an attribute.
pub fn getter<T: ClassValue, F>() -> Getter
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
{
    type TypedGetter<T> = extern "C" fn(&ClassInstance<T>, *mut c_void) -> Option<NewReference>;
    // SAFETY: references and pointers are the same for C, and Python checks the type of the instance.
    unsafe { std::mem::transmute::<TypedGetter<T>, Getter>(get::<T, F>) }
}

extern "C" fn get<T: ClassValue, F>(this: &ClassInstance<T>, _: *mut c_void) -> Option<NewReference>
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Owned<'py>> + Copy,
{
    unary::<T, F>(this)
}

/// `tp_iternext`: null without an exception is the end.
pub extern "C" fn next<T: ClassValue, F>(this: &ClassInstance<T>) -> Option<NewReference>
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>) -> Result<Option<Owned<'py>>> + Copy,
{
    let mut ended = false;
    let result = shell(|py| {
        let item = item::<F>()(py, MethodSelf::new(this))?;
        item.ok_or_else(|| {
            ended = true;
            Raised
        })
    });
    debug_assert!(!ended || result.is_none());
    result
}

/// `tp_init`.
pub extern "C" fn init<T: ClassValue, F>(
    this: &ClassInstance<T>,
    arguments: &Object,
    keywords: Option<&Object>,
) -> c_int
where
    F: for<'py> Fn(Attached<'py>, MethodSelf<'py, T>, &'py Object, Option<&'py Object>) -> Result<()> + Copy,
{
    let mut succeeded = false;
    let _ = shell(|py| {
        item::<F>()(py, MethodSelf::new(this), arguments, keywords)?;
        succeeded = true;
        // Nothing comes back from this slot.
        Err(Raised)
    });
    if succeeded { 0 } else { -1 }
}

/// `tp_new` of classes that Python may make instances of.
pub extern "C" fn new<T: ClassValue + Default>(
    class: &Object,
    _: &Object,
    _: Option<&Object>,
) -> Option<NewReference> {
    // SAFETY: Python calls the slot for the class that was built for `T`, and for classes derived from it.
    shell(|py| unsafe { allocate(py, class, T::default()) })
}

/// `tp_new` of classes that only this library makes instances of.
pub extern "C" fn refuse_new(class: &Object, _: &Object, _: Option<&Object>) -> Option<NewReference> {
    shell(|py| {
        let name = class.attr_named(py, "__name__")?.lossy(py);
        Err(Raised::new(py, ExceptionKind::Type, &format!("cannot create 'mod_wsgi.{name}' instances")))
    })
}

/// Has `listener`, which captures nothing and refuses nothing, told of Python's audit events from now on. Python is
/// initialised. False: it cannot be.
pub fn listen<F: Fn(&[u8]) + Copy>(_: F) -> bool {
    let Some(add) = symbols::get().add_audit_hook else { return false };
    // SAFETY: the hook is part of this library, which is never unloaded.
    unsafe { add(audit::<F>, ptr::null_mut()) == 0 }
}

/// An audit hook.
unsafe extern "C" fn audit<F: Fn(&[u8]) + Copy>(
    event: *const c_char,
    _: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: Python gives a NUL-ended name.
    boundary::guard((), || item::<F>()(unsafe { CStr::from_ptr(event) }.to_bytes()));
    0
}

/// The object and the number of `function(object, number=default)`, whose parameters are called `names`.
///
/// # Errors
/// CPython's TypeError.
pub fn object_and_number<'py>(
    py: Attached<'py>,
    (arguments, keywords): (&Object, Option<&Object>),
    format: &'static CStr,
    names: [&'static CStr; 2],
    default: i32,
) -> Result<(Owned<'py>, i32)> {
    debug_assert!(format.to_bytes().starts_with(b"O|i:"));
    let mut object: *mut ffi::PyObject = ptr::null_mut();
    let mut number = default;
    let mut names: [*const c_char; 3] = [names[0].as_ptr(), names[1].as_ptr(), ptr::null()];
    // SAFETY: the format asks for an object (borrowed from the arguments, and owned at once) and an int; the names end
    // with null.
    unsafe {
        let parsed = ffi::PyArg_ParseTupleAndKeywords(
            arguments.as_ptr(),
            keywords.map_or(ptr::null_mut(), Object::as_ptr),
            format.as_ptr(),
            names.as_mut_ptr().cast(),
            &raw mut object,
            &raw mut number,
        );
        let object = Owned::from_borrowed(py, object).filter(|_| parsed != 0);
        object.map(|object| (object, number)).ok_or(Raised)
    }
}

/// `tp_dealloc`.
pub unsafe extern "C" fn dealloc<T: ClassValue>(this: *mut ffi::PyObject) {
    // SAFETY: the last reference is gone. Heap types are kept alive by their instances (decisions.md, "Heap types
    // and module state").
    unsafe {
        if T::COLLECTED {
            ffi::PyObject_GC_UnTrack(this.cast());
        }
        boundary::guard((), || {
            let instance = this.cast::<ClassInstance<T>>();
            (*instance).value().let_go(Attached::assume());
            ClassInstance::drop_value(instance);
        });
        let class = ffi::Py_TYPE(this);
        let free = ffi::PyType_GetSlot(class, ffi::Py_tp_free);
        let free = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(free);
        free(this.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// `tp_traverse`.
pub unsafe extern "C" fn traverse<T: ClassValue>(
    this: &ClassInstance<T>,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    let (class, held) = (this.object().kind().as_ptr(), this.value().held());
    // SAFETY: the collector calls with a live object of this type; `visit` takes what it was given.
    unsafe {
        let class = visit(class, argument);
        if class != 0 || held.is_null() { class } else { visit(held, argument) }
    }
}

/// `tp_clear`.
pub extern "C" fn clear<T: ClassValue>(this: &ClassInstance<T>) -> c_int {
    // SAFETY: the collector calls with the lock held.
    let py = unsafe { Attached::assume() };
    boundary::guard((), || this.value().let_go(py));
    0
}

/// What an instance of a class holds.
pub trait ClassValue: Sized + 'static {
    /// Whether it holds a Python object that may refer back to it.
    const COLLECTED: bool = false;

    /// The object that it holds, for the collector; null if none.
    fn held(&self) -> *mut ffi::PyObject {
        ptr::null_mut()
    }

    /// Gives that object up: for the collector, and before it is dropped.
    fn let_go(&self, _: Attached<'_>) {}
}

/// The memory of an instance.
#[repr(C)]
pub struct ClassInstance<T> {
    /// Python changes it behind our references.
    head: UnsafeCell<ffi::PyObject>,
    value: T,
}

impl<T> ClassInstance<T> {
    /// Ours.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The object.
    pub fn object(&self) -> &Object {
        // SAFETY: it begins with an object's head, and lives as long.
        unsafe { Object::borrow(ptr::from_ref(self).cast_mut().cast()) }
    }

    /// Ends the value of an instance that nobody refers to any more.
    ///
    /// # Safety
    /// `instance` is one, and is only freed afterwards.
    pub unsafe fn drop_value(instance: *mut Self) {
        // SAFETY: by the contract.
        unsafe { ptr::drop_in_place(&raw mut (*instance).value) }
    }
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
    /// For a method of an instance.
    pub fn new(instance: &'py ClassInstance<T>) -> Self {
        Self { object: instance.object(), value: instance.value() }
    }

    /// # Safety
    /// `object` is a live instance of a class built for `T`.
    pub unsafe fn of(object: *mut ffi::PyObject) -> Self {
        // SAFETY: by the contract.
        Self::new(unsafe { &*object.cast::<ClassInstance<T>>() })
    }
}

/// What a kept class is known by: it says which value its instances hold, without whoever keeps it knowing that.
pub trait ClassKey {
    /// What they hold.
    type Value: ClassValue;
}

/// A class that was built for `T`.
pub struct OwnedClass<'py, T> {
    class: Owned<'py>,
    value: PhantomData<fn() -> T>,
}

impl<T> Deref for OwnedClass<'_, T> {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.class
    }
}

impl<'py, T: ClassValue> OwnedClass<'py, T> {
    /// # Safety
    /// `class` is a class, and was built for `T`.
    pub(super) unsafe fn new(class: Owned<'py>) -> Self {
        Self { class, value: PhantomData }
    }

    /// Keeps the class beyond the attachment.
    pub fn store<K: ClassKey<Value = T>>(self) -> StoredClass<K> {
        StoredClass { class: self.class.store(), key: PhantomData }
    }
}

/// A class that was built for the value that `K` says, kept across attachments.
pub struct StoredClass<K> {
    class: Stored,
    key: PhantomData<fn() -> K>,
}

impl<K> std::fmt::Debug for StoredClass<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.class.fmt(f)
    }
}

impl<K> StoredClass<K> {
    /// The class. The caller is attached to the interpreter that it belongs to.
    #[inline]
    pub fn get<'py>(&self, py: Attached<'py>) -> &'py Object {
        self.class.get(py)
    }
}

impl<K: ClassKey> StoredClass<K> {
    /// Makes an instance.
    #[inline]
    pub fn instance<'py>(&self, py: Attached<'py>, value: K::Value) -> Result<Owned<'py>> {
        // SAFETY: built for this value.
        unsafe { allocate(py, self.get(py), value) }
    }

    /// What an instance of it, or of a class derived from it, holds; nothing for any other object.
    pub fn cast<'o>(&self, py: Attached<'o>, object: &'o Object) -> Option<MethodSelf<'o, K::Value>> {
        let class = self.get(py).as_ptr();
        // SAFETY: both are alive; the class was built for this value, and the object is an instance of it by the check.
        unsafe {
            let is_instance = ffi::PyObject_TypeCheck(object.as_ptr(), class.cast()) != 0;
            is_instance.then(|| MethodSelf::of(object.as_ptr()))
        }
    }
}

/// Makes an instance of a class that was built for `T`, or of one that is derived from it.
///
/// # Safety
/// `class` is one.
pub unsafe fn allocate<'py, T: ClassValue>(
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
