//! Log lines that another process says: httpd formats them, and `%P` and `%T` are that process and its thread.
//!
//! httpd's built-in format asks the system who is speaking. So such lines are logged by a copy of the server record, in which
//! that format is written out as an ErrorLogFormat; and the handlers of `%P` and `%T` are ours ([`LogField`]).

use super::pool::Pool;
use super::record::{HttpdText, Record};
use super::request::Request;
use super::server::{Server, query_mpm};
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
    own: Server<'static>,
    /// The copy, for lines of other processes.
    copy: Server<'static>,
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
    /// Copies the records, from the main server on, once their logs are open.
    pub fn new(pool: Pool<'static>, main: Server<'static>) -> Self {
        Self { list: main.and_next().map(|s| LogServer::new(pool, s)).collect() }
    }

    /// Position of a server.
    pub fn position(&self, s: Server<'_>) -> Option<u32> {
        self.list.iter().position(|server| server.own == s).map(|at| at as u32)
    }

    /// Logs a line of another process in the context of the server at a position; the main server for want of one.
    pub fn log(&self, position: u32, origin: LogOrigin, level: u8, text: &[u8]) {
        let Some(server) = self.list.get(position as usize).or(self.list.first()) else { return };
        for piece in pieces(text, server.longest) {
            said_by(origin, || server.copy.log_bytes(level, piece));
        }
    }

    /// Logs a record in the context of a request, of another process if `origin` says so. One of several lines (a
    /// traceback) is one record where the server has an ErrorLogFormat, else one record per line, as people read it.
    pub fn log_request(&self, r: Request<'_>, origin: Option<LogOrigin>, level: u8, text: &[u8]) {
        let server = self.list.iter().find(|server| server.own == r.server());
        let write = |text: &[u8]| match (origin, server) {
            (Some(origin), Some(server)) => log_by_copy(r, server.copy, origin, level, text),
            _ => r.log_bytes(level, text),
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

/// `copy` is one of the request's server.
fn log_by_copy(r: Request<'_>, copy: Server<'_>, origin: LogOrigin, level: u8, text: &[u8]) {
    // httpd only reads the record it logs by, but for the id it may give to it.
    // SAFETY: a bitwise copy of plain C data, used by this thread and during the call only.
    unsafe {
        let mut request = std::mem::ManuallyDrop::new(ptr::read(r.raw()));
        request.server = copy.raw();
        let by_copy = Request::of(Record::from_raw(&raw mut *request));
        said_by(origin, || by_copy.log_bytes(level, text));
        (*r.raw()).log_id = request.log_id;
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
    fn new(pool: Pool<'static>, s: Server<'static>) -> Self {
        let longest = if s.is_piped() { LONGEST_IN_PIPE } else { LONGEST };
        Self { own: s, copy: copy_of(pool, s), has_format: has_format(s), longest }
    }
}

fn has_format(s: Server<'_>) -> bool {
    s.core().is_some_and(|settings| !settings.get(|settings| settings.error_log_format).is_null())
}

/// A copy of a server record with an ErrorLogFormat of its own where it has httpd's built-in one.
fn copy_of<'p>(pool: Pool<'p>, s: Server<'p>) -> Server<'p> {
    // SAFETY: plain C records are copied into the pool; the vector has a place for each module of httpd's list, and a record of
    // the core's.
    let copy = unsafe {
        let mut last = 0;
        let mut module = sys::ap_top_module;
        while let Some(one) = module.as_ref() {
            last = last.max(one.module_index);
            module = one.next;
        }
        let copy = pool.copy_of(s.raw(), 1);
        let vector = pool.copy_of((*copy).module_config.cast::<*mut c_void>(), last as usize + 1);
        let core = (&raw const sys::core_module).cast_mut();
        let settings = sys::mw_get_module_config(vector.cast(), core).cast::<sys::core_server_config>();
        (*copy).module_config = vector.cast();
        sys::mw_set_module_config(vector.cast(), core, pool.copy_of(settings, 1).cast());
        Server::of(Record::from_raw(copy))
    };
    if !has_format(copy) {
        set_format(pool, copy, if s.has_error_file() { FILE_FORMAT } else { SYSLOG_FORMAT });
    }
    copy
}

/// Has httpd's own directive read the format, for such a copy.
fn set_format<'p>(pool: Pool<'p>, copy: Server<'p>, format: &CStr) {
    let text = pool.dup(format.to_bytes());
    // SAFETY: the directive takes the server, the pool and the text from its arguments, and all live long enough; nobody else
    // has seen the copy yet.
    unsafe {
        let command = sys::ap_find_command(c"ErrorLogFormat".as_ptr(), sys::core_module.cmds);
        let Some(read) = command.as_ref().and_then(|command| command.func.take2) else { return };
        let mut parms: sys::cmd_parms = std::mem::zeroed();
        (parms.pool, parms.temp_pool, parms.server, parms.cmd) =
            (pool.raw(), pool.raw(), copy.raw(), command);
        let _ = read(&mut parms, ptr::null_mut(), text.raw(), ptr::null());
    }
}

/// Whether httpd itself must write the log of a server: it has no descriptor that takes a line in one write, or a format, or
/// other modules that take lines (`error_log` hooks).
pub fn needs_httpd(s: Server<'_>) -> bool {
    // SAFETY: the list of hooks is null or httpd's, who changes it only while it loads modules.
    let hooks = unsafe { sys::ap_hook_get_error_log().as_ref() }.map_or(0, |hooks| hooks.nelts);
    !s.has_error_file() || has_format(s) || s.is_piped() || hooks > 0
}

/// Where httpd has a handler of `%P` or `%T` write.
pub struct LogField<'b> {
    buffer: *mut c_char,
    len: c_int,
    life: std::marker::PhantomData<&'b mut [u8]>,
}

impl LogField<'_> {
    /// # Safety
    /// `buffer` has room for `len` bytes as long as this lives.
    pub unsafe fn from_raw(buffer: *mut c_char, len: c_int) -> Self {
        Self { buffer, len, life: std::marker::PhantomData }
    }

    /// `%P`: the process whose line it is. The answer is the length, as httpd wants it.
    pub fn put_process_id(self) -> c_int {
        self.put(ORIGIN.get().map_or_else(std::process::id, |origin| origin.pid))
    }

    /// `%T` and `%{g}T`: the thread whose line it is. Of this process it is what httpd itself prints.
    pub fn put_thread_id(self, argument: HttpdText<'_>) -> c_int {
        if let Some(origin) = ORIGIN.get() {
            return self.put(origin.tid);
        }
        if argument.bytes().is_some_and(|argument| argument.starts_with(b"g")) {
            return self.put(wsgi_system::process::own_tid().cast_unsigned());
        }
        match query_mpm(sys::AP_MPMQ_IS_THREADED) {
            None | Some(0) => 0,
            Some(_) => self.put_own_thread(),
        }
    }

    fn put_own_thread(self) -> c_int {
        // SAFETY: apr ends the text with a NUL within `len`; the format takes a pointer to APR's name of the thread.
        unsafe {
            let mut thread = sys::apr_os_thread_current();
            sys::apr_snprintf(self.buffer, self.len as usize, c"%pT".as_ptr(), &raw mut thread)
        }
    }

    fn put(self, number: u32) -> c_int {
        // SAFETY: apr ends the text with a NUL within `len`.
        unsafe { sys::apr_snprintf(self.buffer, self.len as usize, c"%u".as_ptr(), number) }
    }
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
