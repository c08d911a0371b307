//! From request to CGI environment, in httpd's per-request table (spec/behaviour.md §1). What the application
//! sees is this table without the internal keys.

use crate::config::ConfigState;
use crate::httpd::bytes;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use apr_sys as sys;
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;
use wsgi_directives::config::layer::MapHead;
use wsgi_directives::{
    BodyLength, EnvTable, HeaderFate, RequestConfig, RequestNames, header_fate, script_and_path_info,
    url_scheme, write_cgi_key,
};
use wsgi_protocol::keys::HOST_KEYS;

/// Whether an entry of the table is not for the application: internal, or the host's own.
pub fn is_reserved(key: &[u8]) -> bool {
    match key.first() {
        Some(b'm') => key.starts_with(b"mod_wsgi.x-") || HOST_KEYS.iter().any(|own| own.as_bytes() == key),
        Some(b'w') => key.starts_with(b"wsgi."),
        Some(b'a') => key.starts_with(b"apache."),
        _ => false,
    }
}

/// Fills the table; returns whether `wsgi.url_scheme` is https.
pub fn build(r: Request<'_>, config: &RequestConfig<'_>) -> bool {
    let env = r.subprocess_env();
    let pool = r.pool();
    add_headers(r, env, config);
    add_server(r, env);
    add_client(r, env);
    add_target(r, env, config);
    add_redirect(r, env);
    let included = r.protocol() == b"INCLUDED";
    let (script, info) = script_and_path_info(r.uri(), r.path_info(), included);
    env.set(pool, c"SCRIPT_NAME", &script);
    env.set(pool, c"PATH_INFO", &info);
    env.set(pool, c"mod_wsgi.script_name", &script);
    env.set(pool, c"mod_wsgi.path_info", &info);
    add_module_keys(r, env);
    let mut proxied = ProxyEnvironment { r, env };
    let scheme_applied = config.trusted_proxies.apply(&mut proxied);
    let scheme = url_scheme(&mut proxied, scheme_applied, || is_tls(r));
    env.unset(c"PATH");
    scheme == "https"
}

/// Request headers; those with doubtful names leave the request altogether (§1.4).
fn add_headers(r: Request<'_>, env: Table<'_>, config: &RequestConfig<'_>) {
    // SAFETY: a live request.
    let cgi_pass_auth = unsafe { sys::mw_cgi_pass_auth(r.raw()) != 0 };
    let pool = r.pool();
    let mut doubtful: Vec<*const c_char> = Vec::new();
    let mut key = Vec::with_capacity(64);
    let headers = r.headers_in().entries();
    let found = Table::with_room(pool, headers.len());
    for entry in headers {
        // SAFETY: keys and values of a live table.
        let Some(name) = (unsafe { bytes(entry.key) }) else { continue };
        let cgi: *const c_char = match header_fate(name, config.pass_authorization, cgi_pass_auth) {
            HeaderFate::Remove => {
                doubtful.push(entry.key);
                continue;
            }
            HeaderFate::Hide => continue,
            HeaderFate::ContentType => c"CONTENT_TYPE".as_ptr(),
            HeaderFate::ContentLength => c"CONTENT_LENGTH".as_ptr(),
            HeaderFate::Pass => {
                key.clear();
                write_cgi_key(name, &mut key);
                pool.dup(&key)
            }
        };
        // SAFETY: the key is static or a pool copy; the value lives as long as the request.
        unsafe { found.add_raw(cgi, entry.val) };
    }
    env.set_all(found);
    for name in doubtful {
        // SAFETY: pool strings outlive their table entry.
        r.headers_in().unset(unsafe { CStr::from_ptr(name) });
    }
}

/// All of the body has been received: the environ gets the length that it has, and forgets codings that httpd has taken off.
pub fn update_body(r: Request<'_>, body: BodyLength) {
    let (env, pool) = (r.subprocess_env(), r.pool());
    if let BodyLength::Known(length) = body {
        env.set(pool, c"CONTENT_LENGTH", decimal(length).as_bytes());
        env.unset(c"HTTP_TRANSFER_ENCODING");
    }
    // What the filter that inflates has said at its first read.
    for (header, key) in
        [(c"Content-Encoding", c"HTTP_CONTENT_ENCODING"), (c"Content-MD5", c"HTTP_CONTENT_MD5")]
    {
        match r.headers_in().get(header) {
            Some(value) if env.get(key).is_some() => env.set(pool, key, value),
            Some(_) => {}
            None => env.unset(key),
        }
    }
}

/// Sets a key to a string of httpd that lives as long as the request.
fn set(env: Table<'_>, key: &'static CStr, value: *const c_char) {
    if !value.is_null() {
        // SAFETY: callers pass strings of the request, the connection or the configuration.
        unsafe { env.set_raw(key.as_ptr(), value) };
    }
}

