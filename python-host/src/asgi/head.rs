//! Status and headers of `http.response.start`, checked and encoded.

use crate::python::{Attached, Kind, Object, Owned, Raised, Result};
use crate::wsgi::head_rules::{HeadFault, check_name, check_value};
use pyo3::ffi;
use wsgi_protocol::response::{HeadWriter, STATUSES};

/// Encodes them.
///
/// # Errors
/// TypeError and ValueError for what is no status, or no header.
pub fn encode(py: Attached<'_>, status: &Object, headers: Option<&Object>) -> Result<Vec<u8>> {
    let code = status_of(py, status)?;
    let mut head = Vec::with_capacity(256);
    let mut writer = HeadWriter::begin(&mut head, code, code.to_string().as_bytes());
    if let Some(headers) = headers {
        each(py, headers, |header| {
            let pair = tuple(py, header)?;
            // SAFETY: a live tuple.
            if unsafe { ffi::PyTuple_Size(pair.as_ptr()) } != 2 {
                return Err(Raised::new(py, Kind::Value, "each header must be a pair of name and value"));
            }
            // SAFETY: a live tuple of two, which keeps its items.
            let (name, value) = unsafe {
                let item = |place| Object::borrow(ffi::PyTuple_GetItem(pair.as_ptr(), place));
                (item(0), item(1))
            };
            writer.header(checked(py, name, check_name)?, checked(py, value, check_value)?);
            Ok(())
        })?;
    }
    writer.finish();
    Ok(head)
}

fn status_of(py: Attached<'_>, status: &Object) -> Result<u16> {
    let code = u16::try_from(status.index(py)?).ok().filter(|code| STATUSES.contains(code));
    code.ok_or_else(|| {
        let text = format!("status of a response must be {} to {}", STATUSES.start(), STATUSES.end());
        Raised::new(py, Kind::Value, &text)
    })
}

fn checked<'o>(
    py: Attached<'_>,
    part: &'o Object,
    check: fn(&[u8]) -> std::result::Result<(), HeadFault>,
) -> Result<&'o [u8]> {
    let Some(bytes) = part.as_bytes() else {
        let text = format!("names and values of headers must be bytes, not {}", part.type_name(py));
        return Err(Raised::new(py, Kind::Type, &text));
    };
    check(bytes).map_err(|fault| Raised::new(py, Kind::Value, &fault.message(bytes)))?;
    Ok(bytes)
}

/// The items of any iterable, as a tuple.
fn tuple<'py>(py: Attached<'py>, items: &Object) -> Result<Owned<'py>> {
    // SAFETY: alive; a new reference comes back.
    unsafe { Owned::from_raw(py, ffi::PySequence_Tuple(items.as_ptr())) }
}

fn each(py: Attached<'_>, items: &Object, mut f: impl FnMut(&Object) -> Result<()>) -> Result<()> {
    let items = tuple(py, items)?;
    // SAFETY: a live tuple.
    for place in 0..unsafe { ffi::PyTuple_Size(items.as_ptr()) } {
        // SAFETY: the place exists, and the tuple keeps the item.
        f(unsafe { Object::borrow(ffi::PyTuple_GetItem(items.as_ptr(), place)) })?;
    }
    Ok(())
}
