//! Log lines that another process says: httpd formats them, and `%P` and `%T` are that process and its thread.
//!
//! httpd's built-in format asks the system who is speaking. So such lines are logged by a copy of the server record, in which
//! that format is written out as an ErrorLogFormat; and the handlers of `%P` and `%T` are ours ([`process_id`], [`thread_id`]).

use super::request::Request;
use super::{bytes, log, server};
use crate::httpd::pool::Pool;
use apr_sys as sys;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

/// httpd's built-in format as its documentation writes it, and the same for syslog, which has a time of its own.
const FILE_FORMAT: &CStr =
    c"[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer\\ %{Referer}i";
const SYSLOG_FORMAT: &CStr = c"[%-m:%l] [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer\\ %{Referer}i";

/// Whose line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOrigin {
    /// Process.
    pub pid: u32,
    /// Its thread.
    pub tid: u32,
}

thread_local! {
    /// Set while a line of another process is being logged.
    static ORIGIN: Cell<Option<LogOrigin>> = const { Cell::new(None) };
}

/// A server as lines are logged by it.
#[derive(Debug, Clone, Copy)]
struct LogServer {
    own: *mut sys::server_rec,
    /// The copy, for lines of other processes.
    copy: *mut sys::server_rec,
    /// It has an ErrorLogFormat.
    has_format: bool,
    /// Most bytes of a line that are surely written in one piece, without what httpd puts before them.
    longest: usize,
}

/// The servers of a configuration in httpd's order.
#[derive(Debug, Default)]
pub struct LogServers {
    list: Vec<LogServer>,
}

/// Held while the lines of one record are written: those of other threads do not come between.
static ONE_RECORD: Mutex<()> = Mutex::new(());

/// httpd writes at most 8192 bytes of a line, what it puts before the text included.
const LONGEST: usize = 7000;
/// A pipe takes 4096 bytes in one piece.
const LONGEST_IN_PIPE: usize = 3400;

impl LogServers {
    /// Copies the records once their logs are open.
    ///
    /// # Safety
    /// Parent process in post_config; `main` is the main server, and `pool` lives as long as it.
    pub unsafe fn new(pool: Pool<'_>, main: *mut sys::server_rec) -> Self {
        // SAFETY: by the contract.
        unsafe { Self { list: server::all(main).map(|s| LogServer::new(pool, s)).collect() } }
    }

    /// Position of a server.
    pub fn position(&self, s: *const sys::server_rec) -> Option<u32> {
        self.list.iter().position(|server| ptr::eq(server.own, s)).map(|at| at as u32)
    }

    /// Logs a line of another process in the context of the server at a position; the main server for want of one.
    ///
    /// # Safety
    /// The configuration is alive.
    pub unsafe fn log(&self, position: u32, origin: LogOrigin, level: u8, text: &[u8]) {
        let Some(server) = self.list.get(position as usize).or(self.list.first()) else { return };
        for piece in pieces(text, server.longest) {
            // SAFETY: a copy of a live record.
            said_by(origin, || unsafe { log::server(server.copy, level, 0, piece) });
        }
    }

    /// Logs a record in the context of a request, of another process if `origin` says so. One of several lines (a
    /// traceback) is one record where the server has an ErrorLogFormat, else one record per line, as people read it.
    pub fn log_request(&self, r: Request<'_>, origin: Option<LogOrigin>, level: u8, text: &[u8]) {
        let server = self.list.iter().find(|server| ptr::eq(server.own, r.server()));
        let write = |text: &[u8]| {
            match (origin, server) {
                // SAFETY: a live request of this thread, and a copy of its server.
                (Some(origin), Some(server)) => unsafe {
                    log_by_copy(r.raw(), server.copy, origin, level, text);
                },
                _ => r.log_bytes(level, text),
            }
        };
        // Nobody panics while writing.
        let _whole = ONE_RECORD.lock().unwrap_or_else(PoisonError::into_inner);
        match server.filter(|server| server.has_format) {
            _ if !text.contains(&b'\n') => write(text),
            Some(server) => pieces(text, server.longest).for_each(write),
            None => text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(write),
        }
    }
}

