//! `start_response` and `write` (spec/behaviour.md §4.1, §4.2): the order of the checks and their texts are interface.

use super::events;
use super::head_rules::{HeadFault, check_name, check_status, check_value};
use super::kit::AdapterClass;
use super::request::RequestState;
use super::response::is_length;
use crate::exchange::{HoldBack, SendError};
use crate::host_scripts::ssl;
use crate::python::class::{ClassBuilder, ClassKey, ClassValue, MethodSelf, OwnedClass};
use crate::python::trampoline::CallArguments;
use crate::python::{Attached, Exception, ExceptionKind, Object, Owned, Raised, Result, TextValues, lock};
use std::borrow::Cow;
use std::sync::Arc;
use wsgi_protocol::response::HeadWriter;

/// The object behind both callables.
pub struct WsgiAdapter {
    state: Arc<RequestState>,
}

impl ClassValue for WsgiAdapter {}

impl ClassKey for AdapterClass {
    type Value = WsgiAdapter;
}

/// The class.
pub fn class(py: Attached<'_>) -> Result<OwnedClass<'_, WsgiAdapter>> {
    ClassBuilder::<WsgiAdapter>::new(c"mod_wsgi.Adapter")
        .method(c"start_response", start_response)
        .method(c"write", write)
        .method(c"ssl_is_https", |py, this: MethodSelf<'_, WsgiAdapter>, arguments| {
            ssl::is_https(py, &this.state, arguments)
        })
        .method(c"ssl_var_lookup", |py, this: MethodSelf<'_, WsgiAdapter>, arguments| {
            ssl::var_lookup(py, &this.state, arguments)
        })
        .build(py)
}

/// The `start_response` of a request.
pub fn callable<'py>(py: Attached<'py>, state: &Arc<RequestState>) -> Result<Owned<'py>> {
    let kit = state.interpreter.kit();
    let adapter = kit.adapter.instance(py, WsgiAdapter { state: state.clone() })?;
    adapter.attr(py, kit.names.start_response.get(py))
}

fn start_response<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiAdapter>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    let state = &this.state;
    if !state.is_active(py) {
        let text = "start_response() called after request completed";
        return Err(Raised::new(py, ExceptionKind::Runtime, text));
    }
    let (status, headers, exc_info) = parse(py, arguments)?;
    let committed = lock(py, &state.response).committed;
    match exc_info {
        Some(exc_info) if committed => return Err(raise_again(py, exc_info)),
        None if committed => {
            let text = "start_response() called more than once without exc_info";
            return Err(Raised::new(py, ExceptionKind::Runtime, text));
        }
        _ => {}
    }
    events::response_started(py, state, status, headers, exc_info);
    let mut head = Vec::with_capacity(256);
    let (code, length) = encode(py, status, headers, &mut head)?;
    let mut response = lock(py, &state.response);
    (response.status, response.head, response.length_text) = (code, head, length);
    drop(response);
    this.object.attr(py, state.interpreter.kit().names.write.get(py))
}

type ParsedHeaders<'py> = (&'py Object, &'py Object, Option<&'py Object>);

