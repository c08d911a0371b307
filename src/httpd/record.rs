//! A record of httpd's as it is seen from here: fields can be read, a few can be written, and what they point to is as safe as
//! the record is. What that rests on is said once for each type of record, where [`HttpdRecord`] is implemented.

use apr_sys as sys;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::marker::PhantomData;
use std::ptr;

/// A type of record that httpd or APR makes and changes.
///
/// # Safety
/// In every record that is alive, a field of type `char *` is null or points to a string that ends with a NUL, and one that
/// points to another [`HttpdRecord`] is null or points to one that is alive; both stay so as long as the record, whatever the
/// field is set to later.
pub unsafe trait HttpdRecord {}

// SAFETY: strings and records of a request live in its pool, its connection's or the configuration's.
unsafe impl HttpdRecord for sys::request_rec {}
// SAFETY: what a connection points to lives in its pool, or longer.
unsafe impl HttpdRecord for sys::conn_rec {}
// SAFETY: what a server points to lives in the configuration pool, or longer.
unsafe impl HttpdRecord for sys::server_rec {}
// SAFETY: the process record and its pools live as long as httpd; its other fields are no strings of ours to read.
unsafe impl HttpdRecord for sys::process_rec {}
// SAFETY: what the core module keeps of a server lives in the configuration pool.
unsafe impl HttpdRecord for sys::core_server_config {}
// SAFETY: the tree of directives lives in the configuration pool, or with the reading of a .htaccess file.
unsafe impl HttpdRecord for sys::ap_directive_t {}
// SAFETY: what is said of a line while it is read lives in the configuration pool, or the request's for a .htaccess file.
unsafe impl HttpdRecord for sys::cmd_parms {}
// SAFETY: listeners and their addresses live as long as httpd.
unsafe impl HttpdRecord for sys::ap_listen_rec {}
// SAFETY: the strings of an address live in its own pool.
unsafe impl HttpdRecord for sys::apr_sockaddr_t {}
// SAFETY: a filter lives in the pool of its request or connection, and its kind as long as the configuration.
unsafe impl HttpdRecord for sys::ap_filter_t {}
// SAFETY: the kinds of filters are registered for as long as the configuration, under names that last.
unsafe impl HttpdRecord for sys::ap_filter_rec_t {}
// SAFETY: has no fields that are seen from here.
unsafe impl HttpdRecord for sys::apr_table_t {}
// SAFETY: has no fields that are seen from here.
unsafe impl HttpdRecord for sys::apr_pool_t {}

/// A borrowed record.
pub struct Record<'h, T> {
    raw: *mut T,
    life: PhantomData<&'h T>,
}

impl<T> Clone for Record<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Record<'_, T> {}

impl<T> PartialEq for Record<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.raw, other.raw)
    }
}

impl<T> fmt::Debug for Record<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}", self.raw)
    }
}