/// # Safety
/// `r` is a live request of this thread, `copy` one of its server.
unsafe fn log_by_copy(
    r: *mut sys::request_rec,
    copy: *mut sys::server_rec,
    origin: LogOrigin,
    level: u8,
    text: &[u8],
) {
    // httpd only reads the record it logs by, but for the id it may give to it.
    // SAFETY: a bitwise copy of plain C data, used during the call only.
    unsafe {
        let mut request = std::mem::ManuallyDrop::new(ptr::read(r));
        request.server = copy;
        said_by(origin, || log::request(&raw const *request, level, 0, text));
        (*r).log_id = request.log_id;
    }
}

/// Cuts a text into pieces of at most so many bytes as httpd writes them, behind a line feed where there is one.
fn pieces(text: &[u8], longest: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut length = 0;
        let fits = text.iter().position(|byte| {
            length += match byte {
                b'\\' | b'\n' | b'\t' | b'\r' | 8 | 11 => 2,
                0x20..=0x7e => 1,
                _ => 5, // NUL is escaped twice
            };
            length > longest
        });
        let Some(fits) = fits else { return rest.take() };
        let end = text[..fits].iter().rposition(|byte| *byte == b'\n');
        let (piece, after) = text.split_at(end.unwrap_or(fits));
        rest = Some(after.strip_prefix(b"\n").unwrap_or(after));
        Some(piece)
    })
}

fn said_by(origin: LogOrigin, log: impl FnOnce()) {
    ORIGIN.set(Some(origin));
    log();
    ORIGIN.set(None);
}

impl LogServer {
    /// # Safety
    /// As [`LogServers::new`].
    unsafe fn new(pool: Pool<'_>, s: *mut sys::server_rec) -> Self {
        // SAFETY: by the contract.
        unsafe {
            let longest = if is_piped(s) { LONGEST_IN_PIPE } else { LONGEST };
            Self { own: s, copy: copy_of(pool, s), has_format: has_format(s), longest }
        }
    }
}

/// # Safety
/// `s` is a live server record.
unsafe fn is_piped(s: *const sys::server_rec) -> bool {
    // SAFETY: by the contract.
    unsafe { bytes((*s).error_fname) }.is_some_and(|name| name.starts_with(b"|"))
}

/// # Safety
/// `s` is a live server record.
unsafe fn has_format(s: *const sys::server_rec) -> bool {
    let core = (&raw const sys::core_module).cast_mut();
    // SAFETY: by the contract; the core module has a record at each server.
    unsafe {
        let settings = sys::mw_get_module_config((*s).module_config, core).cast::<sys::core_server_config>();
        settings.as_ref().is_some_and(|settings| !settings.error_log_format.is_null())
    }
}

/// A copy of a server record with an ErrorLogFormat of its own where it has httpd's built-in one.
///
/// # Safety
/// Parent process, live record, `pool` lives as long.
unsafe fn copy_of(pool: Pool<'_>, s: *mut sys::server_rec) -> *mut sys::server_rec {
    // SAFETY: plain C records are copied into the pool. The vector has a place for each module of httpd's list.
    unsafe {
        let mut last = 0;
        let mut module = sys::ap_top_module;
        while let Some(one) = module.as_ref() {
            last = last.max(one.module_index);
            module = one.next;
        }
        let copy = pool.copy_of(s, 1);
        let vector = pool.copy_of((*s).module_config.cast::<*mut c_void>(), last as usize + 1);
        let core = (&raw const sys::core_module).cast_mut();
        let settings = pool.copy_of(
            sys::mw_get_module_config((*s).module_config, core).cast::<sys::core_server_config>(),
            1,
        );
        (*copy).module_config = vector.cast();
        sys::mw_set_module_config((*copy).module_config, core, settings.cast());
        if (*settings).error_log_format.is_null() {
            let format = if (*s).error_log.is_null() { SYSLOG_FORMAT } else { FILE_FORMAT };
            set_format(pool, copy, format);
        }
        copy
    }
}

