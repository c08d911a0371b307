//! Embedded mode: libpython and the host library opened at run time, only in children that need them, and the
//! calls into the host (wsgi_protocol::abi).

mod exchange;
mod from_host;

use crate::config::{self, ConfigState};
use crate::generation::runtime::ChildRuntime;
use crate::httpd::answer::{HANDLED, INTERNAL_ERROR};
use crate::httpd::log::{self as error_log, LogLevel};
use crate::httpd::request::Request;
use crate::job::RequestJob;
use crate::{buffered, messages, metrics, respond};
use apr_sys as sys;
use exchange::RequestHandle;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use wsgi_plan::EmbeddedSettings;
use wsgi_protocol::abi::{self, HostTable, HttpdTable};
use wsgi_protocol::call::ScriptVerdict;
use wsgi_protocol::metrics::{RequestOutcome, ThreadStage};
use wsgi_protocol::{PROTOCOL_VERSION, launch};

/// The host of this child, or why there is none.
static HOST: OnceLock<Result<LoadedHost, String>> = OnceLock::new();

/// The host's table; the library is never closed.
#[derive(Clone, Copy)]
struct LoadedHost(&'static HostTable);

static HTTPD: HttpdTable = HttpdTable {
    version: PROTOCOL_VERSION,
    read_body: from_host::read_body,
    send_head: from_host::send_head,
    write: from_host::write,
    send_file: from_host::send_file,
    log: from_host::log,
    is_aborted: from_host::is_aborted,
    error_text: from_host::error_text,
    answer: from_host::answer,
    ssl_is_https: from_host::ssl_is_https,
    ssl_variable: from_host::ssl_variable,
    scoreboard: from_host::scoreboard,
};

/// Sets Python up on the calling thread, the child's main thread.
pub fn start_in_child(main: *mut sys::server_rec) {
    let Some(runtime) = config::state().and_then(|state| state.runtime.as_ref()) else { return };
    if let Err(reason) = HOST.get_or_init(|| start_configured(runtime, MainThread::This)) {
        // SAFETY: httpd's main server.
        unsafe {
            error_log::server(
                main,
                LogLevel::Crit as u8,
                0,
                wsgi_plan::messages::embedded_cannot_start(reason).as_bytes(),
            )
        };
    }
}

/// The thread on which Python starts, which will be its main thread.
#[derive(Clone, Copy)]
enum MainThread {
    /// The calling one.
    This,
    /// One that the host makes.
    Apart,
}

fn start_configured(runtime: &ChildRuntime, thread: MainThread) -> Result<LoadedHost, String> {
    match &runtime.embedded {
        Some(embedded) => start(embedded, &runtime.host_library, thread),
        None => Err("WSGIRestrictEmbedded rules it out and nothing asks for it".to_owned()),
    }
}

/// The host of this child, started now if this is the first request that needs it. Python's main thread must not be a
/// request thread.
fn host_of(runtime: &'static ChildRuntime) -> Result<LoadedHost, String> {
    HOST.get_or_init(|| start_configured(runtime, MainThread::Apart)).clone()
}

fn start(embedded: &EmbeddedSettings, host_library: &Path, thread: MainThread) -> Result<LoadedHost, String> {
    let library = embedded.library.as_ref().map_err(Clone::clone)?;
    // Extension modules resolve libpython's symbols through the global scope (decisions.md, "Embedded Python in an
    // httpd child").
    open(library, libc::RTLD_NOW | libc::RTLD_GLOBAL)?;
    let host = open(host_library, libc::RTLD_NOW)?;
    // SAFETY: the symbol has the documented type; the tables live as long as the process.
    let table = unsafe {
        let entry = libc::dlsym(host, abi::ENTRY_SYMBOL.as_ptr());
        if entry.is_null() {
            return Err(format!("'{}' is not a host library", host_library.display()));
        }
        let entry = std::mem::transmute::<*mut c_void, abi::HostEntry>(entry);
        entry(&raw const HTTPD).as_ref()
    };
    let table = table.filter(|t| t.version == PROTOCOL_VERSION);
    let table =
        table.ok_or("the host library is of another version than mod_wsgi.so; install both together")?;
    // What `mod_wsgi.maximum_processes` says is how many children there have been at most, when this one was made.
    let mut launch = embedded.launch.clone();
    launch.processes = crate::httpd::server::query_mpm(sys::AP_MPMQ_MAX_DAEMON_USED).unwrap_or(1).max(1);
    let message = launch::encode(&launch).map_err(|e| e.to_string())?;
    // SAFETY: the host copies what it needs of the message.
    let status = unsafe {
        match thread {
            MainThread::This => (table.start)(message.as_ptr(), message.len()),
            MainThread::Apart => (table.start_apart)(message.as_ptr(), message.len()),
        }
    };
    if status == 0 {
        Ok(LoadedHost(table))
    } else {
        Err("Python could not be initialised; the lines above this one say why".to_owned())
    }
}

fn open(path: &Path, flags: c_int) -> Result<*mut c_void, String> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: loading a library runs its initialisers; both libraries are meant for it.
    unsafe {
        let handle = libc::dlopen(name.as_ptr(), flags);
        if !handle.is_null() {
            return Ok(handle);
        }
        let reason = libc::dlerror();
        let reason =
            if reason.is_null() { "unknown reason".into() } else { CStr::from_ptr(reason).to_string_lossy() };
        Err(format!("'{}' cannot be loaded: {reason}", path.display()))
    }
}

