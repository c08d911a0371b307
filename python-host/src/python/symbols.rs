//! Functions of CPython outside the stable ABI of 3.9, looked up by name at run time (decisions.md, "Symbols outside
//! the stable ABI").

use super::Attached;
use super::handles::{NewReference, Object};
use pyo3::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

type Vectorcall =
    unsafe extern "C" fn(&Object, *const &Object, usize, Option<&Object>) -> Option<NewReference>;

/// CPython's `Py_buffer`.
#[repr(C)]
pub struct RawBuffer {
    buf: *mut c_void,
    obj: *mut ffi::PyObject,
    len: isize,
    itemsize: isize,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut isize,
    strides: *mut isize,
    suboffsets: *mut isize,
    internal: *mut c_void,
}

impl RawBuffer {
    /// A view of nothing, which may be released.
    pub const EMPTY: Self = Self {
        buf: ptr::null_mut(),
        obj: ptr::null_mut(),
        len: 0,
        itemsize: 0,
        readonly: 0,
        ndim: 0,
        format: ptr::null_mut(),
        shape: ptr::null_mut(),
        strides: ptr::null_mut(),
        suboffsets: ptr::null_mut(),
        internal: ptr::null_mut(),
    };

    /// A copy of the bytes of a simple view.
    pub fn to_vec(&self) -> Vec<u8> {
        if self.buf.is_null() {
            return Vec::new();
        }
        // SAFETY: only `get_buffer` fills it: a simple view is contiguous and `len` bytes long, and the GIL is held during
        // the copy.
        unsafe { std::slice::from_raw_parts(self.buf.cast::<u8>(), self.len as usize) }.to_vec()
    }
}

/// CPython's `PyInterpreterConfig` (3.12 to 3.15).
#[repr(C)]
pub struct InterpreterConfig {
    /// Use the main interpreter's object allocator.
    pub use_main_obmalloc: c_int,
    /// `os.fork` works.
    pub allow_fork: c_int,
    /// `os.exec*` works.
    pub allow_exec: c_int,
    /// Threads may be started.
    pub allow_threads: c_int,
    /// Daemon threads may be started.
    pub allow_daemon_threads: c_int,
    /// Refuse extensions that do not declare to support sub-interpreters.
    pub check_multi_interp_extensions: c_int,
    /// 1 = shared, 2 = own.
    pub gil: c_int,
}

/// CPython's `PyStatus`.
#[repr(C)]
pub struct PyStatus {
    kind: c_int,
    func: *const c_char,
    err_msg: *const c_char,
    exitcode: c_int,
}

impl PyStatus {
    /// Whether the call succeeded.
    fn is_ok(&self) -> bool {
        self.kind == 0
    }

    /// Why it did not.
    fn text(&self) -> String {
        if self.err_msg.is_null() {
            return format!("exit status {}", self.exitcode);
        }
        // SAFETY: a static NUL-ended text.
        unsafe { CStr::from_ptr(self.err_msg) }.to_string_lossy().into_owned()
    }
}

type NewInterpreter =
    unsafe extern "C" fn(*mut *mut ffi::PyThreadState, *const InterpreterConfig) -> PyStatus;

/// `_Py_DumpTraceback`: writes a stack to a descriptor; async-signal-safe.
pub type DumpTraceback = unsafe extern "C" fn(c_int, *mut ffi::PyThreadState);

type ThreadHead = unsafe extern "C" fn(*mut ffi::PyInterpreterState) -> *mut ffi::PyThreadState;
type ThreadNext = unsafe extern "C" fn(*mut ffi::PyThreadState) -> *mut ffi::PyThreadState;

/// The functions of `PyInitConfig` (3.14).
#[derive(Debug, Clone, Copy)]
pub struct InitConfig {
    /// `PyInitConfig_Create`.
    pub create: unsafe extern "C" fn() -> *mut c_void,
    /// `PyInitConfig_Free`.
    pub free: unsafe extern "C" fn(*mut c_void),
    /// `PyInitConfig_SetInt`.
    pub set_int: unsafe extern "C" fn(*mut c_void, *const c_char, i64) -> c_int,
    /// `PyInitConfig_SetStr`.
    pub set_str: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int,
    /// `PyInitConfig_SetStrList`.
    pub set_str_list: unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const *mut c_char) -> c_int,
    /// `PyInitConfig_GetError`.
    pub get_error: unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> c_int,
    /// `Py_InitializeFromInitConfig`.
    pub initialize: unsafe extern "C" fn(*mut c_void) -> c_int,
}

