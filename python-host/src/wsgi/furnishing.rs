//! Making what one interpreter keeps ready for its requests (`super::kit`).

use super::kit::{InternedNames, InterpreterKit};
use super::{adapter, file_wrapper, input, module};
use crate::host_scripts::ssl;
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::{Attached, NumberValues, Object, Owned, Result, TextValues, base_exception, import};
use std::sync::Mutex;
use wsgi_protocol::keys::{self, KNOWN_KEYS, USUAL_KEYS};

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
            log::write(log::INFO, &messages::package_grafted(&interpreter.place()));
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
