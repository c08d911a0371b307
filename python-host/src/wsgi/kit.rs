//! What one interpreter keeps ready for its requests: classes, names, the environ template, the `mod_wsgi` module.

use super::{adapter, file_wrapper, input, module};
use crate::host_scripts::ssl;
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::class::StoredClass;
use crate::python::{
    Attached, NumberValues, Object, Owned, Result, Stored, TextValues, base_exception, import,
};
use std::sync::Mutex;
use wsgi_protocol::keys::{self, KNOWN_KEYS, USUAL_KEYS};

/// Declares a structure of interned strings.
macro_rules! names {
    ($($field:ident = $text:expr),* $(,)?) => {
        /// Interned strings that the request path uses.
        #[derive(Debug)]
        pub struct InternedNames {
            $(#[doc = concat!("Field `", stringify!($field), "`.")] pub $field: Stored,)*
        }

        impl InternedNames {
            fn new(py: Attached<'_>) -> Result<Self> {
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

impl InterpreterKit {
    /// Makes everything, and installs the `mod_wsgi` module.
    pub fn build(py: Attached<'_>, interpreter: &Interpreter) -> Result<Self> {
        let names = InternedNames::new(py)?;
        let keys = KNOWN_KEYS.iter().map(|key| Ok(py.interned(key)?.store())).collect::<Result<Vec<_>>>()?;
        let wrapper = file_wrapper::class(py)?;
        let timeout = request_timeout(py)?;
        let template = template(py, interpreter, &names, &wrapper)?;
        let list = || Ok(py.list(&[])?.store());
        let kit = Self {
            names,
            keys,
            template: template.store(),
            adapter: adapter::class(py)?.store(),
            auth: ssl::class(py)?.store(),
            input: input::class(py)?.store(),
            file_wrapper: wrapper.store(),
            request_timeout: timeout.store(),
            text_io: import(py, "io")?.attr_named(py, "TextIOWrapper")?.store(),
            compile: import(py, "builtins")?.attr_named(py, "compile")?.store(),
            module: module::create(py)?.store(),
            event_callbacks: list()?,
            shutdown_callbacks: list()?,
            signal_callbacks: list()?,
            active_requests: py.dict()?.store(),
            spare_logs: Mutex::default(),
        };
        module::fill(py, interpreter, &kit)?;
        Ok(kit)
    }

    /// Lets `import mod_wsgi.<sub>` find the sub-modules of an installed package of that name.
    pub fn graft_package(&self, py: Attached<'_>, interpreter: &Interpreter) -> Result<()> {
        let path = interpreter.fixture(py, "package_path", &[])?;
        if !path.is_none() {
            self.module.get(py).set_attr(py, "__path__", &path)?;
            log::write(log::INFO, &messages::package_grafted(interpreter));
        }
        Ok(())
    }
}

/// `mod_wsgi.RequestTimeout`, which `except Exception` does not catch.
fn request_timeout(py: Attached<'_>) -> Result<Owned<'_>> {
    base_exception(py, c"mod_wsgi.RequestTimeout")
}

fn template<'py>(
    py: Attached<'py>,
    interpreter: &Interpreter,
    names: &InternedNames,
    wrapper: &Object,
) -> Result<Owned<'py>> {
    let launch = interpreter.host.launch();
    let template = py.dict()?;
    for (index, key) in KNOWN_KEYS.iter().enumerate() {
        if USUAL_KEYS & (1 << index) != 0 {
            template.dict_set(&*py.interned(key)?, py.none())?;
        }
    }
    let version = py.tuple(&[&*py.int(1)?, &*py.int(0)?])?;
    for (key, value) in [
        ("wsgi.version", &*version),
        ("wsgi.multithread", py.truth(launch.multithread)),
        ("wsgi.multiprocess", py.truth(launch.multiprocess)),
        ("wsgi.run_once", py.truth(launch.run_once)),
        ("wsgi.input_terminated", py.truth(true)),
        ("wsgi.file_wrapper", wrapper),
        (keys::VERSION, &*py.version(launch.version)?),
        ("apache.version", &*py.version(launch.httpd.version)?),
    ] {
        template.dict_set(&*py.interned(key)?, value)?;
    }
    for name in [
        &names.wsgi_url_scheme,
        &names.wsgi_input,
        &names.wsgi_errors,
        &names.thread_id,
        &names.request_start,
        &names.queue_start,
        &names.daemon_start,
        &names.application_start,
    ] {
        template.dict_set(name.get(py), py.none())?;
    }
    Ok(template)
}