/// The child ends.
pub fn stop() {
    if let Some(Ok(host)) = HOST.get() {
        // SAFETY: a table of a started host.
        unsafe { (host.0.stop)() };
    }
}

/// Runs a request in this child.
pub fn run(
    job: &mut RequestJob<'_>,
    state: &'static ConfigState,
    application: &[u8],
    callable: &[u8],
) -> c_int {
    let group = state.runtime.as_ref().and_then(|runtime| runtime.embedded_metrics);
    let recording = metrics::RequestRecording::begin(job.r, group);
    let status = serve(job, state, application, callable);
    if let Some(recording) = recording {
        recording.end(status);
    }
    status
}

fn serve(
    job: &mut RequestJob<'_>,
    state: &'static ConfigState,
    application: &[u8],
    callable: &[u8],
) -> c_int {
    if state.global.restrict_embedded == Some(true) {
        metrics::note_outcome(RequestOutcome::Rejected);
        job.fail(messages::EMBEDDED_OFF.0.number, messages::EMBEDDED_OFF.1);
        return INTERNAL_ERROR;
    }
    let host = match host(state) {
        Ok(host) => host,
        Err(reason) => {
            let message = messages::no_python(&reason);
            metrics::note_outcome(RequestOutcome::Unavailable);
            job.fail(message.0.number, &message.1);
            return INTERNAL_ERROR;
        }
    };
    let body = match buffered::receive(job) {
        Ok(body) => body,
        Err(status) => return status,
    };
    let mut payload = Vec::with_capacity(4096);
    let address = crate::environ::decimal(job.r.raw().addr() as u64);
    job.encode(&mut payload, application, callable, address.as_bytes());
    let mut handle = RequestHandle::new(job.r, job.has_body(), body, job.config.enable_sendfile);
    let began = metrics::clock();
    metrics::note_stage(ThreadStage::Running);
    // SAFETY: handle and payload outlive the call; the host makes one call at a time for a request (abi::HttpdTable).
    let outcome = unsafe { (host.0.request)((&raw mut handle).cast(), payload.as_ptr(), payload.len()) };
    metrics::note_embedded(began);
    if handle.answered {
        return HANDLED;
    }
    match outcome {
        abi::OK => {
            let is_read = handle.is_read();
            respond::finish(job.r, &mut handle.out, is_read);
            HANDLED
        }
        status if status > 0 && !handle.committed => status,
        _ if handle.committed => {
            respond::break_off(job.r, &mut handle.out);
            HANDLED
        }
        _ => INTERNAL_ERROR,
    }
}

/// The host of this child, started now if need be.
fn host(state: &'static ConfigState) -> Result<LoadedHost, String> {
    state.runtime.as_ref().ok_or_else(|| "the start of mod_wsgi failed".to_owned()).and_then(host_of)
}

/// What a host script said: its verdict, and its answers in order with the number of each.
pub type ScriptAnswer = (ScriptVerdict, Vec<(u32, Vec<u8>)>);

/// Asks a host script about a request; `payload` is a [`wsgi_protocol::call`] payload. What fails has been logged.
pub fn call(r: Request<'_>, state: &'static ConfigState, payload: &[u8]) -> ScriptAnswer {
    let host = match host(state) {
        Ok(host) => host,
        Err(reason) => {
            let message = messages::no_python(&reason);
            r.log(LogLevel::Error, &messages::about(r.filename(), message.0.number, message.1));
            return (ScriptVerdict::Failed, Vec::new());
        }
    };
    let mut handle = RequestHandle::new(r, false, None, false);
    // SAFETY: handle and payload outlive the call; the host uses the handle only on this thread.
    let verdict = unsafe { (host.0.call)((&raw mut handle).cast(), payload.as_ptr(), payload.len()) };
    (ScriptVerdict::from_number(verdict), handle.take_answers())
}
