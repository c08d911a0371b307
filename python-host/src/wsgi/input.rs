//! `mod_wsgi.WsgiInput`: `wsgi.input` (spec/behaviour.md §2).

use super::body::{BodySource, ReadFault, RequestBody};
use super::kit::InputClass;
use super::request::RequestState;
use crate::exchange::BodyError;
use crate::python::class::{ClassBuilder, ClassKey, ClassValue, MethodSelf, OwnedClass};
use crate::python::trampoline::CallArguments;
use crate::python::{
    Attached, ExceptionKind, NumberValues, Owned, Raised, Result, TextValues, lock, measures_waits,
};
use std::sync::Arc;
use std::time::Instant;

/// Sizes for which the memory of the result is filled directly: small reads are served from what was read ahead, and
/// nobody shall get gigabytes by asking for them.
const DIRECT: std::ops::RangeInclusive<usize> = 8 * 1024..=1024 * 1024;

/// The input of a request.
pub struct WsgiInput {
    state: Arc<RequestState>,
}

impl ClassValue for WsgiInput {}

impl ClassKey for InputClass {
    type Value = WsgiInput;
}

/// The class.
pub fn class(py: Attached<'_>) -> Result<OwnedClass<'_, WsgiInput>> {
    ClassBuilder::<WsgiInput>::new(c"mod_wsgi.Input")
        .method(c"read", read)
        .method(c"readline", read_line)
        .method(c"readlines", read_lines)
        .method(c"close", close)
        .iterator(iterate, next)
        .build(py)
}

/// The `wsgi.input` of a request.
pub fn object<'py>(py: Attached<'py>, state: &Arc<RequestState>) -> Result<Owned<'py>> {
    state.interpreter.kit().input.instance(py, WsgiInput { state: state.clone() })
}

impl WsgiInput {
    /// Runs `f` on the body; the texts of failures are interface (§2.2).
    fn with_body<T>(
        &self,
        py: Attached<'_>,
        f: impl FnOnce(&mut RequestBody, &mut BodySource<'_>) -> std::result::Result<T, ReadFault>,
    ) -> Result<T> {
        let state = &*self.state;
        let measured = measures_waits();
        let mut body = lock(py, &state.body);
        let mut seconds = 0.0;
        let result = f(&mut body, &mut |buffer| {
            let start = measured.then(Instant::now);
            let read = state.exchange(py, |exchange| exchange.read_body(buffer));
            seconds += start.map_or(0.0, |start| start.elapsed().as_secs_f64());
            read.ok_or(ReadFault::Over)?.map_err(ReadFault::Body)
        });
        body.seconds += seconds;
        drop(body);
        result.map_err(|fault| failure(py, fault))
    }

    fn check(&self, py: Attached<'_>, method: &str) -> Result<()> {
        if self.state.is_active(py) {
            return Ok(());
        }
        let text = format!("{method}() called on wsgi.input after request completed");
        Err(Raised::new(py, ExceptionKind::Runtime, &text))
    }

    fn check_iteration(&self, py: Attached<'_>) -> Result<()> {
        if self.state.is_active(py) {
            return Ok(());
        }
        let text = "iteration of wsgi.input attempted after request completed";
        Err(Raised::new(py, ExceptionKind::Runtime, text))
    }

    /// The next line; `None` at the end.
    fn line<'py>(&self, py: Attached<'py>, limit: Option<usize>) -> Result<Option<Owned<'py>>> {
        let line = self.with_body(py, |body, source| {
            body.line(limit, source, |line| (!line.is_empty()).then(|| py.bytes(line)))
        })?;
        line.transpose()
    }
}

#[cold]
fn failure(py: Attached<'_>, fault: ReadFault) -> Raised {
    let text = match fault {
        ReadFault::Body(BodyError::Failed(text)) => text,
        ReadFault::Body(BodyError::Terminated) => "Connection was terminated".to_owned(),
        ReadFault::Again => "input is already in error state".to_owned(),
        ReadFault::Over => {
            return Raised::new(py, ExceptionKind::Runtime, "wsgi.input was read after request completed");
        }
    };
    Raised::new(py, ExceptionKind::Os, &format!("mod_wsgi request data read error: {text}"))
}

/// At most one integer; negative and missing ones mean no limit.
fn limit(py: Attached<'_>, method: &str, arguments: CallArguments<'_>) -> Result<Option<usize>> {
    match arguments {
        [] => Ok(None),
        [size] => Ok(usize::try_from(size.index(py)?).ok()),
        _ => {
            let given = arguments.len();
            let text = format!("{method}() takes at most 1 argument ({given} given)");
            Err(Raised::new(py, ExceptionKind::Type, &text))
        }
    }
}

fn read<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiInput>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    this.check(py, "read")?;
    let size = limit(py, "read", arguments)?;
    if let Some(size) = size.filter(|size| DIRECT.contains(size)) {
        return py
            .filled_bytes(size, |memory| this.with_body(py, |body, source| body.read_into(memory, source)));
    }
    this.with_body(py, |body, source| body.read(size, source, |bytes| py.bytes(bytes)))?
}

fn read_line<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiInput>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    this.check(py, "readline")?;
    let limit = limit(py, "readline", arguments)?;
    match this.line(py, limit)? {
        Some(line) => Ok(line),
        None => py.bytes(b""),
    }
}

fn read_lines<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiInput>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    this.check(py, "readlines")?;
    let hint = limit(py, "readlines", arguments)?.filter(|hint| *hint > 0).unwrap_or(usize::MAX);
    let lines = py.list(&[])?;
    let mut total = 0;
    while total < hint {
        let Some(line) = this.line(py, None)? else { break };
        total += line.as_bytes().map_or(0, <[u8]>::len);
        lines.list_append(&line)?;
    }
    Ok(lines)
}

fn close<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiInput>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    this.check(py, "close")?;
    if !arguments.is_empty() {
        let text = format!("close() takes no arguments ({} given)", arguments.len());
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    Ok(py.none().own(py))
}

fn iterate<'py>(py: Attached<'py>, this: MethodSelf<'py, WsgiInput>) -> Result<Owned<'py>> {
    this.check_iteration(py)?;
    Ok(this.object.own(py))
}

fn next<'py>(py: Attached<'py>, this: MethodSelf<'py, WsgiInput>) -> Result<Option<Owned<'py>>> {
    this.check_iteration(py)?;
    this.line(py, None)
}
