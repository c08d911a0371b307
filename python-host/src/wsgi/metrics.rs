//! Metrics, filled in below.

use super::events::Times;
use super::request::RequestState;
use crate::python::trampoline::Args;
use crate::python::{Attached, GilWaits, Owned, Result, Text};
use wsgi_protocol::request::RequestHead;

pub fn is_recording() -> bool {
    false
}
pub fn begin(_: &Times) {}
pub fn end(_: Attached<'_>, _: &RequestState, _: &RequestHead<'_>, _: &Times) {}
pub fn note_waits(_: GilWaits) {}
pub fn start_recording<'py>(py: Attached<'py>, _: Args<'py>) -> Result<Owned<'py>> {
    Ok(py.none().own(py))
}
pub fn request_metrics<'py>(py: Attached<'py>, _: Args<'py>) -> Result<Owned<'py>> {
    Ok(py.none().own(py))
}
pub fn process_metrics<'py>(py: Attached<'py>, _: Args<'py>) -> Result<Owned<'py>> {
    Ok(py.none().own(py))
}
pub fn server_metrics<'py>(py: Attached<'py>, _: Args<'py>) -> Result<Owned<'py>> {
    Ok(py.none().own(py))
}