impl<'h, T: HttpdRecord> Record<'h, T> {
    /// Wraps a record, for the handle of its type.
    ///
    /// # Safety
    /// `raw` is alive for `'h`; meanwhile nobody writes to it but this thread, or what it calls.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        Self { raw, life: PhantomData }
    }

    /// The C pointer.
    pub fn raw(self) -> *mut T {
        self.raw
    }

    /// What a field holds now. The function captures nothing, so that it gets at nothing but this record.
    #[inline(always)]
    pub fn get<F: Copy>(self, field: fn(&T) -> F) -> F {
        // SAFETY: alive by the contract of `from_raw`; nobody writes while this thread looks.
        field(unsafe { &*self.raw })
    }

    /// What is in a field that the contract of [`HttpdRecord`] speaks of. A function could give something else of the same type
    /// instead of a field of this record, by a reference that lives longer.
    #[inline(always)]
    fn of_its_own<P: Copy>(self, field: fn(&T) -> &P) -> P {
        // SAFETY: as in `get`.
        let found = field(unsafe { &*self.raw });
        let offset = ptr::from_ref(found).addr().wrapping_sub(self.raw.addr());
        assert!(offset < size_of::<T>(), "a field of another record");
        *found
    }

    /// The text that a field points to.
    #[inline(always)]
    pub fn text<P: TextPointer>(self, field: fn(&T) -> &P) -> HttpdText<'h> {
        let text = self.of_its_own(field).to_text();
        // SAFETY: good by the contract of `HttpdRecord`.
        unsafe { HttpdText::from_raw(text) }
    }

    /// The record that a field points to, if there is one.
    #[inline(always)]
    pub fn follow<N: HttpdRecord>(self, field: fn(&T) -> &*mut N) -> Option<Record<'h, N>> {
        let raw = self.of_its_own(field);
        // Alive by the contract of `HttpdRecord`.
        (!raw.is_null()).then_some(Record { raw, life: PhantomData })
    }

    /// The record that a field points to which httpd never leaves empty.
    #[inline(always)]
    pub fn part<N: HttpdRecord>(self, field: fn(&T) -> &*mut N) -> Record<'h, N> {
        // httpd makes these parts with the record.
        self.follow(field).expect("a part without which httpd makes no such record")
    }

    /// Changes a field.
    #[inline(always)]
    pub(super) fn set<F: FieldValue<'h>>(self, field: fn(&mut T) -> &mut F::Field, value: F) {
        // SAFETY: alive by the contract of `from_raw`, and this thread is here. The value lives as long as the record.
        *field(unsafe { &mut *self.raw }) = value.to_field();
    }

    /// All records from this one on, each behind the one before.
    pub fn chain(self, next: fn(&T) -> &*mut T) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), move |record| record.follow(next))
    }
}

/// How records point to texts.
///
/// # Safety
/// It is one of the types of which [`HttpdRecord`] speaks, and the same pointer comes out.
pub unsafe trait TextPointer: Copy {
    /// As one that nobody writes through.
    fn to_text(self) -> *const c_char;
}

// SAFETY: as it is.
unsafe impl TextPointer for *const c_char {
    fn to_text(self) -> *const c_char {
        self
    }
}

// SAFETY: the same address.
unsafe impl TextPointer for *mut c_char {
    fn to_text(self) -> *const c_char {
        self.cast_const()
    }
}

/// What a field of a record that lives for `'h` may be set to.
///
/// # Safety
/// What becomes of it is as good for `'h` as [`HttpdRecord`] says of a field of the type.
pub unsafe trait FieldValue<'h> {
    /// The field's type.
    type Field;
    /// As the field has it.
    fn to_field(self) -> Self::Field;
}

// SAFETY: points to nothing.
unsafe impl FieldValue<'_> for i32 {
    type Field = i32;

    fn to_field(self) -> i32 {
        self
    }
}

// SAFETY: points to nothing.
unsafe impl FieldValue<'_> for u32 {
    type Field = u32;

    fn to_field(self) -> u32 {
        self
    }
}

// SAFETY: null, or a text that lives for `'h`.
unsafe impl<'h> FieldValue<'h> for HttpdText<'h> {
    type Field = *const c_char;

    fn to_field(self) -> *const c_char {
        self.raw
    }
}

// SAFETY: a text that lives for `'h`.
unsafe impl<'h> FieldValue<'h> for OwnText<'h> {
    type Field = *mut c_char;

    fn to_field(self) -> *mut c_char {
        self.raw()
    }
}

// SAFETY: null, or a record that lives for `'h`.
unsafe impl<'h, N: HttpdRecord> FieldValue<'h> for Option<Record<'h, N>> {
    type Field = *mut N;

    fn to_field(self) -> *mut N {
        self.map_or(ptr::null_mut(), Record::raw)
    }
}

/// A string of httpd's that lives for `'t`, or none; its length is not known.
#[derive(Clone, Copy)]
pub struct HttpdText<'t> {
    raw: *const c_char,
    life: PhantomData<&'t CStr>,
}

