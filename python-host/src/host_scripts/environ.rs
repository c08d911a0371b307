//! The environ of a host script: what httpd sent, and next to nothing else (spec/behaviour.md §6.9, §7.1).

use super::{ScriptCall, ssl};
use crate::python::{ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues};
use crate::wsgi::environ::add_request_record;
use wsgi_protocol::call::ScriptQuestion;

pub fn build<'py>(asking: &ScriptCall<'py, '_, '_>, errors: &Object) -> Result<Owned<'py>> {
    let (py, request) = (asking.py, &asking.call.request);
    let environ = py.dict()?;
    for pair in request.pairs() {
        let (key, value) = pair.map_err(|error| {
            Raised::new(py, ExceptionKind::Value, &format!("request from httpd: {error}"))
        })?;
        environ.dict_set(&*py.latin1(key.as_bytes())?, &*py.latin1(value)?)?;
    }
    environ.dict_set_named(py, "wsgi.errors", errors)?;
    if !request.head.request_rec.is_empty() {
        add_request_record(py, &environ, request.head.request_rec)?;
    }
    if asking.call.question != ScriptQuestion::Dispatch {
        let launch = asking.interpreter.host.launch();
        environ.dict_set_named(py, "apache.version", &*py.version(launch.httpd.version)?)?;
        environ.dict_set_named(py, "mod_wsgi.version", &*py.version(launch.version)?)?;
        let auth = ssl::object(py, asking.state)?;
        environ.dict_set_named(py, "mod_ssl.is_https", &*auth.attr_named(py, "ssl_is_https")?)?;
        environ.dict_set_named(py, "mod_ssl.var_lookup", &*auth.attr_named(py, "ssl_var_lookup")?)?;
    }
    Ok(environ)
}
