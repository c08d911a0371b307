//! From request to CGI environment, in httpd's per-request table (spec/behaviour.md §1). What the application
//! sees is this table without the internal keys.

use crate::config::ConfigState;
use crate::httpd::facts;
use crate::httpd::record::HttpdText;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::borrow::Cow;
use std::ffi::CString;
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
    let scheme = url_scheme(&mut proxied, scheme_applied, || r.is_tls());
    env.unset(c"PATH");
    scheme == "https"
}

/// Request headers; those with doubtful names leave the request altogether (§1.4).
fn add_headers(r: Request<'_>, env: Table<'_>, config: &RequestConfig<'_>) {
    let cgi_pass_auth = r.passes_authorization();
    let pool = r.pool();
    let mut doubtful: Vec<HttpdText<'_>> = Vec::new();
    let mut key = Vec::with_capacity(64);
    let headers = r.headers_in().entries();
    let found = Table::with_room(pool, headers.len());
    for (key_text, value) in headers {
        let Some(name) = key_text.bytes() else { continue };
        let cgi: HttpdText<'_> = match header_fate(name, config.pass_authorization, cgi_pass_auth) {
            HeaderFate::Remove => {
                doubtful.push(key_text);
                continue;
            }
            HeaderFate::Hide => continue,
            HeaderFate::ContentType => c"CONTENT_TYPE".into(),
            HeaderFate::ContentLength => c"CONTENT_LENGTH".into(),
            HeaderFate::Pass => {
                key.clear();
                write_cgi_key(name, &mut key);
                pool.dup(&key).into()
            }
        };
        found.add_text(cgi, value);
    }
    env.set_all(found);
    for name in doubtful.into_iter().filter_map(HttpdText::c_str) {
        r.headers_in().unset(name);
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

fn add_server(r: Request<'_>, env: Table<'_>) {
    env.set_text(c"SERVER_SOFTWARE", r.server_banner());
    env.set_text(c"SERVER_NAME", r.server_name_in_html());
    env.set(r.pool(), c"SERVER_PORT", decimal(u64::from(r.port())).as_bytes());
    env.set_text(c"SERVER_ADDR", r.local_address());
    env.set_text(c"SERVER_ADMIN", r.server().admin());
    env.set_text(c"SERVER_PROTOCOL", r.protocol_text());
    env.set_text(c"DOCUMENT_ROOT", r.document_root());
    env.set_text(c"REQUEST_SCHEME", r.scheme());
    env.set_text(c"CONTEXT_PREFIX", r.context_prefix());
    env.set_text(c"CONTEXT_DOCUMENT_ROOT", r.context_document_root());
}

fn add_client(r: Request<'_>, env: Table<'_>) {
    env.set_text(c"REMOTE_ADDR", r.client_ip());
    if let Some(port) = r.client_port() {
        env.set(r.pool(), c"REMOTE_PORT", decimal(u64::from(port)).as_bytes());
    }
    env.set_text(c"REMOTE_USER", r.user_text());
    env.set_text(c"AUTH_TYPE", r.auth_type());
}

fn add_target(r: Request<'_>, env: Table<'_>, config: &RequestConfig<'_>) {
    let pool = r.pool();
    env.set(pool, c"REQUEST_METHOD", method(r, config.map_head_to_get));
    let query = if r.args().is_empty() { c"".into() } else { r.query_string() };
    env.set_text(c"QUERY_STRING", query);
    env.set(pool, c"REQUEST_URI", &request_uri(r));
    let filename = r.filename();
    let cut = filename.iter().position(|b| *b == b'?').filter(|_| r.notes().get(c"proxy-noquery").is_some());
    env.set(pool, c"SCRIPT_FILENAME", &filename[..cut.unwrap_or(filename.len())]);
}

/// The method as the application sees it (§1.7).
fn method<'r>(r: Request<'r>, map: MapHead) -> &'r [u8] {
    let mapped = match map {
        MapHead::Off => false,
        MapHead::On => r.is_get(),
        MapHead::Auto => r.is_header_only() && r.is_filtered(),
    };
    if mapped { b"GET" } else { r.method() }
}

/// The target of the request line, raw; also after internal redirects.
pub fn request_uri(r: Request<'_>) -> Cow<'_, [u8]> {
    if r.is_uri_current() {
        return Cow::Borrowed(r.uri());
    }
    let line = r.request_line().bytes().unwrap_or_default();
    let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
    Cow::Borrowed(words.nth(1).unwrap_or_else(|| r.unparsed_uri()))
}

fn add_redirect(r: Request<'_>, env: Table<'_>) {
    if let Some(origin) = r.redirected_from() {
        env.set_text(c"REDIRECT_URL", origin.url);
        env.set_text(c"REDIRECT_QUERY_STRING", origin.query);
        env.set_text(c"REDIRECT_REMOTE_USER", origin.user);
    }
}

fn add_module_keys(r: Request<'_>, env: Table<'_>) {
    let pool = r.pool();
    let (host, port) = r.listener();
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
        self.r.server().name().bytes().unwrap_or_default()
    }

    fn request_host(&self) -> &[u8] {
        self.r.hostname()
    }

    fn port(&self) -> u16 {
        self.r.port()
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
        self.r
            .notes()
            .get(&name)
            .or_else(|| self.r.subprocess_env().get(&name))
            .or_else(|| facts::variable(&name))
    }
}
