//! APR tables: httpd's case-insensitive, ordered string maps.

use super::pool::Pool;
use super::record::{HttpdText, OwnText, Record};
use apr_sys as sys;
use std::ffi::CStr;
use std::marker::PhantomData;

/// A borrowed table.
#[derive(Clone, Copy)]
pub struct Table<'t>(Record<'t, sys::apr_table_t>);

impl<'t> Table<'t> {
    /// A table that another record points to.
    pub(super) fn of(record: Record<'t, sys::apr_table_t>) -> Self {
        Self(record)
    }

    /// An empty table in the request's pool with room for `size` entries.
    pub fn with_room(pool: Pool<'t>, size: usize) -> Self {
        // SAFETY: the table lives in the pool.
        Self(unsafe { Record::from_raw(sys::apr_table_make(pool.raw(), size as i32)) })
    }

    /// Sets all entries of `other`, the last of each key, which is all that `other` keeps. One by one each would be
    /// compared with all others whose first four letters are the same. What is here already is left alone: httpd reads
    /// the first of several entries of SetEnv and SetEnvIf, so apr_table_overlap, which keeps the last, is no way.
    pub fn set_all(self, other: Self) {
        // SAFETY: a valid table that only this thread uses.
        unsafe { sys::apr_table_compress(other.0.raw(), sys::APR_OVERLAP_TABLES_SET) };
        let is_in_other = |key: HttpdText<'t>| key.c_str().is_some_and(|key| other.get(key).is_some());
        let have_common_keys = self.entries().any(|(key, _)| is_in_other(key));
        for (key, value) in other.entries() {
            match have_common_keys {
                true => self.set_text(key, value),
                false => self.add_text(key, value),
            }
        }
    }

    /// The value of a key.
    pub fn get(self, key: &CStr) -> Option<&'t [u8]> {
        // SAFETY: table and key are valid; the value lives in the table's pool.
        unsafe { HttpdText::from_raw(sys::apr_table_get(self.0.raw(), key.as_ptr())) }.bytes()
    }

    /// Sets a key to a string of httpd's, if there is one; neither is copied.
    pub fn set_text(self, key: impl Into<HttpdText<'t>>, value: HttpdText<'t>) {
        let key = key.into();
        if !key.is_none() && !value.is_none() {
            // SAFETY: both live as long as the table.
            unsafe { sys::apr_table_setn(self.0.raw(), key.raw(), value.raw()) };
        }
    }

    /// Appends a key without looking for an older one, if there is a value; neither string is copied.
    pub fn add_text(self, key: HttpdText<'t>, value: HttpdText<'t>) {
        if !key.is_none() && !value.is_none() {
            // SAFETY: both live as long as the table.
            unsafe { sys::apr_table_addn(self.0.raw(), key.raw(), value.raw()) };
        }
    }

    /// Sets a key, copying the value into `pool`.
    pub fn set(self, pool: Pool<'t>, key: &'static CStr, value: &[u8]) {
        self.set_text(key, pool.dup(value).into());
    }

    /// Sets a key, copying both.
    pub fn set_copy(self, pool: Pool<'t>, key: &[u8], value: &[u8]) {
        self.set_text(pool.dup(key), pool.dup(value).into());
    }

    /// Appends an entry without looking for an older one.
    pub fn add(self, pool: Pool<'t>, key: &[u8], value: &[u8]) {
        self.add_text(pool.dup(key).into(), pool.dup(value).into());
    }

    /// Joins a value to an older one with `, `.
    pub fn merge(self, pool: Pool<'t>, key: &[u8], value: &[u8]) {
        let (key, value): (OwnText<'t>, OwnText<'t>) = (pool.dup(key), pool.dup(value));
        // SAFETY: both copies live as long as the table.
        unsafe { sys::apr_table_mergen(self.0.raw(), key.raw(), value.raw()) }
    }

    /// Removes all entries of a key.
    pub fn unset(self, key: &CStr) {
        // SAFETY: table and key are valid.
        unsafe { sys::apr_table_unset(self.0.raw(), key.as_ptr()) }
    }

    /// All entries as httpd's strings, in order.
    pub fn entries(self) -> TableEntries<'t> {
        // SAFETY: apr gives the header of the table's own array, which stays where it is.
        let array = unsafe { sys::apr_table_elts(self.0.raw()) };
        TableEntries { array, next: 0, life: PhantomData }
    }

    /// All entries as bytes; a missing value is empty.
    pub fn iter(self) -> impl Iterator<Item = (&'t [u8], &'t [u8])> {
        self.entries().filter_map(|(key, value)| Some((key.bytes()?, value.bytes().unwrap_or(b""))))
    }
}

/// The entries of a table; one that is changed meanwhile shows its entries as they are then.
pub struct TableEntries<'t> {
    array: *const sys::apr_array_header_t,
    next: usize,
    life: PhantomData<&'t sys::apr_table_t>,
}

impl<'t> Iterator for TableEntries<'t> {
    type Item = (HttpdText<'t>, HttpdText<'t>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.len() == 0 {
            return None;
        }
        // SAFETY: there is such an entry; key and value are strings that live as long as the table, or null.
        unsafe {
            let entry = (*self.array).elts.cast::<sys::apr_table_entry_t>().add(self.next);
            self.next += 1;
            Some((HttpdText::from_raw((*entry).key), HttpdText::from_raw((*entry).val)))
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        // SAFETY: the header of a live table says how many entries there are now.
        let all = unsafe { (*self.array).nelts };
        let left = usize::try_from(all).unwrap_or(0).saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for TableEntries<'_> {}
