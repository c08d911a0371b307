//! Texts that the functions of `fixtures.py` return.

use crate::interpreter::Interpreter;
use crate::python::{Attached, NumberValues, Object, Owned};

/// Calls a function of `fixtures.py` that returns a list of texts.
pub(crate) fn texts(py: Attached<'_>, interpreter: &Interpreter, name: &str) -> Vec<String> {
    strings(py, interpreter, name, &[])
}

/// Calls a function of `fixtures.py` that returns a list of texts; their lines.
pub(super) fn strings(
    py: Attached<'_>,
    interpreter: &Interpreter,
    name: &str,
    numbers: &[u64],
) -> Vec<String> {
    let call = || {
        let numbers: Vec<Owned<'_>> =
            numbers.iter().map(|number| py.int(*number as i64)).collect::<crate::python::Result<_>>()?;
        let arguments: Vec<&Object> = numbers.iter().map(|number| &**number).collect();
        interpreter.fixture(py, name, &arguments)
    };
    match call() {
        Ok(list) => list.texts(py).iter().flat_map(|entry| entry.lines()).map(str::to_owned).collect(),
        Err(raised) => {
            raised.clear(py);
            Vec::new()
        }
    }
}