/// Checks 2 and 3.
fn parse<'py>(py: Attached<'py>, arguments: CallArguments<'py>) -> Result<ParsedHeaders<'py>> {
    let (status, headers, exc_info) = match arguments {
        [status, headers] => (*status, *headers, None),
        [status, headers, exc_info] => (*status, *headers, Some(*exc_info)),
        _ => {
            let given = arguments.len();
            let (least, count) = if given < 2 { ("least", 2) } else { ("most", 3) };
            let text = format!("start_response() takes at {least} {count} arguments ({given} given)");
            return Err(Raised::new(py, ExceptionKind::Type, &text));
        }
    };
    if !headers.is_any_list() {
        let kind = if headers.is_none() { "None".to_owned() } else { headers.type_name(py) };
        let text = format!("start_response() argument 2 must be list, not {kind}");
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    let exc_info = exc_info.filter(|exc_info| !exc_info.is_none());
    if exc_info.is_some_and(|exc_info| !exc_info.is_any_tuple()) {
        let text = "start_response() argument 'exc_info' must be a 3-tuple or None";
        return Err(Raised::new(py, ExceptionKind::Runtime, text));
    }
    Ok((status, headers, exc_info))
}

/// Check 4a: the given exception, once more.
fn raise_again(py: Attached<'_>, exc_info: &Object) -> Raised {
    let size = exc_info.tuple_len();
    let items = [0, 1, 2].map(|place| exc_info.tuple_item(place));
    let ([Some(kind), Some(value), Some(trace)], 3) = (items, size) else {
        let text = format!("function takes exactly 3 arguments ({size} given)");
        return Raised::new(py, ExceptionKind::Type, &text);
    };
    if !kind.is_exception_class() {
        return Raised::new(py, ExceptionKind::Type, "exceptions must derive from BaseException");
    }
    let trace = (!trace.is_none()).then(|| trace.own(py));
    Exception { kind: kind.own(py), value: value.own(py), trace }.restore()
}

/// Checks 6 to 18: writes the head, and returns the status code and the last Content-Length.
fn encode(
    py: Attached<'_>,
    status: &Object,
    headers: &Object,
    head: &mut Vec<u8>,
) -> Result<(u16, Option<Vec<u8>>)> {
    let line = native(py, status)?;
    let code = check_status(&line).map_err(|fault| complain(py, fault, &line))?;
    let mut writer = HeadWriter::begin(head, code, &line);
    let mut length = None;
    let mut place = 0;
    // The list is asked again each time: only we hold the GIL, but its items may be anything.
    while let Some(header) = headers.list_item(py, place) {
        place += 1;
        let (name, value) = pair(py, &header)?;
        let (name, value) = (native_part(py, name, check_name)?, native_part(py, value, check_value)?);
        if is_length(&name) {
            // The last one counts. It goes out as a number, when it is known for good.
            length = Some(value.to_vec());
            continue;
        }
        writer.header(&name, &value);
    }
    writer.finish();
    Ok((code, length))
}

/// Checks 11 and 12.
fn pair<'h>(py: Attached<'_>, header: &'h Object) -> Result<(&'h Object, &'h Object)> {
    if let Some(pair) = header.pair() {
        return Ok(pair);
    }
    if !header.is_any_tuple() {
        let text = format!("each header must be a 2-tuple, not {}", header.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    let text = format!("each header must be a 2-tuple, got length {}", header.tuple_len());
    Err(Raised::new(py, ExceptionKind::Value, &text))
}

/// Checks 6, 7 and 13: the bytes of a native string.
fn native<'o>(py: Attached<'_>, text: &'o Object) -> Result<Cow<'o, [u8]>> {
    if !text.is_str() {
        let text = format!("must be str, not {}", text.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    text.latin1_bytes(py)
}

fn native_part<'o>(
    py: Attached<'_>,
    text: &'o Object,
    check: fn(&[u8]) -> std::result::Result<(), HeadFault>,
) -> Result<Cow<'o, [u8]>> {
    let bytes = native(py, text)?;
    check(&bytes).map_err(|fault| complain(py, fault, &bytes))?;
    Ok(bytes)
}

#[cold]
fn complain(py: Attached<'_>, fault: HeadFault, bytes: &[u8]) -> Raised {
    Raised::new(py, ExceptionKind::Value, &fault.message(bytes))
}

fn write<'py>(
    py: Attached<'py>,
    this: MethodSelf<'py, WsgiAdapter>,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    let state = &this.state;
    if !state.is_active(py) {
        return Err(Raised::new(py, ExceptionKind::Runtime, "write() called after request completed"));
    }
    let [data] = arguments else {
        let text = format!("write() takes exactly 1 argument ({} given)", arguments.len());
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    };
    let Some(block) = data.as_bytes() else {
        let text = format!("write() argument must be bytes, not {}", data.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    };
    state.commit(py)?;
    if !block.is_empty() {
        state.send(py, block, HoldBack::No).map_err(|error| send_failed(py, error))?;
    }
    Ok(py.none().own(py))
}

/// The OSError for a response that cannot be sent (spec/behaviour.md §4.2).
pub fn send_failed(py: Attached<'_>, error: SendError) -> Raised {
    match error {
        SendError::ClientGone => Raised::new(py, ExceptionKind::Os, "mod_wsgi client connection closed"),
        SendError::Failed(text) => {
            let text = format!("mod_wsgi failed to write response data: {text}");
            Raised::new(py, ExceptionKind::Os, &text)
        }
    }
}