fn add_server(r: Request<'_>, env: Table<'_>) {
    let pool = r.pool();
    // SAFETY: a live request with connection and server.
    unsafe {
        let (raw, connection, server) = (r.raw(), (*r.raw()).connection, r.server());
        set(env, c"SERVER_SOFTWARE", sys::ap_get_server_banner());
        set(env, c"SERVER_NAME", sys::ap_escape_html2(pool.raw(), sys::ap_get_server_name_for_url(raw), 0));
        env.set(pool, c"SERVER_PORT", decimal(u64::from(sys::ap_get_server_port(raw))).as_bytes());
        set(env, c"SERVER_ADDR", (*connection).local_ip);
        set(env, c"SERVER_ADMIN", (*server).server_admin);
        set(env, c"SERVER_PROTOCOL", (*raw).protocol);
        set(env, c"DOCUMENT_ROOT", sys::ap_document_root(raw));
        set(env, c"REQUEST_SCHEME", sys::mw_scheme(raw));
        set(env, c"CONTEXT_PREFIX", sys::ap_context_prefix(raw));
        set(env, c"CONTEXT_DOCUMENT_ROOT", sys::ap_context_document_root(raw));
    }
}

fn add_client(r: Request<'_>, env: Table<'_>) {
    // SAFETY: a live request; the address may be missing on synthetic ones.
    unsafe {
        let raw = r.raw();
        set(env, c"REMOTE_ADDR", (*raw).useragent_ip);
        if let Some(address) = (*raw).useragent_addr.as_ref() {
            env.set(r.pool(), c"REMOTE_PORT", decimal(u64::from(address.port)).as_bytes());
        }
        set(env, c"REMOTE_USER", (*raw).user);
        set(env, c"AUTH_TYPE", (*raw).ap_auth_type);
    }
}

fn add_target(r: Request<'_>, env: Table<'_>, config: &RequestConfig<'_>) {
    let pool = r.pool();
    env.set(pool, c"REQUEST_METHOD", method(r, config.map_head_to_get));
    // SAFETY: a live request.
    unsafe { set(env, c"QUERY_STRING", (*r.raw()).args) };
    if r.args().is_empty() {
        set(env, c"QUERY_STRING", c"".as_ptr());
    }
    env.set(pool, c"REQUEST_URI", &request_uri(r));
    let filename = r.filename();
    let cut = filename.iter().position(|b| *b == b'?').filter(|_| r.notes().get(c"proxy-noquery").is_some());
    env.set(pool, c"SCRIPT_FILENAME", &filename[..cut.unwrap_or(filename.len())]);
}

/// The method as the application sees it (§1.7).
fn method<'r>(r: Request<'r>, map: MapHead) -> &'r [u8] {
    // SAFETY: a live request.
    let is_get = unsafe { (*r.raw()).method_number == sys::mw_method_get() };
    let mapped = match map {
        MapHead::Off => false,
        MapHead::On => is_get,
        MapHead::Auto => r.is_header_only() && r.is_filtered(),
    };
    if mapped { b"GET" } else { r.method() }
}

/// The target of the request line, raw; also after internal redirects.
pub fn request_uri(r: Request<'_>) -> Cow<'_, [u8]> {
    // SAFETY: a live request.
    if unsafe { sys::mw_request_uri_is_current(r.raw()) != 0 } {
        return Cow::Borrowed(r.uri());
    }
    // SAFETY: as above; the line lives as long as the request.
    let line = unsafe { bytes((*r.raw()).the_request) }.unwrap_or_default();
    let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
    Cow::Borrowed(words.nth(1).unwrap_or_else(|| r.unparsed_uri()))
}

fn add_redirect(r: Request<'_>, env: Table<'_>) {
    // SAFETY: a live request; `prev` is null or another live one.
    unsafe {
        let Some(prev) = (*r.raw()).prev.as_mut() else { return };
        if sys::mw_qualify_redirect_url(r.raw()) != 0 {
            set(env, c"REDIRECT_URL", sys::ap_construct_url((*r.raw()).pool, prev.uri, prev));
        } else {
            set(env, c"REDIRECT_URL", prev.uri);
        }
        set(env, c"REDIRECT_QUERY_STRING", prev.args);
        set(env, c"REDIRECT_REMOTE_USER", prev.user);
    }
}

fn add_module_keys(r: Request<'_>, env: Table<'_>) {
    let pool = r.pool();
    let (host, port) = listener(r);
    env.set(pool, c"mod_wsgi.listener_host", host);
    env.set(pool, c"mod_wsgi.listener_port", decimal(u64::from(port)).as_bytes());
    env.set(pool, c"mod_wsgi.request_handler", r.handler());
    env.set(pool, c"mod_wsgi.server_pid", decimal(u64::from(crate::child::child_pid())).as_bytes());
    let id = r.log_id();
    if !id.is_empty() {
        env.set(pool, c"mod_wsgi.request_id", id);
    }
    let connection = r.connection_log_id();
    if !connection.is_empty() {
        env.set(pool, c"mod_wsgi.connection_id", connection);
    }
}

/// Host as written in the `Listen` line that accepted the connection, and the local port.
fn listener<'r>(r: Request<'r>) -> (&'r [u8], u16) {
    // SAFETY: a live request; httpd's listener list is constant while requests run.
    unsafe {
        let connection = (*r.raw()).connection;
        let Some(local) = (*connection).local_addr.as_ref() else { return (b"", 0) };
        let ip = bytes((*connection).local_ip).unwrap_or_default();
        let mut record = sys::ap_listeners;
        let mut wildcard: &[u8] = b"";
        while let Some(one) = record.as_ref() {
            if let Some(address) = one.bind_addr.as_ref().filter(|a| a.port == local.port) {
                let name = bytes(address.hostname).unwrap_or_default();
                if name == ip {
                    return (name, local.port);
                }
                if !matches!(name, b"" | b"0.0.0.0" | b"::") {
                    record = one.next;
                    continue;
                }
                wildcard = name;
            }
            record = one.next;
        }
        (wildcard, local.port)
    }
}

