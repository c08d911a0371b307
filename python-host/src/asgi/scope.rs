//! The scope of a request (ASGI 3.0, HTTP 2.5) from what httpd sent for an environ.

use super::names::{ScopeNames, header_of};
use crate::python::{Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues};
use crate::wsgi::clock;
use wsgi_protocol::keys::KNOWN_KEYS;
use wsgi_protocol::request::{EnvironKey, Request, RequestFlags};

/// The variables that the scope is made of.
#[derive(Default)]
struct ScopeParts<'r> {
    method: &'r [u8],
    protocol: &'r [u8],
    script_name: &'r [u8],
    path_info: &'r [u8],
    query: &'r [u8],
    uri: &'r [u8],
    client: (&'r [u8], &'r [u8]),
    server: (&'r [u8], &'r [u8]),
    subprotocols: &'r [u8],
}

impl<'r> ScopeParts<'r> {
    fn note(&mut self, key: &[u8], value: &'r [u8]) {
        match key {
            b"REQUEST_METHOD" => self.method = value,
            b"SERVER_PROTOCOL" => self.protocol = value,
            b"SCRIPT_NAME" => self.script_name = value,
            b"PATH_INFO" => self.path_info = value,
            b"QUERY_STRING" => self.query = value,
            b"REQUEST_URI" => self.uri = value,
            b"REMOTE_ADDR" => self.client.0 = value,
            b"REMOTE_PORT" => self.client.1 = value,
            b"SERVER_ADDR" => self.server.0 = value,
            b"SERVER_PORT" => self.server.1 = value,
            b"HTTP_SEC_WEBSOCKET_PROTOCOL" => self.subprotocols = value,
            _ => {}
        }
    }
}

/// Builds it; `state` is that of the lifespan, if there is one.
pub fn build<'py>(
    py: Attached<'py>,
    names: &ScopeNames,
    request: &Request<'_>,
    state: Option<&Object>,
) -> Result<Owned<'py>> {
    let (headers, environ, own) = (py.list(&[])?, py.dict()?, py.dict()?);
    let mut parts = ScopeParts::default();
    for pair in request.pairs() {
        let (key, value) = pair.map_err(|error| {
            Raised::new(py, ExceptionKind::Value, &format!("request from httpd: {error}"))
        })?;
        parts.note(key.as_bytes(), value);
        add(py, names, (key, value), (&headers, &environ, &own))?;
    }
    let head = &request.head;
    let started = [(&names.request_start, head.request_start_us), (&names.queue_start, head.queue_start_us)];
    for (name, micros) in started {
        own.dict_set(name.get(py), &*py.float(clock::from_micros(micros))?)?;
    }
    own.dict_set(names.environ.get(py), &environ)?;
    let extensions = py.dict()?;
    extensions.dict_set(names.mod_wsgi.get(py), &own)?;
    let is_websocket = head.flags.has(RequestFlags::WEBSOCKET);
    let offered = [&names.pathsend, &names.zerocopysend, &names.denial];
    for name in if is_websocket { &offered[2..] } else { &offered[..2] } {
        extensions.dict_set(name.get(py), &*py.dict()?)?;
    }
    let scope = py.dict()?;
    if is_websocket {
        scope.dict_set(names.kind.get(py), names.websocket.get(py))?;
        scope.dict_set(names.subprotocols.get(py), &*subprotocols(py, parts.subprotocols)?)?;
    } else {
        scope.dict_set(names.kind.get(py), names.http.get(py))?;
        scope.dict_set(names.method.get(py), &*py.latin1(&parts.method.to_ascii_uppercase())?)?;
    }
    scope.dict_set(names.headers.get(py), &headers)?;
    scope.dict_set(names.extensions.get(py), &extensions)?;
    if let Some(state) = state {
        scope.dict_set(names.state.get(py), &*state.dict_copy(py)?)?;
    }
    let is_https = head.flags.has(RequestFlags::HTTPS);
    let scheme = match (is_websocket, is_https) {
        (false, false) => &names.http,
        (false, true) => &names.https,
        (true, false) => &names.ws,
        (true, true) => &names.wss,
    };
    scope.dict_set(names.scheme.get(py), scheme.get(py))?;
    fill(py, names, &scope, &parts)?;
    Ok(scope)
}

