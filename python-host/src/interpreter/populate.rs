//! What an interpreter gets before application code runs in it, in the order of spec/daemon.md §5.8.

use super::Interpreter;
use super::rules::{InterpreterSettings, resolve};
use crate::log;
use crate::messages;
use crate::python::embedded_source::{self, NativeFunction, native, source};
use crate::python::trampoline::CallArguments;
use crate::python::{
    Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues, import,
};
use crate::wsgi::{self, InterpreterKit, failures};
use std::ffi::CStr;
use std::sync::OnceLock;
use wsgi_protocol::events::{self, LogEvent};
use wsgi_protocol::launch::{HostMode, Launch};

const SOURCE: &CStr = source(concat!(include_str!("fixtures.py"), "\0"));

/// What the main interpreter gets at once, before anybody knows which application group it will serve: on the
/// process's main thread, so that `threading` knows which one that is.
pub fn populate_main_basics(interpreter: &Interpreter, py: Attached<'_>) -> bool {
    let result = interpreter.load_fixtures(py).and_then(|()| {
        interpreter.basics(py)?;
        let raw = wsgi::log_object::stream(py, interpreter, "<stderr>")?;
        interpreter.fixture(py, "stderr", &[&raw])?;
        let raw = wsgi::log_object::stream(py, interpreter, "<stdout>")?;
        interpreter.fixture(py, "stdout", &[&raw, py.truth(false)])
    });
    interpreter.succeeded(py, result.map(drop))
}

impl Interpreter {
    /// Populates it for an application group. False: it cannot be used, and the reason has been logged.
    pub(super) fn populate(&self, py: Attached<'_>, name: &[u8]) -> bool {
        if self.kit.get().is_some() {
            return true;
        }
        let launch = self.host.launch();
        let settings = resolve(launch, name);
        let _ = self.name.set(name.into());
        log::write(log::INFO, &messages::interpreter_made(self.name(), self.is_main, self.own_gil));
        let result = self.populate_inner(py, launch, &settings);
        self.succeeded(py, result)
    }

    /// `threading`, codecs and `sys.argv`, before any code of an application.
    fn basics(&self, py: Attached<'_>) -> Result<()> {
        let title = match &self.host.launch().title {
            Some(title) => py.path(title)?,
            None => py.none().own(py),
        };
        self.fixture(py, "basics", &[&title]).map(drop)
    }

    fn populate_inner(
        &self,
        py: Attached<'_>,
        launch: &Launch,
        settings: &InterpreterSettings<'_>,
    ) -> Result<()> {
        if self.fixtures.get().is_none() {
            self.load_fixtures(py)?;
            self.basics(py)?;
        }
        self.switch_interval(py, settings)?;
        let kit = InterpreterKit::build(py, self)?;
        self.streams(py, settings);
        self.signals(py, settings);
        self.environment(py, launch)?;
        self.paths(py, launch, settings)?;
        kit.graft_package(py, self)?;
        self.apache(py, launch)?;
        // Nobody else populates this interpreter: creation is locked.
        let _ = self.kit.set(kit);
        Ok(())
    }

    fn succeeded(&self, py: Attached<'_>, result: Result<()>) -> bool {
        match result {
            Ok(()) => true,
            Err(raised) => {
                failures::report_startup(py, self, raised.take(py));
                false
            }
        }
    }

    /// Logs a failure that does not matter enough to give the interpreter up.
    fn tolerate(&self, py: Attached<'_>, event: &LogEvent, what: &str, result: Result<Owned<'_>>) {
        if let Err(raised) = result {
            log::write(log::ERROR, &messages::not_installed(event, what));
            failures::report_startup(py, self, raised.take(py));
        }
    }

    fn load_fixtures(&self, py: Attached<'_>) -> Result<()> {
        let space = embedded_source::run(py, SOURCE, c"<mod_wsgi>", native_functions())?;
        // Only the first caller gets here.
        let _ = self.fixtures.set(space.store());
        Ok(())
    }

    fn switch_interval(&self, py: Attached<'_>, settings: &InterpreterSettings<'_>) -> Result<()> {
        let Some((seconds, is_own)) = settings.switch_interval else { return Ok(()) };
        if is_own && !self.is_main && !self.own_gil {
            log::write(
                log::WARN,
                &messages::no_switch_interval(
                    &events::INTERVAL_OF_SHARED_GIL,
                    "the interpreter shares the GIL",
                ),
            );
            return Ok(());
        }
        if self.is_main || self.own_gil {
            import(py, "sys")?.call_method(py, "setswitchinterval", &[&*py.float(seconds)?])?;
            log::write(log::INFO, &messages::switch_interval(seconds, &self.place()));
        }
        Ok(())
    }

