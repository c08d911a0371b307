//! The two doors into this library: an extension module for a daemon's interpreter, and a C table for an httpd child
//! that runs Python itself.

use crate::boundary::{self, door, guard};
use crate::embedded;
use crate::fork;
use crate::host::Host;
use crate::httpd_table::HttpdRequest;
use crate::interpreter::{self, Interpreter, threads};
use crate::log;
use crate::messages;
use crate::python::trampoline::{self, CallArguments, END_OF_METHODS};
use crate::python::{self, Attached, NumberValues, Owned, Result, symbols, versions};
use pyo3::ffi;
use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::ptr;
use std::time::Duration;
use wsgi_protocol::abi::{HostOutcome, HostTable, HttpdTable};
use wsgi_protocol::call::ScriptVerdict;
use wsgi_protocol::launch::{self, LAUNCH_FD, Launch};

/// `Py_mod_multiple_interpreters` (3.12): must not be loaded into sub-interpreters.
const MULTIPLE_INTERPRETERS: c_int = 3;

/// `Py_mod_gil` (3.13): needs the GIL unless the build says otherwise.
const GIL: c_int = 4;

/// Module definition of the extension; made at run time, because its slots depend on the version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_wsgi_python_host() -> *mut ffi::PyObject {
    guard(ptr::null_mut(), || {
        boundary::install_panic_hook();
        log::wait_with(python::released_if_attached);
        if let Err(name) = symbols::find() {
            log::write(log::CRIT, &messages::cannot_start(format_args!("it has no {name}")));
            return ptr::null_mut();
        }
        let definition = Box::leak(Box::new(definition()));
        // SAFETY: the definition and its tables live for good.
        unsafe { ffi::PyModuleDef_Init(definition) }
    })
}

fn definition() -> ffi::PyModuleDef {
    let serve = trampoline::function_entry(c"serve", serve);
    let mut slots = Vec::new();
    if versions::INTERPRETERS_SLOT.applies() {
        slots.push(ffi::PyModuleDef_Slot { slot: MULTIPLE_INTERPRETERS, value: ptr::null_mut() });
    }
    if versions::GIL_SLOT.applies() {
        slots.push(ffi::PyModuleDef_Slot { slot: GIL, value: ptr::null_mut() });
    }
    slots.push(ffi::PyModuleDef_Slot::default());
    ffi::PyModuleDef {
        m_name: c"wsgi_python_host".as_ptr(),
        m_methods: vec![serve, END_OF_METHODS].leak().as_mut_ptr(),
        m_slots: slots.leak().as_mut_ptr(),
        m_base: ffi::PyModuleDef_HEAD_INIT,
        m_doc: ptr::null(),
        m_size: 0,
        m_traverse: None,
        m_clear: None,
        m_free: None,
    }
}

/// `serve()` of the extension: runs a daemon from its first to its last breath and returns its exit status.
fn serve<'py>(py: Attached<'py>, _: CallArguments<'py>) -> Result<Owned<'py>> {
    // Not an exception: nobody in Python would know what to do.
    py.int(guard(EXIT_PANIC, || run_daemon(py)).into())
}

/// Exit status of a daemon that could not start, or broke down. Not 7 or 15, which httpd understands in its own way.
const EXIT_PANIC: i32 = 70;

fn run_daemon(py: Attached<'_>) -> i32 {
    fork::watch();
    let launch = match read_launch() {
        Ok(launch) => launch,
        Err(reason) => {
            log::write(log::CRIT, &messages::bad_launch(reason));
            return EXIT_PANIC;
        }
    };
    set_locale(&launch);
    // Before any code of the application can execute a program.
    crate::daemon::prepare_descriptors();
    let host = Host::new(launch);
    host.set_give_way(crate::daemon::give_way);
    let main = Interpreter::adopt_main(host, py);
    if !interpreter::populate_main_basics(main, py) {
        return EXIT_PANIC;
    }
    if let Err(raised) = crate::daemon::watch_faults(py, main) {
        // Crashes will not be explained as well, which is no reason not to serve.
        raised.clear(py);
    }
    threads::detach();
    if host.launch().names_global && interpreter::obtain(host, b"").is_none() {
        threads::attach(main);
        return EXIT_PANIC;
    }
    if host.launch().zygote {
        // Each worker goes on here as if it had been started by itself, with most scripts loaded already.
        crate::daemon::raise_workers(host);
    }
    if host.launch().threads == 0 {
        crate::daemon::attend_service(Duration::from_millis(host.launch().timers.shutdown));
    }
    // First: why these cannot be loaded concerns the predecessor.
    let inherited = crate::daemon::inherit(host, &|_| host.launch().threads > 0);
    if !inherited.is_refused() {
        for script in &host.launch().preloads {
            // A failure has been logged; the first request tries again (spec/behaviour.md §6.6).
            let _ = host.load(script);
        }
        crate::asgi::start_mounted(host);
    }
    let status = crate::daemon::serve(host, &inherited);
    if !host.has_ended() {
        // It has not served.
        host.end(true);
    }
    if !host.may_finalize() {
        // At once, as it must with threads that may come back (decisions.md, "Py_FinalizeEx needs all threads gone").
        wsgi_system::process::exit_now(status);
    }
    threads::attach(main);
    // All threads of ours have gone.
    let _ = threads::close();
    status
}

