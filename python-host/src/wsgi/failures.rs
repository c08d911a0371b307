//! Exceptions that nobody caught: which record says so, and the traceback, one record per line (spec/behaviour.md §3.6).

use super::request::RequestState;
use crate::interpreter::Interpreter;
use crate::log;
use crate::messages;
use crate::python::{Attached, Exception, ExceptionKind, Object, TextValues};
use std::cell::RefCell;

/// Where records go.
#[derive(Clone, Copy)]
pub enum LogScope<'a> {
    /// In the context of a request.
    Request(&'a RequestState),
    /// In the log of the server.
    Server,
    /// Errors are kept for whoever can say more about them.
    Kept(&'a KeptFailure),
}

/// What was said about a script that cannot be loaded.
#[derive(Default)]
pub struct KeptFailure {
    /// Records of level error.
    pub lines: RefCell<Vec<String>>,
    /// Files that stood in the traceback.
    pub files: RefCell<Vec<Vec<u8>>>,
}

impl KeptFailure {
    fn note(&self, level: u8, text: &str) {
        if level <= log::ERROR {
            self.lines.borrow_mut().push(text.to_owned());
        } else {
            log::write(level, text);
        }
    }
}

impl LogScope<'_> {
    /// A record; in a request it stands behind the name of the script.
    pub fn record(self, py: Attached<'_>, level: u8, text: &str) {
        match self {
            Self::Request(state) => state.log_with_script(py, level, text.as_bytes()),
            Self::Server => log::write(level, text),
            Self::Kept(kept) => kept.note(level, text),
        }
    }

    /// A record that begins with the system's own words, if there are any.
    pub fn record_after(self, py: Attached<'_>, level: u8, cause: &str, text: &str) {
        match self {
            Self::Request(state) => state.log_parts(py, level, cause.as_bytes(), text.as_bytes()),
            Self::Server => log::write(level, &format!("{cause}{text}")),
            Self::Kept(kept) => kept.note(level, &format!("{cause}{text}")),
        }
    }

    fn wants(self, level: u8) -> bool {
        match self {
            Self::Request(state) => state.wants(level),
            Self::Server => log::wants(level),
            Self::Kept(_) => true,
        }
    }
}

/// An exception of a script or an application: one record that says so, then the traceback.
pub fn report(
    py: Attached<'_>,
    log_scope: LogScope<'_>,
    interpreter: &Interpreter,
    script: &[u8],
    exception: Exception<'_>,
) {
    if !log_scope.wants(log::ERROR) {
        return;
    }
    let is_exit = exception.is(py, ExceptionKind::SystemExit);
    let (event, text) = messages::raised(&exception.name(py), script, &interpreter.place(), is_exit);
    if let LogScope::Kept(kept) = log_scope {
        *kept.files.borrow_mut() = files_of(py, interpreter, &exception);
    }
    let advice = advice(py, interpreter, &exception);
    let mut text = with_trace(py, text, interpreter, exception);
    if let Some(advice) = advice {
        text.push('\n');
        text.push_str(&messages::advice(&advice));
    }
    match log_scope {
        LogScope::Request(state) => {
            let number = event.line("");
            state.log_parts(py, log::ERROR, number.as_bytes(), text.as_bytes());
        }
        LogScope::Server => log::write(log::ERROR, &event.line(text)),
        LogScope::Kept(kept) => kept.note(log::ERROR, &event.line(text)),
    }
}

/// The module that refuses sub-interpreters, if that is what an exception says.
pub fn refusing_module(
    py: Attached<'_>,
    interpreter: &Interpreter,
    exception: &Exception<'_>,
) -> Option<String> {
    if interpreter.is_main {
        return None;
    }
    let trace = exception.trace.as_deref().unwrap_or(py.none());
    match interpreter.fixture(py, "refusing_module", &[&exception.value, trace]) {
        Ok(name) => name.is_str().then(|| name.lossy(py)),
        Err(raised) => {
            raised.clear(py);
            None
        }
    }
}

/// The text of an exception by which `wsgi.input` or `write()` has told an application that its client is gone.
pub fn client_left<'py>(py: Attached<'py>, exception: &Exception<'py>) -> Option<String> {
    const TEXTS: [&str; 3] = [
        "mod_wsgi request data read error: Partial results are valid but processing is incomplete",
        "mod_wsgi request data read error: Connection was terminated",
        "mod_wsgi client connection closed",
    ];
    if !exception.is(py, ExceptionKind::Os) {
        return None;
    }
    match exception.value.to_text(py) {
        Ok(text) => Some(text.lossy(py)).filter(|text| TEXTS.contains(&text.as_str())),
        Err(raised) => {
            raised.clear(py);
            None
        }
    }
}

/// What to write against a mistake that is made often.
fn advice(py: Attached<'_>, interpreter: &Interpreter, exception: &Exception<'_>) -> Option<String> {
    let launch = interpreter.host.launch();
    let asked = || {
        let (group, place) = (py.text(&messages::text(&launch.group))?, py.text(&launch.place)?);
        interpreter.fixture(py, "advice", &[&exception.value, &group, &place])
    };
    match asked() {
        Ok(advice) => advice.is_str().then(|| advice.lossy(py).replace('\n', " ")),
        Err(raised) => {
            raised.clear(py);
            None
        }
    }
}

/// The files through which an exception came, or that it is about.
fn files_of(py: Attached<'_>, interpreter: &Interpreter, exception: &Exception<'_>) -> Vec<Vec<u8>> {
    let trace = exception.trace.as_deref().unwrap_or(py.none());
    match interpreter.fixture(py, "files_of", &[&exception.value, trace]) {
        Ok(files) => files.texts(py).into_iter().map(String::into_bytes).collect(),
        Err(raised) => {
            raised.clear(py);
            Vec::new()
        }
    }
}

/// An exception while an interpreter was being furnished or ended.
pub fn report_startup(py: Attached<'_>, interpreter: &Interpreter, exception: Exception<'_>) {
    let is_exit = exception.is(py, ExceptionKind::SystemExit);
    let text = messages::raised_at_startup(&exception.name(py), &interpreter.place(), is_exit);
    log::write(log::ERROR, &with_trace(py, text, interpreter, exception));
}

/// An exception in a callback of an application.
pub fn report_callback(py: Attached<'_>, interpreter: &Interpreter, event: &str, exception: Exception<'_>) {
    let is_exit = exception.is(py, ExceptionKind::SystemExit);
    let place = interpreter.place();
    let text = messages::raised_in_callback(&exception.name(py), event, &place, is_exit);
    log::write(log::ERROR, &with_trace(py, text, interpreter, exception));
}

/// `text` and behind it the traceback, chained exceptions included: one record of several lines.
fn with_trace(
    py: Attached<'_>,
    mut text: String,
    interpreter: &Interpreter,
    exception: Exception<'_>,
) -> String {
    let none = py.none();
    let parts: [&Object; 3] = [&exception.kind, &exception.value, exception.trace.as_deref().unwrap_or(none)];
    match interpreter.fixture(py, "describe", &parts) {
        Ok(trace) => {
            for line in trace.lossy(py).lines().filter(|line| !line.is_empty()) {
                text.push('\n');
                text.push_str(line);
            }
        }
        Err(raised) => {
            raised.clear(py);
            if !exception.is(py, ExceptionKind::SystemExit) {
                exception.print();
            }
        }
    }
    text
}