impl<'t> HttpdText<'t> {
    /// None.
    pub const NONE: Self = Self { raw: ptr::null(), life: PhantomData };

    /// # Safety
    /// Null, or NUL-terminated and unchanged for `'t`.
    pub unsafe fn from_raw(raw: *const c_char) -> Self {
        Self { raw, life: PhantomData }
    }

    /// The C pointer; null for none.
    pub fn raw(self) -> *const c_char {
        self.raw
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.raw.is_null()
    }

    /// The string.
    pub fn c_str(self) -> Option<&'t CStr> {
        // SAFETY: NUL-terminated and unchanged by the contract of `from_raw`.
        (!self.raw.is_null()).then(|| unsafe { CStr::from_ptr(self.raw) })
    }

    /// The bytes.
    pub fn bytes(self) -> Option<&'t [u8]> {
        self.c_str().map(CStr::to_bytes)
    }

    /// The bytes, as text; what is no UTF-8 is replaced. Empty for none.
    pub fn lossy(self) -> String {
        String::from_utf8_lossy(self.bytes().unwrap_or_default()).into_owned()
    }

    /// The bytes, if they are text.
    pub fn utf8(self) -> Option<&'t str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

impl From<&'static CStr> for HttpdText<'_> {
    fn from(text: &'static CStr) -> Self {
        Self { raw: text.as_ptr(), life: PhantomData }
    }
}

/// A string that was made in a pool for whoever wants to have it, httpd too, which may write to it.
#[derive(Clone, Copy)]
pub struct OwnText<'p>(HttpdText<'p>);

impl<'p> OwnText<'p> {
    /// # Safety
    /// NUL-terminated memory that is there for `'p`.
    pub unsafe fn from_raw(raw: *mut c_char) -> Self {
        Self(HttpdText { raw, life: PhantomData })
    }

    /// The C pointer.
    pub fn raw(self) -> *mut c_char {
        self.0.raw.cast_mut()
    }
}

impl<'p> From<OwnText<'p>> for HttpdText<'p> {
    fn from(text: OwnText<'p>) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line {
        number: i32,
        text: *const c_char,
        next: *mut Line,
    }

    // SAFETY: made below, of what lives longer.
    unsafe impl HttpdRecord for Line {}

    fn with_two_lines<R>(look: impl FnOnce(Record<'_, Line>) -> R) -> R {
        let mut second = Line { number: 2, text: ptr::null(), next: ptr::null_mut() };
        let mut first = Line { number: 1, text: c"first".as_ptr(), next: &raw mut second };
        // SAFETY: both are alive meanwhile.
        look(unsafe { Record::from_raw(&raw mut first) })
    }

    #[test]
    fn fields_of_the_record_are_followed() {
        with_two_lines(|first| {
            let texts: Vec<_> =
                first.chain(|line| &line.next).map(|line| line.text(|line| &line.text)).collect();
            assert_eq!((texts[0].utf8(), texts[1].utf8(), texts.len()), (Some("first"), None, 2));
            first.set(|line| &mut line.next, None::<Record<'_, Line>>);
            assert_eq!(
                first.chain(|line| &line.next).map(|line| line.get(|line| line.number)).sum::<i32>(),
                1
            );
        });
    }

    #[test]
    #[should_panic(expected = "a field of another record")]
    fn a_text_that_is_none_of_its_fields_is_refused() {
        with_two_lines(|first| {
            first.text(|_| Box::leak(Box::new(ptr::without_provenance::<c_char>(1)))).is_none()
        });
    }

    #[test]
    #[should_panic(expected = "a field of another record")]
    fn a_record_that_is_none_of_its_fields_is_refused() {
        with_two_lines(|first| {
            first.follow(|_| Box::leak(Box::new(ptr::without_provenance_mut::<Line>(8)))).is_some()
        });
    }
}
