//! Regular expressions as httpd understands them.

use super::pool::OwnedPool;
use apr_sys as sys;
use std::ffi::{CString, c_int};
use wsgi_directives::{RegexMatch, UriRegex};

/// A pattern compiled by httpd, in a pool of its own.
#[derive(Debug)]
pub struct HttpdPattern {
    compiled: *mut sys::ap_regex_t,
    /// Where it lives.
    _pool: OwnedPool,
}

// SAFETY: ap_regexec does not change the compiled form; httpd itself shares it between threads. Nobody uses the pool.
unsafe impl Send for HttpdPattern {}
// SAFETY: as above.
unsafe impl Sync for HttpdPattern {}

impl HttpdPattern {
    /// Compiles a pattern; `None` for one that is wrong.
    pub fn new(pattern: &str) -> Option<Self> {
        let pattern = CString::new(pattern).ok()?;
        let pool = OwnedPool::new()?;
        let flags = sys::AP_REG_EXTENDED as c_int;
        // SAFETY: the pattern is NUL-terminated; the compiled form lives in the pool, and so as long as `self`.
        let compiled = unsafe { sys::ap_pregcomp(pool.pool().raw(), pattern.as_ptr(), flags) };
        (!compiled.is_null()).then_some(Self { compiled, _pool: pool })
    }
}

impl UriRegex for HttpdPattern {
    fn search(&self, uri: &[u8]) -> Option<RegexMatch> {
        let uri = CString::new(uri).ok()?;
        let mut found = [sys::ap_regmatch_t { rm_so: -1, rm_eo: -1 }; sys::AP_MAX_REG_MATCH as usize];
        let (pattern, places) = (self.compiled, found.as_mut_ptr());
        // SAFETY: pattern and subject are valid; `found` holds as many entries as announced.
        let status = unsafe { sys::ap_regexec(pattern, uri.as_ptr(), found.len(), places, 0) };
        if status != 0 {
            return None;
        }
        let offset = |n: c_int| usize::try_from(n).ok();
        let group = |m: &sys::ap_regmatch_t| Some((offset(m.rm_so)?, offset(m.rm_eo)?));
        let mut result = RegexMatch::default();
        for (slot, m) in result.groups.iter_mut().zip(&found) {
            *slot = group(m);
        }
        Some(result)
    }
}
