//! Functions of CPython outside the stable ABI of 3.9, looked up by name at run time (decisions.md, "Symbols outside
//! the stable ABI").

use super::buffer::RawBuffer;
use pyo3::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

type Vectorcall = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    usize,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

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
    pub fn is_ok(&self) -> bool {
        self.kind == 0
    }

    /// Why it did not.
    pub fn text(&self) -> String {
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
    utf8: unsafe extern "C" fn(*mut ffi::PyObject, *mut isize) -> *const c_char,
    get_buffer: unsafe extern "C" fn(*mut ffi::PyObject, *mut RawBuffer, c_int) -> c_int,
    release_buffer: unsafe extern "C" fn(*mut RawBuffer),
    /// `Py_NewInterpreterFromConfig` (3.12).
    pub new_interpreter: Option<NewInterpreter>,
    /// `Py_SetProgramName`.
    pub set_program_name: Option<unsafe extern "C" fn(*const libc::wchar_t)>,
    /// The variable `Py_UTF8Mode`.
    pub utf8_mode: Option<*mut c_int>,
    /// `_Py_DumpTraceback`, which some builds export.
    pub dump_traceback: Option<DumpTraceback>,
    /// `PyInterpreterState_ThreadHead` and `PyThreadState_Next`.
    pub thread_list: Option<(ThreadHead, ThreadNext)>,
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
        // SAFETY: the field that takes it has CPython's documented type of this function.
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
    ///
    /// # Safety
    /// `callable` and `count` objects at `arguments` are alive, and the thread is attached.
    #[inline]
    pub unsafe fn vectorcall(
        &self,
        callable: *mut ffi::PyObject,
        arguments: *const *mut ffi::PyObject,
        count: usize,
    ) -> *mut ffi::PyObject {
        // SAFETY: by the contract; no keywords.
        unsafe { (self.vectorcall)(callable, arguments, count, std::ptr::null_mut()) }
    }

    /// `PyUnicode_AsUTF8AndSize`.
    ///
    /// # Safety
    /// `text` is a live str, and the thread is attached.
    #[inline]
    pub unsafe fn utf8(&self, text: *mut ffi::PyObject, length: *mut isize) -> *const c_char {
        // SAFETY: by the contract.
        unsafe { (self.utf8)(text, length) }
    }

    /// `PyObject_GetBuffer` for a simple view.
    ///
    /// # Safety
    /// `object` is alive, and the thread is attached.
    pub unsafe fn get_buffer(&self, object: *mut ffi::PyObject, view: *mut RawBuffer) -> c_int {
        // SAFETY: by the contract.
        unsafe { (self.get_buffer)(object, view, 0) }
    }

    /// `PyBuffer_Release`.
    ///
    /// # Safety
    /// `view` was filled by [`PythonSymbols::get_buffer`].
    pub unsafe fn release_buffer(&self, view: *mut RawBuffer) {
        // SAFETY: by the contract.
        unsafe { (self.release_buffer)(view) }
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

fn running_version() -> Option<(u32, u32)> {
    // SAFETY: a static NUL-ended text; may be called before Python is initialised.
    let text = unsafe { CStr::from_ptr(ffi::Py_GetVersion()) };
    parse_version(text.to_str().ok()?)
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