/// `locale=` holds for all categories; Python itself sets only that of characters (spec/behaviour.md §10).
fn set_locale(launch: &Launch) {
    let Some(name) = &launch.locale else { return };
    let text = CString::new(name.clone()).unwrap_or_default();
    // SAFETY: a NUL-ended text; no other thread exists yet.
    if unsafe { libc::setlocale(libc::LC_ALL, text.as_ptr()) }.is_null() {
        log::write(log::WARN, &messages::unknown_locale(name, &launch.group));
    }
}

fn read_launch() -> std::result::Result<Launch, String> {
    // SAFETY: the descriptor is passed by inheritance and belongs to nobody else in this process.
    let mut file = unsafe { File::from_raw_fd(LAUNCH_FD) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| format!("descriptor {LAUNCH_FD}: {error}"))?;
    launch::decode(&bytes).map_err(|error| error.to_string())
}

static HOST_TABLE: HostTable = HostTable {
    version: wsgi_protocol::PROTOCOL_VERSION,
    start: embedded_start,
    start_apart: embedded_start_apart,
    request: embedded_request,
    call: embedded_call,
    stop: embedded_stop,
};

/// The door for httpd (`wsgi_protocol::abi::HostEntry`).
///
/// # Safety
/// `httpd` is null or a complete table that lives as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsgi_host_tables(httpd: *const HttpdTable) -> *const HostTable {
    guard(ptr::null(), || {
        // SAFETY: by the contract; the version is the first field of every table.
        let version = unsafe { httpd.cast::<u32>().as_ref() };
        if version != Some(&wsgi_protocol::PROTOCOL_VERSION) {
            return ptr::null();
        }
        // SAFETY: by the contract, and the version fits.
        if let Some(httpd) = unsafe { httpd.as_ref() } {
            embedded::set_httpd(httpd);
        }
        &raw const HOST_TABLE
    })
}

unsafe extern "C" fn embedded_start(message: *const u8, length: usize) -> c_int {
    door(-1, || {
        // SAFETY: by the contract of the table.
        let message = unsafe { std::slice::from_raw_parts(message, length) };
        if embedded::start(message) { 0 } else { -1 }
    })
}

unsafe extern "C" fn embedded_start_apart(message: *const u8, length: usize) -> c_int {
    door(-1, || {
        // SAFETY: by the contract of the table.
        let message = unsafe { std::slice::from_raw_parts(message, length) };
        if embedded::start_apart(message) { 0 } else { -1 }
    })
}

unsafe extern "C" fn embedded_request(
    request: *mut c_void,
    payload: *const u8,
    length: usize,
) -> HostOutcome {
    door(500, || {
        // SAFETY: by the contract of the table.
        let (request, payload) =
            unsafe { (HttpdRequest::new(request), std::slice::from_raw_parts(payload, length)) };
        request.map_or(500, |request| embedded::request(request, payload))
    })
}

unsafe extern "C" fn embedded_call(request: *mut c_void, payload: *const u8, length: usize) -> c_int {
    let verdict = door(ScriptVerdict::Failed, || {
        // SAFETY: by the contract of the table.
        let (request, payload) =
            unsafe { (HttpdRequest::new(request), std::slice::from_raw_parts(payload, length)) };
        request.map_or(ScriptVerdict::Failed, |request| embedded::call(request, payload))
    });
    verdict as c_int
}

unsafe extern "C" fn embedded_stop() {
    door((), embedded::stop);
}