/// What is told of audit events.
pub type AuditHook = unsafe extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

/// `PySys_AddAuditHook`.
pub type AddAuditHook = unsafe extern "C" fn(AuditHook, *mut c_void) -> c_int;

/// What was found.
pub struct PythonSymbols {
    /// Version of the running Python: 3 and the minor number.
    pub version: (u32, u32),
    vectorcall: Vectorcall,
    utf8: extern "C" fn(&Object, &mut isize) -> *const c_char,
    get_buffer: extern "C" fn(&Object, &mut RawBuffer, c_int) -> c_int,
    release_buffer: extern "C" fn(&mut RawBuffer),
    /// `Py_NewInterpreterFromConfig` (3.12).
    new_interpreter: Option<NewInterpreter>,
    /// `Py_SetProgramName`.
    pub set_program_name: Option<unsafe extern "C" fn(*const libc::wchar_t)>,
    /// The variable `Py_UTF8Mode`.
    pub utf8_mode: Option<*mut c_int>,
    /// `_Py_DumpTraceback`, which some builds export.
    pub dump_traceback: Option<DumpTraceback>,
    /// `PyInterpreterState_ThreadHead` and `PyThreadState_Next`.
    thread_list: Option<(ThreadHead, ThreadNext)>,
    /// `PySys_AddAuditHook`.
    pub add_audit_hook: Option<AddAuditHook>,
    /// `PyInitConfig_*` (3.14).
    pub init_config: Option<InitConfig>,
}

// SAFETY: the one variable is only written before Python is initialised.
unsafe impl Send for PythonSymbols {}
// SAFETY: as above.
unsafe impl Sync for PythonSymbols {}

static SYMBOLS: OnceLock<PythonSymbols> = OnceLock::new();

/// Finds the functions.
///
/// # Errors
/// The name of the first one that is missing and needed.
pub fn find() -> Result<(), &'static str> {
    if SYMBOLS.get().is_none() {
        let found = PythonSymbols::find()?;
        // Another thread may have been faster; both found the same.
        let _ = SYMBOLS.set(found);
    }
    Ok(())
}

/// The functions; [`find`] has succeeded before.
#[inline]
pub fn get() -> &'static PythonSymbols {
    // Every door into this library calls `find` before anything else.
    SYMBOLS.get().expect("found at the door")
}

