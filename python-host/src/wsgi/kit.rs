//! What one interpreter keeps ready for its requests: classes, names, the environ template, the `mod_wsgi` module.

use crate::python::class::StoredClass;
use crate::python::{Attached, Result, Stored, TextValues};
use std::sync::Mutex;
use wsgi_protocol::keys;

/// Declares a structure of interned strings.
macro_rules! names {
    ($($field:ident = $text:expr),* $(,)?) => {
        /// Interned strings that the request path uses.
        #[derive(Debug)]
        pub struct InternedNames {
            $(#[doc = concat!("Field `", stringify!($field), "`.")] pub $field: Stored,)*
        }

        impl InternedNames {
            pub(super) fn new(py: Attached<'_>) -> Result<Self> {
                Ok(Self { $($field: py.interned($text)?.store(),)* })
            }
        }
    };
}

names! {
    application = "application",
    application_start = keys::APPLICATION_START,
    close = "close",
    daemon_start = keys::DAEMON_START,
    dict = "__dict__",
    http = "http",
    https = "https",
    mtime = "__mtime__",
    queue_start = keys::QUEUE_START,
    read = "read",
    reload_required = "reload_required",
    replace = "replace",
    request_start = keys::REQUEST_START,
    start_response = "start_response",
    tell = "tell",
    thread_id = keys::THREAD_ID,
    utf_8 = "utf-8",
    write = "write",
    wsgi_errors = "wsgi.errors",
    wsgi_input = "wsgi.input",
    wsgi_url_scheme = "wsgi.url_scheme",
}

/// The class of `start_response` (`super::adapter`).
pub struct AdapterClass;
/// What host scripts ask mod_ssl by (`crate::host_scripts::ssl`).
pub struct AuthClass;
/// The class of `wsgi.input` (`super::input`).
pub struct InputClass;
/// The class of `wsgi.file_wrapper` (`super::file_wrapper`).
pub struct FileWrapperClass;

/// See the module's comment. Everything belongs to one interpreter.
#[derive(Debug)]
pub struct InterpreterKit {
    /// Strings.
    pub names: InternedNames,
    /// The environ keys that travel as numbers.
    pub keys: Vec<Stored>,
    /// What every environ holds.
    pub template: Stored,
    /// `mod_wsgi.Adapter`.
    pub adapter: StoredClass<AdapterClass>,
    /// `mod_wsgi.Auth`.
    pub auth: StoredClass<AuthClass>,
    /// `mod_wsgi.Input`.
    pub input: StoredClass<InputClass>,
    /// `mod_wsgi.FileWrapper`.
    pub file_wrapper: StoredClass<FileWrapperClass>,
    /// `mod_wsgi.RequestTimeout`.
    pub request_timeout: Stored,
    /// `io.TextIOWrapper`.
    pub text_io: Stored,
    /// `compile`.
    pub compile: Stored,
    /// The `mod_wsgi` module.
    pub module: Stored,
    /// `mod_wsgi.event_callbacks`.
    pub event_callbacks: Stored,
    /// `mod_wsgi.shutdown_callbacks`.
    pub shutdown_callbacks: Stored,
    /// `mod_wsgi.signal_callbacks`.
    pub signal_callbacks: Stored,
    /// `mod_wsgi.active_requests`.
    pub active_requests: Stored,
    /// Text layers and log objects of earlier requests that nobody else refers to.
    pub spare_logs: Mutex<Vec<(Stored, Stored)>>,
}
