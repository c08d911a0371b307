//! `mod_wsgi.LogTarget`: the binary layer below `wsgi.errors`, `sys.stdout` and `sys.stderr` (spec/behaviour.md §3).

use super::kit::InterpreterKit;
use super::lines::LineBuffer;
use super::request::{self, RequestState};
use crate::interpreter::{Interpreter, LogClass};
use crate::log;
use crate::python::class::{ClassBuilder, ClassKey, ClassValue, MethodSelf, OwnedClass};
use crate::python::trampoline::{CallArguments, none};
use crate::python::{
    Attached, BufferView, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues, import,
    lock,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// What a log object writes to.
pub struct LogTarget {
    name: &'static str,
    /// The request of a `wsgi.errors`; a stream looks for its thread's request at each call.
    request: Mutex<Option<Arc<RequestState>>>,
    is_stream: bool,
    own: Mutex<LineBuffer>,
}

impl ClassValue for LogTarget {}

impl ClassKey for LogClass {
    type Value = LogTarget;
}

/// The class, for `Interpreter::log_class`.
fn class(py: Attached<'_>) -> Result<OwnedClass<'_, LogTarget>> {
    ClassBuilder::<LogTarget>::new(c"mod_wsgi.Log")
        .method(c"write", write)
        .method(c"writelines", write_lines)
        .method(c"flush", flush)
        .method(c"close", close)
        .method(c"fileno", fileno)
        .method(c"isatty", no)
        .method(c"readable", no)
        .method(c"seekable", no)
        .method(c"writable", yes)
        .getter(c"name", |py, this| py.text(this.name))
        .getter(c"closed", |py, _| Ok(py.truth(false).own(py)))
        .getter(c"encoding", |py, _| py.text("utf-8"))
        .getter(c"errors", |py, _| py.text("replace"))
        .build(py)
}

/// A log object for `sys.stdout` or `sys.stderr`.
pub fn stream<'py>(py: Attached<'py>, interpreter: &Interpreter, name: &'static str) -> Result<Owned<'py>> {
    let value = LogTarget { name, request: Mutex::default(), is_stream: true, own: Mutex::default() };
    interpreter.log_class(|| class(py).map(OwnedClass::store))?.instance(py, value)
}

/// A log object for `wsgi.errors`.
fn for_request<'py>(py: Attached<'py>, state: Arc<RequestState>) -> Result<Owned<'py>> {
    let interpreter = state.interpreter;
    let request = Mutex::new(Some(state));
    let value = LogTarget { name: "<wsgi.errors>", request, is_stream: false, own: Mutex::default() };
    interpreter.log_class(|| class(py).map(OwnedClass::store))?.instance(py, value)
}

/// Gives a log object to a request, or takes it away from one; false if it is none.
fn rearm(
    py: Attached<'_>,
    object: &Object,
    interpreter: &Interpreter,
    state: Option<Arc<RequestState>>,
) -> bool {
    let class = interpreter.log_class(|| class(py).map(OwnedClass::store));
    let Some(this) = class.ok().and_then(|class| class.cast(py, object)) else { return false };
    let before = std::mem::replace(&mut *lock(py, &this.request), state);
    drop(before);
    true
}

/// Closes the log of a request: what is pending becomes a record.
pub fn close_request(py: Attached<'_>, state: &RequestState) {
    flush_request(py, state);
    lock(py, &state.lines).closed = true;
}

fn flush_request(py: Attached<'_>, state: &RequestState) {
    let mut records = Vec::new();
    lock(py, &state.lines).flush(|line| records.push(line.to_vec()));
    emit_in_request(py, state, &records);
}

fn emit_in_request(py: Attached<'_>, state: &RequestState, records: &[Vec<u8>]) {
    for record in records {
        state.log_with_script(py, log::ERROR, record);
    }
}

fn write_to_request(py: Attached<'_>, state: &RequestState, data: &[u8]) -> Result<()> {
    let mut records = Vec::new();
    let mut lines = lock(py, &state.lines);
    let closed = lines.closed;
    if !closed {
        lines.push(data, |line| records.push(line.to_vec()));
    }
    drop(lines);
    if closed {
        return Err(over(py, "write"));
    }
    emit_in_request(py, state, &records);
    Ok(())
}

fn over(py: Attached<'_>, method: &str) -> Raised {
    Raised::new(
        py,
        ExceptionKind::Runtime,
        &format!("{method}() called on wsgi.errors after request completed"),
    )
}

impl LogTarget {
    /// Where it writes to now.
    fn with_request<T>(&self, py: Attached<'_>, f: impl FnOnce(Option<&RequestState>) -> T) -> T {
        if self.is_stream {
            return f(request::current(py).filter(|state| state.has_streams()));
        }
        let state = lock(py, &self.request).clone();
        f(state.as_deref())
    }

    fn write(&self, py: Attached<'_>, data: &[u8]) -> Result<()> {
        self.with_request(py, |request| match request {
            Some(state) => write_to_request(py, state, data),
            None if !self.is_stream => Err(over(py, "write")),
            None => {
                let mut records = Vec::new();
                lock(py, &self.own).push(data, |line| records.push(line.to_vec()));
                records.iter().for_each(|record| log::write_bytes(log::ERROR, record));
                Ok(())
            }
        })
    }

