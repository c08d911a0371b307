//! Starting and ending Python inside an httpd child (spec/daemon.md §5.6, decisions.md, "Embedded Python in an httpd
//! child"). A daemon's Python has
//! started itself.

use super::threads;
use crate::host::Host;
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, TextValues, symbols};
use pyo3::ffi;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use wsgi_protocol::launch::{Launch, PythonSettings};

/// Starts Python on the calling thread, which is attached afterwards. `None`: the reason has been logged.
pub fn initialize(host: &Host) -> Option<Attached<'static>> {
    // SAFETY: may be called at any time.
    if unsafe { ffi::Py_IsInitialized() } != 0 {
        log::write(log::CRIT, &messages::foreign_python());
        return None;
    }
    let utf8_mode = wants_utf8_mode();
    coerce_locale();
    let result = match (symbols::get().init_config, symbols::get().set_program_name) {
        (Some(functions), _) => by_config(host.launch(), &functions, utf8_mode),
        (None, Some(set_program_name)) => by_environment(host.launch(), set_program_name, utf8_mode),
        (None, None) => Err("this version cannot be told its program name".to_owned()),
    };
    if let Err(reason) = result {
        log::write(log::CRIT, &messages::cannot_start(reason));
        return None;
    }
    // SAFETY: initialising leaves the thread attached to the main interpreter.
    Some(unsafe { Attached::assume() })
}

/// Ends Python; the calling thread is the one that started it, detached, and no other thread of ours will come back.
pub fn finalize() {
    let main = super::main();
    log::write(log::INFO, "Terminating Python.");
    threads::attached(main, |py| {
        main.delete_other_states(py);
        // SAFETY: attached to the main interpreter on its main thread.
        unsafe { ffi::Py_FinalizeEx() };
    });
    // The thread-local data of this thread is dropped later and must leave Python alone.
    crate::python::note_attached(false);
    threads::forget_current();
}

/// 3.14 and later: everything is said in a configuration.
fn by_config(launch: &Launch, functions: &symbols::InitConfig, utf8_mode: bool) -> Result<(), String> {
    // SAFETY: the functions are used as documented: the configuration lives until it is freed, texts are NUL-ended.
    unsafe {
        let config = (functions.create)();
        if config.is_null() {
            return Err("no memory".to_owned());
        }
        let number = |name: &CStr, value: i64| (functions.set_int)(config, name.as_ptr(), value);
        let settings = &launch.python;
        let mut failed = 0;
        // As for `python3` itself: variables of httpd's environment count, and so do user site-packages.
        failed |= number(c"isolated", 0) | number(c"use_environment", 1) | number(c"user_site_directory", 1);
        failed |= number(c"utf8_mode", utf8_mode.into()) | number(c"configure_locale", 1);
        failed |= number(c"install_signal_handlers", 0) | number(c"parse_argv", 0);
        failed |= number(c"optimization_level", settings.optimize.into());
        failed |= number(c"write_bytecode", i64::from(!settings.dont_write_bytecode));
        if let Some(seed) = settings.hash_seed {
            failed |= number(c"use_hash_seed", 1) | number(c"hash_seed", seed.into());
        }
        if let Some(name) = &launch.program_name {
            let name = CString::new(name.clone()).map_err(|error| error.to_string())?;
            failed |= (functions.set_str)(config, c"program_name".as_ptr(), name.as_ptr());
        }
        let warnings: Vec<CString> =
            settings.warnings.iter().filter_map(|option| CString::new(option.clone()).ok()).collect();
        let pointers: Vec<*mut c_char> = warnings.iter().map(|option| option.as_ptr().cast_mut()).collect();
        if !pointers.is_empty() {
            failed |=
                (functions.set_str_list)(config, c"warnoptions".as_ptr(), pointers.len(), pointers.as_ptr());
        }
        if failed == 0 {
            failed = (functions.initialize)(config);
        }
        let mut text = std::ptr::null();
        let reason = if failed == 0 {
            None
        } else if (functions.get_error)(config, &raw mut text) == 1 && !text.is_null() {
            Some(CStr::from_ptr(text).to_string_lossy().into_owned())
        } else {
            Some("unknown reason".to_owned())
        };
        (functions.free)(config);
        reason.map_or(Ok(()), Err)
    }
}