/// The address of a symbol of the executable or of any library opened for all.
fn address(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a NUL-ended name.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// The function `$name`, if there is one.
macro_rules! lookup {
    ($name:literal) => {
        // SAFETY: the field that takes it has CPython's documented type of this function; it is no unsafe one if the
        // function may be called with all that its types admit (see `stable_abi`).
        address($name).map(|address| unsafe { std::mem::transmute(address) })
    };
}

impl PythonSymbols {
    fn find() -> Result<Self, &'static str> {
        Ok(Self {
            version: running_version().ok_or("Py_GetVersion")?,
            vectorcall: lookup!(c"PyObject_Vectorcall")
                .or_else(|| lookup!(c"PyObject_VectorcallDict"))
                .ok_or("PyObject_Vectorcall")?,
            utf8: lookup!(c"PyUnicode_AsUTF8AndSize").ok_or("PyUnicode_AsUTF8AndSize")?,
            get_buffer: lookup!(c"PyObject_GetBuffer").ok_or("PyObject_GetBuffer")?,
            release_buffer: lookup!(c"PyBuffer_Release").ok_or("PyBuffer_Release")?,
            new_interpreter: lookup!(c"Py_NewInterpreterFromConfig"),
            set_program_name: lookup!(c"Py_SetProgramName"),
            utf8_mode: address(c"Py_UTF8Mode").map(<*mut c_void>::cast),
            dump_traceback: lookup!(c"_Py_DumpTraceback"),
            thread_list: lookup!(c"PyInterpreterState_ThreadHead")
                .and_then(|head| Some((head, lookup!(c"PyThreadState_Next")?))),
            add_audit_hook: lookup!(c"PySys_AddAuditHook"),
            init_config: InitConfig::find(),
        })
    }

    /// Calls with positional arguments only: `PyObject_Vectorcall`, or its elder sister that takes the same.
    #[inline]
    pub fn vectorcall(&self, callable: &Object, arguments: &[&Object]) -> Option<NewReference> {
        // SAFETY: `&Object` is a pointer to a live object; there are as many as said, and no keywords.
        unsafe { (self.vectorcall)(callable, arguments.as_ptr(), arguments.len(), None) }
    }

    /// The text of a str in UTF-8; none with an exception if it cannot be, and for another type.
    #[inline]
    pub fn utf8<'o>(&self, text: &'o Object) -> Option<&'o [u8]> {
        let mut length = 0;
        let start = (self.utf8)(text, &mut length);
        if start.is_null() {
            return None;
        }
        // SAFETY: pointer and length belong together, and the text lives as long as the str, which does not change.
        Some(unsafe { std::slice::from_raw_parts(start.cast(), length as usize) })
    }

    /// Fills a simple contiguous view of an object; -1 with an exception if it has none.
    pub fn get_buffer(&self, object: &Object, view: &mut RawBuffer) -> c_int {
        (self.get_buffer)(object, view, 0)
    }

    /// Whether interpreters can have a GIL of their own.
    pub fn has_own_gils(&self) -> bool {
        self.new_interpreter.is_some()
    }

    /// Makes an interpreter, whose first state is the thread's current one afterwards, instead of one of the main
    /// interpreter. If it fails the old state is current; why, if anybody knows.
    pub fn start_interpreter(
        &self,
        _: Attached<'_>,
        config: &InterpreterConfig,
    ) -> Result<(), Option<String>> {
        let Some(create) = self.new_interpreter else {
            // SAFETY: attached.
            let state = unsafe { ffi::Py_NewInterpreter() };
            return if state.is_null() { Err(None) } else { Ok(()) };
        };
        let mut state = ptr::null_mut();
        // SAFETY: attached; the structure is the same in all versions that have the function.
        let status = unsafe { create(&raw mut state, config) };
        match status.is_ok() {
            true if state.is_null() => Err(None),
            true => Ok(()),
            false => Err(Some(status.text())),
        }
    }

    /// Whether the thread's state is the only one of its interpreter; false if nobody knows.
    pub fn is_only_state(&self, _: Attached<'_>) -> bool {
        let Some((first, next)) = self.thread_list else { return false };
        // SAFETY: attached; the list is only looked at.
        unsafe {
            let head = first(ffi::PyInterpreterState_Get());
            !head.is_null() && next(head).is_null()
        }
    }

    /// Gives a view back, of which nothing is left.
    pub fn release_buffer(&self, view: &mut RawBuffer) {
        (self.release_buffer)(view);
    }
}

impl InitConfig {
    fn find() -> Option<Self> {
        Some(Self {
            create: lookup!(c"PyInitConfig_Create")?,
            free: lookup!(c"PyInitConfig_Free")?,
            set_int: lookup!(c"PyInitConfig_SetInt")?,
            set_str: lookup!(c"PyInitConfig_SetStr")?,
            set_str_list: lookup!(c"PyInitConfig_SetStrList")?,
            get_error: lookup!(c"PyInitConfig_GetError")?,
            initialize: lookup!(c"Py_InitializeFromInitConfig")?,
        })
    }
}

/// The version of Python, with more behind a space; may be asked before it is initialised, and without the GIL.
pub fn version_text() -> &'static [u8] {
    // SAFETY: a static NUL-ended text.
    unsafe { CStr::from_ptr(ffi::Py_GetVersion()) }.to_bytes()
}

fn running_version() -> Option<(u32, u32)> {
    parse_version(std::str::from_utf8(version_text()).ok()?)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_read() {
        assert_eq!(super::parse_version("3.11.2 (main, Nov 30 2024)"), Some((3, 11)));
        assert_eq!(super::parse_version("3.15.0a2+ free-threading"), Some((3, 15)));
        assert_eq!(super::parse_version("x"), None);
    }
}
