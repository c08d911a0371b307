//! APR tables: httpd's case-insensitive, ordered string maps.

use super::pool::Pool;
use super::{HttpdText, bytes};
use apr_sys as sys;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

/// A borrowed table.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    raw: *mut sys::apr_table_t,
    life: PhantomData<&'t ()>,
}

impl<'t> Table<'t> {
    /// Wraps a table.
    ///
    /// # Safety
    /// `raw` is a valid table that outlives `'t`; only this thread uses it.
    pub unsafe fn from_raw(raw: *mut sys::apr_table_t) -> Self {
        Self { raw, life: PhantomData }
    }

    /// An empty table in the request's pool with room for `size` entries.
    pub fn with_room(pool: Pool<'t>, size: usize) -> Self {
        // SAFETY: the pool lives as long as the table.
        unsafe { Self::from_raw(sys::apr_table_make(pool.raw(), size as i32)) }
    }

    /// Sets all entries of `other`, the last of each key, which is all that `other` keeps. One by one each would be
    /// compared with all others whose first four letters are the same. What is here already is left alone: httpd reads
    /// the first of several entries of SetEnv and SetEnvIf, so apr_table_overlap, which keeps the last, is no way.
    pub fn set_all(self, other: Self) {
        // SAFETY: a valid table that only this thread uses.
        unsafe { sys::apr_table_compress(other.raw, sys::APR_OVERLAP_TABLES_SET) };
        // SAFETY: keys of a live table are NUL-terminated.
        let is_in_other = |key| unsafe { !sys::apr_table_get(other.raw, key).is_null() };
        let have_common_keys = self.entries().iter().any(|entry| is_in_other(entry.key));
        for entry in other.entries() {
            // SAFETY: what `other` points to lives as long as the request.
            unsafe {
                if have_common_keys {
                    self.set_raw(entry.key, entry.val);
                } else {
                    self.add_raw(entry.key, entry.val);
                }
            }
        }
    }

    /// Appends a key without looking for an older one; neither string is copied.
    ///
    /// # Safety
    /// Both are NUL-terminated and outlive the table.
    pub unsafe fn add_raw(self, key: *const c_char, value: *const c_char) {
        // SAFETY: by the contract.
        unsafe { sys::apr_table_addn(self.raw, key, value) }
    }

    /// The value of a key.
    pub fn get(self, key: &CStr) -> Option<&'t [u8]> {
        // SAFETY: table and key are valid; the value lives in the table's pool.
        unsafe { bytes(sys::apr_table_get(self.raw, key.as_ptr())) }
    }

    /// Sets a key to strings that live at least as long as the table; neither is copied.
    ///
    /// # Safety
    /// Both are NUL-terminated and outlive the table.
    pub unsafe fn set_raw(self, key: *const c_char, value: *const c_char) {
        // SAFETY: by the contract.
        unsafe { sys::apr_table_setn(self.raw, key, value) }
    }

    /// Sets a key to a string of httpd's, if there is one; it is not copied.
    pub fn set_text(self, key: &'static CStr, value: HttpdText<'t>) {
        if !value.raw().is_null() {
            // SAFETY: the key is static, and the value lives as long as the table.
            unsafe { self.set_raw(key.as_ptr(), value.raw()) };
        }
    }

    /// Sets a key, copying the value into `pool`.
    pub fn set(self, pool: Pool<'_>, key: &'static CStr, value: &[u8]) {
        // SAFETY: the key is static, the copy lives in the request's pool like the table.
        unsafe { sys::apr_table_setn(self.raw, key.as_ptr(), pool.dup(value)) }
    }

    /// Sets a key, copying both.
    pub fn set_copy(self, pool: Pool<'_>, key: &[u8], value: &[u8]) {
        // SAFETY: both copies live in the request's pool like the table.
        unsafe { sys::apr_table_setn(self.raw, pool.dup(key), pool.dup(value)) }
    }

    /// Appends an entry without looking for an older one.
    pub fn add(self, pool: Pool<'_>, key: &[u8], value: &[u8]) {
        // SAFETY: both copies live in the request's pool like the table.
        unsafe { sys::apr_table_addn(self.raw, pool.dup(key), pool.dup(value)) }
    }

    /// Joins a value to an older one with `, `.
    pub fn merge(self, pool: Pool<'_>, key: &[u8], value: &[u8]) {
        // SAFETY: both copies live in the request's pool like the table.
        unsafe { sys::apr_table_mergen(self.raw, pool.dup(key), pool.dup(value)) }
    }

    /// Removes all entries of a key.
    pub fn unset(self, key: &CStr) {
        // SAFETY: table and key are valid.
        unsafe { sys::apr_table_unset(self.raw, key.as_ptr()) }
    }

    /// All entries as httpd's pointers, in order. The table must not be changed meanwhile.
    pub fn entries(self) -> &'t [sys::apr_table_entry_t] {
        // SAFETY: apr_table_elts gives the table's own array header; `nelts` entries are initialised.
        unsafe {
            let array = sys::apr_table_elts(self.raw);
            let elements = (*array).elts.cast::<sys::apr_table_entry_t>();
            if elements.is_null() {
                return &[];
            }
            // nelts is never negative.
            std::slice::from_raw_parts(elements, (*array).nelts as usize)
        }
    }

    /// All entries as bytes; a missing value is empty.
    pub fn iter(self) -> impl Iterator<Item = (&'t [u8], &'t [u8])> {
        // SAFETY: keys and values are NUL-terminated strings that live as long as the table.
        self.entries().iter().filter_map(|e| unsafe { Some((bytes(e.key)?, bytes(e.val).unwrap_or(b""))) })
    }
}