/// Has httpd's own directive read the format.
///
/// # Safety
/// As [`copy_of`]; `s` is such a copy.
unsafe fn set_format(pool: Pool<'_>, s: *mut sys::server_rec, format: &CStr) {
    // SAFETY: the directive takes the server, the pool and the text from its arguments, and both live long enough.
    unsafe {
        let command = sys::ap_find_command(c"ErrorLogFormat".as_ptr(), sys::core_module.cmds);
        let Some(read) = command.as_ref().and_then(|command| command.func.take2) else { return };
        let mut parms: sys::cmd_parms = std::mem::zeroed();
        (parms.pool, parms.temp_pool, parms.server, parms.cmd) = (pool.raw(), pool.raw(), s, command);
        let text = pool.dup(format.to_bytes());
        let _ = read(&mut parms, ptr::null_mut(), text, ptr::null());
    }
}

/// Whether httpd itself must write the log of a server: it has no descriptor that takes a line in one write, or a format, or
/// other modules that take lines (`error_log` hooks).
///
/// # Safety
/// `s` is a live server record whose log is open; parent process.
pub unsafe fn needs_httpd(s: *const sys::server_rec) -> bool {
    // SAFETY: by the contract; the list of hooks is null or httpd's.
    unsafe {
        let hooks = sys::ap_hook_get_error_log().as_ref().map_or(0, |hooks| hooks.nelts);
        (*s).error_log.is_null() || has_format(s) || is_piped(s) || hooks > 0
    }
}

/// `%P`: the process whose line it is.
///
/// # Safety
/// Called by httpd: `buffer` has room for `len` bytes.
pub unsafe fn process_id(buffer: *mut c_char, len: c_int) -> c_int {
    let pid = ORIGIN.get().map_or_else(std::process::id, |origin| origin.pid);
    // SAFETY: by the contract.
    unsafe { put(pid, buffer, len) }
}

/// `%T` and `%{g}T`: the thread whose line it is. Of this process it is what httpd itself prints.
///
/// # Safety
/// Called by httpd: `argument` is null or a C string, `buffer` has room for `len` bytes.
pub unsafe fn thread_id(argument: *const c_char, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: by the contract.
    unsafe {
        if let Some(origin) = ORIGIN.get() {
            return put(origin.tid, buffer, len);
        }
        if bytes(argument).is_some_and(|argument| argument.starts_with(b"g")) {
            return put(libc::gettid().cast_unsigned(), buffer, len);
        }
        let mut threaded = 0;
        let status = sys::ap_mpm_query(sys::AP_MPMQ_IS_THREADED as c_int, &mut threaded);
        if status != 0 || threaded == 0 {
            return 0;
        }
        let mut thread = sys::apr_os_thread_current();
        sys::apr_snprintf(buffer, len as usize, c"%pT".as_ptr(), &raw mut thread)
    }
}

/// # Safety
/// `buffer` has room for `len` bytes.
unsafe fn put(number: u32, buffer: *mut c_char, len: c_int) -> c_int {
    // SAFETY: by the contract; apr ends the text with a NUL within `len`.
    unsafe { sys::apr_snprintf(buffer, len as usize, c"%u".as_ptr(), number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, longest: usize) -> Vec<&str> {
        pieces(text.as_bytes(), longest).map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn pieces_end_behind_lines_and_lose_nothing() {
        assert_eq!(cut("", 10), [""]);
        assert_eq!(cut("0123456789", 10), ["0123456789"]);
        assert_eq!(cut("0123456789a", 10), ["0123456789", "a"]);
        assert_eq!(cut("one\ntwo\nthree", 10), ["one\ntwo", "three"]);
        assert_eq!(cut("\\\\\\", 4), ["\\\\", "\\"]);
        assert_eq!(cut("\n01234567890", 5), ["", "01234", "56789", "0"]);
    }
}
