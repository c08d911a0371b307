//! One request as httpd has it.

use super::log::text_of;
use super::pool::Pool;
use super::record::{HttpdText, Record};
use super::server::Server;
use super::table::Table;
use apr_sys as sys;
use std::ffi::{CStr, c_int};
use std::os::fd::{AsRawFd, BorrowedFd};
use wsgi_protocol::events::LogEvent;

/// A borrowed request record; everything it gives lives as long as the request's pool.
#[derive(Clone, Copy)]
pub struct Request<'r>(Record<'r, sys::request_rec>);

/// What this module keeps with a request from one phase to a later one.
///
/// # Safety
/// One type of the module implements this: there is one place for it in a request. Dropping a state uses nothing that it
/// borrows, because it goes with the request's pool.
pub unsafe trait RequestState {
    /// The state of a request that lives for `'r`.
    type Of<'r>;
}

/// The type of this module's record for each directory.
///
/// # Safety
/// One type implements this; the hooks that create and merge records of directories make that.
pub unsafe trait DirectoryRecord {}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> &'r [u8] {
            self.0.text(|r| &r.$field).bytes().unwrap_or_default()
        })*
    };
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> Table<'r> {
            Table::of(self.0.part(|r| &r.$name))
        })*
    };
}

impl<'r> Request<'r> {
    /// The request of a record, which this thread handles.
    pub fn of(record: Record<'r, sys::request_rec>) -> Self {
        Self(record)
    }

    /// The C pointer.
    pub fn raw(self) -> *mut sys::request_rec {
        self.0.raw()
    }

