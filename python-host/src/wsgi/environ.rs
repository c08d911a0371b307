//! The environ of a request (spec/behaviour.md §1.8 to §1.10, §1.13): a copy of the interpreter's template, which holds
//! what is the same for all requests, filled with the pairs that httpd sent.

use super::clock;
use super::kit::InterpreterKit;
use crate::host::Host;
use crate::python::{Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues};
use wsgi_protocol::keys::{KNOWN_KEYS, USUAL_KEYS};
use wsgi_protocol::request::{EnvironKey, Request, RequestFlags};

/// What environ shows besides httpd's pairs.
pub struct EnvironExtras<'a> {
    /// `wsgi.input`.
    pub input: &'a Object,
    /// `wsgi.errors`.
    pub errors: &'a Object,
    /// `mod_wsgi.thread_id`.
    pub thread_id: u32,
    /// `mod_wsgi.daemon_start`, seconds; 0 in embedded mode.
    pub daemon_start: f64,
    /// `mod_wsgi.application_start`, seconds.
    pub application_start: f64,
}

/// Builds the environ, and returns the first body bytes too.
pub fn build<'py, 'r>(
    py: Attached<'py>,
    kit: &InterpreterKit,
    host: &Host,
    request: &Request<'r>,
    extras: &EnvironExtras<'_>,
) -> Result<Owned<'py>> {
    let environ = kit.template.get(py).dict_copy(py)?;
    let mut missing = USUAL_KEYS;
    for pair in request.pairs() {
        let (key, value) = pair.map_err(|error| {
            Raised::new(py, ExceptionKind::Value, &format!("request from httpd: {error}"))
        })?;
        set_pair(py, kit, host, &environ, key, value)?;
        if let EnvironKey::Known(index) = key {
            missing &= !(1 << index);
        }
    }
    while missing != 0 {
        environ.dict_remove(py, kit.keys[missing.trailing_zeros() as usize].get(py));
        missing &= missing - 1;
    }
    add(py, kit, &environ, request, extras)?;
    Ok(environ)
}

fn set_pair(
    py: Attached<'_>,
    kit: &InterpreterKit,
    host: &Host,
    environ: &Object,
    key: EnvironKey<'_>,
    value: &[u8],
) -> Result<()> {
    match key {
        EnvironKey::Known(index) => {
            let known = kit.keys[usize::from(index)].get(py);
            let value = match KNOWN_KEYS[usize::from(index)] {
                name @ ("DOCUMENT_ROOT" | "SCRIPT_FILENAME") => {
                    match host.inside_chroot(value) {
                        Some(value) => py.path(value)?,
                        // Only DOCUMENT_ROOT gets here: the script was checked before.
                        None if name == "DOCUMENT_ROOT" => {
                            environ.dict_remove(py, known);
                            return Ok(());
                        }
                        None => py.path(value)?,
                    }
                }
                _ => py.latin1(value)?,
            };
            environ.dict_set(known, &value)
        }
        EnvironKey::Name(name) => {
            let name = match std::str::from_utf8(name) {
                Ok(name) => py.text(name)?,
                Err(_) => py.latin1(name)?,
            };
            environ.dict_set(&name, &*py.latin1(value)?)
        }
    }
}

fn add(
    py: Attached<'_>,
    kit: &InterpreterKit,
    environ: &Object,
    request: &Request<'_>,
    extras: &EnvironExtras<'_>,
) -> Result<()> {
    let (names, head) = (&kit.names, &request.head);
    let scheme = if head.flags.has(RequestFlags::HTTPS) { &names.https } else { &names.http };
    environ.dict_set(names.wsgi_url_scheme.get(py), scheme.get(py))?;
    environ.dict_set(names.wsgi_input.get(py), extras.input)?;
    environ.dict_set(names.wsgi_errors.get(py), extras.errors)?;
    let thread_id = py.int(extras.thread_id.into())?;
    environ.dict_set(names.thread_id.get(py), &thread_id)?;
    for (name, seconds) in [
        (&names.request_start, clock::from_micros(head.request_start_us)),
        (&names.queue_start, clock::from_micros(head.queue_start_us)),
        (&names.daemon_start, extras.daemon_start),
        (&names.application_start, extras.application_start),
    ] {
        environ.dict_set(name.get(py), &*py.float(seconds)?)?;
    }
    if !head.request_rec.is_empty() {
        add_request_record(py, environ, head.request_rec)?;
    }
    Ok(())
}

/// `apache.request_rec`, a nameless capsule around httpd's address.
pub fn add_request_record(py: Attached<'_>, environ: &Object, address: &[u8]) -> Result<()> {
    let address = std::str::from_utf8(address).ok().and_then(|address| address.parse::<usize>().ok());
    let Some(address) = address.filter(|address| *address != 0) else { return Ok(()) };
    environ.dict_set_named(py, "apache.request_rec", &*py.address(address)?)
}
