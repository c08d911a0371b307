//! What httpd and mod_ssl know of a request that a CGI environment, and the pre-checks, are made of.

use super::request::Request;
use super::{HttpdText, bytes};
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
        /// The address that the client has connected to.
        local_address = |r| (*(*r).connection).local_ip;
        /// ServerAdmin.
        server_admin = |r| (*(*r).server).server_admin;
        /// `HTTP/1.1`
        protocol_text = |r| (*r).protocol;
        /// DocumentRoot.
        document_root = |r| sys::ap_document_root(r);
        /// `http`, or `https`.
        scheme = |r| sys::mw_scheme(r);
        /// The prefix of the URL that the mapping has taken off.
        context_prefix = |r| sys::ap_context_prefix(r);
        /// The folder that the prefix stands for.
        context_document_root = |r| sys::ap_context_document_root(r);
        /// The client's address.
        client_ip = |r| (*r).useragent_ip;
        /// The user that httpd has authenticated.
        user_text = |r| (*r).user;
        /// How.
        auth_type = |r| (*r).ap_auth_type;
        /// The query string.
        query_string = |r| (*r).args;
        /// The request line as received.
        request_line = |r| (*r).the_request;
    }

    /// ServerName of the virtual host, as configured or derived.
    pub fn server_name(self) -> Option<&'r [u8]> {
        // SAFETY: a live request has a server.
        unsafe { super::server::hostname(self.server()) }
    }

    /// The port that URLs of this server name.
    pub fn port(self) -> u16 {
        // SAFETY: a live request.
        unsafe { sys::ap_get_server_port(self.raw()) }
    }

    /// The client's port; missing on synthetic requests.
    pub fn client_port(self) -> Option<u16> {
        // SAFETY: a live request; the address may be null.
        unsafe { (*self.raw()).useragent_addr.as_ref() }.map(|address| address.port)
    }

    /// CGIPassAuth.
    pub fn passes_authorization(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_cgi_pass_auth(self.raw()) != 0 }
    }

    /// GET or HEAD, which httpd takes for one method.
    pub fn is_get(self) -> bool {
        // SAFETY: a live request.
        unsafe { (*self.raw()).method_number == sys::mw_method_get() }
    }

    /// Whether REQUEST_URI is to be the present URI instead of the one that was asked for.
    pub fn is_uri_current(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::mw_request_uri_is_current(self.raw()) != 0 }
    }

    /// Where an internal redirect has come from.
    pub fn redirected_from(self) -> Option<RedirectOrigin<'r>> {
        // SAFETY: a live request; `prev` is null or another live one.
        unsafe {
            let prev = (*self.raw()).prev.as_mut()?;
            let is_qualified = sys::mw_qualify_redirect_url(self.raw()) != 0;
            let url = match is_qualified {
                true => sys::ap_construct_url((*self.raw()).pool, prev.uri, prev),
                false => prev.uri,
            };
            let text = |raw| HttpdText::from_raw(raw);
            Some(RedirectOrigin { url: text(url), query: text(prev.args), user: text(prev.user) })
        }
    }

    /// Host as written in the `Listen` line that accepted the connection, and the local port.
    pub fn listener(self) -> (&'r [u8], u16) {
        // SAFETY: a live request; httpd's listener list is constant while requests run.
        unsafe {
            let connection = (*self.raw()).connection;
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
        found.is_some_and(|is_https| unsafe { is_https((*self.raw()).connection) != 0 })
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
            let connection = (*self.raw()).connection;
            bytes(lookup(pool.raw(), self.server(), connection, self.raw(), pool.dup(name)))
        }
    }

    /// Options ExecCGI.
    pub fn allows_exec_cgi(self) -> bool {
        // SAFETY: a live request.
        unsafe { sys::ap_allow_options(self.raw()) as u32 & sys::OPT_EXECCGI != 0 }
    }

    /// AcceptPathInfo Off.
    pub fn rejects_path_info(self) -> bool {
        // SAFETY: a live request.
        unsafe { (*self.raw()).used_path_info == sys::AP_REQ_REJECT_PATH_INFO as c_int }
    }

    /// LimitRequestBody; 0 for none.
    pub fn body_limit(self) -> u64 {
        // SAFETY: a live request.
        unsafe { sys::ap_get_limit_req_body(self.raw()) }.max(0) as u64
    }

    /// Sets what follows the script in the URL.
    pub fn set_path_info(self, info: &[u8]) {
        let copy = self.pool().dup(info);
        // SAFETY: the copy lives in the request's pool.
        unsafe { (*self.raw()).path_info = copy };
    }

    /// Whether the end of the response has been sent.
    pub fn is_sent(self) -> bool {
        // SAFETY: plain field of a live request.
        unsafe { (*self.raw()).eos_sent != 0 }
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
        // SAFETY: a live request; the copies live in its pool.
        unsafe {
            (*self.raw()).method = pool.dup(b"GET");
            (*self.raw()).method_number = sys::mw_method_get();
            sys::ap_internal_redirect(pool.dup(target), self.raw());
        }
    }
}

/// A variable of the process's environment.
pub fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: httpd's children do not change their process environment while requests run.
    unsafe { bytes(libc::getenv(name.as_ptr())) }
}