    /// The record.
    pub(super) fn record(self) -> Record<'r, sys::request_rec> {
        self.0
    }

    /// Its connection's record.
    pub(super) fn connection(self) -> Record<'r, sys::conn_rec> {
        self.0.part(|r| &r.connection)
    }

    /// The request's pool.
    pub fn pool(self) -> Pool<'r> {
        Pool::of(self.0.part(|r| &r.pool))
    }

    /// The connection's bucket allocator.
    pub fn bucket_alloc(self) -> *mut sys::apr_bucket_alloc_t {
        self.connection().get(|c| c.bucket_alloc)
    }

    /// The virtual host.
    pub fn server(self) -> Server<'r> {
        Server::of(self.0.part(|r| &r.server))
    }

    /// What this module has kept with it.
    pub fn kept<S: RequestState>(self) -> Option<&'r S::Of<'r>> {
        // SAFETY: the vector belongs to the live request; in our place is null or what `keep` has put there, in its pool.
        unsafe {
            let found = sys::mw_get_module_config(self.0.get(|r| r.request_config), crate::module_record());
            found.cast::<S::Of<'r>>().as_ref()
        }
    }

    /// Keeps something with it.
    pub fn keep<S: RequestState>(self, state: S::Of<'r>) {
        // SAFETY: by the contract of the trait; the vector belongs to the live request, and the place in it to this module.
        unsafe {
            let kept = self.pool().own_borrowing(state).cast();
            sys::mw_set_module_config(self.0.get(|r| r.request_config), crate::module_record(), kept);
        }
    }

    /// This module's record of the directory.
    pub fn own<R: DirectoryRecord>(self) -> &'r R {
        // SAFETY: a live request has a vector with a place for each module; the record is of this type by the contract of the
        // trait, lives as long as the request, and is not changed any more.
        let found = unsafe {
            let vector = self.0.get(|r| r.per_dir_config);
            sys::mw_get_module_config(vector, crate::module_record()).cast::<R>().as_ref()
        };
        // A request comes only where all records were made.
        found.expect("httpd does not serve where a record could not be made")
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
        /// The client's address in text.
        client_address = useragent_ip;
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
        self.0.text(|r| &r.user).bytes()
    }

    /// Gives the user another name.
    pub fn set_user(self, name: &[u8]) {
        self.0.set(|r| &mut r.user, self.pool().dup(name));
    }

    /// The address of the other end of the connection: a proxy's, if there is one.
    pub fn peer_address(self) -> &'r [u8] {
        self.connection().text(|c| &c.client_ip).bytes().unwrap_or_default()
    }

    /// The client's host name, if HostnameLookups gives one.
    pub fn client_name(self) -> Option<&'r [u8]> {
        // SAFETY: a live request of this thread; the name lives in its pool.
        unsafe { HttpdText::from_raw(sys::mw_client_name(self.raw())) }.bytes()
    }

    /// `Satisfy Any` with authentication configured: a refusal by address is not the last word.
    pub fn may_authenticate_instead(self) -> bool {
        // SAFETY: a live request of this thread.
        unsafe {
            sys::ap_satisfies(self.raw()) == sys::SATISFY_ANY as i32
                && sys::ap_some_auth_required(self.raw()) != 0
        }
    }

    /// Whether httpd's own walk found the file.
    pub fn file_exists(self) -> bool {
        // APR_NOFILE is 0.
        self.0.get(|r| r.finfo.filetype) != 0
    }

    /// Whether the file is a directory (APR_DIR).
    pub fn is_directory(self) -> bool {
        self.0.get(|r| r.finfo.filetype) == 2
    }

    /// Modification time of the mapped file, µs since the epoch.
    pub fn mtime_us(self) -> u64 {
        self.0.get(|r| r.finfo.mtime).max(0) as u64
    }

    /// When httpd received the request, µs since the epoch.
    pub fn start_us(self) -> u64 {
        self.0.get(|r| r.request_time).max(0) as u64
    }

    /// Status as it stands.
    pub fn status(self) -> u16 {
        self.0.get(|r| r.status).clamp(0, 999) as u16
    }

    /// Body bytes that were sent, behind httpd's content filters.
    pub fn bytes_sent(self) -> u64 {
        self.0.get(|r| r.bytes_sent).max(0) as u64
    }

    /// HEAD, by whatever name.
    pub fn is_header_only(self) -> bool {
        self.0.get(|r| r.header_only) != 0
    }

    /// Whether a filter may change the body of the response.
    pub fn is_filtered(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_has_content_filter(self.raw()) != 0 }
    }

    /// Whether the client's connection is known to be broken.
    pub fn is_aborted(self) -> bool {
        self.connection().get(|c| c.aborted) != 0
    }

    /// One of several streams of a connection (HTTP/2).
    pub fn is_stream(self) -> bool {
        !self.connection().get(|c| c.master).is_null()
    }

    /// The connection shall not be used for another request.
    pub fn close_connection(self) {
        self.connection().set(|c| &mut c.keepalive, sys::AP_CONN_CLOSE);
    }

    /// Whether it came over the connection itself: no sub-request, no internal redirect.
    pub fn is_main(self) -> bool {
        self.0.get(|r| r.main.is_null() && r.prev.is_null())
    }

    /// From here on what is read and written is the connection itself, without HTTP; it ends with the request.
    pub fn become_tunnel(self) {
        self.close_connection();
        let connection = self.connection();
        // It would end what sends little for a while.
        let (first, unwanted) = (connection.get(|c| c.input_filters), c"reqtimeout");
        // SAFETY: the chain of a live connection, used by this thread only; the name ends with a NUL.
        unsafe { sys::ap_remove_input_filter_byhandle(first, unwanted.as_ptr()) };
        let input = connection.follow(|c| &c.input_filters);
        let output = connection.follow(|c| &c.output_filters);
        self.0.set(|r| &mut r.input_filters, input);
        self.0.set(|r| &mut r.proto_input_filters, input);
        self.0.set(|r| &mut r.output_filters, output);
        self.0.set(|r| &mut r.proto_output_filters, output);
        self.set_status(101, None);
    }

    /// Whether the client waits for `100 Continue`.
    pub fn expects_continue(self) -> bool {
        self.0.get(|r| r.expecting_100) != 0
    }

    /// Sends `100 Continue` now. httpd's own filter does so in a blocking read only.
    pub fn send_continue(self) {
        let (status, line) = (self.0.get(|r| r.status), self.0.text(|r| &r.status_line));
        self.set_status(sys::HTTP_CONTINUE as u16, None);
        // SAFETY: a live request of this thread.
        unsafe { sys::ap_send_interim_response(self.raw(), 0) };
        self.0.set(|r| &mut r.status, status);
        self.0.set(|r| &mut r.status_line, line);
    }

    /// The response has begun: an interim one would end up inside it (spec/behaviour.md §2.4).
    pub fn forget_continue(self) {
        self.0.set(|r| &mut r.expecting_100, 0u32);
    }

    /// Maps the request to another file.
    pub fn set_filename(self, name: &[u8]) {
        self.0.set(|r| &mut r.filename, self.pool().dup(name));
    }

    /// Sets what follows the script in the URL.
    pub fn set_path_info(self, info: &[u8]) {
        self.0.set(|r| &mut r.path_info, self.pool().dup(info));
    }

    /// Does what httpd's core does to map the request to its file, knowing that the first `len` bytes of the file name
    /// are that file and the rest is path info. `None`, with nothing changed, if it is no file.
    pub fn walk_file(self, len: usize) -> Option<c_int> {
        let (file, rest) = self.filename().split_at_checked(len)?;
        let (file, rest) = (self.pool().dup(file), self.pool().dup(rest));
        // SAFETY: the name lives in the request's pool; all-zero is a valid record that apr_stat fills. The walks are httpd's
        // own next steps for a live request whose file is known.
        let status = unsafe {
            let mut facts: sys::apr_finfo_t = std::mem::zeroed();
            let status = sys::apr_stat(&mut facts, file.raw(), sys::APR_FINFO_MIN as i32, self.pool().raw());
            if status != 0 || facts.filetype != sys::APR_REG {
                return None;
            }
            self.0.set(|r| &mut r.filename, file);
            (*self.raw()).finfo = facts;
            match sys::ap_directory_walk(self.raw()) {
                status if status == sys::OK as c_int => sys::ap_file_walk(self.raw()),
                status => status,
            }
        };
        self.0.set(|r| &mut r.path_info, rest);
        Some(status)
    }

    /// Chooses the handler; `name` is static.
    pub fn set_handler(self, name: &'static CStr) {
        self.0.set(|r| &mut r.handler, HttpdText::from(name));
    }

    /// Sets status and status line of the response.
    pub fn set_status(self, status: u16, line: Option<&[u8]>) {
        let line = line.map_or(HttpdText::NONE, |line| self.pool().dup(line).into());
        self.0.set(|r| &mut r.status, i32::from(status));
        self.0.set(|r| &mut r.status_line, line);
    }

    /// `ap_set_content_type`: activates AddOutputFilterByType, too.
    pub fn set_content_type(self, value: &[u8]) {
        let copy = self.pool().dup(value);
        // SAFETY: the copy lives in the request's pool.
        unsafe { sys::ap_set_content_type(self.raw(), copy.raw()) }
    }

    /// Logs an event about the request by a line that has its number, if it has one.
    pub fn log_event(self, event: &LogEvent, line: &str) {
        self.log_bytes(event.level as u8, line.as_bytes());
    }

    /// Logs one record of any bytes.
    pub fn log_bytes(self, level: u8, message: &[u8]) {
        // SAFETY: a live request of this thread; the text is NUL-terminated and passed through a fixed "%s".
        unsafe { sys::mw_log_request(c_int::from(level), 0, self.raw(), text_of(message).as_ptr()) }
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
        let connection = self.connection();
        let chains = match of_connection {
            true => [connection.follow(|c| &c.input_filters), connection.follow(|c| &c.output_filters)],
            false => [self.0.follow(|r| &r.output_filters), None],
        };
        let is_known = |filter: Record<'_, sys::ap_filter_t>| {
            let name = filter.part(|filter| &filter.frec).text(|kind| &kind.name).bytes().unwrap_or_default();
            names.iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        chains.into_iter().flatten().all(|first| first.chain(|filter| &filter.next).all(is_known))
    }

    /// Whether nothing but httpd's core reads and writes the connection: no TLS, no filter of another module, no stream of
    /// HTTP/2. Filters that count, or watch how fast a request comes, have nothing to do any more.
    pub fn is_plain_connection(self) -> bool {
        const PLAIN: [&[u8]; 4] = [b"core", b"core_in", b"log_input_output", b"reqtimeout"];
        !self.is_stream() && self.has_only(&PLAIN, true)
    }

    /// EnableSendfile of the request's directory.
    pub fn enables_sendfile(self) -> bool {
        self.file_ways() & sys::MW_SENDFILE != 0
    }

    /// Whether EnableMMAP of the request's directory lets files be mapped.
    pub fn enables_mmap(self) -> bool {
        self.file_ways() & sys::MW_MMAP != 0
    }

    fn file_ways(self) -> u32 {
        // SAFETY: a live request has the core module's configuration.
        unsafe { sys::mw_file_ways(self.raw()) }.unsigned_abs()
    }

    /// LogLevel of the wsgi module for this request.
    pub fn log_level(self) -> u32 {
        // SAFETY: a live request of this thread.
        unsafe { sys::mw_request_log_level(self.raw()) }.max(0) as u32
    }

    /// httpd's log id of the request, made if missing.
    pub fn log_id(self) -> &'r [u8] {
        // SAFETY: a live request of this thread; the id lives in its pool.
        unsafe { HttpdText::from_raw(sys::mw_request_log_id(self.raw())) }.bytes().unwrap_or_default()
    }

    /// httpd's log id of the connection, empty if none was made.
    pub fn connection_log_id(self) -> &'r [u8] {
        self.connection().text(|c| &c.log_id).bytes().unwrap_or_default()
    }

    /// The client's socket if this connection has one of its own (HTTP/2 streams have none).
    pub fn client_socket(self) -> Option<BorrowedFd<'r>> {
        let mut fd = -1;
        // SAFETY: a live request of this thread; a non-null socket is open, and stays so as long as the request.
        unsafe {
            let socket = sys::mw_client_socket(self.raw());
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
        Some(unsafe { sys::mw_stream_fd(self.raw()) }).filter(|fd| *fd >= 0)
    }

    /// Sets the timeout of the client's socket, µs; gives back the one before. `None` without a socket.
    pub fn swap_client_timeout(self, micros: i64) -> Option<i64> {
        // SAFETY: a live request of this thread; a non-null socket is open.
        unsafe {
            let socket = sys::mw_client_socket(self.raw());
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
        self.server().timeout_ms()
    }
}