/// A pair goes among the headers, among the variables of this module, or among the others.
fn add(
    py: Attached<'_>,
    names: &ScopeNames,
    (key, value): (EnvironKey<'_>, &[u8]),
    (headers, environ, own): (&Object, &Object, &Object),
) -> Result<()> {
    let (name, bytes) = match key {
        EnvironKey::Known(index) => {
            (names.keys[usize::from(index)].get(py).own(py), KNOWN_KEYS[usize::from(index)].as_bytes())
        }
        EnvironKey::Name(bytes) => (named(py, bytes)?, bytes),
    };
    if name.as_bytes().is_some() {
        let pair = py.tuple(&[&name, &*py.bytes(value)?])?;
        headers.list_append(&pair)
    } else if bytes.starts_with(b"mod_wsgi.") {
        own.dict_set(&name, &*py.latin1(value)?)
    } else {
        environ.dict_set(&name, &*py.latin1(value)?)
    }
}

fn named<'py>(py: Attached<'py>, key: &[u8]) -> Result<Owned<'py>> {
    match header_of(key) {
        Some(header) => py.bytes(&header),
        None => py.latin1(key.strip_prefix(b"mod_wsgi.").unwrap_or(key)),
    }
}

fn fill(py: Attached<'_>, names: &ScopeNames, scope: &Object, parts: &ScopeParts<'_>) -> Result<()> {
    let asgi = py.dict()?;
    asgi.dict_set(names.version.get(py), names.asgi_three.get(py))?;
    asgi.dict_set(names.spec_version.get(py), names.asgi_two_five.get(py))?;
    let path = [parts.script_name, parts.path_info].concat();
    let set = |name: &crate::python::Stored, value: &Object| scope.dict_set(name.get(py), value);
    set(&names.asgi, &asgi)?;
    set(&names.http_version, &*py.latin1(version(parts.protocol))?)?;
    set(&names.path, &*py.utf8(&path)?)?;
    set(&names.raw_path, &*py.bytes(raw_path(parts.uri))?)?;
    set(&names.query_string, &*py.bytes(parts.query)?)?;
    set(&names.root_path, &*py.utf8(parts.script_name)?)?;
    set(&names.client, &*address(py, parts.client)?)?;
    set(&names.server, &*address(py, parts.server)?)
}

/// What the client offers, in its order.
fn subprotocols<'py>(py: Attached<'py>, header: &[u8]) -> Result<Owned<'py>> {
    let list = py.list(&[])?;
    for name in header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
        list.list_append(&*py.latin1(name)?)?;
    }
    Ok(list)
}

/// `1.1` of `HTTP/1.1`, `2` of `HTTP/2.0`.
fn version(protocol: &[u8]) -> &[u8] {
    let number = protocol.strip_prefix(b"HTTP/").unwrap_or(b"1.1");
    if number == b"2.0" { b"2" } else { number }
}

/// The path of a request target as the client wrote it, without query.
fn raw_path(uri: &[u8]) -> &[u8] {
    let path = uri.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path.starts_with(b"/") {
        return path;
    }
    // An absolute URL, as proxies get it.
    let host = path.windows(3).position(|part| part == b"://").map_or(path, |at| &path[at + 3..]);
    host.iter().position(|byte| *byte == b'/').map_or(b"/", |at| &host[at..])
}

/// Host and port, or None.
fn address<'py>(py: Attached<'py>, (host, port): (&[u8], &[u8])) -> Result<Owned<'py>> {
    if host.is_empty() {
        return Ok(py.none().own(py));
    }
    let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    py.tuple(&[&*py.latin1(host)?, &*py.int(port)?])
}

#[cfg(test)]
mod tests {
    use super::{raw_path, version};

    #[test]
    fn targets_and_protocols() {
        assert_eq!(raw_path(b"/a%20b/c?d/e"), b"/a%20b/c");
        assert_eq!(raw_path(b"http://host:80/a?b"), b"/a");
        assert_eq!(raw_path(b"http://host"), b"/");
        assert_eq!((version(b"HTTP/1.0"), version(b"HTTP/2.0")), (&b"1.0"[..], &b"2"[..]));
    }
}