    fn streams(&self, py: Attached<'_>, settings: &InterpreterSettings<'_>) {
        let stderr = wsgi::log_object::stream(py, self, "<stderr>")
            .and_then(|raw| self.fixture(py, "stderr", &[&raw]));
        self.tolerate(py, &events::STDERR_KEPT, "sys.stderr", stderr);
        let stdout = wsgi::log_object::stream(py, self, "<stdout>")
            .and_then(|raw| self.fixture(py, "stdout", &[&raw, py.truth(settings.restrict_stdout)]));
        self.tolerate(py, &events::STDOUT_KEPT, "sys.stdout", stdout);
        if settings.restrict_stdin {
            self.tolerate(py, &events::STDIN_KEPT, "sys.stdin", self.fixture(py, "restrict_stdin", &[]));
        }
    }

    fn signals(&self, py: Attached<'_>, settings: &InterpreterSettings<'_>) {
        if self.host.is_service() {
            // Python lets only its main interpreter and main thread set a handler.
            if self.is_main {
                self.tolerate(
                    py,
                    &events::NO_SIGTERM_HANDLER,
                    "the SIGTERM handler",
                    self.fixture(py, "end_on_sigterm", &[]),
                );
            }
        } else if settings.restrict_signal {
            self.tolerate(
                py,
                &events::SIGNAL_KEPT,
                "signal.signal",
                self.fixture(py, "intercept_signals", &[]),
            );
        }
    }

    fn environment(&self, py: Attached<'_>, launch: &Launch) -> Result<()> {
        let text = |bytes: Option<&Vec<u8>>| match bytes {
            Some(bytes) => py.path(bytes),
            None => Ok(py.none().own(py)),
        };
        let user = launch.user.as_ref().filter(|_| launch.mode == HostMode::Daemon);
        let name = text(user.map(|(name, _)| name))?;
        let home = text(user.map(|(_, home)| home))?;
        let eggs = text(launch.python_eggs.as_ref())?;
        self.fixture(py, "environment", &[&name, &home, &eggs])?;
        Ok(())
    }

    fn paths(&self, py: Attached<'_>, launch: &Launch, settings: &InterpreterSettings<'_>) -> Result<()> {
        let layers = py.list(&[])?;
        for layer in &settings.layers {
            layers.list_append(&*py.path(layer)?)?;
        }
        let home = match &launch.home {
            Some(home) => py.path(home)?,
            None => py.none().own(py),
        };
        let failure = self.fixture(py, "add_paths", &[&layers, &home])?;
        if !failure.is_none() {
            log::write(log::ERROR, &messages::path_failed());
            failures::report_startup(py, self, failure.raise().take(py));
        }
        Ok(())
    }

    fn apache(&self, py: Attached<'_>, launch: &Launch) -> Result<()> {
        let httpd = &launch.httpd;
        let facts = py.dict()?;
        facts.dict_set_named(py, "version", &*py.version(httpd.version)?)?;
        facts.dict_set_named(py, "maximum_processes", &*py.int(httpd.maximum_processes.into())?)?;
        facts.dict_set_named(py, "threads_per_process", &*py.int(httpd.threads_per_process.into())?)?;
        facts.dict_set_named(py, "description", &*py.latin1(&httpd.description)?)?;
        facts.dict_set_named(py, "mpm_name", &*py.latin1(&httpd.mpm_name)?)?;
        facts.dict_set_named(py, "build_date", &*py.latin1(&httpd.build_date)?)?;
        let embedded = py.truth(launch.mode == HostMode::Embedded);
        self.fixture(py, "apache_module", &[embedded, &facts])?;
        Ok(())
    }
}

/// The functions that `fixtures.py` expects.
fn native_functions() -> &'static [NativeFunction] {
    static TABLE: OnceLock<[NativeFunction; 3]> = OnceLock::new();
    TABLE.get_or_init(|| {
        [native(c"log", log_line), native(c"log_in_request", log_in_request), native(c"is_logged", is_logged)]
    })
}

/// `level, text` of a call from `fixtures.py`.
fn record(py: Attached<'_>, arguments: CallArguments<'_>) -> Result<(u8, String)> {
    match arguments {
        [level, text] => Ok((level_of(py, level), text.lossy(py))),
        _ => Err(Raised::new(py, ExceptionKind::Type, "level and text")),
    }
}

fn level_of(py: Attached<'_>, level: &Object) -> u8 {
    level.as_int(py).and_then(|level| u8::try_from(level).ok()).unwrap_or(log::ERROR)
}

fn log_line<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    let (level, text) = record(py, arguments)?;
    log::write(level, &text);
    Ok(py.none().own(py))
}

fn log_in_request<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    let (level, text) = record(py, arguments)?;
    wsgi::request::log_current(py, level, &text);
    Ok(py.none().own(py))
}

fn is_logged<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    let level = arguments.first().map_or(log::ERROR, |level| level_of(py, level));
    Ok(py.truth(wsgi::request::is_logged(level)).own(py))
}
