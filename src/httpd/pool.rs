//! APR pools: strings and Rust values that live as long as a pool.

use super::record::{HttpdText, OwnText, Record};
use crate::panics::guard;
use apr_sys as sys;
use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

/// A borrowed pool; what it hands out lives for `'p`.
#[derive(Clone, Copy)]
pub struct Pool<'p>(Record<'p, sys::apr_pool_t>);

/// A record that survives the unloading of this module in the pool that lives as long as httpd.
///
/// # Safety
/// It holds plain numbers and what lives in the same pool, no pointer into this module or the configuration pool (decisions.md,
/// "State across restarts is plain numbers"); no other layout has ever had the key.
pub unsafe trait LastingRecord: Sized + 'static {
    /// Its name in the pool.
    const KEY: &'static CStr;
    /// As it is in the beginning, with what it needs in httpd's own pool.
    fn initial(process: ProcessPool) -> Self;
}

impl<'p> Pool<'p> {
    /// The pool of a record; no other thread uses it meanwhile.
    pub fn of(record: Record<'p, sys::apr_pool_t>) -> Self {
        Self(record)
    }

    /// The C pointer.
    pub fn raw(self) -> *mut sys::apr_pool_t {
        self.0.raw()
    }

    /// Copies bytes into the pool and ends them with a NUL.
    pub fn dup(self, bytes: &[u8]) -> OwnText<'p> {
        // SAFETY: the pool is valid for 'p; apr copies exactly `len` bytes and appends a NUL.
        unsafe { OwnText::from_raw(sys::apr_pstrmemdup(self.raw(), bytes.as_ptr().cast(), bytes.len())) }
    }

    /// Copies `count` plain C records into the pool.
    ///
    /// # Safety
    /// There are so many at `from`, and a bitwise copy of them is good.
    pub unsafe fn copy_of<T: Copy>(self, from: *const T, count: usize) -> *mut T {
        // SAFETY: apr gives aligned memory of the size asked for, or ends the process; `from` by the contract.
        unsafe {
            let copy = sys::apr_palloc(self.raw(), size_of::<T>() * count).cast::<T>();
            ptr::copy_nonoverlapping(from, copy, count);
            copy
        }
    }

    /// Moves a value to the heap and drops it when the pool is cleared.
    pub fn own<T: 'static>(self, value: T) -> *mut T {
        self.own_any(value)
    }

    /// The same for what may borrow from the pool, or from what lives as long.
    ///
    /// # Safety
    /// Dropping it uses nothing that it borrows: that may be gone by then.
    pub(super) unsafe fn own_borrowing<T>(self, value: T) -> *mut T {
        self.own_any(value)
    }

    fn own_any<T>(self, value: T) -> *mut T {
        let raw = Box::into_raw(Box::new(value));
        self.on_clear(raw.cast(), drop_boxed::<T>);
        raw
    }

    /// Closes a descriptor when the pool is cleared; its number.
    pub fn own_descriptor(self, descriptor: OwnedFd) -> RawFd {
        let number = descriptor.into_raw_fd();
        self.on_clear(ptr::without_provenance_mut(number as usize), close_descriptor);
        number
    }

    /// Calls a function when the pool is cleared (not in a forked child before exec).
    pub fn call_when_cleared(self, call: fn()) {
        self.own(CallOnDrop(call));
    }

    /// Runs `cleanup` with the `data` that is meant for it when the pool is cleared (not in a forked child before exec). Its
    /// code is still mapped then: all pools but that of the process are cleared before this module is unloaded.
    fn on_clear(self, data: *mut c_void, cleanup: unsafe extern "C" fn(*mut c_void) -> sys::apr_status_t) {
        // SAFETY: one of the two above, with what it takes back; once, and nobody else uses it any more.
        unsafe {
            sys::apr_pool_cleanup_register(self.raw(), data, Some(cleanup), Some(sys::apr_pool_cleanup_null));
        }
    }

    /// apr's directory for temporary files.
    pub fn temporary_directory(self) -> Option<PathBuf> {
        let mut name = ptr::null();
        // SAFETY: the pool is valid; apr leaves a string of the pool in `name`, or an error.
        let name = unsafe {
            match sys::apr_temp_dir_get(&mut name, self.raw()) {
                0 => HttpdText::from_raw(name),
                _ => HttpdText::NONE,
            }
        };
        name.bytes().map(|name| PathBuf::from(OsStr::from_bytes(name)))
    }
}