    fn flush(&self, py: Attached<'_>) -> Result<()> {
        self.with_request(py, |request| match request {
            Some(state) => {
                let mut lines = lock(py, &state.lines);
                lines.touched = true;
                let (closed, pending) = (lines.closed, lines.is_pending());
                drop(lines);
                if closed && pending {
                    return Err(over(py, "flush"));
                }
                flush_request(py, state);
                Ok(())
            }
            None => {
                let mut records = Vec::new();
                lock(py, &self.own).flush(|line| records.push(line.to_vec()));
                records.iter().for_each(|record| log::write_bytes(log::ERROR, record));
                Ok(())
            }
        })
    }
}

/// The bytes of a bytes-like object, or of a str with a warning.
fn with_data<T>(py: Attached<'_>, data: &Object, f: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if let Some(bytes) = data.as_bytes() {
        return f(bytes);
    }
    if !data.is_str() {
        return f(&BufferView::new(py, data)?.to_vec());
    }
    if !WARNED.swap(true, Relaxed) {
        let text = c"write() of the binary layer of wsgi.errors was called with a str";
        Raised::warn(py, ExceptionKind::Deprecation, text)?;
    }
    f(data.lossy(py).as_bytes())
}

/// Exactly one argument.
fn one<'py>(py: Attached<'py>, method: &str, arguments: CallArguments<'py>) -> Result<&'py Object> {
    match arguments {
        [argument] => Ok(argument),
        _ => {
            let text = format!("{method}() takes exactly 1 argument ({} given)", arguments.len());
            Err(Raised::new(py, ExceptionKind::Type, &text))
        }
    }
}

fn write<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, LogTarget>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    let data = one(py, "write", arguments)?;
    with_data(py, data, |data| this.write(py, data))?;
    Ok(py.none().own(py))
}

fn write_lines<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, LogTarget>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    let items = one(py, "writelines", arguments)?;
    let finished = this.with_request(py, |request| match request {
        Some(state) => lock(py, &state.lines).closed,
        None => !this.is_stream,
    });
    if finished {
        return Err(over(py, "writelines"));
    }
    let items = items.iterator(py)?;
    while let Some(item) = items.next_item(py)? {
        with_data(py, &item, |data| this.write(py, data))?;
    }
    Ok(py.none().own(py))
}

fn flush<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, LogTarget>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    none(py, "flush", arguments)?;
    this.flush(py)?;
    Ok(py.none().own(py))
}

fn close<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, LogTarget>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    none(py, "close", arguments)?;
    this.flush(py)?;
    this.with_request(py, |request| {
        if let Some(state) = request {
            let mut lines = lock(py, &state.lines);
            lines.closed = true;
            lines.touched = true;
        }
    });
    Ok(py.none().own(py))
}

const NO_DESCRIPTOR: &str = "wsgi.errors log object has no file descriptor";

fn fileno<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, LogTarget>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    none(py, "fileno", arguments)?;
    if !this.is_stream {
        return Err(Raised::new(py, ExceptionKind::Os, NO_DESCRIPTOR));
    }
    // An OSError that says what Python's own streams without a descriptor do: subprocess and others look for it.
    let class = import(py, "io")?.attr_named(py, "UnsupportedOperation")?;
    Err(Raised::of_class(&class, &*py.text(NO_DESCRIPTOR)?))
}

fn no<'py>(py: Attached<'py>, _: MethodSelf<'py, LogTarget>, _: CallArguments<'py>) -> Result<Owned<'py>> {
    Ok(py.truth(false).own(py))
}

fn yes<'py>(py: Attached<'py>, _: MethodSelf<'py, LogTarget>, _: CallArguments<'py>) -> Result<Owned<'py>> {
    Ok(py.truth(true).own(py))
}

/// The text layer of a request's log: a genuine `io.TextIOWrapper`. The one of an earlier request is used again if
/// nobody else refers to it and nobody can have changed it: making one costs more than the rest of environ.
pub struct TextLayer<'py> {
    /// The `io.TextIOWrapper`.
    pub text: Owned<'py>,
    raw: Owned<'py>,
}

impl<'py> TextLayer<'py> {
    /// The text layer for a request.
    pub fn obtain(py: Attached<'py>, state: &Arc<RequestState>) -> Result<Self> {
        let kit = state.interpreter.kit();
        let spare = lock(py, &kit.spare_logs).pop();
        if let Some((text, raw)) = spare {
            let layer = Self { text: text.into_owned(py), raw: raw.into_owned(py) };
            // Only objects from `for_request` get there.
            if rearm(py, &layer.raw, state.interpreter, Some(state.clone())) {
                return Ok(layer);
            }
        }
        let raw = for_request(py, state.clone())?;
        let text = kit.text_io.get(py).call(
            py,
            &[
                &raw,
                kit.names.utf_8.get(py),
                kit.names.replace.get(py),
                py.none(),
                py.truth(true),
                py.truth(true),
            ],
        )?;
        Ok(Self { text, raw })
    }

    /// The request is over and its environ gone.
    pub fn give_back(self, py: Attached<'py>, state: &RequestState) {
        let touched = lock(py, &state.lines).touched;
        let kit = state.interpreter.kit();
        if touched || self.text.references() != 1 || self.raw.references() != 2 || !self.is_bare(py, kit) {
            return;
        }
        rearm(py, &self.raw, state.interpreter, None);
        let mut spare = lock(py, &kit.spare_logs);
        if spare.len() < 64 {
            spare.push((self.text.store(), self.raw.store()));
        }
    }

    /// Whether the application has left no attributes on the text layer.
    fn is_bare(&self, py: Attached<'py>, kit: &InterpreterKit) -> bool {
        match self.text.attr(py, kit.names.dict.get(py)) {
            Ok(dict) => dict.dict_len() == Some(0),
            Err(raised) => {
                raised.clear(py);
                false
            }
        }
    }
}
