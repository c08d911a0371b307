//! Status and headers of `http.response.start`, checked and encoded.

use crate::python::{Attached, ExceptionKind, Object, Raised, Result};
use crate::wsgi::head_rules::{HeadFault, check_name, check_value};
use wsgi_protocol::response::{HeadWriter, STATUSES};

/// Encodes them.
///
/// # Errors
/// TypeError and ValueError for what is no status, or no header.
pub fn encode(py: Attached<'_>, status: &Object, headers: Option<&Object>) -> Result<Vec<u8>> {
    encode_as(py, status_of(py, status)?, headers)
}

/// The same for the answer to an opening handshake.
///
/// # Errors
/// As [`encode`].
pub fn encode_upgrade(py: Attached<'_>, headers: Option<&Object>) -> Result<Vec<u8>> {
    encode_as(py, 101, headers)
}

fn encode_as(py: Attached<'_>, code: u16, headers: Option<&Object>) -> Result<Vec<u8>> {
    let mut head = Vec::with_capacity(256);
    let line = format!("{code}{}", reason(code));
    let mut writer = HeadWriter::begin(&mut head, code, line.as_bytes());
    if let Some(headers) = headers {
        each(py, headers, |header| {
            let pair = header.tuple_of(py)?;
            let parts = pair.tuple_item(0).zip(pair.tuple_item(1)).filter(|_| pair.tuple_len() == 2);
            let (name, value) = parts.ok_or_else(|| {
                Raised::new(py, ExceptionKind::Value, "each header must be a pair of name and value")
            })?;
            writer.header(checked(py, name, check_name)?, checked(py, value, check_value)?);
            Ok(())
        })?;
    }
    writer.finish();
    Ok(head)
}

/// The reason of a status that httpd has no name for: without one it would answer 500.
fn reason(code: u16) -> &'static str {
    match code {
        208 => " Already Reported",
        226 => " IM Used",
        418 => " I'm a Teapot",
        421 => " Misdirected Request",
        425 => " Too Early",
        428 => " Precondition Required",
        429 => " Too Many Requests",
        431 => " Request Header Fields Too Large",
        451 => " Unavailable For Legal Reasons",
        506 => " Variant Also Negotiates",
        507 => " Insufficient Storage",
        508 => " Loop Detected",
        510 => " Not Extended",
        511 => " Network Authentication Required",
        200..=208 | 300..=308 | 400..=424 | 426 | 500..=505 | 101 => "",
        _ => " Unassigned",
    }
}

fn status_of(py: Attached<'_>, status: &Object) -> Result<u16> {
    let code = u16::try_from(status.index(py)?).ok().filter(|code| STATUSES.contains(code));
    code.ok_or_else(|| {
        let text = format!("status of a response must be {} to {}", STATUSES.start(), STATUSES.end());
        Raised::new(py, ExceptionKind::Value, &text)
    })
}

fn checked<'o>(
    py: Attached<'_>,
    part: &'o Object,
    check: fn(&[u8]) -> std::result::Result<(), HeadFault>,
) -> Result<&'o [u8]> {
    let Some(bytes) = part.as_bytes() else {
        let text = format!("names and values of headers must be bytes, not {}", part.type_name(py));
        return Err(Raised::new(py, ExceptionKind::Type, &text));
    };
    check(bytes).map_err(|fault| Raised::new(py, ExceptionKind::Value, &fault.message(bytes)))?;
    Ok(bytes)
}

fn each(py: Attached<'_>, items: &Object, mut f: impl FnMut(&Object) -> Result<()>) -> Result<()> {
    let items = items.tuple_of(py)?;
    (0..items.tuple_len()).filter_map(|place| items.tuple_item(place)).try_for_each(&mut f)
}
