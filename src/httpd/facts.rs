//! What httpd and mod_ssl know of a request that a CGI environment, and the pre-checks, are made of.

use super::record::HttpdText;
use super::request::Request;
use super::server::listeners;
use apr_sys as sys;
use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = |$r:ident| $text:expr;)*) => {
        $($(#[$doc])*
        pub fn $name(self) -> HttpdText<'r> {
            let $r = self.raw();
            // SAFETY: a live request with connection and server; the string lives as long as the request, or longer.
            unsafe { HttpdText::from_raw($text) }
        })*
    };
}

/// The request from which this one was redirected internally.
pub struct RedirectOrigin<'r> {
    /// Its URL, or its path.
    pub url: HttpdText<'r>,
    /// Its query string.
    pub query: HttpdText<'r>,
    /// Its user.
    pub user: HttpdText<'r>,
}

impl<'r> Request<'r> {
    texts! {
        /// What httpd calls itself.
        server_banner = |_r| sys::ap_get_server_banner();
        /// The name of the server, as it may stand in a page.
        server_name_in_html = |r| sys::ap_escape_html2((*r).pool, sys::ap_get_server_name_for_url(r), 0);
        /// The line under the pages of httpd.
        server_signature = |r| sys::ap_psignature(c"".as_ptr(), r);
        /// DocumentRoot.
        document_root = |r| sys::ap_document_root(r);
        /// `http`, or `https`.
        scheme = |r| sys::mw_scheme(r);
        /// The prefix of the URL that the mapping has taken off.
        context_prefix = |r| sys::ap_context_prefix(r);
        /// The folder that the prefix stands for.
        context_document_root = |r| sys::ap_context_document_root(r);
    }

