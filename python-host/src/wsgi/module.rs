//! The `mod_wsgi` module of an interpreter (spec/behaviour.md §8.1).

use super::kit::InterpreterKit;
use super::metrics;
use super::request;
use crate::interpreter::{self, Interpreter};
use crate::log;
use crate::messages;
use crate::python::embedded_source::{self, ModuleFunctions, native};
use crate::python::trampoline::{self, CallArguments};
use crate::python::{
    Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, Stored, TextValues, lock, modules,
    thread_ident,
};
use std::sync::OnceLock;
use wsgi_protocol::launch::HostMode;

fn functions() -> ModuleFunctions {
    ModuleFunctions::new([
        native(c"subscribe_events", subscribe_events),
        native(c"subscribe_shutdown", subscribe_shutdown),
        native(c"subscribe_signals", subscribe_signals),
        native(c"request_data", request_data),
        native(c"start_recording_metrics", metrics::start_recording),
        native(c"request_metrics", metrics::request_metrics),
        native(c"process_metrics", metrics::process_metrics),
        native(c"server_metrics", metrics::server_metrics),
        native(c"__getattr__", late_attribute),
        native(c"__dir__", names),
    ])
}

/// The module with its functions, not yet visible to anybody.
pub fn create(py: Attached<'_>) -> Result<Owned<'_>> {
    static FUNCTIONS: OnceLock<ModuleFunctions> = OnceLock::new();
    embedded_source::module(py, c"mod_wsgi", FUNCTIONS.get_or_init(functions))
}

/// Fills it from the kit and makes it importable.
pub fn fill(py: Attached<'_>, interpreter: &Interpreter, kit: &InterpreterKit) -> Result<()> {
    let launch = interpreter.host.launch();
    let module = kit.module.get(py);
    // A service has no request threads.
    let least = if interpreter.host.is_service() { 0 } else { 1 };
    for (name, value) in [
        ("version", &*py.version(launch.version)?),
        ("process_group", &*py.latin1(&launch.group)?),
        ("application_group", &*py.latin1(interpreter.name())?),
        ("maximum_processes", &*py.int(launch.processes.max(1).into())?),
        ("threads_per_process", &*py.int(launch.threads.max(least).into())?),
        ("FileWrapper", kit.file_wrapper.get(py)),
        ("RequestTimeout", kit.request_timeout.get(py)),
        ("event_callbacks", kit.event_callbacks.get(py)),
        ("shutdown_callbacks", kit.shutdown_callbacks.get(py)),
        ("signal_callbacks", kit.signal_callbacks.get(py)),
        ("active_requests", kit.active_requests.get(py)),
    ] {
        module.set_attr(py, name, value)?;
    }
    modules(py).dict_set_named(py, "mod_wsgi", module)
}

fn kit(py: Attached<'_>) -> Result<(&'static Interpreter, &'static InterpreterKit)> {
    let interpreter = interpreter::current(py);
    let kit = interpreter.and_then(|interpreter| Some((interpreter, interpreter.furnished()?)));
    kit.ok_or_else(|| Raised::new(py, ExceptionKind::Runtime, "the interpreter is not ready"))
}

/// `__getattr__` of the module: `LogHandler` is made when it is first asked for, because importing `logging` costs a process
/// two megabytes.
fn late_attribute<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    let (interpreter, kit) = kit(py)?;
    let name = one(py, "__getattr__", arguments)?.lossy(py);
    if name != "LogHandler" {
        let text = format!("module 'mod_wsgi' has no attribute '{name}'");
        return Err(Raised::new(py, ExceptionKind::Attribute, &text));
    }
    let handler = interpreter.fixture(py, "log_handler", &[])?;
    kit.module.get(py).set_attr(py, "LogHandler", &handler)?;
    Ok(handler)
}

/// `__dir__` of the module: what is there, and `LogHandler`.
fn names<'py>(py: Attached<'py>, _: CallArguments<'py>) -> Result<Owned<'py>> {
    let (interpreter, kit) = kit(py)?;
    interpreter.fixture(py, "names_of_module", &[kit.module.get(py)])
}

fn one<'py>(py: Attached<'py>, function: &str, arguments: CallArguments<'py>) -> Result<&'py Object> {
    match arguments {
        [argument] => Ok(argument),
        _ => {
            let text = format!("{function}() takes exactly 1 argument ({} given)", arguments.len());
            Err(Raised::new(py, ExceptionKind::Type, &text))
        }
    }
}

fn subscribe<'py>(
    py: Attached<'py>,
    function: &str,
    arguments: CallArguments<'py>,
    list: fn(&InterpreterKit) -> &Stored,
) -> Result<Owned<'py>> {
    let callback = one(py, function, arguments)?;
    list(kit(py)?.1).get(py).list_append(callback)?;
    Ok(callback.own(py))
}

fn subscribe_events<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    subscribe(py, "subscribe_events", arguments, |kit| &kit.event_callbacks)
}

fn subscribe_shutdown<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    subscribe(py, "subscribe_shutdown", arguments, |kit| &kit.shutdown_callbacks)
}

fn subscribe_signals<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    let (interpreter, _) = kit(py)?;
    if interpreter.host.launch().mode == HostMode::Daemon {
        return subscribe(py, "subscribe_signals", arguments, |kit| &kit.signal_callbacks);
    }
    let callback = one(py, "subscribe_signals", arguments)?;
    request::log_current(py, log::INFO, messages::NO_SIGNALS);
    let stack = interpreter.fixture(py, "stack", &[&*py.int(thread_ident() as i64)?])?;
    for entry in stack.texts(py) {
        entry.lines().for_each(|line| request::log_current(py, log::INFO, line));
    }
    Ok(callback.own(py))
}

fn request_data<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<Owned<'py>> {
    trampoline::none(py, "request_data", arguments)?;
    let data = request::current(py).and_then(|state| {
        lock(py, &state.registered).as_ref().map(|registered| registered.data.get(py).own(py))
    });
    data.ok_or_else(|| Raised::new(py, ExceptionKind::Runtime, "no active request for thread"))
}
