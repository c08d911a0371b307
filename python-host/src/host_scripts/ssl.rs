//! Asking mod_ssl from Python: `mod_ssl.is_https` and `mod_ssl.var_lookup` (spec/behaviour.md §7.1), which work as long as
//! the function they were given to runs.

use crate::python::class::{ClassBuilder, ClassKey, ClassValue, OwnedClass};
use crate::python::trampoline::CallArguments;
use crate::python::{Attached, ExceptionKind, NumberValues, Object, Owned, Raised, Result, TextValues};
use crate::wsgi::kit::AuthClass;
use crate::wsgi::request::RequestState;
use std::borrow::Cow;
use std::sync::Arc;

/// The object behind both.
pub struct SslAuth {
    state: Arc<RequestState>,
}

impl ClassValue for SslAuth {}

impl ClassKey for AuthClass {
    type Value = SslAuth;
}

/// `mod_wsgi.SslAuth`.
pub fn class(py: Attached<'_>) -> Result<OwnedClass<'_, SslAuth>> {
    ClassBuilder::<SslAuth>::new(c"mod_wsgi.Auth")
        .method(c"ssl_is_https", |py, this, arguments| is_https(py, &this.state, arguments))
        .method(c"ssl_var_lookup", |py, this, arguments| var_lookup(py, &this.state, arguments))
        .build(py)
}

/// An instance for a request.
pub fn object<'py>(py: Attached<'py>, state: &Arc<RequestState>) -> Result<Owned<'py>> {
    state.interpreter.kit().auth.instance(py, SslAuth { state: state.clone() })
}

/// `ssl_is_https()`: 1 or 0.
pub fn is_https<'py>(
    py: Attached<'py>,
    state: &RequestState,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    if !arguments.is_empty() {
        let text = format!("ssl_is_https() takes no arguments ({} given)", arguments.len());
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    match state.exchange(py, |exchange| exchange.ssl_is_https()) {
        Some(is_https) => py.int(is_https.into()),
        None => Err(expired(py)),
    }
}

/// `ssl_var_lookup(name)`: a str or None.
pub fn var_lookup<'py>(
    py: Attached<'py>,
    state: &RequestState,
    arguments: CallArguments<'py>,
) -> Result<Owned<'py>> {
    let [name] = arguments else {
        let text = format!("ssl_var_lookup() takes exactly 1 argument ({} given)", arguments.len());
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    };
    let name = name_of(py, name)?;
    match state.exchange(py, |exchange| exchange.ssl_variable(&name)) {
        Some(Some(value)) => py.latin1(&value),
        Some(None) => Ok(py.none().own(py)),
        None => Err(expired(py)),
    }
}

fn name_of<'o>(py: Attached<'_>, name: &'o Object) -> Result<Cow<'o, [u8]>> {
    if let Some(bytes) = name.as_bytes() {
        return Ok(Cow::Borrowed(bytes));
    }
    if !name.is_str() {
        let text = format!("byte string value expected, value of type {} found", name.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    }
    name.latin1_bytes(py).map_err(|raised| {
        raised.clear(py);
        let text = "byte string value expected, value containing non 'latin-1' characters found";
        Raised::new(py, ExceptionKind::Type, text)
    })
}

fn expired(py: Attached<'_>) -> Raised {
    Raised::new(py, ExceptionKind::Runtime, "request object has expired")
}
