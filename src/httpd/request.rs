//! One request as httpd has it.

use super::bytes;
use super::log::{self, LogLevel};
use super::pool::Pool;
use super::table::Table;
use apr_sys as sys;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use wsgi_protocol::events::LogEvent;

/// A borrowed request record; everything it gives lives as long as the request's pool.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    raw: *mut sys::request_rec,
    life: PhantomData<&'r ()>,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> &'r [u8] {
            // SAFETY: a string of the live request, null or NUL-terminated.
            unsafe { bytes((*self.raw).$field) }.unwrap_or_default()
        })*
    };
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> Table<'r> {
            // SAFETY: httpd creates these tables with the request.
            unsafe { Table::from_raw((*self.raw).$name) }
        })*
    };
}

impl<'r> Request<'r> {
    /// Wraps a request.
    ///
    /// # Safety
    /// `raw` is a live request handled by this thread, and outlives `'r`.
    pub unsafe fn from_raw(raw: *mut sys::request_rec) -> Self {
        Self { raw, life: PhantomData }
    }

    /// The C pointer.
    pub fn raw(self) -> *mut sys::request_rec {
        self.raw
    }

    /// The request's pool.
    pub fn pool(self) -> Pool<'r> {
        // SAFETY: the pool lives as long as the request.
        unsafe { Pool::from_raw((*self.raw).pool) }
    }

    /// The connection's bucket allocator.
    pub fn bucket_alloc(self) -> *mut sys::apr_bucket_alloc_t {
        // SAFETY: a live request has a connection.
        unsafe { (*(*self.raw).connection).bucket_alloc }
    }

    /// The virtual host.
    pub fn server(self) -> *mut sys::server_rec {
        // SAFETY: a live request has a server.
        unsafe { (*self.raw).server }
    }

    texts! {
        /// Decoded URL path.
        uri = uri;
        /// Request target as received.
        unparsed_uri = unparsed_uri;
        /// File the request was mapped to.
        filename = filename;
        /// What follows the file in the URL.
        path_info = path_info;
        /// Query string.
        args = args;
        /// Method name.
        method = method;
        /// `HTTP/1.1`
        protocol = protocol;
        /// Handler name.
        handler = handler;
        /// Host name of the request, lower-cased by httpd.
        hostname = hostname;
    }

    tables! {
        /// Request headers.
        headers_in;
        /// Response headers.
        headers_out;
        /// Response headers that survive error pages.
        err_headers_out;
        /// Per-request environment.
        subprocess_env;
        /// Notes.
        notes;
    }

    /// The user httpd has authenticated.
    pub fn user(self) -> Option<&'r [u8]> {
        // SAFETY: a string of the live request, null or NUL-terminated.
        unsafe { bytes((*self.raw).user) }
    }

    /// Gives the user another name.
    pub fn set_user(self, name: &[u8]) {
        // SAFETY: the copy lives in the request's pool.
        unsafe { (*self.raw).user = self.pool().dup(name) }
    }

    /// The client's address in text.
    pub fn client_address(self) -> &'r [u8] {
        // SAFETY: a string of the live request, null or NUL-terminated.
        unsafe { bytes((*self.raw).useragent_ip) }.unwrap_or_default()
    }

    /// The address of the other end of the connection: a proxy's, if there is one.
    pub fn peer_address(self) -> &'r [u8] {
        // SAFETY: a live request has a connection; its address is null or NUL-terminated.
        unsafe { bytes((*(*self.raw).connection).client_ip) }.unwrap_or_default()
    }

    /// The client's host name, if HostnameLookups gives one.
    pub fn client_name(self) -> Option<&'r [u8]> {
        // SAFETY: a live request of this thread; the name lives in its pool.
        unsafe { bytes(sys::mw_client_name(self.raw)) }
    }

    /// `Satisfy Any` with authentication configured: a refusal by address is not the last word.
    pub fn may_authenticate_instead(self) -> bool {
        // SAFETY: a live request of this thread.
        unsafe {
            sys::ap_satisfies(self.raw) == sys::SATISFY_ANY as i32
                && sys::ap_some_auth_required(self.raw) != 0
        }
    }

    /// Whether httpd's own walk found the file.
    pub fn file_exists(self) -> bool {
        // SAFETY: plain field; APR_NOFILE is 0.
        unsafe { (*self.raw).finfo.filetype != 0 }
    }

    /// Whether the file is a directory (APR_DIR).
    pub fn is_directory(self) -> bool {
        // SAFETY: plain field.
        unsafe { (*self.raw).finfo.filetype == 2 }
    }

    /// Modification time of the mapped file, µs since the epoch.
    pub fn mtime_us(self) -> u64 {
        // SAFETY: plain field.
        unsafe { (*self.raw).finfo.mtime }.max(0) as u64
    }

    /// When httpd received the request, µs since the epoch.
    pub fn start_us(self) -> u64 {
        // SAFETY: plain field.
        unsafe { (*self.raw).request_time }.max(0) as u64
    }

    /// Status as it stands.
    pub fn status(self) -> u16 {
        // SAFETY: plain field.
        unsafe { (*self.raw).status }.clamp(0, 999) as u16
    }

    /// Body bytes that were sent, behind httpd's content filters.
    pub fn bytes_sent(self) -> u64 {
        // SAFETY: plain field.
        unsafe { (*self.raw).bytes_sent }.max(0) as u64
    }

    /// HEAD, by whatever name.
    pub fn is_header_only(self) -> bool {
        // SAFETY: plain field.
        unsafe { (*self.raw).header_only != 0 }
    }

    /// Whether a filter may change the body of the response.
    pub fn is_filtered(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_has_content_filter(self.raw) != 0 }
    }

    /// Whether the client's connection is known to be broken.
    pub fn is_aborted(self) -> bool {
        self.connection().aborted != 0
    }

    /// One of several streams of a connection (HTTP/2).
    pub fn is_stream(self) -> bool {
        !self.connection().master.is_null()
    }

    fn connection(&self) -> &sys::conn_rec {
        // SAFETY: a live request has a connection, of this thread; for one look at a plain field.
        unsafe { &*(*self.raw).connection }
    }

    /// The connection shall not be used for another request.
    pub fn close_connection(self) {
        // SAFETY: a live request has a connection owned by this thread.
        unsafe { (*(*self.raw).connection).keepalive = sys::AP_CONN_CLOSE }
    }

    /// Whether it came over the connection itself: no sub-request, no internal redirect.
    pub fn is_main(self) -> bool {
        // SAFETY: plain fields.
        unsafe { (*self.raw).main.is_null() && (*self.raw).prev.is_null() }
    }

    /// From here on what is read and written is the connection itself, without HTTP; it ends with the request.
    pub fn become_tunnel(self) {
        self.close_connection();
        // SAFETY: a live request and its connection, used by this thread only; the filters belong to the connection.
        unsafe {
            let (raw, connection) = (self.raw, (*self.raw).connection);
            // It would end what sends little for a while.
            sys::ap_remove_input_filter_byhandle((*connection).input_filters, c"reqtimeout".as_ptr());
            ((*raw).input_filters, (*raw).proto_input_filters) =
                ((*connection).input_filters, (*connection).input_filters);
            ((*raw).output_filters, (*raw).proto_output_filters) =
                ((*connection).output_filters, (*connection).output_filters);
            (*raw).status = 101;
            (*raw).status_line = std::ptr::null();
        }
    }

    /// Whether the client waits for `100 Continue`.
    pub fn expects_continue(self) -> bool {
        // SAFETY: plain field.
        unsafe { (*self.raw).expecting_100 != 0 }
    }

    /// Sends `100 Continue` now. httpd's own filter does so in a blocking read only.
    pub fn send_continue(self) {
        // SAFETY: a live request of this thread; its status is put back.
        unsafe {
            let (status, line) = ((*self.raw).status, (*self.raw).status_line);
            (*self.raw).status = sys::HTTP_CONTINUE as i32;
            (*self.raw).status_line = std::ptr::null();
            sys::ap_send_interim_response(self.raw, 0);
            (*self.raw).status = status;
            (*self.raw).status_line = line;
        }
    }

    /// The response has begun: an interim one would end up inside it (spec/behaviour.md §2.4).
    pub fn forget_continue(self) {
        // SAFETY: plain field of a live request.
        unsafe { (*self.raw).expecting_100 = 0 }
    }

    /// The mapped file's name as a C pointer.
    pub fn set_filename(self, name: &[u8]) {
        let copy = self.pool().dup(name);
        // SAFETY: the copy lives in the request's pool.
        unsafe { (*self.raw).filename = copy }
    }

    /// Does what httpd's core does to map the request to its file, knowing that the first `len` bytes of the file name
    /// are that file and the rest is path info. `None`, with nothing changed, if it is no file.
    pub fn walk_file(self, len: usize) -> Option<c_int> {
        let (file, rest) = self.filename().split_at_checked(len)?;
        let (file, rest) = (self.pool().dup(file), self.pool().dup(rest));
        // SAFETY: both copies live in the request's pool; all-zero is a valid record that apr_stat fills.
        unsafe {
            let mut facts: sys::apr_finfo_t = std::mem::zeroed();
            let status = sys::apr_stat(&mut facts, file, sys::APR_FINFO_MIN as i32, self.pool().raw());
            if status != 0 || facts.filetype != sys::APR_REG {
                return None;
            }
            (*self.raw).filename = file;
            (*self.raw).finfo = facts;
            let mut status = sys::ap_directory_walk(self.raw);
            if status == sys::OK as c_int {
                status = sys::ap_file_walk(self.raw);
            }
            (*self.raw).path_info = rest;
            Some(status)
        }
    }

    /// Chooses the handler; `name` is static.
    pub fn set_handler(self, name: &'static CStr) {
        // SAFETY: a static string outlives the request.
        unsafe { (*self.raw).handler = name.as_ptr() }
    }

    /// Sets status and status line of the response.
    pub fn set_status(self, status: u16, line: Option<&[u8]>) {
        let copy = line.map_or(std::ptr::null(), |l| self.pool().dup(l).cast_const());
        // SAFETY: the copy lives in the request's pool.
        unsafe {
            (*self.raw).status = i32::from(status);
            (*self.raw).status_line = copy;
        }
    }

    /// `ap_set_content_type`: activates AddOutputFilterByType, too.
    pub fn set_content_type(self, value: &[u8]) {
        let copy = self.pool().dup(value);
        // SAFETY: the copy lives in the request's pool.
        unsafe { sys::ap_set_content_type(self.raw, copy) }
    }

    /// Logs one record in the request's context.
    pub fn log(self, level: LogLevel, message: &str) {
        // SAFETY: a live request of this thread.
        unsafe { log::request(self.raw, level as u8, 0, message.as_bytes()) }
    }

    /// Logs one record of any bytes.
    pub fn log_bytes(self, level: u8, message: &[u8]) {
        // SAFETY: a live request of this thread.
        unsafe { log::request(self.raw, level, 0, message) }
    }

    /// Logs an event about the request that has no number.
    pub fn log_event(self, event: &LogEvent, message: &str) {
        // SAFETY: a live request of this thread.
        unsafe { log::request(self.raw, event.level as u8, 0, message.as_bytes()) }
    }

    /// Whether nothing reads a response but httpd's core, which sends it over the client's own socket. Filters that only
    /// look at headers do not count.
    pub fn sends_plainly(self) -> bool {
        const PLAIN: [&[u8]; 9] = [
            b"byterange",
            b"content_length",
            b"core",
            b"fixup_errors_out",
            b"fixup_headers_err",
            b"fixup_headers_out",
            b"http_header",
            b"http_outerror",
            b"mod_expires",
        ];
        // Ranges may be too short for sendfile.
        if self.is_stream() || self.headers_in().get(c"Range").is_some() {
            return false;
        }
        self.has_only(&PLAIN, false)
    }

    /// Whether filters of the response, or both ways those of the connection, have no other names than these.
    fn has_only(self, names: &[&[u8]], of_connection: bool) -> bool {
        // SAFETY: chains of a live request and its connection end with null; names are NUL-terminated.
        unsafe {
            let connection = (*self.raw).connection;
            let chains = match of_connection {
                true => [(*connection).input_filters, (*connection).output_filters],
                false => [(*self.raw).output_filters, std::ptr::null_mut()],
            };
            chains.into_iter().all(|mut filter| {
                while !filter.is_null() {
                    let name = bytes((*(*filter).frec).name).unwrap_or_default();
                    if !names.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                        return false;
                    }
                    filter = (*filter).next;
                }
                true
            })
        }
    }

    /// Whether nothing but httpd's core reads and writes the connection: no TLS, no filter of another module, no stream of
    /// HTTP/2. Filters that count, or watch how fast a request comes, have nothing to do any more.
    pub fn is_plain_connection(self) -> bool {
        const PLAIN: [&[u8]; 4] = [b"core", b"core_in", b"log_input_output", b"reqtimeout"];
        !self.is_stream() && self.has_only(&PLAIN, true)
    }

    /// EnableSendfile of the request's directory.
    pub fn enables_sendfile(self) -> bool {
        // SAFETY: a live request has the core module's configuration.
        unsafe { sys::mw_enable_sendfile(self.raw) != 0 }
    }

    /// LogLevel of the wsgi module for this request.
    pub fn log_level(self) -> u32 {
        // SAFETY: a live request of this thread.
        unsafe { sys::mw_request_log_level(self.raw) }.max(0) as u32
    }

    /// httpd's log id of the request, made if missing.
    pub fn log_id(self) -> &'r [u8] {
        // SAFETY: a live request of this thread; the id lives in its pool.
        unsafe { bytes(sys::mw_request_log_id(self.raw)) }.unwrap_or_default()
    }

    /// httpd's log id of the connection, empty if none was made.
    pub fn connection_log_id(self) -> &'r [u8] {
        // SAFETY: a live request has a connection.
        unsafe { bytes((*(*self.raw).connection).log_id) }.unwrap_or_default()
    }

    /// The client's socket if this connection has one of its own (HTTP/2 streams have none).
    pub fn client_socket(self) -> Option<BorrowedFd<'r>> {
        let mut fd = -1;
        // SAFETY: a live request of this thread; a non-null socket is open, and stays so as long as the request.
        unsafe {
            let socket = sys::mw_client_socket(self.raw);
            let is_there = !socket.is_null() && sys::apr_os_sock_get(&mut fd, socket) == 0;
            is_there.then(|| BorrowedFd::borrow_raw(fd))
        }
    }

    /// Its number, to wait for it.
    pub fn client_fd(self) -> Option<i32> {
        self.client_socket().map(|socket| socket.as_raw_fd())
    }

    /// What is readable when the client of a tunnel has sent something: its socket, or what mod_http2 has for a stream.
    pub fn tunnel_fd(self) -> Option<i32> {
        if !self.is_stream() {
            return self.client_fd();
        }
        // SAFETY: a live request of this thread, whose stream lives as long.
        Some(unsafe { sys::mw_stream_fd(self.raw) }).filter(|fd| *fd >= 0)
    }

    /// Sets the timeout of the client's socket, µs; gives back the one before. `None` without a socket.
    pub fn swap_client_timeout(self, micros: i64) -> Option<i64> {
        // SAFETY: a live request of this thread; a non-null socket is open.
        unsafe {
            let socket = sys::mw_client_socket(self.raw);
            let mut before = 0;
            if socket.is_null() || sys::apr_socket_timeout_get(socket, &mut before) != 0 {
                return None;
            }
            sys::apr_socket_timeout_set(socket, micros);
            Some(before)
        }
    }

    /// Timeout of the virtual host, milliseconds.
    pub fn server_timeout_ms(self) -> u64 {
        // SAFETY: a live request has a server.
        (unsafe { (*self.server()).timeout }.max(0) / 1000) as u64
    }
}