/// mod_ssl's opinion of the connection.
pub fn is_tls(r: Request<'_>) -> bool {
    type IsHttps = unsafe extern "C" fn(*mut sys::conn_rec) -> i32;
    static FOUND: OnceLock<Option<IsHttps>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        // SAFETY: mod_ssl documents this optional function with exactly this signature.
        unsafe {
            let function = sys::apr_dynamic_fn_retrieve(c"ssl_is_https".as_ptr());
            std::mem::transmute::<sys::apr_opt_fn_t, Option<IsHttps>>(function)
        }
    });
    // SAFETY: a live connection.
    found.is_some_and(|is_https| unsafe { is_https((*r.raw()).connection) != 0 })
}

/// A variable of mod_ssl's for the request; `None` without mod_ssl, and for names it does not know.
pub fn tls_variable<'r>(r: Request<'r>, name: &[u8]) -> Option<&'r [u8]> {
    type AccountLookup = unsafe extern "C" fn(
        *mut sys::apr_pool_t,
        *mut sys::server_rec,
        *mut sys::conn_rec,
        *mut sys::request_rec,
        *mut c_char,
    ) -> *mut c_char;
    // SAFETY: mod_ssl documents this optional function with exactly this signature.
    let lookup = unsafe {
        let function = sys::apr_dynamic_fn_retrieve(c"ssl_var_lookup".as_ptr());
        std::mem::transmute::<sys::apr_opt_fn_t, Option<AccountLookup>>(function)
    }?;
    let pool = r.pool();
    // SAFETY: a live request; the value lives in its pool or longer.
    unsafe { bytes(lookup(pool.raw(), r.server(), (*r.raw()).connection, r.raw(), pool.dup(name))) }
}

/// Decimal text of a number.
pub fn decimal(n: u64) -> String {
    n.to_string()
}

/// The table as the trusted-proxy rules see it.
struct ProxyEnvironment<'r> {
    r: Request<'r>,
    env: Table<'r>,
}

impl EnvTable for ProxyEnvironment<'_> {
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.env.get(&CString::new(key).ok()?)
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        self.env.set_copy(self.r.pool(), key.as_bytes(), value);
    }

    fn unset(&mut self, key: &str) {
        if let Ok(key) = CString::new(key) {
            self.env.unset(&key);
        }
    }
}

/// What group and callable names are expanded from (spec/directives.md §4).
pub struct ExpansionNames<'r> {
    /// The request.
    pub r: Request<'r>,
    /// The configuration.
    pub state: &'r ConfigState,
}

impl RequestNames for ExpansionNames<'_> {
    fn server_host(&self) -> &[u8] {
        // SAFETY: a live request's server.
        unsafe { crate::httpd::server::hostname(self.r.server()) }.unwrap_or_default()
    }

    fn request_host(&self) -> &[u8] {
        self.r.hostname()
    }

    fn port(&self) -> u16 {
        // SAFETY: a live request.
        unsafe { sys::ap_get_server_port(self.r.raw()) }
    }

    fn knows_port(&self, port: u16) -> bool {
        self.state.runtime.as_ref().is_none_or(|runtime| runtime.ports.contains(&port))
    }

    fn script(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.r.subprocess_env().get(c"mod_wsgi.script_name").unwrap_or_default())
    }

    fn case_sensitive(&self) -> bool {
        self.state.global.case_sensitive()
    }

    fn lookup(&self, name: &[u8]) -> Option<&[u8]> {
        let name = CString::new(name).ok()?;
        self.r.notes().get(&name).or_else(|| self.r.subprocess_env().get(&name)).or_else(|| {
            // SAFETY: httpd's children do not change their process environment while requests run.
            unsafe { bytes(libc::getenv(name.as_ptr())) }
        })
    }
}