/// Up to 3.13: the stable ABI has no configuration, but Python reads the same settings from its environment. They are taken
/// out of it again at once, so that nothing httpd starts later sees them. The child has only one thread yet.
fn by_environment(
    launch: &Launch,
    set_program_name: unsafe extern "C" fn(*const libc::wchar_t),
    utf8_mode: bool,
) -> Result<(), String> {
    if let Some(name) = &launch.program_name {
        let name = CString::new(name.clone()).map_err(|error| error.to_string())?;
        // SAFETY: a NUL-ended text; the result is kept for good, as Python keeps the pointer.
        unsafe {
            let wide = ffi::Py_DecodeLocale(name.as_ptr(), std::ptr::null_mut());
            if wide.is_null() {
                return Err("the program name cannot be decoded".to_owned());
            }
            set_program_name(wide.cast());
        }
    }
    let utf8_mode = symbols::get().utf8_mode.filter(|_| utf8_mode);
    if let Some(mode) = utf8_mode {
        // SAFETY: CPython's own variable, read by the initialisation below and by nobody else now.
        unsafe { *mode = 1 };
    }
    let settings = variables(&launch.python);
    let before: Vec<_> = settings.iter().map(|(name, _)| (*name, std::env::var_os(name))).collect();
    for (name, value) in &settings {
        // SAFETY: no other thread exists yet.
        unsafe { std::env::set_var(name, OsStr::from_bytes(value)) };
    }
    // SAFETY: not initialised before; no signal handlers. A failure ends the process, there is no other report.
    unsafe { ffi::Py_InitializeEx(0) };
    for (name, value) in before {
        // SAFETY: as above.
        unsafe {
            match value {
                Some(value) => std::env::set_var(name, value),
                None => std::env::remove_var(name),
            }
        }
    }
    Ok(())
}

/// Whether `python3` would switch UTF-8 mode on by itself, as it does in the C locale. An embedded Python does not, unless
/// it is told to.
fn wants_utf8_mode() -> bool {
    match std::env::var_os("PYTHONUTF8") {
        Some(value) if !value.is_empty() => return value == "1",
        _ => {}
    }
    // SAFETY: a static empty text; Python does the same during its initialisation.
    let locale = unsafe { libc::setlocale(libc::LC_CTYPE, c"".as_ptr()) };
    // SAFETY: null if the locale does not exist, in which case the C locale stays, or a NUL-ended text.
    locale.is_null() || matches!(unsafe { CStr::from_ptr(locale) }.to_bytes(), b"C" | b"POSIX")
}

/// Asks for UTF-8 where the locale of characters is C, as `python3` does (PEP 538): in the environment too, so that programs
/// which the application starts do so.
fn coerce_locale() {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("LC_ALL") || std::env::var_os("PYTHONCOERCECLOCALE").is_some_and(|value| value == "0") {
        return;
    }
    // SAFETY: asks only; the text is NUL-ended and looked at at once.
    let current = unsafe { libc::setlocale(libc::LC_CTYPE, std::ptr::null()) };
    // SAFETY: as above.
    if current.is_null() || unsafe { CStr::from_ptr(current) } != c"C" {
        return;
    }
    for name in [c"C.UTF-8", c"C.utf8", c"UTF-8"] {
        // SAFETY: a NUL-ended name.
        if !unsafe { libc::setlocale(libc::LC_CTYPE, name.as_ptr()) }.is_null() {
            // SAFETY: as Python's own start, which is next: nobody else in this child uses the environment now.
            unsafe { std::env::set_var("LC_CTYPE", OsStr::from_bytes(name.to_bytes())) };
            return;
        }
    }
}

/// The settings as Python's environment variables.
fn variables(settings: &PythonSettings) -> Vec<(&'static str, Vec<u8>)> {
    let mut variables = Vec::new();
    if settings.optimize > 0 {
        variables.push(("PYTHONOPTIMIZE", settings.optimize.to_string().into_bytes()));
    }
    if settings.dont_write_bytecode {
        variables.push(("PYTHONDONTWRITEBYTECODE", b"1".to_vec()));
    }
    if let Some(seed) = settings.hash_seed {
        variables.push(("PYTHONHASHSEED", seed.to_string().into_bytes()));
    }
    if !settings.warnings.is_empty() {
        variables.push(("PYTHONWARNINGS", settings.warnings.join(&b","[..])));
    }
    variables
}

/// Python has copied its environment into `os.environ`: takes the settings out of there too.
pub fn forget_settings(py: Attached<'_>, interpreter: &super::Interpreter) {
    if symbols::get().init_config.is_some() {
        return;
    }
    let result = py.list(&[]).and_then(|names| {
        for (name, _) in variables(&interpreter.host.launch().python) {
            if std::env::var_os(name).is_none() {
                names.list_append(&*py.text(name)?)?;
            }
        }
        interpreter.fixture(py, "forget_environment", &[&names])
    });
    if let Err(raised) = result {
        raised.clear(py);
    }
}
