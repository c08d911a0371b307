//! The scripts that an interpreter knows, loaded or not; `super::script` loads them.

use crate::python::{Attached, Result, Stored, TextValues, lock};
use md5::{Digest, Md5};
use pyo3::ffi::PyObject;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32};
use std::sync::{Mutex, OnceLock};

/// What is loaded.
#[derive(Debug)]
pub(super) enum ScriptTarget {
    /// A file, whatever its name.
    File,
    /// `module:package.name[:callable]`
    Module {
        /// Name of the callable, if the target names it.
        callable: Option<Vec<u8>>,
        /// Modification time of the module's file when it was imported, µs; 0 if unknown.
        mtime: AtomicI64,
    },
}

/// One script in one interpreter.
#[derive(Debug)]
pub struct Script {
    pub(super) path: Vec<u8>,
    pub(super) target: ScriptTarget,
    /// Name in `sys.modules`.
    pub(super) key: Stored,
    /// Loaded successfully, and not being loaded again.
    pub(super) ready: AtomicBool,
    /// Held while it is being loaded, Python code included.
    pub(super) loading: Mutex<()>,
    /// How often its code has failed.
    pub(super) failures: AtomicU32,
    /// Modification time of the file when its code was last run, µs; 0 before that.
    pub(super) tried_mtime: AtomicI64,
    /// The callable that was last found to be a WSGI application, where nobody says what it is: its address, which is only
    /// compared.
    pub(super) wsgi: AtomicPtr<PyObject>,
    /// The first callable that a request used. Others are rare.
    pub(super) used: OnceLock<Box<[u8]>>,
}

/// The scripts of one interpreter. There are as many as the configuration has targets.
#[derive(Debug, Default)]
pub struct InterpreterScripts(Mutex<HashMap<Vec<u8>, &'static Script>>);

impl InterpreterScripts {
    /// The script `path`, loaded or not.
    pub fn get(&self, py: Attached<'_>, path: &[u8], case_insensitive: bool) -> Result<&'static Script> {
        if let Some(script) = lock(py, &self.0).get(path) {
            return Ok(script);
        }
        let script = Script::new(py, path, case_insensitive)?;
        let mut scripts = lock(py, &self.0);
        // Another thread may have been faster, which costs one unused record.
        Ok(scripts.entry(path.to_vec()).or_insert_with(|| Box::leak(Box::new(script))))
    }
}

/// `_mod_wsgi_` and the MD5 of the path, in lower-case hexadecimal.
fn module_key(path: &[u8], case_insensitive: bool) -> String {
    let path = if case_insensitive { path.to_ascii_lowercase() } else { path.to_vec() };
    let mut key = "_mod_wsgi_".to_owned();
    for byte in Md5::digest(path) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

impl Script {
    fn new(py: Attached<'_>, path: &[u8], case_insensitive: bool) -> Result<Self> {
        let (key, target) = match path.strip_prefix(b"module:") {
            Some(rest) => {
                let mut parts = rest.splitn(2, |byte| *byte == b':');
                let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                let callable = parts.next().map(<[u8]>::to_vec);
                (name, ScriptTarget::Module { callable, mtime: AtomicI64::new(0) })
            }
            None => (module_key(path, case_insensitive), ScriptTarget::File),
        };
        Ok(Self {
            path: path.to_vec(),
            target,
            key: py.interned(&key)?.store(),
            ready: AtomicBool::new(false),
            loading: Mutex::default(),
            failures: AtomicU32::new(0),
            tried_mtime: AtomicI64::new(0),
            wsgi: AtomicPtr::default(),
            used: OnceLock::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::module_key;

    #[test]
    fn keys_are_the_md5_of_the_path() {
        assert_eq!(module_key(b"/srv/App.wsgi", false), "_mod_wsgi_b179dfaccf658e8c2e9a96fb061fe0dd");
        assert_eq!(module_key(b"/srv/App.wsgi", true), module_key(b"/srv/app.wsgi", false));
    }
}