/// Drops what [`Pool::own`] boxed.
///
/// # Safety
/// `data` is a pointer from `Box::<T>::into_raw` that nobody uses any more.
unsafe extern "C" fn drop_boxed<T>(data: *mut c_void) -> sys::apr_status_t {
    // SAFETY: by the contract.
    guard((), || drop(unsafe { Box::from_raw(data.cast::<T>()) }));
    0
}

/// Closes what [`Pool::own_descriptor`] got.
///
/// # Safety
/// `data` is the number of a descriptor that only the pool knows.
unsafe extern "C" fn close_descriptor(data: *mut c_void) -> sys::apr_status_t {
    // SAFETY: by the contract.
    drop(unsafe { OwnedFd::from_raw_fd(data.addr() as RawFd) });
    0
}

/// Calls it when dropped.
struct CallOnDrop(fn());

impl Drop for CallOnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// httpd's own pool, which it gives up when it ends: it lives longer than any code of this module, so nothing of ours can be
/// called when it goes.
#[derive(Clone, Copy)]
pub struct ProcessPool(Record<'static, sys::apr_pool_t>);

impl ProcessPool {
    /// That of httpd's record of itself.
    pub(super) fn of(process: Record<'_, sys::process_rec>) -> Self {
        let pool = process.part(|process| &process.pool);
        // SAFETY: it is there for as long as httpd.
        Self(unsafe { Record::from_raw(pool.raw()) })
    }

    /// The C pointer.
    pub(super) fn raw(self) -> *mut sys::apr_pool_t {
        self.0.raw()
    }

    /// The record of this httpd.
    ///
    /// # Safety
    /// This is httpd's own pool, and nobody else uses the record.
    pub(super) unsafe fn lasting_record<'k, T: LastingRecord>(self) -> &'k mut T {
        let mut found: *mut c_void = ptr::null_mut();
        // SAFETY: `userdata_set` copies the key, and no cleanup function is registered; what is found was put there below.
        unsafe {
            sys::apr_pool_userdata_get(&mut found, T::KEY.as_ptr(), self.raw());
            if found.is_null() {
                found = ptr::from_mut(self.keep(T::initial(self))).cast();
                sys::apr_pool_userdata_set(found, T::KEY.as_ptr(), None, self.raw());
            }
            &mut *found.cast()
        }
    }

    /// Keeps a value for good; it is never dropped.
    pub fn keep<T: 'static>(self, value: T) -> &'static mut T {
        // SAFETY: apr gives memory of this size, aligned for anything, or ends the process.
        unsafe {
            let place = sys::apr_palloc(self.raw(), size_of::<T>()).cast::<T>();
            place.write(value);
            &mut *place
        }
    }
}

/// A pool without parent, which is gone when it is dropped.
#[derive(Debug)]
pub struct OwnedPool(Record<'static, sys::apr_pool_t>);

impl OwnedPool {
    /// An empty one; `None` without memory.
    pub fn new() -> Option<Self> {
        // SAFETY: a pool of our own; the record is given out for as long as `self` only.
        unsafe {
            let pool = sys::mw_pool_create(ptr::null_mut());
            (!pool.is_null()).then(|| Self(Record::from_raw(pool)))
        }
    }

    /// The pool.
    pub fn pool(&self) -> Pool<'_> {
        Pool(self.0)
    }
}

impl Drop for OwnedPool {
    fn drop(&mut self) {
        // SAFETY: made above, and nothing borrows it any more.
        unsafe { sys::mw_pool_destroy(self.0.raw()) }
    }
}

/// A path as httpd completes it with ServerRoot; `None` where it cannot be made absolute.
pub fn server_root_relative(path: &str) -> Option<String> {
    let (path, pool) = (CString::new(path).ok()?, OwnedPool::new()?);
    // SAFETY: the text lives in the pool, which lives until it has been copied.
    let full = unsafe { HttpdText::from_raw(sys::ap_server_root_relative(pool.pool().raw(), path.as_ptr())) };
    full.utf8().map(str::to_owned)
}