    /// The address that the client has connected to.
    pub fn local_address(self) -> HttpdText<'r> {
        self.connection().text(|c| &c.local_ip)
    }

    /// `HTTP/1.1`
    pub fn protocol_text(self) -> HttpdText<'r> {
        self.record().text(|r| &r.protocol)
    }

    /// The client's address.
    pub fn client_ip(self) -> HttpdText<'r> {
        self.record().text(|r| &r.useragent_ip)
    }

    /// The user that httpd has authenticated.
    pub fn user_text(self) -> HttpdText<'r> {
        self.record().text(|r| &r.user)
    }

    /// How.
    pub fn auth_type(self) -> HttpdText<'r> {
        self.record().text(|r| &r.ap_auth_type)
    }

    /// The query string.
    pub fn query_string(self) -> HttpdText<'r> {
        self.record().text(|r| &r.args)
    }

    /// The request line as received.
    pub fn request_line(self) -> HttpdText<'r> {
        self.record().text(|r| &r.the_request)
    }

    /// The port that URLs of this server name.
    pub fn port(self) -> u16 {
        // SAFETY: a live request.
        unsafe { sys::ap_get_server_port(self.raw()) }
    }

    /// The client's port; missing on synthetic requests.
    pub fn client_port(self) -> Option<u16> {
        self.record().follow(|r| &r.useragent_addr).map(|address| address.get(|address| address.port))
    }

    /// CGIPassAuth.
    pub fn passes_authorization(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_cgi_pass_auth(self.raw()) != 0 }
    }

    /// GET or HEAD, which httpd takes for one method.
    pub fn is_get(self) -> bool {
        self.record().get(|r| r.method_number) == sys::mw_method_get()
    }

    /// Whether REQUEST_URI is to be the present URI instead of the one that was asked for.
    pub fn is_uri_current(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_request_uri_is_current(self.raw()) != 0 }
    }

    /// Where an internal redirect has come from.
    pub fn redirected_from(self) -> Option<RedirectOrigin<'r>> {
        let from = self.record().follow(|r| &r.prev)?;
        // SAFETY: two live requests; the URL lives in the pool of this one.
        let url = unsafe {
            let is_qualified = sys::mw_qualify_redirect_url(self.raw()) != 0;
            let path = from.get(|r| r.uri);
            is_qualified
                .then(|| HttpdText::from_raw(sys::ap_construct_url(self.pool().raw(), path, from.raw())))
        };
        let url = url.unwrap_or_else(|| from.text(|r| &r.uri));
        Some(RedirectOrigin { url, query: from.text(|r| &r.args), user: from.text(|r| &r.user) })
    }

    /// Host as written in the `Listen` line that accepted the connection, and the local port.
    pub fn listener(self) -> (&'r [u8], u16) {
        let Some(local) = self.connection().follow(|c| &c.local_addr) else { return (b"", 0) };
        let port = local.get(|address| address.port);
        let ip = self.local_address().bytes().unwrap_or_default();
        let mut wildcard: &[u8] = b"";
        let addresses = listeners().filter_map(|listener| listener.follow(|listener| &listener.bind_addr));
        for address in addresses.filter(|address| address.get(|address| address.port) == port) {
            let name = address.text(|address| &address.hostname).bytes().unwrap_or_default();
            if name == ip {
                return (name, port);
            }
            if matches!(name, b"" | b"0.0.0.0" | b"::") {
                wildcard = name;
            }
        }
        (wildcard, port)
    }

    /// mod_ssl's opinion of the connection.
    pub fn is_tls(self) -> bool {
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
        found.is_some_and(|is_https| unsafe { is_https(self.connection().raw()) != 0 })
    }

    /// A variable of mod_ssl's for the request; `None` without mod_ssl, and for names it does not know.
    pub fn tls_variable(self, name: &[u8]) -> Option<&'r [u8]> {
        type AccountLookup = unsafe extern "C" fn(
            *mut sys::apr_pool_t,
            *mut sys::server_rec,
            *mut sys::conn_rec,
            *mut sys::request_rec,
            *mut c_char,
        ) -> *mut c_char;
        let pool = self.pool();
        // SAFETY: mod_ssl documents this optional function with exactly this signature; a live request, in whose pool the
        // value lives, or longer.
        unsafe {
            let function = sys::apr_dynamic_fn_retrieve(c"ssl_var_lookup".as_ptr());
            let lookup = std::mem::transmute::<sys::apr_opt_fn_t, Option<AccountLookup>>(function)?;
            let (server, connection) = (self.server().raw(), self.connection().raw());
            let name = pool.dup(name).raw();
            HttpdText::from_raw(lookup(pool.raw(), server, connection, self.raw(), name)).bytes()
        }
    }

    /// Options ExecCGI.
    pub fn allows_exec_cgi(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::ap_allow_options(self.raw()) as u32 & sys::OPT_EXECCGI != 0 }
    }

    /// AcceptPathInfo Off.
    pub fn rejects_path_info(self) -> bool {
        self.record().get(|r| r.used_path_info) == sys::AP_REQ_REJECT_PATH_INFO as c_int
    }

    /// LimitRequestBody; 0 for none.
    pub fn body_limit(self) -> u64 {
        // SAFETY: a live request.
        unsafe { sys::ap_get_limit_req_body(self.raw()) }.max(0) as u64
    }

    /// Whether the end of the response has been sent.
    pub fn is_sent(self) -> bool {
        self.record().get(|r| r.eos_sent) != 0
    }

    /// The length of the response's body.
    pub fn set_content_length(self, length: i64) {
        // SAFETY: a live request.
        unsafe { sys::ap_set_content_length(self.raw(), length) };
    }

    /// Appends to the response, by httpd's own buffer.
    pub fn append(self, text: &[u8]) {
        let length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        // SAFETY: a live request of this thread; the text is at least as long as announced.
        unsafe { sys::ap_rwrite(text.as_ptr().cast(), length, self.raw()) };
    }

    /// Runs another one in its place, as GET without a body: that does not belong to the new request.
    pub fn redirect(self, target: &[u8]) {
        let pool = self.pool();
        self.headers_in().unset(c"Content-Length");
        self.headers_in().unset(c"Transfer-Encoding");
        self.record().set(|r| &mut r.method, HttpdText::from(c"GET"));
        self.record().set(|r| &mut r.method_number, sys::mw_method_get());
        // SAFETY: a live request; the copy lives in its pool.
        unsafe { sys::ap_internal_redirect(pool.dup(target).raw(), self.raw()) };
    }
}

/// A variable of the process's environment.
pub fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: httpd's children do not change their process environment while requests run.
    unsafe { HttpdText::from_raw(libc::getenv(name.as_ptr())) }.bytes()
}
