//! APR pools: strings and Rust values that live as long as a pool.

use apr_sys as sys;
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use std::ptr;

/// A borrowed pool; what it hands out lives for `'p`.
#[derive(Clone, Copy)]
pub struct Pool<'p> {
    raw: *mut sys::apr_pool_t,
    life: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// Wraps a pool.
    ///
    /// # Safety
    /// `raw` is a valid pool that outlives `'p` and is not used by another thread meanwhile.
    pub unsafe fn from_raw(raw: *mut sys::apr_pool_t) -> Self {
        Self { raw, life: PhantomData }
    }

    /// The C pointer.
    pub fn raw(self) -> *mut sys::apr_pool_t {
        self.raw
    }

    /// Copies bytes into the pool and ends them with a NUL.
    pub fn dup(self, bytes: &[u8]) -> *mut c_char {
        // SAFETY: the pool is valid for 'p; apr copies exactly `len` bytes and appends a NUL.
        unsafe { sys::apr_pstrmemdup(self.raw, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Copies `count` plain C records into the pool.
    ///
    /// # Safety
    /// There are so many at `from`, and a bitwise copy of them is good.
    pub unsafe fn copy_of<T: Copy>(self, from: *const T, count: usize) -> *mut T {
        // SAFETY: apr gives aligned memory of the size asked for, or ends the process; `from` by the contract.
        unsafe {
            let copy = sys::apr_palloc(self.raw, size_of::<T>() * count).cast::<T>();
            ptr::copy_nonoverlapping(from, copy, count);
            copy
        }
    }

    /// Moves a value to the heap and drops it when the pool is cleared.
    pub fn own<T>(self, value: T) -> *mut T {
        let raw = Box::into_raw(Box::new(value));
        // SAFETY: `drop_boxed::<T>` gets back exactly the pointer that `Box::into_raw` gave.
        unsafe {
            sys::apr_pool_cleanup_register(
                self.raw,
                raw.cast(),
                Some(super::cleanup::drop_boxed::<T>),
                Some(sys::apr_pool_cleanup_null),
            );
        }
        raw
    }

    /// Runs `cleanup` with `data` when the pool is cleared (not in a forked child before exec).
    ///
    /// # Safety
    /// `cleanup` may be called with `data` once, at any time until the pool is gone, and its code must still be
    /// mapped then (pools below httpd's configuration pool qualify).
    pub unsafe fn on_clear(
        self,
        data: *mut c_void,
        cleanup: unsafe extern "C" fn(*mut c_void) -> sys::apr_status_t,
    ) {
        // SAFETY: by the contract above.
        unsafe {
            sys::apr_pool_cleanup_register(self.raw, data, Some(cleanup), Some(sys::apr_pool_cleanup_null));
        }
    }
}

/// A plain record in the process pool that survives the unloading of this module (decisions.md, "State across restarts
/// is plain numbers").
///
/// # Safety
/// `pool` is httpd's process pool; `T` holds no pointer into this module or the configuration pool.
pub unsafe fn persistent<T>(pool: *mut sys::apr_pool_t, key: &std::ffi::CStr, initial: T) -> *mut T {
    let mut found: *mut c_void = ptr::null_mut();
    // SAFETY: the process pool is valid; `userdata_set` copies the key, and no cleanup function is registered.
    unsafe {
        sys::apr_pool_userdata_get(&mut found, key.as_ptr(), pool);
        if found.is_null() {
            found = sys::apr_palloc(pool, size_of::<T>());
            found.cast::<T>().write(initial);
            sys::apr_pool_userdata_set(found, key.as_ptr(), None, pool);
        }
    }
    found.cast()
}
