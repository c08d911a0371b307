//! Embedded mode: libpython and the host library opened at run time, only in children that need them, and the
//! calls between host and httpd (wsgi_protocol::abi).

use crate::boundary::from_host;
use crate::config::{self, State};
use crate::handler::{HANDLED, INTERNAL_ERROR, Job};
use crate::httpd::brigade::{Brigade, FileMeans, Piece, Status};
use crate::httpd::log::{self, Level};
use crate::httpd::request::Request;
use crate::lifecycle::runtime::{Embedded, Runtime};
use crate::messages;
use crate::respond::{self, Source};
use apr_sys as sys;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use wsgi_protocol::abi::{self, HostTable, HttpdTable};
use wsgi_protocol::response::Head;
use wsgi_protocol::{PROTOCOL_VERSION, launch};

/// The host of this child, or why there is none.
static HOST: OnceLock<Result<Host, String>> = OnceLock::new();

/// The host's table; the library is never closed.
#[derive(Clone, Copy)]
struct Host(&'static HostTable);

static HTTPD: HttpdTable = HttpdTable {
    version: PROTOCOL_VERSION,
    read_body: from_host::read_body,
    send_head: from_host::send_head,
    write: from_host::write,
    send_file: from_host::send_file,
    log: from_host::log,
    is_aborted: from_host::is_aborted,
    error_text: from_host::error_text,
};

/// Sets Python up on the calling thread, the child's main thread.
pub fn start_in_child(main: *mut sys::server_rec) {
    let Some(runtime) = config::state().and_then(|state| state.runtime.as_ref()) else { return };
    if let Err(reason) = HOST.get_or_init(|| start_configured(runtime)) {
        // SAFETY: httpd's main server.
        unsafe {
            log::server(main, Level::Crit as u8, 0, messages::embedded_cannot_start(reason).as_bytes())
        };
    }
}

fn start_configured(runtime: &Runtime) -> Result<Host, String> {
    match &runtime.embedded {
        Some(embedded) => start(embedded, &runtime.host_library),
        None => Err("WSGIRestrictEmbedded rules it out and nothing asks for it".to_owned()),
    }
}

/// The host, started now if this is the first request that needs it. Python's main thread must not be a request
/// thread, so a thread of its own starts Python and then sleeps as long as the child lives.
fn host_of(runtime: &'static Runtime) -> Result<Host, String> {
    let started = HOST.get_or_init(|| {
        let (tell, told) = std::sync::mpsc::channel();
        let body = move || {
            // The receiver waits below.
            let _ = tell.send(start_configured(runtime));
            loop {
                std::thread::park();
            }
        };
        let thread = std::thread::Builder::new().name("wsgi-python".to_owned()).spawn(body);
        match thread {
            Ok(_) => told.recv().unwrap_or_else(|_| Err("the start of Python panicked".to_owned())),
            Err(error) => Err(format!("no thread could be made for Python: {error}")),
        }
    });
    started.clone()
}

fn start(embedded: &Embedded, host_library: &Path) -> Result<Host, String> {
    let library = embedded.library.as_ref().map_err(Clone::clone)?;
    // Extension modules resolve libpython's symbols through the global scope (spike.md §B2).
    open(library, libc::RTLD_NOW | libc::RTLD_GLOBAL)?;
    let host = open(host_library, libc::RTLD_NOW)?;
    // SAFETY: the symbol has the documented type; the tables live as long as the process.
    let table = unsafe {
        let entry = libc::dlsym(host, abi::ENTRY_SYMBOL.as_ptr());
        if entry.is_null() {
            return Err(format!("'{}' is not a host library", host_library.display()));
        }
        let entry = std::mem::transmute::<*mut c_void, abi::Entry>(entry);
        entry(&raw const HTTPD).as_ref()
    };
    let table = table.filter(|t| t.version == PROTOCOL_VERSION);
    let table =
        table.ok_or("the host library is of another version than mod_wsgi.so; install both together")?;
    let message = launch::encode(&embedded.launch).map_err(|e| e.to_string())?;
    // SAFETY: the host copies what it needs of the message.
    let status = unsafe { (table.start)(message.as_ptr(), message.len()) };
    if status == 0 {
        Ok(Host(table))
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

/// A request as the host's callbacks see it.
struct Handle<'r> {
    r: Request<'r>,
    out: Brigade<'r>,
    input: Brigade<'r>,
    input_ended: bool,
    has_body: bool,
    committed: bool,
    /// A filter of httpd's has sent its own error page: nothing may follow it (spec/behaviour.md §2.3).
    answered: bool,
    /// The application is this process, so files are sent as httpd sends its own.
    means: FileMeans,
    /// Why the input ended after bytes that went to the host first.
    input_failure: Option<Status>,
}

/// Runs a request in this child.
pub fn run(job: &Job<'_>, state: &'static State, application: &[u8], callable: &[u8]) -> c_int {
    if state.global.restrict_embedded == Some(true) {
        job.fail(messages::EMBEDDED_OFF.0.number, messages::EMBEDDED_OFF.1);
        return INTERNAL_ERROR;
    }
    let host =
        state.runtime.as_ref().ok_or_else(|| "the start of mod_wsgi failed".to_owned()).and_then(host_of);
    let host = match host {
        Ok(host) => host,
        Err(reason) => {
            let message = messages::no_python(&reason);
            job.fail(message.0.number, &message.1);
            return INTERNAL_ERROR;
        }
    };
    let mut payload = Vec::with_capacity(4096);
    let address = crate::environ::decimal(job.r.raw().addr() as u64);
    job.encode(&mut payload, application, callable, address.as_bytes());
    let mut handle = Handle {
        r: job.r,
        out: Brigade::new(job.r),
        input: Brigade::new(job.r),
        input_ended: false,
        has_body: job.has_body(),
        committed: false,
        answered: false,
        means: FileMeans {
            mmap: job.r.enables_mmap(),
            sendfile: job.config.enable_sendfile || job.r.enables_sendfile(),
        },
        input_failure: None,
    };
    // SAFETY: handle and payload outlive the call; the host makes one call at a time for a request (abi::HttpdTable).
    let outcome = unsafe { (host.0.request)((&raw mut handle).cast(), payload.as_ptr(), payload.len()) };
    if handle.answered {
        return HANDLED;
    }
    match outcome {
        abi::OK => {
            respond::finish(job.r, &mut handle.out, !handle.has_body || handle.input_ended);
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

/// # Safety
/// `request` is the handle of the request under way.
unsafe fn handle<'h>(request: *mut c_void) -> &'h mut Handle<'h> {
    // SAFETY: by the contract; the host makes one call at a time for a request.
    unsafe { &mut *request.cast() }
}

/// # Safety
/// See [`HttpdTable::read_body`].
pub unsafe fn read_body(
    request: *mut c_void,
    buffer: *mut u8,
    len: usize,
    read: *mut usize,
    error: *mut i32,
) -> i32 {
    // SAFETY: by the contract.
    let (handle, buffer) = unsafe { (handle(request), std::slice::from_raw_parts_mut(buffer, len)) };
    let result = handle.read(buffer);
    // SAFETY: the host gives valid places for both.
    unsafe {
        match result {
            Ok(got) => {
                *read = got;
                abi::OK
            }
            Err(status) => {
                *error = status.0;
                handle.answered |= status.is_answered();
                handle.r.close_connection();
                abi::FAILED
            }
        }
    }
}

impl Handle<'_> {
    /// Waits for the first bytes and takes what is there without waiting: each call costs the host the GIL.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Status> {
        if !self.has_body || self.input_ended {
            return Ok(0);
        }
        if let Some(failure) = self.input_failure {
            return Err(failure);
        }
        if self.committed {
            // A late first read must not put an interim response into the body (spec/behaviour.md §2.4).
            self.r.forget_continue();
        }
        let mut got = 0;
        while got < buffer.len() {
            match self.take(&mut buffer[got..], got == 0) {
                Ok(Some(taken)) => got += taken,
                Ok(None) => break,
                Err(failure) if got == 0 => return Err(failure),
                Err(failure) if failure.is_again() => break,
                Err(failure) => {
                    self.input_failure = Some(failure);
                    break;
                }
            }
        }
        Ok(got)
    }

    /// One piece of the request body; `None` at its end, or if there is nothing to be had without waiting.
    fn take(&mut self, buffer: &mut [u8], wait: bool) -> Result<Option<usize>, Status> {
        loop {
            match self.input.front()? {
                Some(Piece::Data([])) => self.input.consume(0),
                Some(Piece::Data(data)) => {
                    let len = data.len().min(buffer.len());
                    buffer[..len].copy_from_slice(&data[..len]);
                    self.input.consume(len);
                    return Ok(Some(len));
                }
                Some(Piece::End) => {
                    self.input_ended = true;
                    return Ok(None);
                }
                None => {
                    self.input.fill(buffer.len().max(8192), wait)?;
                    if !wait && self.input.front()?.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes on what was collected; `abi` code, with the chain's status in `error`.
    fn pass(&mut self, error: *mut i32) -> i32 {
        match self.out.pass() {
            Ok(()) => abi::OK,
            Err(status) => {
                // SAFETY: the host gives a valid place.
                unsafe { *error = status.0 };
                if status.0 == 0 { abi::CLIENT_GONE } else { abi::FAILED }
            }
        }
    }
}

/// # Safety
/// See [`HttpdTable::send_head`].
pub unsafe fn send_head(request: *mut c_void, head: *const u8, len: usize) -> i32 {
    // SAFETY: by the contract.
    let (handle, payload) = unsafe { (handle(request), std::slice::from_raw_parts(head, len)) };
    if handle.answered {
        return abi::OK;
    }
    match Head::decode(payload) {
        Ok(head) => {
            respond::apply_head(handle.r, &head, Source::Embedded);
            handle.committed = true;
            abi::OK
        }
        Err(error) => {
            let message = messages::head_refused(&error);
            handle.r.log(Level::Error, &messages::about(handle.r.filename(), message.0.number, message.1));
            abi::FAILED
        }
    }
}

/// # Safety
/// See [`HttpdTable::write`].
pub unsafe fn write(request: *mut c_void, data: *const u8, len: usize, flush: i32, error: *mut i32) -> i32 {
    // SAFETY: by the contract.
    let (handle, bytes) = unsafe { (handle(request), std::slice::from_raw_parts(data, len)) };
    if handle.answered || handle.r.is_aborted() {
        return abi::CLIENT_GONE;
    }
    // SAFETY: the bytes live until this call returns, and the brigade is passed on before.
    unsafe { handle.out.add_transient(bytes) };
    if flush != 0 {
        handle.out.add_flush();
    }
    handle.pass(error)
}

/// # Safety
/// See [`HttpdTable::send_file`].
pub unsafe fn send_file(request: *mut c_void, fd: i32, offset: u64, len: u64, error: *mut i32) -> i32 {
    use std::os::fd::{AsRawFd, BorrowedFd};
    // SAFETY: by the contract the descriptor is open during the call.
    let (handle, fd) = unsafe { (handle(request), BorrowedFd::borrow_raw(fd)) };
    if handle.answered {
        return abi::CLIENT_GONE;
    }
    let Ok(copy) = fd.try_clone_to_owned() else { return abi::FAILED };
    // Both descriptors share one position, and a filter that reads moves it (spec/behaviour.md §5.2).
    // SAFETY: plain calls on an open descriptor.
    let position = unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) };
    handle.out.add_file(copy, offset, len, handle.means);
    // Body and end in one brigade let httpd's own range filter work (spec/behaviour.md §5.2).
    handle.out.add_eos();
    let status = handle.pass(error);
    if position >= 0 {
        // SAFETY: as above.
        unsafe { libc::lseek(fd.as_raw_fd(), position, libc::SEEK_SET) };
    }
    // A client that has everything may be gone already.
    // SAFETY: plain field of a live request.
    let is_complete = unsafe { (*handle.r.raw()).eos_sent } != 0;
    if status == abi::CLIENT_GONE && is_complete { abi::OK } else { status }
}

/// # Safety
/// See [`HttpdTable::log`].
pub unsafe fn log(request: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: by the contract; a null server is the main log.
    unsafe {
        let text = std::slice::from_raw_parts(text, len);
        let level = level.min(15) as u8;
        if request.is_null() {
            log::server(crate::lifecycle::main_server(), level, 0, text);
        } else {
            log::request(handle(request).r.raw(), level, 0, text);
        }
    }
}

/// # Safety
/// See [`HttpdTable::is_aborted`].
pub unsafe fn is_aborted(request: *mut c_void) -> i32 {
    // SAFETY: by the contract.
    i32::from(unsafe { handle(request) }.r.is_aborted())
}

/// # Safety
/// See [`HttpdTable::error_text`].
pub unsafe fn error_text(error: i32, buffer: *mut u8, len: usize) -> usize {
    let text = Status(error).text();
    let take = text.len().min(len);
    // SAFETY: `buffer` holds `len` bytes.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), buffer, take) };
    take
}
